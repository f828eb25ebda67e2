# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts as people write and copy them: harmless lines of a shell, and characters of a word processor."""

from __future__ import annotations

import pytest
from ansible.plugins.loader import filter_loader

ACCOUNT = "111122223333"
DETACH = "aws iam detach-user-policy --user-name ann --policy-arn arn:aws:iam::aws:policy/AdministratorAccess"


def steps(script):
    return filter_loader.get("leastpriv.iam.steps").j2_function(script, ACCOUNT)


HARMLESS = [
    f"set -e\n{DETACH}",
    f"#!/bin/bash\nset -euo pipefail\n{DETACH}",
    f"set -eu -o pipefail; {DETACH}",
    f"echo 'Detaching the policy' && {DETACH} && echo done",
    f"echo Detaching and aws iam delete-user --user-name ann\n{DETACH}",
    f"{DETACH} > /dev/null",
    f"{DETACH} >/dev/null 2>&1",
    f"{DETACH} 2> /dev/null && sleep 5",
    f"echo note >&2; {DETACH}",
    f"sleep 0.5; sleep 2m; {DETACH}; true; :",
    f"aws sts get-caller-identity && {DETACH}",
    f"aws sts get-caller-identity --query Account --output text\n{DETACH}",
    f"{DETACH}\naws iam wait user-exists --user-name ann",
]
NOT_HARMLESS = {
    f"set +e\n{DETACH}": "`set`",
    f"set -n\n{DETACH}": "`set`",
    f"set -- a\n{DETACH}": "`set`",
    f"set -eufoo\n{DETACH}": "`set`",
    f"sleep forever; {DETACH}": "`sleep`",
    f"sleep; {DETACH}": "`sleep`",
    f"false; {DETACH}": "`false`",
    f"exit 0; {DETACH}": "`exit`",
    f"echo $(aws iam delete-user --user-name ann); {DETACH}": "runs another command",
    f"echo `id`; {DETACH}": "backticks",
    f"echo x > /etc/passwd; {DETACH}": "redirection",
    f"{DETACH} > /dev/nullx": "redirection",
    f"{DETACH} > ./dev/null": "redirection",
    f"{DETACH} < /dev/null": "redirection",
    f"{DETACH} &> /dev/null": "redirection",
    f"{DETACH}'x'2>/dev/null": "redirection",
    f"{DETACH} | true": "pipe",
    f"{DETACH} || true": "`||`",
    f"aws sts get-caller-identity --profile other && {DETACH}": "--profile redirects",
    f"aws sts get-caller-identity --role x && {DETACH}": "--role",
    f"aws sts get-session-token && {DETACH}": "`aws sts get-session-token`",
    f"aws sts assume-role --role-arn a && {DETACH}": "`aws sts assume-role`",
    f"printf x; {DETACH}": "`printf`",
    "echo 'nothing else'": "changes nothing",
}


@pytest.mark.parametrize("script", HARMLESS)
def test_lines_that_change_nothing_are_left_out_with_a_note(script):
    result, alone = steps(script), steps(DETACH)
    assert result["disposition"] is None, result["reason"]
    assert [(step["operation"], step["args"]) for step in result["steps"]] == [
        (step["operation"], step["args"]) for step in alone["steps"]
    ]
    assert result["notes"], "whatever was left out is said"
    assert all(note.endswith("left out") for note in result["notes"])


@pytest.mark.parametrize("script", NOT_HARMLESS)
def test_everything_else_of_a_shell_stays_unsupported(script):
    result = steps(script)
    assert result["disposition"] in ("unsupported", "refused")
    assert not result["steps"]
    assert NOT_HARMLESS[script] in result["reason"]


DENY = '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}'
CREATE = "aws iam create-policy --policy-name p --policy-document"
ODD = {
    DETACH.replace("ann", "\u201cann\u201d"): "column 40: U+201C (left double quotation mark)",
    DETACH.replace("ann", "\u2018ann\u2019"): "U+2018 (left single quotation mark)",
    DETACH.replace("--user", "\u2013-user"): "U+2013 (en dash)",
    DETACH.replace("--user", "\u2014user"): "U+2014 (em dash)",
    DETACH.replace("ann", "a\u200bnn"): "U+200B (zero width space)",
    "\ufeff" + DETACH: "line 1, column 1: U+FEFF (zero width no-break space)",
    DETACH.replace(" --user", "\u00a0--user"): "U+00A0",
    DETACH.replace("--user-name ann", "^\n  --user-name ann ^\r\n "): "line 1, column 28: `^` continues a line only in",
    DETACH.replace("--user-name ann", "`\n  --user-name ann `\n "): "a backtick continues a line only in PowerShell",
    DETACH.replace("ann", "'a\u2013b'"): "contains U+2013 (en dash)",
    f"{CREATE} '{DENY}'".replace('"', "\u201c"): "contains U+201C (left double quotation mark) as character 2",
    f"{CREATE} '{DENY}'".replace('Deny"', "Deny\u201d"): "U+201D (right double quotation mark) as character 53",
    f"{CREATE} '{DENY}'".replace(",", ",\u00a0"): "U+00A0 (no-break space) is at line 1, column 25",
}


@pytest.mark.parametrize("script", ODD)
def test_a_character_of_a_word_processor_is_named_with_its_place(script):
    result = steps(script)
    assert result["disposition"] == "unsupported"
    assert ODD[script] in result["reason"]


@pytest.mark.parametrize("text", ["'a \u201cb\u201d'", '"a \u2013 b"', "a^b", "'x ^'"])
def test_in_quotes_they_are_text_as_to_a_shell(text):
    result = steps(f"aws iam update-role-description --role-name ci --description {text}")
    assert "looks like" not in str(result["reason"])
