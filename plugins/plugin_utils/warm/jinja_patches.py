# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The function of Jinja that is replaced in Ansible's controller, and so in its workers: templates are compiled once.

Ansible compiles a template whenever it needs it: each option of a step, for each item of a loop, in each account.
What Jinja compiles holds no variable and no result, so a worker gets the code that it would have made itself.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from types import CodeType
from typing import Any

import jinja2
from ansible_collections.leastpriv.iam.plugins.plugin_utils.warm.botocore_patches import Note, Patch, why_untried

# More than the role has. Templates that a run makes itself would only fill the memory.
MAX_TEMPLATES = 1_000
_NAME = re.compile(r"[A-Za-z_]\w*")


class CompiledTemplates:
    """The code of the templates that this process, or one that it was forked from, has compiled.

    :ivar note: why the function is not replaced, if so.
    """

    def __init__(self) -> None:
        self._codes: dict[tuple[type, str], CodeType] = {}
        self._environment: Any = None
        self._original: Callable[..., Any] | None = None
        self.note = note_problems()

    def install(self) -> None:
        """Replace the function where it fits, until `remove`."""
        if not self.note.lines and self._original is None:
            self._original = jinja2.Environment.compile
            jinja2.Environment.compile = PATCH.replace(self._original, self)

    def remove(self) -> None:
        """Put the function back."""
        if self._original is not None:
            jinja2.Environment.compile, self._original = self._original, None

    def prepare(self, task: Any) -> None:
        """Compile what a task's workers need, before they are forked.

        These are the templates of its options, environment, variables and module defaults, and of the role's variables
        that they name.
        """
        if self._environment is None:
            return
        given = [task.args, task.environment, task.vars, task.module_defaults]
        for text in _with_variables(given, getattr(getattr(task, "_role", None), "_role_vars", {})):
            # The worker that needs it reports what is wrong with it.
            with suppress(Exception):
                self._environment.compile(text)

    def code(self, compile_template: Callable[..., Any], environment: Any, source: str) -> CodeType:
        """The code of a template, compiled if it is not here."""
        self._environment = environment
        key = type(environment), str(source)
        if key not in self._codes and len(self._codes) < MAX_TEMPLATES:
            self._codes[key] = compile_template(environment, source)
        return self._codes.get(key) or compile_template(environment, source)


def _compile_once(compile_template: Callable[..., Any], templates: CompiledTemplates) -> Callable[..., Any]:
    @functools.wraps(compile_template)
    def compile_once(environment: Any, source: Any, *args: Any, **kwargs: Any) -> Any:
        if args or kwargs or not is_plain(environment, source):
            return compile_template(environment, source, *args, **kwargs)
        return templates.code(compile_template, environment, source)

    return compile_once


PATCH = Patch(
    "templates are compiled once",
    "jinja2.Environment.compile",
    ("self", "source", "name", "filename", "raw", "defer_init"),
    "each option of a step is compiled for each item of a loop",
    "8 % of a run's processor time (3 pairs of runs of 100 alerts)",
    ("3.1.2", "3.1.6"),
    _compile_once,
)


def note_problems() -> Note:
    """Why the function of this Jinja is not replaced; empty where it is as expected."""
    so = "templates are compiled again for each step, and runs take longer"
    if line := why_untried("Jinja", jinja2.__version__, PATCH.tried, so):
        return Note([line], [])
    parameters = tuple(inspect.signature(jinja2.Environment.compile).parameters)
    if parameters != PATCH.parameters:
        line = f"{PATCH.where} is not replaced ({PATCH.what}): its parameters are {', '.join(parameters)}."
        return Note([], [line])
    return Note([], [])


def is_plain(environment: Any, source: Any) -> bool:
    """Whether the code depends on the text alone.

    It also depends on the settings of an overlay, on constants that Jinja's optimizer computes, and on how Ansible has
    backslashes read, which differs from place to place.
    """
    return isinstance(source, str) and "\\" not in source and not (environment.overlayed or environment.optimized)


def _with_variables(value: Any, variables: Mapping[str, Any]) -> Iterator[str]:
    """The templates in a value and in the variables that they name."""
    waiting, named = [value], set[str]()
    while waiting:
        for text in _texts(waiting.pop()):
            yield text
            new = (variables.keys() & _NAME.findall(text)) - named
            named |= new
            waiting += [variables[name] for name in sorted(new)]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if "{{" in value:
            yield value
    elif isinstance(value, (dict, list)):
        for member in value.values() if isinstance(value, dict) else value:
            yield from _texts(member)
