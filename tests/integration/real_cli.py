# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real AWS CLI in a process that stays, so that thousands of commands do not start thousands of processes.

A program of its own (awscli brings its own botocore), driven through `RealCli`: one line of JSON in,
`{"words": [...], "profile": "..."}`, one line out, `[exit status, standard error]`.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


class RealCli:
    """Sends commands to the process. Use it as a context manager."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment

    def __enter__(self) -> RealCli:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve())],
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=10)

    def run(self, words: list[str], profile: str) -> tuple[int, str]:
        """Run one `aws` command (its words after `aws`); gives exit status and standard error."""
        self._process.stdin.write(json.dumps({"words": words, "profile": profile}) + "\n")
        self._process.stdin.flush()
        status, shown = json.loads(self._process.stdout.readline())
        return status, shown


@functools.cache
def _loader() -> Any:
    """Reads each service's model once: most of the time of a command."""
    from awscli import clidriver

    return clidriver.create_clidriver().session.get_component("data_loader")


def run_cli(words: list[str], profile: str) -> tuple[int, str]:
    from awscli import clidriver

    os.environ["AWS_PROFILE"] = profile
    driver = clidriver.create_clidriver()
    driver.session.register_component("data_loader", _loader())
    shown = io.StringIO()
    with contextlib.redirect_stderr(shown), contextlib.redirect_stdout(io.StringIO()):
        try:
            status = driver.main(words)
        except SystemExit as ended:
            status = ended.code
    return status or 0, shown.getvalue()


def main() -> None:
    os.environ["AWS_PAGER"] = ""
    with os.fdopen(os.dup(1), "w") as answers, open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 1)
        for line in sys.stdin:
            question = json.loads(line)
            answers.write(json.dumps(run_cli(question["words"], question["profile"])) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
