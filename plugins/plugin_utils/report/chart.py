# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts -> the places and words of a chart of stacked bars; the page's template draws it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

# More bars than this cannot be read at a glance. The table has them all.
MAX_BARS = 12
MAX_LABEL = 30


def by_urgency(counts: Mapping[str, Counter[str]], urgent: Collection[str]) -> dict[str, Counter[str]]:
    """The rows with the most alerts of urgent dispositions first, then the longest.

    :param counts: number of alerts by disposition, by row.
    :param urgent: set of dispositions.
    :returns: the same counts in another order.
    """
    pressing = {label: sum(row[word] for word in urgent) for label, row in counts.items()}
    order = sorted(counts, key=lambda label: (-pressing[label], -sum(counts[label].values()), label))
    return {label: counts[label] for label in order}


def stacked_bars(
    name: str, counts: Mapping[str, Counter[str]], words: Sequence[str], group_of: Mapping[str, str]
) -> dict[str, Any]:
    """One bar for each row, widths in per cent of the longest bar.

    :param name: what the rows are, a word.
    :param counts: `collections.Counter` of alerts by disposition, by row, in the order of the bars.
    :param words: all dispositions that occur, in the order of a bar's parts.
    :param group_of: by disposition the group that decides how a part is drawn.
    :returns: dict of what the template needs: bars, and a table of all rows.
    """
    shown = list(counts)[:MAX_BARS]
    longest = max((sum(counts[label].values()) for label in shown), default=1)
    parts = {label: [(word, counts[label][word]) for word in words if counts[label][word]] for label in shown}
    return {
        "name": name,
        "bars": [_bar(label, parts[label], longest, group_of) for label in shown],
        "left_out": len(counts) - len(shown),
        "words": words,
        "rows": [(label, [row[word] for word in words], sum(row.values())) for label, row in counts.items()],
    }


def _bar(label: str, parts: Sequence[tuple[str, int]], longest: int, group_of: Mapping[str, str]) -> dict[str, Any]:
    drawn, at = [], 0
    for word, number in parts:
        x, end = (round(100 * edge / longest, 2) for edge in (at, at + number))
        title = f"{label}: {number} {word}"
        drawn.append({"group": group_of[word], "word": word, "x": x, "width": round(end - x, 2), "title": title})
        at += number
    clipped = label if len(label) <= MAX_LABEL else label[: MAX_LABEL - 1] + "…"
    counts = ", ".join(f"{number} {word}" for word, number in parts)
    return {"label": label, "clipped": clipped, "total": at, "counts": counts, "parts": drawn}
