# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The identities that a run itself depends on: those that assume the accounts' roles, and the queue's.

Restricting one of them stops all further runs, in every account. Sources: GetCallerIdentity in the STS API
Reference; "Configuration and credential file settings" of the AWS CLI.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.leastpriv.iam.plugins.plugin_utils.accounts.role_session import Wanted

# What credential_source means, as botocore names where it looks.
CREDENTIAL_SOURCES = {"Environment": "env", "EcsContainer": "container-role", "Ec2InstanceMetadata": "iam-role"}
CLIENT_CONFIG = {"connect_timeout": 5, "read_timeout": 10, "retries": {"mode": "standard", "max_attempts": 2}}


@dataclass(frozen=True)
class Identity:
    """An identity that a run works with.

    :ivar profile: its profile; empty for AWS's usual chain.
    :ivar role_arn: the role that it assumes for a host of the inventory, if it does.
    :ivar is_base: whether it is one to ask for. An account's own identity is verified in the account; of that one only
        what its profile begins with matters here.
    """

    profile: str = ""
    role_arn: str = ""
    region: str = ""
    endpoint_url: str = ""
    is_base: bool = True


@dataclass(frozen=True)
class Beginning:
    """Where a chain of profiles begins: a profile (None: the usual chain), or the source of its credentials."""

    profile: str | None
    source: str | None = None


def wanted_identities(queue_profile: str, bases: Sequence[Mapping[str, Any]]) -> list[Identity]:
    """The identities that a run depends on, each once.

    :param queue_profile: the profile of the queue; empty for AWS's usual chain.
    :param bases: how each account is reached: `profile`, `role_arn`, `region`, `endpoint_url`. With a `role_arn`,
        `profile` is what assumes it.
    """
    wanted = [Identity(queue_profile)]
    for base in bases:
        fields = {field: str(base.get(field) or "") for field in ("profile", "role_arn", "region", "endpoint_url")}
        wanted.append(Identity(**fields, is_base=bool(fields["role_arn"])))
    return list(dict.fromkeys(wanted))


def learn_identities(wanted: Iterable[Identity]) -> tuple[list[str], list[str]]:
    """Ask STS who the identities are, each beginning once; roles that the AWS configuration names are not asked for.

    :returns: (ARNs, what could not be learnt, as sentences for a person). Never raises.
    """
    try:
        import botocore.session
    except ImportError:
        # Without botocore no run works; other places report that.
        return [], []
    configuration = botocore.session.Session()
    arns: list[str] = []
    problems: list[str] = []
    asked: set[Beginning] = set()
    for identity in wanted:
        try:
            arns.extend(_learn(configuration, identity, asked))
        except Exception as error:
            problems += _problems(identity, error)
    return list(dict.fromkeys(arns)), list(dict.fromkeys(problems))


def _learn(configuration: Any, identity: Identity, asked: set[Beginning]) -> Iterator[str]:
    roles, beginning = _chain(configuration, identity)
    yield from roles
    if beginning and beginning not in asked:
        asked.add(beginning)
        yield _ask(beginning, identity)


def _problems(identity: Identity, error: Exception) -> list[str]:
    from botocore.exceptions import NoCredentialsError, ProfileNotFound

    # Without credentials there is no identity to protect; a missing profile fails where it is used.
    if isinstance(error, (NoCredentialsError, ProfileNotFound)):
        return []
    who = f"of profile {identity.profile}" if identity.profile else "of the default credentials"
    return [
        f"The identity {who}, which this run depends on, could not be learnt and is not protected: "
        f"{type(error).__name__}: {error}. Add it to remediate_protected_principals."
    ]


def _chain(configuration: Any, identity: Identity) -> tuple[list[str], Beginning | None]:
    """The roles that the configuration names for an identity, and what the first of them is assumed with."""
    profiles: Mapping[str, Any] = configuration.full_config.get("profiles", {})
    name: str | None = identity.profile or default_profile(configuration)
    walked: list[str | None] = []
    while (settings := profiles.get(name or "", {})).get("role_arn") and name not in walked:
        walked.append(name)
        if "credential_source" in settings:
            return [profiles[one]["role_arn"] for one in walked], Beginning(None, settings["credential_source"])
        name = settings.get("source_profile")
    if name in walked:
        raise ValueError("its source_profile leads back to itself")
    if walked:
        return [profiles[one]["role_arn"] for one in walked], Beginning(name) if name else None
    # By its name, so the default profile equals the same profile where it is named.
    return [], Beginning(name if identity.profile or name in profiles else None) if identity.is_base else None


def default_profile(configuration: Any) -> str | None:
    """The profile that AWS's usual chain takes; keys in the environment are used before it."""
    if os.environ.get("AWS_ACCESS_KEY_ID"):
        return None
    return configuration.get_config_variable("profile") or "default"


def _ask(beginning: Beginning, identity: Identity) -> str:
    import boto3
    from botocore.config import Config

    session = boto3.session.Session(profile_name=beginning.profile)
    if beginning.source:
        credentials = session._session.get_component("credential_provider").get_provider(
            CREDENTIAL_SOURCES[beginning.source]
        )
        session._session.set_credentials(*credentials.load().get_frozen_credentials())
    region = Wanted(identity.role_arn or "arn:aws", "", region=identity.region or None).region_of(session.region_name)
    sts = session.client("sts", region, endpoint_url=identity.endpoint_url or None, config=Config(**CLIENT_CONFIG))
    return str(sts.get_caller_identity()["Arn"])
