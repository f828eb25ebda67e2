#!/usr/bin/python
# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: observe
version_added: 1.0.0
short_description: Tell which steps an account still needs
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
      - Principals that are never touched, each a dictionary with C(arn) (C(*) matches any text), C(owner), C(reason)
        and optionally C(expires) (ISO 8601).
    type: list
    elements: dict
    default: []
  runners:
    description:
      - ARNs of further identities that the run depends on, as P(leastpriv.iam.identities#lookup) returns them. Those of
        this account are protected like the identity that runs the playbook.
    type: list
    elements: str
    default: []
  unfenced:
    description:
      - Whether steps may be applied where no call fence stands. Without it every alert that needs a step has V(failed)
        there. In check mode nothing is applied, so the fence is not asked for.
    type: bool
    default: false
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
  description: One entry per alert that had no disposition, in the order given.
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
      description: Why, for a person.
      type: str
    notes:
      description: What the steps grant or change beyond their letter, for a person.
      type: list
      elements: str
    steps:
      description: The steps, each with C(status) (V(needed), V(unchanged), V(failed), V(not_run)), C(before), C(after),
        C(args) completed by what its module needs to know of the account, C(fingerprint), the SHA-256 of the state
        of the account that it depends on, C(observed), digests of what is read again right before the change, and
        C(taken), digests of what a needed step takes away by reference.
      type: list
      elements: dict
fenced:
  description: Whether the call fence stands around the modules of this host, see docs/guardrails.md.
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

with suppress(ImportError):  # AnsibleAWSModule reports it
    from botocore.exceptions import BotoCoreError, ClientError

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.leastpriv.iam.plugins.module_utils.account.iam_account import IamAccount
from ansible_collections.leastpriv.iam.plugins.module_utils.account.overlay import (
    AccountOverlay,
    AttachmentQuota,
    Conflict,
    principal,
)
from ansible_collections.leastpriv.iam.plugins.module_utils.api_calls import call_fence
from ansible_collections.leastpriv.iam.plugins.module_utils.errors import (
    attempt,
    for_each_alert,
    unexpected,
    writable,
)
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.blast_radius import BlastRadius
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.protection import Protection, ProtectionError
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.rules import (
    NOT_BY_HAND,
    Refusal,
    by_hand,
    cli_name,
    how_to_open,
    left_by_hand,
)
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.claims import Claims, claim_of, normalised
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.consolidation import (
    POLICY_NAME,
    can_consolidate,
    consolidated_step,
    principal_of,
    unconsolidated_step,
)
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.managed_roles import check_manager
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.missing_principals import (
    missing_principals,
    say_missing,
)
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.observe import (
    changes_of,
    note_reach,
    observe,
    touched,
)
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.reviewed import changes_since, fingerprint
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.simulation import Simulation
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.stored_names import as_stored, renamed_values
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.taken import taken_by
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.undoing import (
    ALLOWED_TO_UNDO,
    Drift,
    completed,
    observe_undo,
)
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import OPERATIONS
from ansible_collections.leastpriv.iam.plugins.module_utils.operations.row import ACCOUNT, WIDEN
from ansible_collections.leastpriv.iam.plugins.module_utils.operations.undo import Irreversible
from ansible_collections.leastpriv.iam.plugins.module_utils.policies.arns import denied_elsewhere, partitions
from ansible_collections.leastpriv.iam.plugins.module_utils.policies.document import (
    PolicyDocumentError,
    is_deny_only,
    pretty,
    read_document,
)

ARGUMENTS = {
    "account_id": {"type": "str", "required": True},
    "alerts": {"type": "json", "required": True},
    "allow": {"type": "list", "elements": "str", "default": []},
    "max_changes": {"type": "int"},
    "on_quota": {"type": "str", "choices": ["fail", "consolidate"], "default": "fail"},
    "protected_principals": {"type": "list", "elements": "dict", "default": []},
    "runners": {"type": "list", "elements": "str", "default": []},
    "simulate": {"type": "bool", "default": False},
    "undo": {"type": "bool", "default": False},
    "unfenced": {"type": "bool", "default": False},
}
# The disposition of an alert whose steps nothing would keep to the script's calls.
UNFENCED = {"disposition": "failed", "reason": call_fence.NO_FENCE}
# From here on one reading of the whole account is cheaper than reading its principals one by one.
PRELOAD_FROM = 10
DOCUMENTS = ("document", "trust")
# The disposition of an alert whose step ends so; the other endings let it go on.
DECIDES = {"refused": "refused", "failed": "failed", "over_quota": "failed"}


class Batch:
    """The alerts of one account and what they share: facts, protection, and what each of them will write."""

    def __init__(
        self, account, account_id, partition, allow, protection, on_quota="fail", max_changes=None, simulation=None
    ):
        self._account = account
        self._place = account_id, partition, allow
        self._partition = partition
        self._protection = protection
        self._on_quota = on_quota
        self._simulation = simulation
        self._blast_radius = BlastRadius(max_changes)
        self._pending = {}
        self._claims = Claims()
        self._consolidated = {}
        self._attempt = None

    def observe_alert(self, alert):
        """Observe one alert's steps in order; the first that cannot be applied decides the alert."""
        consolidated = dict(self._consolidated)
        is_applied = False
        try:
            seen = writable(_compared_with_plan(self._observe_alert(alert), alert.get("reviewed")))
            seen = self._within_blast_radius(seen)
            is_applied = seen["disposition"] is None
        finally:
            # Nothing of it will be applied: no other alert is to find it in its way.
            if not is_applied:
                self._consolidated = consolidated
        if is_applied:
            self._claims.take(self._attempt.claims)
            self._pending = self._attempt.overlay.pending
        return seen

    def _within_blast_radius(self, seen):
        if seen["disposition"] is not None:
            return seen
        try:
            self._blast_radius.take(self._attempt.changes or {("alert", seen["message_id"])})
        except Refusal as refusal:
            return _held_back({**seen, "disposition": "refused", "reason": str(refusal)})
        return seen

    def _observe_alert(self, alert):
        self._begin(alert["steps"])
        if self._attempt.missing:
            return self._without_principal(alert)
        seen, is_full = self._observe_steps(alert, alert["steps"])
        if is_full and self._on_quota == "consolidate" and can_consolidate(alert["steps"]):
            step, live = self._consolidate(alert)
            seen, _is_full = self._observe_steps(alert, [step], live)
        if seen["disposition"] is None and all(step["status"] == "unchanged" for step in seen["steps"]):
            seen.update(disposition="already_remediated", reason="Every step was already true.")
        is_open = seen["disposition"] is None
        seen["steps"] = [{**step, "by_hand": is_open or self._may_be_run_by_hand(step)} for step in seen["steps"]]
        if seen["disposition"] == "refused":
            seen["reason"] = "\n".join([seen["reason"], *_left_to_do(seen["steps"])])
        return {**seen, "notes": list(dict.fromkeys(self._attempt.notes))}

    def _observe_steps(self, alert, steps, live=None):
        """What is seen of the steps, and whether a principal that can take no further policy stopped them.

        :param live: the consolidated policy as the alerts before this one will have made it.
        """
        overlay = self._begin(steps)
        if live is not None:
            overlay.will_be(live, "inline", *principal(steps[0]), POLICY_NAME)
            overlay.will_be([POLICY_NAME], "inline_names", *principal(steps[0]))
        seen = {"message_id": alert["message_id"], "disposition": None, "reason": None, "steps": []}
        is_full = False
        for number, step in enumerate(steps, 1):
            status, reason = "not_run", None
            overlay.following = [(one["operation"], one["parameters"]) for one in steps[number:]]
            if seen["disposition"] is None and self._attempt.managed in (None, step["index"]):
                step, status, reason = self._observe_step(overlay, step, alert["alert_id"])
                is_full = status == "over_quota"
                seen["disposition"] = DECIDES.get(status)
                seen["reason"] = reason
            seen["steps"].append(_named(alert, step, "failed" if status in DECIDES else status))
        return seen, is_full

    def _begin(self, steps):
        """The account as a script with these steps finds it; what keeps the whole of it from being applied is known."""
        overlay = AccountOverlay(self._account, *self._place, dict(self._pending), self._protection.protects_any)
        self._attempt = Attempt(overlay)
        self._attempt.allowing = _created_allowing(steps)
        # What cannot be read is said by the step that needs it.
        with suppress(ClientError, BotoCoreError, PolicyDocumentError):
            self._attempt.managed = _managed_step(overlay, steps)
            if self._attempt.managed is None:
                self._attempt.missing = missing_principals(overlay.fork(), steps)
        return overlay

    def _without_principal(self, alert):
        """The end of an alert whose principals do not exist any more."""
        steps = [{**_named(alert, step, "not_run"), "by_hand": False} for step in alert["steps"]]
        seen = {"message_id": alert["message_id"], "disposition": "already_remediated", "steps": steps, "notes": []}
        return {**seen, "reason": say_missing(self._attempt.missing)}

    def _consolidate(self, alert):
        """The step that adds the alert's statements to the one policy of its principal, and that policy before it."""
        steps = [as_stored(AccountOverlay(self._account, *self._place, {}), step) for step in alert["steps"]]
        key = principal_of(steps)
        live = self._consolidated.get(key) or self._account.fact("inline", *key, POLICY_NAME)
        step = consolidated_step(steps, alert["alert_id"], live)
        self._consolidated[key] = read_document(step["parameters"]["PolicyDocument"])
        return step, live

    def _completed(self, overlay, step):
        """The step with what only the account knows of it."""
        if not _takes_apart(step):
            step = completed(overlay, step)
            stored = as_stored(overlay, step)
            self._attempt.notes += [f"{old} is {new} in IAM." for old, new in renamed_values(step, stored)]
            return stored
        kind, name = key = principal(step)
        live = self._consolidated.get(key, self._account.fact("inline", *key, POLICY_NAME))
        overlay.will_be(live, "inline", kind, name, POLICY_NAME)
        step, was, mine = unconsolidated_step(step, live)
        if mine and mine != was:
            raise Drift("the alert's statements in it are not those that were applied; decide by hand")
        return step

    def _observed(self, overlay, step, alert_id):
        """What a step that is not forbidden finds."""
        self._check_partition(step)
        check_manager(overlay, step)
        overlay.next_step()
        # Before the overlay has the step's changes: a deleted principal has no ARN any more.
        principals = touched(overlay, step)
        as_found = overlay.fork()
        found = observe_undo(overlay, step) if "undoes" in step else observe(overlay, step)
        if found.status == "needed":
            self._attempt.notes += [*overlay.notes, *note_reach(step, principals), *self._note_partitions(step)]
            for kind, name, arn in principals:
                self._protection.check(kind, name, arn)
            if self._simulation:
                self._attempt.notes += self._simulation.check(as_found, step)
            self._claim(overlay, found, step, alert_id)
            self._attempt.changes |= changes_of(step, principals, normalised(found.writes))
        if _takes_apart(step):
            self._consolidated[principal(step)] = overlay.fact("inline", *principal(step), POLICY_NAME)
        return found, _to_read_again(as_found, step, overlay.read_again) if found.status == "needed" else {}

    def _observe_step(self, overlay, step, alert_id):
        """The step with before, after and completed args; its status; the reason where it stops the alert."""
        try:
            step = self._completed(overlay, step)
            found, observed = self._observed(overlay, step, alert_id)
            args = {**step["args"], **_live_args(overlay, step)}
            taken = _taken(overlay, step, found)
        except Refusal as refusal:
            if refusal.rule in NOT_BY_HAND:
                self._attempt.shut = step["index"]
            return step, "refused", f"{_where(step)}: {refusal}. {how_to_open(refusal.rule, step['operation'])}"
        except Drift as drift:
            return step, "refused", f"{_where(step)}: {drift}"
        except AttachmentQuota as conflict:
            return step, "over_quota", f"{_where(step)}: {conflict}"
        except (Conflict, PolicyDocumentError) as conflict:
            return step, "failed", f"{_where(step)}: {conflict}"
        except (ClientError, BotoCoreError) as error:
            return step, "failed", f"{_where(step)}: could not read what is there: {error}"
        depends_on = fingerprint(found.before, overlay.relied_on)
        seen = {"args": args, "before": found.before, "after": found.after}
        seen |= {"fingerprint": depends_on, "observed": observed, "taken": taken}
        return {**step, **seen}, found.status, None

    def _may_be_run_by_hand(self, step):
        """Whether a person may be shown a step that is not applied: not if it widens access or meets the protected."""
        # What widens access again has to be compared with the account first.
        if "undoes" in step or step["index"] == self._attempt.shut or self._attempt.managed is not None:
            return False
        if OPERATIONS[step["operation"]].reach == ACCOUNT and self._protection.protects_any:
            return False
        if OPERATIONS[step["operation"]].effect == WIDEN:
            return False
        if str(step["parameters"].get("PolicyArn")).rpartition("/")[2] in self._attempt.allowing:
            return False
        live = AccountOverlay(self._account, *self._place, {}, self._protection.protects_any)
        try:
            self._check_partition(step)
            for kind, name, arn in touched(live, as_stored(live, step)):
                self._protection.check(kind, name, arn)
            # The commands before it may have to make what it needs.
            with suppress(Conflict):
                observe(live.fork(), as_stored(live, step))
        except Refusal as refusal:
            return refusal.rule not in NOT_BY_HAND
        # If it cannot be examined, its command is not shown.
        except Exception:
            return False
        return True

    def _check_partition(self, step):
        """A script alone cannot tell in which partition its account is."""
        foreign = sorted(partitions(step["parameters"]) - {self._partition})
        if foreign:
            detail = f"it names the partition {foreign[0]}, and the account is in {self._partition}"
            raise Refusal("right_account", detail)

    def _note_partitions(self, step):
        """The partitions that a Deny is about and the account is not in; accounts are noted with the script."""
        places = denied_elsewhere(step["parameters"], self._place[0], self._partition)
        foreign = [place for place in places if place.startswith("partition ")]
        denied = f"{cli_name(step['operation'])} denies something in {' and '.join(foreign)}"
        return [f"{denied}, and the account is in {self._partition}."] if foreign else []

    def _claim(self, overlay, found, step, alert_id):
        """Make sure that the step neither reverts nor hollows out what another alert of the run does."""
        # Consolidated alerts agree: each adds to what the one before it will have put there.
        shared = "consolidated" if step.get("consolidated") or _takes_apart(step) else None
        claim = claim_of(overlay, step, found, alert_id, shared)
        self._claims.check(claim)
        self._attempt.claims.append(claim)


class Attempt:
    """What the steps of one alert would do, as far as they are observed."""

    def __init__(self, overlay):
        self.overlay = overlay
        self.claims = []
        self.changes = set()
        self.notes = []
        # The index of the step that a guardrail stopped which nothing opens.
        self.shut = None
        # The index of the step that changes a role which its owner alone may change.
        self.managed = None
        # The principals of the script, where none of them exists.
        self.missing = []
        # The names of the policies that the script creates and that allow something.
        self.allowing = set()


def _created_allowing(steps):
    """The names of the policies that a script creates and that do not only deny."""
    created = [step["parameters"] for step in steps if step["operation"] == "CreatePolicy"]
    return {one["PolicyName"] for one in created if not is_deny_only(read_document(one["PolicyDocument"]))}


def _managed_step(overlay, steps):
    """The index of the first step that changes a role which its owner alone may change."""
    for step in steps:
        try:
            if "undoes" not in step:
                check_manager(overlay, step)
        except Refusal:
            return step["index"]
    return None


def _named(alert, step, status):
    names = {"message_id": alert["message_id"], "alert_id": alert["alert_id"], "label": _label(alert, step)}
    return {**step, **names, "status": status}


def _taken(overlay, step, found):
    """What an undo will compare; a fork, since a plan's fingerprint is of what the step itself relies on."""
    return taken_by(overlay.fork(), {**step, "before": found.before}) if found.status == "needed" else None


def _to_read_again(overlay, step, further):
    """What the step's change replaces or takes away, as it is before the step.

    :param further: the states that its document was compared with, beside those of its row.
    """
    states = OPERATIONS[step["operation"]].read_again
    made_here = (step["parameters"].get("PolicyArn"),) in overlay.overlaid("policy")
    # A policy that the script itself creates is seconds old, and reading it again costs two calls for each alert.
    read = [*([] if made_here else states), *further]
    return {state.name: state.digest(overlay.fact, step["parameters"]) for state in read}


def _takes_apart(step):
    """Whether a step takes an alert's statements out of its principal's one policy again."""
    return bool(step.get("undoes", {}).get("consolidated"))


def _compared_with_plan(seen, reviewed):
    """Exclude an alert that has changed since its review; steps that are true by now do not count."""
    changed = changes_since(reviewed, seen["steps"]) if reviewed and seen["disposition"] is None else []
    if not changed:
        return seen
    reason = f"Changed since it was reviewed: {'; '.join(changed)}. Nothing of it was applied; review it again."
    return _held_back({**seen, "disposition": "failed", "reason": reason})


def _label(alert, step):
    """What is shown of a step in one line: alert, operation and what it is about."""
    label = f"{alert['alert_id']} {cli_name(step['operation'])} {step['target']}".strip()
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in label)


def _left_to_do(steps):
    """What is left to a person: nothing of the script is applied."""
    left = [step for step in steps if step["status"] != "unchanged"]
    shown = [step for step in left if step["by_hand"] and by_hand(step["command"])]
    withheld = ["must not be run by hand either"] * (len(left) - len(shown))
    lasting = [
        cli_name(step["operation"]) for step in shown if isinstance(OPERATIONS[step["operation"]].undo, Irreversible)
    ]
    return left_by_hand([step["command"] for step in shown], withheld, lasting)


def _where(step):
    place = f" (line {step['line']}, column {step['column']})" if "line" in step else f" {step['target']}".rstrip()
    return f"{cli_name(step['operation'])}{place}"


def _live_args(overlay, step):
    """The module options that are read from the account: iam_role needs the present trust policy."""
    live = [option for option, value in OPERATIONS[step["operation"]].args.items() if value == "$live.trust"]
    return {
        option: pretty(overlay.fact(*principal(step))["trust"]) for option in live if overlay.fact(*principal(step))
    }


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
    account = IamAccount(module.client("iam"))
    if len(_principals(alerts)) >= PRELOAD_FROM:
        _preload(module, account)
    partition = caller.split(":")[1]
    allow = ALLOWED_TO_UNDO if module.params["undo"] else module.params["allow"]
    limits = module.params["on_quota"], module.params["max_changes"]
    asks = bool(module.params.get("simulate"))
    simulation = Simulation(module.client("iam"), caller, account_id, partition) if asks else None
    batch = Batch(account, account_id, partition, allow, protection, *limits, simulation)

    def observed(alert):
        try:
            return batch.observe_alert(alert)
        except (ClientError, BotoCoreError) as error:
            return _lost(alert, f"Could not read the account's IAM: {error}")

    return for_each_alert("observing the account", alerts, observed, _lost)


def _principals(alerts):
    named = for_each_alert("reading its principals", alerts, _principals_of, lambda alert, reason: set())
    return set().union(*named) - {None}


def _principals_of(alert):
    return {principal(step) for step in alert["steps"]}


def _lost(alert, reason):
    bare = {"message_id": alert["message_id"], "disposition": "failed", "reason": reason, "steps": []}
    return attempt("keeping its steps", lambda: writable(give_up([alert], "failed", reason)[0]), lambda _reason: bare)


def _held_back(alert):
    """The alert with nothing of it to do, by hand either: it is for another run, or to be reviewed again."""
    left = {"needed": "not_run"}
    steps = [{**step, "status": left.get(step["status"], step["status"]), "by_hand": False} for step in alert["steps"]]
    return {**alert, "steps": steps}


def _preload(module, account):
    """Read everything at once; where that is not possible, principals are read one by one as they come."""
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
    return [
        {
            "before_header": step["label"],
            "after_header": step["label"],
            "before": _shown(step["before"]),
            "after": _shown(step["after"]),
        }
        for step in alert["steps"]
        if step["status"] == "needed"
    ]


def _shown(part):
    """A part of the account as lines that compare well; ASCII, so that no text of an alert steers the terminal."""
    unfolded = {key: json.loads(value) if key in DOCUMENTS else value for key, value in part.items() if key != "arn"}
    # Of what is a document and nothing else, the document says it all.
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
        alerts = [alert if alert["disposition"] else _held_back({**alert, **UNFENCED}) for alert in alerts]
    changes = differences(alerts)
    module.exit_json(changed=bool(changes), caller=caller, problem=problem, alerts=alerts, fenced=fenced, diff=changes)


if __name__ == "__main__":
    main()
