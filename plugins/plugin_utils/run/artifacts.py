# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run leaves on the controller: files that only its user can read, unless they are for others."""

from __future__ import annotations

import io
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

OWN = 0o600
PUBLIC = 0o644


class Made(TypedDict):
    """A file that was made, or could not be: its text, if any, and why it is missing or incomplete."""

    text: str | None
    problem: str | None


def write_artifact(path: Path, content: str | bytes, mode: int = OWN) -> None:
    """Write a file atomically. Missing folders are made with mode 0700.

    Raises OSError.
    """
    content = content.encode(errors="backslashreplace") if isinstance(content, str) else content
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(descriptor, mode)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def write_artifacts(folder: Path, files: Mapping[str, str | Made], mode: int = OWN) -> list[str]:
    """Write several files, each whether or not the others can be written.

    :returns: what could not be made or written, a sentence each.
    """
    return [problem for name, file in files.items() for problem in _write(Path(folder, name), file, mode)]


def write_archive(path: Path, files: Mapping[str, Made]) -> list[str]:
    """Write the files that were made into one ZIP file, by their names. Returns as `write_artifacts`."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, made in files.items():
            if made["text"] is not None:
                archive.writestr(name, made["text"])
    return _try_to_write(path, content.getvalue(), OWN)


def _write(path: Path, file: str | Made, mode: int) -> list[str]:
    text, problem = (file, None) if isinstance(file, str) else (file["text"], file["problem"])
    problems = [f"{path.name}: {problem}"] if problem else []
    return problems if text is None else problems + _try_to_write(path, text, mode)


def _try_to_write(path: Path, content: str | bytes, mode: int) -> list[str]:
    try:
        write_artifact(path, content, mode)
    except OSError as error:
        return [f"Could not write {path}: {error.strerror or type(error).__name__}."]
    return []
