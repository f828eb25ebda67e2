# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes docs/operations.md from the table of operations: `python docs/make_operations.py`."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "operations.md"

if __name__ == "__main__":
    # Ansible reads its settings at import, and its list of collections only once.
    os.environ["ANSIBLE_CONFIG"] = str(ROOT / "ansible.cfg")
    from ansible.plugins.loader import init_plugin_loader

    init_plugin_loader([str(ROOT / "collections")])

from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.rules import cli_name
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import OPERATIONS, REFUSED, STEPS
from ansible_collections.leastpriv.iam.plugins.module_utils.operations.row import Lost

# observer -> when its step is already true
ALREADY_TRUE = {
    "add_client_id": "the provider has the client id",
    "add_member": "the user is in the group",
    "add_role_to_profile": "the profile has the role",
    "attach_policy": "the policy is attached",
    "create_alias": "the account has this alias",
    "create_group": "it exists with the same path",
    "create_openid_connect_provider": "it exists with the same client ids, tags and, if given, thumbprints",
    "create_policy": "it exists with an equal document and, if given, description and tags",
    "create_policy_version": "a version holds an equal document; with `--set-as-default` the default one does",
    "create_profile": "it exists with the same path and tags",
    "create_role": "it exists with the same path, trust policy, description, duration, boundary and tags",
    "create_saml_provider": "it exists with the same metadata and tags",
    "create_service_linked_role": "the service has a role with this suffix",
    "create_user": "it exists with the same path, boundary and tags",
    "delete_alias": "the account has another alias or none",
    "delete_boundary": "there is no boundary",
    "delete_credential": "the user has no such credential",
    "delete_inline_policy": "there is no such inline policy",
    "delete_login_profile": "the user has no login profile",
    "delete_password_policy": "the account has no password policy of its own",
    "delete_policy": "there is no such policy",
    "delete_policy_version": "there is no such version",
    "delete_principal": "there is no such principal",
    "delete_profile": "there is no such profile",
    "delete_provider": "there is no such provider",
    "delete_server_certificate": "there is no such certificate",
    "delete_service_linked_role": "there is no such role",
    "delete_virtual_mfa_device": "there is no such device",
    "detach_policy": "the policy is not attached",
    "put_boundary": "this is the boundary",
    "put_inline_policy": "an inline policy of this name holds an equal document",
    "remove_client_id": "the provider has no such client id",
    "remove_member": "the user is not in the group",
    "remove_role_from_profile": "the profile has another role or none",
    "rename": "it has this name and path",
    "set_default_policy_version": "this is the default version",
    "set_outbound_federation": "it is so already",
    "set_token_version": "this is the version",
    "tag": "the tags have these values",
    "untag": "there are no such tags",
    "update_credential": "it has this status",
    "update_password_policy": "every field is so, those that are not named by their default",
    "update_role": "what is given is so",
    "update_saml_metadata": "this is the metadata",
    "update_thumbprints": "these are the thumbprints",
    "update_trust": "the trust policy is equal",
}

HEAD = """# IAM operations

<!-- Written by docs/make_operations.py from plugins/module_utils/operations/__init__.py. Do not edit. -->

Every operation of IAM that changes something is in one of two tables: it becomes a step, or it is refused and no
setting opens it. Operations that only read are dropped from a script. The guardrails are explained in
[guardrails.md](guardrails.md); those that look at the live account are not listed here. An effect is what the operation
does to access within its guardrails, or if it has to be opened, what it would do. What each step needs to be allowed in
AWS is in [permissions.md](permissions.md).
"""
STEPS_HEAD = """
## Steps

| command | module | effect | already true when | guardrails | undone by |
|---|---|---|---|---|---|
"""
REFUSED_HEAD = """
## Refused

| command | effect | why |
|---|---|---|
"""


def page():
    """The whole page as text."""
    steps = sorted(STEPS, key=lambda row: cli_name(row.name))
    refused = sorted((OPERATIONS[name] for name in REFUSED), key=lambda row: cli_name(row.name))
    return "".join(
        [
            HEAD,
            STEPS_HEAD,
            *map(_step_line, steps),
            REFUSED_HEAD,
            *(f"| `{cli_name(row.name)}` | {row.effect} | {row.refused} |\n" for row in refused),
        ]
    )


def _step_line(row):
    guards = ", ".join(f"`{guard}`" for guard in row.guards) or "-"
    cells = (f"`{cli_name(row.name)}`", f"`{row.module}`", row.effect, ALREADY_TRUE[row.observe], guards, _undo(row))
    return f"| {' | '.join(cells)} |\n"


def _undo(row):
    if isinstance(row.undo, Lost):
        return f"nothing: {row.undo.reason}"
    return " or ".join(f"`{cli_name(name)}`" for name in row.undo)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
