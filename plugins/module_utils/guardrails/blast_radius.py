# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of an account one run changes: distinct principals, and what has no principal, as its settings. Pure."""

from __future__ import annotations

from typing import Any

from .rules import Refusal, how_to_open

RULE = "blast_radius"


class BlastRadius:
    """Counts what the alerts of a run change in one account.

    :param most: how many changes a run may make, None for any number.
    """

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._taken: set[Any] = set()

    def take(self, changes: set[Any]) -> None:
        """Add what an alert changes.

        :param changes: keys; what another alert changes too counts once.
        :raises Refusal: when it does not fit any more; then nothing of it is added.
        """
        if self._most is not None and len(self._taken) + len(changes - self._taken) > self._most:
            raise BlastRadiusRefusal(len(changes), len(self._taken), self._most)
        self._taken |= changes


class BlastRadiusRefusal(Refusal):
    """An alert would change more than the run may; the text has the advice."""

    def __init__(self, count: int, taken: int, most: int) -> None:
        before = f", and the alerts before it change {taken}" if taken else ""
        what = "principal or setting" if count == 1 else "principals or settings"
        detail = f"it changes {count} {what} of the account{before}; {most} may change in one run"
        super().__init__(RULE, detail)
        fits = count <= most
        self.advice = how_to_open(RULE) if fits else "Raise remediate_max_changes: no run may change so much."

    def __str__(self) -> str:
        return f"{super().__str__()}. {self.advice}"
