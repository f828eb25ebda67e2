# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest
from ansible.errors import AnsibleLookupError
from ansible.plugins.loader import lookup_loader
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.plan import make_plan

RUN_ID = "20260101T000000Z-0001"


def looked_up(named, artifacts_dir="nowhere", **options):
    return lookup_loader.get("leastpriv.iam.plan").run([named], {}, artifacts_dir=str(artifacts_dir), **options)


@pytest.fixture
def plan():
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return make_plan([], RUN_ID, now, timedelta(hours=1), {"user": "me"}, "ours")


def test_a_plan_is_read_by_run_id_by_path_and_from_a_variable(tmp_path, plan):
    file = tmp_path / RUN_ID / "plan.json"
    file.parent.mkdir()
    file.write_text(json.dumps(plan))
    assert looked_up(RUN_ID, tmp_path) == looked_up(str(file)) == looked_up(plan) == [plan]


@pytest.mark.parametrize("nothing", ["", None, {}])
def test_nothing_is_no_plan(nothing):
    assert looked_up(nothing) == [{}]


def test_the_key_comes_from_the_environment(plan, monkeypatch):
    monkeypatch.setenv("REMEDIATE_PLAN_KEY", "theirs")
    with pytest.raises(AnsibleLookupError, match="given as a variable cannot be applied; nothing was received"):
        looked_up(plan)
    monkeypatch.setenv("REMEDIATE_PLAN_KEY", "ours")
    assert looked_up(plan) == [plan]


@pytest.mark.parametrize("named", ["../plan.json", RUN_ID, "nowhere/plan.json", "."])
def test_what_is_not_there_is_named(named, tmp_path):
    with pytest.raises(AnsibleLookupError, match=r"The plan .* cannot be applied; nothing was received\. .*plan"):
        looked_up(named, tmp_path)
