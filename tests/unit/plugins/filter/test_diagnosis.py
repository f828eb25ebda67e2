# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the doctor says of the guardrails: accounts without protected principals, and an example to paste."""

from __future__ import annotations

import json

import yaml
from ansible import constants
from ansible.plugins.loader import filter_loader

ENTRY = {"arn": "arn:aws:iam::*:user/x", "owner": "sre", "reason": "emergency access"}


def diagnosis(*settings, account_ids=("123456789012",)):
    made = filter_loader.get("leastpriv.iam.diagnosis").j2_function({}, settings, account_ids, "aws-cn")
    assert made["missing"] == 0
    return made["findings"], made["text"]


def test_the_doctor_says_where_nobody_is_protected_with_what_to_paste():
    (found,), text = diagnosis({"account": "payments", "protected": []}, {"account": "sandbox", "protected": [ENTRY]})
    assert found["status"] == "advice"
    assert "No principals are protected in payments." in " ".join(text.split())
    block = "\n".join(line[4:] for line in text.split("\n") if line.startswith("    "))
    (first, *_others) = yaml.safe_load(block)["remediate_protected_principals"]
    assert first["arn"] == "arn:aws-cn:iam::123456789012:user/break-glass-*"


def test_many_accounts_are_not_all_named():
    settings = [{"account": f"account-{number}", "protected": []} for number in range(7)]
    assert "account-4 and 2 more. A script" in " ".join(diagnosis(*settings)[1].split())


def test_where_somebody_is_protected_everywhere_nothing_is_advised():
    (found,), text = diagnosis({"account": "payments", "protected": [ENTRY]})
    assert found["status"] == "ok"
    assert "\nok  guardrails\n" in text
    assert diagnosis()[0] == []


def test_what_the_warm_connection_leaves_alone_in_botocore_is_advice(monkeypatch, tmp_path):
    lines = ["botocore 9 was not tried with this release.", "botocore.a.b is not replaced."]
    (tmp_path / "warm-1.patches").write_text(json.dumps({"untried": lines[:1], "misfits": lines[1:]}))
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    found, text = diagnosis()
    assert [(one["subject"], one["status"], one["found"]) for one in found] == [
        ("warm connection", "advice", line) for line in lines
    ]
    assert all(line in text for line in lines)
