# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in several files because each is read by something else."""

from __future__ import annotations

import hashlib
import runpy

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


def test_the_bill_of_materials_has_the_packages_the_collection_and_amazon_aws(tmp_path):
    """What `make release` adds to the list of packages."""
    tarball = tmp_path / "leastpriv-iam-1.0.0.tar.gz"
    tarball.write_bytes(b"built")
    packages = {
        "bomFormat": "CycloneDX",
        "metadata": {"tools": {}},
        "components": [{"name": name, "bom-ref": f"{name}==1"} for name in ("boto3", "requests", "urllib3")],
        "dependencies": [
            {"ref": "boto3==1"},
            {"ref": "requests==1", "dependsOn": ["urllib3==1"]},
            {"ref": "urllib3==1"},
        ],
    }
    own, aws = (
        {"collection_info": {"namespace": namespace, "name": name, "version": "1.0.0", "license": ["GPL-3.0-or-later"]}}
        for namespace, name in (("leastpriv", "iam"), ("amazon", "aws"))
    )
    bill = runpy.run_path(str(ROOT / "tests/release/sbom.py"))["bill"](packages, own, aws, tarball)
    root = bill["metadata"]["component"]
    assert (root["group"], root["name"], root["version"]) == ("leastpriv", "iam", "1.0.0")
    assert root["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(b"built").hexdigest()}]
    assert [one["name"] for one in bill["components"]] == ["boto3", "requests", "urllib3", "aws"]
    depends = {one["ref"]: one.get("dependsOn", []) for one in bill["dependencies"]}
    # urllib3 is there because requests needs it.
    assert depends[root["bom-ref"]] == ["amazon.aws==1.0.0", "boto3==1", "requests==1"]
    assert set(depends) == {root["bom-ref"], *(one["bom-ref"] for one in bill["components"])}
