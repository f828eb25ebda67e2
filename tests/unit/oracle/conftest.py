# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real AWS CLI, asked what it would send."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).with_name("ask_aws_cli.py")


class AwsCli:
    def __init__(self, home: Path) -> None:
        (home / "config").write_text("[profile x]\n", encoding="utf-8")
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(home),
            "AWS_CONFIG_FILE": str(home / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(home / "none"),
        }
        self._program = subprocess.Popen(
            [sys.executable, str(PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def ask(self, words: list[str]) -> tuple[str, dict[str, Any]] | None:
        """What `aws` with these words would send, as botocore accepts it; None where it refuses."""
        self._program.stdin.write(json.dumps(words) + "\n")
        self._program.stdin.flush()
        answer = json.loads(self._program.stdout.readline())
        return tuple(answer) if answer else None

    def close(self) -> None:
        self._program.stdin.close()
        self._program.wait(timeout=10)
        self._program.stdout.close()


@pytest.fixture(scope="session")
def aws_cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsCli]:
    asked = AwsCli(tmp_path_factory.mktemp("home"))
    yield asked
    asked.close()
