# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shorthand values of the AWS CLI, `Key=a,Value=b`.

    parameter = keyval *( "," keyval )
    keyval    = key "=" [ csv | list | map ]
    csv       = value *( "," value )          one value alone is not a list
    list      = "[" [ item *( "," item ) ] "]"
    map       = "{" [ key "=" item *( "," key "=" item ) ] "}"
    item      = value | list | map
    value     = bare | "'" … "'" | '"' … '"'

Follows https://docs.aws.amazon.com/cli/latest/userguide/cli-usage-shorthand.html; `key@=file` is not read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

MAX_DEPTH = 8  # deeper than any of IAM's parameters

_BLANK = re.compile(r"[ \t\n\r\v\f]*")
_KEY = re.compile(r"[A-Za-z0-9_.#/:-]*")
_BEYOND = "\U00010000-\U0010ffff"
_START = rf"[^\x00-\x20\"',=\[{{{_BEYOND}]"
# A first value may contain `=`; a later one of the same list ends there, because it is the next key.
_FIRST = re.compile(rf"(?:\\,|{_START})(?:\\,|\s|[^\x00-\x20\"',\]}}{_BEYOND}])*")
_LATER = re.compile(rf"(?:\\,|{_START})(?:\\,|\s|[^\x00-\x20\"',={_BEYOND}])*")
_QUOTED = {"'": re.compile(r"'(?:\\'|[^'])*'"), '"': re.compile(r'"(?:\\"|[^"])*"')}


class ShorthandError(ValueError):
    """A value that is not shorthand; the text names what was expected."""


def parse_shorthand(text: str) -> dict[str, Any]:
    """One shorthand value -> a dict of texts, lists and dicts.

    :raises ShorthandError: for anything else.
    """
    return _Parser(text).parameter()


def coerce(value: Any, shape: str, shapes: Mapping[str, Any]) -> Any:
    """Convert a parsed shorthand value to the types of its shape; a single value becomes a list where one is expected.

    :raises ValueError, TypeError, AttributeError: as the CLI does, if it cannot be converted.
    """
    described = shapes[shape]
    kind = described["type"]
    if kind == "structure" and isinstance(value, dict):
        members = described["members"]
        known = {key: coerce(value[key], members[key]["shape"], shapes) for key in value if key in members}
        return {**value, **known}
    if kind == "map" and isinstance(value, dict):
        return {key: coerce(each, described["value"]["shape"], shapes) for key, each in value.items()}
    if kind == "list":
        inner = described["member"]["shape"]
        return [coerce(each, inner, shapes) for each in value] if isinstance(value, list) else [value]
    return _SCALARS.get(kind, _unchanged)(value)


def _unchanged(value: Any) -> Any:
    return value


def _boolean(value: Any) -> Any:
    return {"true": True, "false": False}.get(value.lower(), value)


_SCALARS: dict[str, Callable[[Any], Any]] = {
    "integer": int,
    "long": int,
    "float": float,
    "double": float,
    "boolean": _boolean,
}


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def parameter(self) -> dict[str, Any]:
        # parameter = keyval *( "," keyval )
        found: dict[str, Any] = {}
        while True:
            key = self._key()
            value = self._values()
            if key in found:
                raise ShorthandError("the same key is given twice; a blank, not a comma, separates structures")
            found[key] = value
            if self.at >= len(self.text):
                return found
            self._expect(",")

    def _key(self) -> str:
        key = self._run(_KEY)
        self._blank()
        if self._next() == "@":
            raise ShorthandError("`@=` reads a value from a file of the computer where the command runs")
        self._expect("=")
        return key

    def _values(self) -> Any:
        # values = csv | list | map
        nested = self._nested(1)
        return self._csv() if nested is None else nested

    def _csv(self) -> Any:
        found = [self._value()]
        self._blank()
        while self._next() == ",":
            comma = self.at
            self._expect(",")
            value = self._later_value()
            self._blank()
            if value is None or self._next() not in ("", ","):
                self._go_back(comma, value)
                break
            found.append(value)
        return found if len(found) > 1 else found[0]

    def _go_back(self, comma: int, value: str | None) -> None:
        """The last value is in fact the next key: go back to the comma before it."""
        if value is None and self.at >= len(self.text):
            raise ShorthandError("a value is missing at its end")
        self.at = self.text.rfind(",", comma, self.at + 1)

    def _list(self, depth: int) -> list[Any]:
        # list = "[" [ item *( "," item ) ] "]"
        found = []
        self._expect("[")
        while self._next() != "]":
            found.append(self._item(depth))
            self._separate("]")
        self.at += 1
        return found

    def _map(self, depth: int) -> dict[str, Any]:
        # map = "{" [ key "=" item *( "," key "=" item ) ] "}"
        found = {}
        self._expect("{")
        while self._next() != "}":
            key = self._key()
            found[key] = self._item(depth)
            self._separate("}")
        self.at += 1
        return found

    def _item(self, depth: int) -> Any:
        if depth >= MAX_DEPTH:
            raise ShorthandError(f"it is nested more than {MAX_DEPTH} deep")
        nested = self._nested(depth + 1)
        return self._value() if nested is None else nested

    def _nested(self, depth: int) -> list[Any] | dict[str, Any] | None:
        if self._next() == "[":
            return self._list(depth)
        return self._map(depth) if self._next() == "{" else None

    def _separate(self, close: str) -> None:
        self._blank()
        if self._next() != close:
            self._expect(",")

    def _value(self) -> str:
        if self._next() in _QUOTED:
            return self._quoted()
        return self._run(_FIRST).replace("\\,", ",").rstrip()

    def _later_value(self) -> str | None:
        if self._next() in _QUOTED:
            return self._quoted()
        bare = self._run(_LATER)
        return bare.replace("\\,", ",").rstrip() if bare else None

    def _quoted(self) -> str:
        quote = self._next()
        match = _QUOTED[quote].match(self.text, self.at)
        if not match:
            raise ShorthandError("a quote in it is never closed")
        self.at = match.end()
        return match.group()[1:-1].replace(f"\\{quote}", quote).replace("\\\\", "\\")

    def _run(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return match.group() if match else ""

    def _blank(self) -> None:
        self._run(_BLANK)

    def _next(self) -> str:
        return self.text[self.at : self.at + 1]

    def _expect(self, char: str) -> None:
        self._blank()
        if self._next() != char:
            raise ShorthandError(f"`{char}` is expected after character {self.at} of it")
        self.at += 1
        self._blank()
