# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the tests on every supported ansible-core and amazon.aws, and write docs/compatibility.md's table: `make matrix`.

The unit tests, and the integration tests of INTEGRATION. Each ansible-core has an environment of its own, which is kept
under .cache/matrix; a combination whose Python is not there is said to be skipped. Arguments choose versions of
ansible-core: `run.py 2.17 2.21`; the rows of the others stay as they are.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import product
from pathlib import Path

from document import DOCS, write_part
from stack import ROOT

# ansible-core -> the Python it is tried on.
CORES = {"2.17.14": "3.11", "2.18.19": "3.11", "2.19.14": "3.11", "2.20.10": "3.12", "2.21.5": "3.13"}
# amazon.aws -> the package that carries it.
AMAZON = {"10.1.2": "ansible==12.3.0", "11.4.0": "ansible==14.5.0"}
# What touches most of what Ansible changes between versions: both connections, the vendor's own script, hostile text,
# secrets, a plan, an undo, a worker that dies.
INTEGRATION = (
    "test_remediate.py::test_alerts_of_three_accounts_are_reviewed_and_remediated_once",
    "test_remediate.py::test_scripts_in_every_joining_half_done_and_with_template_text_are_applied_byte_for_byte",
    "test_remediate.py::test_no_secret_is_shown_at_any_verbosity",
    "test_plan.py::test_what_was_reviewed_is_applied_and_what_has_changed_is_left_alone",
    "test_undo.py::test_a_run_is_undone_and_the_undo_too",
    "test_interruption.py::test_a_run_whose_worker_dies_releases_its_messages",
    "test_warm.py::test_every_result_is_the_one_of_the_local_connection",
    "test_warm.py::test_every_result_of_aws_is_the_one_of_the_local_connection",
)
# The AWS CLI is the same everywhere, and to ask it how it reads a script takes long.
NOT_ANSIBLES = "tests/unit/oracle"
# Linters and the browser judge files, which are the same everywhere.
NOT_NEEDED = re.compile(r"(ansible-core|ansible-lint|axe-playwright-python|playwright|ruff|yamllint)\b")
# ansible-core 2.17 and 2.18 want an older one than the others.
NOT_PINNED = re.compile(r"resolvelib\b")
PARALLEL = ("-n", "2", "--dist", "loadgroup")
ENVIRONMENTS = ROOT / ".cache" / "matrix"
PAGE = "compatibility.md"
HEAD = "| ansible-core | amazon.aws | Python | result | on |\n|---|---|---|---|---|"


@dataclass(frozen=True)
class Combination:
    core: str
    amazon: str
    python: str

    @property
    def begin(self) -> str:
        return f"| {self.core} | {self.amazon} | {self.python} |"


def main() -> None:
    found = {}
    for combination, result in results(tuple(sys.argv[1:]) or tuple(CORES)):
        found[combination] = result
        write_row(combination, f"{combination.begin} {result} | {date.today()} |")
    sys.exit(any("failed" in result for result in found.values()))


def write_row(combination: Combination, row: str) -> None:
    """Write one row into the table, in its place; the other rows stay."""
    print(row, flush=True)
    known = [line for line in (DOCS / PAGE).read_text().splitlines() if re.match(r"\| \d", line)]
    rows = [row, *(line for line in known if not line.startswith(combination.begin))]
    write_part("matrix", "make matrix", "\n".join([HEAD, *sorted(rows)]), page=PAGE)


def results(chosen: tuple[str, ...]) -> Iterator[tuple[Combination, str]]:
    cores = {core: python for core, python in CORES.items() if core.startswith(chosen)}
    for (core, minor), (amazon, package) in product(cores.items(), AMAZON.items()):
        interpreter = find_python(minor)
        if interpreter is None:
            yield Combination(core, amazon, minor), f"skipped: no Python {minor}"
            continue
        python = environment(core, interpreter)
        subprocess.run([python, ROOT / "requirements/collection.py", "amazon.aws", "--package", package], check=True)
        yield Combination(core, amazon, minor), test(python, f"ansible-core {core}, amazon.aws {amazon}")


def find_python(minor: str) -> Path | None:
    """A Python of this version on the PATH, or one that pyenv has."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = [shutil.which(f"python{minor}"), *sorted(pyenv.glob(f"versions/{minor}.*/bin/python"))]
    works = [Path(one) for one in found if one and subprocess.run([one, "-V"], capture_output=True).returncode == 0]
    return works[0] if works else None


def environment(core: str, interpreter: Path) -> Path:
    """The Python of the environment with this ansible-core, which is made where there is none."""
    folder = ENVIRONMENTS / core
    python = folder / "bin" / "python"
    wanted = [pin for file in ("requirements.txt", "requirements/dev.txt") for pin in pins(file, NOT_NEEDED)]
    ready = folder / "ready"
    if not ready.exists() or ready.read_text().splitlines() != wanted:
        subprocess.run([interpreter, "-m", "venv", "--clear", folder], check=True)
        limits = folder / "constraints.txt"
        limits.write_text("\n".join(pins("requirements/constraints.txt", NOT_PINNED)))
        pip = [python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--constraint", limits]
        subprocess.run([*pip, f"ansible-core=={core}", *wanted], check=True)
        ready.write_text("\n".join(wanted))
    return python


def pins(file: str, without: re.Pattern[str]) -> list[str]:
    lines = (ROOT / file).read_text().splitlines()
    return [line for line in lines if line and not line.startswith(("#", "-r")) and not without.match(line)]


def test(python: Path, title: str) -> str:
    """The last line of pytest, in words for a table."""
    print(f"\n=== {title}", flush=True)
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    environ = {**os.environ, "PATH": path, "LEASTPRIV_EXHAUSTIVE": "1"}
    tests = ["tests/unit", f"--ignore={NOT_ANSIBLES}", *(f"tests/integration/{name}" for name in INTEGRATION)]
    ran = subprocess.run(
        [python, "-m", "pytest", "-q", *PARALLEL, *tests],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    print(ran.stdout[-4_000:] if ran.returncode else ran.stdout.splitlines()[-1], flush=True)
    counted = re.findall(r"(\d+) (passed|failed|errors?|skipped)", ran.stdout.splitlines()[-1])
    shown = ", ".join(f"{number} {what}" for number, what in counted)
    return shown if ran.returncode == 0 else f"failed: {shown or 'pytest did not finish'}"


if __name__ == "__main__":
    main()
