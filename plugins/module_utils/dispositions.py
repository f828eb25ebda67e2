# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dispositions of alerts and their consequences: thirteen of a run, three of an undo, three of a verification."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

DELETE = "delete"
RELEASE = "release"
QUARANTINE = "quarantine"
# A retry does not change these: with a quarantine queue they wait there for a person.
QUARANTINED = ("invalid", "unsupported", "refused")


@dataclass(frozen=True)
class Disposition:
    """One row: the word, what it means, the message's fate outside check mode, and whether it needs attention."""

    word: str
    meaning: str
    fate: str
    needs_person: bool
    advice: str


DISPOSITIONS = (
    Disposition(
        "remediated",
        "every step applied, at least one changed something",
        DELETE,
        False,
        "Nothing to do: the alert resolves on the vendor's next scan, which can take up to 24 hours.",
    ),
    Disposition(
        "already_remediated",
        "every step was already true",
        DELETE,
        False,
        "Nothing to do: the alert resolves on the vendor's next scan, which can take up to 24 hours.",
    ),
    Disposition(
        "planned",
        "check mode: these steps would change something",
        RELEASE,
        False,
        "Review the steps, then apply this plan (remediate_plan).",
    ),
    Disposition(
        "acknowledged",
        "an integration test, or an alert that is no longer open",
        DELETE,
        False,
        "Nothing to do.",
    ),
    Disposition(
        "not_remediable",
        "the vendor has no script for it",
        RELEASE,
        False,
        "Remediate manually, or dismiss the alert in the console. The message expires with the queue's retention "
        "period.",
    ),
    Disposition(
        "not_aws",
        "another cloud's account or script",
        RELEASE,
        False,
        "Limit the vendor's alert rule for this queue to AWS accounts, or let another consumer take these messages.",
    ),
    Disposition(
        "unmapped_account",
        "no host in the inventory has that account_id",
        RELEASE,
        True,
        "Add the account to the inventory with account_id and aws_profile or role_arn, or take it out of the vendor's "
        "alert rule.",
    ),
    Disposition(
        "filtered",
        "outside --limit or the user's own filters",
        RELEASE,
        False,
        "Nothing to do: a run with a wider --limit or wider filters takes it.",
    ),
    Disposition(
        "invalid",
        "the message is not an alert",
        RELEASE,
        True,
        "Check who sends it. If it is not an alert, delete it from the queue.",
    ),
    Disposition(
        "unsupported",
        "the script contains something that is not supported",
        RELEASE,
        True,
        "Remediate manually, or change the custom policy's script to what is supported.",
    ),
    Disposition(
        "refused",
        "a guardrail forbids it",
        RELEASE,
        True,
        "If the script is correct, allow the rule with remediate_allow. Otherwise remediate manually.",
    ),
    Disposition(
        "unavailable",
        "the API or the queue did not answer for it",
        RELEASE,
        True,
        "Fix the cause shown, then run again. The message is back in the queue.",
    ),
    Disposition(
        "failed",
        "a step failed",
        RELEASE,
        True,
        "Fix the cause shown, then run again. Steps that were already applied are skipped.",
    ),
    Disposition(
        "undone",
        "an undo reverted the changes of the run",
        RELEASE,
        False,
        "Nothing to do. The vendor's next scan reports it again: dismiss the alert there, or protect the principal.",
    ),
    Disposition(
        "already_undone",
        "an undo found everything as it was before the run",
        RELEASE,
        False,
        "Nothing to do.",
    ),
    Disposition(
        "not_undoable",
        "something that the run took away cannot be restored",
        RELEASE,
        True,
        "Create it again manually. All other changes of the run were undone.",
    ),
    Disposition(
        "holds",
        "a verification found every change as the run left it",
        RELEASE,
        False,
        "Nothing to do.",
    ),
    Disposition(
        "gone",
        "a verification found that the principal does not exist any more",
        RELEASE,
        False,
        "Nothing to do.",
    ),
    Disposition(
        "reverted",
        "a verification found that somebody reverted a change",
        RELEASE,
        True,
        "Find out who reverted it, and why. If the restriction is right, put the alert back into the queue "
        "(-e requeue=true) and run again. If not, dismiss the alert in the vendor's console.",
    ),
)

BY_WORD = {disposition.word: disposition for disposition in DISPOSITIONS}


def fate(word: str, check_mode: bool, has_quarantine: bool = False) -> str:
    """Decide what happens to the messages of an alert.

    :param word: its disposition.
    :param check_mode: True releases all messages.
    :param has_quarantine: whether there is a quarantine queue.
    :returns: DELETE, RELEASE or QUARANTINE.
    :raises KeyError: the word is not a disposition.
    """
    wanted = QUARANTINE if has_quarantine and word in QUARANTINED else BY_WORD[word].fate
    return RELEASE if check_mode else wanted


def most_careful(wanted: Iterable[tuple[str, Iterable[str]]]) -> dict[str, str]:
    """Decide what happens to each message, by all of its alerts.

    A message is deleted only if all its alerts are done, and moved to the quarantine queue if all others belong there.

    :param wanted: for each alert what `fate` returned, and the receipt handles of its messages.
    :returns: receipt handle -> DELETE, QUARANTINE or RELEASE.
    """
    acts: dict[str, str] = {}
    for act, handles in wanted:
        for handle in handles:
            acts[handle] = max(act, acts.get(handle, act), key=(DELETE, QUARANTINE, RELEASE).index)
    return acts
