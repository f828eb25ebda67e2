# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of old runs that are removed from a folder and from a bucket, and those that stay."""

from __future__ import annotations

import io
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.journal import append
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.retention import plan_cleanup, summary
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.settings import Keep, SettingError, read_keep
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.stores import Bucket, Folder, StoreError
from botocore.exceptions import ClientError

NOW = datetime(2026, 6, 1, tzinfo=timezone.utc)
REPORTED = ("report.json", "report.html", "metrics.prom")


def run_id(number):
    """Run ids of one hour each, of 1 January 2026; a higher number is newer."""
    return f"20260101T{number:02}0000Z-0000"


def make_run(root, number, *names):
    folder = root / run_id(number)
    folder.mkdir(parents=True)
    for name in names or REPORTED:
        (folder / name).write_text("x")
    return folder


def make_journal(folder, mode="apply", undoes=(), alerts=("I-1",), results=("changed",), key="", finished=True):
    run = {"run_id": folder.name, "mode": mode, "undoes": list(undoes)}
    lines = []
    for alert in alerts:
        named = {"account_id": "1", "alert_id": alert, "message_id": f"m-{alert}", "operation": "CreatePolicy"}
        for index, result in enumerate(results, 1):
            lines.append({**named, "index": index, "event": "intent"})
            lines += [{**named, "index": index, "event": "result", "result": result}] if result else []
    lines += [{"event": "end", "account_id": "1"}] if finished else []
    append(folder / "journal.jsonl", run, lines, key)


def clean(root, keep="1 runs", own=9, now=NOW, key=""):
    store = Folder(str(root))
    cleanup = plan_cleanup(store, read_keep(keep), run_id(own), now, key)
    assert store.remove(cleanup.files) == []
    return cleanup


def tree(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir() or path.is_symlink())


@pytest.mark.parametrize(
    ("text", "keep"),
    [
        ("90d", Keep(age=timedelta(days=90))),
        (" 12H ", Keep(age=timedelta(hours=12))),
        ("30 runs", Keep(runs=30)),
        ("1 run", Keep(runs=1)),
        ("", None),
        (None, None),
    ],
)
def test_days_and_runs_are_read(text, keep):
    assert read_keep(text) == keep


@pytest.mark.parametrize(
    "text", ["90", 90, "0d", "0 runs", "-1 runs", "30 days", "all", "1.5d", "9999999d", "30 runs 90d"]
)
def test_anything_else_is_an_error(text):
    with pytest.raises(SettingError, match="remediate_artifacts_keep must be an age such as 90d or a number"):
        read_keep(text)


def test_the_newest_runs_stay_and_the_run_at_hand_always(tmp_path):
    for number in range(1, 6):
        make_run(tmp_path, number)
    cleanup = clean(tmp_path, "2 runs", own=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == [run_id(number) for number in (1, 4, 5)]
    assert summary(cleanup, "artifacts", False) == ["Retention: removed files of 2 runs from artifacts."]
    assert summary(cleanup, "artifacts", True) == ["Retention: would remove files of 2 runs from artifacts."]


def test_younger_runs_stay(tmp_path):
    for number in range(1, 5):
        make_run(tmp_path, number)
    clean(tmp_path, "2d", now=datetime(2026, 1, 3, 3, tzinfo=timezone.utc))
    assert sorted(path.name for path in tmp_path.iterdir()) == [run_id(3), run_id(4)]


def test_a_run_that_may_still_be_working_stays_for_a_day(tmp_path):
    make_run(tmp_path, 1, ".report.json-abcd1234")
    make_run(tmp_path, 2)
    day = timedelta(days=1)
    clean(tmp_path, now=datetime(2026, 1, 1, 1, tzinfo=timezone.utc) + day)
    assert (tmp_path / run_id(1)).exists()
    clean(tmp_path, now=datetime(2026, 1, 1, 1, 1, tzinfo=timezone.utc) + day)
    assert not (tmp_path / run_id(1)).exists()


def test_only_what_runs_write_is_removed_and_no_link_is_followed(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    root = tmp_path / "artifacts"
    folder = make_run(root, 1, *REPORTED, "plan.json", "notes.txt", ".metrics.prom-a1b2c3d4", "as_code.zip")
    for target in (elsewhere / "report.json", elsewhere / "plan.md", elsewhere / "I-1.tf.json"):
        target.write_text("mine")
    (folder / "plan.md").symlink_to(elsewhere / "plan.md")
    (folder / "as_code").symlink_to(elsewhere)
    (root / run_id(2)).symlink_to(elsewhere)
    (root / "policies").mkdir()
    (root / "policies" / "report.json").write_text("not a run's")
    (make_run(root, 3) / "as_code").mkdir()
    for name in ("I-1.tf.json", ".I-2.cfn.json-a1b2c3d4"):
        (root / run_id(3) / "as_code" / name).write_text("x")
    make_run(root, 4)
    clean(root)
    assert tree(root) == sorted(
        [
            f"{run_id(1)}/as_code",
            f"{run_id(1)}/notes.txt",
            f"{run_id(1)}/plan.md",
            run_id(2),
            *(f"{run_id(4)}/{name}" for name in REPORTED),
            "policies/report.json",
        ]
    )
    assert tree(elsewhere) == ["I-1.tf.json", "plan.md", "report.json"]


def test_a_journal_that_can_still_be_undone_stays_and_is_counted(tmp_path):
    make_journal(make_run(tmp_path, 1))
    make_journal(make_run(tmp_path, 2), results=("unchanged",))
    # Killed in the middle of its step.
    make_journal(make_run(tmp_path, 3, "report.html"), results=(None,), finished=False)
    make_run(tmp_path, 4)
    cleanup = clean(tmp_path)
    assert cleanup.kept == [run_id(3), run_id(1)]
    assert tree(tmp_path) == [
        f"{run_id(1)}/journal.jsonl",
        f"{run_id(3)}/journal.jsonl",
        *(f"{run_id(4)}/{name}" for name in sorted(REPORTED)),
    ]
    assert (
        "kept the journals of 2 runs in artifacts, because their changes can still"
        in summary(cleanup, "artifacts", False)[1]
    )
    again = clean(tmp_path)
    assert (again.files, again.kept) == ({}, cleanup.kept)


def test_a_run_and_its_undo_go_together(tmp_path):
    make_journal(make_run(tmp_path, 1))
    make_journal(make_run(tmp_path, 2), mode="undo", undoes=[run_id(1)])
    make_run(tmp_path, 3)
    assert clean(tmp_path).kept == []
    assert [path.name for path in tmp_path.iterdir()] == [run_id(3)]


def test_a_run_stays_as_long_as_its_undo_which_can_be_undone(tmp_path):
    make_journal(make_run(tmp_path, 1))
    make_journal(make_run(tmp_path, 2), mode="undo", undoes=[run_id(1)])
    assert clean(tmp_path).kept == [run_id(1)]
    make_journal(make_run(tmp_path, 3), mode="undo", undoes=[run_id(2)])
    make_run(tmp_path, 4)
    assert clean(tmp_path).kept == [run_id(3), run_id(2), run_id(1)]


@pytest.mark.parametrize(
    "undo",
    [
        {"alerts": ["I-2"]},
        {"results": ["changed", "failed"]},
        {"results": ["changed", None]},
        {"finished": False},
    ],
    ids=["another alert", "a failed step", "a step without result", "an account that was not finished"],
)
def test_an_undo_that_did_not_revert_everything_keeps_both(tmp_path, undo):
    make_journal(make_run(tmp_path, 1), alerts=["I-1", "I-2"] if "alerts" in undo else ["I-1"])
    make_journal(make_run(tmp_path, 2), mode="undo", undoes=[run_id(1)], **undo)
    make_run(tmp_path, 3)
    assert clean(tmp_path).kept == [run_id(2), run_id(1)]


def test_an_undo_that_was_undone_keeps_all_three(tmp_path):
    make_journal(make_run(tmp_path, 1))
    make_journal(make_run(tmp_path, 2), mode="undo", undoes=[run_id(1)])
    make_journal(make_run(tmp_path, 3), mode="undo", undoes=[run_id(2)])
    make_run(tmp_path, 4)
    assert clean(tmp_path).kept == [run_id(3), run_id(2), run_id(1)]


def test_a_journal_that_cannot_be_trusted_stays_with_the_reason(tmp_path):
    edited = make_run(tmp_path, 1)
    make_journal(edited)
    edited.joinpath("journal.jsonl").write_text(edited.joinpath("journal.jsonl").read_text().replace("I-1", "I-2"))
    make_journal(make_run(tmp_path, 2), key="another")
    moved = make_run(tmp_path, 3)
    moved.joinpath("journal.jsonl").write_bytes((tmp_path / run_id(2) / "journal.jsonl").read_bytes())
    empty = make_run(tmp_path, 4, *REPORTED, "journal.jsonl")
    empty.joinpath("journal.jsonl").write_text("torn")
    make_run(tmp_path, 5)
    cleanup = clean(tmp_path, key="another")
    assert tree(tmp_path)[:3] == [f"{run_id(number)}/journal.jsonl" for number in (1, 2, 3)]
    assert set(cleanup.unread) == {run_id(1), run_id(3)}
    lines = summary(cleanup, "artifacts", False)
    assert any(
        f"kept the journal of {run_id(3)}: The journal of {run_id(3)} belongs to another run" in line for line in lines
    )
    assert any("Line 1 of the journal" in line or "was edited" in line for line in lines)


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path):
    with pytest.raises(StoreError, match=r"Could not list the runs in .*: No such file or directory"):
        clean(tmp_path / "none")


class S3:
    """The three calls of S3 that a bucket makes."""

    def __init__(self, objects, locked=()):
        self.objects, self.locked = objects, locked

    def get_paginator(self, name):
        assert name == "list_objects_v2"
        return self

    def paginate(self, Bucket, Prefix):
        keys = [key for key in sorted(self.objects) if key.startswith(Prefix)]
        return [{"Contents": [{"Key": key} for key in keys[:2]]}, {"Contents": [{"Key": key} for key in keys[2:]]}, {}]

    def get_object(self, Bucket, Key):
        return {"Body": io.BytesIO(self.objects[Key])}

    def delete_objects(self, Bucket, Delete):
        if "*" in self.locked:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "DeleteObjects")
        keys = [one["Key"] for one in Delete["Objects"]]
        for key in set(keys) - set(self.locked):
            del self.objects[key]
        return {"Errors": [{"Key": key, "Code": "AccessDenied", "Message": "no"} for key in keys if key in self.locked]}


@pytest.fixture
def objects(tmp_path):
    """Two expired runs in a bucket, the older with a change, beside a newer one and other objects."""
    make_journal(make_run(tmp_path, 1))
    journal = (tmp_path / run_id(1) / "journal.jsonl").read_bytes()
    names = [f"runs/{run_id(number)}/{name}" for number in (1, 2, 3) for name in ("report.json", "plan.json")]
    others = [
        "runs/notes.txt",
        f"runs/{run_id(1)}/notes.txt",
        f"other/{run_id(1)}/report.json",
        f"{run_id(1)}/report.json",
    ]
    return {**dict.fromkeys([*names, *others], b"x"), f"runs/{run_id(1)}/journal.jsonl": journal}


def test_a_bucket_is_cleaned_by_the_same_rules(objects):
    before = set(objects)
    store = Bucket("s3://logs/runs/", lambda: S3(objects))
    cleanup = plan_cleanup(store, Keep(runs=1), run_id(9), NOW)
    assert cleanup.kept == [run_id(1)]
    assert store.remove(cleanup.files) == []
    removed = {f"runs/{run_id(number)}/{name}" for number in (1, 2) for name in ("report.json", "plan.json")}
    assert before - set(objects) == removed


def test_what_a_bucket_does_not_let_go_is_named_once(objects):
    store = Bucket(
        "s3://logs/runs",
        lambda: S3(objects, locked=[f"runs/{run_id(2)}/{name}" for name in ("report.json", "plan.json")]),
    )
    cleanup = plan_cleanup(store, Keep(runs=1), run_id(9), NOW)
    assert store.remove(cleanup.files) == ["Could not remove from s3://logs/runs: AccessDenied: no"]
    store.client.locked = "*"
    (problem,) = store.remove(cleanup.files)
    assert problem.startswith("Could not remove from s3://logs/runs: An error occurred (AccessDenied)")
