# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process's environment: its user, and variables as compose and systemd files set them (empty means not set)."""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Mapping, MutableMapping

# botocore takes an empty AWS_PROFILE for a profile's name, and Ansible the first variable of an option that is there.
READ_HERE = re.compile(
    r"(AWS|SQS|PRISMACLOUD|REMEDIATE|BOTO)_\w+|API_ENDPOINT|AUTH_KEY|(REQUESTS|CURL)_CA_BUNDLE|SSL_CERT_(FILE|DIR)"
)


def api_endpoint(environment: Mapping[str, str] | None = None) -> str:
    """The address of the vendor's API as the environment names it, or empty."""
    environment = os.environ if environment is None else environment
    return environment.get("API_ENDPOINT") or environment.get("PRISMACLOUD_URL") or ""


def unset_empty_variables(environment: MutableMapping[str, str] | None = None) -> None:
    """Unset every variable that a run reads and that is set to nothing; those of other programs are left alone."""
    environment = os.environ if environment is None else environment
    for name in [name for name, value in environment.items() if not value.strip() and READ_HERE.fullmatch(name)]:
        del environment[name]


def user_name() -> str:
    """The name of the user who runs Ansible, or the number without a name, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return str(os.getuid())
