# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CloudTrail's LookupEvents, which moto does not have, made of the log of changes.

https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any


def lookup_events(call: dict[str, Any], history: list[dict[str, Any]]) -> dict[str, Any]:
    """The events of the caller's account with the wanted name, the newest first."""
    wanted = call["parameters"]
    (attribute,) = wanted["LookupAttributes"]
    assert attribute["AttributeKey"] == "EventName", "the only one that is asked for"
    found = [
        change
        for change in history
        if change["account"] == call["account"]
        and change["action"] == attribute["AttributeValue"]
        and change["time"] >= wanted["StartTime"]
    ]
    return {"Events": [_event(change) for change in reversed(found)][: wanted["MaxResults"]]}


def _event(change: dict[str, Any]) -> dict[str, Any]:
    who = f"assumed-role/{change['role']}/session" if change["role"] else "root"
    service = "sts" if change["role"] else "iam"
    event = {
        "eventSource": "iam.amazonaws.com",
        "eventName": change["action"],
        "eventTime": datetime.fromtimestamp(change["time"] + 1, timezone.utc)
        .isoformat(timespec="seconds")
        .replace("+00:00", "Z"),
        "userIdentity": {"arn": f"arn:aws:{service}::{change['account']}:{who}"},
        "requestParameters": {name[0].lower() + name[1:]: value for name, value in change["parameters"].items()},
    }
    if change["status"] != 200:
        event["errorCode"] = "AccessDenied"
    return {"EventName": change["action"], "EventTime": change["time"], "CloudTrailEvent": json.dumps(event)}
