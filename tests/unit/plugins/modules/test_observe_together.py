# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alerts of one run that meet in one account: what they claim, and how much they change together."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from ansible.plugins.loader import filter_loader
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.rules import NEVER_OPEN, RULES
from ansible_collections.leastpriv.iam.plugins.modules.observe import observe_alerts
from stack.furnishing import TRUST, furnish

ACCOUNT = "payments"
OPEN = sorted(set(RULES) - set(NEVER_OPEN))
MEMBERS = 4


def a_document(effect, action="s3:*"):
    statement = {"Effect": effect, "Action": action, "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


MARKS = {"@DENY@": a_document("Deny"), "@DENY2@": a_document("Deny", "sqs:*"), "@ALLOW@": a_document("Allow", "iam:*")}
NARROW = TRUST.replace("ec2", "lambda")


@pytest.fixture(scope="module")
def account(running_stack):
    """An account that all tests of this file share: observing changes nothing in it."""
    running_stack.reset()
    iam = running_stack.client("iam", ACCOUNT)
    furnish(iam, running_stack.account_id(ACCOUNT))
    iam.create_group(GroupName="crowd")
    for number in range(MEMBERS):
        iam.create_user(UserName=f"member-{number}")
        iam.add_user_to_group(GroupName="crowd", UserName=f"member-{number}")
    return running_stack


def observe(stack, *scripts, allow=(), max_changes=None, protected=(), on_quota="fail"):
    """The alerts I-1, I-2, … of scripts as one run observes them."""
    account_id = stack.account_id(ACCOUNT)
    alerts = []
    for number, script in enumerate(scripts, 1):
        for mark, text in {**MARKS, "@TRUST@": NARROW, "@ARN@": f"arn:aws:iam::{account_id}:policy"}.items():
            script = script.replace(mark, text)
        translated = filter_loader.get("leastpriv.iam.steps").j2_function(script, account_id, list(allow))
        assert translated["disposition"] is None, translated["reason"]
        alerts.append({"message_id": f"m-{number}", "alert_id": f"I-{number}", "steps": translated["steps"]})
    parameters = {"account_id": account_id, "allow": list(allow), "protected_principals": list(protected)}
    module = SimpleNamespace(
        params={**parameters, "max_changes": max_changes, "on_quota": on_quota, "undo": False},
        client=lambda service: stack.client(service, ACCOUNT),
    )
    return observe_alerts(module, alerts, f"arn:aws:sts::{account_id}:assumed-role/runner/remediate")


CREATE = "aws iam create-policy --policy-name limits --policy-document '@DENY@'"
ATTACH = "aws iam attach-user-policy --user-name bob --policy-arn @ARN@/denies"
PUT = "aws iam put-user-policy --user-name bob --policy-name p --policy-document '@DENY@'"
NARROW_TRUST = "aws iam update-assume-role-policy --role-name ci --policy-document '@TRUST@'"
ATTACH_ROLE = "aws iam attach-role-policy --role-name ci --policy-arn @ARN@/denies"
UNIQUE = "policy names are unique in an account, whatever their path and letter case"
VERSION = "aws iam create-policy-version --policy-arn @ARN@/unused --policy-document '@DENY@' --set-as-default"

# What it is about, the first script, the second, and why the second fails.
NOT_TOGETHER = [
    ("a policy under two paths", CREATE, CREATE + " --path /other/", UNIQUE),
    ("a policy in two letter cases", CREATE, CREATE.replace("limits", "Limits"), UNIQUE),
    ("a policy with two documents", CREATE, CREATE.replace("@DENY@", "@DENY2@"), UNIQUE),
    ("a policy with two descriptions", CREATE + " --description a", CREATE + " --description b", UNIQUE),
    ("an inline policy in two letter cases", PUT, PUT.replace("name p", "name P"), "letter case aside"),
    ("an inline policy with two documents", PUT, PUT.replace("@DENY@", "@DENY2@"), "in another way"),
    *(
        (
            f"a {noun} in two letter cases",
            f"aws iam create-{noun} --{noun}-name new{more}",
            f"aws iam create-{noun} --{noun}-name NEW{more}",
            f"{noun.replace('-', ' ')} names are unique",
        )
        for noun, more in (
            ("user", ""),
            ("group", ""),
            ("role", f" --assume-role-policy-document '{TRUST}'"),
            ("instance-profile", ""),
        )
    ),
    (
        "a user under two paths",
        "aws iam create-user --user-name new",
        "aws iam create-user --user-name new --path /x/",
        "user names are unique",
    ),
    (
        "a user that is renamed, and one that is created with the new name",
        "aws iam update-user --user-name idler --new-user-name late",
        "aws iam create-user --user-name Late",
        "user names are unique",
    ),
    (
        "two users that are renamed to one name",
        "aws iam update-user --user-name idler --new-user-name late",
        "aws iam update-user --user-name bound --new-user-name LATE",
        "user names are unique",
    ),
    (
        "a server certificate that is renamed, and one that is deleted",
        "aws iam update-server-certificate --server-certificate-name web --new-server-certificate-name web-2",
        "aws iam delete-server-certificate --server-certificate-name web",
        "server certificate names are unique",
    ),
    ("a trust that is tightened, then attached to its role", NARROW_TRUST, ATTACH_ROLE, "trust policy of role ci"),
    (
        "a role that is attached to in a later wave, then its trust tightened",
        f"{CREATE} && {ATTACH_ROLE}",
        NARROW_TRUST,
        "trust policy of role ci",
    ),
    (
        "a trust that is tightened, then a tag on its role",
        NARROW_TRUST,
        "aws iam tag-role --role-name ci --tags Key=a,Value=b",
        "trust policy of role ci",
    ),
    (
        "a user that is deleted, then attached to",
        "aws iam delete-user --user-name idler",
        ATTACH.replace("bob", "idler"),
        "changes user idler",
    ),
    (
        "a user that is attached to, then deleted",
        ATTACH.replace("bob", "idler"),
        "aws iam delete-user --user-name idler",
        "policies attached to user idler",
    ),
    (
        "a user that is renamed, then attached to",
        "aws iam update-user --user-name bob --new-user-name rob",
        ATTACH,
        "changes user bob",
    ),
    (
        "a policy that comes to allow, then is attached",
        "aws iam create-policy-version --policy-arn @ARN@/denies --policy-document '@ALLOW@' --set-as-default",
        ATTACH,
        "changes the document of policy",
    ),
    (
        "a policy that comes to deny, then is detached as one that allows",
        "aws iam create-policy-version --policy-arn @ARN@/allows --policy-document '@DENY@' --set-as-default",
        "aws iam detach-user-policy --user-name bob --policy-arn @ARN@/allows",
        "changes the document of policy",
    ),
    (
        "a policy that is attached, then deleted",
        ATTACH.replace("denies", "unused"),
        "aws iam delete-policy --policy-arn @ARN@/unused",
        "relies on the document of policy",
    ),
    (
        "a group that comes to deny, then is left",
        "aws iam put-group-policy --group-name staff --policy-name p --policy-document '@DENY@'",
        "aws iam remove-user-from-group --user-name bob --group-name staff",
        "inline policies of group staff",
    ),
    (
        "a group that is left, then comes to deny",
        "aws iam remove-user-from-group --user-name bob --group-name staff",
        "aws iam attach-group-policy --group-name staff --policy-arn @ARN@/denies",
        "policies attached to group staff",
    ),
]
TOGETHER = {
    "one and the same policy": [f"{CREATE} && {ATTACH.replace('denies', 'limits')}"] * 2,
    "two policies of one user": [
        f"{CREATE} && {ATTACH}",
        f"{CREATE.replace('limits', 'more')} && {ATTACH.replace('denies', 'denies-more')}",
    ],
    "two inline policies of one user": [PUT, PUT.replace("name p", "name q")],
    "two policies of one role": [ATTACH_ROLE, ATTACH_ROLE.replace("denies", "denies-more")],
    "two policies of one group": [
        "aws iam attach-group-policy --group-name staff --policy-arn @ARN@/denies",
        "aws iam attach-group-policy --group-name staff --policy-arn @ARN@/denies-more",
    ],
    "the trust of a role and a policy of another one": [NARROW_TRUST, ATTACH_ROLE.replace("ci", "spare")],
    "a boundary and a policy of one user": [
        "aws iam put-user-permissions-boundary --user-name bob --permissions-boundary @ARN@/denies",
        ATTACH,
    ],
    "a new version of one policy of a user, and another policy": [VERSION.replace("unused", "allows"), ATTACH],
    "a password and a policy of one user": ["aws iam delete-login-profile --user-name bob", ATTACH],
    "two settings of the account": [
        "aws iam delete-account-alias --account-alias first-alias",
        "aws iam update-account-password-policy --minimum-password-length 14 --max-password-age 90",
    ],
}


def named(cases):
    return [pytest.param(*case[1:], id=case[0]) for case in cases]


@pytest.mark.parametrize(("first", "second", "why"), named(NOT_TOGETHER))
def test_an_alert_does_not_revert_or_hollow_out_what_another_one_does(account, first, second, why):
    one, other = observe(account, first, second, allow=OPEN)
    assert one["disposition"] is None, one["reason"]
    assert (other["disposition"], why in other["reason"]) == ("failed", True), other["reason"]
    assert other["reason"].endswith("run again after it")
    (alone,) = observe(account, second, allow=OPEN)
    assert alone["disposition"] is None, alone["reason"]


@pytest.mark.parametrize("scripts", TOGETHER.values(), ids=TOGETHER)
def test_alerts_that_add_to_each_other_go_together(account, scripts):
    for pair in (scripts, scripts[::-1]):
        assert [seen["reason"] for seen in observe(account, *pair, allow=OPEN)] == [None, None]


@pytest.mark.parametrize(
    "poison",
    [
        f"{PUT.replace('@DENY@', '@DENY2@')} && aws iam delete-role-policy --role-name nobody --policy-name x && "
        "aws iam attach-user-policy --user-name nobody --policy-arn @ARN@/denies",
        f"{CREATE} --path /taken/ && aws iam attach-user-policy --user-name bob --policy-arn @ARN@/allows-more",
    ],
)
def test_an_alert_that_is_not_applied_claims_nothing(account, poison):
    first, second = observe(account, poison, f"{PUT} && {CREATE}")
    assert first["disposition"] == "failed"
    assert second["disposition"] is None, second["reason"]


def test_policies_that_are_not_applied_do_not_count_against_the_quota(account):
    attached = [
        f"{CREATE.replace('limits', f'p{number}')} && {ATTACH.replace('denies', f'p{number}')}" for number in range(9)
    ]
    poison = [f"{script} && {ATTACH.replace('bob', 'nobody')}" for script in attached]
    seen = observe(account, *poison, attached[0])
    assert [one["disposition"] for one in seen] == ["failed"] * 9 + [None], seen[-1]["reason"]


# --- blast radius ---

DENY_ALL = "aws iam put-user-policy --user-name member-{} --policy-name p --policy-document '@DENY@'"
MANY = " && ".join(DENY_ALL.format(number) for number in range(MEMBERS))
PASSWORDS = "aws iam update-account-password-policy --minimum-password-length 14 --max-password-age 90"
# What a script changes, and how much of the limit it takes.
COUNTED = {
    "each user once": (MANY, MEMBERS),
    "a user once, however much of it": (f"{PUT} && {PUT.replace('name p', 'name q')} && {ATTACH}", 1),
    "a policy is created and attached": (f"{CREATE} && {ATTACH.replace('denies', 'limits')}", 1),
    "a policy is created alone": (CREATE, 1),
    "policies are created alone": (f"{CREATE} && {CREATE.replace('limits', 'more')}", 1),
    "a group with its members": (
        "aws iam attach-group-policy --group-name crowd --policy-arn @ARN@/denies",
        MEMBERS + 1,
    ),
    "an inline policy of a group": (
        "aws iam put-group-policy --group-name crowd --policy-name p --policy-document '@DENY@'",
        MEMBERS + 1,
    ),
    "whom a policy is attached to: user, role, group, its member, and whom it bounds": (
        "aws iam create-policy-version --policy-arn @ARN@/allows --policy-document '@DENY@' --set-as-default",
        5,
    ),
    "a user leaves a group": ("aws iam remove-user-from-group --user-name bob --group-name staff", 1),
    "the account's password policy": (PASSWORDS, 1),
    "two settings of the account": (
        f"{PASSWORDS} && aws iam set-security-token-service-preferences --global-endpoint-token-version v2Token",
        2,
    ),
    "an identity provider": (
        "aws iam delete-saml-provider --saml-provider-arn arn:aws:iam::@ID@:saml-provider/idp",
        1,
    ),
    "what is unchanged does not count": ("aws iam delete-login-profile --user-name idler && " + PUT, 1),
}


@pytest.mark.parametrize(("script", "count"), COUNTED.values(), ids=COUNTED)
def test_a_run_changes_as_many_principals_and_settings_as_it_may(account, script, count):
    script = script.replace("@ID@", account.account_id(ACCOUNT))
    (fits,) = observe(account, script, allow=OPEN, max_changes=count)
    assert fits["disposition"] is None, fits["reason"]
    (beyond,) = observe(account, script, allow=OPEN, max_changes=count - 1)
    assert beyond["disposition"] == "refused"
    assert f"guardrail blast_radius: it changes {count} principal" in beyond["reason"]
    assert beyond["reason"].endswith("Raise remediate_max_changes: no run may change so much.")
    assert "needed" not in [step["status"] for step in beyond["steps"]]


def test_alerts_are_taken_in_order_while_they_fit(account):
    scripts = [PUT, MANY, PUT.replace("name p", "name q"), DENY_ALL.format(0), DENY_ALL.format(1)]
    seen = observe(account, *scripts, max_changes=2)
    assert [one["disposition"] for one in seen] == [None, "refused", None, None, "refused"]
    assert seen[1]["reason"].endswith("no run may change so much.")
    assert "and the alerts before it change 2; 2 may change in one run" in seen[4]["reason"]
    assert seen[4]["reason"].endswith("Run again, or raise remediate_max_changes.")


def test_without_a_limit_nothing_is_refused(account):
    (seen,) = observe(account, MANY)
    assert seen["disposition"] is None
