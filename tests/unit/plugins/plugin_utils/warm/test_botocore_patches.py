# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import botocore.client
import botocore.credentials
import botocore.handlers
import botocore.session
import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.warm import botocore_patches
from ansible_collections.leastpriv.iam.plugins.plugin_utils.warm.botocore_patches import (
    PATCHES,
    TRIED,
    installed,
    installed_and_noted,
    keep_handlers,
    read_notes,
    why_untried,
)

ROOT = Path(__file__).parents[5]
NEWER = "1.44.9"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)


def functions() -> dict[str, object]:
    """What stands in the places of all patches now."""
    places = [(patch.where, *botocore_patches._place(patch.where)) for patch in PATCHES]
    return {where: vars(owner)[name] for where, owner, name in places}


def replaced(before: dict[str, object]) -> set[str]:
    return {where for where, function in functions().items() if function is not before[where]}


ALL = {patch.where for patch in PATCHES}


def test_all_patches_fit_this_botocore_and_are_removed_even_after_an_error(tmp_path):
    before = functions()

    def fail():
        with installed(str(tmp_path)) as note:
            assert (note.lines, replaced(before)) == ([], ALL)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert functions() == before


def test_the_newest_version_that_was_tried_is_the_pinned_one():
    pinned = re.search(r"^botocore==(.+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)[1]
    assert {patch.tried[1] for patch in PATCHES} == {pinned}


def test_each_row_of_the_table_is_whole():
    assert len(ALL) == len(PATCHES)
    for patch in PATCHES:
        assert all([patch.what, patch.why, patch.gain, patch.parameters]), patch.where
        assert patch.where.startswith("botocore.")


@pytest.mark.parametrize(
    ("version", "tried"),
    [
        (TRIED[0], True),
        (TRIED[1], True),
        ("1.40.99", True),
        (NEWER, False),
        ("2.0.0", False),
        ("1.44.8.dev1", False),
        ("1.9.99", False),
        ("unknown", False),
    ],
)
def test_a_version_is_tried_or_not(version, tried):
    assert (why_untried("botocore", version, TRIED, "it is slow") is None) is tried


def test_a_botocore_that_was_not_tried_gets_no_patches_and_that_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(botocore, "__version__", NEWER)
    before = functions()
    with installed(str(tmp_path)) as note:
        assert replaced(before) == set()
    [line] = note.untried
    assert line.startswith(f"botocore {NEWER} was not tried with this release")
    assert (note.misfits, len(line) < 160) == ([], True)


def has_other_parameters(monkeypatch, patch):
    owner, name = botocore_patches._place(patch.where)
    original = vars(owner)[name]
    monkeypatch.setattr(owner, name, lambda *args, **kwargs: original(*args, **kwargs))


def lets_no_client_be_made(monkeypatch, patch):
    def fail(*_args, **_kwargs):
        raise ValueError("no use")

    changed = [one._replace(replace=lambda *_args: fail) if one is patch else one for one in PATCHES]
    monkeypatch.setattr(botocore_patches, "PATCHES", changed)


@pytest.mark.parametrize("patch", PATCHES, ids=[patch.where for patch in PATCHES])
@pytest.mark.parametrize("change", [has_other_parameters, lets_no_client_be_made])
def test_a_patch_that_does_not_fit_is_skipped_apart_from_the_others(tmp_path, monkeypatch, patch, change):
    change(monkeypatch, patch)
    before = functions()
    with installed(str(tmp_path)) as note:
        assert replaced(before) == ALL - {patch.where}
    [line] = note.misfits
    assert line.startswith(f"{patch.where} is not replaced ({patch.what}): ")
    assert line.endswith({"has_other_parameters": "its parameters are args, kwargs."}.get(change.__name__, "no use."))


def test_a_function_that_is_gone_is_skipped(tmp_path, monkeypatch):
    monkeypatch.delattr(botocore.session, "create_loader")
    with installed(str(tmp_path)) as note:
        pass
    assert any(line.startswith("botocore.session.create_loader is") for line in note.misfits)


def test_a_python_without_botocore_has_nothing_to_replace(tmp_path, monkeypatch):
    monkeypatch.setitem(botocore_patches.importlib.sys.modules, "botocore", None)
    with installed(str(tmp_path)) as note:
        assert note.lines == []


def test_a_broken_file_of_the_user_does_not_count_against_a_patch(tmp_path, monkeypatch):
    (tmp_path / "config").write_text("[profile\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with installed(str(tmp_path)) as note:
        assert note.lines == []


def test_notes_are_read_back_each_line_once(tmp_path, monkeypatch):
    assert read_notes(str(tmp_path)).lines == []
    monkeypatch.setattr(botocore, "__version__", NEWER)
    for name in ("warm-1", "warm-2"):
        with installed_and_noted(str(tmp_path), str(tmp_path / f"{name}.patches")):
            pass
    (tmp_path / "warm-3.patches").write_text('{"untried": [')
    assert len(read_notes(str(tmp_path)).untried) == 1


def session_of():
    session = botocore.session.Session()
    session.set_credentials("none", "none")
    return session


def test_the_loader_is_shared_by_all_sessions_that_read_models_in_the_same_places(tmp_path, monkeypatch):
    with installed(str(tmp_path)):
        loaders = [session_of().get_component("data_loader") for _time in range(2)]
        monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
        loaders.append(session_of().get_component("data_loader"))
    assert loaders[0] is loaders[1]
    assert loaders[0] is not loaders[2]


def test_assumed_roles_are_kept_in_the_folder(tmp_path):
    with installed(str(tmp_path)):
        resolver = session_of().get_component("credential_provider")
        [cache] = {
            id(provider.cache): provider.cache for provider in resolver.providers if hasattr(provider, "cache")
        }.values()
        cache["key"] = {"AccessKeyId": "a"}
    assert [json.loads(file.read_text()) for file in tmp_path.iterdir()] == [{"AccessKeyId": "a"}]


def test_a_fenced_module_keeps_the_handlers_of_its_services_and_those_that_the_collection_has_added(monkeypatch):
    added = [("after-call.iam", print), ("needs-retry", print), ("creating-client-class.iam", print)]
    monkeypatch.setattr(botocore.handlers, "BUILTIN_HANDLERS", [*botocore.handlers.BUILTIN_HANDLERS, *added])
    before = {event for event, *_rest in botocore.handlers.BUILTIN_HANDLERS}
    keep_handlers()
    kept = {event for event, *_rest in botocore.handlers.BUILTIN_HANDLERS}
    gone = before - kept
    assert {event for event, _handler in added} <= kept
    assert gone
    assert not {event for event in gone if "iam" in event and not event.startswith("docs.")}
    assert {event for event in before if "." not in event} <= kept
