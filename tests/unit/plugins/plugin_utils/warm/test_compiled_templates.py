# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.warm import compiled_templates
from ansible_collections.leastpriv.iam.plugins.plugin_utils.warm.compiled_templates import CompiledTemplates
from jinja2 import TemplateSyntaxError, Undefined
from jinja2.environment import Environment


class Unoptimized(Environment):
    """As Ansible's is since 2.19; it counts what is really compiled."""

    compiled = 0

    def __init__(self, *args, **kwargs):
        super().__init__(*args, optimized=False, **kwargs)

    def _compile(self, source, filename):
        Unoptimized.compiled += 1
        return super()._compile(source, filename)


class Other(Unoptimized):
    pass


@pytest.fixture
def templates(monkeypatch):
    for name in ("compile", "compile_expression"):
        monkeypatch.setattr(Environment, name, getattr(Environment, name))
    monkeypatch.setattr(Unoptimized, "compiled", 0)
    installed = CompiledTemplates()
    installed.install()
    return installed


@pytest.mark.usefixtures("templates")
def test_a_template_is_compiled_once_and_sees_the_variables_of_each_use():
    rendered = [Unoptimized().from_string("{{ a | upper }}").render(a=letter) for letter in "abc"]
    assert (rendered, Unoptimized.compiled) == (["A", "B", "C"], 1)


@pytest.mark.usefixtures("templates")
def test_a_template_uses_the_filters_and_globals_of_its_own_environment():
    one, other = Unoptimized(), Unoptimized()
    other.filters["upper"] = lambda value: f"<{value}>"
    other.globals["here"] = "there"
    rendered = [env.from_string("{{ a | upper }} {{ here }}").render(a="a") for env in (one, other, one)]
    assert (rendered, Unoptimized.compiled) == (["A ", "<a> there", "A "], 1)


@pytest.mark.usefixtures("templates")
def test_a_condition_is_compiled_once_and_is_no_template():
    conditions = [Unoptimized().compile_expression("a > 1", False) for _time in range(3)]
    assert [condition(a=number) for number, condition in enumerate(conditions)] == [False, False, True]
    assert Unoptimized.compiled == 1
    assert isinstance(Unoptimized().compile_expression("b", False)(), Undefined)
    assert Unoptimized().compile_expression("b")() is None
    assert Unoptimized().from_string("a > 1").render(a=2) == "a > 1"


@pytest.mark.usefixtures("templates")
def test_what_depends_on_more_than_the_text_is_compiled_each_time():
    text = "{{ a }}[[ a ]]"
    plain = Unoptimized()
    overlay = plain.overlay(variable_start_string="[[", variable_end_string="]]")
    rendered = [env.from_string(text).render(a=1) for env in (plain, overlay, plain)]
    assert rendered == ["1[[ a ]]", "{{ a }}1", "1[[ a ]]"]
    Other().from_string(text)
    assert Unoptimized.compiled == 3
    for _time in range(2):
        plain.from_string(r"{{ 'a\nb' }}")
        plain.compile_expression(r"'a\nb'")
        plain.compile(text, "name", "file")
        plain.compile(text, raw=True)
    assert Unoptimized.compiled == 9
    assert Environment().from_string("{{ 1 + 1 }}").render() == "2", "Jinja's own optimizes"


@pytest.mark.usefixtures("templates")
@pytest.mark.parametrize("compiling", ["from_string", "compile_expression"])
def test_what_is_wrong_with_a_text_is_said_at_each_use(compiling):
    for _time in range(2):
        with pytest.raises(TemplateSyntaxError):
            getattr(Unoptimized(), compiling)("{{ a")


@pytest.mark.usefixtures("templates")
def test_not_everything_is_remembered(monkeypatch):
    monkeypatch.setattr(compiled_templates, "MOST", 3)
    for _time in range(2):
        for number in range(5):
            Unoptimized().from_string(f"{{{{ {number} }}}}")
    assert Unoptimized.compiled == 5 + 2


def test_a_task_is_prepared_with_all_that_its_hosts_compile(templates):
    task = SimpleNamespace(
        args={"a": "{{ a }}", "b": ["{{ b }}", {"c": "{{ c }}"}, "plain", 1, None]},
        environment=["{{ d }}"],
        module_defaults=[{"group/x": "{{ e }}"}],
        loop="{{ f }}",
        loop_control=SimpleNamespace(label="{{ g }}"),
        when=["h", True],
        until=[" i "],
        changed_when=[],
        failed_when=["not ("],
        get_vars=lambda: {"j": "{{ j }}", "wrong": "{{ ("},
    )
    templates.prepare(task)
    assert Unoptimized.compiled == 0, "nothing is known of Ansible's templates yet"
    Unoptimized().from_string("")
    templates.prepare(task)
    prepared = Unoptimized.compiled
    for name in "abcdefgj":
        Unoptimized().from_string(f"{{{{ {name} }}}}")
    for name in "hi":
        Unoptimized().compile_expression(name, False)
    assert Unoptimized.compiled == prepared == 11
