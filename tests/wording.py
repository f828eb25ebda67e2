# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find ruled out wording (see "Words" in CONTRIBUTING.md): prints file, line and what to write instead."""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
CHECKED = (
    "plugins",
    "roles",
    "playbooks",
    "extensions",
    "demo",
    "docs",
    "README.md",
    "SECURITY.md",
    "CONTRIBUTING.md",
    "tests",
    "bench",
)
SUFFIXES = (".j2", ".md", ".py", ".yml")

# In every line.
WORDS = (
    (r"(?<![Tt]here )\b(?:is|are|was|were) no (?!longer\b|more\b)\w+", "is not a"),
    (r"\w*(?<![a-z])told(?![a-z])\w*", "a name for the content, or a verb in the active voice"),
    (r"\b[Ww]hoever\b|\b[Nn]obody\b", "the subject itself"),
    (r"\bof (?:which|whom)\b", "two sentences"),
    (r"\bstands? for\b", "is, means"),
    (r"\b(?:makes?|made) of (?:it|them)\b", "the result"),
    (r"\bbec(?:omes?|ame) of\b", "outcome, disposition"),
    (r"\bg(?:ives?|iven|iving|ave) (?:\w+ ){0,3}back\b", "release, return to the queue"),
    (r"\bfor ever\b", "forever, indefinitely"),
    (r"\b(?:docs/\w+\.md|README|[Pp]age|[Tt]able) (?:says?|tells?)\b", "shows, lists, describes"),
    (r"\bas [MP]\([^()]*\) (?:gives|tells)\b", "returns"),
    (r"\bc(?:omes?|ame) of it\b", "the result"),
    (r"\ball the same(?! \w)", "anyway"),
    (r"\banew\b", "again"),
    (r"\bneeds? a person\b", "needs attention"),
    (r"\bspelt out\b", "escaped"),
    (r"^_?(?:MOST|LONGEST|LATE|REACH|REMARKS|TOLD|FEWEST|NEAR|ALIKE)(?:_\w+)? =", "MAX_…, …_SECONDS or a noun"),
)
# In the headings of Markdown.
HEADING = (r"^#+ (?:Who|Whose|What|When|Why|How)\b", "a noun phrase or a task")
# In comments and docstrings.
MARKUP = (r"(?<![\w`])[CEIMOPV]\([^()]*\)", "`backticks`: Ansible's markup is for DOCUMENTATION alone")

# Most files have none of it, and need not be looked at line by line.
ANY = re.compile("|".join(pattern for pattern, _better in (*WORDS, HEADING, MARKUP)), re.MULTILINE)


def findings(name: str, text: str) -> Iterator[str]:
    """The lines with ruled out wording, as `file:line: found (better: …)`. Code in Markdown is not prose."""
    if name.endswith(".md"):
        text = re.sub(r"`[^`\n]*`", "``", text)
    if not ANY.search(text):
        return
    prose = _prose_lines(text) if name.endswith(".py") else set()
    is_test = name.startswith(("tests/", "bench/"))
    for number, line in enumerate(text.splitlines(), 1):
        # The values of tests are examples.
        if is_test and number not in prose and not line.lstrip().startswith("def "):
            continue
        more = [HEADING] if name.endswith(".md") else [MARKUP] if number in prose else []
        for pattern, better in (*WORDS, *more):
            for found in re.finditer(pattern, line):
                yield f"{name}:{number}: {found.group()!r} (better: {better})"


def _prose_lines(text: str) -> set[int]:
    """The numbers of the lines of a Python file that have a comment or belong to a docstring."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    lines = {token.start[0] for token in tokens if token.type == tokenize.COMMENT}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                lines.update(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return lines


def main() -> int:
    files = [
        file
        for place in CHECKED
        for file in ([ROOT / place] if (ROOT / place).is_file() else sorted((ROOT / place).rglob("*")))
        if file.suffix in SUFFIXES and "fixtures" not in file.parts
    ]
    found = [line for file in files for line in findings(str(file.relative_to(ROOT)), file.read_text(encoding="utf-8"))]
    print("\n".join(found), end="\n" * bool(found))
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
