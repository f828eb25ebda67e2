# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The samples of settings: they are read where the documentation says, and by cron and systemd alike."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from ansible_collections.leastpriv.iam.plugins.plugin_utils.accounts.preflight import unread_variable_files
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.settings import read_settings, unknown_names
from stack import ROOT

ENVIRONMENT = (ROOT / "leastpriv.env.sample").read_text()
# What a shell would take apart or expand, and systemd as well.
SECRET = 'a b$HOME"#\\;`id`=+/'


def as_systemd_reads(text):
    """The variables of an EnvironmentFile, for what a sample may hold: comments, and values in single quotes."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and line.strip()[0] not in "#;"]
    assert all(re.fullmatch(r"[A-Z_]+='[^']*'", line) for line in lines), lines
    return {name: value[1:-1] for name, _equals, value in (line.partition("=") for line in lines)}


def as_cron_reads(file):
    """The variables that a program gets which is started as docs/schedule.md shows for cron."""
    (line,) = [line for line in (ROOT / "docs/schedule.md").read_text().splitlines() if line.startswith("*/10")]
    reads = line.split(" && ")[1:3]
    assert reads == ["set -a", ". ./leastpriv.env"]
    command = " && ".join([*reads, "env -0"])
    shown = subprocess.run(["sh", "-c", command], cwd=file.parent, env={"PATH": "/usr/bin:/bin"}, capture_output=True)
    return dict(pair.split("=", 1) for pair in shown.stdout.decode().split("\0") if pair)


def test_cron_and_systemd_read_the_same_of_the_sample(tmp_path):
    text = ENVIRONMENT.replace("<secret>", SECRET)
    (tmp_path / "leastpriv.env").write_text(text)
    expected = as_systemd_reads(text)
    assert expected["PRISMACLOUD_PASSWORD"] == SECRET
    assert as_cron_reads(tmp_path / "leastpriv.env").items() >= expected.items()


def test_all_settings_of_the_sample_are_settings():
    text = (ROOT / "inventory/group_vars/aws_accounts.yml.sample").read_text()
    settings = yaml.safe_load(re.sub(r"^#(?=remediate_|  )", "", text, flags=re.MULTILINE))
    assert len(settings) > 5
    assert unknown_names(settings) == []
    assert read_settings(settings)[1] == []


@pytest.mark.parametrize("place", ["group_vars/aws_accounts.yml", "host_vars/payments.yml", "group_vars/all/a.yml"])
def test_settings_where_ansible_does_not_read_them_are_found(tmp_path: Path, place):
    file = tmp_path / place
    file.parent.mkdir(parents=True)
    file.write_text("remediate_allow: []\n")
    (output,) = unread_variable_files([tmp_path], [tmp_path / "inventory"])
    assert output.startswith(f"{file} is not read")
    assert unread_variable_files([tmp_path], [tmp_path]) == []
    file.write_text("ntp_servers: []\n")
    assert unread_variable_files([tmp_path], []) == []
