# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Swaps inside one script: a policy is attached in the place of one that a later command takes away."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.account.overlay import AccountOverlay
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.rules import Refusal
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.one_step import observe
from ansible_collections.leastpriv.iam.plugins.module_utils.policies.document import read_document

ACCOUNT = "123456789012"
ANN = {"UserName": "ann"}
ARN = f"arn:aws:iam::{ACCOUNT}:policy/"


def a_document(*statements):
    found = [{"Effect": effect, "Action": action, "Resource": "*"} for effect, action in statements]
    return read_document({"Version": "2012-10-17", "Statement": found})


BIG = a_document(("Allow", "s3:*"))
SMALL = a_document(("Allow", "s3:Get*"))
MORE = a_document(("Allow", "s3:Get*"), ("Allow", "ec2:*"))
GUARDED = a_document(("Allow", "s3:*"), ("Deny", "s3:Delete*"))
SMALL_GUARDED = a_document(("Allow", "s3:Get*"), ("Deny", "s3:Delete*"))
ATTACH = ("AttachUserPolicy", {**ANN, "PolicyArn": f"{ARN}new"})
DETACH = ("DetachUserPolicy", {**ANN, "PolicyArn": f"{ARN}old"})
DELETE = ("DeleteUserPolicy", {**ANN, "PolicyName": "work"})


def observed(calls, new, old=BIG, inline=BIG, allow=()):
    """What is read again for each step of a script, beside the states of its row."""
    facts = {
        ("user", "ann"): {"arn": "arn", "path": "/", "boundary": None, "tags": {}},
        ("attached", "user", "ann"): [f"{ARN}old"],
        ("inline_names", "user", "ann"): ["work"],
        ("inline", "user", "ann", "work"): inline,
        ("policy_document", f"{ARN}old"): old,
        ("policy_document", f"{ARN}new"): new,
    }
    overlay = AccountOverlay(SimpleNamespace(fact=lambda *key: facts[key]), ACCOUNT, "aws", allow, {})
    read_again = []
    for number, (operation, parameters) in enumerate(calls, 1):
        overlay.next_step()
        overlay.following = calls[number:]
        observe(overlay, {"operation": operation, "parameters": parameters, "module": "m"})
        read_again.append([state.name for state in overlay.read_again])
    return read_again


@pytest.mark.parametrize(
    ("calls", "documents"),
    [
        ([ATTACH, DETACH], (SMALL,)),
        ([ATTACH, DELETE], (SMALL,)),
        ([ATTACH, DETACH], (SMALL_GUARDED, GUARDED)),
        ([ATTACH, DELETE, DETACH], (MORE, BIG, a_document(("Allow", "ec2:*")))),
    ],
)
def test_a_safe_swap_passes_and_reads_again_what_it_replaces(calls, documents):
    names = {"DetachUserPolicy": f"replaced_policy {ARN}old", "DeleteUserPolicy": "replaced_inline work"}
    first, *others = observed(calls, *documents)
    assert first == [names[operation] for operation, _parameters in calls[1:]]
    assert others == [[]] * len(others)


@pytest.mark.parametrize(
    ("calls", "documents", "rule"),
    [
        ([ATTACH, DETACH], (MORE,), "no_widening"),
        ([ATTACH, DETACH], (SMALL, a_document(("Deny", "s3:*"))), "attach_deny_only"),
        ([ATTACH, DETACH], (SMALL, GUARDED), "keep_deny"),
        ([DETACH, ATTACH], (SMALL,), "attach_deny_only"),
        ([ATTACH], (SMALL,), "attach_deny_only"),
        ([ATTACH, ("DetachUserPolicy", {**ANN, "PolicyArn": f"{ARN}other"})], (SMALL,), "attach_deny_only"),
        ([ATTACH, ("DetachRolePolicy", {"RoleName": "ann", "PolicyArn": f"{ARN}old"})], (SMALL,), "attach_deny_only"),
        ([ATTACH, DETACH, ("DetachUserPolicy", ATTACH[1])], (SMALL_GUARDED, GUARDED), "keep_deny"),
    ],
)
def test_any_other_is_refused(calls, documents, rule):
    with pytest.raises(Refusal) as refusal:
        observed(calls, *documents)
    assert refusal.value.rule == rule


@pytest.mark.parametrize("allow", ["no_widening", "attach_deny_only", "attach-user-policy"])
def test_both_rules_open_it(allow):
    assert observed([ATTACH, DETACH], MORE, allow=[allow])


def test_the_counterexample_is_in_the_reason():
    with pytest.raises(Refusal, match=r"in place of .*policy/old: allows ec2:\* on \*, which the old one did not; "):
        observed([ATTACH, DETACH], MORE)
