# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs have written, compared with the published schemas in docs/schemas."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .process import ROOT

FILES = {"report.json": "report", "plan.json": "plan", "journal.jsonl": "journal", "verify.json": "verify"}
# Larger ones repeat themselves, and take seconds.
MAX_BYTES = 300_000


def published(name: str) -> dict[str, Any]:
    return json.loads((ROOT / "docs" / "schemas" / f"{name}.schema.json").read_text())


@functools.cache
def validator(name: str) -> Any:
    """A schema that also refuses fields that it does not describe: for users they are allowed."""
    import jsonschema

    schema = _closed(published(name))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(one) for name, one in schema.items()}
    return {"additionalProperties": False, **closed} if isinstance(schema.get("properties"), dict) else closed


def problems(folder: Path) -> list[str]:
    """What the files of a run have that the schemas do not describe, and the other way round."""
    found = (
        (path, number, error)
        for path in sorted(folder.glob("*"))
        if path.name in FILES and path.stat().st_size <= MAX_BYTES
        for number, value in enumerate(_values(path), 1)
        for error in validator(FILES[path.name]).iter_errors(value)
    )
    return [f"{path.name}, value {number}, {error.json_path}: {error.message[:300]}" for path, number, error in found]


def _values(path: Path) -> Iterator[Any]:
    lines = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
    for line in lines:
        try:
            yield json.loads(line)
        # A run that was killed, or a test, has cut it off.
        except ValueError:
            continue
