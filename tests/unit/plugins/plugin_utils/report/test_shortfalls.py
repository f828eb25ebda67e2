# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.shortfalls import missing, unsent


def test_nothing_is_missing_where_all_went_well():
    copied = {"results": [{"url": "https://…", "msg": "PUT operation complete"}]}
    assert missing([{"problems": []}, {"problems": []}, {}, {"skipped": True}], copied) == []


def test_what_could_not_be_written_or_made_is_said():
    written = [{"problems": ["Could not write a."]}, {"msg": "the task broke", "failed": False}]
    assert missing(written) == ["Could not write a.", "the task broke"]


def test_a_failed_copy_is_said_once():
    copied = {"results": [{"url": "u"}, {"msg": "no such bucket"}, {"msg": "no such bucket"}]}
    assert missing([], copied) == ["Not copied to remediate_artifacts_s3: no such bucket"]


@pytest.mark.parametrize(
    ("result", "says"),
    [
        ({}, []),
        ({"skipped": True}, []),
        ({"delivered": True, "status": 204, "problem": ""}, []),
        ({"delivered": False, "problem": "answered with status 500"}, ["the webhook answered with status 500"]),
        ({"failed": True, "msg": "the template broke"}, ["the webhook was not asked"]),
    ],
)
def test_whom_the_run_could_not_tell_is_said(result, says):
    shown = unsent({"notification": result})
    assert len(shown) == len(says)
    for text in says:
        assert text in shown[0]
        assert shown[0].endswith("Check remediate_webhook_url. The run's result is not affected.")
