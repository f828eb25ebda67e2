# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Masks secrets in a script's text, whether or not the text is a script at all.

The secret options are the members that botocore's IAM model marks as sensitive, and everything named alike; a unit
test holds the two together, so that this needs no model and cannot fail.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

# Names, as they end after normalisation (lower case, no - or _).
SECRET_ENDS = (
    "password",
    "passwd",
    "passphrase",
    "privatekey",
    "secret",
    "secretstring",
    "secretkey",
    "secretaccesskey",
    "sessiontoken",
    "securitytoken",
    "accesstoken",
    "authtoken",
    "authenticationcode",
    "authenticationcode1",
    "authenticationcode2",
    "tokencode",
)
# Options about passwords that carry none.
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
# The AWS CLI accepts unique beginnings of option names: these could be meant.
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

# A shell word, read as far as it can be: quotes may be open, and only white space outside of them ends it.
_WORD = re.compile(r"""(?:'[^']*'?|"(?:\\.?|[^"\\])*"?|\\.?|[^\s'"\\])+""", re.DOTALL)
_QUOTING = re.compile(r"""\\\r?\n|[\\'"$]""")
# One of these is in every key: most texts have none, and need no closer look.
_ROOTS = ("passw", "passphrase", "private", "secret", "token", "code")
_KEY = r"[A-Za-z_-]{0,40}(?:password|passwd|passphrase|private[_-]?key|secret(?:[_-]?(?:access)?[_-]?key|[_-]?string)?"
_KEY += r"|(?:session|security|access|auth)[_-]?token|authentication[_-]?code[_-]?[12]?|token[_-]?code)"
_JSON_MEMBER = re.compile(
    rf"""(?<!\\)(?P<open>\\{{0,8}}["'])(?P<key>{_KEY})(?P=open)\s*:\s*(?P<quote>\\{{0,8}}["'])(?P<value>.*?)(?:(?<!\\)(?P=quote)|\Z)""",
    re.DOTALL | re.IGNORECASE,
)
_SHORTHAND_MEMBER = re.compile(
    rf"""(?<![\w:/.-])(?P<key>{_KEY})\s*=\s*(?P<value>"(?:\\.|[^"\\])*"?|'[^']*'?|[^\s,}}\]'"]+)""", re.IGNORECASE
)


def redact(text: str) -> str:
    """The text with each character of a secret value replaced by C(*): same length, same lines."""
    pieces, done = [], 0
    for start, end in secret_spans(text):
        pieces += text[done:start], re.sub(r"\S", "*", text[start:end])
        done = end
    return "".join(pieces) + text[done:]


def secret_spans(text: str) -> list[tuple[int, int]]:
    """Where secret values stand, as (start, end) in order and without overlaps.

    Never raises. Where it is not sure it takes too much: all words after a secret option up to the next option.
    """
    merged: list[tuple[int, int]] = []
    found = [*_after_options(text)]
    lowered = text.lower()
    if any(root in lowered for root in _ROOTS):
        found += [*_members(text, _JSON_MEMBER), *_members(text, _SHORTHAND_MEMBER)]
    for start, end in sorted(found):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


@lru_cache(maxsize=1024)
def is_secret_name(name: str) -> bool:
    """Whether an option, member or variable of this name carries a secret; an option's name begins with C(--)."""
    if name in HARMLESS:
        return False
    if re.sub(r"[-_]", "", name).lower().endswith(SECRET_ENDS):
        return True
    return name.startswith("--") and bool(_abbreviates_secret(name) or _MISSPELT.search(name.lower()))


def _abbreviates_secret(name: str) -> bool:
    return len(name) > 2 and any(known.startswith(name) for known in ABBREVIATED)


def _after_options(text: str) -> Iterator[tuple[int, int]]:
    secret, masked, end = False, False, 0
    for match in _WORD.finditer(text):
        ended = masked and ("\n" in text[end : match.start()] or _JOINER.fullmatch(match.group()))
        name, equals, _value = _QUOTING.sub("", match.group()).partition("=")
        end = match.end()
        if match.group().startswith("\\") and not name:
            continue
        if name.startswith("--") and " " not in name and (masked or not secret):
            secret, masked = is_secret_name(name) and not equals, False
            if equals and is_secret_name(name):
                yield match.start() + match.group().find("=") + 1, end
        elif secret and not ended:
            yield match.span()
            masked, secret = True, not match.group().endswith(";")
        else:
            secret = False


def _members(text: str, pattern: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    for match in pattern.finditer(text):
        if is_secret_name(match["key"]):
            yield match.span("value")
