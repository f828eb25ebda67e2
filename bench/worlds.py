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

SEND_BATCH = 10


@dataclass(frozen=True)
class World:
    """added_seconds: how much later than the emulator itself every AWS call is answered; sizes: alerts of a run."""

    name: str
    title: str
    added_seconds: float = 0.0
    managed_policies: bool = False
    number_of_accounts: int = 10
    sizes: tuple[int, ...] = (100,)

    @property
    def accounts(self) -> dict[str, str]:
        """Name -> account id."""
        numbers = range(self.number_of_accounts)
        return {f"account-{number:02}": f"{100_000_000_000 + number}" for number in numbers}


WORLDS = {
    world.name: world
    for world in (
        World("real", "Ten accounts", added_seconds=0.04, managed_policies=True, sizes=(1, 10, 100, 1_000)),
        World("one", "One account", added_seconds=0.04, managed_policies=True, number_of_accounts=1),
        World("empty", "Ten accounts without AWS's own policies and without latency"),
        World("many", "A hundred such accounts", number_of_accounts=100, sizes=(1_000, 3_000, 10_000)),
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


def settle(stack: Stack, world: World) -> None:
    """Make the accounts known to the stack, once."""
    stack.add_profiles(world.accounts)
    hosts = {name: {"account_id": number, "aws_profile": name} for name, number in world.accounts.items()}
    stack.write_inventory(**hosts)
    (stack.folder / "profiles.json").write_text(json.dumps({number: name for name, number in world.accounts.items()}))


def fill(stack: Stack, world: World, size: int) -> list[Alert]:
    """Begin again: a user for each alert, in all accounts in turn; scripts in the API, messages in the queue."""
    stack.reset()
    accounts = world.accounts
    names = list(accounts)
    alerts = [Alert(f"I-{number}", names[number % len(names)], f"user-{number}") for number in range(size)]
    for name, number in accounts.items():
        seed(stack, number, users=[alert.user for alert in alerts if alert.account == name])
    stack.scripts({one.alert_id: deny_script("user", one.user, accounts[one.account], one.alert_id) for one in alerts})
    send(stack, world, alerts)
    if world.added_seconds:
        stack.fault(seconds=world.added_seconds, count=10**9)
    return alerts


def send(stack: Stack, world: World, alerts: list[Alert]) -> None:
    queue, accounts = {"QueueUrl": stack.queue_url}, world.accounts
    bodies = (json.dumps(nested_alert(one.alert_id, accounts[one.account], name=one.user)) for one in alerts)
    while batch := list(islice(bodies, SEND_BATCH)):
        entries = [{"Id": str(place), "MessageBody": body} for place, body in enumerate(batch)]
        stack.client("sqs").send_message_batch(Entries=entries, **queue)


def check_review(stack: Stack, alerts: list[Alert]) -> None:
    """Raise NotDone unless nothing was changed, and every message is in the queue."""
    if changes := stack.changes():
        raise NotDone(f"{len(changes)} changes were made in check mode")
    if (left := len(stack.messages())) != len(alerts):
        raise NotDone(f"{left} messages of {len(alerts)} are in the queue after check mode")


def check(stack: Stack, world: World, alerts: list[Alert]) -> None:
    """Raise NotDone unless every user has exactly its policy, the queue is empty, and nothing was done twice."""
    found = dict(attachments(stack, world))
    wanted = {(alert.account, alert.user): [alert.policy] for alert in alerts}
    if found != wanted:
        wrong = [key for key in wanted if found.get(key) != wanted[key]]
        raise NotDone(f"{len(wrong)} of {len(wanted)} users are not restricted as they should be: {wrong[:5]} ...")
    if left := stack.messages():
        raise NotDone(f"{len(left)} messages are still in the queue")
    changes = len(stack.calls(service="iam", mutating=True))
    if changes != 2 * len(alerts):
        raise NotDone(f"{changes} changes were made of {2 * len(alerts)}")


def attachments(stack: Stack, world: World) -> Iterator[tuple[tuple[str, str], list[str]]]:
    """((account, user), names of the attached policies), of policies with the right document."""
    for name, number in world.accounts.items():
        pages = stack.client("iam", number).get_paginator("get_account_authorization_details")
        for page in pages.paginate(Filter=["User", "LocalManagedPolicy"], PaginationConfig={"PageSize": 1000}):
            right = {policy["PolicyName"] for policy in page["Policies"] if document_of(policy) == deny_document()}
            for user in page["UserDetailList"]:
                names = [attached["PolicyName"] for attached in user["AttachedManagedPolicies"]]
                yield (name, user["UserName"]), [policy for policy in names if policy in right]


def document_of(policy: dict) -> dict:
    [version] = policy["PolicyVersionList"]
    return version["Document"]
