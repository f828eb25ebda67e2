# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import jinja2
import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.warm import jinja_patches
from ansible_collections.leastpriv.iam.plugins.plugin_utils.warm.jinja_patches import PATCH, CompiledTemplates
from jinja2.sandbox import SandboxedEnvironment

ROOT = Path(__file__).parents[5]
ORIGINAL = jinja2.Environment.compile


@pytest.fixture
def compiled(monkeypatch):
    """The sources that Jinja itself has compiled, in order."""
    sources = []

    def compile_template(self, source, name=None, filename=None, raw=False, defer_init=False):
        sources.append(source)
        return ORIGINAL(self, source, name, filename, raw, defer_init)

    monkeypatch.setattr(jinja2.Environment, "compile", compile_template)
    return sources


@pytest.fixture
def templates(compiled):
    made = CompiledTemplates()
    made.install()
    yield made
    made.remove()


def environment(**settings):
    return SandboxedEnvironment(optimized=False, **settings)


def test_a_template_is_compiled_once_and_rendered_anew(templates, compiled):
    sandboxed = environment()
    rendered = [sandboxed.from_string("{{ a }}!").render(a=number) for number in range(3)]
    rendered.append(environment().from_string("{{ a }}!").render(a=3))
    assert (rendered, compiled) == (["0!", "1!", "2!", "3!"], ["{{ a }}!"])


def test_an_environment_of_another_class_gets_its_own_code(templates, compiled):
    jinja2.Environment(optimized=False).from_string("{{ a.b }}")
    environment().from_string("{{ a.b }}")
    assert compiled == ["{{ a.b }}"] * 2


@pytest.mark.parametrize(
    "of",
    [
        lambda: environment().overlay(variable_start_string="[[").from_string("{{ a }}"),
        lambda: SandboxedEnvironment(optimized=True).from_string("{{ a }}"),
        lambda: environment().from_string(r"{{ '\n' }}"),
        lambda: environment().compile("{{ a }}", "name"),
        lambda: environment().compile("{{ a }}", raw=True),
        lambda: environment().compile(environment().parse("{{ a }}")),
    ],
)
def test_code_that_depends_on_more_than_the_text_is_made_anew(templates, compiled, of):
    of()
    of()
    assert len(compiled) == 2


def test_a_template_that_cannot_be_compiled_says_so_each_time(templates):
    for _time in range(2):
        with pytest.raises(jinja2.TemplateSyntaxError):
            environment().from_string("{{ a")


def task_with(**given):
    return SimpleNamespace(**{"args": {}, "environment": [], "module_defaults": [], "vars": {}, **given})


def test_templates_of_a_task_are_compiled_before_its_workers_begin(templates, compiled):
    task = task_with(
        args={"a": "{{ one }}", "b": ["{{ two", {"c": "no template"}]},
        environment=["{{ three }}"],
        module_defaults=[{"group/a": "{{ four }}"}],
        vars={"five": "{{ five }}"},
    )
    templates.prepare(task)
    assert compiled == []
    environment().from_string("{{ one }}")
    templates.prepare(task)
    assert sorted(compiled) == sorted(["{{ one }}", "{{ two", "{{ three }}", "{{ four }}", "{{ five }}"])


def test_so_are_those_of_the_variables_of_the_role_that_it_names(templates, compiled):
    variables = {"a": ["{{ b + other }}"], "b": "{{ a }} and {{ b }}", "of_another_task": "{{ no }}"}
    environment().from_string("a text")
    templates.prepare(task_with(args={"option": "{{ a | string }}"}, _role=SimpleNamespace(_role_vars=variables)))
    assert compiled == ["a text", "{{ a | string }}", "{{ b + other }}", "{{ a }} and {{ b }}"]


def test_no_more_templates_are_kept_than_a_run_has(templates, compiled, monkeypatch):
    monkeypatch.setattr(jinja_patches, "MAX_TEMPLATES", 1)
    for text in ("a", "b", "a", "b"):
        environment().from_string(text)
    assert compiled == ["a", "b", "b"]


def test_the_function_is_put_back():
    made = CompiledTemplates()
    for _time in range(2):
        made.install()
        assert jinja2.Environment.compile is not ORIGINAL
    made.remove()
    made.remove()
    assert jinja2.Environment.compile is ORIGINAL


@pytest.mark.parametrize(("version", "fits"), [("3.1.1", False), ("3.1.2", True), ("3.1.99", False), ("4.0", False)])
def test_a_jinja_that_was_not_tried_is_left_alone_and_that_is_one_line(monkeypatch, version, fits):
    monkeypatch.setattr(jinja2, "__version__", version)
    made = CompiledTemplates()
    made.install()
    assert (jinja2.Environment.compile is ORIGINAL) is not fits
    made.remove()
    assert [line.partition(" was not")[0] for line in made.note.untried] == ([] if fits else [f"Jinja {version}"])
    assert made.note.misfits == []


def test_a_function_that_is_not_as_expected_is_left_alone(monkeypatch):
    monkeypatch.setattr(jinja2.Environment, "compile", lambda self, source: ORIGINAL(self, source))
    found = jinja2.Environment.compile
    made = CompiledTemplates()
    made.install()
    assert jinja2.Environment.compile is found
    assert made.note == (
        [],
        ["jinja2.Environment.compile is not replaced (templates are compiled once): its parameters are self, source."],
    )


def test_the_newest_version_that_was_tried_is_the_pinned_one():
    pinned = re.search(r"^jinja2==(.+)$", (ROOT / "requirements" / "constraints.txt").read_text(), re.I | re.M)[1]
    assert PATCH.tried[1] == pinned
