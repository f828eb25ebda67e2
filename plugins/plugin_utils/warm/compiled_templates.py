# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compiles each template of a play once. Ansible does it anew in every worker, and there for every item of a loop.

What Jinja compiles depends on the text and on what kind of environment it is for; it holds no variable and no result.
It is the code that Ansible would have got: only who looks for it finds it made already.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import CodeType
from typing import Any

from jinja2.environment import Environment, TemplateExpression

# What a play has of templates; more come from a task that makes new ones, and are not worth remembering.
MOST = 2_000
TEMPLATES = ("args", "environment", "module_defaults", "loop")
CONDITIONS = ("when", "until", "changed_when", "failed_when")


class CompiledTemplates:
    """The code of templates and of conditions. `install` comes first, and lasts for the life of this process."""

    def __init__(self) -> None:
        self._codes: dict[tuple[type, str, str], CodeType] = {}
        self._compiled_last: CodeType | None = None
        self._environment: Environment | None = None

    def install(self) -> None:
        compile_template, compile_expression = Environment.compile, Environment.compile_expression

        def compile_once(environment: Environment, source: Any, *args: Any, **kwargs: Any) -> Any:
            if args or kwargs or not isinstance(source, str) or not is_plain(environment, source):
                self._compiled_last = compile_template(environment, source, *args, **kwargs)
                return self._compiled_last
            key = type(environment), "template", str(source)
            if key in self._codes:
                return self._codes[key]
            self._environment = self._environment or environment
            return self._remember(key, compile_template(environment, source))

        def compile_expression_once(environment: Environment, source: str, undefined_to_none: bool = True) -> Any:
            if not is_plain(environment, source):
                return compile_expression(environment, source, undefined_to_none)
            key = type(environment), "expression", str(source)
            if key not in self._codes:
                expression = compile_expression(environment, source, undefined_to_none)
                # Jinja has made a template around it.
                self._remember(key, self._compiled_last)
                return expression
            names = environment.make_globals(None)
            template = environment.template_class.from_code(environment, self._codes[key], names)
            return TemplateExpression(template, undefined_to_none)

        Environment.compile = compile_once
        Environment.compile_expression = compile_expression_once

    def prepare(self, task: Any) -> None:
        """Compile what each of a task's hosts would have to, before its workers begin as copies of this process."""
        environment = self._environment
        if environment is None:
            return
        label = task.loop_control.label if task.loop_control else None
        for text in _texts([task.get_vars(), label, *(getattr(task, name) for name in TEMPLATES)]):
            if "{{" in text:
                # Whoever needs it will say what is wrong with it.
                with contextlib.suppress(Exception):
                    environment.compile(text)
        for text in _texts([getattr(task, name) for name in CONDITIONS]):
            with contextlib.suppress(Exception):
                environment.compile_expression(text.strip(), False)

    def _remember(self, key: tuple[type, str, str], code: Any) -> Any:
        if len(self._codes) < MOST:
            self._codes[key] = code
        return code


def is_plain(environment: Environment, source: str) -> bool:
    """Whether the code depends on nothing else.

    It does on the settings of an overlay, on constants that Jinja's optimizer computes (before ansible-core 2.19), and
    on how Ansible wants backslashes to be read, which differs from place to place.
    """
    return not (environment.overlayed or environment.optimized or "\\" in source)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _texts(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)
