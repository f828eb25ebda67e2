# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When principals last used the access that steps take away, by IAM's last-accessed data: one job for each principal.

Source: GenerateServiceLastAccessedDetails and GetServiceLastAccessedDetails in the IAM API Reference. Services report
some of their actions one by one; of all others IAM knows only when the service was last used.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

with suppress(ImportError):  # AnsibleAWSModule reports it
    from botocore.exceptions import BotoCoreError, ClientError

from ..errors import listed
from ..policies.document import PolicyDocumentError
from .taken_access import TakenAccess

RULE = "in_use"
OFF, SHOW, HOLD = "off", "show", "hold"
MODES = (OFF, SHOW, HOLD)
# How long all jobs of an account may take together, and the pauses between two polls.
DEADLINE_SECONDS = 60.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0
PAGE = 1000
MAX_SHOWN = 10
# The latest uses of a principal that the report has.
MAX_USES = 100
# A step that reaches more principals than this is not looked up.
MAX_PRINCIPALS = 50
ACTION, SERVICE = "action", "service"


@dataclass(frozen=True)
class Service:
    """A service as a job reports it.

    :ivar last_used: aware; None if it was not used in IAM's tracking period.
    :ivar actions: action in lower case with its service -> (its name, when it was last used).
    """

    name: str
    last_used: datetime | None
    actions: Mapping[str, tuple[str, datetime | None]]


@dataclass(frozen=True)
class Use:
    """An action that a step takes away, and when it was last used; of a service whose action IAM does not track, when
    the service was."""

    action: str
    last_used: datetime
    level: str

    def __str__(self) -> str:
        note = ", the date of the service: IAM does not track all of its actions" if self.level == SERVICE else ""
        return f"{self.action} on {self.last_used:%Y-%m-%d}{note}"

    def as_json(self) -> dict[str, str]:
        """The use for the report."""
        return {"action": self.action, "last_used": f"{self.last_used:%Y-%m-%d}", "level": self.level}


@dataclass
class Found:
    """What is known of one step.

    :ivar in_use: clauses for people: what is in use, or may be.
    :ivar notes: clauses about what was used earlier, or never.
    :ivar uses: for the report, see `Step.usage`.
    """

    in_use: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    uses: list[dict[str, str]] = field(default_factory=list)


@dataclass
class Usage:
    """Asks IAM about the principals of an account. Collect first, so that all jobs run at the same time.

    :ivar mode: one of `MODES`.
    :ivar days: what was used within so many days is in use.
    :ivar now: the present time, aware.
    """

    iam: Any
    mode: str
    days: int
    now: datetime
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    is_collecting: bool = True
    _wanted: dict[str, None] = field(default_factory=dict)
    _services: dict[str, list[Service]] = field(default_factory=dict)
    _problems: dict[str, str] = field(default_factory=dict)

    def look(self, subjects: Mapping[str, str], read_taken: Callable[[], TakenAccess]) -> Found:
        """Tell what principals have used of what a step takes away; while collecting, only note whom to ask about.

        :param subjects: ARN -> the principal for people; without any nothing is read.
        :param read_taken: reads what the step takes away.
        """
        found = Found()
        if not subjects:
            return found
        try:
            taken = read_taken()
        except PolicyDocumentError as error:
            found.in_use.append(f"what {' and '.join(subjects.values())} would lose is not known: {error}")
            return found
        if taken and len(subjects) > MAX_PRINCIPALS:
            many = f"it reaches {len(subjects)} principals, and at most {MAX_PRINCIPALS} are looked up"
            found.in_use.append(f"whether its access is in use is not known: {many}")
        elif taken and self.is_collecting:
            self._wanted.update(dict.fromkeys(subjects))
        elif taken:
            for arn, who in subjects.items():
                self._add(found, arn, who, taken)
        return found

    def _add(self, found: Found, arn: str, who: str, taken: TakenAccess) -> None:
        if problem := self.problem(arn):
            found.in_use.append(f"whether {who} uses what it loses is not known: {problem.rstrip('.')}")
            return
        uses = self.uses(arn, taken)
        lately = [use for use in uses if self.is_lately(use)]
        if lately:
            found.in_use.append(f"{who} used within {self.days} days what it loses: {_latest(lately)}")
        elif uses:
            found.notes.append(f"{who} last used what it loses: {_latest(uses)}")
        else:
            found.notes.append(f"{who} has not used what it loses in IAM's tracking period")
        found.uses += [{"principal": who, **use.as_json()} for use in uses[:MAX_USES]]

    def collect(self) -> None:
        """Start a job for each principal, and wait until all have ended or the deadline has passed."""
        self.is_collecting = False
        jobs = {arn: job for arn in self._wanted if (job := self._start(arn))}
        ends, pause = self.clock() + DEADLINE_SECONDS, FIRST_PAUSE
        while jobs := {arn: job for arn, job in jobs.items() if not self._has_ended(arn, job)}:
            if self.clock() + pause > ends:
                left = f"IAM did not finish the last-accessed report within {DEADLINE_SECONDS:.0f} seconds"
                self._problems.update(dict.fromkeys(jobs, left))
                return
            self.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _start(self, arn: str) -> str | None:
        try:
            return str(self.iam.generate_service_last_accessed_details(Arn=arn, Granularity="ACTION_LEVEL")["JobId"])
        except (ClientError, BotoCoreError) as error:
            self._problems[arn] = str(error)
            return None

    def _has_ended(self, arn: str, job: str) -> bool:
        try:
            page = self.iam.get_service_last_accessed_details(JobId=job, MaxItems=PAGE)
            if page["JobStatus"] == "IN_PROGRESS":
                return False
            if page["JobStatus"] != "COMPLETED":
                error = page.get("Error") or {}
                why = f"{error.get('Message') or 'no reason given'} ({error.get('Code') or page['JobStatus']})"
                self._problems[arn] = f"IAM's last-accessed report failed: {why}"
                return True
            found = list(page["ServicesLastAccessed"])
            while page.get("IsTruncated"):
                page = self.iam.get_service_last_accessed_details(JobId=job, MaxItems=PAGE, Marker=page["Marker"])
                found += page["ServicesLastAccessed"]
            self._services[arn] = [_service(one) for one in found]
        except (ClientError, BotoCoreError) as error:
            self._problems[arn] = str(error)
        return True

    def problem(self, arn: str) -> str | None:
        """Why it is not known what a principal has used; None if it is known."""
        if arn in self._services:
            return None
        return self._problems.get(arn, "IAM was not asked in time")

    def uses(self, arn: str, taken: TakenAccess) -> list[Use]:
        """What a principal has used of the access that is taken away, the latest first."""
        return sorted(
            (use for service in self._services[arn] for use in _uses_of(service, taken)),
            key=lambda use: (-use.last_used.timestamp(), use.action),
        )

    def is_lately(self, use: Use) -> bool:
        """Whether something was used within the days."""
        return use.last_used >= self.now - timedelta(days=self.days)


def _service(found: Mapping[str, Any]) -> Service:
    name = found["ServiceNamespace"]
    tracked = found.get("TrackedActionsLastAccessed") or []
    names = {
        one["ActionName"].rpartition(":")[2]: one.get("LastAccessedTime") for one in tracked if one.get("ActionName")
    }
    actions = {f"{name}:{action}".lower(): (f"{name}:{action}", last) for action, last in names.items()}
    return Service(name, found.get("LastAuthenticated"), actions)


def _uses_of(service: Service, taken: TakenAccess) -> list[Use]:
    uses = [
        Use(name, last, ACTION)
        for key, (name, last) in service.actions.items()
        if last is not None and taken.takes(key)
    ]
    newest = max((use.last_used for use in uses), default=None)
    last = service.last_used
    is_news = last is not None and (newest is None or last > newest)
    if last is not None and is_news and taken.takes_others(service.name, service.actions.keys()):
        uses.append(Use(service.name, last, SERVICE))
    return uses


def _latest(uses: Sequence[Use]) -> str:
    """The uses for people; only the latest ones if there are many."""
    return listed([*map(str, uses)], MAX_SHOWN)
