# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a run is killed: one row for each point, for test_crashes.py and for docs/reliability.md."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# What is left for the next run, and what the page shows of it.
ALL, REST, DELETION, NOTHING = "all", "rest", "deletion", "nothing"
NEXT_RUN = {
    ALL: "does everything",
    REST: "finds what is applied, and applies the rest",
    DELETION: "finds everything applied, and deletes the messages",
    NOTHING: "finds an empty queue",
}

# Longer than a test takes to notice that the run has come so far.
LONG = 120


@dataclass(frozen=True)
class CrashPoint:
    """`when` names the instant. `call` is what the run is stopped at, before it is carried out or after.

    `in_flight` messages of three are hidden then; one of them is the vendor's integration test, which is settled first.
    `is_repeat`: a run that is killed at another point is in the same state, or is so for another step.
    """

    when: str
    left: str
    in_flight: int
    call: dict[str, Any] = field(default_factory=dict)
    after: bool = False
    skip: int = 0
    is_repeat: bool = False

    @property
    def fault(self) -> dict[str, Any]:
        """What stops the run there, for Stack.fault."""
        return {**self.call, "seconds": LONG, "applied": self.after, "skip": self.skip}


def _after(action: str, command: str, is_repeat: bool = True) -> CrashPoint:
    when = f"after {command}, before it is known that it worked"
    return CrashPoint(when, REST, 2, {"action": action}, after=True, is_repeat=is_repeat)


RECEIVED = CrashPoint(
    "after the messages are received, before the run has seen them", ALL, 3, {"action": "ReceiveMessage"}, after=True
)
ASKING = CrashPoint("while the vendor's API is asked for scripts", ALL, 3, is_repeat=True)
REPORTING = CrashPoint("while the report is written", NOTHING, 0)

POINTS = (
    RECEIVED,
    ASKING,
    CrashPoint("before the first message is deleted", ALL, 3, {"action": "DeleteMessageBatch"}, is_repeat=True),
    CrashPoint("after the first message is deleted", ALL, 2, {"action": "DeleteMessageBatch"}, after=True),
    CrashPoint("before the account is looked at", ALL, 2, {"action": "GetCallerIdentity"}, skip=1, is_repeat=True),
    CrashPoint("before the first step, create-policy", ALL, 2, {"action": "CreatePolicy"}, is_repeat=True),
    _after("CreatePolicy", "create-policy", is_repeat=False),
    CrashPoint("between create-policy and attach-user-policy", REST, 2, {"action": "AttachUserPolicy"}, is_repeat=True),
    _after("AttachUserPolicy", "attach-user-policy"),
    _after("DetachUserPolicy", "detach-user-policy"),
    _after("PutUserPolicy", "put-user-policy"),
    _after("RemoveUserFromGroup", "remove-user-from-group"),
    CrashPoint("before create-policy-version", REST, 2, {"action": "CreatePolicyVersion"}, is_repeat=True),
    _after("CreatePolicyVersion", "create-policy-version", is_repeat=False),
    _after("TagUser", "tag-user"),
    _after("UpdateAccessKey", "update-access-key"),
    CrashPoint(
        "after update-account-password-policy, the last step, before it is known that it worked",
        DELETION,
        2,
        {"action": "UpdateAccountPasswordPolicy"},
        after=True,
    ),
    CrashPoint(
        "before the messages are deleted", DELETION, 2, {"action": "DeleteMessageBatch"}, skip=1, is_repeat=True
    ),
    CrashPoint(
        "after the messages are deleted",
        NOTHING,
        0,
        {"action": "DeleteMessageBatch"},
        after=True,
        skip=1,
        is_repeat=True,
    ),
    REPORTING,
)
