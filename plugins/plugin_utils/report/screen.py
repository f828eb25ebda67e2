# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines for a terminal: fitted to its columns, and marked for its colours. No I/O."""

from __future__ import annotations

from typing import NamedTuple

from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.terminal_text import cells, printable


class Span(NamedTuple):
    """A part of a line. `style` is empty, `good`, `bad`, `caution` or `strong`."""

    text: str
    style: str = ""


# Without the newline. Its spans are printable.
Line = tuple[Span, ...]
EMPTY: Line = ()


def plain(line: Line) -> str:
    """The line without its colours."""
    return "".join(span.text for span in line)


def line(*parts: str | tuple[str, str]) -> Line:
    """A line of texts, or of pairs of text and style; all are escaped."""
    spans = (Span(part) if isinstance(part, str) else Span(*part) for part in parts)
    return tuple(Span(printable(span.text), span.style) for span in spans if span.text)


def wrapped(
    text: str | list[str], columns: int, indent: int = 0, hanging: int = 0, lead: tuple[str, str] = ("", "")
) -> list[Line]:
    """Wrap one paragraph between words; a word that is wider than the line, such as an ARN, stays in one piece.

    :param text: a text, or the pieces of one that may not be broken.
    :param indent: blanks before each line.
    :param hanging: further blanks before each line but the first.
    :param lead: text and style of what the paragraph begins with.
    """
    room = columns - indent
    rows, row = [], lead[0]
    for word in map(printable, text.split(" ") if isinstance(text, str) else text):
        longer = f"{row} {word}" if row.strip() else row + word
        if row.strip() and cells(longer) > room:
            rows.append(row)
            longer = " " * hanging + word
        row = longer
    first, *others = [*rows, row]
    shown = [(Span(lead[0], lead[1]), Span(first[len(lead[0]) :])), *((Span(other),) for other in others)]
    return [tuple(span for span in (Span(" " * indent), *spans) if span.text) for spans in shown]


def labelled(label: str, command: str, columns: int) -> list[Line]:
    """A command to copy, in one piece: behind its label, or below it if both are wider than the line."""
    if cells(f"{label} {command}") <= columns:
        return [line((label, "strong"), f" {command}")]
    return [line((label, "strong")), line(f"  {command}")]


def cut(text: str, width: int) -> str:
    """The text in at most this many columns, with an ellipsis where something was left out."""
    if cells(text) <= width:
        return text
    kept = ""
    for char in text:
        if cells(kept + char) > width - 1:
            break
        kept += char
    return kept + "…" * (width > 0)


def pad(text: str, width: int) -> str:
    """The text in exactly this many columns."""
    shown = cut(text, width)
    return shown + " " * (width - cells(shown))
