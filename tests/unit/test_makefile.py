# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An environment that make has not made is used as it is, and never changed."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from stack import ROOT


@pytest.fixture
def checkout(tmp_path):
    """A copy of what make reads, with an environment as the README makes it."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copy(ROOT / "requirements.txt", tmp_path)
    own = tmp_path / ".venv/bin/ansible-playbook"
    own.parent.mkdir(parents=True)
    own.write_text('#!/bin/sh\necho "own ansible-playbook: $* for $ALERT"\n')
    own.chmod(0o755)
    return tmp_path


def make(folder, *args):
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(["make", *args], cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False)


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in (folder / ".venv").rglob("*"))


def test_show_uses_the_environment_that_is_there_and_changes_nothing(checkout):
    before = files(checkout)
    shown = make(checkout, "show", "ALERT=I-1")
    assert (shown.returncode, shown.stdout) == (0, "own ansible-playbook: playbooks/show.yml for I-1\n"), shown.stderr
    assert files(checkout) == before


@pytest.mark.parametrize("target", ["setup", "demo", "lint"])
def test_an_environment_of_one_s_own_is_never_cleared(checkout, target):
    before = files(checkout)
    refused = make(checkout, target)
    assert refused.returncode != 0
    assert ".venv was not made by make setup, so it is left as it is" in refused.stderr
    assert files(checkout) == before


def test_a_link_to_another_checkout_s_environment_is_used_as_it_is(checkout):
    (checkout / ".venv").rename(checkout / "elsewhere")
    (checkout / ".venv").symlink_to("elsewhere")
    (checkout / "elsewhere/ready").touch()
    os.utime(checkout / "elsewhere/ready", (0, 0))
    before = files(checkout)
    assert make(checkout, "setup", "PYTHON=/no/such/python").returncode == 0
    assert files(checkout) == before


@pytest.mark.parametrize("mark", ["ready", "made-by-make"])
def test_an_environment_that_make_made_is_made_anew_when_it_is_old_or_unfinished(checkout, mark):
    (checkout / ".venv" / mark).touch()
    os.utime(checkout / ".venv" / mark, (0, 0))
    started = make(checkout, "setup", "PYTHON=/no/such/python")
    assert "was not made by make" not in started.stderr
    assert "name one with make setup PYTHON=..." in started.stderr
