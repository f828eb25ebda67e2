# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import json
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
CALL = {"operation": "DetachUserPolicy", "parameters": {}}
STEP = {"alert_id": "I-1", "message_id": "m-1", "index": 1, **CALL, "label": "not written"}


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


def test_a_torn_line_is_left_out_and_the_next_writer_takes_its_place(path):
    append(path, RUN, [{"event": "intent", "alert_id": "I-1"}])
    with path.open("a") as file:
        file.write('{"event": "inte')
    journal = read_journal(path)
    assert [one["alert_id"] for one in journal.entries] == ["I-1"]
    append(path, RUN, [{"event": "intent", "alert_id": "I-2"}])
    journal = read_journal(path)
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
    ("text", "shown"),
    [("", "no complete line"), ("{", "no complete line"), ("{}\n", "Line 1"), ('{"event": "run"}\n', "Line 1")],
)
def test_what_is_no_journal_is_reported(path, text, shown):
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(JournalError, match=shown):
        read_journal(path)


def test_a_missing_file_is_reported(path):
    with pytest.raises(JournalError, match="Could not read the journal"):
        read_journal(path)


OURS, THEIRS = "our key", "their key"
LINES = [*intents([STEP]), *results([{"step": STEP, "changed": True}])]


def rewritten(path, change, key=""):
    """Write a whole new chain of a journal's changed lines, as somebody without the key can."""
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    head, *rest = [{name: value for name, value in one.items() if name not in SEALS} for one in change(entries)]
    path.unlink()
    append(path, {name: value for name, value in head.items() if name not in ("event", "version")}, rest, key)


SEALS = ("sha256", "previous", "hmac")


def test_a_signed_journal_is_read_with_its_key_alone(path):
    append(path, RUN, LINES[:1], OURS)
    append(path, RUN, LINES[1:], OURS)
    assert [one["event"] for one in read_journal(path, OURS).entries] == ["intent", "result"]
    assert OURS not in path.read_text()
    with pytest.raises(JournalError, match=r"is not signed with the key in .* undo with the key"):
        read_journal(path, THEIRS)
    with pytest.raises(JournalError, match="is signed: set REMEDIATE_PLAN_KEY"):
        read_journal(path)


def test_with_a_key_a_journal_without_a_signature_is_refused(path):
    append(path, RUN, LINES)
    assert read_journal(path).entries
    with pytest.raises(JournalError, match=r"Line 1 of the journal .* is not signed"):
        read_journal(path, OURS)


@pytest.mark.parametrize("key", ["", THEIRS])
def test_a_whole_new_chain_is_found_where_there_is_a_key(path, key):
    append(path, RUN, LINES, OURS)
    rewritten(path, lambda entries: [*entries[:1], {**entries[1], "target": "mallory"}, *entries[2:]], key)
    with pytest.raises(JournalError, match=r"Line 1 of the journal .* is not signed"):
        read_journal(path, OURS)


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: [lines[0], lines[2]],
        lambda lines: [*lines, lines[1]],
        lambda lines: [lines[0], lines[2], lines[1]],
        lambda lines: [lines[0], {**lines[1], "target": "mallory"}, lines[2]],
        lambda lines: [{**lines[0], "run_id": "20260101T000000Z-ffff"}, *lines[1:]],
    ],
    ids=["taken out", "put in twice", "in another order", "edited", "of another run"],
)
def test_signed_lines_cannot_be_chained_in_another_way(path, change):
    """The SHA-256 are right, and each line has a signature that was once made with the key."""
    append(path, RUN, LINES, OURS)
    lines, previous = [], None
    for entry in change([json.loads(line) for line in path.read_text().splitlines()]):
        linked = {**{name: value for name, value in entry.items() if name != "sha256"}, "previous": previous}
        previous = journals._digest(linked)
        lines.append(json.dumps({**linked, "sha256": previous}))
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(JournalError, match="is not signed with the key"):
        read_journal(path, OURS)


def test_a_reader_that_knows_no_key_finds_the_chain_as_it_was(path):
    """Programs of others check `sha256` and `previous` as docs/undo.md shows."""
    append(path, RUN, LINES, OURS)
    previous = None
    for line in path.read_text().splitlines():
        entry = json.loads(line)
        digest = entry.pop("sha256")
        assert entry["previous"] == previous
        text = json.dumps(entry, sort_keys=True, separators=(",", ":")).encode()
        assert hashlib.sha256(text).hexdigest() == digest
        previous = digest


def test_a_missing_end_is_seen(path):
    append(path, RUN, [{**line, "account_id": "1"} for line in [*LINES, {"event": "end"}]], OURS)
    assert read_journal(path, OURS).is_finished("1")
    assert not read_journal(path, OURS).is_finished("2")
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    assert not read_journal(path, OURS).is_finished("1"), "the lines that are left are right, and yet not all"
