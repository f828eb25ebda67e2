# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An event source for ansible-rulebook that rings when alerts wait in the queue, and touches none of them."""

from __future__ import annotations

DOCUMENTATION = r"""
short_description: Ring when alerts wait in an SQS queue
description:
  - Reads the number of messages in an SQS queue, and sends an event if a run has something to do. It never receives,
    hides or deletes a message. That is done by the run that the event starts, which loses nothing when it fails.
  - It rings when messages arrive in an empty queue, when there are more of them than there were, and when a run that
    did a part of them has ended.
  - If no run works on the messages, the event repeats after O(first_pause), then after twice as long each time, up to
    O(longest_pause). A new one among them still rings at once.
  - As long as no message was received since the last ring, a run is still expected, and more messages are not a
    reason to ring.
  - "The event is C(doorbell) with C(queue), its URL; C(reason), V(arrived), V(more) or V(left); C(visible) and
    C(in_flight), SQS's own approximate counts; and C(waiting_seconds), how long the queue has not been empty as far as
    the doorbell has seen: SQS shows the age of a message only to its receiver."
  - The credentials need C(sqs:GetQueueUrl) and C(sqs:GetQueueAttributes) only.
author:
  - The Leastpriv team (!UNKNOWN)
options:
  queue_name:
    description: The name of the queue. Without it E(SQS_QUEUE_NAME). One of O(queue_name) and O(queue_url) is required.
    type: str
  queue_url:
    description: The URL of the queue, which contains its region. Without it E(SQS_QUEUE_URL).
    type: str
  queue_profile:
    description: The AWS profile that may look at the queue. Without it the usual chain of the AWS SDK counts.
    type: str
    aliases: [profile]
  region:
    description: The region of the queue, if it is not in O(queue_url). Without it E(AWS_REGION).
    type: str
    aliases: [aws_region]
  endpoint_url:
    description: The address of SQS itself. Without it E(AWS_ENDPOINT_URL_SQS), then E(AWS_ENDPOINT_URL).
    type: str
  look_every:
    description: Seconds between two looks. Each is one GetQueueAttributes, about 2.6 million a month at one a second.
    type: float
    default: 1
  gap:
    description: The least number of seconds between two rings.
    type: float
    default: 5
  first_pause:
    description:
      - After how many seconds to ring again when messages stay, and nothing has changed.
      - It is also waited after a look that failed.
    type: float
    default: 30
  longest_pause:
    description: What that pause grows to, in seconds, by doubling.
    type: float
    default: 3600
requirements:
  - ansible-core, in the Python of ansible-rulebook
  - boto3 >= 1.34.0
  - botocore >= 1.34.0
"""

EXAMPLES = r"""
- name: Remediate alerts as they arrive
  hosts: all
  sources:
    - leastpriv.iam.doorbell:
        queue_name: prisma-alerts
        queue_profile: doorbell
  rules:
    - name: Alerts wait
      condition: event.doorbell.visible > 0
      action:
        run_playbook:
          name: leastpriv.iam.remediate
"""

import asyncio
import logging
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from botocore.config import Config
from botocore.exceptions import BotoCoreError

# ansible-rulebook runs this file without Ansible's loader of collections, and could load no other file beside that one.
_COLLECTION = ModuleType("ansible_collections.leastpriv.iam")
_COLLECTION.__path__ = [str(Path(__file__).parents[4])]
sys.modules.setdefault(_COLLECTION.__name__, _COLLECTION)

from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError
from ansible_collections.leastpriv.iam.plugins.module_utils.queue.errors import QueueError
from ansible_collections.leastpriv.iam.plugins.module_utils.queue.sqs import (
    CONNECTION_OPTIONS,
    QUEUE_ARGUMENTS,
    Depth,
    Queue,
    depth,
    open_queue,
)

LOGGER = logging.getLogger(__name__)

_SECONDS = {
    "look_every": {"type": "float", "default": 1},
    "gap": {"type": "float", "default": 5},
    "first_pause": {"type": "float", "default": 30},
    "longest_pause": {"type": "float", "default": 3600},
}


@dataclass(frozen=True)
class Ring:
    """Why the bell rings, and what was seen; an event without the queue."""

    reason: str
    visible: int
    in_flight: int
    waiting_seconds: int


@dataclass
class _Rung:
    """The last ring, and what was seen since."""

    at: float
    total: int
    pause: float
    lowest: int
    is_answered: bool = False


class Bell:
    """Decides, look by look, whether to ring. The options of this plugin are its settings, all in seconds."""

    def __init__(self, gap: float, first_pause: float, longest_pause: float) -> None:
        self.gap = gap
        self.first_pause = first_pause
        self.longest_pause = longest_pause
        self._last = Depth(0, 0)
        self._since: float | None = None
        self._rung: _Rung | None = None

    def look(self, seen: Depth, now: float) -> Ring | None:
        """Take what a look has seen, and the time by a clock that only goes forward. None: do not ring."""
        # SQS's counts are approximate. A fall is believed when the next look sees it, too.
        total = max(_total(seen), _total(self._last))
        if not total:
            self._since = self._rung = None
            return None
        self._since = now if self._since is None else self._since
        if self._rung:
            self._rung.lowest = min(self._rung.lowest, total)
            self._rung.is_answered |= seen.visible < self._last.visible
        self._last = seen
        reason = self._reason(seen, total, now) if seen.visible else None
        if reason is None:
            return None
        self._rung = _Rung(now, total, self._next_pause(total), total)
        return Ring(reason, seen.visible, seen.in_flight, round(now - self._since))

    def _reason(self, seen: Depth, total: int, now: float) -> str | None:
        if self._rung is None:
            return "arrived"
        if now - self._rung.at < self._patience(self._rung, total, seen.in_flight > 0):
            return None
        return "more" if total > self._rung.lowest else "left"

    def _patience(self, rung: _Rung, total: int, somebody_works: bool) -> float:
        """How many seconds to be silent after a ring."""
        is_more = total > rung.lowest
        has_got_on = total < rung.total and not somebody_works
        if rung.is_answered and (is_more or has_got_on):
            return self.gap
        # Not answered: the run that was rung for waits until another has ended, or could not even start.
        return self.first_pause if is_more and not somebody_works else rung.pause

    def _next_pause(self, total: int) -> float:
        rung = self._rung
        if rung is None or (rung.is_answered and rung.total != total):
            return self.first_pause
        return min(2 * rung.pause, self.longest_pause)


async def main(queue: asyncio.Queue[Any], args: dict[str, Any]) -> None:
    """Poll the queue of alerts indefinitely, and put an event into ansible-rulebook's for each ring.

    Raises LeastprivError when the settings mean nothing or the queue cannot be used at the start; from then on a look
    that fails is logged and repeated.
    """
    settings = checked(args)
    options = [settings[name] for name in CONNECTION_OPTIONS]
    watched = await asyncio.to_thread(open_queue, connect, settings["queue_name"], options)
    bell = Bell(settings["gap"], settings["first_pause"], settings["longest_pause"])
    while True:
        seen = await look(watched)
        ring = bell.look(seen, time.monotonic()) if seen else None
        if ring:
            await queue.put({"doorbell": {"queue": watched.url, **asdict(ring)}})
        await asyncio.sleep(settings["look_every"] if seen else settings["first_pause"])


def checked(args: Mapping[str, Any]) -> dict[str, Any]:
    """The source's arguments by their types, with environment variables and defaults. Raises LeastprivError."""
    result = ArgumentSpecValidator({**QUEUE_ARGUMENTS, **_SECONDS}).validate(dict(args))
    settings = result.validated_parameters
    wrong = result.error_messages or [f"{name} must be above 0" for name in _SECONDS if not settings[name] > 0]
    if wrong:
        raise LeastprivError(
            f"The doorbell cannot use its arguments: {'; '.join(wrong)}. Correct them in the rulebook."
        )
    return settings


def connect(
    service: str, profile_name: str | None, region: str | None, endpoint: str | None, verify: Any, aws_config: Any
) -> Any:
    """A client of boto3 alone, from what module_utils.queue.connection gives. Raises QueueError."""
    try:
        session = boto3.Session(profile_name=profile_name)
        return session.client(
            service, region_name=region, endpoint_url=endpoint, verify=verify, config=Config(**aws_config)
        )
    except BotoCoreError as error:
        raise QueueError(
            f"Could not prepare a connection to SQS: {error} Next: check queue_profile or AWS_PROFILE, and name the "
            "region by region, AWS_REGION or queue_url.",
            type(error).__name__,
        ) from None


async def look(watched: Queue) -> Depth | None:
    """The number of messages; None if SQS does not answer, which is logged."""
    try:
        return await asyncio.to_thread(depth, watched)
    except QueueError as error:
        LOGGER.warning("The doorbell looks again in a while: %s", error)
        return None


def _total(seen: Depth) -> int:
    return seen.visible + seen.in_flight
