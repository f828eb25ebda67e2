# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A request that shows what a statement would allow or deny beyond others: looked for, never relied on. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import chain, islice, product

from ..iso_time import utc_text
from .conditions import Test, read_date, read_network, read_number
from .patterns import VARIABLE
from .requests import Context, Request, holds
from .statements import ANY_AWS, ANYONE, ROOT, Statement, Values

MAX_REQUESTS = 60
MAX_CONTEXTS = 30
EXAMPLE = "example"
ACTIONS = ("s3:DeleteObject", "iam:PassRole", "ec2:TerminateInstances", "sts:AssumeRole")
RESOURCES = ("arn:aws:s3:::example/example", "arn:aws:iam::000000000000:role/example")
ROLE = "AWS:arn:aws:iam::{}:role/example"
# Texts for the wildcards of a pattern: itself, then shorter and longer ones.
FILLERS = (("*", "?"), ("", "x"), ("xx", "x"), ("/example", "x"))


def requests_for(part: Statement, others: Sequence[Statement]) -> Iterator[Request]:
    """Requests that a part of a statement may match and the others may not, the plainest first."""
    actions = _texts(part.actions, [one.actions for one in others], ACTIONS)
    resources = _texts(part.resources, [one.resources for one in others], RESOURCES)
    principals = list(_principals(part.principals))
    contexts = list(islice(_contexts(part, others), MAX_CONTEXTS))
    for action, resource, principal, context in islice(product(actions, resources, principals, contexts), MAX_REQUESTS):
        yield Request(action, resource, principal, context)


def _texts(values: Values, others: Sequence[Values], examples: Sequence[str]) -> list[str]:
    """Texts that the values may name."""
    named = [] if values.is_excluded else values.texts
    excluded = [text for one in others if one.is_excluded or values.is_excluded for text in one.texts]
    plain, *fillers = ([_filled(text, *filler) for text in (*named, *excluded)] for filler in FILLERS)
    any_text = examples if values.is_excluded or "*" in named else ()
    return list(dict.fromkeys([*plain[: len(named)], *any_text, *plain, *chain(*fillers)]))


def _filled(pattern: str, run: str, one: str) -> str:
    plain = VARIABLE.sub(lambda found: _example_of(found[0]), pattern)
    return "".join(run if char == "*" else one if char == "?" else char for char in plain)


def _example_of(variable: str) -> str:
    """A value for a policy variable: another one for each."""
    return f"{EXAMPLE}-{re.split('[:/]', variable[2:-1])[-1]}"


def _principals(values: Values) -> Iterator[str]:
    for text in values.texts:
        root = ROOT.fullmatch(text)
        if root or text in (ANYONE, ANY_AWS):
            yield ROLE.format(root[1] if root else "000000000000")
        if text not in (ANYONE, ANY_AWS):
            yield text


def _contexts(part: Statement, others: Sequence[Statement]) -> Iterator[Context]:
    """Contexts that hold for the part: one, then each key changed alone, then all together."""
    tests = list(chain(part.tests, *(one.tests for one in others)))
    names = chain(part.variables, *(one.variables for one in others))
    variables: Context = {name[2:-1].lower(): (_example_of(name),) for name in names}
    keys = dict.fromkeys(test.key for test in tests)
    choices = [_choices(key, tests, part.tests, variables) for key in keys]
    if not all(choices):
        return
    first = [found[0] for found in choices]
    one_by_one = (
        [*first[:place], value, *first[place + 1 :]] for place, found in enumerate(choices) for value in found
    )
    for chosen in chain([first], one_by_one, product(*choices)):
        yield {**variables, **{key: values for key, values in zip(keys, chosen, strict=True) if values}}


def _choices(key: str, tests: list[Test], wanted: tuple[Test, ...], variables: Context) -> list[tuple[str, ...]]:
    """The values of a key, `()` for a key that is missing, for which all tests of the part hold."""
    about = [test for test in tests if test.key == key]
    samples = list(dict.fromkeys(sample for test in about for sample in _samples(test)))
    several: list[tuple[str, ...]] = []
    if any(test.quantifier for test in about):
        several = [tuple(samples[:2]), tuple(samples)]
    mine = [test for test in wanted if test.key == key]
    return [values for values in ((), *((one,) for one in samples), *several) if _hold(mine, key, values, variables)]


def _hold(tests: list[Test], key: str, values: tuple[str, ...], variables: Context) -> bool:
    return all(holds(test, {**variables, key: values}) for test in tests)


def _samples(test: Test) -> Iterator[str]:
    """Values near those of a test, on either side of what it asks for."""
    for value in test.values:
        yield from _near(test.operator, value)
    if test.operator == "Bool":
        yield from ("true", "false")
    elif test.operator.startswith(("String", "Null")):
        yield EXAMPLE
    elif "IpAddress" in test.operator:
        yield from ("203.0.113.1", "2001:db8::1")
    elif test.operator.startswith("Arn"):
        yield "arn:aws:iam::000000000000:role/example"


def _near(operator: str, value: str) -> Iterator[str]:
    if operator.startswith(("String", "Arn")):
        yield from (_filled(value, *filler) for filler in FILLERS)
        yield value.swapcase()
    elif "IpAddress" in operator and (network := read_network(value)):
        yield from (str(network[0]), str(network[-1]))
    elif operator.startswith("Numeric") and (number := read_number(value)) is not None:
        yield from (str(number + step) for step in (0, -1, 1))
    elif operator.startswith("Date") and (time := read_date(value)):
        yield from (utc_text(time + timedelta(seconds=step)) for step in (0, -1, 1))
    elif operator == "Bool":
        yield value.lower()
