# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The floor: the fewest calls that remediate a queue of alerts, made by plain boto3 in threads: `floor.py ACCOUNTS`.

No guard, no check, no report: what is left when everything is taken away that a person wants to have. A thread for each
account, since IAM throttles per account. ACCOUNTS is a JSON file, {account id: AWS profile}.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import Any

import boto3
import requests

BATCH = 10
SCRIPTS = 50


def main() -> None:
    profiles = json.loads(Path(sys.argv[1]).read_text())
    sqs = boto3.client("sqs")
    queue = sqs.get_queue_url(QueueName=os.environ["SQS_QUEUE_NAME"])["QueueUrl"]
    messages = list(receive_all(sqs, queue))
    alerts = sorted((json.loads(message["Body"]) for message in messages), key=account_of)
    scripts = fetch_scripts([alert["alertId"] for alert in alerts])
    with ThreadPoolExecutor(max_workers=len(profiles)) as threads:
        for account, mine in groupby(alerts, key=account_of):
            # A client is made here and not in its thread: making one is not safe beside others.
            iam = boto3.Session(profile_name=profiles[account]).client("iam")
            threads.submit(apply_all, iam, [scripts[alert["alertId"]] for alert in mine])
    delete_all(sqs, queue, messages)


def account_of(alert: dict[str, Any]) -> str:
    return alert["account"]["id"]


def receive_all(sqs: Any, queue: str) -> Iterator[dict[str, Any]]:
    asked = {"QueueUrl": queue, "MaxNumberOfMessages": BATCH, "VisibilityTimeout": 900}
    while messages := sqs.receive_message(**asked).get("Messages"):
        yield from messages


def fetch_scripts(alert_ids: list[str]) -> dict[str, str]:
    scripts: dict[str, str] = {}
    for start in range(0, len(alert_ids), SCRIPTS):
        answer = requests.post(
            f"{os.environ['API_ENDPOINT']}/api/v1/permission/alert/remediation",
            headers={"x-redlock-auth": os.environ["AUTH_KEY"]},
            json={"alerts": alert_ids[start : start + SCRIPTS]},
            timeout=60,
        )
        answer.raise_for_status()
        scripts |= answer.json()["alertIdVsCliScript"]
    return scripts


def apply_all(iam: Any, scripts: list[str]) -> None:
    """Each script is the vendor's pair: create-policy, then attach-user-policy."""
    for script in scripts:
        words = shlex.split(script)
        given = {name: words[place + 1] for place, name in enumerate(words) if name.startswith("--")}
        iam.create_policy(PolicyName=given["--policy-name"], PolicyDocument=given["--policy-document"])
        iam.attach_user_policy(UserName=given["--user-name"], PolicyArn=given["--policy-arn"])


def delete_all(sqs: Any, queue: str, messages: list[dict[str, Any]]) -> None:
    for start in range(0, len(messages), BATCH):
        entries = [
            {"Id": str(place), "ReceiptHandle": message["ReceiptHandle"]}
            for place, message in enumerate(messages[start : start + BATCH])
        ]
        sqs.delete_message_batch(QueueUrl=queue, Entries=entries)


if __name__ == "__main__":
    main()
