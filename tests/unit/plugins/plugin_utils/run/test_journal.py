# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run import journal as journals
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.journal import (
    JournalError,
    append,
    intents,
    read_journal,
    results,
)

RUN = {"run_id": "20260101T000000Z-3f2a", "started": "2026-01-01T00:00:00Z", "mode": "apply"}
STEP = {"alert_id": "I-1", "message_id": "m-1", "index": 1, "operation": "DetachUserPolicy", "label": "not written"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "journal.jsonl"


def test_what_is_written_is_read(path):
    append(path, RUN, intents([STEP]))
    append(path, RUN, results([{"step": STEP, "changed": True}]))
    journal = read_journal(path)
    assert {name: journal.run[name] for name in RUN} == RUN
    assert [(one["event"], one["index"], one.get("result")) for one in journal.entries] == [
        ("intent", 1, None),
        ("result", 1, "changed"),
    ]
    assert not journal.is_torn
    assert "label" not in journal.entries[0]
    assert path.stat().st_mode & 0o777 == 0o600


def write_many(path, writer):
    for number in range(20):
        append(path, RUN, [{"event": "intent", "writer": writer, "number": number, "long": "x" * 5000}] * 3)


def test_many_writers_make_one_chain(path):
    with ProcessPoolExecutor(4) as pool:
        list(pool.map(write_many, [path] * 4, range(4)))
    written = [(one["writer"], one["number"]) for one in read_journal(path).entries]
    assert len(written) == 240
    for writer in range(4):
        assert [number for who, number in written if who == writer] == [n for n in range(20) for _copy in range(3)]


@pytest.mark.parametrize("line", [0, 1, 2, 3])
@pytest.mark.parametrize(
    "change",
    [
        lambda lines, line: [*lines[:line], lines[line].replace("I-", "J-").replace("ly", "ied"), *lines[line + 1 :]],
        lambda lines, line: [*lines[:line], "{}", *lines[line + 1 :]],
        lambda lines, line: [*lines[:line], lines[line - 1], *lines[line:]],
    ],
    ids=["edited", "emptied", "put in"],
)
def test_a_changed_line_is_found(path, line, change):
    append(path, RUN, [{"event": "intent", "alert_id": f"I-{number}"} for number in range(3)])
    lines = path.read_text().splitlines()
    path.write_text("\n".join(change(lines, line)) + "\n")
    with pytest.raises(JournalError, match=f"Line {line + 1} of the journal|Line {line + 2} of the journal"):
        read_journal(path)


@pytest.mark.parametrize("line", [0, 1, 2])
def test_a_line_that_was_taken_out_is_found(path, line):
    append(path, RUN, [{"event": "intent", "alert_id": f"I-{number}"} for number in range(3)])
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:line] + lines[line + 1 :]) + "\n")
    with pytest.raises(JournalError, match=f"Line {line + 1} of the journal"):
        read_journal(path)


def test_a_torn_line_is_told_and_the_next_writer_takes_its_place(path):
    append(path, RUN, [{"event": "intent", "alert_id": "I-1"}])
    with path.open("a") as file:
        file.write('{"event": "inte')
    journal = read_journal(path)
    assert journal.is_torn
    assert [one["alert_id"] for one in journal.entries] == ["I-1"]
    append(path, RUN, [{"event": "intent", "alert_id": "I-2"}])
    journal = read_journal(path)
    assert not journal.is_torn
    assert [one["alert_id"] for one in journal.entries] == ["I-1", "I-2"]


@pytest.mark.parametrize("length", [1, journals.BLOCK - 1, journals.BLOCK, 3 * journals.BLOCK])
def test_lines_of_any_length_are_chained(path, length):
    for _turn in range(3):
        append(path, RUN, [{"event": "intent", "long": "x" * length}])
    assert len(read_journal(path).entries) == 3


def test_a_full_disk_leaves_the_file_as_it_was(path, monkeypatch):
    append(path, RUN, [{"event": "intent"}])
    before = path.read_bytes()

    def no_space(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space"):
        append(path, RUN, [{"event": "intent"}])
    assert path.read_bytes() == before


def test_of_a_failure_the_message_is_kept_without_secrets():
    failed = {"step": STEP, "failed": True, "msg": "no --password hunter2", "response_metadata": {"request_id": "r-1"}}
    (line,) = results([failed])
    assert (line["result"], line["request_id"]) == ("failed", "r-1")
    assert "hunter2" not in line["msg"]


@pytest.mark.parametrize(
    ("text", "told"),
    [("", "no whole line"), ("{", "no whole line"), ("{}\n", "Line 1"), ('{"event": "run"}\n', "Line 1")],
)
def test_what_is_no_journal_is_told(path, text, told):
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(JournalError, match=told):
        read_journal(path)


def test_a_missing_file_is_told(path):
    with pytest.raises(JournalError, match="Could not read the journal"):
        read_journal(path)
