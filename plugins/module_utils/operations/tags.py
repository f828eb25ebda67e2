# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tags of any resource that can have them."""

from __future__ import annotations

from typing import Any

from ..account.iam_account import tags_of, without_tags
from ..account.overlay import AccountOverlay, Observation, changed_fact, compared, existing
from ..shapes import Step
from .principals import module_row
from .roles import TRUST
from .row import WIDEN, Operation
from .targets import INSTANCE_PROFILE, ROLE, TAGGED, USER
from .undo import Calls, Operations, Parameters, tag_list, undone_by, without


def tag(overlay: AccountOverlay, step: Step) -> Observation:
    kind, name = _carrier(step)
    found = existing(overlay, step, kind, name)
    return changed_fact(overlay, found, {"tags": {**found["tags"], **tags_of(step["parameters"])}}, kind, name)


def untag(overlay: AccountOverlay, step: Step) -> Observation:
    kind, name = _carrier(step)
    found = overlay.fact(kind, name)
    if found is None:
        return compared({"tags": {}}, {"tags": {}}, (kind, name))
    return changed_fact(
        overlay, found, {"tags": without_tags(found["tags"], step["parameters"]["TagKeys"])}, kind, name
    )


def _carrier(step: Step) -> tuple[str, str]:
    target = next(target for target in TAGGED if target.parameter in step["parameters"])
    return target.kind, step["parameters"][target.parameter]


def former_tags(operations: Operations, parameters: Parameters, before: Any, after: Any) -> Calls:
    """Restore the values of overwritten tags, and remove new ones."""
    carrier = without(parameters, "Tags")
    overwritten = {key: value for key, value in before["tags"].items() if after["tags"].get(key) != value}
    new = sorted(set(after["tags"]) - set(before["tags"]))
    back = [(operations[0], {**carrier, "Tags": tag_list(overwritten)})] if overwritten else []
    return back + ([(operations[1], {**carrier, "TagKeys": new})] if new else [])


def removed_tags(operations: Operations, parameters: Parameters, before: Any, after: Any) -> Calls:
    gone = {key: value for key, value in before["tags"].items() if key not in after["tags"]}
    return [(operations[0], {**without(parameters, "TagKeys"), "Tags": tag_list(gone)})]


def tag_what_differs(step: Step) -> Calls:
    """The modules of amazon.aws leave out the tags that are already there."""
    there = (step.get("before") or {}).get("tags") or {}
    differ = [tag for tag in step["parameters"]["Tags"] if there.get(tag["Key"]) != tag["Value"]]
    return [(step["operation"], {**step["parameters"], "Tags": differ})]


# The modules of amazon.aws tag these.
BY_AMAZON = (INSTANCE_PROFILE, ROLE, USER)
TAG: dict[str, Any] = {
    "observe": tag,
    "already_true": "the tags have these values",
    "effect": WIDEN,
    "guards": ("no_tags",),
    "undeclared": "its tags differ",
}

ROWS = (
    # TagMFADevice, TagOpenIDConnectProvider, TagPolicy, TagSAMLProvider, TagServerCertificate
    *(
        Operation(
            name=f"Tag{target.noun}",
            module="leastpriv.iam.tags",
            args={"kind": target.kind, "name": f"${target.parameter}", "tags": "$Tags", "state": "present"},
            undo=undone_by(f"Tag{target.noun}", f"Untag{target.noun}", calls=former_tags),
            target=target,
            **TAG,
        )
        for target in TAGGED
        if target not in BY_AMAZON
    ),
    Operation(
        name="TagInstanceProfile",
        module="amazon.aws.iam_instance_profile",
        args={"name": "$InstanceProfileName", "state": "present", "purge_tags": False, "tags": "$Tags"},
        undo=undone_by("TagInstanceProfile", "UntagInstanceProfile", calls=former_tags),
        target=INSTANCE_PROFILE,
        calls=tag_what_differs,
        **TAG,
    ),
    module_row(
        ROLE,
        name="TagRole",
        args={"tags": "$Tags"},
        undo=undone_by("TagRole", "UntagRole", calls=former_tags),
        calls=tag_what_differs,
        # iam_role sets tags before it compares the trust policy, which stops it.
        read_again=(TRUST,),
        **TAG,
    ),
    module_row(
        USER,
        name="TagUser",
        args={"tags": "$Tags"},
        undo=undone_by("TagUser", "UntagUser", calls=former_tags),
        calls=tag_what_differs,
        **TAG,
    ),
    # UntagInstanceProfile, UntagMFADevice, UntagOpenIDConnectProvider, UntagPolicy, UntagRole, UntagSAMLProvider,
    # UntagServerCertificate, UntagUser
    *(
        Operation(
            name=f"Untag{target.noun}",
            module="leastpriv.iam.tags",
            args={"kind": target.kind, "name": f"${target.parameter}", "tag_keys": "$TagKeys", "state": "absent"},
            observe=untag,
            already_true="there are no such tags",
            effect=WIDEN,
            undo=undone_by(f"Tag{target.noun}", calls=removed_tags),
            guards=("no_tags",),
            undeclared="its tags differ",
            target=target,
        )
        for target in TAGGED
    ),
)
