# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inline policies of users, groups and roles."""

from __future__ import annotations

from typing import Any

from ..account.overlay import AccountOverlay, Observation, aws_error, existing_principal, principal
from ..policies.document import Unreadable, canonical, is_deny_only, meaning, pretty, read_document, size
from ..shapes import Step
from .digests import Digest, reached
from .row import RESTRICT, Fact, Operation, State
from .targets import PRINCIPALS
from .undo import Calls, Operations, Parameters, undone_by, without

INLINE_SIZE_QUOTA = {"user": 2048, "role": 10240, "group": 5120}


def put_inline_policy(overlay: AccountOverlay, step: Step) -> Observation:
    kind, name, _found = existing_principal(overlay, step)
    policy = step["parameters"]["PolicyName"]
    wanted = read_document(step["parameters"]["PolicyDocument"])
    live = overlay.fact("inline", kind, name, policy)
    before = {"document": pretty(live)} if live else {}
    after = {"document": pretty(wanted)}
    writes = ("inline", kind, name, policy)
    if live and meaning(live) == meaning(wanted):
        return Observation("unchanged", before, before, writes)
    for replaced in _inline_named_so(overlay, kind, name, policy):
        document = overlay.fact("inline", kind, name, replaced)
        overlay.guard_denies(step, document, f"it replaces the inline policy {replaced}", wanted)
    if not is_deny_only(wanted):
        _guard_allowing(overlay, step, wanted)
    _inline_quota(overlay, step, kind, name)
    overlay.will_be(wanted, "inline", kind, name, policy)
    overlay.will_be(sorted({*overlay.fact("inline_names", kind, name), policy}), "inline_names", kind, name)
    return Observation("needed", before, after, writes)


def _inline_named_so(overlay: AccountOverlay, kind: str, name: str, policy: str) -> list[str]:
    """The principal's inline policies of a name, in any letter case: IAM does not distinguish names by it."""
    return [one for one in overlay.fact("inline_names", kind, name) if one.lower() == policy.lower()]


def _guard_allowing(overlay: AccountOverlay, step: Step, wanted: Any) -> None:
    kind, name = principal(step)
    policy = step["parameters"]["PolicyName"]
    replaced = [overlay.fact("inline", kind, name, one) for one in _inline_named_so(overlay, kind, name, policy)]
    act = f"it replaces the inline policy {policy}" if replaced else "its policy document allows something"
    overlay.guard_replacement(step, "deny_only", replaced, wanted, f"{kind} {name}", act)


def _inline_quota(overlay: AccountOverlay, step: Step, kind: str, name: str) -> None:
    others = set(overlay.fact("inline_names", kind, name)) - {step["parameters"]["PolicyName"]}
    documents = [_text(overlay.fact("inline", kind, name, other)) for other in sorted(others)]
    quota = INLINE_SIZE_QUOTA[kind]
    if size(step["parameters"]["PolicyDocument"]) + sum(size(document) for document in documents) > quota:
        message = f"Maximum policy size of {quota} bytes exceeded for {kind} {name}"
        raise aws_error("LimitExceeded", message)


def _text(document: Any) -> str:
    return str(document.text if isinstance(document, Unreadable) else pretty(document))


def delete_inline_policy(overlay: AccountOverlay, step: Step) -> Observation:
    kind, name = principal(step)
    policy = step["parameters"]["PolicyName"]
    live = overlay.fact("inline", kind, name, policy)
    writes = ("inline", kind, name, policy)
    if live is None:
        return Observation("unchanged", {}, {}, writes)
    swapped_in = overlay.swapped_in.get((kind, name), {})
    overlay.guard_denies(step, live, f"it deletes the inline policy {policy}", *swapped_in.values())
    overlay.will_be(None, "inline", kind, name, policy)
    overlay.will_be(
        [one for one in overlay.fact("inline_names", kind, name) if one != policy], "inline_names", kind, name
    )
    return Observation("needed", {"document": pretty(live)}, {}, writes)


def former_inline(operations: Operations, parameters: Parameters, before: Any, after: Any) -> Calls:
    if "document" not in before:
        return [(operations[1], without(parameters, "PolicyDocument"))]
    return [(operations[0], {**parameters, "PolicyDocument": before["document"]})]


def _inline(fact: Fact, parameters: Parameters) -> Any:
    """The inline policies of the name; IAM ignores letter case in names."""
    kind, name = principal({"parameters": parameters})
    wanted = parameters["PolicyName"].lower()
    same = [policy for policy in fact("inline_names", kind, name) or [] if policy.lower() == wanted]
    return {policy: canonical(fact("inline", kind, name, policy) or {}) for policy in same}


def whose_inline(overlay: AccountOverlay, parameters: Parameters, before: Any) -> list[Digest] | None:
    return reached(overlay, *principal({"parameters": parameters})) if "document" in before else None


INLINE = State(name="inline", read=_inline, differs="its inline policy differs")

ROWS = (
    # PutGroupPolicy, PutRolePolicy, PutUserPolicy
    *(
        Operation(
            name=f"Put{target.noun}Policy",
            module="amazon.aws.iam_policy",
            args={
                "iam_type": target.kind,
                "iam_name": f"${target.parameter}",
                "policy_name": "$PolicyName",
                "policy_json": "$PolicyDocument",
                "state": "present",
                "skip_duplicates": False,
            },
            observe=put_inline_policy,
            already_true="an inline policy of this name has an equal document",
            effect=RESTRICT,
            undo=undone_by(f"Put{target.noun}Policy", f"Delete{target.noun}Policy", calls=former_inline),
            guards=("deny_only",),
            target=target,
            reads=(target.read, f"Get{target.noun}Policy", f"List{target.noun}Policies"),
            read_again=(INLINE,),
            takes=whose_inline,
            phrase=f"put inline policy {{PolicyName}} on {target.kind} {{{target.parameter}}}",
        )
        for target in PRINCIPALS
    ),
    # DeleteGroupPolicy, DeleteRolePolicy, DeleteUserPolicy
    *(
        Operation(
            name=f"Delete{target.noun}Policy",
            module="amazon.aws.iam_policy",
            args={
                "iam_type": target.kind,
                "iam_name": f"${target.parameter}",
                "policy_name": "$PolicyName",
                "state": "absent",
            },
            observe=delete_inline_policy,
            already_true="there is no such inline policy",
            effect=RESTRICT,
            undo=undone_by(f"Put{target.noun}Policy", calls=former_inline),
            target=target,
            reads=(target.read, f"Get{target.noun}Policy", f"List{target.noun}Policies"),
            read_again=(INLINE,),
            takes=whose_inline,
            phrase=f"delete inline policy {{PolicyName}} of {target.kind} {{{target.parameter}}}",
        )
        for target in PRINCIPALS
    ),
)
