# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import timedelta

import pytest
from ansible import template
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.rules import NEVER_OPEN, RULES
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.settings import (
    SettingError,
    read_lifetime,
    read_settings,
    read_specification,
    unknown_names,
)

# `trust_as_template` came with ansible-core 2.19, where only trusted text is templated.
trusted = getattr(template, "trust_as_template", str)


def problems_of(**given):
    return " ".join(read_settings({f"remediate_{name}": value for name, value in given.items()})[1])


def test_without_any_setting_all_have_their_defaults():
    settings, problems = read_settings({})
    assert problems == []
    assert settings == {name.removeprefix("remediate_"): row["default"] for name, row in read_specification().items()}


@pytest.mark.parametrize("empty", [None, "", "  "])
def test_an_empty_value_is_the_default(empty):
    assert read_settings(dict.fromkeys(read_specification(), empty)) == read_settings({})


def test_what_is_no_more_than_false_or_zero_is_not_empty():
    settings, problems = read_settings({"remediate_max_changes": 0, "remediate_validate_certs": False})
    assert (settings["max_changes"], settings["validate_certs"], problems) == (0, False, [])


def test_what_can_be_opened_is_taken_in_every_spelling():
    allow = [*(rule for rule in RULES if rule not in NEVER_OPEN), "tag-user", "TagUser"]
    settings, problems = read_settings({"remediate_allow": allow})
    assert (settings["allow"], problems) == (allow, [])


@pytest.mark.parametrize(
    ("allow", "says"),
    [
        (["no_tag"], "'no_tag' is neither a guardrail nor an operation of IAM; no_tags is one"),
        (["no_tags", "*"], "'*' is neither"),
        (["NO_TAGS"], "'NO_TAGS' is neither"),
        ([7], "7 is neither"),
        ("no_tags", "must be a list"),
        (["create-access-key"], "create-access-key cannot be opened: it mints"),
        (["blast_radius"], "Run again, or raise remediate_max_changes"),
        *(([rule], f"{rule} cannot be opened") for rule in NEVER_OPEN),
    ],
)
def test_what_opens_nothing_is_an_error(allow, says):
    assert says in problems_of(allow=allow)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (
            {"artifacts_keep": "30 days"},
            "remediate_artifacts_keep must be an age such as 90d or a number such as 30 runs",
        ),
        ({"max_changes": -1}, "remediate_max_changes must be a whole number from 0, not -1"),
        ({"max_changes": "many"}, "remediate_max_changes"),
        ({"max_changes": True}, "remediate_max_changes"),
        ({"max_failures": 0}, "remediate_max_failures must be a whole number from 1, not 0"),
        ({"aws_config": "adaptive"}, "remediate_aws_config"),
        ({"on_quota": "merge"}, "value of remediate_on_quota must be one of: fail, consolidate, got: merge"),
        ({"unfenced": "maybe"}, "remediate_unfenced is of type str and we were unable to convert to bool"),
        ({"wait_seconds": 0}, "remediate_wait_seconds must be a number from 1 to 20, not 0"),
        ({"max_alerts": True}, "remediate_max_alerts must be a number"),
        ({"severities": ["hihg"]}, "remediate_severities"),
        ({"min_age": "soon"}, "remediate_min_age"),
        ({"tolerate": ["everything"]}, "remediate_tolerate"),
        (
            {"protected_principals": [{"tag": {"key": "a", "value": True}, "owner": "x", "reason": "y"}]},
            "entry 1 of remediate_protected_principals has the tag {'key': 'a', 'value': True}, which is not a tag",
        ),
        ({"managed": "perhaps"}, "value of remediate_managed must be one of: warn, refuse, apply, got: perhaps"),
        ({"managed_tags": [{"key": "a", "value": False}]}, "remediate_managed_tags has {'key': 'a', 'value': False}"),
        ({"managed_tags": [{"key": "a*"}]}, "without wildcards"),
        ({"managed_tags": [{"value": "a"}]}, "has no key"),
        ({"protected_principals": [{"owner": "x", "reason": "y"}]}, "none of arn, tag and path"),
        (
            {"protected_principals": [{"path": "/x/", "owner": "x", "reason": "y", "expires": "soon"}]},
            "expires at 'soon'",
        ),
        ({"protected_principals": [{"arn": "*"}]}, "owner, reason found in remediate_protected_principals"),
    ],
)
def test_what_an_account_may_not_have_is_named(given, says):
    # So the type is named before ansible-core 2.19.
    assert says in problems_of(**given).replace("<class 'str'>", "str")


def test_everything_that_is_wrong_is_named_at_once():
    shown = problems_of(max_changes=-1, min_age="soon", allow=["x"], api_version="v3")
    assert [name in shown for name in ("max_changes", "min_age", "allow", "api_version")] == [True] * 4


def test_values_may_come_as_text_from_the_command_line():
    given = {"remediate_max_changes": "0", "remediate_unfenced": "yes", "remediate_severities": "high,low"}
    settings, problems = read_settings(given)
    assert problems == []
    assert (settings["max_changes"], settings["unfenced"], settings["severities"]) == (0, True, ["high", "low"])


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("remediate_severites", "remediate_severites is not a setting (did you mean remediate_severities?)"),
        ("remediate_protected_principal", "remediate_protected_principals?"),
        ("remediate_Allow", "remediate_allow?"),
        ("REMEDIATE_ALLOW", "remediate_allow?"),
        ("remediation_max_changes", "remediate_max_changes?"),
        ("remidiate_tolerate", "remediate_tolerate?"),
        ("remediate_xyzzy", "remediate_xyzzy is not a setting"),
    ],
)
def test_a_name_that_is_not_a_setting_is_named(name, says):
    (shown,) = unknown_names([name, "remediate_allow"])
    assert says in shown


def test_variables_of_others_are_left_alone():
    assert unknown_names(["account_id", "remote_tmp", "reminder", "remedy", "__remediate_run_id", "remediated"]) == []


@pytest.mark.parametrize(
    ("text", "lifetime"), [("24h", timedelta(days=1)), (90, timedelta(seconds=90)), ("366d", timedelta(366))]
)
def test_how_long_a_plan_may_be_applied(text, lifetime):
    assert read_lifetime(text) == lifetime


@pytest.mark.parametrize("text", ["", None, 0, "0h", "367d", "999999999w", "tomorrow", -1])
def test_a_lifetime_that_no_plan_can_have_is_refused(text):
    with pytest.raises(SettingError, match="remediate_plan_lifetime must be a time such as 24h, at most 366d"):
        read_lifetime(text)


def look_up(**variables):
    loader = DataLoader()
    templar = Templar(loader, variables=variables)
    (settings,) = lookup_loader.get("leastpriv.iam.settings", loader=loader, templar=templar).run([], variables)
    return settings


def test_the_settings_of_a_host_are_evaluated_and_hold_no_secret():
    template_of = trusted("{{ [rule] }}")
    address = "https://hooks.example/secret"
    settings = look_up(
        inventory_hostname="payments", rule="no_tags", remediate_allow=template_of, remediate_webhook_url=address
    )
    assert (settings["account"], settings["allow"], settings["problems"]) == ("payments", ["no_tags"], [])
    assert address not in str(settings)


def test_a_template_that_fails_is_named():
    settings = look_up(inventory_hostname="payments", remediate_allow=trusted("{{ no_such_variable }}"))
    assert "remediate_allow cannot be evaluated" in settings["problems"][0]
