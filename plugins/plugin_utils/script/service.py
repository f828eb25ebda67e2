# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands and options of `aws iam`, as the AWS CLI derives them from botocore's service model.

Follows awscli's clidriver (names by xform_name, `--x/--no-x` for booleans, lists with any number of values) and its
customizations for IAM: argrename, iamvirtmfa, paginate, waiters, paramfile. Reads botocore's own files only: no
client, no session, no environment, nothing of the user's ~/.aws.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError

Json = Mapping[str, Any]
XformName = Callable[[str, str], str]

IAM = "iam"
MODEL_FILES = ("service-2", "paginators-1", "waiters-2")
ONE, MANY, FLAG = "one value", "any number of values", "no value"
# Operations whose names begin with these change nothing: generate-* makes a report.
READ_ONLY = ("Generate", "Get", "List", "Simulate")
# awscli/customizations/argrename.py, HIDDEN_ALIASES.
ALIASES = {"authentication-code1": "authentication-code-1", "authentication-code2": "authentication-code-2"}
# awscli/customizations/iamvirtmfa.py: required options that stay with the CLI.
LOCAL_OPTIONS = {"CreateVirtualMFADevice": {"outfile": None, "bootstrap-method": ("QRCodePNG", "Base32StringSeed")}}
# awscli/paramfile.py, PARAMFILE_DISABLED.
NEVER_LOADED = frozenset({("CreateOpenIDConnectProvider", "Url")})


@dataclass(frozen=True)
class Option:
    """An option of a command.

    :ivar name: without its `--`.
    :ivar takes: ONE, MANY or FLAG.
    :ivar member: the API parameter, None for an option of the CLI alone.
    :ivar shape: the name of the parameter's shape, "" without a parameter.
    :ivar constant: the value of a FLAG.
    """

    name: str
    takes: str = ONE
    member: str | None = None
    shape: str = ""
    constant: bool = True
    required: bool = False
    choices: tuple[str, ...] | None = None
    whole_number: bool = False
    least: int | None = None
    loads_files: bool = True


@dataclass(frozen=True)
class Operation:
    """An API operation, or the waiter that polls with it."""

    name: str
    command: str
    options: Mapping[str, Option]
    input_shape: str | None
    read_only: bool


@dataclass(frozen=True)
class Service:
    """The commands and waiters by the words that are typed, and the shapes of botocore's service-2.json."""

    commands: Mapping[str, Operation]
    waiters: Mapping[str, Operation]
    shapes: Mapping[str, Any] = field(repr=False)


@lru_cache(maxsize=1)
def iam() -> Service:
    """The IAM service of the installed botocore.

    :raises LeastprivError: when botocore is not installed.
    """
    try:
        from botocore import xform_name
        from botocore.loaders import Loader
    except ImportError as error:
        raise LeastprivError(
            f"Reading AWS CLI scripts needs botocore's IAM model, and botocore cannot be imported ({error}). "
            "Install boto3 into the Python environment of ansible-playbook: pip install boto3"
        ) from error
    # The default search path begins with ~/.aws/models, which could change what a script means.
    loader = Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    model, paginators, waiters = (loader.load_service_model(IAM, part) for part in MODEL_FILES)
    return build(model, paginators, waiters, xform_name)


def build(model: Json, paginators: Json, waiters: Json, xform_name: XformName) -> Service:
    """The service of a model, its paginators and waiters (botocore's JSON), named by botocore's xform_name."""
    commands = {}
    for name, operation in model["operations"].items():
        command = xform_name(name, "-")
        shape = operation.get("input", {}).get("shape")
        options = _member_options(name, model["shapes"], shape, xform_name)
        options += _local_options(name, name in paginators["pagination"])
        by_name = {option.name: option for option in options}
        commands[command] = Operation(name, command, by_name, shape, name.startswith(READ_ONLY))
    by_operation = {operation.name: operation for operation in commands.values()}
    polls = {xform_name(name, "-"): by_operation[waiter["operation"]] for name, waiter in waiters["waiters"].items()}
    return Service(commands, polls, model["shapes"])


def _member_options(operation: str, shapes: Json, input_shape: str | None, xform_name: XformName) -> list[Option]:
    structure = shapes[input_shape] if input_shape else {"members": {}}
    options = []
    for member, reference in structure["members"].items():
        name, shape = xform_name(member, "-"), reference["shape"]
        common = {"member": member, "shape": shape, "loads_files": (operation, member) not in NEVER_LOADED}
        kind = shapes[shape]["type"]
        if kind == "boolean":
            options.append(Option(name, FLAG, **common))
            options.append(Option(f"no-{name}", FLAG, constant=False, **common))
            continue
        takes = MANY if kind == "list" else ONE
        required = member in structure.get("required", ())
        names = [name, ALIASES[name]] if name in ALIASES else [name]
        options += [Option(each, takes, required=required and len(names) == 1, **common) for each in names]
    return options


def _local_options(operation: str, paginated: bool) -> list[Option]:
    local = LOCAL_OPTIONS.get(operation, {})
    options = [Option(name, required=True, choices=choices) for name, choices in local.items()]
    if paginated:
        numbers = Option("page-size", whole_number=True, least=1), Option("max-items", whole_number=True)
        options += Option("starting-token"), *numbers
    if not local:
        options += Option("cli-input-json"), Option("cli-input-yaml"), Option("generate-cli-skeleton", MANY)
    return options
