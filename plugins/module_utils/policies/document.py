# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IAM policy documents: read strictly, checked against IAM's grammar, compared as IAM means them.

Source: "Grammar of the IAM JSON policy language" in the IAM User Guide. Pure: no AWS call, no Ansible.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn
from urllib.parse import unquote

from ..errors import LeastprivError
from .odd_characters import first_odd, name_character

VERSIONS = ("2012-10-17", "2008-10-17")
STATEMENT_KEYS = {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"}
SETS = ("Action", "NotAction", "Resource", "NotResource", "Principal", "NotPrincipal")
ACTION = re.compile(r"\*|\*:\*|[a-zA-Z0-9-]+:[a-zA-Z0-9*?]+")
SID = re.compile(r"[a-zA-Z0-9]*")
SURROGATE = re.compile("[\ud800-\udfff]")
# IAM's grammar needs seven levels, and no number in a document that IAM takes is nearly as long.
MAX_DEPTH = 32
MAX_DIGITS = 1000
MAX_SHOWN = 60


class PolicyDocumentError(LeastprivError):
    """A text is not an IAM policy document; the message names the error."""


class Unreadable(dict[str, Any]):
    """Takes the place of a stored document that cannot be read: only a step that looks into it fails.

    :ivar text: the document as it is stored.
    :ivar why: which document it is, and why it cannot be read.
    """

    def __init__(self, text: str, why: str) -> None:
        super().__init__()
        self.text = text
        self.why = why

    def _refuse(self, *ignored: Any) -> NoReturn:
        raise PolicyDocumentError(self.why)

    get = items = keys = values = __getitem__ = __iter__ = __contains__ = __len__ = _refuse
    __hash__ = None

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unreadable) and self.text == other.text

    def __ne__(self, other: object) -> bool:
        return not self == other


def stored_document(text: str | Mapping[str, Any], name: str) -> dict[str, Any]:
    """Read a document that is stored in IAM.

    :param text: as `read_document` takes it.
    :param name: which document it is, for people: `"the inline policy p of user bob"`.
    :returns: the document, or `Unreadable`.
    """
    try:
        return read_document(text)
    except PolicyDocumentError as error:
        return Unreadable(_as_stored(text), f"{name} cannot be read: {error}")


def _as_stored(text: Any) -> str:
    try:
        return text if isinstance(text, str) else repr(text)
    except (RecursionError, ValueError):
        return ""


def read_document(text: str | Mapping[str, Any]) -> dict[str, Any]:
    """Read a policy document.

    :param text: JSON text of a script or of IAM (IAM's may be URL-encoded), or the dict itself.
    :returns: the document as a dict; its numbers are `Exact`, so 1.5 never equals 2.5 or "1.5".
    :raises PolicyDocumentError: no JSON, no object, a duplicate key (IAM and we could read different ones), half of a
        character (nothing can pass it on).
    """
    if not isinstance(text, str):
        text = _as_text(text)
    if text.lstrip()[:3].upper() == "%7B":
        text = unquote(text)
    try:
        document = json.loads(
            text,
            object_pairs_hook=_unique_keys,
            parse_float=_exact_float,
            parse_int=_exact_integer,
            parse_constant=_refuse_constant,
        )
    except RecursionError as error:
        raise PolicyDocumentError("it is nested too deeply") from error
    except json.JSONDecodeError as error:
        raise PolicyDocumentError(f"it is not JSON: {error}{_odd_character(text, error)}") from error
    if not isinstance(document, dict):
        raise PolicyDocumentError("it is JSON, but no object")
    if text.count("{") + text.count("[") > MAX_DEPTH:
        _check_depth(document)
    if SURROGATE.search(json.dumps(document, ensure_ascii=False)):
        raise PolicyDocumentError("it contains a lone surrogate, which is not a character")
    return document


def _odd_character(text: str, error: json.JSONDecodeError) -> str:
    """The character behind a text that is not JSON, where a word processor has put it there."""
    at_place = text[error.pos : error.pos + 1]
    odd = first_odd(at_place) or first_odd(text)
    if odd is None:
        return ""
    before = text[: error.pos if odd == at_place else text.index(odd)]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return f"; {name_character(odd)} is at line {line}, column {column}"


def _as_text(document: Any) -> str:
    """What boto3 has made of a document's JSON, as JSON again."""
    try:
        return json.dumps(document)
    except (RecursionError, TypeError, ValueError) as error:
        raise PolicyDocumentError("it is nested too deeply, or not JSON") from error


def _check_depth(document: dict[str, Any]) -> None:
    level = [document]
    for _depth in range(MAX_DEPTH):
        level = [inner for value in level for inner in _inside(value)]
    if level:
        raise PolicyDocumentError(f"it is nested too deeply (more than {MAX_DEPTH} levels)")


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


class Exact(str):
    """A JSON number as text: no two different numbers are equal, whatever a comparison casts them to."""


def _exact_float(text: str) -> Exact:
    # boto3 returns documents as parsed JSON, which does not distinguish 1.50 and 1.5.
    value = float(text)
    if not math.isfinite(value):
        raise PolicyDocumentError(f"the number {_shown(Exact(text))} is too large for any program")
    return Exact(repr(value))


def _exact_integer(text: str) -> Exact:
    if len(text) > MAX_DIGITS:
        raise PolicyDocumentError(f"it holds a number of {len(text)} digits")
    return Exact(text)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        twice = _first_twice([key for key, _value in pairs])
        raise PolicyDocumentError(f"the key {_shown(twice)} is twice in one object")
    return unique


def _first_twice(values: Iterable[str]) -> str:
    return min(value for value, count in Counter(values).items() if count > 1)


def _shown(value: Any) -> str:
    """A value of a document for a sentence, shortened."""
    text = value if isinstance(value, Exact) else repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def _refuse_constant(name: str) -> NoReturn:
    raise PolicyDocumentError(f"{name} is not JSON")


def statements(document: Mapping[str, Any]) -> list[Any]:
    """The statements of a document as a list; IAM takes a single object for a list of one."""
    found = document.get("Statement")
    return found if isinstance(found, list) else [found]


def check_grammar(document: Mapping[str, Any]) -> None:
    """Check an identity-based policy document against IAM's grammar.

    :raises PolicyDocumentError: naming the first thing that IAM would call a MalformedPolicyDocument.
    """
    if document.get("Version", VERSIONS[1]) not in VERSIONS:
        raise PolicyDocumentError(f"Version is {_shown(document['Version'])}, IAM knows {' and '.join(VERSIONS)}")
    unknown = sorted(set(document) - {"Version", "Id", "Statement"})
    if unknown:
        raise PolicyDocumentError(f"IAM knows no top-level element {_shown(unknown[0])}")
    if not _is_text(document.get("Id", "")):
        raise PolicyDocumentError("Id must be a text")
    if not document.get("Statement"):
        raise PolicyDocumentError("it has no Statement")
    for number, statement in enumerate(statements(document), 1):
        problem = _statement_problem(statement)
        if problem:
            raise PolicyDocumentError(f"statement {number}: {problem}")
    sids = [statement["Sid"] for statement in statements(document) if statement.get("Sid")]
    if len({*sids}) < len(sids):
        raise PolicyDocumentError(f"the Sid {_shown(_first_twice(sids))} is used twice")


def _statement_problem(statement: Any) -> str | None:
    if not isinstance(statement, dict):
        return "it is not an object"
    unknown = sorted(set(statement) - STATEMENT_KEYS)
    if unknown:
        return f"an identity-based policy knows no element {_shown(unknown[0])}"
    if statement.get("Effect") not in ("Allow", "Deny"):
        return f"Effect is {_shown(statement.get('Effect'))}; IAM takes exactly 'Allow' or 'Deny'"
    return (
        _one_of_problem(statement, "Action", "NotAction")
        or _one_of_problem(statement, "Resource", "NotResource")
        or _action_problem(statement)
        or _sid_problem(statement.get("Sid", ""))
        or _condition_problem(statement.get("Condition", {}))
    )


def _one_of_problem(statement: Any, one: str, other: str) -> str | None:
    if (one in statement) == (other in statement):
        return f"it needs exactly one of {one} and {other}"
    key = one if one in statement else other
    values = _as_list(statement[key])
    if not values or not all(_is_text(value) and value for value in values):
        return f"{key} must be a text or a list of texts"
    return None


def _action_problem(statement: Any) -> str | None:
    actions = _as_list(statement.get("Action", statement.get("NotAction")))
    wrong = [action for action in actions if not ACTION.fullmatch(action)]
    return f"{_shown(wrong[0])} is not an action (service:Name)" if wrong else None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not isinstance(value, Exact)


def _sid_problem(sid: Any) -> str | None:
    if _is_text(sid) and SID.fullmatch(sid):
        return None
    return "Sid must be a text of letters and digits"


def _condition_problem(condition: Any) -> str | None:
    if not isinstance(condition, dict) or not all(isinstance(block, dict) for block in condition.values()):
        return "Condition must map operators to keys and values"
    values = [value for block in condition.values() for values in block.values() for value in _as_list(values)]
    # Exact, a number, is a text to Python.
    if not all(isinstance(value, (str, bool)) for value in values):
        return "the values of a Condition must be texts, numbers or booleans, or lists of them"
    return None


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def is_deny_only(document: Mapping[str, Any]) -> bool:
    """True when every statement denies, and there is one: the document removes access and never grants any."""
    found = statements(document)
    return bool(found) and all(isinstance(one, dict) and one.get("Effect") == "Deny" for one in found)


def only_allows(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document without the statements that deny."""
    found = [one for one in statements(document) if not (isinstance(one, dict) and one.get("Effect") == "Deny")]
    return {**document, "Statement": found}


def allows_everything(document: Mapping[str, Any]) -> bool:
    """True when a statement allows every action on every resource without a condition, and no statement denies."""
    found = [one for one in statements(document) if isinstance(one, dict)]
    allowing = [one for one in found if one.get("Effect") == "Allow" and not one.get("Condition")]
    unlimited = [one for one in allowing if "*" in _as_list(one.get("Resource")) and "*" in _actions(one, "Action")]
    return bool(unlimited) and not denies(document)


def denies(document: Mapping[str, Any]) -> set[str]:
    """The canonical texts of the statements that deny (letter case aside: a doubtful one counts).

    The version of the language is part of each: in 2008-10-17, the default, `${aws:username}` is not a variable, so
    the same words deny something else.
    """
    version = document.get("Version", VERSIONS[1])
    return {
        canonical_text([version, _canonical_statement(one)])
        for one in statements(document)
        if isinstance(one, dict) and str(one.get("Effect")).lower() != "allow"
    }


def _actions(statement: Any, key: str) -> list[Any]:
    """The actions as IAM reads them: whatever their letter case, and `*:*` is `*`."""
    found = [one.lower() if _is_text(one) else one for one in _as_list(statement.get(key))]
    return ["*" if one == "*:*" else one for one in found]


def as_iam_reads(statement: Any) -> Any:
    """A statement with actions and condition keys in lower case, which IAM does not distinguish."""
    if not isinstance(statement, dict):
        return statement
    read: dict[str, Any] = {
        key: _actions(statement, key) if key in ("Action", "NotAction") else statement[key] for key in statement
    }
    condition = statement.get("Condition")
    if isinstance(condition, dict):
        read["Condition"] = {name: _lower_keys(block) for name, block in condition.items()}
    return read


def _lower_keys(block: Any) -> Any:
    if not isinstance(block, dict):
        return block
    lower = {key.lower(): value for key, value in block.items()}
    # Two keys that differ in letter case alone stay two.
    return lower if len(lower) == len(block) else block


def meaning(document: Mapping[str, Any]) -> str:
    """One text for all documents that mean the same to IAM, though it stores them as they are written."""
    return canonical({**document, "Statement": [as_iam_reads(one) for one in statements(document)]})


def canonical(document: Mapping[str, Any]) -> str:
    """One text for all documents that IAM stores and means alike.

    "x" equals ["x"], the order of keys, of statements and of values in a set is free; numbers, null,
    letter case and every Condition value are exact.
    """
    body = {key: value for key, value in document.items() if key != "Statement"}
    body["Statement"] = sorted(canonical_text(_canonical_statement(one)) for one in statements(document))
    return canonical_text(body)


def _canonical_statement(statement: Any) -> Any:
    if not isinstance(statement, dict):
        return statement
    return {key: _CANONICAL.get(key, _unchanged)(value) for key, value in statement.items()}


def _unchanged(value: Any) -> Any:
    return value


def _as_set(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_set(inner) for key, inner in value.items()}
    return sorted(canonical_text(one) for one in _as_list(value))


def _canonical_condition(condition: Any) -> Any:
    return _as_set(condition) if isinstance(condition, dict) else condition


_CANONICAL = {**{key: _as_set for key in SETS}, "Condition": _canonical_condition}


def canonical_text(value: Any) -> str:
    """One JSON text for equal values, whatever the order of their keys; numbers of documents stay apart from texts."""
    return json.dumps(_tagged(value), sort_keys=True, separators=(",", ":"))


def _tagged(value: Any) -> Any:
    if isinstance(value, Unreadable):
        return {"unreadable": value.text}
    if isinstance(value, Exact):
        return {"number": str(value)}
    if isinstance(value, dict):
        return {key: _tagged(inner) for key, inner in value.items()}
    return [_tagged(inner) for inner in value] if isinstance(value, list) else value


def same_document(one: Any, other: Any) -> bool:
    """True when two documents (texts or dicts) are one and the same to IAM."""
    return meaning(read_document(one)) == meaning(read_document(other))


def size(text: str) -> int:
    """The number of characters that IAM counts against its quotas: white space is free."""
    return len(re.sub(r"\s", "", text))


def pretty(document: Any) -> str:
    """The document as indented JSON, for people and diffs; numbers stay as they were written."""
    return json.dumps(_plain(document), indent=2, ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, Exact):
        return json.loads(value)
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value
