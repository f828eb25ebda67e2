# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The forms of a report, by the filter as Ansible loads it."""

from __future__ import annotations

import json

import pytest
from ansible.errors import AnsibleFilterError
from ansible.plugins.loader import filter_loader
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.report import Run, report

EMPTY = report(Run([], "20260101T000000Z-0001", "2026-01-01T00:00:00Z", "2026-01-01T00:00:09Z", check_mode=True))


def render(*args, **options):
    return filter_loader.get("leastpriv.iam.render").j2_function(*args, **options)


@pytest.mark.parametrize("given", [EMPTY, json.dumps(EMPTY)], ids=["data", "text"])
def test_each_form_is_made_of_data_and_of_text(given):
    assert render(given, "html", api_endpoint="api.eu").startswith("<!doctype html>")
    assert render(given, "summary", verbose=True)
    calls = [{"service": "iam", "operation": "GetUser", "calls": 3, "throttled": 0}]
    assert 'operation="GetUser"} 3' in render(given, "metrics", calls=calls)
    assert {"text", "blocks"} <= render(given, "notification", report_file="report.html", report_url="").keys()


def test_another_form_is_named_with_those_that_exist():
    with pytest.raises(AnsibleFilterError, match="pdf is not one of html, summary, metrics, notification"):
        render(EMPTY, "pdf")
