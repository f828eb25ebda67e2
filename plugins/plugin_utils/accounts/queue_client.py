# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The alerts' queue and the bucket of the artifacts, opened on the controller with the settings of a run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.api_calls.regions import region_of_profile
from ansible_collections.leastpriv.iam.plugins.module_utils.queue.sqs import (
    CLIENT_CONFIG,
    CONNECTION_OPTIONS,
    QUEUE_ARGUMENTS,
    Queue,
    open_queue,
    resolve_other,
)


def open_queue_of(given: Mapping[str, Any]) -> Queue:
    """Open the queue as `leastpriv.iam.acknowledge` does, which takes missing options from the environment."""
    settings = _with_environment(given)
    return open_queue(_connect, settings["queue_name"], [settings[option] for option in CONNECTION_OPTIONS])


def check_queues(given: Mapping[str, Any]) -> None:
    """Make sure that the queue, and the quarantine queue where there is one, can be used. Raises QueueError."""
    queue = open_queue_of(given)
    if given.get("quarantine_queue"):
        settings = _with_environment(given)
        resolve_other(given["quarantine_queue"], queue, _connect, [settings[option] for option in CONNECTION_OPTIONS])


def s3_client(profile: str) -> Any:
    """A client of S3 with the identity of the queue.

    :param profile: `remediate_queue_profile`; empty for AWS's usual chain.
    """
    return _connect("s3", profile or None, region_of_profile(profile), None, CLIENT_CONFIG)


def _with_environment(given: Mapping[str, Any]) -> dict[str, Any]:
    return {option: given.get(option) or _fallback(**spec) for option, spec in QUEUE_ARGUMENTS.items()}


def _fallback(fallback: Any = (None, ()), **ignored: Any) -> str | None:
    return next(filter(None, map(os.environ.get, fallback[1])), None)


def _connect(service: str, profile_name: Any, region: Any, endpoint: Any, aws_config: Any, **ignored: Any) -> Any:
    # Only now: a run that is not interrupted does not need the SDK in its controller.
    import boto3
    from botocore.config import Config

    session = boto3.session.Session(profile_name=profile_name, region_name=region)
    return session.client(service, endpoint_url=endpoint, config=Config(**aws_config))
