# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the vendor's documentation tells to paste, rebuilt in our own words: `documented_script.py ACCOUNTS`.

It reads the whole queue first, then works on one alert after the other: one request for the CLI script, one shell that
runs it with the AWS CLI, one request that deletes the message. ACCOUNTS is a JSON file, {account id: AWS profile}; all
else is in the variables that the vendor documents. Two things differ, and cost no time: requests have a time-out, and
a failing alert ends the run instead of being printed and passed over.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import requests


def main() -> None:
    profiles = json.loads(Path(sys.argv[1]).read_text())
    queue = (
        boto3.Session(profile_name=os.environ["AWS_PROFILE"])
        .resource("sqs")
        .get_queue_by_name(QueueName=os.environ["SQS_QUEUE_NAME"])
    )
    for message in list(receive_all(queue)):
        alert = json.loads(message.body)
        run_in_shell(fetch_script(alert["alertId"]), profiles[alert["account"]["id"]])
        message.delete()


def receive_all(queue: Any) -> Iterator[Any]:
    """Every message, until the queue answers for the first time with none."""
    while messages := queue.receive_messages(MaxNumberOfMessages=10):
        yield from messages


def fetch_script(alert_id: str) -> str:
    """The CLI script of one alert, from the vendor's API."""
    answer = requests.post(
        f"{os.environ['API_ENDPOINT']}/api/v1/permission/alert/remediation",
        headers={"x-redlock-auth": os.environ["AUTH_KEY"]},
        json={"alerts": [alert_id]},
        timeout=60,
    )
    answer.raise_for_status()
    return answer.json()["alertIdVsCliScript"][alert_id]


def run_in_shell(script: str, profile: str) -> None:
    # A remote text in a shell is what is measured here; Leastpriv never does it.
    subprocess.run(script, shell=True, check=True, env={**os.environ, "AWS_PROFILE": profile})


if __name__ == "__main__":
    main()
