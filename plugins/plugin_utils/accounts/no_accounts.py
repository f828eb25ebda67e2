# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a run would work in no account, as one sentence. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.leastpriv.iam.plugins.plugin_utils.accounts.account_hosts import GROUP


@dataclass(frozen=True)
class Surroundings:
    """How a run of Ansible was started.

    :ivar limit: the value of ``--limit``, empty where the inventory has no accounts anyway.
    :ivar chosen_config: the value of ANSIBLE_CONFIG.
    :ivar is_writable_by_all: whether the folder has an ansible.cfg that Ansible ignores, since anybody may write there.
    """

    inventories: tuple[str, ...] = ()
    limit: str = ""
    config_file: str = ""
    chosen_config: str = ""
    folder: str = ""
    is_writable_by_all: bool = False
    has_hosts: bool = False


def why_no_accounts(around: Surroundings) -> str:
    """The likely cause first, then what to do."""
    if around.limit:
        return f"Nothing was done: --limit {around.limit} matches no host of the group {GROUP}."
    where = f"the inventory ({', '.join(around.inventories) or 'none was given'})"
    what = f"has hosts, but none in the group {GROUP}" if around.has_hosts else f"has no host in the group {GROUP}"
    return f"Nothing was done: {where} {what}. {_likely_cause(around)}"


def _likely_cause(around: Surroundings) -> str:
    if around.is_writable_by_all and not around.chosen_config:
        return (
            f"Ansible ignores {around.folder}/ansible.cfg because everyone may write to that folder: "
            "run chmod o-w on it, or pass the inventory with -i."
        )
    if around.chosen_config:
        return f"ANSIBLE_CONFIG is {around.chosen_config}: unset it, or pass the inventory with -i."
    if not around.config_file:
        return f"{around.folder} has no ansible.cfg: run from the project's folder, or pass the inventory with -i."
    return (
        f"Add one host per account as in inventory/accounts.yml, or pass another inventory with -i "
        f"(Ansible's settings are those of {around.config_file})."
    )
