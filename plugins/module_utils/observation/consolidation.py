# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One Deny policy of our own per principal, for principals that can take no further managed policy.

The vendor's script creates a Deny policy per alert and attaches it; IAM attaches ten to a principal. Where the user
asks for it, the statements go into one inline policy of the principal instead, each statement's Sid naming its alert.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..policies.document import canonical, pretty, read_document, statements
from ..shapes import Step

POLICY_NAME = "leastpriv-restrictions"
VERSION = "2012-10-17"
# A user's inline policies share 2,048 characters, and a Sid takes letters and digits alone.
MAX_PREFIX, DIGEST_LENGTH = 12, 16
ATTACHES = re.compile("Attach(User|Role|Group)Policy")


def can_consolidate(steps: Sequence[Step]) -> bool:
    """Whether a script does nothing but create policies and attach them, all to one principal.

    :param steps: the steps of one script.
    """
    attachments = [step for step in steps if ATTACHES.fullmatch(step["operation"])]
    created = [step["parameters"]["PolicyName"] for step in _creating(steps)]
    attached = [step["parameters"]["PolicyArn"].rsplit("/", 1)[-1] for step in attachments]
    principals = {_principal(step) for step in attachments}
    is_that_alone = len(created) + len(attached) == len(steps)
    return is_that_alone and sorted(created) == sorted(attached) and len(principals) == 1


def principal_of(steps: Sequence[Step]) -> tuple[str, str]:
    """The (kind, name) of the principal of a script that `can_consolidate`."""
    return next(_principal(step) for step in steps if ATTACHES.fullmatch(step["operation"]))


def consolidated_step(steps: Sequence[Step], alert_id: str, live: Mapping[str, Any] | None) -> Step:
    """The one step that takes the place of a script's steps.

    :param steps: steps that `can_consolidate`.
    :param alert_id: the vendor's id; its statements of an earlier run are replaced.
    :param live: the principal's policy `leastpriv-restrictions` as it is, or None.
    :returns: a step that puts that policy with the script's statements added.
    """
    kind, name = principal_of(steps)
    document = _merged(steps, alert_id, live)
    parameters = {f"{kind.capitalize()}Name": name, "PolicyName": POLICY_NAME, "PolicyDocument": document}
    args = {"iam_type": kind, "iam_name": name, "policy_name": POLICY_NAME, "policy_json": document}
    return {
        **steps[0],
        "consolidated": True,
        "wave": "0001 amazon.aws.iam_policy",
        "operation": f"Put{kind.capitalize()}Policy",
        "target": name,
        "module": "amazon.aws.iam_policy",
        "parameters": parameters,
        "args": {**args, "state": "present", "skip_duplicates": False},
    }


def unconsolidated_step(step: Step, live: Mapping[str, Any] | None) -> tuple[Step, list[Any], list[Any]]:
    """The step that takes an alert's statements out of its principal's one policy again, whatever was added since.

    :param step: one whose `undoes` is a `consolidated_step` that was applied, with its `alert_id` and `after`.
    :param live: the principal's policy `leastpriv-restrictions` as it is, or None.
    :returns: (the step, the alert's statements as they were applied, and as they are).
    """
    applied = step["undoes"]
    alert_id, put = applied["alert_id"], read_document(applied["after"]["document"])
    sid = own_sid(alert_id) if _split(put, own_sid(alert_id))[0] else _earlier_sid(alert_id)
    mine, others = _split(live, sid)
    left = {"Version": VERSION, "Statement": others} if others else None
    kind, name, document = *_principal_of_put(applied), left and _text(left)
    named = {f"{kind.capitalize()}Name": name, "PolicyName": POLICY_NAME}
    args = {"iam_type": kind, "iam_name": name, "policy_name": POLICY_NAME, "skip_duplicates": False}
    changed: Step = {
        "operation": f"{'Put' if left else 'Delete'}{kind.capitalize()}Policy",
        "parameters": {**named, **({"PolicyDocument": document} if left else {})},
        "args": {**args, **({"policy_json": document, "state": "present"} if left else {"state": "absent"})},
    }
    return {**step, **changed}, _split(put, sid)[0], mine


def _principal_of_put(step: Mapping[str, Any]) -> tuple[str, str]:
    kind = step["operation"].removeprefix("Put").removesuffix("Policy").lower()
    return kind, step["parameters"][f"{kind.capitalize()}Name"]


def own_sid(alert_id: str) -> str:
    """What the Sids of an alert's statements begin with; no other alert's do, whatever characters their ids hold."""
    digest = base64.b32encode(hashlib.sha256(alert_id.encode(errors="surrogatepass")).digest()).decode()
    return f"{_earlier_sid(alert_id)[:MAX_PREFIX]}x{digest[:DIGEST_LENGTH]}"


def _earlier_sid(alert_id: str) -> str:
    """What they began with in version 1.0: one text for I-12 and I-1-2."""
    return re.sub(r"[^A-Za-z0-9]", "", alert_id)


def _split(document: Mapping[str, Any] | None, sid: str) -> tuple[list[Any], list[Any]]:
    """The statements whose Sid is of an alert, and all others."""
    own = re.compile(re.escape(sid) + "n[0-9]+")
    found = statements(document) if document else []
    mine = [one for one in found if own.fullmatch(str(one.get("Sid")))]
    return mine, [one for one in found if one not in mine]


def _creating(steps: Sequence[Step]) -> list[Step]:
    return [step for step in steps if step["operation"] == "CreatePolicy"]


def _principal(step: Step) -> tuple[str, str]:
    noun = step["operation"].removeprefix("Attach").removesuffix("Policy")
    return noun.lower(), step["parameters"][f"{noun}Name"]


def _merged(steps: Sequence[Step], alert_id: str, live: Mapping[str, Any] | None) -> str:
    kept = [one for one in _split(live, own_sid(alert_id))[1] if one.get("Effect") == "Deny"]
    documents = [read_document(step["parameters"]["PolicyDocument"]) for step in _creating(steps)]
    added = [statement for document in documents for statement in statements(document)]
    # Another alert's may have that Sid: they stay as they are, and nothing is added if they are equal.
    earlier = _split({"Statement": kept}, _earlier_sid(alert_id))[0]
    named = [{**one, "Sid": f"{own_sid(alert_id)}n{number}"} for number, one in enumerate(added, 1)]
    return _text({"Version": VERSION, "Statement": kept if _say_the_same(earlier, added) else [*kept, *named]})


def _say_the_same(some: list[Any], others: list[Any]) -> bool:
    """Whether two lists of statements deny the same, whatever their Sids."""
    one, other = (canonical({"Statement": [{**statement, "Sid": ""} for statement in each]}) for each in (some, others))
    return one == other


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(json.loads(pretty(document)), separators=(",", ":"))
