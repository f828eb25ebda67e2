# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who reverted a step, by CloudTrail's event history: LookupEvents, which has the management events of 90 days.

IAM's events are recorded in the region of its endpoint, us-east-1 in the partition aws. Follows the API reference of
CloudTrail: https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

with suppress(ImportError):  # AnsibleAWSModule reports it
    from botocore.exceptions import BotoCoreError, ClientError

from ..iso_time import read_time, utc_text
from ..operations import OPERATIONS
from ..operations.undo import Undo
from ..shapes import Step

SOURCE = "iam.amazonaws.com"
# Events that revert an operation beside those that undo it.
ALSO = {
    "CreatePolicy": ("CreatePolicyVersion", "SetDefaultPolicyVersion"),
    "CreatePolicyVersion": ("SetDefaultPolicyVersion", "DeletePolicyVersion", "DeletePolicy"),
}
# Operations that overwrite what is there: the same call reverts them.
OVERWRITE = ("Put", "Set", "Update")
# Pages of 50 events for each name of an event.
MAX_PAGES = 5
NAMES = ("UserName", "RoleName", "GroupName", "PolicyArn", "PolicyName", "AccessKeyId", "SerialNumber")


class Trail:
    """The event history of one account.

    :param client: a CloudTrail client of the region that has IAM's events.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._events: dict[tuple[str, str], list[dict[str, Any]]] = {}
        # The look-ups that have more pages than were read.
        self._cut: set[tuple[str, str]] = set()

    def who_reverted(self, step: Step) -> str:
        """Who reverted a step, when and by which call, as a sentence; or why that is not known.

        :param step: an applied step with its `time`.
        """
        names = _event_names(step)
        try:
            events = [event for name in names for event in self._lookup(name, step["time"])]
        except (ClientError, BotoCoreError) as error:
            return f"CloudTrail could not be read: {error}"
        fitting = [event for event in events if _is_about(event, step)]
        if not fitting and (cut := [name for name in names if (name, step["time"]) in self._cut]):
            return f"Not among the {MAX_PAGES} newest pages of CloudTrail's events {', '.join(cut)}; there are more."
        if not fitting:
            return "CloudTrail has no event of it (it keeps 90 days, and events arrive after some minutes)."
        last = max(fitting, key=lambda event: str(event.get("eventTime")))
        return f"By {_identity(last)} on {last.get('eventTime')} ({last.get('eventName')})."

    def _lookup(self, name: str, since: str) -> list[dict[str, Any]]:
        """The successful events of a name since a time, the newest first."""
        key = (name, since)
        if key not in self._events:
            self._events[key] = list(self._read(name, since))
        return self._events[key]

    def _read(self, name: str, since: str) -> Iterator[dict[str, Any]]:
        wanted = {"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": name}]}
        further: dict[str, str] = {}
        for _page in range(MAX_PAGES):
            answer = self._client.lookup_events(**wanted, StartTime=read_time(since), MaxResults=50, **further)
            for entry in answer.get("Events", ()):
                with suppress(ValueError):
                    event = json.loads(entry["CloudTrailEvent"])
                    if event.get("eventSource") == SOURCE and not event.get("errorCode"):
                        yield event
            if not answer.get("NextToken"):
                return
            further = {"NextToken": answer["NextToken"]}
        self._cut.add((name, since))


def _event_names(step: Step) -> list[str]:
    operation = step["operation"]
    undo = OPERATIONS[operation].undo
    undoing = undo.operations if isinstance(undo, Undo) else ()
    overwriting = (operation,) if operation.startswith(OVERWRITE) else ()
    return list(dict.fromkeys([*undoing, *overwriting, *ALSO.get(operation, ())]))


def _is_about(event: Mapping[str, Any], step: Step) -> bool:
    """Whether an event is later than a step and names the same things, as far as it names them."""
    # The journal has the time right before the call of the run itself.
    is_own = bool(step.get("request_id")) and event.get("requestID") == step["request_id"]
    is_own = is_own or _identity(event).endswith(f"/leastpriv-{step['run']}")
    if is_own or str(event.get("eventTime")) < utc_text(read_time(step["time"])):
        return False
    named = {str(name).lower(): str(value) for name, value in (event.get("requestParameters") or {}).items()}
    own = {name: step["parameters"][name] for name in NAMES if step["parameters"].get(name)}
    arn = (step.get("made") or {}).get("arn")
    if arn and step["operation"] == "CreatePolicy":
        own = {"PolicyArn": arn}
    shared = [(named[name.lower()], str(value)) for name, value in own.items() if name.lower() in named]
    return bool(shared) and all(one.lower() == other.lower() for one, other in shared)


def _identity(event: Mapping[str, Any]) -> str:
    identity = event.get("userIdentity") or {}
    return str(identity.get("arn") or identity.get("userName") or identity.get("invokedBy") or identity.get("type"))
