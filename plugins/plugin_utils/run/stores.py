# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where runs leave their files: the artifacts folder, and the bucket that it is copied to."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.past_runs import RUN_ID
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.retention import WRITTEN

# The one folder that a run makes below its own.
SUBFOLDER = "as_code"
FOLDER = os.O_RDONLY | os.O_DIRECTORY
# The maximum number of keys per call of DeleteObjects.
BATCH = 1_000

Result = TypeVar("Result")


class StoreError(LeastprivError):
    """A store cannot be read."""


class Folder:
    """The artifacts folder.

    :param follows_links: whether links below it are read, as playbooks do that read single runs. What a link leads to
        is never removed: it is not the run's.
    """

    def __init__(self, path: str, follows_links: bool = False) -> None:
        self.name = path
        self._follows_links = follows_links
        self._no_follow = 0 if follows_links else os.O_NOFOLLOW

    def runs(self) -> dict[str, list[str]]:
        """The names of the files of each run, by run id."""
        try:
            with _opened(self.name, FOLDER) as root:
                names = [name for name in os.listdir(root) if RUN_ID.fullmatch(name)]
                found = [name for name in names if _is_folder(name, root, self._follows_links)]
                return {run_id: self._files(run_id, root) for run_id in found}
        except OSError as error:
            raise StoreError(f"Could not list the runs in {self.name}: {error.strerror}.") from None

    def _files(self, run_id: str, root: int) -> list[str]:
        with _opened(run_id, FOLDER | self._no_follow, root) as folder:
            names = _file_names(folder, self._follows_links)
            if _is_folder(SUBFOLDER, folder, self._follows_links):
                with _opened(SUBFOLDER, FOLDER | self._no_follow, folder) as below:
                    names += [f"{SUBFOLDER}/{name}" for name in _file_names(below, self._follows_links)]
        return [name for name in names if WRITTEN.fullmatch(name)]

    def read(self, run_id: str, name: str) -> bytes:
        """The content of a file of a run."""
        try:
            with (
                _opened(self.name, FOLDER) as root,
                _opened(run_id, FOLDER | self._no_follow, root) as folder,
                open(os.open(name, os.O_RDONLY | self._no_follow, dir_fd=folder), "rb") as file,
            ):
                return file.read()
        except OSError as error:
            raise StoreError(f"Could not read {self.name}/{run_id}/{name}: {error.strerror}.") from None

    def remove(self, files: Mapping[str, Sequence[str]]) -> list[str]:
        """Remove files, and the folders that are empty then. Returns what could not be removed, a sentence each."""
        problems = []
        for run_id, names in files.items():
            try:
                with _opened(self.name, FOLDER) as root:
                    self._remove(run_id, names, root)
            except OSError as error:
                problems.append(f"Could not remove all files of {self.name}/{run_id}: {error.strerror}.")
        return problems

    def _remove(self, run_id: str, names: Sequence[str], root: int) -> None:
        with _opened(run_id, FOLDER | os.O_NOFOLLOW, root) as folder:
            for name in names:
                above, _slash, base = name.rpartition("/")
                with _opened(above or ".", FOLDER | os.O_NOFOLLOW, folder) as parent, suppress(FileNotFoundError):
                    os.unlink(base, dir_fd=parent)
            if _is_folder(SUBFOLDER, folder):
                _remove_empty(SUBFOLDER, folder)
        _remove_empty(run_id, root)


class Bucket:
    """The bucket of `remediate_artifacts_s3`.

    :ivar name: `s3://bucket/prefix`.
    """

    def __init__(self, address: str, connect: Callable[[], Any]) -> None:
        self.name = address.rstrip("/")
        bucket, _slash, prefix = self.name.removeprefix("s3://").partition("/")
        self.bucket, self.prefix = bucket, f"{prefix}/" if prefix else ""
        self.connect = connect
        self.client: Any = None

    def runs(self) -> dict[str, list[str]]:
        """The names of the files of each run, by run id."""

        def list_keys() -> list[str]:
            self.client = self.connect()
            pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix)
            return [entry["Key"] for page in pages for entry in page.get("Contents", ())]

        runs: dict[str, list[str]] = {}
        for key in self._asked(list_keys, "list the runs in"):
            run_id, _slash, name = key.removeprefix(self.prefix).partition("/")
            if RUN_ID.fullmatch(run_id) and WRITTEN.fullmatch(name):
                runs.setdefault(run_id, []).append(name)
        return runs

    def read(self, run_id: str, name: str) -> bytes:
        """The content of a file of a run."""

        def read() -> bytes:
            text: bytes = self.client.get_object(Bucket=self.bucket, Key=self._key(run_id, name))["Body"].read()
            return text

        return self._asked(read, f"read {run_id}/{name} from")

    def remove(self, files: Mapping[str, Sequence[str]]) -> list[str]:
        """Remove objects. Returns what could not be removed, a sentence for each reason."""
        keys = [self._key(run_id, name) for run_id, names in files.items() for name in names]
        batches = [keys[start : start + BATCH] for start in range(0, len(keys), BATCH)]
        return sorted({problem for batch in batches for problem in self._remove(batch)})

    def _remove(self, keys: Sequence[str]) -> list[str]:
        wanted = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        try:
            answer = self._asked(lambda: self.client.delete_objects(Bucket=self.bucket, Delete=wanted), "remove from")
        except StoreError as error:
            return [str(error)]
        reasons = [f"{one.get('Code')}: {one.get('Message')}" for one in answer.get("Errors", ())]
        return [f"Could not remove from {self.name}: {reason}" for reason in reasons]

    def _key(self, run_id: str, name: str) -> str:
        return f"{self.prefix}{run_id}/{name}"

    def _asked(self, call: Callable[[], Result], what: str) -> Result:
        """The result of a call of S3. Raises StoreError."""
        # Only now: a run that copies nothing does not need the SDK in its controller.
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return call()
        except (BotoCoreError, ClientError) as error:
            raise StoreError(f"Could not {what} {self.name}: {error}") from None


@contextmanager
def _opened(name: str, flags: int, folder: int | None = None) -> Iterator[int]:
    descriptor = os.open(name, flags, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _is_folder(name: str, folder: int, follows_links: bool = False) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=follows_links).st_mode)
    except OSError as error:
        # A link that leads nowhere, or to itself.
        if error.errno in (errno.ENOENT, errno.ELOOP):
            return False
        raise


def _file_names(folder: int, follows_links: bool) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_file(follow_symlinks=follows_links))


def _remove_empty(name: str, folder: int) -> None:
    """Remove a folder unless it has something that is not ours, or was kept."""
    with suppress(OSError):
        os.rmdir(name, dir_fd=folder)
