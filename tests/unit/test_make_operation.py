# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make operation` prints, held against the rows that are there."""

from __future__ import annotations

import importlib.util
import textwrap
from types import ModuleType

import pytest
import yaml
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import OPERATIONS, STEPS, targets
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import row as rows
from ansible_collections.leastpriv.iam.plugins.module_utils.operations.undo import undone_by
from stack import ROOT


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_operation", ROOT / "docs" / "make_operation.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class AnyName(dict):
    """Names that somebody has yet to write are themselves."""

    def __missing__(self, name):
        return name


@pytest.mark.parametrize("row", STEPS, ids=[row.name for row in STEPS])
def test_a_printed_row_is_python_and_has_what_the_model_knows(generator, monkeypatch, row):
    monkeypatch.setattr(generator, "OPERATIONS", {})
    text = generator.printed(row.name)
    printed = text[text.index("    Operation(") : text.index("    ),") + len("    )")]
    names = AnyName({**vars(rows), **vars(targets), "undone_by": undone_by})
    made = eval(textwrap.dedent(printed), {}, names)
    assert made.name == row.name
    assert set(made.requires) <= set(row.requires)
    assert made.parameters >= row.parameters
    fixture = yaml.safe_load(text[text.index("---") :])
    assert fixture["script"].startswith(f"aws iam {generator.cli_name(row.name)}")
    assert set(made.undo.operations) <= set(OPERATIONS)


def test_it_names_the_files_of_similar_rows_and_the_values_of_parameters(generator, monkeypatch):
    monkeypatch.delitem(generator.OPERATIONS, "SetSecurityTokenServicePreferences", raising=False)
    text = generator.printed("set-security-token-service-preferences")
    assert "# Parameters: GlobalEndpointTokenVersion (v1Token or v2Token)." in text
    assert "# SetDefaultPolicyVersion in policy_versions.py, with leastpriv.iam.policy_version" in text
    assert "those of observe and of the module, not more; none was found" in text


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("UpdateUser", "UpdateUser has a row already: leastpriv.iam.entity"),
        ("update-user", "UpdateUser has a row already"),
        ("CreateAccessKey", "it mints or needs a secret"),
        ("ListUsers", "ListUsers only reads: scripts may contain it, and it needs no row"),
        ("UpdateUsr", "did you mean UpdateUser"),
        ("", "IAM has no operation ''"),
    ],
)
def test_it_says_why_no_row_is_printed(generator, name, says):
    with pytest.raises(generator.NotPrinted, match=says):
        generator.printed(name)
