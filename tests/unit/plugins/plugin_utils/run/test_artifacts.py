# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.artifacts import write_artifacts


def test_each_file_is_written_whether_or_not_the_others_can_be(tmp_path):
    (tmp_path / "taken").mkdir()
    files = {
        "taken": "cannot be written",
        "plan.json": {"text": None, "problem": "It could not be made."},
        "page": {"text": "half", "problem": "Something is left out."},
        "metrics": "all",
    }
    problems = write_artifacts(tmp_path, files)
    assert problems[1:] == ["plan.json: It could not be made.", "page: Something is left out."]
    assert problems[0].startswith(f"Could not write {tmp_path}/taken: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["metrics", "page", "taken"]
    assert (tmp_path / "page").read_text() == "half"


def test_half_a_character_can_be_written(tmp_path):
    assert write_artifacts(tmp_path, {"a": "x\ud800"}) == []
    assert (tmp_path / "a").read_text() == "x\\ud800"
