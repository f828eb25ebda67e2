# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check API parameters against the constraints of their shapes, those of botocore and those that only AWS enforces.

botocore checks types, required and unknown members and minimums; maximums, patterns and enumerations are in its model
too, but left to the server. Here all of them are found before anything runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.policies.odd_characters import first_odd, name_character

Shape = Mapping[str, Any]
Shapes = Mapping[str, Shape]
Path = tuple[Any, ...]
Fault = tuple[Path, str]

# The patterns are Java's and mean the whole value; there \w and \d are ASCII. Python knows no \p: letters and numbers
# of all scripts are its Unicode \w, and the separators (Z) are these.
_SEPARATORS = r"\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_UNICODE_WORD = (r"\p{L}\p{Z}\p{N}_", rf"\w{_SEPARATORS}")
_SURROGATE = re.compile("[\ud800-\udfff]")
# Left where a script should have had a value. Policy variables such as ${aws:username} have a colon, ${*} has no name.
_TEMPLATE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_./-]*\}|\A<[^<>]+>\Z")


def faults(value: Any, shape: str, shapes: Shapes, path: Path = ()) -> Iterator[Fault]:
    """The problems of a parameter's value.

    :param value: as it would be passed to botocore.
    :param shape: the name of its shape among shapes, botocore's service-2.json.
    :returns: (path, text): the path of keys and indexes down to the place, and what the value there must be, without
        the value itself.
    """
    described = shapes[shape]
    if described["type"] not in _KINDS:
        yield path, f"has the type {described['type']}, which is not supported"
        return
    wanted, noun, check = _KINDS[described["type"]]
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        yield path, f"must be {noun}"
    else:
        yield from check(value, described, shapes, path)


@lru_cache(maxsize=256)
def compile_pattern(pattern: str) -> re.Pattern[str] | None:
    """A pattern of the model for fullmatch; None if Python cannot express it, so only AWS can check it.

    :param pattern: in the syntax of java.util.regex.
    """
    java, python = _UNICODE_WORD
    flags = re.ASCII if java not in pattern else 0
    try:
        return re.compile(pattern.replace(java, python), flags)
    except re.error:
        return None


def _check_text(value: str, described: Shape, _shapes: Shapes, path: Path) -> Iterator[Fault]:
    sized_wrongly = list(_check_range(len(value), described, path, "characters"))
    if sized_wrongly:
        yield from sized_wrongly
    elif _SURROGATE.search(value):
        yield path, "contains a lone surrogate, which is not a character"
    elif _TEMPLATE.search(value):
        yield path, "contains a placeholder that was never filled in"
    elif "enum" in described and value not in described["enum"]:
        yield path, f"must be one of {', '.join(described['enum'])}"
    elif "pattern" in described:
        pattern = compile_pattern(described["pattern"])
        if pattern and not pattern.fullmatch(value):
            odd = None if described.get("sensitive") else first_odd(value)
            found = f"contains {name_character(odd)} as character {value.index(odd) + 1} and " if odd else ""
            yield path, f"{found}must match {described['pattern']}"


def _check_number(value: int, described: Shape, _shapes: Shapes, path: Path) -> Iterator[Fault]:
    yield from _check_range(value, described, path, None)


def _check_boolean(*_unused: Any) -> Iterator[Fault]:
    yield from ()


def _check_list(value: list[Any], described: Shape, shapes: Shapes, path: Path) -> Iterator[Fault]:
    yield from _check_range(len(value), described, path, "items")
    for index, each in enumerate(value):
        yield from faults(each, described["member"]["shape"], shapes, (*path, index))
    if described["member"]["shape"] == "Tag":
        yield from _check_tag_keys(value, path)


def _check_tag_keys(tags: list[Any], path: Path) -> Iterator[Fault]:
    """IAM takes tag keys without regard to letter case, and refuses one that is there twice."""
    seen: set[str] = set()
    for index, tag in enumerate(tags):
        key = str(tag.get("Key")).lower() if isinstance(tag, dict) else str(index)
        if key in seen:
            yield (*path, index), "must have a key of its own: tag keys are case-insensitive in IAM"
        seen.add(key)


def _check_map(value: dict[str, Any], described: Shape, shapes: Shapes, path: Path) -> Iterator[Fault]:
    yield from _check_range(len(value), described, path, "keys")
    for key, each in value.items():
        yield from faults(key, described["key"]["shape"], shapes, (*path, "a key"))
        yield from faults(each, described["value"]["shape"], shapes, (*path, key))


def _check_structure(value: dict[str, Any], described: Shape, shapes: Shapes, path: Path) -> Iterator[Fault]:
    members = described["members"]
    for name in described.get("required", ()):
        if name not in value:
            yield path, f"must have {name}"
    for name, each in value.items():
        if name in members:
            yield from faults(each, members[name]["shape"], shapes, (*path, name))
        else:
            yield path, f"has a key that is none of {', '.join(members)}"


def _check_range(size: int, described: Shape, path: Path, unit: str | None) -> Iterator[Fault]:
    unit = f" {unit}" if unit else ""
    if size < described.get("min", size):
        yield path, f"must be at least {described['min']}{unit}"
    if size > described.get("max", size):
        yield path, f"must be at most {described['max']}{unit}"


_KINDS: dict[str, tuple[type, str, Callable[..., Iterator[Fault]]]] = {
    "boolean": (bool, "true or false", _check_boolean),
    "integer": (int, "a whole number", _check_number),
    "list": (list, "a list", _check_list),
    "long": (int, "a whole number", _check_number),
    "map": (dict, "a map", _check_map),
    "string": (str, "a text", _check_text),
    "structure": (dict, "a structure", _check_structure),
}
