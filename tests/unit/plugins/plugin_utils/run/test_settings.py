# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import timedelta

import pytest
from ansible.errors import AnsibleFilterError
from ansible.plugins.loader import filter_loader
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails import NEVER_OPEN, RULES
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.settings import read_lifetime


def settings(allow=(), protected=(), max_changes=50, max_failures=5, **others):
    checked = filter_loader.get("leastpriv.iam.settings").j2_function
    limits = {"max_changes": max_changes, "max_failures": max_failures}
    return checked("payments", list(allow), list(protected), **limits, **others)


def test_what_can_be_opened_is_taken_in_every_spelling():
    allow = [*(rule for rule in RULES if rule not in NEVER_OPEN), "tag-user", "TagUser"]
    expected = {"account": "payments", "allow": allow, "protected": [], "max_failures": 5, "unfenced": False}
    assert settings(allow) == expected


@pytest.mark.parametrize(
    ("allow", "says"),
    [
        (["no_tag"], "'no_tag' is neither a guardrail nor an operation of IAM; no_tags is one"),
        (["no_tags", "*"], r"'\*' is neither"),
        (["NO_TAGS"], "'NO_TAGS' is neither"),
        ([7], "7 is neither"),
        (["create-access-key"], "create-access-key cannot be opened: it mints"),
        (["blast_radius"], "Run again, or raise remediate_max_changes"),
        *(([rule], f"{rule} cannot be opened") for rule in NEVER_OPEN),
    ],
)
def test_what_opens_nothing_is_an_error(allow, says):
    with pytest.raises(AnsibleFilterError, match=says):
        settings(allow)


def test_a_text_is_no_list():
    with pytest.raises(AnsibleFilterError, match="must be a list"):
        filter_loader.get("leastpriv.iam.settings").j2_function("payments", "no_tags", max_changes=1, max_failures=1)


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({"max_changes": -1}, "remediate_max_changes must be a whole number from 0, not -1"),
        ({"max_changes": "many"}, "remediate_max_changes"),
        ({"max_changes": True}, "remediate_max_changes"),
        ({"max_failures": 0}, "remediate_max_failures must be a whole number from 1, not 0"),
        ({"aws_config": "adaptive"}, "remediate_aws_config must be a dict: dictionary requested"),
        ({"on_quota": "merge"}, "remediate_on_quota must be fail or consolidate, not 'merge'"),
    ],
)
def test_what_an_account_may_not_have_stops_the_run(limits, says):
    with pytest.raises(AnsibleFilterError, match=says):
        settings(**limits)


def test_limits_may_come_as_text_from_the_command_line():
    assert settings(max_changes="0", max_failures="1")


@pytest.mark.parametrize(
    ("text", "lifetime"), [("24h", timedelta(days=1)), (90, timedelta(seconds=90)), ("366d", timedelta(366))]
)
def test_how_long_a_plan_may_be_applied(text, lifetime):
    assert read_lifetime(text) == lifetime


@pytest.mark.parametrize("text", ["", None, 0, "0h", "367d", "999999999w", "tomorrow", -1])
def test_a_lifetime_that_no_plan_can_have_stops_the_run(text):
    with pytest.raises(AnsibleFilterError, match="remediate_plan_lifetime must be a time such as 24h, at most 366d"):
        settings(plan_lifetime=text)


@pytest.mark.parametrize(("given", "read"), [(False, False), (True, True), ("no", False), ("true", True)])
def test_unfenced_is_a_boolean_in_every_spelling(given, read):
    assert settings(unfenced=given)["unfenced"] is read


def test_an_unfenced_that_is_not_a_boolean_is_refused():
    with pytest.raises(AnsibleFilterError, match="remediate_unfenced must be true or false, not 'maybe'"):
        settings(unfenced="maybe")
