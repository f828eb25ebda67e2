# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulated worlds that are raced in, what they are filled with, and whether a runner really did all of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from stack import Stack, seed
from stack.alerts import deny_document, deny_policy_name, deny_script, nested_alert

ACCOUNTS = {f"account-{number:02}": f"{100_000_000_000 + number}" for number in range(10)}
SEND_BATCH = 10


@dataclass(frozen=True)
class World:
    """added_seconds: how much later than the emulator itself every AWS call is answered."""

    name: str
    title: str
    added_seconds: float = 0.0
    managed_policies: bool = False


WORLDS = {
    world.name: world
    for world in (
        World("plain", "No added latency"),
        World("latency", "40 ms added to every AWS call", added_seconds=0.04),
        World("policies", "AWS's own policies loaded", managed_policies=True),
    )
}


@dataclass(frozen=True)
class Alert:
    alert_id: str
    account: str
    user: str

    @property
    def policy(self) -> str:
        return deny_policy_name(self.user, self.alert_id)


class NotDone(Exception):
    """A runner left something undone: its time says nothing."""


def settle(stack: Stack) -> None:
    """Make the accounts known to the stack, once."""
    stack.add_profiles(ACCOUNTS)
    stack.write_inventory(**{name: {"account_id": number, "aws_profile": name} for name, number in ACCOUNTS.items()})
    (stack.folder / "profiles.json").write_text(json.dumps({number: name for name, number in ACCOUNTS.items()}))


def fill(stack: Stack, world: World, size: int) -> list[Alert]:
    """Begin again: a user for each alert, in all accounts in turn; scripts in the API, messages in the queue."""
    stack.reset()
    names = list(ACCOUNTS)
    alerts = [Alert(f"I-{number}", names[number % len(names)], f"user-{number}") for number in range(size)]
    for name, number in ACCOUNTS.items():
        seed(stack, number, users=[alert.user for alert in alerts if alert.account == name])
    for alert in alerts:
        stack.script(alert.alert_id, deny_script("user", alert.user, ACCOUNTS[alert.account], alert.alert_id))
    send(stack, alerts)
    if world.added_seconds:
        stack.fault(seconds=world.added_seconds, count=10**9)
    return alerts


def send(stack: Stack, alerts: list[Alert]) -> None:
    queue = {"QueueUrl": stack.queue_url}
    bodies = (json.dumps(nested_alert(one.alert_id, ACCOUNTS[one.account], name=one.user)) for one in alerts)
    while batch := list(islice(bodies, SEND_BATCH)):
        entries = [{"Id": str(place), "MessageBody": body} for place, body in enumerate(batch)]
        stack.client("sqs").send_message_batch(Entries=entries, **queue)


def check(stack: Stack, alerts: list[Alert]) -> None:
    """Raise NotDone unless every user has exactly its policy, the queue is empty, and nothing was done twice."""
    found = dict(attachments(stack))
    wanted = {(alert.account, alert.user): [alert.policy] for alert in alerts}
    if found != wanted:
        wrong = [key for key in wanted if found.get(key) != wanted[key]]
        raise NotDone(f"{len(wrong)} of {len(wanted)} users are not restricted as they should be: {wrong[:5]} ...")
    if left := stack.messages():
        raise NotDone(f"{len(left)} messages are still in the queue")
    changes = len(stack.calls(service="iam", mutating=True))
    if changes != 2 * len(alerts):
        raise NotDone(f"{changes} changes were made of {2 * len(alerts)}")


def attachments(stack: Stack) -> Iterator[tuple[tuple[str, str], list[str]]]:
    """((account, user), names of the attached policies), of policies with the right document."""
    for name, number in ACCOUNTS.items():
        pages = stack.client("iam", number).get_paginator("get_account_authorization_details")
        for page in pages.paginate(Filter=["User", "LocalManagedPolicy"], PaginationConfig={"PageSize": 1000}):
            right = {policy["PolicyName"] for policy in page["Policies"] if document_of(policy) == deny_document()}
            for user in page["UserDetailList"]:
                names = [attached["PolicyName"] for attached in user["AttachedManagedPolicies"]]
                yield (name, user["UserName"]), [policy for policy in names if policy in right]


def document_of(policy: dict) -> dict:
    [version] = policy["PolicyVersionList"]
    return version["Document"]
