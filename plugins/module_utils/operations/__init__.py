# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations of IAM: what each becomes, what guards it, how it is observed and undone. One file per noun.

Private to the collection. A file has the rows of its noun, and beside them the functions that they name. All nouns
share row, targets, principals, undo and digests. To add an operation, print its row with `make operation NAME=...`: see
CONTRIBUTING.md. Imports account, guardrails and policies.
"""

from __future__ import annotations

from . import (
    account,
    credentials,
    groups,
    identity_providers,
    inline_policies,
    instance_profiles,
    managed_policies,
    mfa,
    permissions_boundaries,
    policy_versions,
    refused,
    roles,
    tags,
    users,
)
from .row import Operation, State

_FILES = (
    account, credentials, groups, identity_providers, inline_policies, instance_profiles, managed_policies, mfa,
    permissions_boundaries, policy_versions, refused, roles, tags, users,
)  # fmt: skip
_ROWS: list[Operation] = sorted((row for file in _FILES for row in file.ROWS), key=lambda row: row.name)

OPERATIONS = {row.name: row for row in _ROWS}
STEPS = tuple(row for row in _ROWS if not row.refused)
REFUSED = tuple(row for row in _ROWS if row.refused)
# By the names that plans, journals and declarations have for them.
STATES = {state.name: state for row in STEPS for state in row.read_again}


def state_named(name: str) -> State:
    """The state that a plan, a journal or a declaration names.

    :raises KeyError: no state has this name.
    """
    return STATES.get(name) or managed_policies.replaced_state(name)
