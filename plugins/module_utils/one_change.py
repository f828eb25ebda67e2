# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules that make exactly one IAM call have in common: read, compare, call, report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

with suppress(ImportError):  # AnsibleAWSModule reports it
    from botocore.exceptions import BotoCoreError, ClientError

from .account.iam_account import IamAccount
from .errors import LeastprivError


@dataclass(frozen=True)
class Change:
    """One call to IAM and what it changes.

    :ivar act: what the call does, in words that follow "Failed to ".
    :ivar call: boto3's name of the operation, e.g. `detach_user_policy`.
    :ivar before: the part of the account that it is about, as it is.
    :ivar after: the same as it will be; equal to before when there is nothing to do.
    :ivar parameters: the API parameters of the call.
    :ivar removes: the call takes something away: finding it gone is what was wanted.
    """

    act: str
    call: str
    before: dict[str, Any]
    after: dict[str, Any]
    parameters: dict[str, Any] = field(default_factory=dict)
    removes: bool = False


def make_change(
    module: Any,
    change_of: Callable[[Mapping[str, Any], IamAccount], Change],
    follow_up: Callable[[Any, Any, Any], None] | None = None,
) -> None:
    """Run a module: work out the change, make it unless in check mode, exit with its result.

    :param module: an `AnsibleAWSModule`.
    :param change_of: function of (module parameters, `IamAccount`) that returns the `Change`; it reads only.
    :param follow_up: function of (module, client, answer) that waits for what the call started.
    """
    client = module.client("iam")
    change = _worked_out(module, client, change_of)
    changed, answer = change.before != change.after, None
    if changed and not module.check_mode:
        answer = attempt(module, client, change)
        if follow_up and answer is not None:
            follow_up(module, client, answer)
    module.exit_json(
        changed=changed, **change.after, **_sent(answer), diff={"before": change.before, "after": change.after}
    )


def _sent(answer: Mapping[str, Any] | None) -> dict[str, Any]:
    """What AWS and its support know the call by, as fail_json_aws returns it."""
    request_id = (answer or {}).get("ResponseMetadata", {}).get("RequestId")
    return {"response_metadata": {"request_id": request_id}} if request_id else {}


def _worked_out(module: Any, client: Any, change_of: Callable[[Mapping[str, Any], IamAccount], Change]) -> Any:
    try:
        return change_of(module.params, IamAccount(client))
    except (ClientError, BotoCoreError) as error:
        module.fail_json_aws(error, msg="Could not read the present state, so nothing was changed")
    except LeastprivError as error:
        module.fail_json(msg=f"Could not read the present state, so nothing was changed: {error}")


def attempt(module: Any, client: Any, change: Change) -> Any:
    """Make a change's one call.

    :returns: AWS's answer, or None where what was to be removed has gone meanwhile.
    """
    try:
        return getattr(client, change.call)(**change.parameters)
    except ClientError as error:
        if not (change.removes and error.response["Error"]["Code"] == "NoSuchEntity"):
            module.fail_json_aws(error, msg=f"Failed to {change.act}")
    except BotoCoreError as error:
        module.fail_json_aws(error, msg=f"Failed to {change.act}")
    return None


def given(**parameters: Any) -> dict[str, Any]:
    """The API parameters that have a value."""
    return {name: value for name, value in parameters.items() if value is not None}
