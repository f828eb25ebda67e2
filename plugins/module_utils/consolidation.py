# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One toolkit-owned Deny policy per principal, for principals that can take no further managed policy.

The vendor's script creates a Deny policy per alert and attaches it; IAM attaches ten to a principal. Where the user
asks for it, the statements go into one inline policy of the principal instead, each statement's Sid naming its alert.
"""

from __future__ import annotations

import json
import re

from ansible_collections.leastpriv.iam.plugins.module_utils.policy_document import pretty, read_document, statements

POLICY_NAME = "leastpriv-restrictions"
VERSION = "2012-10-17"
ATTACHING = {"AttachUserPolicy": "user", "AttachRolePolicy": "role", "AttachGroupPolicy": "group"}


def can_consolidate(steps):
    """Whether a script does nothing but create policies and attach them, all to one principal.

    :param steps: the steps of one script.
    """
    attachments = [step for step in steps if step["operation"] in ATTACHING]
    created = [step["parameters"]["PolicyName"] for step in _creating(steps)]
    attached = [step["parameters"]["PolicyArn"].rsplit("/", 1)[-1] for step in attachments]
    principals = {_principal(step) for step in attachments}
    is_that_alone = len(created) + len(attached) == len(steps)
    return is_that_alone and sorted(created) == sorted(attached) and len(principals) == 1


def principal_of(steps):
    """The (kind, name) of the principal of a script that C(can_consolidate)."""
    return next(_principal(step) for step in steps if step["operation"] in ATTACHING)


def consolidated_step(steps, alert_id, live):
    """The one step that takes the place of a script's steps.

    :param steps: steps that C(can_consolidate).
    :param alert_id: the vendor's id; its statements of an earlier run are replaced.
    :param live: the principal's toolkit-owned policy as it is, or None.
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


def _creating(steps):
    return [step for step in steps if step["operation"] == "CreatePolicy"]


def _principal(step):
    kind = ATTACHING[step["operation"]]
    return kind, step["parameters"][f"{kind.capitalize()}Name"]


def _merged(steps, alert_id, live):
    # A Sid takes letters and digits alone.
    own = re.sub(r"[^A-Za-z0-9]", "", alert_id)
    there = [one for one in statements(live) if one.get("Effect") == "Deny"] if live else []
    kept = [one for one in there if not re.fullmatch(f"{own}n[0-9]+", str(one.get("Sid")))]
    documents = [read_document(step["parameters"]["PolicyDocument"]) for step in _creating(steps)]
    added = [statement for document in documents for statement in statements(document)]
    named = [{**statement, "Sid": f"{own}n{number}"} for number, statement in enumerate(added, 1)]
    merged = {"Version": VERSION, "Statement": [*kept, *named]}
    return json.dumps(json.loads(pretty(merged)), separators=(",", ":"))
