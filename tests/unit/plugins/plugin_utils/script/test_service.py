# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of `aws iam`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import OPERATIONS
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.service import FLAG, MANY, ONE, iam

TRANSLATED = {"boolean", "integer", "list", "map", "string", "structure"}


def test_each_operation_only_reads_or_is_known_to_change():
    """A new botocore can bring operations: each must be looked at before its commands mean anything."""
    changing = {operation.name for operation in iam().commands.values() if not operation.read_only}
    assert changing == set(OPERATIONS)
    assert len(changing) >= 108


def test_what_only_reads_is_named_so():
    reading = {operation.name for operation in iam().commands.values() if operation.read_only}
    assert not reading & set(OPERATIONS)
    assert all(name.startswith(("Generate", "Get", "List", "Simulate")) for name in reading)


@pytest.mark.parametrize(
    ("command", "option", "expected"),
    [
        ("create-policy", "policy-document", (ONE, "PolicyDocument", True, True)),
        ("create-policy", "tags", (MANY, "Tags", False, True)),
        ("create-policy-version", "set-as-default", (FLAG, "SetAsDefault", False, True)),
        ("create-policy-version", "no-set-as-default", (FLAG, "SetAsDefault", False, True)),
        ("create-open-id-connect-provider", "url", (ONE, "Url", True, False)),
        ("create-saml-provider", "saml-metadata-document", (ONE, "SAMLMetadataDocument", True, True)),
        ("enable-mfa-device", "authentication-code1", (ONE, "AuthenticationCode1", False, True)),
        ("enable-mfa-device", "authentication-code-1", (ONE, "AuthenticationCode1", False, True)),
        ("list-users", "page-size", (ONE, None, False, True)),
        ("create-virtual-mfa-device", "outfile", (ONE, None, True, True)),
    ],
)
def test_options(command, option, expected):
    known = iam().commands[command].options[option]
    assert (known.takes, known.member, known.required, known.loads_files) == expected


def test_all_parameters_are_of_types_that_are_translated():
    service, seen = iam(), set()
    waiting = [operation.input_shape for operation in service.commands.values() if operation.input_shape]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        shape = service.shapes[name]
        assert shape["type"] in TRANSLATED, name
        inner = [shape[part] for part in ("member", "key", "value") if part in shape]
        waiting += [reference["shape"] for reference in [*inner, *shape.get("members", {}).values()]]


def test_the_waiters_poll_with_operations_that_read():
    assert {name: operation.name for name, operation in iam().waiters.items()} == {
        "instance-profile-exists": "GetInstanceProfile",
        "policy-exists": "GetPolicy",
        "role-exists": "GetRole",
        "user-exists": "GetUser",
    }


def test_without_botocore_it_says_what_to_install():
    root = Path(__file__).parents[5]
    program = (
        "import sys; from ansible.plugins.loader import init_plugin_loader as init; init([sys.argv[1]]);"
        "sys.modules['botocore'] = None;"
        "from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError\n"
        "from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.service import iam\n"
        "try: iam()\n"
        "except LeastprivError as error: print(error)"
    )
    command = [sys.executable, "-c", program, str(root / "collections")]
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "pip install boto3" in output.stdout
