# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import datetime, timezone

import pytest
import yaml
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.exemptions import (
    ProtectionError,
    describe,
    example_entries,
    expiring,
    in_force,
    may_be_named,
)
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.protection import (
    Protection,
    principal_of_arn,
)
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.rules import Refusal

NOW = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)
CALLER = "arn:aws:sts::123456789012:assumed-role/runner/session"
BREAK_GLASS = {"arn": "arn:aws:iam::*:user/break-glass-*", "owner": "sre", "reason": "emergency access"}
BY_TAG = {"tag": {"key": "protect", "value": "yes"}, "owner": "sre", "reason": "emergency access"}
BY_PATH = {"path": "/break-glass/", "owner": "sre", "reason": "emergency access"}
ONE = "arn:aws:iam::123456789012:user/break-glass-1"


def protected(entry, caller=CALLER, runners=(), **touched):
    defaults = {"kind": "user", "name": "break-glass-1", "arn": ONE}
    try:
        Protection([entry] if entry else [], caller, NOW, runners).check(**{**defaults, **touched})
    except Refusal as refusal:
        return str(refusal)
    return None


def test_a_protected_principal_is_refused_with_owner_and_reason():
    assert "protected by sre (emergency access)" in protected(BREAK_GLASS)


def test_others_are_not():
    assert protected(BREAK_GLASS, name="alice", arn="arn:aws:iam::123456789012:user/alice") is None
    assert protected(BREAK_GLASS, arn=None) is None


@pytest.mark.parametrize(
    ("pattern", "arn", "is_protected"),
    [
        ("arn:aws:iam::*:user/Break-Glass-*", ONE, True),
        ("arn:aws:iam::*:user/break-glass-?", ONE, True),
        ("arn:aws:iam::*:user/break-glass", ONE, False),
        ("arn:aws:iam::*:user/break-glass-[12]", ONE, False),
        ("*:user/break-glass-1", ONE, True),
        ("arn:aws:iam::*:role/build/*", "arn:aws:iam::123456789012:role/build/x/y", True),
    ],
)
def test_patterns_match_whatever_the_letter_case(pattern, arn, is_protected):
    assert (protected({**BREAK_GLASS, "arn": pattern}, arn=arn) is not None) is is_protected


@pytest.mark.parametrize(
    ("tags", "is_protected"),
    [
        ({"protect": "yes"}, True),
        ({"protect": "Yes"}, False),
        ({"Protect": "yes"}, True),
        ({"protect": "yes, really"}, False),
        ({}, False),
    ],
)
def test_a_tag_protects_by_its_value_and_its_key_in_any_letter_case(tags, is_protected):
    shown = protected(BY_TAG, tags=lambda: tags)
    assert ("is protected by tag protect=yes by sre" in (shown or "")) is is_protected
    assert protected(BY_TAG, kind="group", arn="arn:aws:iam::123456789012:group/x", tags=lambda: tags) is None


def test_tags_that_are_not_known_are_no_pass():
    assert "tags of user break-glass-1 are not known" in protected(BY_TAG)
    others = {**BY_TAG, "arn": "arn:aws:iam::*:role/*"}
    assert protected(others) is None, "nobody has to know the tags of a principal that the ARN does not name"


@pytest.mark.parametrize(
    ("arn", "is_protected"),
    [
        ("arn:aws:iam::123456789012:user/break-glass/ann", True),
        ("arn:aws:iam::123456789012:user/Break-Glass/eu/ann", True),
        ("arn:aws:iam::123456789012:user/break-glass-2/ann", False),
        ("arn:aws:iam::123456789012:user/eu/break-glass/ann", False),
        ("arn:aws:iam::123456789012:user/ann", False),
    ],
)
def test_a_path_protects_all_below_it(arn, is_protected):
    assert (protected(BY_PATH, arn=arn) is not None) is is_protected


def test_an_entry_protects_only_what_meets_all_that_it_has():
    entry = {**BREAK_GLASS, **BY_TAG, "path": "/"}
    assert protected(entry, tags=lambda: {"protect": "yes"}) is not None
    assert protected(entry, tags=lambda: {"protect": "no"}) is None
    assert protected({**entry, "path": "/x/"}, tags=lambda: {"protect": "yes"}) is None
    assert describe(entry) == f"{BREAK_GLASS['arn']}, tag protect=yes, path /"


@pytest.mark.parametrize("entry", [BY_TAG, BY_PATH])
def test_an_entry_without_an_arn_may_name_anybody(entry):
    assert may_be_named(entry, "123456789012", "user", "ann")
    assert Protection([entry], CALLER, NOW).protects_any


def test_what_expires_within_two_weeks_is_announced():
    dates = ("2026-06-15", "2026-06-16", "2026-05-31", None)
    entries = [{**BY_PATH, "expires": date} for date in dates]
    assert [entry["expires"] for entry in expiring(entries, NOW)] == ["2026-06-15"]


@pytest.mark.parametrize(
    ("expires", "still"),
    [
        ("2026-06-02", True),
        ("2026-06-01", False),
        ("2026-06-01T12:00:01Z", True),
        ("2026-06-01T14:00:00+02:00", False),
    ],
)
def test_a_protection_ends_when_it_expires(expires, still):
    assert (protected({**BREAK_GLASS, "expires": expires}) is not None) is still


@pytest.mark.parametrize(
    ("caller", "kind", "name"),
    [
        (CALLER, "role", "runner"),
        (CALLER, "role", "RUNNER"),
        ("arn:aws:iam::123456789012:user/ops/deployer", "user", "deployer"),
        ("arn:aws-us-gov:sts::123456789012:assumed-role/runner/i-0", "role", "runner"),
    ],
)
def test_the_identity_that_runs_the_playbook_is_never_touched(caller, kind, name):
    assert "runs this playbook" in protected(None, caller, kind=kind, name=name, arn=None)


@pytest.mark.parametrize(
    ("runner", "kind", "name", "is_protected"),
    [
        ("arn:aws:sts::123456789012:assumed-role/Hub/i-0", "role", "hub", True),
        ("arn:aws:iam::123456789012:role/path/Hub", "role", "HUB", True),
        ("arn:aws:iam::123456789012:user/ops/hub", "user", "hub", True),
        ("arn:aws:iam::123456789012:user/ops/hub", "role", "hub", False),
        ("arn:aws:sts::210987654321:assumed-role/Hub/i-0", "role", "hub", False),
        ("arn:aws:iam::123456789012:root", "user", "root", False),
    ],
)
def test_the_identities_that_a_run_depends_on_are_never_touched_in_their_own_account(runner, kind, name, is_protected):
    shown = protected(None, runners=[runner], kind=kind, name=name, arn=None)
    assert (shown is not None and f"{runner}, on which this run depends" in shown) is is_protected
    assert "runs this playbook" in protected(None, runners=[runner], kind="role", name="runner", arn=None)


@pytest.mark.parametrize(
    ("pattern", "is_in"),
    [
        ("arn:aws:iam::*:user/x", True),
        ("arn:aws:iam::123456789012:user/x", True),
        ("arn:aws:iam::210987654321:user/x", False),
        ("*:user/x", True),
        ("arn:*:iam::1234*:role/x", True),
    ],
)
def test_whether_anybody_is_protected_is_reported_for_the_account(pattern, is_in):
    assert Protection([{**BREAK_GLASS, "arn": pattern}], CALLER, NOW).protects_any is is_in
    assert not Protection([], CALLER, NOW).protects_any


@pytest.mark.parametrize("caller", ["arn:aws:iam::123456789012:root", CALLER])
def test_nobody_else_is_taken_for_the_caller(caller):
    assert protected(None, caller, kind="user", name="runner", arn=ONE) is None


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("arn:aws:iam::*:user/x", "entry 1 .* is not a dictionary"),
        ({"owner": "y", "reason": "z"}, "entry 1 .* has none of arn, tag and path"),
        ({**BY_TAG, "tag": "protect=yes"}, "is not a dictionary of key and value"),
        ({**BY_TAG, "tag": {"key": "protect"}}, "is not a dictionary of key and value"),
        ({**BY_TAG, "tag": {"key": "protect", "value": True}}, "quote its key and value"),
        ({**BY_TAG, "tag": {"key": "protect", "value": "*"}}, "without wildcards"),
        ({**BY_TAG, "tag": {"key": "", "value": "yes"}}, "not a tag of IAM"),
        ({**BY_PATH, "path": "break-glass"}, "not a path of IAM"),
        ({**BY_PATH, "path": "/break-glass"}, "not a path of IAM"),
        ({**BY_PATH, "path": "/break-*/"}, "without wildcards"),
        ({**BY_PATH, "path": ["/break-glass/"]}, "not a path of IAM"),
        ({**BREAK_GLASS, "arn": [BREAK_GLASS["arn"]]}, "can match no principal"),
        ({**BREAK_GLASS, "owner": ["sre"]}, "has no owner"),
        ({"arn": "x", "owner": "y"}, "has no reason"),
        ({**BREAK_GLASS, "arn": "break-glass-1"}, "can match no principal"),
        ({**BREAK_GLASS, "arn": "arn:aws:sts::123456789012:assumed-role/x/y"}, "can match no principal"),
        ({**BREAK_GLASS, "expire": "2026-01-01"}, "unknown key 'expire'"),
        ({**BREAK_GLASS, "expires": "next week"}, "not an ISO 8601 date"),
    ],
)
def test_an_unreadable_list_protects_by_stopping(entry, says):
    with pytest.raises(ProtectionError, match=says):
        Protection([entry], CALLER, NOW)


@pytest.mark.parametrize(
    ("account_ids", "partition", "arn"),
    [
        (["123456789012"], "aws", ONE),
        (["123456789012"], "aws-us-gov", "arn:aws-us-gov:iam::123456789012:user/break-glass-1"),
        (["123456789012", "210987654321"], "aws", ONE),
        ([], "aws", ONE),
    ],
)
def test_the_entries_to_paste_are_entries_that_protect(account_ids, partition, arn):
    entries = yaml.safe_load(example_entries(account_ids, partition))["remediate_protected_principals"]
    assert in_force(entries, NOW) == entries
    with pytest.raises(Refusal):
        Protection(entries, CALLER, NOW).check("user", "break-glass-1", arn)


def test_a_principal_is_read_from_its_arn():
    assert principal_of_arn("arn:aws:iam::123456789012:user/a/b/alice") == ("user", "alice")
