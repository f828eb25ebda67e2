#!/usr/bin/python
# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: observe
version_added: 1.0.0
short_description: Find the steps that an account still needs
description:
  - Reads an AWS account's IAM and decides for every step of every alert whether it is needed, already true, in
    conflict with what is there, or forbidden by a guardrail that only the live account can decide.
  - Verifies first that the credentials belong to O(account_id); if they do not, nothing else is read.
  - Never writes. It runs the same in check mode, and is what makes check mode exact where modules are not.
  - Where many principals are concerned it reads the account once, page by page, instead of principal by principal.
author:
  - The Leastpriv team (!UNKNOWN)
options:
  account_id:
    description:
      - The account that the alerts are about.
    type: str
    required: true
  alerts:
    description:
      - The alerts with the steps that P(leastpriv.iam.steps#filter) made of their scripts, a list or the same as JSON;
        only C(message_id), C(alert_id) and C(steps) are read, and C(reviewed) where a plan is applied. An alert that
        has a C(disposition) is left out.
      - C(reviewed) are the steps of the alert in the plan. If something has changed since, the
        alert has V(failed); if everything is true by now, it is V(already_remediated).
    type: json
    required: true
  allow:
    description:
      - Guardrails and operations that the user has opened.
    type: list
    elements: str
    default: []
  max_changes:
    description:
      - How many principals and settings of the account the alerts may change together. An alert that does not fit any
        more is V(refused) as a whole; those after it are taken as far as they fit. No limit by default.
    type: int
  managed:
    description:
      - The outcome of a step that changes a user, role or policy which code manages, by O(managed_tags). V(warn) is a
        note of the alert, with V(refuse) the alert has V(refused), and V(apply) does not look for tags.
    type: str
    choices: [warn, refuse, apply]
    default: apply
  managed_tags:
    description:
      - The tags that mark what code manages.
    type: list
    elements: dict
    default: []
    suboptions:
      key:
        description: Key of the tag, letter case included.
        type: str
        required: true
      value:
        description: Value of the tag. Without it any value marks.
        type: str
  on_quota:
    description:
      - The outcome of a script that attaches a policy to a principal that has reached its quota.
      - With V(consolidate) the statements of a script that creates and attaches policies go into one inline policy of
        the principal, C(leastpriv-restrictions), each with a Sid that names its alert.
    type: str
    choices: [fail, consolidate]
    default: fail
  protected_principals:
    description:
      - Principals that are never touched, each a dictionary with one or several of C(arn) (C(*) matches any text),
        C(tag) (a dictionary of C(key) and C(value)) and C(path) (all principals below it), with C(owner), C(reason) and
        optionally C(expires) (ISO 8601). If the tags that an entry needs cannot be read, the alert is V(refused).
    type: list
    elements: dict
    default: []
  runners:
    description:
      - ARNs of further identities that the run depends on, as M(leastpriv.iam.preflight) returns them. Those of
        this account are protected like the identity that runs the playbook.
    type: list
    elements: str
    default: []
  unfenced:
    description:
      - Whether steps may be applied without the call fence. Without it every alert that needs a step has V(failed)
        there. In check mode nothing is applied, so the fence is not asked for.
    type: bool
    default: false
  prove:
    description:
      - How to decide whether a document is narrower than those that it replaces. With V(access_analyzer) IAM Access
        Analyzer is asked (C(access-analyzer:CheckNoNewAccess)) where the local proof cannot decide; any error counts as
        refused. With V(local) no such call is made.
    type: str
    choices: [local, access_analyzer]
    default: local
  simulate:
    description:
      - Whether to ask IAM (C(iam:SimulatePrincipalPolicy)) if the identity that works in the account may do what each
        step does, with a call for each change. An alert with a step that would be denied is V(failed), and nothing of
        it is applied. If IAM does not let it be asked, that is a note.
    type: bool
    default: false
  undo:
    description:
      - The steps undo others, each naming in C(undoes) the step that was applied. What is not as that step left it is
        V(refused), what is undone already is unchanged.
      - The guardrails that keep scripts from widening access do not apply, since undoing a restriction widens access
        and a person asked for it; O(account_id) and O(protected_principals) do.
    type: bool
    default: false
  usage:
    description:
      - Whether to ask IAM when the access that a step takes away was last used, with one job of
        C(iam:GenerateServiceLastAccessedDetails) for each principal. With V(show) it is a note. With V(hold) an alert
        is V(refused) if it takes away what was used within O(usage_days), or if that cannot be found out.
    type: str
    choices: ["off", show, hold]
    default: "off"
  usage_days:
    description: What was used within this number of days is in use.
    type: int
    default: 90
  verify:
    description:
      - The steps were applied by earlier runs, as P(leastpriv.iam.applied_changes#lookup) returns them. Each is
        observed by itself in the account as it is now, and no guardrail applies. The alerts have V(holds), V(reverted),
        V(gone) (the principal does not exist any more) or V(failed) (what is there cannot be read).
    type: bool
    default: false
  cloudtrail:
    description:
      - With O(verify), whether to ask CloudTrail (C(cloudtrail:LookupEvents)) who reverted a step.
    type: bool
    default: false
attributes:
  check_mode:
    description: Reads the same, changes nothing.
    support: full
  diff_mode:
    description: Shows what each needed step is about, before and after.
    support: full
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = r"""
- name: Observe what the account still needs
  leastpriv.iam.observe:
    account_id: "123456789012"
    profile: payments
    alerts:
      - message_id: 5b5b7f33-1d65-4d0c-a0c3-0c1e1c0e6a6e
        alert_id: I-1234567
        steps: "{{ script | leastpriv.iam.steps(account_id='123456789012') | json_query('steps') }}"
"""

RETURN = r"""
caller:
  description: The ARN of the identity that looked, as STS names it.
  returned: when STS answered
  type: str
  sample: arn:aws:sts::123456789012:assumed-role/leastpriv/remediate
problem:
  description: Why no alert of this account can be worked on; empty when they can.
  returned: always
  type: str
alerts:
  description: One entry per alert that had no disposition, in the same order.
  returned: always
  type: list
  elements: dict
  contains:
    message_id:
      description: As given.
      type: str
    disposition:
      description: V(already_remediated), V(refused), V(failed), or null when there are steps to apply.
      type: str
    reason:
      description: The reason, as text.
      type: str
    notes:
      description: What the steps grant or change beyond their letter, as sentences.
      type: list
      elements: str
    steps:
      description: The steps, each with C(status) (V(needed), V(unchanged), V(failed), V(not_run)), C(before), C(after),
        C(args) completed by what its module needs to know of the account, C(fingerprint), the SHA-256 of the state
        of the account that it depends on, C(observed), digests of what is read again right before the change,
        C(taken), digests of what a needed step takes away by reference, and with O(usage) C(usage), when what it takes
        away was last used.
      type: list
      elements: dict
fenced:
  description: Whether the call fence surrounds the modules of this host, see docs/guardrails.md.
  returned: always
  type: bool
changed:
  description: Whether any step is needed. This module itself changes nothing.
  returned: always
  type: bool
"""

import json
from contextlib import suppress
from datetime import datetime, timezone
from functools import partial

with suppress(ImportError):  # AnsibleAWSModule reports it
    from botocore.exceptions import BotoCoreError, ClientError

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.leastpriv.iam.plugins.module_utils.account.iam_account import IamAccount
from ansible_collections.leastpriv.iam.plugins.module_utils.account.new_access import NewAccess
from ansible_collections.leastpriv.iam.plugins.module_utils.account.overlay import (
    principal,
)
from ansible_collections.leastpriv.iam.plugins.module_utils.api_calls import call_fence
from ansible_collections.leastpriv.iam.plugins.module_utils.api_calls.regions import partition_region
from ansible_collections.leastpriv.iam.plugins.module_utils.errors import (
    attempt,
    for_each_alert,
    unexpected,
    writable,
)
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.exemptions import ProtectionError
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.protection import Protection
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.batch import Batch, Looks, held_back
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.managed_as_code import (
    APPLY,
    MODES,
    ManagedAsCode,
)
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.reverted_by import Trail
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.simulation import Simulation
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.undoing import (
    ALLOWED_TO_UNDO,
)
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.usage import MAX_SHOWN, OFF, Usage
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.usage import MODES as USAGE_MODES
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.verification import Verification

ARGUMENTS = {
    "account_id": {"type": "str", "required": True},
    "alerts": {"type": "json", "required": True},
    "allow": {"type": "list", "elements": "str", "default": []},
    "cloudtrail": {"type": "bool", "default": False},
    "managed": {"type": "str", "choices": list(MODES), "default": APPLY},
    "managed_tags": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"key": {"type": "str", "required": True, "no_log": False}, "value": {"type": "str"}},
    },
    "max_changes": {"type": "int"},
    "on_quota": {"type": "str", "choices": ["fail", "consolidate"], "default": "fail"},
    "protected_principals": {"type": "list", "elements": "dict", "default": []},
    "runners": {"type": "list", "elements": "str", "default": []},
    "prove": {"type": "str", "choices": ["local", "access_analyzer"], "default": "local"},
    "simulate": {"type": "bool", "default": False},
    "undo": {"type": "bool", "default": False},
    "unfenced": {"type": "bool", "default": False},
    "usage": {"type": "str", "choices": list(USAGE_MODES), "default": OFF},
    "usage_days": {"type": "int", "default": 90},
    "verify": {"type": "bool", "default": False},
}
# The disposition of an alert whose steps nothing would keep to the script's calls.
UNFENCED = {"disposition": "failed", "reason": call_fence.NO_FENCE}
# From here on one reading of the whole account is cheaper than reading its principals one by one.
PRELOAD_FROM = 10
DOCUMENTS = ("document", "trust")


def verify_account(module):
    """Ask STS who we are.

    :returns: (caller ARN or None, the reason why this account cannot be worked on or "").
    """
    wanted, profile = module.params["account_id"], module.params["profile"]
    using = f"profile {profile}" if profile else "the default credentials"
    try:
        identity = module.client("sts").get_caller_identity()
    except (ClientError, BotoCoreError) as error:
        return None, f"Could not verify that {using} belongs to account {wanted}: {error}"
    if identity["Account"] != wanted:
        return identity["Arn"], (
            f"{using} belongs to account {identity['Account']}, not to {wanted}: nothing was read or changed there. "
            "Correct aws_profile, role_arn or account_id of this host in the inventory."
        )
    return identity["Arn"], ""


def read_alerts(module):
    """The alerts that are to be observed. Anything else fails the module."""
    try:
        return [alert for alert in json.loads(module.params["alerts"]) if alert.get("disposition") is None]
    except (ValueError, TypeError, AttributeError) as error:
        module.fail_json(msg=f"alerts is not a list of alerts ({error}): pass those of leastpriv.iam.translate.")


def observe_alerts(module, alerts, caller):
    """Observe all alerts of the account; the list for RETURN."""
    account_id = module.params["account_id"]
    now, runners = datetime.now(timezone.utc), module.params.get("runners") or []
    protection = Protection(module.params["protected_principals"], caller, now, runners)
    asks_analyzer = module.params.get("prove") == "access_analyzer"
    partition = caller.split(":")[1]
    new_access = NewAccess(partial(_analyzer, module, partition)) if asks_analyzer else None
    account = IamAccount(module.client("iam"), new_access)
    if len(_principals(alerts)) >= PRELOAD_FROM:
        _preload(module, account)
    if module.params.get("verify"):
        return for_each_alert("verifying it", alerts, _verification(module, account, partition).verify_alert, _lost)
    allow = ALLOWED_TO_UNDO if module.params["undo"] else module.params["allow"]
    limits = module.params["on_quota"], module.params["max_changes"]
    asks = bool(module.params.get("simulate"))
    usage = read_usage(module)
    looks = Looks(
        simulation=Simulation(module.client("iam"), caller, account_id, partition) if asks else None,
        managed=ManagedAsCode(module.params.get("managed", APPLY), module.params.get("managed_tags", ())),
        usage=usage,
    )

    def all_observed():
        batch = Batch(account, account_id, partition, allow, protection, *limits, looks)
        return for_each_alert("observing the account", alerts, partial(_observed, batch), _lost)

    if usage:
        # First to learn whom to ask about: all jobs run at the same time, and no fact is read twice.
        all_observed()
        usage.collect()
    return all_observed()


def _analyzer(module, partition):
    # Without a region, which IAM does not need, no alert of the account could be observed.
    return module.client("accessanalyzer", region=module.region or partition_region(partition))


def read_usage(module):
    """The last-accessed data that is to be asked for, or None."""
    mode = module.params.get("usage") or OFF
    if mode == OFF or module.params["undo"]:
        return None
    return Usage(module.client("iam"), mode, module.params["usage_days"], datetime.now(timezone.utc))


def _observed(batch, alert):
    try:
        return batch.observe_alert(alert)
    except (ClientError, BotoCoreError) as error:
        return _lost(alert, f"Could not read the account's IAM: {error}")


def _verification(module, account, partition):
    if not module.params.get("cloudtrail"):
        return Verification(account, (module.params["account_id"], partition), lambda step: "")
    # IAM's events are where its endpoint is.
    trail = Trail(module.client("cloudtrail", region=partition_region(partition)))
    return Verification(account, (module.params["account_id"], partition), trail.who_reverted)


def _principals(alerts):
    named = for_each_alert("reading its principals", alerts, _principals_of, lambda alert, reason: set())
    return set().union(*named) - {None}


def _principals_of(alert):
    return {principal(step) for step in alert["steps"]}


def _lost(alert, reason):
    bare = {"message_id": alert["message_id"], "disposition": "failed", "reason": reason, "steps": []}
    return attempt("keeping its steps", lambda: writable(give_up([alert], "failed", reason)[0]), lambda _reason: bare)


def _preload(module, account):
    """Read everything at once; where that is not possible, principals are read one by one."""
    try:
        account.preload()
    except ClientError as error:
        if "AccessDenied" not in error.response["Error"]["Code"]:
            raise
        module.warn(f"Observing is slower without iam:GetAccountAuthorizationDetails: {error}")
    except BotoCoreError:
        raise
    except Exception as error:
        # Something in the account that botocore itself cannot read; its principal may not matter here.
        module.warn(f"Observing is slower: {unexpected('reading the account at once', error)}")


def give_up(alerts, disposition, reason):
    """The list for RETURN when no alert of the account can be worked on."""
    return [
        {
            "message_id": alert["message_id"],
            "disposition": disposition,
            "reason": reason,
            "steps": [{**step, "status": "not_run"} for step in alert["steps"]],
        }
        for alert in alerts
    ]


def differences(alerts):
    """What Ansible's diff mode shows: one entry per needed step."""
    shown = for_each_alert("showing its differences", alerts, _differences, lambda alert, reason: [])
    return [difference for of_alert in shown for difference in of_alert]


def _differences(alert):
    needed = [step for step in alert["steps"] if step["status"] == "needed"]
    return [part for step in needed for part in (_difference(step), *_lost_access(step))]


def _difference(step):
    return {
        "before_header": step["label"],
        "after_header": step["label"] + _last_used(step),
        "before": _shown(step["before"]),
        "after": _shown(step["after"]),
    }


def _lost_access(step):
    """The actions that a replacement does not allow any more, by service, for each principal."""
    for lost in step.get("lost_access", ()):
        header = f"{step['label']}: access that {lost['principal']} loses"
        yield {"before_header": header, "after_header": header, "before": _shown(lost["services"]), "after": ""}


def _last_used(step):
    uses = [f"{use['action']} {use['last_used']}" for use in step.get("usage", [])[:MAX_SHOWN]]
    return f" (takes away what was last used: {', '.join(uses)})" if uses else ""


def _shown(part):
    """A part of the account as lines that compare well; ASCII, so no text of an alert controls the terminal."""
    unfolded = {key: json.loads(value) if key in DOCUMENTS else value for key, value in part.items() if key != "arn"}
    # For a step about a document alone, its difference is the whole change.
    (first, *others) = unfolded or [None]
    shown = unfolded[first] if first in DOCUMENTS and not others else unfolded
    lines = _without_list_commas(json.dumps(shown, indent=2, sort_keys=True))
    return "".join(f"{line}\n" for line in lines) if part else ""


def _without_list_commas(text):
    """The lines of indented JSON; a comma would make the entry before a new one look changed."""
    inside = []
    for line in text.split("\n"):
        bare = line.strip()
        if bare.rstrip(",") in ("]", "}"):
            inside.pop()
        yield line.rstrip(",") if inside and inside[-1] == "[" else line
        if bare.endswith(("[", "{")):
            inside.append(bare[-1])


def main():
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    wanted = read_alerts(module)
    caller, problem = verify_account(module)
    disposition = "failed"
    if not problem:
        try:
            alerts = observe_alerts(module, wanted, caller)
        except ProtectionError as error:
            problem, disposition = f"{error}; nothing is applied until it can be read.", "refused"
        except (ClientError, BotoCoreError) as error:
            problem = f"Could not read the account's IAM: {error}"
    if problem:
        alerts = give_up(wanted, disposition, problem)
    fenced = call_fence.stands(module.client("iam"))
    if not (fenced or module.check_mode or module.params["unfenced"]):
        alerts = [alert if alert["disposition"] else held_back({**alert, **UNFENCED}) for alert in alerts]
    changes = differences(alerts)
    # Ansible keeps what a module returns until the run ends.
    shown = {"diff": changes} if module._diff else {}
    module.exit_json(changed=bool(changes), caller=caller, problem=problem, alerts=alerts, fenced=fenced, **shown)


if __name__ == "__main__":
    main()
