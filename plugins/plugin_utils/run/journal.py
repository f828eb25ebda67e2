# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of a run: each change of AWS before it is made, and its result.

A file of JSON lines that many workers append to. The first line describes the run. Every line has its own SHA-256 and
that of the previous line, so edited, missing and inserted lines are found. With a key, every line is also signed: a
forged chain needs the key. One line per account records that the run finished there.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.api_calls.call_fence import declared_calls
from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError, for_each_alert, writable
from ansible_collections.leastpriv.iam.plugins.module_utils.shapes import Step
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.seal import JOURNAL, KEY, is_signature, keyed_digest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.redaction import redact

NAME = "journal.jsonl"
VERSION = 1
RUN, INTENT, RESULT, END = "run", "intent", "result", "end"
# The fields of a step that record the change and allow its undo.
STEP_FIELDS = (
    "alert_id",
    "message_id",
    "index",
    "operation",
    "target",
    "module",
    "parameters",
    "args",
    "before",
    "after",
    "taken",
    "consolidated",
)
RESULT_FIELDS = ("alert_id", "message_id", "index", "operation")
BLOCK = 1 << 16


class JournalError(LeastprivError):
    """A journal cannot be read, or was edited; the message names the file and the line."""


class EmptyJournal(JournalError):
    """A journal without a complete line: its run was killed before it changed anything."""


@dataclass(frozen=True)
class Journal:
    """A checked journal.

    :ivar run: the first line: `run_id`, `started`, `mode`, `user`, `awx`, `undoes`.
    :ivar entries: the lines after it, in order. If the run was killed, an incomplete last line is left out.
    """

    run: Mapping[str, Any]
    entries: Sequence[Mapping[str, Any]]

    def is_finished(self, account_id: str) -> bool:
        """Whether the run finished in an account; otherwise it was killed, or lines are missing at the end."""
        return any(entry["event"] == END and entry["account_id"] == account_id for entry in self.entries)


def intents(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """The lines to write before steps are applied."""
    return [
        {"event": INTENT, **{field: step.get(field) for field in STEP_FIELDS}, "calls": declared_calls(step)}
        for step in steps
    ]


def results(applied: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The lines to write after steps were applied.

    :param applied: the loop results of the modules, each with its `step`.
    """
    return for_each_alert("recording its result", applied, _result_line, _lost_line)


def _result_line(one: Mapping[str, Any]) -> dict[str, Any]:
    line = {
        "event": RESULT,
        **{field: one["step"].get(field) for field in RESULT_FIELDS},
        "result": result_of(one),
        "msg": redact(str(one["msg"])) if one.get("failed") and one.get("msg") else None,
        "request_id": (one.get("response_metadata") or {}).get("request_id"),
    }
    return writable(line)


def _lost_line(one: Mapping[str, Any], reason: str) -> dict[str, Any]:
    named = {field: one["step"].get(field) for field in RESULT_FIELDS}
    return {"event": RESULT, **named, "result": "failed", "msg": reason, "request_id": None}


def kept_results(applied: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The loop results of the modules, reduced to the fields that the journal and the rest of the run need."""
    return for_each_alert("keeping its result", applied, _kept, _lost_result)


def _kept(one: Mapping[str, Any]) -> dict[str, Any]:
    kept = {
        "step": {field: one["step"].get(field) for field in RESULT_FIELDS},
        "changed": result_of(one) == "changed",
        "failed": bool(one.get("failed")),
        "msg": one.get("msg"),
        "response_metadata": {"request_id": (one.get("response_metadata") or {}).get("request_id")},
    }
    return writable(kept)


def _lost_result(one: Mapping[str, Any], reason: str) -> dict[str, Any]:
    named = {field: one["step"].get(field) for field in RESULT_FIELDS}
    return {"step": named, "changed": False, "failed": True, "msg": reason, "response_metadata": {"request_id": None}}


def result_of(applied: Mapping[str, Any]) -> str:
    """`failed`, `changed` or `unchanged`."""
    if applied.get("failed"):
        return "failed"
    return "changed" if applied.get("changed") else "unchanged"


def append(path: Path, run: Mapping[str, Any], entries: Sequence[Mapping[str, Any]], key: str = "") -> None:
    """Append lines and wait until they are on disk: all of them or none.

    :param run: the content of the first line, for a new file.
    :param key: the secret to sign the lines with, if there is one.
    :raises OSError:
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "r+b", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        last, end = _last_line(file)
        # An incomplete line is from a killed worker, which had not begun its change.
        file.truncate(end)
        head = [] if last else [{"event": RUN, "version": VERSION, **run}]
        previous = json.loads(last)["sha256"] if last else None
        text = b"".join(_chained([*head, *entries], previous, key))
        try:
            if file.write(text) != len(text):
                raise OSError(28, "No space left on device")
            os.fsync(file.fileno())
        except OSError:
            file.truncate(end)
            raise
    if not last:
        _sync_folder(path.parent)


def _chained(entries: Sequence[Mapping[str, Any]], previous: str | None, key: str) -> Iterator[bytes]:
    for entry in entries:
        linked = {**entry, "previous": previous}
        if key:
            linked["hmac"] = keyed_digest(_signed(linked), key)
        previous = _digest(linked)
        yield _text({**linked, "sha256": previous}) + b"\n"


def _text(entry: Mapping[str, Any]) -> bytes:
    return json.dumps(entry, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _signed(entry: Mapping[str, Any]) -> str:
    return f"{JOURNAL}\n{_text(entry).decode()}"


def _digest(entry: Mapping[str, Any]) -> str:
    return hashlib.sha256(_text(entry)).hexdigest()


def _last_line(file: Any) -> tuple[bytes, int]:
    """The last complete line, and its end."""
    start, tail = file.seek(0, os.SEEK_END), b""
    while start > 0 and tail.count(b"\n") < 2:
        length = min(BLOCK, start)
        start = file.seek(start - length)
        tail = file.read(length) + tail
    whole = tail[: tail.rfind(b"\n") + 1]
    return whole.rstrip(b"\n").rpartition(b"\n")[2], start + len(whole)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_journal(path: Path, key: str = "") -> Journal:
    """Read and check a journal.

    :param key: the secret that every line must be signed with; empty if no line may be signed.
    :raises JournalError: if the file cannot be read, is not a journal, is not signed with the key, or was edited.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise JournalError(f"Could not read the journal {path}: {error.strerror}.") from None
    return check_journal(path, text, key)


def check_journal(path: Path | str, text: bytes, key: str = "") -> Journal:
    """Check the text of a journal; see `read_journal`.

    :param path: where the text is from, for errors.
    """
    lines = text.split(b"\n")[:-1]
    if not lines:
        raise EmptyJournal(f"The journal {path} has no complete line: its run was killed before it changed anything.")
    previous, entries = None, []
    for number, line in enumerate(lines, 1):
        entries.append(_checked(path, number, line, previous))
        previous = entries[-1].pop("sha256")
        _check_signature(path, number, entries[-1], key)
    if entries[0].get("event") != RUN or entries[0].get("version") != VERSION:
        raise JournalError(f"{path} does not begin like a journal of this version (the first line describes the run).")
    return Journal(entries[0], entries[1:])


def _checked(path: Path | str, number: int, line: bytes, previous: str | None) -> dict[str, Any]:
    try:
        entry: dict[str, Any] = json.loads(line)
        digest = entry["sha256"]
        rest = {field: value for field, value in entry.items() if field != "sha256"}
        is_whole = digest == _digest(rest) and rest["previous"] == previous
    except (ValueError, KeyError, TypeError):
        is_whole = False
    if not is_whole:
        raise JournalError(
            f"Line {number} of the journal {path} was edited, or the line before it is missing. "
            "The file cannot be trusted: restore it from a copy, or undo manually the changes in report.json."
        )
    return entry


def _check_signature(path: Path | str, number: int, entry: dict[str, Any], key: str) -> None:
    """Remove the signature from a line.

    :raises JournalError: if it does not match the key, or is there although no key is set.
    """
    given = entry.pop("hmac", None)
    if given is not None and not key:
        raise JournalError(f"The journal {path} is signed: set {KEY} to the key of its run.")
    if key and not is_signature(given, _signed(entry), key):
        raise JournalError(
            f"Line {number} of the journal {path} is not signed with the key in {KEY}: it was forged, or its run had "
            f"another key or none. If you trust the file, undo with the key of its run, or with {KEY} empty if it had "
            "none. Otherwise undo manually."
        )
