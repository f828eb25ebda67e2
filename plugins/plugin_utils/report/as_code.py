# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The restriction of an alert as code: Terraform's JSON syntax and a CloudFormation template, for a pull request. Pure.

Each file is read back and compared with the alert's steps before it is used. What has no resource of its own, such as a
detachment, is a line of `left`. docs/as_code.md describes the files.
Source: "JSON Configuration Syntax" of Terraform; "Template reference" and "Dynamic references" of AWS CloudFormation.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError, attempt
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.rules import cli_name
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import OPERATIONS
from ansible_collections.leastpriv.iam.plugins.module_utils.policies.document import read_document
from ansible_collections.leastpriv.iam.plugins.module_utils.shapes import AlertOutcome
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.json_text import to_page
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.redaction import redact_all

FOLDER = "as_code"
WRITTEN = ("planned", "remediated", "already_remediated")
HELD = "managed_as_code"
SETTLED = ("needed", "changed", "unchanged")
SAFE = re.compile(r"[A-Za-z0-9_-]{1,64}")
DOCUMENT = "PolicyDocument"
LOCAL_POLICY = re.compile(r"arn:[^:]+:iam::(?P<place>[0-9]{12}:policy/.+)")
REFERENCE = re.compile(r"\$\{aws_iam_policy\.(?P<label>[A-Za-z0-9_-]+)\.arn\}")
KINDS = ("Group", "Role", "User")
EXCLUSIVE = (
    "Resources such as aws_iam_user_policy_attachments_exclusive and aws_iam_role_policies_exclusive take away at "
    "their next apply what they do not list. If you use one, add this there, too."
)
DUPLICATE = "If your code has one of these resources already, change it there."

Parameters = Mapping[str, Any]
Call = tuple[str, Parameters]
# Operation -> (the type of the resource, its attributes: the API parameter of each).
Table = Mapping[str, tuple[str, Mapping[str, str]]]

TERRAFORM: Table = {
    "CreatePolicy": (
        "aws_iam_policy",
        {"name": "PolicyName", "path": "Path", "description": "Description", "policy": DOCUMENT},
    ),
    **{
        f"Attach{kind}Policy": (
            f"aws_iam_{kind.lower()}_policy_attachment",
            {kind.lower(): f"{kind}Name", "policy_arn": "PolicyArn"},
        )
        for kind in KINDS
    },
    **{
        f"Put{kind}Policy": (
            f"aws_iam_{kind.lower()}_policy",
            {"name": "PolicyName", kind.lower(): f"{kind}Name", "policy": DOCUMENT},
        )
        for kind in KINDS
    },
    "UpdateAccountPasswordPolicy": (
        "aws_iam_account_password_policy",
        {
            "allow_users_to_change_password": "AllowUsersToChangePassword",
            "hard_expiry": "HardExpiry",
            "max_password_age": "MaxPasswordAge",
            "minimum_password_length": "MinimumPasswordLength",
            "password_reuse_prevention": "PasswordReusePrevention",
            "require_lowercase_characters": "RequireLowercaseCharacters",
            "require_numbers": "RequireNumbers",
            "require_symbols": "RequireSymbols",
            "require_uppercase_characters": "RequireUppercaseCharacters",
        },
    ),
}
CLOUDFORMATION: Table = {
    "CreatePolicy": (
        "AWS::IAM::ManagedPolicy",
        {"ManagedPolicyName": "PolicyName", "Path": "Path", "Description": "Description", DOCUMENT: DOCUMENT},
    ),
    **{
        f"Put{kind}Policy": (
            f"AWS::IAM::{kind}Policy",
            {"PolicyName": "PolicyName", f"{kind}Name": f"{kind}Name", DOCUMENT: DOCUMENT},
        )
        for kind in KINDS
    },
}
# Parameters whose absence means something else in Terraform: users may change passwords, other values are kept.
EXPLICIT: Mapping[str, Parameters] = {
    "UpdateAccountPasswordPolicy": OPERATIONS["UpdateAccountPasswordPolicy"].defaults,
}
# What is left to a person: how the code has to be changed, by the operation.
LEFT = {
    **{
        f"Attach{kind}Policy": f"Attach {{PolicyArn}} to {kind.lower()} {{{kind}Name}} in its resource."
        for kind in KINDS
    },
    **{
        f"Detach{kind}Policy": f"Remove the attachment of {{PolicyArn}} to {kind.lower()} {{{kind}Name}}."
        for kind in KINDS
    },
    **{
        f"Delete{kind}Policy": f"Remove the inline policy {{PolicyName}} of {kind.lower()} {{{kind}Name}}."
        for kind in KINDS
    },
    **{
        f"Put{kind}PermissionsBoundary": f"Set the permissions boundary of {kind.lower()} {{{kind}Name}} to "
        "{PermissionsBoundary} in its resource."
        for kind in KINDS
    },
    "DeletePolicy": "Remove the policy {PolicyArn}.",
    "RemoveUserFromGroup": "Remove the membership of user {UserName} in group {GroupName}.",
    "CreatePolicyVersion": "Set the document of policy {PolicyArn} to this one in its resource.",
    "SetDefaultPolicyVersion": "Set the document of policy {PolicyArn} to that of its version {VersionId}.",
    "UpdateAssumeRolePolicy": "Set the trust policy of role {RoleName} to this one in its resource.",
    "DeleteAccessKey": "Remove the access key {AccessKeyId} of user {UserName}.",
    "DeleteLoginProfile": "Remove the login profile of user {UserName}.",
    "DeleteUser": "Remove the user {UserName}.",
    "DeleteRole": "Remove the role {RoleName}.",
    "DeleteGroup": "Remove the group {GroupName}.",
}
OTHERWISE = "Change the resource that manages it: this call has no resource of its own."


class AsCodeError(LeastprivError):
    """A restriction cannot be written as code; the text says why."""


def as_code_files(alerts: Iterable[AlertOutcome]) -> dict[str, str]:
    """The texts of the files by their path in the folder of the run, two for each alert that is, or would be, applied.

    :param alerts: the alerts with their outcomes. Of a refused one nothing is written, unless its code manages it.
    """
    files: dict[str, str] = {}
    taken: set[str] = set()
    for alert in filter(_is_written, alerts):
        stem = _stem(alert, taken)
        taken.add(stem.lower())
        for ending, make in (("tf", terraform), ("cfn", cloudformation)):
            files[f"{FOLDER}/{stem}.{ending}.json"] = to_page(_made(alert, ending, make))
    return files


def _is_written(alert: AlertOutcome) -> bool:
    steps = alert.get("steps") or []
    is_held = alert["disposition"] == "refused" and alert.get("rule") == HELD
    is_open = alert["disposition"] in WRITTEN and all(step.get("status") in SETTLED for step in steps)
    return bool(steps) and (is_held or is_open)


def _stem(alert: AlertOutcome, taken: Iterable[str]) -> str:
    """A name that is a plain file name whatever the alert's id is; no safe id has a dot."""
    alert_id = str(alert["alert_id"])
    if SAFE.fullmatch(alert_id) and alert_id.lower() not in taken:
        return alert_id
    named = json.dumps([alert_id, alert.get("account_id"), alert.get("message_id")])
    return f"alert.{hashlib.sha256(named.encode()).hexdigest()[:32]}"


EMPTY: Mapping[str, Callable[[str], dict[str, Any]]] = {
    "tf": lambda reason: {"//": {"problem": reason}},
    "cfn": lambda reason: {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Metadata": {"Leastpriv": {"problem": reason}},
        "Resources": {},
    },
}


def _made(alert: AlertOutcome, ending: str, make: Callable[[AlertOutcome], dict[str, Any]]) -> dict[str, Any]:
    return attempt("writing it as code", lambda: make(alert), EMPTY[ending])


# --- Terraform --------------------------------------------------------------------------------------------------------


def terraform(alert: AlertOutcome) -> dict[str, Any]:
    """The configuration of an alert in Terraform's JSON syntax.

    :raises AsCodeError: if it does not say the same as the steps, or contains a secret.
    """
    calls = [(operation, {**EXPLICIT.get(operation, {}), **parameters}) for operation, parameters in _calls(alert)]
    resources: dict[str, dict[str, Any]] = {}
    labels: dict[str, str] = {}
    left = []
    for number, (operation, parameters) in enumerate(calls, 1):
        found = _attributes(TERRAFORM, operation, parameters)
        if found is None:
            left.append(_left(operation, parameters))
            continue
        kind, attributes = found
        label = f"leastpriv_{_label(alert)}_{number}"
        if operation == "CreatePolicy":
            labels[_place_of(parameters, alert)] = label
        body = {name: _terraform_value(name, value, labels) for name, value in attributes.items()}
        resources.setdefault(kind, {})[label] = body
    made = {"//": _about(alert, left), **({"resource": resources} if resources else {})}
    _compare(calls, read_terraform(json.loads(to_page(made)), str(alert["account_id"])))
    return made


def _label(alert: AlertOutcome) -> str:
    alert_id = str(alert["alert_id"])
    return alert_id if SAFE.fullmatch(alert_id) else hashlib.sha256(alert_id.encode(errors="replace")).hexdigest()[:16]


def _terraform_value(name: str, value: Any, labels: Mapping[str, str]) -> Any:
    if name == "policy_arn" and (match := LOCAL_POLICY.fullmatch(value)) and match["place"] in labels:
        return f"${{aws_iam_policy.{labels[match['place']]}.arn}}"
    text = _compact(read_document(value)) if name == "policy" else value
    # Terraform reads every text as a template.
    return text.replace("${", "$${").replace("%{", "%%{") if isinstance(text, str) else text


def read_terraform(made: Mapping[str, Any], account_id: str) -> list[Call]:
    """The calls that a configuration of ours makes, as `terraform` was given them."""
    by_kind = {kind: (operation, names) for operation, (kind, names) in TERRAFORM.items()}
    policies = made.get("resource", {}).get("aws_iam_policy", {})
    calls = [(one["operation"], one["parameters"]) for one in made["//"]["left"]]
    for kind, found in made.get("resource", {}).items():
        operation, names = by_kind[kind]
        for body in found.values():
            values = {names[name]: _read_value(value, policies, account_id) for name, value in body.items()}
            calls.append((operation, values))
    return calls


def _read_value(value: Any, policies: Mapping[str, Any], account_id: str) -> Any:
    if not isinstance(value, str):
        return value
    if match := REFERENCE.fullmatch(value):
        policy = policies[match["label"]]
        return f"arn::iam::{account_id}:policy{policy.get('path', '/')}{policy['name']}"
    if re.search(r"(?<!\$)\$\{|(?<!%)%\{", value):
        raise AsCodeError("Terraform would replace a part of it")
    return value.replace("$${", "${").replace("%%{", "%{")


# --- CloudFormation ---------------------------------------------------------------------------------------------------


def cloudformation(alert: AlertOutcome) -> dict[str, Any]:
    """The template of an alert.

    :raises AsCodeError: if it does not say the same as the steps, contains a secret, or what CloudFormation replaces.
    """
    calls = _calls(alert)
    resources: dict[str, Any] = {}
    policies: dict[str, dict[str, Any]] = {}
    left = []
    for number, (operation, parameters) in enumerate(calls, 1):
        place = LOCAL_POLICY.fullmatch(str(parameters.get("PolicyArn")))
        kind = next((kind for kind in KINDS if operation == f"Attach{kind}Policy"), None)
        found = _attributes(CLOUDFORMATION, operation, parameters)
        if kind and place and place["place"] in policies:
            policies[place["place"]].setdefault(f"{kind}s", []).append(parameters[f"{kind}Name"])
        elif found is None:
            left.append(_left(operation, parameters))
        else:
            properties = {name: read_document(value) if name == DOCUMENT else value for name, value in found[1].items()}
            resources[f"Restriction{number}"] = {"Type": found[0], "Properties": properties}
            if operation == "CreatePolicy":
                policies[_place_of(parameters, alert)] = properties
    made = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "A restriction of Leastpriv as code",
        "Metadata": {"Leastpriv": _about(alert, left)},
        "Resources": resources,
    }
    _check_literal(made)
    _compare(calls, read_cloudformation(json.loads(to_page(made)), str(alert["account_id"])))
    return made


def read_cloudformation(made: Mapping[str, Any], account_id: str) -> list[Call]:
    """The calls that a template of ours makes, as `cloudformation` was given them."""
    by_type = {kind: (operation, names) for operation, (kind, names) in CLOUDFORMATION.items()}
    calls = [(one["operation"], one["parameters"]) for one in made["Metadata"]["Leastpriv"]["left"]]
    for resource in made["Resources"].values():
        operation, names = by_type[resource["Type"]]
        properties = dict(resource["Properties"])
        attached = {kind: properties.pop(f"{kind}s", []) for kind in KINDS if operation == "CreatePolicy"}
        values = {names[name]: _compact(value) if name == DOCUMENT else value for name, value in properties.items()}
        calls.append((operation, values))
        arn = f"arn::iam::{account_id}:policy{values.get('Path', '/')}{values.get('PolicyName')}"
        calls += [
            (f"Attach{kind}Policy", {f"{kind}Name": name, "PolicyArn": arn})
            for kind, principals in attached.items()
            for name in principals
        ]
    return calls


def _check_literal(value: Any) -> None:
    """Raises AsCodeError for what CloudFormation takes for a function or a dynamic reference."""
    if isinstance(value, str) and "{{resolve:" in value:
        raise AsCodeError("it contains {{resolve:, which CloudFormation would replace by a secret or a parameter")
    if isinstance(value, Mapping):
        if any(key == "Ref" or key.startswith("Fn::") for key in value):
            raise AsCodeError("it contains a key Ref or Fn::, which CloudFormation would take for a function")
        for key, inner in value.items():
            _check_literal(key)
            _check_literal(inner)
    if isinstance(value, list):
        for inner in value:
            _check_literal(inner)


# --- both -------------------------------------------------------------------------------------------------------------


def _calls(alert: AlertOutcome) -> list[Call]:
    calls: list[Call] = [(step["operation"], step["parameters"]) for step in alert["steps"]]
    plain = json.loads(json.dumps(calls))
    if redact_all(plain) != plain:
        raise AsCodeError("it contains a secret")
    return calls


def _attributes(table: Table, operation: str, parameters: Parameters) -> tuple[str, dict[str, Any]] | None:
    """The type and the attributes of the resource of a call; None if it has no resource that says all of it."""
    if operation not in table:
        return None
    kind, names = table[operation]
    if set(parameters) - set(names.values()):
        return None
    return kind, {name: parameters[parameter] for name, parameter in names.items() if parameter in parameters}


def _left(operation: str, parameters: Parameters) -> dict[str, Any]:
    text = LEFT.get(operation, OTHERWISE)
    words = {name: str(value) for name, value in parameters.items()}
    has_all = all(name in words for name in re.findall(r"\{(\w+)\}", text))
    do = re.sub(r"\{(\w+)\}", lambda match: words[match[1]], text) if has_all else OTHERWISE
    return {"operation": operation, "command": cli_name(operation), "do": do, "parameters": dict(parameters)}


def _about(alert: AlertOutcome, left: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "alert_id": alert["alert_id"],
        "account_id": alert["account_id"],
        "notes": [EXCLUSIVE, DUPLICATE],
        "left": list(left),
    }


def _place_of(policy: Parameters, alert: AlertOutcome) -> str:
    return f"{alert['account_id']}:policy{policy.get('Path', '/')}{policy['PolicyName']}"


def _compact(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _compare(calls: Iterable[Call], read: Iterable[Call]) -> None:
    """Raises AsCodeError unless both are the same calls, in whatever order."""
    wanted, found = (sorted(map(_comparable, each)) for each in (calls, read))
    if wanted != found:
        raise AsCodeError("it was read back, and does not say the same as the steps")


def _comparable(call: Call) -> str:
    """A call as text: documents by their content, ARNs of policies without the partition."""
    operation, parameters = call
    values = dict(parameters)
    if "PolicyArn" in values:
        values["PolicyArn"] = str(values["PolicyArn"]).split(":", 4)[-1]
    if DOCUMENT in values:
        values[DOCUMENT] = read_document(values[DOCUMENT])
    return json.dumps([operation, values], sort_keys=True)
