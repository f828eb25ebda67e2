# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong around a run: one row for each fault, for test_faults.py and for docs/reliability.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# One alert, in account `payments`, meets the fault; the other, in `sandbox`, shows that others are not affected.
DISTURBED, BYSTANDER = "I-1", "I-2"

RIDDEN_OUT = "nothing: the call is retried"
# In the place of a disposition: the run ends before it receives.
NOT_RECEIVED = "not received"


@dataclass(frozen=True)
class Fault:
    """`aws` and `api` are what Stack.fault and Stack.api_fault are given, `account` by its name.

    `disposition` is that of the disturbed alert and `reason` a part of its reason; `everywhere`: the fault meets the
    other alert too. `advice` is for the page, `limit` the most seconds that it may cost a run. `is_repeat`: the unit
    tests of the API's client show the same, and a neighbour shows what a run does then; of a login that is refused,
    tests/fixtures/estates/refused.yml.
    """

    name: str
    disposition: str
    advice: str
    aws: tuple[dict[str, Any], ...] = ()
    api: tuple[dict[str, Any], ...] = ()
    reason: str = ""
    everywhere: bool = False
    limit: float = 30.0
    is_repeat: bool = False

    @property
    def is_of_one_account(self) -> bool:
        """Whether it leaves other accounts alone, so that a run can meet several of these."""
        return bool(self.aws) and all("account" in one for one in self.aws)

    @property
    def is_ridden_out_by_all(self) -> bool:
        """Whether it costs no alert and disturbs only a few calls of the queue or the API: it may meet the same run."""
        return self.disposition == "remediated" and not self.is_of_one_account and not self.is_repeat

    @property
    def is_of_everybody(self) -> bool:
        """Whether it meets every alert of a run, so that no other fault can be seen in it."""
        return self.everywhere and not self.is_repeat


def _in_payments(**fault: Any) -> tuple[dict[str, Any], ...]:
    return ({"service": "iam", "account": "payments", **fault},)


AWS_FAULTS = (
    Fault(
        "IAM throttles 30 % of all calls",
        "remediated",
        RIDDEN_OUT,
        aws=_in_payments(code="Throttling", message="Rate exceeded", share=0.3),
        limit=90.0,
    ),
    Fault(
        "IAM answers three calls with a server error (500)",
        "remediated",
        RIDDEN_OUT,
        aws=_in_payments(code="ServiceFailure", status=500, count=3),
    ),
    Fault(
        "IAM closes the connection of three calls without an answer",
        "remediated",
        RIDDEN_OUT,
        aws=_in_payments(drop=True, count=3),
    ),
    Fault(
        "IAM does not answer a call in time",
        "remediated",
        RIDDEN_OUT,
        aws=_in_payments(action="AttachUserPolicy", seconds=20),
        limit=60.0,
    ),
    Fault(
        "Somebody else changes the same thing (ConcurrentModification)",
        "remediated",
        RIDDEN_OUT,
        aws=_in_payments(action="AttachUserPolicy", code="ConcurrentModification", status=409),
    ),
    Fault(
        "Somebody else keeps changing the same thing (ConcurrentModification)",
        "failed",
        "run again, as AWS advises after a few minutes",
        aws=_in_payments(action="AttachUserPolicy", code="ConcurrentModification", status=409, count=1000),
        reason="ConcurrentModification",
    ),
    Fault(
        "create-policy works, but its answer is lost (500)",
        "remediated",
        RIDDEN_OUT,
        aws=_in_payments(action="CreatePolicy", applied=True, code="ServiceFailure", status=500),
    ),
    Fault(
        "A new policy is not seen everywhere yet (NoSuchEntity for AttachUserPolicy)",
        "remediated",
        RIDDEN_OUT,
        aws=_in_payments(action="AttachUserPolicy", code="NoSuchEntity", status=404),
    ),
    Fault(
        "The account's credentials expire during the run (ExpiredToken)",
        "failed",
        "renew them (aws sso login, a longer session of the role), then run again",
        aws=_in_payments(code="ExpiredToken", status=403, after="CreatePolicy", count=1000),
        reason="ExpiredToken",
    ),
    Fault(
        "STS does not let the account's role be assumed (AccessDenied)",
        "failed",
        "let the profile's identity assume the role, then run again",
        aws=({"service": "sts", "account": "payments", "code": "AccessDenied", "status": 403, "count": 1000},),
        reason="AccessDenied",
    ),
    Fault(
        "SQS answers two receives with a server error (500)",
        "remediated",
        RIDDEN_OUT,
        aws=({"action": "ReceiveMessage", "code": "InternalFailure", "status": 500, "count": 2},),
    ),
    Fault(
        "SQS closes the connection of a deletion without an answer",
        "remediated",
        RIDDEN_OUT,
        aws=({"action": "DeleteMessageBatch", "drop": True, "applied": True},),
    ),
)

API_FAULTS = (
    Fault(
        "The vendor's API limits the rate (429 with Retry-After)",
        "remediated",
        "nothing: it waits for the requested time, up to a minute",
        api=({"endpoint": "remediation", "status": 429, "headers": {"Retry-After": "1"}, "count": 2},),
    ),
    Fault(
        "The vendor's API is briefly unavailable (503 with Retry-After)",
        "remediated",
        "nothing: it waits for the requested time, up to a minute",
        api=({"endpoint": "remediation", "status": 503, "headers": {"Retry-After": "1"}, "count": 2},),
        is_repeat=True,
    ),
    Fault(
        "The vendor's API closes the connection without an answer",
        "remediated",
        RIDDEN_OUT,
        api=({"endpoint": "remediation", "drop": True},),
        is_repeat=True,
    ),
    Fault(
        "The token expires during the run (401)",
        "remediated",
        "nothing: it logs in again",
        api=({"endpoint": "remediation", "status": 401},),
    ),
    Fault(
        "The vendor's API does not take the access key (401 for the login)",
        NOT_RECEIVED,
        "correct PRISMACLOUD_USERNAME and PRISMACLOUD_PASSWORD, then run again",
        api=({"endpoint": "login", "status": 401, "count": 10},),
        reason="PRISMACLOUD_USERNAME",
        everywhere=True,
        is_repeat=True,
    ),
    Fault(
        "The vendor's API answers with something that is not JSON",
        "unavailable",
        "find out what answers instead (a proxy's login page?), then run again",
        api=({"endpoint": "remediation", "status": 200, "body": "<html>please log in</html>", "count": 10},),
        reason="JSON",
        everywhere=True,
        is_repeat=True,
    ),
    Fault(
        "The vendor's API redirects to another host",
        "unavailable",
        "correct API_ENDPOINT, then run again; the other host did not get the token",
        api=(
            {
                "endpoint": "remediation",
                "status": 302,
                "headers": {"Location": "https://elsewhere.example/steal"},
                "count": 10,
            },
        ),
        reason="elsewhere.example",
        everywhere=True,
    ),
)


@dataclass(frozen=True)
class Certificate:
    """What is wrong with the certificate of what answers in the place of the vendor's API."""

    name: str
    hosts: tuple[str, ...]
    days_left: int
    is_trusted: bool
    advice: str


_HERE = ("localhost", "127.0.0.1")
CERTIFICATES = (
    Certificate(
        "is signed by a CA that this machine does not trust",
        _HERE,
        1,
        False,
        "set REQUESTS_CA_BUNDLE to your proxy's CA file if it inspects TLS; else somebody intercepts the connection",
    ),
    Certificate(
        "is for another host",
        ("api.example",),
        1,
        True,
        "correct API_ENDPOINT; if it is correct, somebody intercepts the connection",
    ),
    Certificate("has expired", _HERE, -1, True, "wait until the API's owner has renewed it"),
)
