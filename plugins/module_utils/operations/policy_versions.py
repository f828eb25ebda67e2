# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions of managed policies. The default version is in force for all that have the policy."""

from __future__ import annotations

from typing import Any

from ..account.overlay import AccountOverlay, Observation, aws_error, delete_conflict
from ..policies.document import canonical, canonical_text, is_deny_only, meaning, pretty, read_document
from ..shapes import Step
from .digests import Digest, document_digest, reached, sha256, stored
from .managed_policies import (
    POLICY_DOCUMENT,
    REACHED_READS,
    VERSION_READS,
    Versions,
    document_size,
    own_policy,
    will_have_versions,
)
from .row import HOLDERS, RESTRICT, Operation
from .targets import POLICY
from .undo import Calls, Irreversible, Operations, Parameters, undone_by

VERSIONS_QUOTA = 5
# No version of a policy has this id: nothing is left to delete.
NO_VERSION = "v0"


def create_policy_version(overlay: AccountOverlay, step: Step) -> Observation:
    """An equal version is what was wanted; the oldest is never deleted to make room."""
    wanted = step["parameters"]
    arn, default = wanted["PolicyArn"], bool(wanted.get("SetAsDefault"))
    versions = _versions(overlay, step, arn)
    document = read_document(wanted["PolicyDocument"])
    after = {"document": pretty(document)}
    writes = ("policy_versions", arn)
    equal = [one for one in versions if meaning(overlay.fact("version_document", arn, one)) == meaning(document)]
    if any(versions[one] or not default for one in equal):
        return Observation("unchanged", after, after, writes)
    _version_quotas(step, versions)
    if not is_deny_only(document):
        _guard_allowing(overlay, step, "deny_only", document, f"it creates a version of {arn}")
    before = {"versions": sorted(versions)}
    if default:
        before.update(_default(overlay, arn, versions))
        _guard_default(overlay, step, arn, document)
        versions = dict.fromkeys(versions, False)
    # IAM counts on from the newest version that ever was; the newest that is there is the best guess.
    new = f"v{max(int(version[1:]) for version in versions) + 1}"
    will_have_versions(overlay, arn, {**versions, new: default}, **{new: document})
    return Observation("needed", before, after, writes)


def _default(overlay: AccountOverlay, arn: str, versions: Versions) -> dict[str, Any]:
    """The document of a policy that is in force, and the id of its version."""
    version = next(version for version, is_default in versions.items() if is_default)
    return {"document": pretty(overlay.fact("policy_document", arn)), "default_version": version}


def _versions(overlay: AccountOverlay, step: Step, arn: str) -> Versions:
    own_policy(overlay, arn)
    versions: Versions | None = overlay.fact("policy_versions", arn)
    if versions is None:
        raise aws_error("NoSuchEntity", f"Policy {arn} was not found.")
    return versions


def _version_quotas(step: Step, versions: Versions) -> None:
    document_size(step)
    if len(versions) >= VERSIONS_QUOTA:
        raise aws_error(
            "LimitExceeded",
            f"A managed policy can have up to {VERSIONS_QUOTA} versions. Before you create a new version, you must "
            "delete an existing version.",
        )


def _guard_default(overlay: AccountOverlay, step: Step, arn: str, document: Any) -> None:
    """What becomes default must keep every Deny that is in force."""
    live = overlay.fact("policy_document", arn)
    overlay.guard_denies(step, live, f"it replaces the default version of {arn}", document)


def _guard_allowing(overlay: AccountOverlay, step: Step, rule: str, document: Any, act: str) -> None:
    """A version that allows something takes the place of the default one, now or when it becomes the default."""
    arn = step["parameters"]["PolicyArn"]
    overlay.guard_replacement(step, rule, [overlay.fact("policy_document", arn)], document, f"policy {arn}", act)


def set_default_policy_version(overlay: AccountOverlay, step: Step) -> Observation:
    arn, version = step["parameters"]["PolicyArn"], step["parameters"]["VersionId"]
    versions = _versions(overlay, step, arn)
    if version not in versions:
        raise aws_error("NoSuchEntity", f"Policy {arn} version {version} does not exist or is not attachable.")
    document = overlay.fact("version_document", arn, version)
    before, after = _default(overlay, arn, versions), {"document": pretty(document), "default_version": version}
    writes = ("policy_versions", arn)
    if versions[version]:
        return Observation("unchanged", after, after, writes)
    if not is_deny_only(document):
        act = f"it makes {version} the default version of {arn}"
        _guard_allowing(overlay, step, "default_deny_only", document, act)
    _guard_default(overlay, step, arn, document)
    will_have_versions(overlay, arn, {**dict.fromkeys(versions, False), version: True})
    return Observation("needed", before, after, writes)


def delete_policy_version(overlay: AccountOverlay, step: Step) -> Observation:
    arn, version = step["parameters"]["PolicyArn"], step["parameters"]["VersionId"]
    versions = overlay.fact("policy_versions", arn) or {}
    writes = ("policy_version", arn, version)
    if versions:
        own_policy(overlay, arn)
    if version not in versions:
        return Observation("unchanged", {}, {}, writes)
    if versions[version]:
        raise delete_conflict("Cannot delete the default version of a policy.")
    document = overlay.fact("version_document", arn, version)
    will_have_versions(overlay, arn, {one: is_default for one, is_default in versions.items() if one != version})
    return Observation("needed", {"document": pretty(document)}, {}, writes)


# --- undo ---


def unmake_version(operations: Operations, parameters: Parameters, before: Any, after: Any) -> Calls:
    """Which version AWS has made is seen when it is observed."""
    arn = {"PolicyArn": parameters["PolicyArn"]}
    back = [(operations[0], {**arn, "VersionId": before["default_version"]})] if "default_version" in before else []
    return [*back, (operations[1], arn)]


def made_version(overlay: AccountOverlay, applied: Any) -> dict[str, Any]:
    """The version that a step has made: the newest with its document that was not there before."""
    arn = applied["parameters"]["PolicyArn"]
    wanted = canonical(read_document(applied["parameters"]["PolicyDocument"]))
    made = [
        version
        for version in set(overlay.fact("policy_versions", arn) or {}) - set(applied["before"]["versions"])
        if canonical(overlay.fact("version_document", arn, version)) == wanted
    ]
    return {"VersionId": max(made, key=lambda version: int(version[1:]), default=NO_VERSION)}


def former_default(operations: Operations, parameters: Parameters, before: Any, after: Any) -> Calls:
    return [(operations[0], {**parameters, "VersionId": before["default_version"]})]


def former_version(overlay: AccountOverlay, parameters: Parameters, before: Any) -> list[Digest] | None:
    """A policy that was created again has a version of the same name; its holders since then would get it, too."""
    if "default_version" not in before:
        return None
    arn, version = parameters["PolicyArn"], before["default_version"]
    holders = overlay.attached_to(arn)
    return [
        document_digest(f"version {version} of policy {arn}", stored(overlay, "version_document", arn, version)),
        *(_holder(overlay, arn, *holder) for holder in holders),
        *(part for kind, name in holders if kind == "group" for part in reached(overlay, kind, name)),
    ]


def _holder(overlay: AccountOverlay, arn: str, kind: str, name: str) -> Digest:
    """Who has a policy, with what decides how far it reaches there."""
    found = overlay.fact(kind, name) or {}
    trust = document_digest("trust", found["trust"])[1]["sha256"] if "trust" in found else ""
    digest = None if trust is None else sha256(canonical_text([found.get("boundary"), trust]))
    return f"{kind} {name}, which has the policy {arn},", {"sha256": digest, "grants": True, "restricts": False}


FIXED = {"policy_arn": "$PolicyArn", "state": "present"}

ROWS = (
    Operation(
        name="CreatePolicyVersion",
        module="leastpriv.iam.policy_version",
        args={**FIXED, "policy": "$PolicyDocument", "default": "$SetAsDefault"},
        observe=create_policy_version,
        already_true="a version has an equal document; with `--set-as-default` the default one does",
        effect=RESTRICT,
        undo=undone_by("SetDefaultPolicyVersion", "DeletePolicyVersion", calls=unmake_version, complete=made_version),
        guards=("deny_only",),
        target=POLICY,
        reads=(*VERSION_READS, *REACHED_READS),
        read_again=(POLICY_DOCUMENT,),
        takes=former_version,
        reach=HOLDERS,
        defaults={"SetAsDefault": False},
        undeclared="a policy of this name exists, and its document differs",
        phrase="create a new version of {policy}",
    ),
    Operation(
        name="DeletePolicyVersion",
        module="leastpriv.iam.policy_version",
        args={"policy_arn": "$PolicyArn", "version_id": "$VersionId", "state": "absent"},
        observe=delete_policy_version,
        already_true="there is no such version",
        effect=RESTRICT,
        undo=Irreversible("the document can be created again, but under another version id"),
        target=POLICY,
        reads=("ListPolicyVersions", "GetPolicy", "GetPolicyVersion"),
    ),
    Operation(
        name="SetDefaultPolicyVersion",
        module="leastpriv.iam.policy_version",
        args={**FIXED, "version_id": "$VersionId", "default": True},
        observe=set_default_policy_version,
        already_true="this is the default version",
        effect=RESTRICT,
        undo=undone_by("SetDefaultPolicyVersion", calls=former_default),
        target=POLICY,
        reads=(*VERSION_READS, *REACHED_READS),
        read_again=(POLICY_DOCUMENT,),
        takes=former_version,
        reach=HOLDERS,
        undeclared="another version of it is the default",
    ),
)
