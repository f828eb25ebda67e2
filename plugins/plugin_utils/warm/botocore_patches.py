# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The functions of botocore that are replaced in the loaded Python of leastpriv.iam.warm (fork_server.py).

PATCHES lists them all; besides, `keep_handlers` shortens botocore's list of handlers. Each saves time and changes no
result. A function that is not as expected is left alone, each apart from the others. No profile, region, endpoint or
credential is read here, and neither the counting of calls nor the call fence needs any of them.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

# The services that the role's modules call.
SERVICES = ("iam", "sts", "sqs")
# Those that a module inside the call fence calls: to work, and to log in.
FENCED_SERVICES = ("iam", "sts", "sso", "sso-oidc", "signin")
# A small one, to try a client.
TRIAL = "sts"
# Each loaded Python leaves a note of what it has not replaced in Ansible's local temporary folder.
NOTES = "warm-*.patches"
TRIED = ("1.34.0", "1.44.8")


class Patch(NamedTuple):
    """One function of botocore that is replaced.

    :ivar what: what is different then.
    :ivar where: the full name of the function.
    :ivar parameters: its parameters in the versions that were tried.
    :ivar why: the cost of the function as it is.
    :ivar gain: what the patch saves, measured alone.
    :ivar tried: the oldest and the newest version that it was tried with.
    :ivar replace: makes the replacement from the function and the folder for credentials of assumed roles.
    """

    what: str
    where: str
    parameters: tuple[str, ...]
    why: str
    gain: str
    tried: tuple[str, str]
    replace: Callable[[Callable[..., Any], str], Callable[..., Any]]


def _share_loader(create_loader: Callable[..., Any], _folder: str) -> Callable[..., Any]:
    # It contains files, no setting and no credential. A session with a data path of its own gets its own loader.
    shared = create_loader(None)

    def create_shared_loader(search_path_string: str | None = None) -> Any:
        return create_loader(search_path_string) if search_path_string else shared

    return create_shared_loader


def _share_roles(create_resolver: Callable[..., Any], folder: str) -> Callable[..., Any]:
    from botocore.utils import JSONFileCache

    # As in the AWS CLI: the keys are made of the role's ARN and everything that it is assumed with, and credentials
    # that are about to expire are not used.
    shared = JSONFileCache(folder)

    def create_sharing_resolver(session: Any, cache: Any = None, region_name: str | None = None) -> Any:
        return create_resolver(session, cache=shared if cache is None else cache, region_name=region_name)

    return create_sharing_resolver


PATCHES = (
    Patch(
        "service models are read once",
        "botocore.session.create_loader",
        ("search_path_string",),
        "each session reads IAM's model of half a megabyte",
        "a third of a run's processor time (2 pairs of runs of 30 alerts)",
        TRIED,
        _share_loader,
    ),
    Patch(
        "roles are assumed once",
        "botocore.credentials.create_credential_resolver",
        ("session", "cache", "region_name"),
        "each module run calls AssumeRole again for a profile with role_arn",
        "a tenth of a run's processor time, a fifth of its time (2 pairs of runs of 100 alerts)",
        TRIED,
        _share_roles,
    ),
)


class Note(NamedTuple):
    """What was not replaced, in sentences: for the version of botocore, and for single functions."""

    untried: list[str]
    misfits: list[str]

    @property
    def lines(self) -> list[str]:
        return [*self.untried, *self.misfits]


@contextmanager
def installed(folder: str) -> Iterator[Note]:
    """Replace the functions of PATCHES for as long as the block runs, each where it fits.

    :param folder: where credentials of assumed roles are kept.
    """
    note = Note([], [])
    with ExitStack() as removals:
        with suppress(ImportError):
            version = importlib.import_module("botocore").__version__
            _install(version, folder, removals, note)
            if not note.untried:
                _read_models()
        yield note


@contextmanager
def installed_and_noted(folder: str, note_file: str) -> Iterator[Note]:
    """As `installed`, with a note for `read_notes`."""
    with installed(folder) as note:
        with suppress(OSError):
            Path(note_file).write_text(json.dumps(note._asdict()), encoding="utf-8")
        yield note


def read_notes(folder: str) -> Note:
    """What the loaded Pythons of this run have not replaced.

    :param folder: Ansible's local temporary folder.
    """
    note = Note([], [])
    for file in sorted(Path(folder).glob(NOTES)):
        # One may just be written.
        with suppress(OSError, ValueError, TypeError):
            found = Note(**json.loads(file.read_text(encoding="utf-8")))
            for lines, more in zip(note, found, strict=True):
                lines += [line for line in more if line not in lines]
    return note


def keep_handlers() -> None:
    """Leave the sessions of this process the handlers of the services that a fenced module calls.

    Each session registers botocore's 127 handlers, nearly all of them of other services: half the time of a session.
    """
    handlers = importlib.import_module("botocore.handlers").BUILTIN_HANDLERS
    handlers[:] = [handler for handler in handlers if _is_of_fenced(*handler[0].split(".")[1:2])]


def _is_of_fenced(service: str = "") -> bool:
    return service in ("", *FENCED_SERVICES)


def why_untried(package: str, version: str, tried: tuple[str, str], so: str, parts: int | None = None) -> str | None:
    """Why a version of a package is left alone, and what follows; None between the oldest and the newest one tried.

    :param parts: how many numbers of the version are compared, all by default.
    """
    oldest, newest = map(_numbers, tried)
    if oldest <= _numbers(version)[:parts] <= newest:
        return None
    return f"{package} {version} was not tried with this release ({' to '.join(tried)} were): {so}."


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


def _install(version: str, folder: str, removals: ExitStack, note: Note) -> None:
    for patch in PATCHES:
        if line := why_untried("botocore", version, patch.tried, "nothing in it is replaced, and modules take longer"):
            note.untried[:] = dict.fromkeys([*note.untried, line])
        elif problem := _replaced(patch, folder, removals):
            note.misfits.append(f"{patch.where} is not replaced ({patch.what}): {problem}.")


def _replaced(patch: Patch, folder: str, removals: ExitStack) -> str | None:
    """Replace one function until `removals` ends, or note why not."""
    try:
        owner, name = _place(patch.where)
        original = vars(owner)[name]
        parameters = tuple(inspect.signature(original).parameters)
        if parameters != patch.parameters:
            return f"its parameters are {', '.join(parameters)}"
        with ExitStack() as removal:
            removal.callback(setattr, owner, name, original)
            setattr(owner, name, patch.replace(original, folder))
            _create_client(TRIAL)
            removals.push(removal.pop_all())
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def _place(where: str) -> tuple[Any, str]:
    """The module or class of a function, and its name there."""
    path, _dot, name = where.rpartition(".")
    try:
        return importlib.import_module(path), name
    except ModuleNotFoundError:
        module, _dot, owner = path.rpartition(".")
        return getattr(importlib.import_module(module), owner), name


def _create_client(service: str) -> tuple[Any, Any]:
    """A session and a client of it, without a user's files. Nothing is sent: a client connects with its first call."""
    session = importlib.import_module("botocore.session").Session()
    for name in ("config_file", "credentials_file"):
        session.set_config_variable(name, os.devnull)
    session.get_component("credential_provider")
    session.set_credentials("none", "none")
    return session, session.create_client(service, region_name="us-east-1")


def _read_models() -> None:
    """Read what all modules read. They read themselves what cannot be read here, and report why."""
    for service in SERVICES:
        with suppress(Exception):
            session, client = _create_client(service)
            loader = session.get_component("data_loader")
            for kind in ("paginators-1", "waiters-2"):
                loader.load_service_model(service, kind, client.meta.service_model.api_version)
