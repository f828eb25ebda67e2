# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The build context that ansible-builder makes of execution-environment.yml, with the collection as it is published."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
DEFINITION = yaml.safe_load((ROOT / "execution-environment.yml").read_text())
FILES = ("execution-environment.yml", "requirements.txt", "bindep.txt")
# The Python of the image has the pins for Pythons before 3.12.
OLDER = 'python_version < "3.12"'


def pinned(file: str, name: str) -> str:
    """What a requirements file pins for the image's Python."""
    lines = [line for line in (ROOT / file).read_text().splitlines() if line.startswith(f"{name}==")]
    return next(line.partition(";")[0].strip() for line in lines if ";" not in line or OLDER in line)


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    folder = tmp_path_factory.mktemp("image")
    for name in FILES:
        shutil.copy(ROOT / name, folder)
    build = ["ansible-galaxy", "collection", "build", "--output-path", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    create = ["ansible-builder", "create", "--output-filename", "Containerfile"]
    subprocess.run(create, cwd=folder, check=True, capture_output=True)
    return folder / "context"


def test_the_image_gets_this_collection_as_it_is_published(context):
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    artifact = f"leastpriv-iam-{version}.tar.gz"
    copied = context / "_build" / "collections" / artifact
    with tarfile.open(copied) as archive:
        assert {"MANIFEST.json", "plugins/lookup/alerts.py", "playbooks/remediate.yml"} <= set(archive.getnames())
    galaxy = re.search(r"^FROM .* as galaxy$(.*?)^FROM ", (context / "Containerfile").read_text(), re.M | re.S | re.I)
    assert f"COPY _build/collections/{artifact} " in galaxy[1]
    assert re.search(rf"RUN ansible-galaxy collection install .*{artifact}", galaxy[1])


def test_nothing_runs_as_root(context):
    users = re.findall(r"^USER (\S+)$", (context / "Containerfile").read_text(), re.M)
    assert users[-1] == "1000"


def test_it_holds_what_is_tested_here(context):
    shown = DEFINITION["dependencies"]
    assert shown["ansible_core"]["package_pip"] == pinned("requirements.txt", "ansible-core")
    assert shown["ansible_runner"]["package_pip"] == pinned("requirements/dev.txt", "ansible-runner")
    assert (context / "_build" / "requirements.txt").read_text() == (ROOT / "requirements.txt").read_text()
    assert (context / "_build" / "bindep.txt").read_text() == (ROOT / "bindep.txt").read_text()
    [amazon] = yaml.safe_load((context / "_build" / "requirements.yml").read_text())["collections"]
    carrier = pinned("requirements/collections/amazon.aws.txt", "ansible").partition("==")[2]
    said = (ROOT / "requirements" / "collections" / "amazon.aws.txt").read_text()
    assert f"{carrier} has amazon.aws {amazon['version']}" in said


def test_an_image_of_somebody_else_gets_ranges_and_not_pins(context):
    shown = yaml.safe_load((ROOT / "meta" / "execution-environment.yml").read_text())["dependencies"]
    wanted = (ROOT / shown["python"]).read_text().splitlines()
    assert wanted
    assert not [line for line in wanted if "==" in line]


def test_its_base_is_pinned():
    assert re.fullmatch(r"\S+:\d+\.\d+\S*", DEFINITION["images"]["base_image"]["name"])
