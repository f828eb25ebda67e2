# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mask secrets in any text: a script, an error of AWS or of the API, a document.

A value is secret because of the name before it (here) or because of its shape (secret_shapes). The secret options are
the members that botocore's IAM model marks as sensitive, and similar names. A unit test compares the two, so this needs
no model and cannot fail.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.rules import by_hand
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.secret_shapes import (
    has_token,
    is_access_key_id,
    shaped_spans,
)

# Names, as they end after normalisation (lower case, no - or _).
SECRET_ENDS = (
    "password",
    "passwd",
    "passphrase",
    "sshpass",
    "samlassertion",
    "samlresponse",
    "privatekey",
    "secret",
    "secretstring",
    "secretkey",
    "secretaccesskey",
    "token",
    "accesskey",
    "accountkey",
    "apikey",
    "authkey",
    "encryptionkey",
    "masterkey",
    "sharedkey",
    "signingkey",
    "storagekey",
    "bearer",
    "authenticationcode",
    "authenticationcode1",
    "authenticationcode2",
    "tokencode",
)
# Options about passwords that do not contain one.
HARMLESS = frozenset(
    prefix + name
    for prefix in ("--", "--no-", "")
    for name in (
        "allow-users-to-change-password",
        "AllowUsersToChangePassword",
        "max-password-age",
        "minimum-password-length",
        "password-reset-required",
        "password-reuse-prevention",
        "remove-private-key",
        "RemovePrivateKey",
    )
)
# In errors, a colon follows the name of an operation.
OPERATIONS = ("create-access-key", "delete-access-key", "update-access-key")
# The AWS CLI accepts unique abbreviations of option names: these could be meant.
ABBREVIATED = (
    "--password",
    "--old-password",
    "--new-password",
    "--private-key",
    "--add-private-key",
    "--authentication-code1",
    "--authentication-code-1",
)
_MISSPELT = re.compile(r"passw|passphrase|private-?key|secret|authentication-?code")
_JOINER = re.compile(r"&&|\|\|?|[&;]|and")

# A shell word, as far as it can be read: quotes may be open, and only white space outside quotes ends it.
_WORD = re.compile(r"""(?:'[^']*'?|"(?:\\.?|[^"\\])*"?|\\.?|[^\s'"\\])+""", re.DOTALL)
_QUOTED_INSIDE = re.compile(r"""[\w-][\\'"$\r\n]+[\w-]""")
_QUOTING = re.compile(r"""\\\r?\n|[\\'"$]""")
# HTTP headers, whose value ends with the line.
_HEADER = re.compile(
    r"(?:proxy-)?authorization|(?:set-)?cookie2?|[a-z]+-token|api-?key"
    r"|x-[a-z0-9-]*(?:auth|token|key|secret|signature|credential|password|session|cookie)",
    re.IGNORECASE,
)
# A position in a list and an error about a token are not tokens.
_NO_TOKEN = re.compile(r"(?:next|starting|continuation|page|pagination|expired|invalid|missing|malformed|revoked)token")
_WORKING_FOLDERS = ("PWD", "OLDPWD")
_LAST_PART = re.compile(r"(?i:(?:^|[_.-])(?:pass|pwd|pat|pin|otp|jwt|auth)$)|[a-z](?:Pass|Pwd|Jwt)$")
# Every secret's name contains one of these: a text without them is not searched further.
_ROOTS = (
    *("pass", "private", "secret", "token", "code", "key", "pwd", "pat", "pin", "otp", "jwt", "auth", "bearer", "saml"),
)
_HEADER_ROOTS = ("x-", "cookie")
_JSON_KEY = re.compile(
    r"""(?<!\\)(?P<open>\\{0,8}["'])(?P<key>[\w.-]{1,64})(?P=open)\s*(?::|=>?)\s*(?:\[\s*)?(?:[bu](?=["']))?"""
)
_JSON_VALUE = re.compile(
    r"""(?P<quote>\\{0,8}["'])(?P<value>.*?)(?:(?<!\\)(?P=quote)|\Z)|(?P<bare>(?!true|false|null|None)[^\s,{}\[\]"']+)""",
    re.DOTALL | re.IGNORECASE,
)
_KEY = re.compile(
    r"(?:(?<![\w:/.-])|(?<=\$[eE]nv:))(?P<key>[A-Za-z_][\w.-]{0,63})[ \t]{0,8}"
    r"(?P<by>\+?=|%3[dD]|:[=?+-]?(?!/))[ \t]{0,8}"
)
_MEMBER_VALUE = re.compile(r"""(?!true\b|false\b|null\b)(?:"(?:\\.|[^"\\])*"?|'[^']*'?|[^\s,}\]'"]+)""", re.DOTALL)
_QUERY_VALUE = re.compile(r"""[^\s&"'<>\\]+""")
# Of YAML: a block with its lines, or one line.
_LINE = re.compile(
    r"[|>][+-]?[0-9]?[ \t]*\n(?P<indent>[ \t]+)[^\n]*(?:\n(?P=indent)[^\n]*)*|(?!(?:true|false|null)\b)[^\r\n]+"
)
_XML = re.compile(r"<(?P<key>[\w.:-]{1,64})(?:\s[^<>]{0,200})?>(?P<value>[^<]+)")
_QUOTE = re.compile(r"""\\{0,8}["']""")
_LAST_QUOTE = re.compile(r"""\\{0,8}["']\Z""")
_BEGINS_LINE = re.compile(r"(?:^|\n)[ \t]{0,32}(?:- )?\Z")
_SET_ROOTS = ("set ", "set\\", "set\t", "set\n", "setx", "setenv")
_SET = re.compile(
    r"(?<![\w-])set(?:x|env)?[\s\\]{1,8}(?:--?[\w-]{1,40}(?:=\S{1,80}|[ ][^\s-]\S{0,80})?[\s\\]{1,8}){0,3}"
    r"(?P<key>[^\s=]{1,200})[\s\\]{1,8}"
)


def redact(text: str) -> str:
    """The text with each character of a secret value replaced by `*`: same length, same lines."""
    pieces: list[str] = []
    done = 0
    for start, end in secret_spans(text):
        pieces += text[done:start], _masked(text[start:end])
        done = end
    return "".join(pieces) + text[done:]


def _masked(secret: str) -> str:
    return re.sub(r"\S", "*", secret)


def secret_spans(text: str) -> list[tuple[int, int]]:
    """The places of secret values, as (start, end) in order and without overlaps.

    Never raises. In doubt it takes too much: all words after a secret option up to the next option.
    """
    return [*(_spans_of_short if len(text) <= _MAX_SHORT else _spans_of_long)(text)]


def _merged_spans(text: str) -> tuple[tuple[int, int], ...]:
    lowered = text.lower()
    found = [
        *shaped_spans(text, lowered),
        *_cut_in_pieces(text),
        *(_after_options(text) if _has_secret_option(text) else ()),
    ]
    if any(root in lowered for root in (*_ROOTS, *_HEADER_ROOTS)):
        found += [*_json_members(text), *_assignments(text)]
        found += [match.span("value") for match in _XML.finditer(text) if is_secret_name(match["key"])]
    if any(word in lowered for word in _SET_ROOTS):
        found += _settings(text)
    merged: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        elif start < end:
            merged.append((start, end))
    return tuple(merged)


# A report has the same names and short texts in every alert, and a script is searched several times.
_MAX_SHORT = 128
_spans_of_short = lru_cache(maxsize=4096)(_merged_spans)
_spans_of_long = lru_cache(maxsize=8)(_merged_spans)


def can_be_copied(text: str) -> bool:
    """Whether a text is complete as it is shown: it has no hidden characters and no masked secrets."""
    return bool(by_hand(text)) and not secret_spans(text)


def redact_all(value: Any) -> Any:
    """The value with every text in it redacted, in lists and dictionaries at any depth; keys count as names."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, (list, tuple)):
        return [redact_all(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        redact(str(key)): _masked(one) if isinstance(one, str) and is_secret_name(str(key)) else redact_all(one)
        for key, one in value.items()
    }


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether an option, member or variable of this name has a secret value; an option's name begins with `--`."""
    plain = re.sub(r"[-_]", "", name).lower()
    if name in HARMLESS or name in OPERATIONS or name in _WORKING_FOLDERS or _NO_TOKEN.search(plain):
        return False
    if plain.endswith(SECRET_ENDS) or _LAST_PART.search(name) or _HEADER.fullmatch(name):
        return True
    return name.startswith("--") and bool(_abbreviates_secret(name) or _MISSPELT.search(name.lower()))


def _abbreviates_secret(name: str) -> bool:
    return len(name) > 2 and any(known.startswith(name) for known in ABBREVIATED)


def _has_secret_option(text: str) -> bool:
    """Whether the text has a secret option, so each of its words must be examined."""
    words = {word for word in re.sub(r"\\\r?\n", "", text).split() if "-" in word}
    names = (_QUOTING.sub("", word).partition("=")[0] for word in words)
    return any(name.startswith("-") and is_secret_name(name) for name in names)


def _after_options(text: str) -> Iterator[tuple[int, int]]:
    secret, masked, end = False, False, 0
    for match in _WORD.finditer(text):
        ended = masked and ("\n" in text[end : match.start()] or _JOINER.fullmatch(match.group()))
        name, equals, _value = _QUOTING.sub("", match.group()).partition("=")
        end = match.end()
        if match.group().startswith("\\") and not name:
            continue
        # Options of other programs may begin with one hyphen.
        is_option = name.startswith("--") or (name.startswith("-") and is_secret_name(name))
        if is_option and " " not in name and (masked or not secret):
            secret, masked = is_secret_name(name) and not equals, False
            if equals and is_secret_name(name):
                yield match.start() + match.group().find("=") + 1, end
        elif secret and not ended:
            yield match.span()
            masked, secret = True, not match.group().endswith(";")
        else:
            secret = False


def _json_members(text: str) -> Iterator[tuple[int, int]]:
    done = 0
    for match in _JSON_KEY.finditer(text):
        value = match.end() > done and is_secret_name(match["key"]) and _JSON_VALUE.match(text, match.end())
        if value and not is_access_key_id(value.group()):
            done = value.end()
            yield value.span("value" if value["quote"] else "bare")


def _assignments(text: str) -> Iterator[tuple[int, int]]:
    """`NAME=value` of a shell or among others, and `name: value` of YAML, of a header, or in prose."""
    done = 0
    for match in _KEY.finditer(text):
        if match.end() > done and is_secret_name(match["key"]):
            start, end = _assigned(text, match)
            if not is_access_key_id(text[start:end]):
                done = end
                yield start, end


def _assigned(text: str, match: re.Match[str]) -> tuple[int, int]:
    if _HEADER.fullmatch(match["key"]) and (match["by"] == ":" or "auth" in match["key"].lower()):
        return _header(text, match)
    value = _value_pattern(text, match).match(text, match.end())
    return value.span() if value else (match.end(), match.end())


def _value_pattern(text: str, match: re.Match[str]) -> re.Pattern[str]:
    before = text[match.start() - 1 : match.start()] if match.start() else ""
    if match["by"].endswith("=") and before in ("", *" \t\n;|("):
        return _WORD
    if before in ("?", "&"):
        return _QUERY_VALUE
    is_line = match["by"] == ":" and _BEGINS_LINE.search(text, max(0, match.start() - 40), match.start())
    return _LINE if is_line else _MEMBER_VALUE


def _header(text: str, match: re.Match[str]) -> tuple[int, int]:
    """The value of a header, up to its closing quote or the end of the line."""
    opened = _QUOTE.match(text, match.end())
    start = opened.end() if opened else match.end()
    around = opened or _LAST_QUOTE.search(text, max(0, match.start() - 9), match.start())
    end = text.find(around.group() if around else "\n", start)
    while around and len(around.group()) == 1 and end > 0 and text[end - 1] == "\\":
        end = text.find(around.group(), end + 1)
    return start, len(text) if end < 0 else end


def _settings(text: str) -> Iterator[tuple[int, int]]:
    """`aws configure set NAME VALUE` and other commands that set a name to the next word."""
    done = 0
    for match in _SET.finditer(text):
        name = re.split("[./:]", match["key"].strip("\"'"))[-1]
        value = match.end() > done and is_secret_name(name) and _WORD.match(text, match.end())
        if value:
            done = value.end()
            yield value.span()


def _cut_in_pieces(text: str) -> Iterator[tuple[int, int]]:
    """Words that contain a secret only after a shell has removed their quotes."""
    if not _QUOTED_INSIDE.search(text) or not has_token(_QUOTING.sub("", text)):
        return
    for match in _WORD.finditer(text):
        word = _QUOTING.sub("", match.group())
        if word != match.group() and has_token(word) and not has_token(match.group()):
            yield match.span()
