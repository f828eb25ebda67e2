# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command's words -> the API call that the AWS CLI would send.

    command = "aws" { global } "iam" { global } operation { global | parameter }

Everything that the CLI refuses is a problem here, and so is everything beyond the call: another endpoint, files, forms.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.arguments import (
    ParsedArguments,
    ParsedOption,
    sort_words,
    split_operand,
    suggest,
    unknown,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.constraints import faults
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.lexer import Word
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.parser import AND, Command
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.problem import Problem, unsupported, visible
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.service import (
    FLAG,
    IAM,
    MANY,
    Operation,
    Option,
    Service,
    iam,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.shorthand import (
    ShorthandError,
    coerce,
    parse_shorthand,
)

MAX_WORDS = 1000
HELP, WAIT = "help", "wait"
# Scripts often begin with this command of another service, which changes nothing.
STS, WHO_AM_I = "sts", Operation("GetCallerIdentity", "get-caller-identity", {}, None, read_only=True)

# Global options of AWS CLI 1 and 2 that have no effect on a change.
HARMLESS = {
    option.name: option
    for option in (
        Option("cli-binary-format", choices=("base64", "raw-in-base64-out")),
        Option("cli-connect-timeout", whole_number=True),
        Option("cli-read-timeout", whole_number=True),
        Option("color", choices=("on", "off", "auto")),
        Option("debug", FLAG),
        Option("no-cli-auto-prompt", FLAG),
        Option("no-cli-pager", FLAG),
        Option("no-paginate", FLAG),
        Option("output", choices=("json", "text", "table", "yaml", "yaml-stream", "off")),
        Option("query"),
        Option("region"),
        Option("v2-debug", FLAG),
    )
}
REDIRECTING = {
    option.name: option
    for option in (
        Option("ca-bundle"),
        Option("endpoint-url"),
        Option("no-sign-request", FLAG),
        Option("no-verify-ssl", FLAG),
        Option("profile"),
    )
}
INTERACTIVE = {option.name: option for option in (Option("cli-auto-prompt", FLAG), Option("version", FLAG))}
GLOBALS = {**HARMLESS, **REDIRECTING, **INTERACTIVE}
SKELETONS = {
    "cli-input-json": "takes all parameters from one text or file",
    "cli-input-yaml": "takes all parameters from one text or file",
    "generate-cli-skeleton": "prints a form instead of running the command",
}
PAGING = ("page-size", "starting-token")
LOADING = ("file://", "fileb://", "http://", "https://")
# botocore.utils.validate_region_name
REGION = re.compile(r"(?![0-9]+$)(?!-)[a-zA-Z0-9-]{1,63}(?<!-)")


@dataclass(frozen=True)
class Call:
    """The API call of one command.

    :ivar operation: the API's name, "" if it is not known.
    :ivar parameters: the API's; incomplete if there are problems.
    :ivar offset: the command's place in the script, as is `length`.
    :ivar text: the command's source, with secrets masked.
    :ivar offsets: the places of the parameters' values, by parameter.
    :ivar secrets: the parameters that botocore's model marks as sensitive.
    """

    operation: str
    parameters: Mapping[str, Any] = field(repr=False)
    read_only: bool
    offset: int
    length: int
    text: str
    offsets: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    secrets: tuple[str, ...] = ()
    service: str = IAM


@dataclass
class _Findings:
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def reject(self, word: Word, message: str, hint: str | None = None, kind: str = "unsupported") -> None:
        self.problems.append(Problem(kind, message, word.offset, max(1, word.end - word.offset), hint))


def resolve(command: Command) -> Call:
    """Resolve one command as the AWS CLI does.

    :param command: of a parsed script.
    :returns: the call, with the command's problems.
    :raises LeastprivError: if botocore is not installed.
    """
    service, found = iam(), _Findings(list(command.problems))
    if not _is_readable(command, found):
        return _call(command, found)
    top = sort_words(list(command.words[1:]), GLOBALS)
    found.problems += top.problems
    _judge_globals(top, found)
    operation, words = _find_operation(command, top.left, service, found)
    if operation is None or command.problems:
        return _call(command, found, operation)
    sorted_words = sort_words(words, operation.options)
    _judge_words(command, operation, sorted_words, found)
    _judge_paging(top, sorted_words, found)
    parameters, offsets = _parameters(sorted_words, service, found)
    _judge_required(command, operation, service, sorted_words, found)
    return _call(command, found, operation, parameters, offsets, _secrets(sorted_words, service))


def _call(
    command: Command,
    found: _Findings,
    operation: Operation | None = None,
    parameters: Mapping[str, Any] | None = None,
    offsets: Mapping[str, int] | None = None,
    secrets: tuple[str, ...] = (),
) -> Call:
    read_only = bool(operation and operation.read_only)
    if read_only and not found.problems:
        found.notes.append(f"`{visible(command.text[:80])}` only reads and was left out")
    return Call(
        operation=operation.name if operation else "",
        parameters=parameters or {},
        read_only=read_only,
        offset=command.offset,
        length=command.end - command.offset,
        text=command.text,
        offsets=offsets or {},
        notes=tuple(found.notes),
        problems=tuple(sorted(found.problems, key=lambda problem: problem.offset)),
        secrets=secrets,
    )


def _is_readable(command: Command, found: _Findings) -> bool:
    if len(command.words) > MAX_WORDS:
        found.reject(command.words[MAX_WORDS], f"the command has more than {MAX_WORDS} words")
        return False
    for word in command.words:
        if word.value == "--" and not word.broken:
            found.reject(word, "AWS CLI versions read a lone `--` differently", "Leave it out.")
            return False
    return True


# global options


def _judge_globals(top: ParsedArguments, found: _Findings) -> None:
    for name, given in top.given.items():
        if name in REDIRECTING:
            message, hint = f"--{name} redirects the change", "The account's own profile in the inventory decides."
            found.reject(given.word, message, hint, "refused")
        elif name in INTERACTIVE:
            found.reject(given.word, f"--{name} does not run the command")
        elif not any(word.broken for word in given.values):
            _judge_typed(given, found)
            found.notes.append(f"--{name} has no effect on a change and was left out")


def _judge_typed(given: ParsedOption, found: _Findings) -> None:
    """The CLI's checks of the options that it does not send."""
    option = given.option
    for word in given.values:
        if option.choices and word.value not in option.choices:
            found.reject(word, f"--{option.name} must be one of {', '.join(option.choices)}")
        if option.whole_number and not _is_whole_number(word.value, option.least):
            found.reject(word, f"--{option.name} must be a whole number" + " from 1" * (option.least == 1))
        if option.name == "region" and not REGION.fullmatch(word.value):
            found.reject(word, "--region must be the name of a region")
        if option.name == "query" and not _is_jmespath(word.value):
            found.reject(word, "--query must be a JMESPath expression")


def _is_whole_number(text: str, least: int | None) -> bool:
    try:
        number = int(text)
    except ValueError:
        return False
    return least is None or number >= least


def _is_jmespath(text: str) -> bool:
    """botocore depends on jmespath."""
    import jmespath

    try:
        jmespath.compile(text)
    except (jmespath.exceptions.JMESPathError, ValueError, RecursionError):
        return False
    return True


# service and operation


def _find_operation(
    command: Command, words: list[Word], service: Service, found: _Findings
) -> tuple[Operation | None, list[Word]]:
    name, words = split_operand(words)
    if name is not None and not name.broken and name.value == STS:
        typed, left = split_operand(words)
        if typed is not None and not typed.broken and typed.value == WHO_AM_I.command:
            return WHO_AM_I, left
    if name is None or name.broken or name.value != IAM:
        _reject_service(command, name, words, found)
        return None, words
    typed, words = split_operand(words)
    known: Mapping[str, Operation] = service.commands
    if typed is not None and typed.value == WAIT:
        known, (typed, words) = service.waiters, split_operand(words)
    if typed is None:
        found.reject(name, "the operation is missing after `aws iam`")
    elif typed.value == HELP:
        found.reject(typed, "help prints a page and runs nothing", "Leave the command out.")
    elif typed.value in known:
        return known[typed.value], words
    elif not typed.broken:
        message = f"`aws iam` has no operation `{typed.value[:60]}`"
        found.reject(typed, message, suggest(typed.value[:60], known))
    return None, words


def _reject_service(command: Command, name: Word | None, words: list[Word], found: _Findings) -> None:
    if name is None:
        found.reject(command.words[0], "the service is missing after `aws`", "aws iam <operation> …")
    elif name.value == HELP:
        found.reject(name, "help prints a page and runs nothing", "Leave the command out.")
    elif not name.broken:
        operation, _rest = split_operand(words)
        typed = f"{name.value} {operation.value}" if operation and not operation.broken else name.value
        message = f"`aws {typed[:80]}` is not supported"
        found.reject(name, message, "Only `aws iam` commands are. Remediate it manually.")


# parameters


def _judge_words(command: Command, operation: Operation, words: ParsedArguments, found: _Findings) -> None:
    """Check the words of the operation, except for its values."""
    found.problems += words.problems
    if any(word.value == HELP for word in words.left):
        found.reject(words.left[0], "help prints a page and runs nothing", "Leave the command out.")
    else:
        found.problems += unknown(words.left, operation.options)
    for name, does in SKELETONS.items():
        if name in words.given:
            found.reject(words.given[name].word, f"--{name} {does}", "Write the parameters as options.")
    last = words.last
    if command.joiner == AND and last and last.option.takes == MANY and command.words[-1] in (last.word, *last.values):
        message = f"the following `and` could be another value of --{last.option.name}"
        found.reject(last.word, message, "Join the commands with && instead.")


def _judge_paging(top: ParsedArguments, words: ParsedArguments, found: _Findings) -> None:
    """The CLI's own check of options that contradict --no-paginate or --marker, and of --max-items."""
    if "no-paginate" not in top.given and "Marker" not in words.given:
        return
    limit = words.given.get("max-items")
    if limit and not _is_whole_number(limit.values[0].value, 1):
        found.reject(limit.values[0], "--max-items must be a whole number from 1")
    for name in PAGING:
        if name in words.given:
            found.reject(words.given[name].word, f"--{name} contradicts --no-paginate and --marker")


def _judge_required(
    command: Command, operation: Operation, service: Service, words: ParsedArguments, found: _Findings
) -> None:
    if any(name in words.given for name in SKELETONS) or any(word.value == HELP for word in words.left):
        return
    needed = list(service.shapes[operation.input_shape].get("required", ())) if operation.input_shape else []
    needed += [option.name for option in operation.options.values() if option.required and not option.member]
    names = {option.member or option.name: option.name for option in reversed([*operation.options.values()])}
    missing = [f"--{names[member]}" for member in needed if member not in words.given]
    if missing:
        message = f"{operation.command} lacks {' and '.join(missing)}"
        found.problems.append(unsupported(message, command.offset, command.end))


def _secrets(words: ParsedArguments, service: Service) -> tuple[str, ...]:
    shapes = [(name, given.option.shape) for name, given in words.given.items() if given.option.shape]
    return tuple(name for name, shape in shapes if service.shapes[shape].get("sensitive"))


def _parameters(words: ParsedArguments, service: Service, found: _Findings) -> tuple[dict[str, Any], dict[str, int]]:
    parameters: dict[str, Any] = {}
    offsets: dict[str, int] = {}
    for name, given in words.given.items():
        place = given.values[0] if given.values else given.word
        if given.option.member is None:
            _judge_typed(given, found)
        elif _loads(given):
            message = f"--{given.option.name} reads its value from a file or an address"
            found.reject(place, message, "Write the value itself.")
        else:
            offsets[name] = place.offset
            _set_parameter(parameters, name, given, service, found)
    return parameters, offsets


def _loads(given: ParsedOption) -> bool:
    """Whether the CLI would load the value (paramfile): of a list only if it has one item."""
    return given.option.loads_files and len(given.values) == 1 and given.values[0].value.startswith(LOADING)


def _set_parameter(
    parameters: dict[str, Any], name: str, given: ParsedOption, service: Service, found: _Findings
) -> None:
    place = given.values[0] if given.values else given.word
    try:
        value = _unpack(given, service.shapes)
    except ShorthandError as error:
        found.reject(place, f"--{given.option.name} is neither JSON nor shorthand: {error}", "Key=…,Value=…")
    except (ValueError, TypeError, AttributeError, RecursionError):
        kind = service.shapes[given.option.shape]["type"]
        expected = "a whole number" if kind == "integer" else "JSON or shorthand of the right types"
        found.reject(place, f"--{given.option.name} must be {expected}")
    else:
        parameters[name] = value
        for path, text in faults(value, given.option.shape, service.shapes):
            word = given.values[path[0]] if path and len(given.values) > 1 else place
            found.reject(word, f"--{given.option.name}{_spoken(path)} {text}")


def _spoken(path: tuple[Any, ...]) -> str:
    """The path to a place, for people; keys of maps are shown, never values."""
    keys = (f"item {key + 1}" if isinstance(key, int) else key[:40] for key in path)
    return "".join(f", {key}" for key in keys) + "," * bool(path)


def _unpack(given: ParsedOption, shapes: Mapping[str, Any]) -> Any:
    """The value of a parameter, as awscli's argprocess unpacks it."""
    option, texts = given.option, [word.value for word in given.values]
    if option.takes == FLAG:
        return option.constant
    if option.takes == MANY:
        return _unpack_list(texts, shapes[option.shape]["member"]["shape"], shapes)
    kind = shapes[option.shape]["type"]
    if kind in ("structure", "map"):
        return _unpack_structure(texts[0], option.shape, shapes)
    return int(texts[0]) if kind in ("integer", "long") else texts[0]


def _unpack_list(texts: list[str], member: str, shapes: Mapping[str, Any]) -> list[Any]:
    first = texts[0].strip() if texts else ""
    if len(texts) == 1 and first.startswith("["):
        items: list[Any] = json.loads(texts[0])
        return items
    if shapes[member]["type"] not in ("structure", "map", "list"):
        return texts
    if first.startswith(("[", "{")):
        return [_unpack_json(text) for text in texts]
    return [coerce(parse_shorthand(text), member, shapes) for text in texts]


def _unpack_structure(text: str, shape: str, shapes: Mapping[str, Any]) -> Any:
    if text.strip().startswith(("[", "{")):
        return _unpack_json(text)
    return coerce(parse_shorthand(text), shape, shapes)


def _unpack_json(text: str) -> Any:
    if not text.lstrip().startswith("{"):
        raise ValueError("not a structure")
    return json.loads(text)
