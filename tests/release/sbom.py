# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the bill of materials of a built collection beside it: sbom.py TARBALL PYTHON MANIFEST.

PYTHON has nothing but what requirements.txt installs. cyclonedx-bom lists its packages; the collection itself and
amazon.aws, whose MANIFEST.json is given, are not Python packages and are added here.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

Json = dict[str, Any]
REQUIREMENTS = Path(__file__).parents[2] / "requirements.txt"


def main() -> None:
    # Only here: the tests have no cyclonedx-bom.
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    tarball, python, manifest = map(Path, sys.argv[1:])
    packages = subprocess.run(
        [Path(sys.executable).with_name("cyclonedx-py"), "environment", "--output-reproducible", python],
        check=True,
        capture_output=True,
        text=True,
    )
    with tarfile.open(tarball) as built:
        own = json.load(built.extractfile("MANIFEST.json"))
    text = json.dumps(bill(json.loads(packages.stdout), own, json.loads(manifest.read_text()), tarball), indent=2)
    if error := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        sys.exit(f"The bill of materials is not valid: {error}")
    target = tarball.with_name(tarball.name.removesuffix(".tar.gz") + ".cdx.json")
    target.write_text(f"{text}\n")
    print(target)


def bill(packages: Json, own: Json, aws: Json, tarball: Path) -> Json:
    """The bill of the Python packages, with the collection as what it is about, and amazon.aws as one more component.

    :param packages: what `cyclonedx-py environment` printed.
    :param own: MANIFEST.json of the collection, and `aws` that of amazon.aws.
    """
    digest = {"alg": "SHA-256", "content": hashlib.sha256(tarball.read_bytes()).hexdigest()}
    root, other = component(own["collection_info"]), component(aws["collection_info"])
    named = {re.split("[=<>]", line)[0] for line in REQUIREMENTS.read_text().splitlines() if line[:1].isalpha()}
    direct = [one["bom-ref"] for one in packages["components"] if one["name"] in named]
    depends = {"ref": root["bom-ref"], "dependsOn": sorted([*direct, other["bom-ref"]])}
    return {
        **packages,
        "metadata": {**packages["metadata"], "component": {**root, "hashes": [digest]}},
        "components": [*packages["components"], other],
        "dependencies": [depends, {"ref": other["bom-ref"]}, *packages["dependencies"]],
    }


def component(info: Json) -> Json:
    """A collection as CycloneDX has a component."""
    name = f"{info['namespace']}.{info['name']}"
    return {
        "type": "library",
        "bom-ref": f"{name}=={info['version']}",
        "group": info["namespace"],
        "name": info["name"],
        "version": info["version"],
        "licenses": [{"license": {"id": one}} for one in info["license"]],
        "purl": f"pkg:generic/{info['namespace']}/{info['name']}@{info['version']}",
    }


if __name__ == "__main__":
    main()
