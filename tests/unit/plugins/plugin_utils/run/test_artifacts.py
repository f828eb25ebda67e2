# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from zipfile import ZipFile

from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.artifacts import write_archive, write_artifacts


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


def test_an_archive_has_the_files_that_were_made(tmp_path):
    made = {"code/I-1.json": {"text": "{}\n", "problem": None}, "code": {"text": None, "problem": "It could not."}}
    assert write_archive(tmp_path / "code.zip", made) == []
    with ZipFile(tmp_path / "code.zip") as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {"code/I-1.json": b"{}\n"}
    assert (tmp_path / "code.zip").stat().st_mode & 0o777 == 0o600
    (tmp_path / "taken").mkdir()
    (problem,) = write_archive(tmp_path / "taken", made)
    assert problem.startswith(f"Could not write {tmp_path}/taken: ")
