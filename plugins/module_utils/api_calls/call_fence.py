# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The call fence: in the process of a step's module, only reads and the calls that the step declares reach AWS.

The modules of amazon.aws are declarative: asked to attach a policy, they also create a missing principal or write back
a trust policy. The fence keeps them exact. It uses two public events of botocore, which see every call of every
session before it is sent: `before-parameter-build` checks the call, and `creating-client-class.iam` gives the methods
of a client a second look at what IAM cannot make conditional. See boto3's "Extensibility guide".

Two more save calls. `before-call.iam` answers a read whose answer the call of the step gives as well (`unasked` of its
row). `after-call.iam` ends a module of amazon.aws when the last call of its step was answered: what it would still do
is read back what it has changed, for a return value that the run does not use.

A declaration names the calls of a step; it is handed over as JSON in the environment of the module.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NoReturn

with suppress(ImportError):  # AnsibleAWSModule reports it
    import botocore.session
    from botocore import xform_name
    from botocore.awsrequest import AWSResponse
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

from ..account.iam_account import IamAccount
from ..operations import OPERATIONS, state_named
from ..operations.row import Operation
from ..policies.arns import DOCUMENTS
from ..policies.document import PolicyDocumentError, canonical, canonical_text, read_document
from ..shapes import Step

# The environment variable of a declaration.
VARIABLE = "LEASTPRIV_CALLS"
# The error code of a call that was stopped.
NOT_IN_SCRIPT = "NotInScript"
# IAM's error code for a name that is taken.
EXISTS = "EntityAlreadyExists"
# Why nothing is applied without the fence.
NO_FENCE = (
    "Nothing was applied: no call fence stands around the modules of this host, which keeps them to the calls of the "
    "script. Use the connection leastpriv.iam.warm with pipelining and without become (docs/guardrails.md), or accept "
    "the risk with remediate_unfenced: true."
)
READS = ("Get", "List", "Generate", "Simulate", "Describe")
# The reads with other names.
OTHER_READS = (("accessanalyzer", "CheckNoNewAccess"), ("cloudtrail", "LookupEvents"))
# Logging in to AWS changes nothing in an account.
LOGIN_SERVICES = ("sts", "sso", "sso-oidc", "signin")
CALL_EVENT = "before-parameter-build"
CLASS_EVENT = "creating-client-class.iam"
SEND_EVENT = "before-call.iam"
ANSWER_EVENT = "after-call.iam"
HTTP_OK, HTTP_ERROR = 200, 300
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListPolicies.html
MAX_ITEMS = 1_000
# An event that no call has: what answers it is the fence.
PROBE = f"{CALL_EVENT}.iam.LeastprivProbe"

# Operation, normalised parameters, parameters, and the digests of the states that are read again.
Declared = tuple[str, dict[str, str], dict[str, Any], dict[str, str]]


def declared_calls(step: Step) -> list[dict[str, Any]]:
    """The calls of a step that may reach AWS.

    :param step: a step with `operation`, `parameters`, and `observed` where something is to be read again.
    :returns: list of dicts of `operation`, `parameters` and `observed`, in the order of the operation's row.
    """
    row = OPERATIONS[step["operation"]]
    calls = [(row.name, step["parameters"])] if row.calls is None else row.calls(step)
    observed = step.get("observed") or {}
    return [
        {"operation": operation, "parameters": parameters, "observed": observed if operation == row.name else {}}
        for operation, parameters in calls
    ]


def declaration(calls: Sequence[Mapping[str, Any]], required: bool = True, ends: bool = False) -> dict[str, Any]:
    """The data for the process of a module, as JSON.

    :param calls: list as `declared_calls` returns it; an empty one lets reads pass and nothing else.
    :param required: whether the module must not run without the fence.
    :param ends: whether the module ends with the answer to the last of the calls, see `Operation.ends`.
    """
    return {"calls": calls, "required": required, "ends": ends}


def read_declaration(text: str) -> tuple[list[Declared], bool, bool]:
    """Read a declaration.

    :returns: (the calls, whether the fence is required, whether the module ends with the last call).
    :raises ValueError: it cannot be read.
    """
    try:
        declaration = json.loads(text)
        calls = [(one["operation"], one["parameters"], one["observed"]) for one in declaration["calls"]]
        named = [(name, normal(name, parameters), parameters, dict(observed)) for name, parameters, observed in calls]
        return named, bool(declaration["required"]), bool(declaration["ends"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"the declared calls cannot be read ({type(error).__name__})") from None


def normal(operation: str, parameters: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of a call as IAM takes them: name -> text; those that equal the API's default are left out."""
    defaults = OPERATIONS[operation].defaults if operation in OPERATIONS else {}
    given = {name: value for name, value in parameters.items() if name not in defaults or value != defaults[name]}
    return {name: _normal_value(name, value) for name, value in given.items()}


def _normal_value(name: str, value: Any) -> str:
    if name in DOCUMENTS:
        with suppress(PolicyDocumentError, TypeError, AttributeError):
            return canonical(read_document(value))
    if name in ("Tags", "TagKeys"):
        return canonical_text(sorted(canonical_text(one) for one in value))
    return canonical_text(value)


class Fence:
    """What one module run may do.

    :param calls: the calls that the step declares.
    :param ends: whether the module has done its work when they were all answered.
    :ivar violation: why a call was stopped, or None. From the first one on, declared calls are stopped as well.
    """

    def __init__(self, calls: Sequence[Declared], ends: bool = False) -> None:
        self._calls = calls
        self._left = [operation for operation, *_rest in calls] if ends else []
        self._asks = False
        self._passed: list[str] = []
        self._verified: list[Declared] = []
        self.violation: str | None = None

    def check(self, service: str, operation: str, parameters: Mapping[str, Any]) -> None:
        """Let a call pass, or raise.

        :raises botocore.exceptions.ClientError: `NotInScript`, before anything is sent.
        """
        if operation.startswith(READS) or (service, operation) in OTHER_READS or service in LOGIN_SERVICES:
            return
        if self.violation:
            raise _stopped(operation, self.violation)
        declared = self._declared(operation, parameters) if service == "iam" else None
        if declared is None:
            self._stop(operation, self._meaning(operation, parameters), is_declared=False)
        if declared[3] and declared not in self._verified:
            self._stop(operation, "What it is about could not be read again right before the change.")
        self._passed.append(operation)

    def read_again(self, client: Any, operation: str, parameters: Mapping[str, Any]) -> None:
        """Stop a declared call where what it is about is not as it was observed.

        :param client: the boto3 client that is about to make the call.
        :raises botocore.exceptions.ClientError: `NotInScript`.
        """
        declared = self._declared(operation, parameters)
        if declared is None or not declared[3] or self.violation:
            return
        for name, then in declared[3].items():
            state = state_named(name)
            try:
                now = state.digest(IamAccount(client).fact, declared[2])
            except (ClientError, BotoCoreError, PolicyDocumentError) as error:
                self._stop(operation, f"What it is about could not be read again right before the change: {error}.")
            if now != then:
                self._stop(operation, f"{_subject(declared[2])} was changed since it was observed: {state.differs}.")
        self._verified.append(declared)

    def answer(self, operation: str) -> Mapping[str, Any] | None:
        """The answer to a read that need not be sent, or None."""
        if self._asks or len(self._calls) != 1:
            return None
        name = self._calls[0][0]
        return OPERATIONS[name].unasked.get(operation) if name in OPERATIONS else None

    def look_after(self, client: Any, operation: str, parameters: Mapping[str, Any]) -> bool:
        """Look, after IAM has refused a call because its subject exists, what a read that was not sent had shown.

        :returns: whether it is what the call would create, so that nothing is left to do.
        :raises botocore.exceptions.ClientError: `NotInScript` if it is something else.
        """
        is_there = OPERATIONS[operation].is_there
        if self.violation or is_there is None:
            return False
        self._asks = True
        created = f"{_subject(parameters)} was created since it was observed, and"
        try:
            is_equal = is_there(IamAccount(client).fact, parameters)
        except (ClientError, BotoCoreError, PolicyDocumentError) as error:
            self._fail(operation, f"{created} could not be read: {error}. Nothing was changed")
        if not is_equal:
            self._fail(operation, f"{created} differs. Nothing was changed")
        return True

    def is_last(self, operation: str) -> bool:
        """Note that IAM has carried out a call; returns whether the module has nothing left to do."""
        if self.violation or operation not in self._left:
            return False
        self._left.remove(operation)
        return not self._left

    def _declared(self, operation: str, parameters: Mapping[str, Any]) -> Declared | None:
        wanted = normal(operation, parameters)
        return next((call for call in self._calls if call[0] == operation and call[1] == wanted), None)

    def _stop(self, operation: str, meaning: str, is_declared: bool = True) -> NoReturn:
        says = "" if is_declared else ", which is not what the script says"
        sent = f"{', '.join(self._passed)} had been sent before" if self._passed else "Nothing was sent"
        self._fail(operation, f"The module wanted to call {operation}{says}. {meaning} {sent}")

    def _fail(self, operation: str, reason: str) -> NoReturn:
        self.violation = f"{reason}; the alert goes back to the queue, and the next run decides by what it finds."
        raise _stopped(operation, self.violation)

    def _meaning(self, operation: str, parameters: Mapping[str, Any]) -> str:
        subject = _subject(parameters)
        same = [call for call in self._calls if call[0] == operation]
        if same:
            wanted = normal(operation, parameters)
            names = sorted({*wanted, *same[0][1]})
            other = [name for name in names if wanted.get(name) != same[0][1].get(name)]
            return f"{subject} was changed since it was observed: {', '.join(other)} would be another one."
        if operation.startswith("Create") and operation != "CreatePolicyVersion":
            return f"{subject} does not exist any more."
        differs = OPERATIONS[operation].undeclared if operation in OPERATIONS else Operation.undeclared
        return f"{subject} was changed since it was observed: {differs}."


SUBJECTS = {
    "InstanceProfileName": "instance profile",
    "UserName": "user",
    "RoleName": "role",
    "GroupName": "group",
    "PolicyArn": "policy",
    "PolicyName": "policy",
    "OpenIDConnectProviderArn": "identity provider",
    "SAMLProviderArn": "identity provider",
}


def _subject(parameters: Mapping[str, Any]) -> str:
    """What a call is about, with a capital letter: `"Role app"`."""
    named = next(((kind, parameters[name]) for name, kind in SUBJECTS.items() if parameters.get(name)), None)
    return f"{named[0].capitalize()} {named[1]}" if named else "The account"


def _stopped(operation: str, reason: str) -> Any:
    return ClientError({"Error": {"Code": NOT_IN_SCRIPT, "Message": reason}}, operation)


# The fence of this process; a module runs in a process of its own.
_standing: list[Fence] = []


def enclose(text: str) -> Fence:
    """Raise the fence of this process. There is one for each module run.

    :param text: a declaration.
    :returns: the `Fence`.
    :raises ValueError: the declaration cannot be read.
    """
    calls, _required, ends = read_declaration(text)
    _standing[:] = [Fence(calls, ends)]
    return _standing[0]


def leave() -> None:
    """Take the fence of this process down, for processes that run several modules, such as tests."""
    _standing.clear()


def install() -> None:
    """Let all sessions made from now on, here and in processes forked from this one, call the fence's handlers.

    Calling it again changes nothing.
    """
    from botocore.handlers import BUILTIN_HANDLERS

    handlers = [
        (CALL_EVENT, _check_call),
        (CLASS_EVENT, _read_again_first),
        (SEND_EVENT, _answer_unasked),
        (ANSWER_EVENT, _end_after_last),
    ]
    BUILTIN_HANDLERS[:0] = [handler for handler in handlers if handler not in BUILTIN_HANDLERS]


def stops_calls() -> bool:
    """Try the fence: whether it stops a call of this botocore. Nothing is sent to AWS, whatever the answer is."""
    session = botocore.session.Session()
    # A broken file of the user's does not concern the fence, and a run may use another one.
    for name in ("config_file", "credentials_file"):
        session.set_config_variable(name, os.devnull)
    session.set_credentials("none", "none")
    settings = Config(connect_timeout=1, retries={"max_attempts": 0})
    client = session.create_client("iam", region_name="us-east-1", endpoint_url="http://127.0.0.1:9", config=settings)
    enclose(json.dumps(declaration([])))
    try:
        client.create_user(UserName="leastpriv")
    except ClientError as error:
        return bool(error.response["Error"]["Code"] == NOT_IN_SCRIPT)
    except BotoCoreError:
        return False
    finally:
        leave()
    return False


def stands(client: Any) -> bool:
    """Whether a client's calls pass a fence of this process."""
    # Other handlers of the event look at the operation as well; none has anything to do for a read without parameters.
    model = client.meta.service_model.operation_model("GetUser")
    answers = client.meta.events.emit(PROBE, params={}, model=model, context={})
    return any(answer == VARIABLE for _handler, answer in answers)


def _check_call(params: dict[str, Any], model: Any, event_name: str | None = None, **_more: Any) -> str | None:
    if not _standing:
        return None
    if event_name == PROBE:
        return VARIABLE
    service = model.service_model.service_name
    if service == "iam":
        _list_less(model, params)
    _standing[0].check(service, model.name, params)
    return None


def _list_less(model: Any, params: dict[str, Any]) -> None:
    """Ask for what can be meant, and for as much at once as IAM returns: by default it returns a hundred of a list."""
    # A customer's policy is never among AWS's own fifteen hundred.
    if model.name == "ListPolicies":
        params.setdefault("Scope", "Local")
    if model.name.startswith(READS) and "MaxItems" in getattr(model.input_shape, "members", ()):
        params.setdefault("MaxItems", MAX_ITEMS)


def _answer_unasked(model: Any, **_more: Any) -> tuple[Any, dict[str, Any]] | None:
    answer = _standing[0].answer(model.name) if _standing else None
    return None if answer is None else (AWSResponse("", HTTP_OK, {}, None), {**answer, "ResponseMetadata": {}})


def _end_after_last(http_response: Any, parsed: Mapping[str, Any], model: Any, **_more: Any) -> None:
    if http_response.status_code < HTTP_ERROR and _standing and _standing[0].is_last(model.name):
        _end_module(True, parsed)


def _end_module(changed: bool, answer: Mapping[str, Any]) -> NoReturn:
    """End the module as its own `exit_json` does, with less: whether it changed something, and AWS's id of the call."""
    request_id = answer.get("ResponseMetadata", {}).get("RequestId")
    sys.stdout.write(json.dumps({"changed": changed, "response_metadata": {"request_id": request_id}}) + "\n")
    raise SystemExit(0)


def _read_again_first(class_attributes: dict[str, Any], **_more: Any) -> None:
    for row in OPERATIONS.values():
        method = class_attributes.get(xform_name(row.name))
        if (row.read_again or row.is_there) and method is not None:
            class_attributes[xform_name(row.name)] = _with_second_look(row.name, method)


def _with_second_look(operation: str, method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(self: Any, *args: Any, **parameters: Any) -> Any:
        if not _standing:
            return method(self, *args, **parameters)
        _standing[0].read_again(self, operation, parameters)
        try:
            return method(self, *args, **parameters)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == EXISTS and _standing[0].look_after(
                self, operation, parameters
            ):
                _end_module(False, error.response)
            raise

    # amazon.aws follows it to a function whose first parameter is not bound to the client.
    del call.__wrapped__
    return call
