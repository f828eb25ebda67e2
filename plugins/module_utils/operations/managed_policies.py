# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Managed policies, and whom they are attached to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..account.iam_account import tags_of
from ..account.overlay import (
    AccountOverlay,
    AttachmentQuota,
    Conflict,
    Observation,
    aws_error,
    compared,
    delete_conflict,
    existing_principal,
    principal,
)
from ..guardrails.replacement import is_swapped_in, replaced_by
from ..policies.arns import resource_of
from ..policies.document import canonical, is_deny_only, meaning, only_allows, pretty, read_document, size
from ..shapes import Step
from .digests import Digest, policy_digest, reached
from .principals import entity_row, module_row
from .row import DESTRUCTIVE, NONE, RESTRICT, Fact, Operation, State, Target
from .targets import POLICY, PRINCIPALS
from .undo import Calls, Operations, Parameters, given, tag_list, undone_by

# IAM's default quotas; GetAccountSummary has the account's own where they matter.
ATTACHED_QUOTA = 10
POLICIES_QUOTA = 1500
POLICY_SIZE_QUOTA = 6144
# Version id -> whether it is the default.
Versions = dict[str, bool]


def create_policy(overlay: AccountOverlay, step: Step) -> Observation:
    wanted = step["parameters"]
    name, path = wanted["PolicyName"], wanted.get("Path", "/")
    arn = overlay.policy_arn(path, name)
    document = read_document(wanted["PolicyDocument"])
    after = {"arn": arn, "document": pretty(document)}
    known = _named_so(overlay, name)
    if known:
        _equal_policy(overlay, step, arn, known, document)
        return Observation("unchanged", after, after, ("policy", arn))
    if not is_deny_only(document) and not is_swapped_in(name, overlay.following):
        overlay.guard("deny_only", step, "its policy document allows something")
    _policy_quotas(overlay, step)
    overlay.will_be({**overlay.fact("policy_names"), name.lower(): [arn]}, "policy_names")
    overlay.will_be({"description": wanted.get("Description", ""), "tags": tags_of(wanted)}, "policy", arn)
    overlay.will_be([], "policy_entities", arn)
    will_have_versions(overlay, arn, {"v1": True}, v1=document)
    return Observation("needed", {}, after, ("policy", arn))


def _named_so(overlay: AccountOverlay, name: str) -> list[str]:
    """The ARNs of the policies of a name, but for those that the script has deleted."""
    deleted = {arn for (arn,) in overlay.overlaid("policy") if overlay.fact("policy", arn) is None}
    return [arn for arn in overlay.fact("policy_names").get(name.lower(), []) if arn not in deleted]


def _policy_quotas(overlay: AccountOverlay, step: Step) -> None:
    document_size(step)
    count = sum(overlay.is_local(arn) for arns in overlay.fact("policy_names").values() for arn in arns)
    if count >= POLICIES_QUOTA:
        quota = overlay.fact("summary").get("PoliciesQuota", POLICIES_QUOTA)
        if count >= quota:
            raise aws_error("LimitExceeded", f"Cannot exceed quota for PoliciesPerAccount: {quota}")


def document_size(step: Step) -> None:
    if size(step["parameters"]["PolicyDocument"]) > POLICY_SIZE_QUOTA:
        raise aws_error("LimitExceeded", f"Cannot exceed quota for PolicySize: {POLICY_SIZE_QUOTA}")


def will_have_versions(overlay: AccountOverlay, arn: str, versions: Versions, **documents: Any) -> None:
    """Overlay a policy's versions (id -> is it the default) and the documents of new ones."""
    overlay.will_be(versions, "policy_versions", arn)
    for version, document in documents.items():
        overlay.will_be(document, "version_document", arn, version)
    default = next(version for version, is_default in versions.items() if is_default)
    overlay.will_be(overlay.fact("version_document", arn, default), "policy_document", arn)


def is_created(fact: Fact, parameters: Parameters) -> bool:
    """Whether the account has the policy, with an equal document: another run made it, or IAM's answer was lost."""
    arns = fact("policy_names").get(parameters["PolicyName"].lower(), [])
    if [resource_of(arn)[1:] for arn in arns] != [(parameters.get("Path", "/"), parameters["PolicyName"])]:
        return False
    return meaning(fact("policy_document", arns[0]) or {}) == meaning(read_document(parameters["PolicyDocument"]))


def _equal_policy(overlay: AccountOverlay, step: Step, arn: str, known: list[str], document: Any) -> None:
    name = step["parameters"]["PolicyName"]
    if known != [arn]:
        raise Conflict(
            f"the name {name} is taken by {' and '.join(known)}; policy names are unique in an account whatever their "
            f"path or letter case, and {step['module']} finds policies by name"
        )
    if meaning(overlay.fact("policy_document", arn) or {}) != meaning(document):
        raise aws_error(
            "EntityAlreadyExists",
            f"A policy called {name} already exists. Its document is another one, and it is never overwritten.",
        )
    _equal_description(overlay, step, arn)


def _equal_description(overlay: AccountOverlay, step: Step, arn: str) -> None:
    wanted = step["parameters"]
    for parameter, fact, value in (
        ("Description", "description", wanted.get("Description")),
        ("Tags", "tags", tags_of(wanted)),
    ):
        if wanted.get(parameter) and overlay.fact("policy", arn)[fact] != value:
            message = f"A policy called {wanted['PolicyName']} already exists, with other {fact}."
            raise aws_error("EntityAlreadyExists", message)


def delete_created_policy(operations: Operations, parameters: Parameters, before: Any, after: Any) -> Calls:
    return [(operations[0], {"PolicyArn": after["arn"]})]


def delete_policy(overlay: AccountOverlay, step: Step) -> Observation:
    arn = step["parameters"]["PolicyArn"]
    versions = overlay.fact("policy_versions", arn)
    if versions is None:
        return Observation("unchanged", {}, {}, ("policy", arn))
    own_policy(overlay, arn)
    document = overlay.fact("policy_document", arn)
    overlay.guard_denies(step, document, f"it deletes {arn}")
    if overlay.attached_to(arn):
        raise delete_conflict("Cannot delete a policy attached to entities.")
    if len(versions) > 1:
        raise delete_conflict(
            "This policy has more than one version. Before you delete a policy, you must delete the policy's "
            "versions. The default version is deleted with the policy.",
        )
    described = {field: overlay.fact("policy", arn)[field] for field in ("description", "tags")}
    for family in ("policy", "policy_document", "policy_versions"):
        overlay.will_be(None, family, arn)
    return Observation("needed", {"document": pretty(document), **described}, {}, ("policy", arn))


def own_policy(overlay: AccountOverlay, arn: str) -> None:
    if not overlay.is_local(arn):
        raise aws_error("AccessDenied", f"Policy {arn} is managed by AWS and cannot be changed.")


def former_policy(operations: Operations, parameters: Parameters, before: Any, after: Any) -> Calls:
    _policy, path, name = resource_of(parameters["PolicyArn"])
    described = given(Path=path, Description=before["description"], Tags=tag_list(before["tags"]))
    return [(operations[0], {"PolicyName": name, "PolicyDocument": before["document"], **described})]


# --- attachments ---


def attach_policy(overlay: AccountOverlay, step: Step) -> Observation:
    kind, name, _found = existing_principal(overlay, step)
    arn = step["parameters"]["PolicyArn"]
    attached = overlay.fact("attached", kind, name)
    before, after = _attachment(attached, sorted({*attached, arn}))
    if arn not in attached:
        _guard_attached(overlay, step, arn)
        overlay.swapped_in.setdefault((kind, name), {})[arn] = overlay.fact("policy_document", arn)
        _attachment_quota(overlay, step, kind, name, attached)
        overlay.will_be([*attached, arn], "attached", kind, name)
    return compared(before, after, ("attached", kind, name, arn))


def _attachment(attached: Iterable[str], wanted: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    return {"attached_policies": sorted(attached)}, {"attached_policies": sorted(wanted)}


def _guard_attached(overlay: AccountOverlay, step: Step, arn: str) -> None:
    document = overlay.fact("policy_document", arn)
    if document is None:
        raise aws_error("NoSuchEntity", f"Policy {arn} does not exist or is not attachable.")
    if is_deny_only(document):
        return
    kind, name = principal(step)
    replaced = list(_replaced_documents(overlay, step))
    act = f"it attaches {arn}, which allows something"
    if replaced:
        overlay.read_again += [state for state, _document in replaced]
        named = [state.name.split(" ", 1)[1] for state, _document in replaced]
        act = f"it attaches {arn} in place of {' and '.join(named)}"
    # Whether a Deny is kept is decided where it is taken away.
    allowing = [one for one in (only_allows(document) for _state, document in replaced) if one["Statement"]]
    overlay.guard_replacement(step, "attach_deny_only", allowing, document, f"{kind} {name}", act)


def _replaced_documents(overlay: AccountOverlay, step: Step) -> Iterator[tuple[State, Any]]:
    """What the script takes away from the principal later on and is in force now, with its document."""
    kind, name = principal(step)
    attached = overlay.fact("attached", kind, name) or []
    for parameters in replaced_by(step["operation"], step["parameters"], overlay.following):
        arn, policy = parameters.get("PolicyArn"), parameters.get("PolicyName")
        if arn and arn in attached and overlay.fact("policy_document", arn) is not None:
            yield replaced_policy(arn), overlay.fact("policy_document", arn)
        if policy and policy in (overlay.fact("inline_names", kind, name) or []):
            yield replaced_inline(policy), overlay.fact("inline", kind, name, policy)


def replaced_policy(arn: str) -> State:
    """A managed policy in whose place another one is attached."""

    def read(fact: Fact, parameters: Parameters) -> Any:
        kind, name = principal({"parameters": parameters})
        return [arn in (fact("attached", kind, name) or []), _policy_document(fact, {"PolicyArn": arn})]

    differs = "the policy that is replaced differs, or is not attached any more"
    return State(name=f"replaced_policy {arn}", read=read, differs=differs)


def replaced_inline(policy: str) -> State:
    """An inline policy in whose place a managed one is attached."""

    def read(fact: Fact, parameters: Parameters) -> Any:
        document = fact("inline", *principal({"parameters": parameters}), policy)
        return document and canonical(document)

    return State(name=f"replaced_inline {policy}", read=read, differs="the inline policy that is replaced differs")


def replaced_state(name: str) -> State:
    """The state of a name that no row has.

    :raises KeyError: no state has it.
    """
    kind, _space, about = name.partition(" ")
    return {"replaced_policy": replaced_policy, "replaced_inline": replaced_inline}[kind](about)


def _attachment_quota(overlay: AccountOverlay, step: Step, kind: str, name: str, attached: Iterable[str]) -> None:
    """The policies that the script itself has attached are among both: a set counts them once."""
    key, arn = (kind, name), step["parameters"]["PolicyArn"].lower()
    taken = {*map(str.lower, attached), *overlay.pending.get(key, ())}
    count = len(taken - {arn})
    if count >= ATTACHED_QUOTA:
        quota = overlay.fact("summary").get(f"AttachedPoliciesPer{kind.capitalize()}Quota", ATTACHED_QUOTA)
        if count >= quota:
            quoted = f"Cannot exceed quota for PoliciesPer{kind.capitalize()}: {quota}"
            message = f"{quoted}. Detach one that {name} needs no more."
            raise aws_error("LimitExceeded", message, AttachmentQuota)
    overlay.pending[key] = frozenset({*overlay.pending.get(key, ()), arn})


def detach_policy(overlay: AccountOverlay, step: Step) -> Observation:
    kind, name = principal(step)
    arn = step["parameters"]["PolicyArn"]
    attached = overlay.fact("attached", kind, name) or []
    if arn in attached:
        swapped_in = overlay.swapped_in.get((kind, name), {})
        swapped_in.pop(arn, None)
        overlay.guard_denies(step, overlay.fact("policy_document", arn), f"it detaches {arn}", *swapped_in.values())
        overlay.will_be([one for one in attached if one != arn], "attached", kind, name)
    before, after = _attachment(attached, set(attached) - {arn})
    return compared(before, after, ("attached", kind, name, arn))


def detached(overlay: AccountOverlay, parameters: Parameters, before: Any) -> list[Digest] | None:
    return [policy_digest(overlay, parameters["PolicyArn"]), *reached(overlay, *principal({"parameters": parameters}))]


def _policy_document(fact: Fact, parameters: Parameters) -> Any:
    document = fact("policy_document", parameters["PolicyArn"])
    return document and canonical(document)


POLICY_DOCUMENT = State(name="policy_document", read=_policy_document, differs="the policy's default document differs")
DOCUMENT_READS = ("GetPolicy", "GetPolicyVersion")
VERSION_READS = ("ListPolicyVersions", *DOCUMENT_READS)
# Each principal that has a policy is checked for protection, and the members of groups.
REACHED_READS = (
    "ListEntitiesForPolicy",
    "GetUser",
    "GetRole",
    "GetGroup",
    "ListAttachedGroupPolicies",
    "ListAttachedRolePolicies",
    "ListAttachedUserPolicies",
)

ROWS = (
    Operation(
        name="CreatePolicy",
        module="amazon.aws.iam_managed_policy",
        args={
            "name": "$PolicyName",
            "policy": "$PolicyDocument",
            "path": "$Path",
            "description": "$Description",
            "tags": "$Tags",
            "purge_tags": False,
            "state": "present",
        },
        observe=create_policy,
        already_true="it exists with an equal document and, if given, description and tags",
        effect=RESTRICT,
        undo=undone_by("DeletePolicy", calls=delete_created_policy),
        guards=("deny_only",),
        target=Target(parameter="PolicyName", resource="policy/{policy}"),
        reads=("ListPolicies", *DOCUMENT_READS, "GetAccountSummary"),
        # IAM creates no policy whose name is taken, and it throttles this call first.
        unasked={"ListPolicies": {"Policies": [], "IsTruncated": False}},
        is_there=is_created,
        # A policy does not change access until it is attached.
        reach=NONE,
        defaults={"Description": "", "Path": "/", "Tags": []},
        phrase="create policy {PolicyName}",
    ),
    entity_row(
        POLICY,
        name="DeletePolicy",
        args={"state": "absent"},
        observe=delete_policy,
        already_true="there is no such policy",
        effect=DESTRUCTIVE,
        undo=undone_by("CreatePolicy", calls=former_policy),
        reads=(*VERSION_READS, *REACHED_READS),
    ),
    # AttachGroupPolicy, AttachRolePolicy, AttachUserPolicy
    *(
        module_row(
            target,
            name=f"Attach{target.noun}Policy",
            args={"managed_policies": ["$PolicyArn"]},
            observe=attach_policy,
            already_true="the policy is attached",
            effect=RESTRICT,
            undo=undone_by(f"Detach{target.noun}Policy"),
            reads=(*DOCUMENT_READS, "GetAccountSummary"),
            statement="Attach",
            read_again=(POLICY_DOCUMENT,),
            phrase=f"attach {{policy}} to {target.kind} {{{target.parameter}}}",
        )
        for target in PRINCIPALS
    ),
    # DetachGroupPolicy, DetachRolePolicy, DetachUserPolicy
    *(
        Operation(
            name=f"Detach{target.noun}Policy",
            module="leastpriv.iam.policy_attachment",
            args={"kind": target.kind, "name": f"${target.parameter}", "policy_arn": "$PolicyArn", "state": "absent"},
            observe=detach_policy,
            already_true="the policy is not attached",
            effect=RESTRICT,
            undo=undone_by(f"Attach{target.noun}Policy"),
            target=target,
            reads=(target.read, f"ListAttached{target.noun}Policies", *DOCUMENT_READS),
            statement="Detach",
            read_again=(POLICY_DOCUMENT,),
            takes=detached,
            phrase=f"detach {{policy}} from {target.kind} {{{target.parameter}}}",
        )
        for target in PRINCIPALS
    ),
)
