# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tasks that apply steps: every option of the table is written out, and every value arrives as it is."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest
import yaml
from ansible import constants
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import fragment_loader, module_loader
from ansible.template import Templar
from ansible.utils.plugin_docs import get_docstring
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import OPERATIONS

try:
    from ansible.template import trust_as_template

    # The setting jinja2_native has no effect any more.
    NATIVE = [True]
except ImportError:  # ansible-core before 2.19 takes every text that is not marked as unsafe.
    NATIVE = [False, True]

    def trust_as_template(text):
        return text


TASKS = Path(__file__).parents[3] / "roles" / "remediate" / "tasks" / "steps"
ROWS = [row for row in OPERATIONS.values() if row.module]
MODULES = sorted({row.module for row in ROWS})
TEXTS = ("str", "json", "path")
TEMPLAR = Templar(DataLoader())
OMIT = "__omit_place_holder__"
# What ansible-core before 2.19, with or without jinja2_native, takes for something else.
HOSTILE_TEXTS = (
    "[1]",
    "['a',  'b']",
    '{"Version": "2012-10-17",  "Statement": [1, 1.50]}',
    "{'a': 1}",
    "(1,)",
    "True",
    "False",
    "None",
    "null",
    "1e3",
    "1_0",
    "0x10",
    "1.50",
    "'quoted'",
    "b'bytes'",
    "{{ 7 * 7 }}",
    "{% raw %}",
    "${aws:username}",
    " spaced ",
    "line\nline\n",
    "!unsafe x",
    "ünï",
    "",
)
VALUES = {
    "bool": [True, False],
    "int": [0, 43200],
    "list": [[text, "a"] for text in HOSTILE_TEXTS],
    "dict": [{text: text, "a": "b"} for text in HOSTILE_TEXTS],
}


@functools.cache
def task_of(module):
    (task,) = yaml.safe_load((TASKS / f"{module.rpartition('.')[2]}.yml").read_text())
    return task


@functools.cache
def options_of(module):
    """The module's own description of its options, by their names."""
    documentation = get_docstring(module_loader.find_plugin(module), fragment_loader, collection_name="")[0]
    return documentation["options"]


def constant_of(module, option):
    """The value that all of the module's operations have, None where there is none."""
    values = [row.args.get(option) for row in ROWS if row.module == module]
    is_constant = all(value == values[0] for value in values) and not str(values[0]).startswith("$")
    return values[0] if is_constant and not isinstance(values[0], list) else None


# Several modules have an option that is written in the same way.
@functools.cache
def template(text, args, native):
    """What a text of a task is for a step with these arguments (JSON)."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(constants, "DEFAULT_JINJA2_NATIVE", native, raising=False)
        TEMPLAR.available_variables = {"step": wrap_var({"args": json.loads(args)}), "omit": OMIT}
        return TEMPLAR.template(trust_as_template(text))


@pytest.mark.parametrize("module", MODULES)
def test_every_option_of_the_table_is_written_out_and_no_other(module):
    written = task_of(module)[module]
    assert set(written) == {option for row in ROWS if row.module == module for option in row.args}
    for option, text in written.items():
        constant = constant_of(module, option)
        assert (text == constant) if constant is not None else (f"step.args.{option}" in text), option


@pytest.mark.parametrize("module", MODULES)
def test_only_an_option_that_every_step_of_the_module_has_is_without_omit(module):
    needed = [
        option for option, text in task_of(module)[module].items() if "step.args." in str(text) and "omit" not in text
    ]
    for row in ROWS:
        assert row.module != module or set(needed) <= set(row.args), row.name


@pytest.mark.parametrize("native", NATIVE)
@pytest.mark.parametrize("module", MODULES)
def test_every_value_arrives_as_it_is_and_what_a_step_lacks_is_left_out(module, native):
    written, described = task_of(module)[module], options_of(module)
    constants_of_module = {option: value for option, value in written.items() if "step.args." not in str(value)}
    for option, text in written.items():
        if option in constants_of_module:
            continue
        kind = described[option]["type"]
        values = described[option].get("choices") or (HOSTILE_TEXTS if kind in TEXTS else VALUES[kind])
        for value in values:
            arrived = template(text, json.dumps({option: value}), native)
            # ansible-core before 2.19 turns a number into text, which the module converts back.
            assert json.dumps(int(arrived) if kind == "int" else arrived) == json.dumps(value), value
        if "omit" in text:
            assert template(text, "{}", native) == OMIT
