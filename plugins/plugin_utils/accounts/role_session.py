# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The session of a role in an account: assumed once, kept for the run in a file that AWS's SDKs read, renewed in time.

Sources: AssumeRole in the STS API Reference; "Configuration and credential file settings" of the AWS CLI.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from configparser import Error as NoIni
from configparser import RawConfigParser
from dataclasses import astuple, dataclass, field
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import ansible.constants as C
from ansible_collections.leastpriv.iam.plugins.module_utils.api_calls.counter import FILE_NAME, note_aws_calls
from ansible_collections.leastpriv.iam.plugins.module_utils.api_calls.regions import choose_region
from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError
from ansible_collections.leastpriv.iam.plugins.module_utils.iso_time import read_time, utc_text
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.artifacts import write_artifact

ROLE_ARN = re.compile(r"arn:(?P<partition>aws(-[a-z]+)*):iam::(?P<account>[0-9]{12}):role/[\w+=,.@/-]+", re.ASCII)
# The settings of the base profile about the connection to AWS, and not about the identity.
HOW_TO_REACH = ("ca_bundle", "use_dualstack_endpoint", "use_fips_endpoint")
# A session is renewed so long before its end, but not before five sixths of it are over.
MARGIN = timedelta(minutes=10)
LATEST_SHARE = 6


class SessionError(LeastprivError):
    """A role cannot be assumed."""


@dataclass(frozen=True)
class Wanted:
    """A session as it is wanted.

    :ivar name: what CloudTrail shows as who did it (RoleSessionName).
    :ivar profile: the profile of the identity that assumes the role; None is AWS's usual chain.
    """

    role_arn: str
    name: str
    external_id: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    profile: str | None = None
    region: str | None = None
    endpoint_url: str | None = None

    @property
    def file(self) -> Path:
        """Where it is kept: one file for each session that differs in anything."""
        digest = hashlib.sha256(json.dumps(astuple(self), sort_keys=True).encode())
        return sessions_folder() / digest.hexdigest()[:32]

    @property
    def request(self) -> dict[str, Any]:
        """The parameters of AssumeRole. Raises SessionError if it is not the ARN of a role."""
        if not ROLE_ARN.fullmatch(self.role_arn):
            raise SessionError(f"role_arn {self.role_arn!r} is not like arn:aws:iam::123456789012:role/name")
        tags = [{"Key": key, "Value": value} for key, value in self.tags.items()]
        optional = {"ExternalId": self.external_id, "Tags": tags}
        needed = {"RoleArn": self.role_arn, "RoleSessionName": self.name}
        return needed | {name: value for name, value in optional.items() if value}

    def region_of(self, base: str | None) -> str:
        """The region to assume it and to work in, when the base identity's is `base`."""
        return choose_region(self.region, base, self.role_arn.split(":")[1])


def sessions_folder() -> Path:
    """Only its user can read it. Ansible removes it when the run ends; the warm connection too, when it is killed."""
    return Path(C.DEFAULT_LOCAL_TMP, "sessions")


def open_session(wanted: Wanted, now: datetime, warn: Callable[[str], None], aws_config: Mapping[str, Any]) -> Path:
    """Return the credentials file of a session that is valid long enough, with one profile, named by the role's ARN.

    A session that cannot be renewed is returned as it is, with a warning: AWS refuses it once it has expired. Raises
    SessionError.
    """
    renewal = renewal_of(wanted.file)
    if renewal is None or renewal <= now:
        try:
            write_artifact(wanted.file, profile_text(wanted, now, *assume(wanted, aws_config)))
        except SessionError as error:
            if renewal is None:
                raise
            warn(f"The session could not be renewed. {error}")
        except OSError as error:
            raise SessionError(f"Could not keep the session of {wanted.role_arn}: {error}") from None
    return wanted.file


def renewal_of(file: Path) -> datetime | None:
    """When the session in a file is to be renewed; None when there is none."""
    parser = RawConfigParser()
    try:
        parser.read_string(file.read_text(encoding="utf-8"))
        return read_time(parser.get(parser.sections()[0], "renewal"))
    except (OSError, NoIni, IndexError, ValueError):
        return None


def profile_text(wanted: Wanted, now: datetime, credentials: Mapping[str, Any], settings: Mapping[str, str]) -> str:
    """The text of a credentials file, of AssumeRole's `Credentials` and further settings."""
    end = credentials["Expiration"]
    parser = RawConfigParser()
    parser[wanted.role_arn] = {
        "aws_access_key_id": credentials["AccessKeyId"],
        "aws_secret_access_key": credentials["SecretAccessKey"],
        "aws_session_token": credentials["SessionToken"],
        "renewal": utc_text(end - min(MARGIN, (end - now) / LATEST_SHARE)),
        **settings,
    }
    text = StringIO()
    parser.write(text)
    return text.getvalue()


def assume(wanted: Wanted, aws_config: Mapping[str, Any]) -> tuple[Mapping[str, Any], dict[str, str]]:
    """Call AssumeRole as the base identity. Returns its `Credentials` and how AWS is reached. Raises SessionError."""
    # Only now: most often the session is there.
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    request = wanted.request
    note_aws_calls(Path(C.DEFAULT_LOCAL_TMP, FILE_NAME))
    try:
        base = boto3.session.Session(profile_name=wanted.profile)
        region = wanted.region_of(base.region_name)
        sts = base.client("sts", region, endpoint_url=wanted.endpoint_url, config=Config(**aws_config))
        credentials = sts.assume_role(**request)["Credentials"]
        profile = base._session.get_scoped_config()
    except (BotoCoreError, ClientError, ValueError) as error:
        by = f"profile {wanted.profile}" if wanted.profile else "the default credentials"
        why = str(error).removesuffix(".") + _advice(error)
        raise SessionError(f"Could not assume {wanted.role_arn} with {by}: {why}") from None
    return credentials, {"region": region, **{name: profile[name] for name in HOW_TO_REACH if name in profile}}


def _advice(error: Exception) -> str:
    code = getattr(error, "response", {}).get("Error", {}).get("Code", type(error).__name__)
    return {
        "AccessDenied": ". The base identity must be allowed sts:AssumeRole on it, and its trust policy must name the "
        "base identity, and external_id where it asks for one (sts:TagSession too where the host has session_tags).",
        "NoCredentialsError": ". Put the base identity's keys into the environment, or name a profile: AWS_PROFILE, or "
        "aws_profile of the host.",
        "ProfileNotFound": ". aws_profile beside role_arn is the profile that assumes the role.",
    }.get(code, "")


def environment(file: Path) -> dict[str, str]:
    """The variables that make AWS's SDKs read the file and nothing else; no key is among them."""
    return {"AWS_SHARED_CREDENTIALS_FILE": str(file), "AWS_CONFIG_FILE": os.devnull}
