# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets that are recognized by their shape, under any name and at any place.

One row per shape. A pattern is tried only if one of its roots occurs, and every repetition in it is bounded or begins
where the previous one cannot continue: the time is linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

Span = tuple[int, int]

_I = re.IGNORECASE
_GAP = r"(?:\s|\\\r?\n|\\n|%20)"
_REST_OF_COMMAND = r"[^\n;|&]{0,300}?\s"
_TOKEN_PREFIXES = (
    r"eyJ[\w-]{6,}\.[\w-]{6,}(?:\.[\w-]*){0,3}",
    r"(?:gh[pousr]_|github_pat_)\w{16,}",
    r"gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|oas|soat|ffct)-[\w.-]{16,}",
    r"xox[a-z]\.?[a-z]?-[A-Za-z0-9-]{8,}",
    r"xapp-[A-Za-z0-9-]{16,}",
    r"(?:[sr]k_(?:live|test)_|whsec_)\w{16,}",
    r"sk-(?=[\w-]*[A-Z])(?=[\w-]*[0-9])[\w-]{32,}",
    r"AIza[\w-]{35}",
    r"ya29\.[\w.-]{16,}",
    r"(?:npm_|hf_|dop_v1_|dckr_pat_|glsa_|lin_api_|shp(?:at|ca|pa|ss)_)\w{20,}",
    r"(?:pypi-|hv[sbr]\.)[\w-]{20,}",
    r"SG\.[\w-]{16,}\.[\w-]{16,}",
    r"(?:GOCSPX-|1//0)[\w-]{20,}",
    r"AGE-SECRET-KEY-1[A-Z0-9]{40,}",
    # A client secret of Microsoft Entra ID.
    r"[\w~.-]{3}[78]Q~[\w~.-]{31,34}",
    # Session tokens of STS, and the base64 of "-----BEGIN".
    r"(?:FwoGZXIvYXdz|IQoJb3JpZ2lu|FQoGZXIvYXdz|FQoDYXdz|AQoDYXdz|AQoEXAMPLE|LS0tLS1CRUdJTi)[\w/+=%-]{16,}",
)
_TOKEN_ROOTS = (
    *("eyj", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "gldt-", "glrt-", "glcbt-", "glptt-"),
    *("glft-", "glimt-", "glagent-", "gloas-", "glsoat-", "glffct-", "xox", "xapp-", "k_live_", "k_test_", "whsec_"),
    *("sk-", "aiza", "ya29.", "npm_", "hf_", "dop_v1_", "dckr_pat_", "glsa_", "lin_api_", "shpat_", "shpca_", "shppa_"),
    *("gocspx-", "1//0", "age-secret-", "7q~", "8q~"),
    *("shpss_", "pypi-", "hvs.", "hvb.", "hvr.", "sg.", "fwogz", "iqojb", "fqogz", "fqody", "aqody", "aqoex", "ls0tl"),
)
TOKEN = re.compile(rf"(?<![\w/+-])(?:{'|'.join(_TOKEN_PREFIXES)})")


# One-letter options that mean a secret with these commands only: roots, commands, the option and its separator.
_SECRET_OPTIONS = (
    (("sshpass", "login"), r"sshpass|(?:docker|podman|az|registry)\s+login", r"p[\s=]{0,4}"),
    (("mongo", "useradd", "usermod"), r"mongo[a-z]{0,8}|useradd|usermod", r"p[\s=]{1,4}"),
    (("7z",), r"7z[a-z]?", "p"),
    (("zip", "sqlcmd"), r"zip|unzip|sqlcmd", r"P\s{0,4}"),
    (("ssh-keygen",), r"ssh-keygen", r"[NP]\s{1,4}"),
    (("openssl",), r"openssl\s+enc", r"k\s{1,4}"),
    (("snmp",), r"snmp[a-z]{1,12}", r"[cAX]\s{1,4}"),
    (("redis-cli",), r"redis-cli", r"a\s{0,4}"),
    (("ldap",), r"ldap[a-z]{1,12}", r"w\s{0,4}"),
    (("http",), r"https?", r"(?:a|-auth)[\s=]{1,4}[^\s:]{1,128}:"),
    (("curl",), r"curl", r"(?:b|-cookie)[\s=]{1,4}[\"']?[^\s=]{1,128}="),
    (("smb", "rpcclient"), r"smb[a-z]{1,12}|rpcclient", r"(?:U|-user)[\s=]{0,4}[^\s%]{1,128}%"),
)


class Shape(NamedTuple):
    """The pattern's group `value` is secret; roots are in lower case."""

    roots: tuple[str, ...]
    pattern: re.Pattern[str]


SHAPES = (
    Shape(
        ("private",),
        re.compile(
            rf"-{{2,5}}\s?BEGIN(?:[A-Z0-9 ]|%20){{0,40}}{_GAP}PRIVATE{_GAP}{{1,4}}KEY(?: BLOCK)?"
            r"(?P<value>.*?)(?:-{2,5}\s?END\b|\Z)",
            _I | re.DOTALL,
        ),
    ),
    Shape(("private-lines",), re.compile(r"Private-Lines:[ \t]*[0-9]+(?P<value>[A-Za-z0-9+/=\s]+)", _I)),
    Shape(
        ("basic",), re.compile(r"\bBasic\s{1,8}(?P<value>(?=[A-Za-z+/]{0,512}[0-9=])[A-Za-z0-9+/]{8,512}={0,2})", _I)
    ),
    Shape(("bearer",), re.compile(r"\bBearer\s{1,8}(?P<value>[\w.~+/=-]{16,})", _I)),
    # Secrets masked earlier: a script that lost a secret in transit must not be applied either.
    Shape(("*" * 12,), re.compile(r"(?P<value>\*{12,})")),
    Shape(_TOKEN_ROOTS, re.compile(rf"(?P<value>{TOKEN.pattern})")),
    # Passwords of URLs; a port is not one.
    Shape(
        ("://",),
        re.compile(r"""://[^\s/@:"'<>\[]{0,256}:(?![0-9]{1,5}(?:[/?#"'\s]|\Z))(?P<value>[^\s"'<>]{1,512})@"""),
    ),
    Shape(("http",), re.compile(r"""https?://(?P<value>[^\s/@:"'<>]{8,512})@""", _I)),
    # Signed addresses, and the parts of a signed request.
    Shape(
        ("x-amz-",),
        re.compile(r"""X-Amz-(?:Signature|Security-Token|Credential)(?:=|%3D)(?P<value>[^\s&"'<>\\]+)""", _I),
    ),
    Shape(
        ("sig", "token", "key", "code"),
        re.compile(
            r"""[?&;](?:Signature|sig|AWSAccessKeyId|(?:access_|id_|refresh_|auth_)?token|code|(?:api_?|auth_?)key)"""
            r"""=(?P<value>[^\s&"'<>\\]+)""",
            _I,
        ),
    ),
    Shape(("signature",), re.compile(r"(?<![\w-])Signature=(?P<value>[0-9a-f]{32,})", _I)),
    Shape(
        ("hooks.", "api/webhooks", ".office.com", "chat.googleapis.com", "api.telegram.org"),
        re.compile(
            r"(?:hooks\.(?:slack\.com(?:/\w{1,20})?|zapier\.com/hooks|chime\.aws)|/api/webhooks|webhook\.office\.com"
            r"|outlook\.office\.com/webhook|chat\.googleapis\.com/v1/spaces|api\.telegram\.org)/"
            r"""(?P<value>[^\s"'<>]+)""",
            _I,
        ),
    ),
    # One-letter options that mean a password with these commands only.
    Shape(
        ("curl", "-u ", '-u"', "-u'", "-u\\", "-user ", "-user=", "-user\\", '-user"'),
        re.compile(
            r"(?<![\w-])(?:-[A-Za-z]{0,4}[uU]|--(?:proxy-|ftp-)?user)(?:[=\s\\]{1,8}|(?=[\"']?\w))"
            r"(?!arn:)(?:(?P<quote>[\"'])(?!arn:)[^\s:\"']{0,128}:(?P<value>.{1,512}?)(?P=quote)"
            r"|[^\s:\"'-][^\s:\"']{0,127}:(?P<bare>\S{1,512}))"
        ),
    ),
    *(
        Shape(roots, re.compile(rf"\b(?:{commands})\b(?:{_REST_OF_COMMAND})??-{option}(?P<value>[^\s=]\S*)"))
        for roots, commands, option in _SECRET_OPTIONS
    ),
    Shape(
        ("mysql", "mariadb"),
        re.compile(rf"\b(?:mysql|mariadb)[\w-]{{0,12}}\b(?:{_REST_OF_COMMAND})??-p(?P<value>[^\s=]\S*)"),
    ),
    Shape(
        ("passwd", "-stdin"),
        re.compile(r"\becho\s{1,8}(?P<value>[^|\n]{1,300})\|[^|\n]{0,200}?(?:passwd|-stdin)\b"),
    ),
    Shape(
        ("htpasswd",),
        re.compile(r"\bhtpasswd\s{1,8}-\w{0,4}b\w{0,4}\s{1,8}\S{1,99}\s{1,8}\S{1,99}\s{1,8}(?P<value>\S+)"),
    ),
    Shape(("net user",), re.compile(r"\bnet user\s{1,8}\S{1,99}\s{1,8}(?P<value>[^/\s]\S*)", _I)),
    Shape(("vault login",), re.compile(r"\bvault login\s{1,8}(?P<value>[^-\s]\S*)")),
    Shape(
        ("put-parameter",), re.compile(rf"\bput-parameter\b(?:{_REST_OF_COMMAND})??--value[=\s]{{1,8}}(?P<value>\S+)")
    ),
    Shape(("chpasswd",), re.compile(r"\bchpasswd\b[^\n;|&<]{0,99}<<<\s{0,8}(?P<value>\S+)")),
    Shape(("securestring",), re.compile(r"\bConvertTo-SecureString\s{1,8}(?:-String\s{1,8})?(?P<value>\S+)", _I)),
    Shape(("from-literal",), re.compile(r"--from-literal[=\s]{1,8}[^\s=]{1,253}=(?P<value>\S+)")),
    Shape(("_auth",), re.compile(r":_(?:auth(?:Token)?|password)\s{0,8}=\s{0,8}(?P<value>\S+)")),
    # In prose: a value has a digit.
    Shape(
        ("password", "passphrase", "secret"),
        re.compile(
            r"\b(?:password|passphrase|secret)(?:\s(?:for|of)\s\S{1,128})?\s(?:is|was)[:\s]{1,4}"
            r"[\"']?(?P<value>(?=[^\s0-9*]{0,128}[0-9*])[^\s\"']{5,}[^\s\"'.,;])",
            _I,
        ),
    ),
    Shape(("pass:",), re.compile(r"(?<![\w-])pass:(?P<value>\S+)")),
    Shape(
        ("login",), re.compile(r"\blogin\s{1,8}\S{1,128}\s{1,8}(?:account\s\S{1,128}\s)?password\s{1,8}(?P<value>\S+)")
    ),
)

_AWS_SECRET = re.compile(r"(?<![A-Za-z0-9/+\\])(?:[A-Za-z0-9+]|\\?/){40}(?![A-Za-z0-9/+=])")
_ACCESS_KEY_ID = re.compile(
    r"(?<![A-Z0-9])A[A-Z]{3}[A-Z2-7]{16}(?![A-Z0-9])|(?<![A-Z0-9])(?:AKIA|ASIA)[A-Z0-9]{12,124}"
)
_MAX_DISTANCE = 200
_HEX = re.compile(r"[0-9a-fA-F]+")
_RESOURCE = re.compile(r"(?:user|role|group|policy|mfa|assumed-role)/")
_BASE64_LINE = re.compile(r"[A-Za-z0-9/+]{64}(?:[A-Za-z0-9/+]{12})?(?:\\n|\s)+\Z")
# In 40 random characters of base64 the kind of character changes 25 times, and less than 16 times in one of a thousand;
# in names made of words it changes about twice per word.
_MIN_CHANGES = 16


def shaped_spans(text: str, lowered: str) -> Iterator[Span]:
    """The places of secrets, unordered and with overlaps; `lowered` is the text in lower case."""
    for shape in SHAPES:
        if any(root in lowered for root in shape.roots):
            for match in shape.pattern.finditer(text):
                yield match.span("bare" if match.groupdict().get("bare") else "value")
    yield from _aws_secrets(text)


def is_access_key_id(text: str) -> bool:
    """Whether a text is the id of an access key, which is not secret."""
    return _ACCESS_KEY_ID.fullmatch(text.strip("\"'")) is not None


def has_token(text: str) -> bool:
    """Whether a word contains a token, which is secret under any name."""
    lowered = text.lower()
    return any(root in lowered for root in _TOKEN_ROOTS) and TOKEN.search(text) is not None


def _aws_secrets(text: str) -> Iterator[Span]:
    """40 characters of base64 that look random, or are close to the id of an access key."""
    for match in _AWS_SECRET.finditer(text) if len(text) >= 40 else ():
        near = text[max(0, match.start() - _MAX_DISTANCE) : match.end() + _MAX_DISTANCE]
        if _looks_random(text, match) or (_ACCESS_KEY_ID.search(near) and not _is_named(match.group())):
            yield match.span()


def _looks_random(text: str, match: re.Match[str]) -> bool:
    word = match.group()
    if (
        word.isalpha()
        or _is_named(word)
        or _HEX.fullmatch(word)
        or _BASE64_LINE.search(text, max(0, match.start() - 80), match.start())
    ):
        return False
    return sum(_kind(one) != _kind(other) for one, other in pairwise(word)) >= _MIN_CHANGES


def _is_named(word: str) -> bool:
    return _RESOURCE.match(word) is not None or word in (word.lower(), word.upper())


def _kind(char: str) -> str:
    return "A" if char.isupper() else "a" if char.islower() else "0" if char.isdigit() else "/"
