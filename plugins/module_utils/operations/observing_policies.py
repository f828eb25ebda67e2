# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observers of managed policies, their versions, and inline policies."""

from __future__ import annotations

from ansible_collections.leastpriv.iam.plugins.module_utils.account.iam_account import tags_of
from ansible_collections.leastpriv.iam.plugins.module_utils.account.overlay import (
    AttachmentQuota,
    Conflict,
    Observation,
    aws_error,
    compared,
    delete_conflict,
    existing_principal,
    principal,
)
from ansible_collections.leastpriv.iam.plugins.module_utils.policies.document import (
    Unreadable,
    is_deny_only,
    meaning,
    pretty,
    read_document,
    size,
)

# IAM's default quotas; GetAccountSummary tells the account's own where they matter.
ATTACHED_QUOTA = 10
POLICIES_QUOTA = 1500
VERSIONS_QUOTA = 5
POLICY_SIZE_QUOTA = 6144
INLINE_SIZE_QUOTA = {"user": 2048, "role": 10240, "group": 5120}


# --- managed policies ---


def create_policy(script, step):
    wanted = step["parameters"]
    name, path = wanted["PolicyName"], wanted.get("Path", "/")
    arn = script.policy_arn(path, name)
    document = read_document(wanted["PolicyDocument"])
    after = {"arn": arn, "document": pretty(document)}
    known = _named_so(script, name)
    if known:
        _equal_policy(script, step, arn, known, document)
        return Observation("unchanged", after, after, ("policy", arn))
    _policy_quotas(script, step)
    script.will_be({**script.fact("policy_names"), name.lower(): [arn]}, "policy_names")
    script.will_be({"description": wanted.get("Description", ""), "tags": tags_of(wanted)}, "policy", arn)
    script.will_be([], "policy_entities", arn)
    _will_have_versions(script, arn, {"v1": True}, v1=document)
    return Observation("needed", {}, after, ("policy", arn))


def _named_so(script, name):
    """The ARNs of the policies of a name, but for those that the script has deleted."""
    deleted = {arn for (arn,) in script.overlaid("policy") if script.fact("policy", arn) is None}
    return [arn for arn in script.fact("policy_names").get(name.lower(), []) if arn not in deleted]


def _policy_quotas(script, step):
    _document_size(step)
    count = sum(script.is_local(arn) for arns in script.fact("policy_names").values() for arn in arns)
    if count >= POLICIES_QUOTA:
        quota = script.fact("summary").get("PoliciesQuota", POLICIES_QUOTA)
        if count >= quota:
            raise aws_error(step, "LimitExceeded", f"Cannot exceed quota for PoliciesPerAccount: {quota}")


def _document_size(step):
    if size(step["parameters"]["PolicyDocument"]) > POLICY_SIZE_QUOTA:
        raise aws_error(step, "LimitExceeded", f"Cannot exceed quota for PolicySize: {POLICY_SIZE_QUOTA}")


def _will_have_versions(script, arn, versions, **documents):
    """Overlay a policy's versions (id -> is it the default) and the documents of new ones."""
    script.will_be(versions, "policy_versions", arn)
    for version, document in documents.items():
        script.will_be(document, "version_document", arn, version)
    default = next(version for version, is_default in versions.items() if is_default)
    script.will_be(script.fact("version_document", arn, default), "policy_document", arn)


def _equal_policy(script, step, arn, known, document):
    name = step["parameters"]["PolicyName"]
    if known != [arn]:
        raise Conflict(
            f"the name {name} is taken by {' and '.join(known)}; policy names are unique in an account whatever their "
            f"path or letter case, and {step['module']} finds policies by name"
        )
    if meaning(script.fact("policy_document", arn) or {}) != meaning(document):
        raise aws_error(
            step,
            "EntityAlreadyExists",
            f"A policy called {name} already exists. Its document is another one, and it is never overwritten.",
        )
    _equal_description(script, step, arn)


def _equal_description(script, step, arn):
    wanted = step["parameters"]
    for parameter, fact, value in (
        ("Description", "description", wanted.get("Description")),
        ("Tags", "tags", tags_of(wanted)),
    ):
        if wanted.get(parameter) and script.fact("policy", arn)[fact] != value:
            message = f"A policy called {wanted['PolicyName']} already exists, with other {fact}."
            raise aws_error(step, "EntityAlreadyExists", message)


def attach_policy(script, step):
    kind, name, _found = existing_principal(script, step)
    arn = step["parameters"]["PolicyArn"]
    attached = script.fact("attached", kind, name)
    before, after = _attachment(attached, sorted({*attached, arn}))
    if arn not in attached:
        _guard_attached(script, step, arn)
        _attachment_quota(script, step, kind, name, attached)
        script.will_be([*attached, arn], "attached", kind, name)
    return compared(before, after, ("attached", kind, name, arn))


def _attachment(attached, wanted):
    return {"attached_policies": sorted(attached)}, {"attached_policies": sorted(wanted)}


def _guard_attached(script, step, arn):
    document = script.fact("policy_document", arn)
    if document is None:
        raise aws_error(step, "NoSuchEntity", f"Policy {arn} does not exist or is not attachable.")
    if not is_deny_only(document):
        script.guard("attach_deny_only", step, f"it attaches {arn}, which allows something")


def _attachment_quota(script, step, kind, name, attached):
    """The policies that the script itself has attached are among both: a set counts them once."""
    key, arn = (kind, name), step["parameters"]["PolicyArn"].lower()
    taken = {*map(str.lower, attached), *script.pending.get(key, ())}
    count = len(taken - {arn})
    if count >= ATTACHED_QUOTA:
        quota = script.fact("summary").get(f"AttachedPoliciesPer{kind.capitalize()}Quota", ATTACHED_QUOTA)
        if count >= quota:
            quoted = f"Cannot exceed quota for PoliciesPer{kind.capitalize()}: {quota}"
            message = f"{quoted}. Detach one that {name} needs no more."
            raise aws_error(step, "LimitExceeded", message, AttachmentQuota)
    script.pending[key] = frozenset({*script.pending.get(key, ()), arn})


def detach_policy(script, step):
    kind, name = principal(step)
    arn = step["parameters"]["PolicyArn"]
    attached = script.fact("attached", kind, name) or []
    if arn in attached:
        script.guard_denies(step, script.fact("policy_document", arn), f"it detaches {arn}")
        script.will_be([one for one in attached if one != arn], "attached", kind, name)
    before, after = _attachment(attached, set(attached) - {arn})
    return compared(before, after, ("attached", kind, name, arn))


def delete_policy(script, step):
    arn = step["parameters"]["PolicyArn"]
    versions = script.fact("policy_versions", arn)
    if versions is None:
        return Observation("unchanged", {}, {}, ("policy", arn))
    _own_policy(script, step, arn)
    document = script.fact("policy_document", arn)
    script.guard_denies(step, document, f"it deletes {arn}")
    if script.attached_to(arn):
        raise delete_conflict(step, "Cannot delete a policy attached to entities.")
    if len(versions) > 1:
        raise delete_conflict(
            step,
            "This policy has more than one version. Before you delete a policy, you must delete the policy's "
            "versions. The default version is deleted with the policy.",
        )
    described = {field: script.fact("policy", arn)[field] for field in ("description", "tags")}
    for family in ("policy", "policy_document", "policy_versions"):
        script.will_be(None, family, arn)
    return Observation("needed", {"document": pretty(document), **described}, {}, ("policy", arn))


# --- versions of managed policies ---


def create_policy_version(script, step):
    """An equal version is what was wanted; the oldest is never deleted to make room."""
    wanted = step["parameters"]
    arn, default = wanted["PolicyArn"], bool(wanted.get("SetAsDefault"))
    versions = _versions(script, step, arn)
    document = read_document(wanted["PolicyDocument"])
    after = {"document": pretty(document)}
    writes = ("policy_versions", arn)
    equal = [one for one in versions if meaning(script.fact("version_document", arn, one)) == meaning(document)]
    if any(versions[one] or not default for one in equal):
        return Observation("unchanged", after, after, writes)
    _version_quotas(step, versions)
    before = {"versions": sorted(versions)}
    if default:
        before.update(_default(script, arn, versions))
        _guard_default(script, step, arn, document)
        versions = dict.fromkeys(versions, False)
    # IAM counts on from the newest version that ever was; the newest that is there is the best guess.
    new = f"v{max(int(version[1:]) for version in versions) + 1}"
    _will_have_versions(script, arn, {**versions, new: default}, **{new: document})
    return Observation("needed", before, after, writes)


def _default(script, arn, versions):
    """What is in force of a policy, and which of its versions that is."""
    version = next(version for version, is_default in versions.items() if is_default)
    return {"document": pretty(script.fact("policy_document", arn)), "default_version": version}


def _own_policy(script, step, arn):
    if not script.is_local(arn):
        raise aws_error(step, "AccessDenied", f"Policy {arn} is managed by AWS and cannot be changed.")


def _versions(script, step, arn):
    _own_policy(script, step, arn)
    versions = script.fact("policy_versions", arn)
    if versions is None:
        raise aws_error(step, "NoSuchEntity", f"Policy {arn} was not found.")
    return versions


def _version_quotas(step, versions):
    _document_size(step)
    if len(versions) >= VERSIONS_QUOTA:
        raise aws_error(
            step,
            "LimitExceeded",
            f"A managed policy can have up to {VERSIONS_QUOTA} versions. Before you create a new version, you must "
            "delete an existing version.",
        )


def _guard_default(script, step, arn, document):
    """What becomes default must keep every Deny that is in force."""
    live = script.fact("policy_document", arn)
    script.guard_denies(step, live, f"it replaces the default version of {arn}", document)


def set_default_policy_version(script, step):
    arn, version = step["parameters"]["PolicyArn"], step["parameters"]["VersionId"]
    versions = _versions(script, step, arn)
    if version not in versions:
        raise aws_error(step, "NoSuchEntity", f"Policy {arn} version {version} does not exist or is not attachable.")
    document = script.fact("version_document", arn, version)
    before, after = _default(script, arn, versions), {"document": pretty(document), "default_version": version}
    writes = ("policy_versions", arn)
    if versions[version]:
        return Observation("unchanged", after, after, writes)
    if not is_deny_only(document):
        script.guard("default_deny_only", step, f"it makes {version} the default of {arn}, which allows something")
    _guard_default(script, step, arn, document)
    _will_have_versions(script, arn, {**dict.fromkeys(versions, False), version: True})
    return Observation("needed", before, after, writes)


def delete_policy_version(script, step):
    arn, version = step["parameters"]["PolicyArn"], step["parameters"]["VersionId"]
    versions = script.fact("policy_versions", arn) or {}
    writes = ("policy_version", arn, version)
    if versions:
        _own_policy(script, step, arn)
    if version not in versions:
        return Observation("unchanged", {}, {}, writes)
    if versions[version]:
        raise delete_conflict(step, "Cannot delete the default version of a policy.")
    document = script.fact("version_document", arn, version)
    _will_have_versions(script, arn, {one: is_default for one, is_default in versions.items() if one != version})
    return Observation("needed", {"document": pretty(document)}, {}, writes)


# --- inline policies ---


def put_inline_policy(script, step):
    kind, name, _found = existing_principal(script, step)
    policy = step["parameters"]["PolicyName"]
    wanted = read_document(step["parameters"]["PolicyDocument"])
    live = script.fact("inline", kind, name, policy)
    before = {"document": pretty(live)} if live else {}
    after = {"document": pretty(wanted)}
    writes = ("inline", kind, name, policy)
    if live and meaning(live) == meaning(wanted):
        return Observation("unchanged", before, before, writes)
    for replaced in _inline_named_so(script, kind, name, policy):
        document = script.fact("inline", kind, name, replaced)
        script.guard_denies(step, document, f"it replaces the inline policy {replaced}", wanted)
    _inline_quota(script, step, kind, name)
    script.will_be(wanted, "inline", kind, name, policy)
    script.will_be(sorted({*script.fact("inline_names", kind, name), policy}), "inline_names", kind, name)
    return Observation("needed", before, after, writes)


def _inline_named_so(script, kind, name, policy):
    """The principal's inline policies of a name, letter case aside: IAM's names are not told apart by it."""
    return [one for one in script.fact("inline_names", kind, name) if one.lower() == policy.lower()]


def _inline_quota(script, step, kind, name):
    others = set(script.fact("inline_names", kind, name)) - {step["parameters"]["PolicyName"]}
    documents = [_text(script.fact("inline", kind, name, other)) for other in sorted(others)]
    quota = INLINE_SIZE_QUOTA[kind]
    if size(step["parameters"]["PolicyDocument"]) + sum(size(document) for document in documents) > quota:
        message = f"Maximum policy size of {quota} bytes exceeded for {kind} {name}"
        raise aws_error(step, "LimitExceeded", message)


def _text(document):
    return document.text if isinstance(document, Unreadable) else pretty(document)


def delete_inline_policy(script, step):
    kind, name = principal(step)
    policy = step["parameters"]["PolicyName"]
    live = script.fact("inline", kind, name, policy)
    writes = ("inline", kind, name, policy)
    if live is None:
        return Observation("unchanged", {}, {}, writes)
    script.guard_denies(step, live, f"it deletes the inline policy {policy}")
    script.will_be(None, "inline", kind, name, policy)
    script.will_be(
        [one for one in script.fact("inline_names", kind, name) if one != policy], "inline_names", kind, name
    )
    return Observation("needed", {"document": pretty(live)}, {}, writes)
