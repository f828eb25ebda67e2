# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Undo against the emulator, where somebody has changed what it would put back, or who would get it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.account.iam_account import _READERS, IamAccount
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.protection import Protection
from ansible_collections.leastpriv.iam.plugins.module_utils.observation import taken
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.batch import Batch
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.taken import more_than
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.undoing import ALLOWED_TO_UNDO
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import STEPS
from ansible_collections.leastpriv.iam.plugins.module_utils.operations.undo import Undo
from ansible_collections.leastpriv.iam.plugins.module_utils.policies.document import stored_document
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.journal import Journal, intents
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.undo import undo_alerts
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.translation import translate
from stack.furnishing import as_copy

ACCOUNT = "payments"
CALLER = "arn:aws:sts::123456789012:assumed-role/leastpriv/test"
OPEN = ["keep_deny", "keep_boundary", "keep_trust", "default_deny_only", "no_trust", "no_deletion"]


def document(effect, action):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": action, "Resource": "*"}]})


def trusting(service):
    statement = {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


READS, DENIES, ADMIN = document("Allow", "s3:Get*"), document("Deny", "sqs:*"), document("Allow", "*")
ROLE_POLICIES = {"ListAttachedRolePolicies", "ListRolePolicies", "GetRolePolicy", "GetPolicy", "GetPolicyVersion"}
URL = "https://token.example.com"


class Case:
    """An account with a policy, a group, a role and their like; what names them."""

    def __init__(self, stack):
        self.iam, self.account_id = stack.client("iam", ACCOUNT), stack.account_id(ACCOUNT)
        made = as_copy(self.iam, self.account_id, "taken", self.furnish)
        self.reads, self.spare, self.boundary, self.provider = made

    def furnish(self):
        for user in ("ann", "eve"):
            self.iam.create_user(UserName=user)
        self.iam.create_group(GroupName="staff")
        self.iam.create_role(RoleName="app", AssumeRolePolicyDocument=trusting("ec2"))
        reads, spare, boundary = (self.create(name, READS) for name in ("reads", "spare", "boundary"))
        self.iam.create_policy_version(PolicyArn=spare, PolicyDocument=DENIES)
        for kind, name in (("user", "ann"), ("group", "staff"), ("role", "app")):
            named = {f"{kind.capitalize()}Name": name}
            getattr(self.iam, f"attach_{kind}_policy")(PolicyArn=reads, **named)
            put = getattr(self.iam, f"put_{kind}_policy")
            put(PolicyName="own", PolicyDocument=READS, **named)
            put(PolicyName="denying", PolicyDocument=DENIES, **named)
        self.iam.attach_user_policy(UserName="ann", PolicyArn=spare)
        self.iam.add_user_to_group(GroupName="staff", UserName="ann")
        self.iam.put_user_permissions_boundary(UserName="ann", PermissionsBoundary=boundary)
        self.iam.put_role_permissions_boundary(RoleName="app", PermissionsBoundary=boundary)
        self.iam.create_instance_profile(InstanceProfileName="box")
        self.iam.add_role_to_instance_profile(InstanceProfileName="box", RoleName="app")
        lists = {"ClientIDList": ["us", "them"], "ThumbprintList": ["a" * 40]}
        provider = self.iam.create_open_id_connect_provider(Url=URL, **lists)["OpenIDConnectProviderArn"]
        return reads, spare, boundary, provider

    def create(self, name, text):
        return self.iam.create_policy(PolicyName=name, PolicyDocument=text)["Policy"]["Arn"]

    def recreate(self, name, text):
        """A policy of the same ARN, whose v1 is another document, and v2 the one that the run had left."""
        arn = f"arn:aws:iam::{self.account_id}:policy/{name}"
        self.iam.detach_user_policy(UserName="ann", PolicyArn=arn)
        self.iam.delete_policy_version(PolicyArn=arn, VersionId="v1")
        self.iam.delete_policy(PolicyArn=arn)
        self.create(name, text)
        self.change(arn, DENIES)
        self.iam.attach_user_policy(UserName="ann", PolicyArn=arn)

    def change(self, arn, text):
        self.iam.create_policy_version(PolicyArn=arn, PolicyDocument=text, SetAsDefault=True)

    def observed(self, alert, allow):
        batch = Batch(IamAccount(self.iam), self.account_id, "aws", allow, Protection([], CALLER, None))
        return batch.observe_alert(alert)

    def journaled(self, script):
        """Observe a script; its intents as the journal has them."""
        steps = translate(script, self.account_id, OPEN)["steps"]
        seen = self.observed({"message_id": "m", "alert_id": "I-1", "steps": steps}, OPEN)
        assert seen["disposition"] is None, seen["reason"]
        common = {"account": ACCOUNT, "account_id": self.account_id}
        return [{**common, **json.loads(json.dumps(line))} for line in intents(seen["steps"])]

    def undo(self, lines):
        """What observing the undo of these intents comes to."""
        (alert,) = undo_alerts(Journal({"mode": "apply"}, lines))
        return self.observed(alert, ALLOWED_TO_UNDO)


@pytest.fixture
def case(stack):
    return Case(stack)


def allow_all(case, kind, name):
    getattr(case.iam, f"put_{kind}_policy")(
        PolicyName="own", PolicyDocument=ADMIN, **{f"{kind.capitalize()}Name": name}
    )


# name -> (the script's command, the same by hand, what somebody does then, what the undo says of it)
DETACH_USER = (
    lambda case: f"detach-user-policy --user-name ann --policy-arn {case.reads}",
    lambda case: case.iam.detach_user_policy(UserName="ann", PolicyArn=case.reads),
)
DETACH_ROLE = (
    lambda case: f"detach-role-policy --role-name app --policy-arn {case.reads}",
    lambda case: case.iam.detach_role_policy(RoleName="app", PolicyArn=case.reads),
)
DETACH_GROUP = (
    lambda case: f"detach-group-policy --group-name staff --policy-arn {case.reads}",
    lambda case: case.iam.detach_group_policy(GroupName="staff", PolicyArn=case.reads),
)
LEAVE = (
    lambda case: "remove-user-from-group --group-name staff --user-name ann",
    lambda case: case.iam.remove_user_from_group(GroupName="staff", UserName="ann"),
)
UNBOUND_USER = (
    lambda case: "delete-user-permissions-boundary --user-name ann",
    lambda case: case.iam.delete_user_permissions_boundary(UserName="ann"),
)
BOUND_OTHERWISE = (
    lambda case: f"put-role-permissions-boundary --role-name app --permissions-boundary {case.spare}",
    lambda case: case.iam.put_role_permissions_boundary(RoleName="app", PermissionsBoundary=case.spare),
)
OUT_OF_PROFILE = (
    lambda case: "remove-role-from-instance-profile --instance-profile-name box --role-name app",
    lambda case: case.iam.remove_role_from_instance_profile(InstanceProfileName="box", RoleName="app"),
)
DEFAULT = (
    lambda case: f"set-default-policy-version --policy-arn {case.spare} --version-id v2",
    lambda case: case.iam.set_default_policy_version(PolicyArn=case.spare, VersionId="v2"),
)
DELETE_INLINE = (
    lambda case: "delete-group-policy --group-name staff --policy-name own",
    lambda case: case.iam.delete_group_policy(GroupName="staff", PolicyName="own"),
)
TRUST = (
    lambda case: f"update-assume-role-policy --role-name app --policy-document '{trusting('lambda')}'",
    lambda case: case.iam.update_assume_role_policy(RoleName="app", PolicyDocument=trusting("lambda")),
)
CLIENT_ID = (
    lambda case: (
        f"remove-client-id-from-open-id-connect-provider --open-id-connect-provider-arn {case.provider} --client-id us"
    ),
    lambda case: case.iam.remove_client_id_from_open_id_connect_provider(
        OpenIDConnectProviderArn=case.provider, ClientID="us"
    ),
)
STEPS_TAKEN = {
    "detach from a user": DETACH_USER,
    "detach from a role": DETACH_ROLE,
    "detach from a group": DETACH_GROUP,
    "leave a group": LEAVE,
    "delete a boundary": UNBOUND_USER,
    "replace a boundary": BOUND_OTHERWISE,
    "take a role out of its profile": OUT_OF_PROFILE,
    "set a default version": DEFAULT,
    "delete an inline policy": DELETE_INLINE,
    "change a trust policy": TRUST,
    "remove a client id": CLIENT_ID,
}


@pytest.mark.parametrize("step", STEPS_TAKEN.values(), ids=STEPS_TAKEN)
def test_what_is_as_it_was_is_restored(case, step):
    script, apply = step
    lines = case.journaled("aws iam " + script(case))
    assert lines[0]["taken"] is not None
    apply(case)
    seen = case.undo(lines)
    assert (seen["disposition"], [one["status"] for one in seen["steps"]]) == (None, ["needed"]), seen["reason"]


@pytest.mark.parametrize("step", STEPS_TAKEN.values(), ids=STEPS_TAKEN)
def test_a_journal_that_does_not_record_what_was_taken_is_refused(case, step):
    script, apply = step
    lines = [{**line, "taken": None} for line in case.journaled("aws iam " + script(case))]
    apply(case)
    seen = case.undo(lines)
    assert seen["disposition"] == "refused"
    assert "does not record the access that this would restore" in seen["reason"]


# What the observer itself does not read, of operations that are rare.
MORE_READS = {
    "delete a boundary": {"GetPolicy", "GetPolicyVersion"},
    "replace a boundary": {"GetPolicy", "GetPolicyVersion"},
    "take a role out of its profile": ROLE_POLICIES,
    "set a default version": {"GetPolicyVersion"},
    "change a trust policy": ROLE_POLICIES,
}


@pytest.mark.parametrize("name", STEPS_TAKEN)
def test_what_is_taken_is_mostly_known_from_observing(case, name, monkeypatch):
    script = "aws iam " + STEPS_TAKEN[name][0](case)
    reads = Counter()
    case.iam.meta.events.register("before-call.iam", lambda model, **_more: reads.update([model.name]))
    case.journaled(script)
    with_digests = reads.copy()
    reads.clear()
    monkeypatch.setattr(taken, "OPERATIONS", {row.name: replace(row, takes=None) for row in STEPS})
    case.journaled(script)
    assert reads
    assert set(with_digests - reads) == MORE_READS.get(name, set())


def test_of_a_vendor_s_script_nothing_is_taken_and_nothing_more_is_read():
    vendor = ("CreatePolicy", "AttachGroupPolicy", "AttachRolePolicy", "AttachUserPolicy")
    assert [row.name for row in STEPS if row.name in vendor and row.takes] == []


MORE_POWERFUL = {
    "the detached policy allows all": (
        DETACH_USER,
        lambda case: case.change(case.reads, ADMIN),
        "policy/reads was changed",
    ),
    "the user's boundary is gone": (
        DETACH_USER,
        lambda case: case.iam.delete_user_permissions_boundary(UserName="ann"),
        "policy/boundary of user ann is gone",
    ),
    "the role trusts others": (
        DETACH_ROLE,
        lambda case: case.iam.update_assume_role_policy(RoleName="app", PolicyDocument=trusting("lambda")),
        "trust policy of role app was changed",
    ),
    "somebody else joined the group": (
        DETACH_GROUP,
        lambda case: case.iam.add_user_to_group(GroupName="staff", UserName="eve"),
        "member eve of group staff is new",
    ),
    "a policy of the left group allows all": (
        LEAVE,
        lambda case: case.change(case.reads, ADMIN),
        "policy/reads was changed",
    ),
    "an inline policy of the left group allows all": (
        LEAVE,
        lambda case: allow_all(case, "group", "staff"),
        "inline policy own of group staff was changed",
    ),
    "the left group has one more": (
        LEAVE,
        lambda case: case.iam.attach_group_policy(GroupName="staff", PolicyArn=case.create("admin", ADMIN)),
        "policy/admin is new",
    ),
    "the left group denies no more": (
        LEAVE,
        lambda case: case.iam.delete_group_policy(GroupName="staff", PolicyName="denying"),
        "inline policy denying of group staff is gone",
    ),
    "the boundary allows all": (
        UNBOUND_USER,
        lambda case: case.change(case.boundary, ADMIN),
        "policy/boundary was changed",
    ),
    "the replaced boundary allows all": (
        BOUND_OTHERWISE,
        lambda case: case.change(case.boundary, ADMIN),
        "policy/boundary was changed",
    ),
    "the profile's role may do more": (
        OUT_OF_PROFILE,
        lambda case: allow_all(case, "role", "app"),
        "inline policy own of role app was changed",
    ),
    "the profile's role is bounded no more": (
        OUT_OF_PROFILE,
        lambda case: case.iam.delete_role_permissions_boundary(RoleName="app"),
        "policy/boundary of role app is gone",
    ),
    "the former default is another document": (
        DEFAULT,
        lambda case: case.recreate("spare", ADMIN),
        "version v1 of policy",
    ),
    "the policy is attached to more": (
        DEFAULT,
        lambda case: case.iam.attach_user_policy(UserName="eve", PolicyArn=case.spare),
        "user eve, which has the policy",
    ),
    "who has the policy is bounded no more": (
        DEFAULT,
        lambda case: case.iam.delete_user_permissions_boundary(UserName="ann"),
        "user ann, which has the policy",
    ),
    "somebody else joined the group of the inline policy": (
        DELETE_INLINE,
        lambda case: case.iam.add_user_to_group(GroupName="staff", UserName="eve"),
        "member eve of group staff is new",
    ),
    "the role whose trust is put back may do more": (
        TRUST,
        lambda case: case.change(case.reads, ADMIN),
        "policy/reads was changed",
    ),
    "another key signs for the provider": (
        CLIENT_ID,
        lambda case: case.iam.update_open_id_connect_provider_thumbprint(
            OpenIDConnectProviderArn=case.provider, ThumbprintList=["a" * 40, "b" * 40]
        ),
        f"thumbprint {'b' * 40}",
    ),
}


@pytest.mark.parametrize(("step", "change", "shown"), MORE_POWERFUL.values(), ids=MORE_POWERFUL)
def test_what_has_become_more_powerful_is_refused(case, step, change, shown):
    script, apply = step
    lines = case.journaled("aws iam " + script(case))
    apply(case)
    change(case)
    seen = case.undo(lines)
    assert seen["disposition"] == "refused", seen
    assert shown in seen["reason"]
    assert "could grant more access than before the run" in seen["reason"]


LESS = {
    "the left group has one less": (
        LEAVE,
        lambda case: case.iam.delete_group_policy(GroupName="staff", PolicyName="own"),
    ),
    "the left group is denied more": (
        LEAVE,
        lambda case: case.iam.attach_group_policy(GroupName="staff", PolicyArn=case.create("no", DENIES)),
    ),
    "the group is smaller": (
        DETACH_GROUP,
        lambda case: case.iam.remove_user_from_group(GroupName="staff", UserName="ann"),
    ),
    "the policy is attached to fewer": (
        DEFAULT,
        lambda case: case.iam.detach_user_policy(UserName="ann", PolicyArn=case.spare),
    ),
}


@pytest.mark.parametrize(("step", "change"), LESS.values(), ids=LESS)
def test_what_grants_less_than_it_did_is_restored(case, step, change):
    script, apply = step
    lines = case.journaled("aws iam " + script(case))
    apply(case)
    change(case)
    assert case.undo(lines)["disposition"] is None


def test_the_steps_of_one_script_are_undone_on_top_of_each_other(case):
    both = [LEAVE, DETACH_GROUP]
    lines = case.journaled(" && ".join("aws iam " + script(case) for script, _apply in both))
    for _script, apply in both:
        apply(case)
    assert case.undo(lines)["disposition"] is None


@pytest.mark.parametrize(("document", "disposition"), [(READS, None), (ADMIN, "refused")])
def test_a_deleted_policy_that_somebody_made_anew_is_restored_only_as_it_was(case, document, disposition):
    arn = case.create("gone", READS)
    case.iam.attach_user_policy(UserName="ann", PolicyArn=arn)
    lines = case.journaled(
        f"aws iam detach-user-policy --user-name ann --policy-arn {arn} && aws iam delete-policy --policy-arn {arn}"
    )
    case.iam.detach_user_policy(UserName="ann", PolicyArn=arn)
    case.iam.delete_policy(PolicyArn=arn)
    case.create("gone", document)
    assert case.undo(lines)["disposition"] == disposition


def test_what_cannot_be_read_is_never_the_same():
    unread = {"policy p": {"sha256": None, "grants": True, "restricts": True}}
    assert more_than(unread, unread) == ["policy p cannot be read"]
    assert more_than({}, unread) == ["policy p cannot be read"]
    assert more_than({"policy p": {}}, {"policy p": {**unread["policy p"], "sha256": "0"}}) == ["policy p was changed"]
    assert more_than({"policy p": {}}, {}) == ["policy p is gone"], "a record that says nothing says no good"


@pytest.mark.parametrize("name", ["take a role out of its profile", "change a trust policy"])
def test_a_document_that_cannot_be_read_fails_no_step_that_does_not_look_into_it(case, name, monkeypatch):
    script, apply = STEPS_TAKEN[name]
    unreadable = stored_document("{", "the inline policy own")
    monkeypatch.setitem(_READERS, "inline", lambda *key: unreadable)
    lines = case.journaled("aws iam " + script(case))
    assert lines[0]["taken"]["inline policy own of role app"]["sha256"] is None
    apply(case)
    seen = case.undo(lines)
    assert seen["disposition"] == "refused"
    assert "inline policy own of role app cannot be read" in seen["reason"]


# The observers of steps whose undo puts back values, or takes away what the run had put there.
WITHOUT_TAKES = {
    "add_client_id", "add_member", "add_role_to_profile", "attach_policy", "create_alias", "create_group",
    "create_openid_connect_provider", "create_policy", "create_profile", "create_role", "create_saml_provider",
    "create_service_linked_role", "create_user", "delete_alias", "delete_password_policy", "delete_policy",
    "delete_principal", "delete_profile", "delete_provider", "delete_service_linked_role", "rename",
    "set_outbound_federation", "set_token_version", "tag", "untag", "update_credential", "update_password_policy",
    "update_role", "update_saml_metadata",
}  # fmt: skip


def test_every_operation_that_restores_by_reference_is_looked_at():
    undone = [row for row in STEPS if isinstance(row.undo, Undo)]
    found = {row.observe.__name__: row.name for row in undone if not row.takes}
    new = {observer: operation for observer, operation in found.items() if observer not in WITHOUT_TAKES}
    assert not new, f"give the rows `takes`, or add their observers to WITHOUT_TAKES in {__file__}: {new}"
    assert not WITHOUT_TAKES - set(found), f"remove these from WITHOUT_TAKES in {__file__}"
