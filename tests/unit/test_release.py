# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in several files because each is read by something else."""

from __future__ import annotations

import yaml
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.version import VERSION
from stack import ROOT


def read(file):
    return yaml.safe_load((ROOT / file).read_text())


def test_the_version_is_the_same_everywhere():
    assert read("galaxy.yml")["version"] == VERSION
    assert VERSION in read("changelogs/changelog.yaml")["releases"], "make changelog"


def test_the_collections_that_are_needed_are_the_same_everywhere():
    needed = {one["name"]: one["version"] for one in read("collections/requirements.yml")["collections"]}
    assert needed == read("galaxy.yml")["dependencies"]
