# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The messages of other senders: how they are recognised, and where in them an alert's fields are. Pure.

A path is data: it finds keys of JSON objects and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError

SETTING = "remediate_message_shapes"
REQUIRED = ("alert_id", "account_id")
PATHS = (*REQUIRED, "script", "recommendation", "status", "severity", "policy", "resource")
KEYS = ("name", "when", *PATHS)
# In a path, the only element of a list.
ONLY_ELEMENT = "0"
MAX_KEYS = 12

Path = tuple[str, ...]


class ShapeError(LeastprivError):
    """`remediate_message_shapes` is not valid."""


class Unreadable(Exception):
    """The message is not an alert; the text has the reason. Never leaves the package."""


@dataclass(frozen=True)
class Shape:
    """The messages of one sender.

    :ivar name: for people.
    :ivar when: paths with the values that recognise a message; all of them.
    :ivar paths: the paths of each field; only `status` can have several.
    """

    name: str
    when: tuple[tuple[Path, Any], ...]
    paths: Mapping[str, tuple[Path, ...]]

    @property
    def asks_api(self) -> bool:
        """Whether only the vendor's API knows the script."""
        return not {"script", "recommendation"} & self.paths.keys()

    def matches(self, message: Any) -> bool:
        """Whether a message is one of this sender's."""
        try:
            return all(_is_equal(find(message, path), value) for path, value in self.when)
        except Unreadable:
            return False


def find(message: Any, path: Path) -> Any:
    """The value at a path; None if there is none.

    :raises Unreadable: if a list on the way does not have exactly one element: which one is meant is unknown.
    """
    value = message
    for place, key in enumerate(path, 1):
        if isinstance(value, list) and key == ONLY_ELEMENT:
            if len(value) != 1:
                raise Unreadable(f"its {in_words(path[: place - 1])} is a list of {len(value)} elements, not of one")
            value = value[0]
        else:
            value = value.get(key) if isinstance(value, dict) else None
    return value


def in_words(path: Path) -> str:
    """A path as it is written."""
    return ".".join(path)


def read_shapes(given: Any) -> tuple[Shape, ...]:
    """Read `remediate_message_shapes`.

    :param given: list of dicts, as docs/senders.md describes them.
    :raises ShapeError: for the first shape that is not valid; the text names it and the key.
    """
    if not isinstance(given, Sequence) or isinstance(given, (str, bytes)):
        raise ShapeError(f"{SETTING} must be a list of shapes (docs/senders.md), not {given!r}")
    return tuple(_read_shape(one, f"shape {number}") for number, one in enumerate(given, 1))


def _read_shape(given: Any, what: str) -> Shape:
    if not isinstance(given, Mapping):
        raise _error(what, f"must be a dictionary of {', '.join(KEYS)}, not {given!r}")
    for key in given:
        if key not in KEYS:
            close = get_close_matches(str(key), KEYS, 1)
            raise _error(what, f"{key!r} is not a key of a shape" + (f" (did you mean {close[0]}?)" if close else ""))
    name = given.get("name") or what
    if not isinstance(name, str) or not name.strip():
        raise _error(what, f"name must be a text, not {name!r}")
    what = what if name == what else f"{what} ({name})"
    paths = {key: _paths(what, key, given[key]) for key in PATHS if given.get(key) is not None}
    missing = [key for key in REQUIRED if key not in paths]
    if missing:
        raise _error(what, f"{' and '.join(missing)} must name the path where a message has it, such as detail.id")
    if {"script", "recommendation"} <= paths.keys():
        raise _error(what, "script and recommendation exclude each other")
    return Shape(str(name), _when(what, given.get("when")), paths)


def _when(what: str, given: Any) -> tuple[tuple[Path, Any], ...]:
    if not isinstance(given, Mapping) or not given:
        raise _error(what, f"when must be paths with the values that recognise the sender, not {given!r}")
    for path, value in given.items():
        if not isinstance(value, (str, int)) or value == "":
            raise _error(what, f"when: the value of {path} must be a text, a whole number or a boolean, not {value!r}")
    return tuple((_path(what, "when", path), value) for path, value in given.items())


def _paths(what: str, key: str, given: Any) -> tuple[Path, ...]:
    several = key == "status" and isinstance(given, Sequence) and not isinstance(given, (str, bytes))
    if several and not given:
        raise _error(what, "status must name at least one path")
    return tuple(_path(what, key, one) for one in (given if several else [given]))


def _path(what: str, key: str, given: Any) -> Path:
    keys = tuple(str(given).split(".")) if isinstance(given, str) else ()
    if not keys or not all(one.strip() and one.isprintable() for one in keys) or len(keys) > MAX_KEYS:
        rule = f"keys separated by dots, at most {MAX_KEYS}"
        raise _error(what, f"{key} must be a path such as detail.id ({rule}), not {given!r}")
    return keys


def _is_equal(found: Any, expected: Any) -> bool:
    return isinstance(found, bool) == isinstance(expected, bool) and bool(found == expected)


def _error(what: str, problem: str) -> ShapeError:
    return ShapeError(f"{SETTING}, {what}: {problem}")
