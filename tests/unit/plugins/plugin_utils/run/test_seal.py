# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.seal import (
    SealError,
    check_report,
    is_signature,
    keyed_digest,
    read_key,
    sign_report,
)

REPORT = {"run_id": "r", "alerts": [{"alert_id": "I-1", "reason": "ünread \ud800", "steps": ()}], "plan": None}


def test_what_is_signed_is_found_to_be_so_after_a_file(tmp_path):
    signed = sign_report(REPORT, "key")
    assert set(signed) == {*REPORT, "signature"}
    check_report(json.loads(json.dumps(signed)), "key")


def test_without_a_key_there_is_no_signature_and_none_is_asked_for():
    assert sign_report(REPORT, "") == REPORT
    check_report(REPORT, "")
    check_report(sign_report(REPORT, "key"), "")


@pytest.mark.parametrize("signature", [None, 1, [], "", "é", "0" * 64])
def test_what_is_not_the_signature_is_refused(signature):
    with pytest.raises(SealError, match="is not signed with the key in REMEDIATE_PLAN_KEY"):
        check_report({**REPORT, "signature": signature}, "key")


@pytest.mark.parametrize("other", [[], "", None])
def test_what_is_not_a_report_is_refused(other):
    with pytest.raises(SealError, match="it is not a report"):
        check_report(other, "")


def test_an_empty_key_is_none_and_any_bytes_may_be_one(monkeypatch):
    monkeypatch.delenv("REMEDIATE_PLAN_KEY", raising=False)
    assert read_key() == ""
    monkeypatch.setenv("REMEDIATE_PLAN_KEY", "")
    assert read_key() == ""
    key = b"\xff\xfe".decode(errors="surrogateescape")
    monkeypatch.setenv("REMEDIATE_PLAN_KEY", key)
    assert is_signature(keyed_digest("text", read_key()), "text", key)
    assert not is_signature(keyed_digest("text", read_key()), "text", "other")
