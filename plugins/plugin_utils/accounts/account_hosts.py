# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of an inventory that are accounts: their names, groups and connection.

Names of accounts, organizational units and tags are set by others: they become names by Ansible's own
function, and nothing else.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from ansible.inventory.group import to_safe_group_name

GROUP = "aws_accounts"
# What means something else to Ansible than one host.
RESERVED = (GROUP, "all", "localhost", "ungrouped")


def add_accounts_group(inventory: Any) -> None:
    """Add the group of all accounts. An account is not a machine to log in to: its modules run here."""
    inventory.add_group(GROUP)
    inventory.set_variable(GROUP, "ansible_connection", "leastpriv.iam.warm")


def safe_name(name: str) -> str:
    """A name with everything replaced by `_` that means something in a host pattern or a variable's name."""
    return to_safe_group_name(name, force=True, silent=True)


def distinct_names(wanted: Sequence[tuple[str, str]], taken: Iterable[str] = RESERVED) -> list[str]:
    """Safe names for (name, id), in order; those that would not be the only ones of that name end with the id.

    A host that took another's name would take its place, and its alerts. Two names of one id end with a digest, too.
    """
    short = [safe_name(name) for name, _id in wanted]
    long = [safe_name(f"{name}_{suffix}") for name, suffix in wanted]
    longest = [f"{longer}_{_digest(name)}" for longer, (name, _id) in zip(long, wanted, strict=True)]
    uses = Counter([*short, *long, *taken])
    choices = zip(short, long, longest, strict=True)
    return [next((name for name in names[:2] if uses[name] == 1), names[2]) for names in choices]


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]


def is_chosen(known_as: Iterable[str], include: Sequence[str], exclude: Sequence[str]) -> bool:
    """Whether one of the names is like one of `include` (empty: all), and none like one of `exclude`."""
    names = tuple(known_as)
    return (not include or _matches(names, include)) and not _matches(names, exclude)


def _matches(names: Iterable[str], patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)
