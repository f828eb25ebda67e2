# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model of the API of AWX 24.6.1, over real HTTP, as far as the modules of awx.awx use it for a set-up.

It keeps what it is told, checks references, required fields, credential inputs, surveys and rules as AWX does, shows
secrets as AWX shows them, and refuses what it does not know. Source: awx/api (serializers, views) and awx/main/models.
"""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import flask
from werkzeug.serving import WSGIRequestHandler, make_server

ENCRYPTED = "$encrypted$"
TOKEN = "stack-controller-token"
USERNAME, PASSWORD = "admin", "stack-controller-password"
NOTIFIED = ("notification_templates_error", "notification_templates_started", "notification_templates_success")
JOB_PROMPTS = ("limit", "job_type", "diff_mode", "verbosity", "job_tags", "skip_tags", "scm_branch")


@dataclass(frozen=True)
class Kind:
    """One kind of object: `defaults` are its fields, `references` those that name another object, `lists` are
    associations, each with the endpoint of what is in it."""

    type: str
    defaults: dict[str, Any]
    required: tuple[str, ...] = ("name",)
    references: dict[str, str] = field(default_factory=dict)
    lists: dict[str, str] = field(default_factory=dict)
    unique: tuple[str, ...] = ("name", "organization")


def _notified(*more: str) -> dict[str, str]:
    return dict.fromkeys((*NOTIFIED, *more), "notification_templates")


OWNER = {"organization": "organizations"}
KINDS = {
    "organizations": Kind(
        "organization",
        {"description": "", "max_hosts": 0, "default_environment": None},
        references={"default_environment": "execution_environments"},
        lists={**_notified("notification_templates_approvals"), "galaxy_credentials": "credentials"},
        unique=("name",),
    ),
    "execution_environments": Kind(
        "execution_environment",
        {"description": "", "organization": None, "image": None, "pull": "", "credential": None},
        required=("name", "image"),
        references={**OWNER, "credential": "credentials"},
        unique=("name",),
    ),
    "credential_types": Kind(
        "credential_type",
        {"description": "", "kind": None, "managed": False, "inputs": {}, "injectors": {}},
        required=("name", "kind"),
        unique=("name", "kind"),
    ),
    "credentials": Kind(
        "credential",
        {"description": "", "organization": None, "credential_type": None, "inputs": {}},
        required=("name", "credential_type"),
        references={**OWNER, "credential_type": "credential_types"},
        unique=("name", "organization", "credential_type"),
    ),
    "projects": Kind(
        "project",
        {
            "description": "", "organization": None, "scm_type": "", "scm_url": "", "scm_branch": "",
            "scm_revision": "", "credential": None, "default_environment": None, "status": "never updated",
        },
        references={**OWNER, "credential": "credentials", "default_environment": "execution_environments"},
    ),
    "inventories": Kind(
        "inventory",
        {"description": "", "organization": None, "kind": "", "host_filter": None, "variables": "", "total_hosts": 0},
        required=("name", "organization"),
        references=OWNER,
    ),
    "inventory_sources": Kind(
        "inventory_source",
        {
            "description": "", "inventory": None, "source": "", "source_path": "", "source_project": None,
            "credential": None, "execution_environment": None, "overwrite": False, "overwrite_vars": False,
            "update_on_launch": False, "update_cache_timeout": 0,
        },
        required=("name", "inventory", "source"),
        references={
            "inventory": "inventories",
            "source_project": "projects",
            "credential": "credentials",
            "execution_environment": "execution_environments",
        },
        lists=_notified(),
        unique=("name", "inventory"),
    ),
    "notification_templates": Kind(
        "notification_template",
        {"description": "", "organization": None, "notification_type": None, "notification_configuration": {}},
        required=("name", "organization", "notification_type"),
        references=OWNER,
    ),
    "job_templates": Kind(
        "job_template",
        {
            "description": "", "organization": None, "job_type": "run", "inventory": None, "project": None,
            "playbook": "", "execution_environment": None, "extra_vars": "", "limit": "", "verbosity": 0,
            "diff_mode": False, "allow_simultaneous": False, "survey_enabled": False, "job_slice_count": 1,
            **{f"ask_{name}_on_launch": False for name in ("variables", "credential", "inventory", *JOB_PROMPTS)},
        },
        required=("name", "project", "playbook"),
        # A template has no organization of its own: it is the project's, and cannot be set.
        references={
            "inventory": "inventories", "project": "projects", "execution_environment": "execution_environments",
        },
        lists={**_notified(), "credentials": "credentials"},
    ),
    "workflow_job_templates": Kind(
        "workflow_job_template",
        {
            "description": "", "organization": None, "inventory": None, "extra_vars": "", "limit": None,
            "allow_simultaneous": False, "survey_enabled": False, "ask_variables_on_launch": False,
        },
        references={**OWNER, "inventory": "inventories"},
        lists=_notified("notification_templates_approvals"),
    ),
    "workflow_job_template_nodes": Kind(
        "workflow_job_template_node",
        {
            "workflow_job_template": None, "unified_job_template": None, "identifier": None, "extra_data": {},
            "all_parents_must_converge": False, "inventory": None, **dict.fromkeys(JOB_PROMPTS),
        },
        required=("workflow_job_template",),
        references={"workflow_job_template": "workflow_job_templates", "unified_job_template": "unified_job_templates"},
        lists=dict.fromkeys(("always_nodes", "success_nodes", "failure_nodes"), "workflow_job_template_nodes"),
        unique=("identifier", "workflow_job_template"),
    ),
    "workflow_approval_templates": Kind("workflow_approval_template", {"description": "", "timeout": 0}, unique=()),
    "schedules": Kind(
        "schedule",
        {"description": "", "rrule": None, "enabled": True, "extra_data": {}, "unified_job_template": None},
        required=("name", "rrule", "unified_job_template"),
        references={"unified_job_template": "unified_job_templates"},
        unique=("name", "unified_job_template"),
    ),
}  # fmt: skip
UNIFIED = ("job_templates", "workflow_job_templates", "projects", "inventory_sources", "workflow_approval_templates")
SURVEYED = ("job_templates", "workflow_job_templates")
ANSWERS = {"text": str, "textarea": str, "password": str, "integer": int, "multiplechoice": str, "multiselect": list}


class Quiet(WSGIRequestHandler):
    """Errors are still logged."""

    def log_request(self, *ignored: Any) -> None:
        pass


class Refused(Exception):
    """Status 400: by field, as the REST framework says it."""

    def __init__(self, **reasons: str) -> None:
        super().__init__(reasons)
        self.reasons = {name: [reason] for name, reason in reasons.items()}


class Controller:
    """The controller and its server; a context manager. Objects are in `objects`, by endpoint and id."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[int, dict[str, Any]]] = {endpoint: {} for endpoint in KINDS}
        self.members: dict[tuple[str, int, str], list[int]] = {}
        self.surveys: dict[int, dict[str, Any]] = {}
        self.secrets: dict[int, dict[str, Any]] = {}
        self.changes: list[tuple[str, str]] = []
        self.ids = itertools.count(1)
        self._come_with_it()
        self.server = make_server("127.0.0.1", 0, self._application(), threaded=True, request_handler=Quiet)

    def __enter__(self) -> Controller:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.server.shutdown()

    @property
    def env(self) -> dict[str, str]:
        """How the modules are told of it."""
        return {"CONTROLLER_HOST": f"http://127.0.0.1:{self.server.server_port}", "CONTROLLER_OAUTH_TOKEN": TOKEN}

    def named(self, endpoint: str, name: str) -> dict[str, Any]:
        """The one object of that name (an identifier of nodes), with its associations by name."""
        key = "identifier" if endpoint == "workflow_job_template_nodes" else "name"
        (found,) = [one for one in self.objects[endpoint].values() if one[key] == name]
        lists = {
            list_name: [self._name(target, member) for member in self._members(endpoint, found["id"], list_name)]
            for list_name, target in KINDS[endpoint].lists.items()
        }
        return {**found, **lists, "survey": self.surveys.get(found["id"])}

    def _name(self, endpoint: str, number: int) -> str:
        return self.objects[endpoint][number].get("identifier") or self.objects[endpoint][number]["name"]

    def _come_with_it(self) -> None:
        """What every controller has, and what an administrator makes by hand."""
        keys = [{"id": "username", "type": "string"}, *_secrets("password", "security_token")]
        for name, kind, fields in (
            ("Amazon Web Services", "cloud", keys),
            ("Ansible Galaxy/Automation Hub API Token", "galaxy", _secrets("token")),
            ("Source Control", "scm", _secrets("password")),
        ):
            self.add("credential_types", name=name, kind=kind, managed=True, inputs={"fields": fields})
        self.add("credentials", name="Ansible Galaxy", credential_type=2)
        self.add("credentials", name="git", credential_type=3)
        self.changes.clear()

    # --- objects ------------------------------------------------------------------------------------------------------

    def add(self, endpoint: str, **given: Any) -> dict[str, Any]:
        """Create an object. Raises Refused."""
        kind = KINDS[endpoint]
        known = {name: value for name, value in given.items() if name in {*kind.defaults, "name", *kind.required}}
        if missing := [name for name in kind.required if known.get(name) in (None, "")]:
            raise Refused(**dict.fromkeys(missing, "This field is required."))
        created = {**kind.defaults, **known, "id": next(self.ids), "type": kind.type}
        self._check(endpoint, created)
        self.objects[endpoint][created["id"]] = created
        AFTERWARDS.get(endpoint, lambda *ignored: None)(self, created)
        return created

    def change(self, endpoint: str, number: int, given: dict[str, Any]) -> dict[str, Any]:
        """Change an object's fields. Raises Refused."""
        existing = self.objects[endpoint][number]
        changed = {**existing, **{name: value for name, value in given.items() if name in existing}, "id": number}
        self._check(endpoint, changed)
        self.objects[endpoint][number] = changed
        AFTERWARDS.get(endpoint, lambda *ignored: None)(self, changed)
        return changed

    def _check(self, endpoint: str, wanted: dict[str, Any]) -> None:
        kind = KINDS[endpoint]
        for name, target in kind.references.items():
            if wanted[name] is not None and wanted[name] not in self.all(target):
                raise Refused(**{name: f'Invalid pk "{wanted[name]}" - object does not exist.'})
        same = [one for one in self.objects[endpoint].values() if one["id"] != wanted["id"]]
        if kind.unique and any(all(one.get(name) == wanted.get(name) for name in kind.unique) for one in same):
            raise Refused(__all__=f"{kind.type} with this {' and '.join(kind.unique)} already exists.")
        CHECKS.get(endpoint, lambda *ignored: None)(self, wanted)

    def all(self, endpoint: str) -> dict[int, dict[str, Any]]:
        """Every object of an endpoint, by id."""
        if endpoint != "unified_job_templates":
            return self.objects[endpoint]
        return {number: one for name in UNIFIED for number, one in self.objects[name].items()}

    def shown(self, endpoint: str, one: dict[str, Any]) -> dict[str, Any]:
        """An object as the API gives it."""
        url = f"/api/v2/{endpoint}/{one['id']}/"
        related = {name: f"{url}{name}/" for name in KINDS[endpoint].lists}
        related |= {"survey_spec": f"{url}survey_spec/"} if endpoint in SURVEYED else {}
        if template := one.get("unified_job_template"):
            (home,) = [name for name in UNIFIED if template in self.objects[name]]
            related["unified_job_template"] = f"/api/v2/{home}/{template}/"
        return {**one, "url": url, "related": related, "summary_fields": {}}

    def _members(self, endpoint: str, number: int, list_name: str) -> list[int]:
        return self.members.setdefault((endpoint, number, list_name), [])

    # --- the application ----------------------------------------------------------------------------------------------

    def _application(self) -> flask.Flask:
        application = flask.Flask(__name__)
        application.json.sort_keys = False
        application.before_request(self._before)
        application.after_request(_signed)
        application.register_error_handler(Refused, lambda refused: (refused.reasons, 400))
        for rule, view in (
            ("/api/v2/<endpoint>/", self._list),
            ("/api/v2/<endpoint>/<int:number>/", self._one),
            ("/api/v2/<endpoint>/<int:number>/survey_spec/", self._survey),
            ("/api/v2/<endpoint>/<int:number>/create_approval_template/", self._approval),
            ("/api/v2/<endpoint>/<int:number>/<list_name>/", self._association),
        ):
            application.add_url_rule(rule, view_func=view, methods=["GET", "POST", "PATCH"])
        return application

    def _before(self) -> Any:
        request = flask.request
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return {"detail": "Authentication credentials were not provided."}, 401
        if request.method != "GET":
            self.changes.append((request.method, request.path.removeprefix("/api/v2/")))
        return None

    def _list(self, endpoint: str) -> Any:
        if endpoint not in KINDS and endpoint != "unified_job_templates":
            flask.abort(404)
        if flask.request.method == "POST":
            return self.shown(endpoint, self.add(endpoint, **flask.request.get_json())), 201
        wanted = flask.request.args.to_dict()
        found = [one for one in self.all(endpoint).values() if self._matches(one, wanted)]
        results = [self.shown(_home(one), one) for one in found]
        return {"count": len(found), "next": None, "previous": None, "results": results}

    def _matches(self, one: dict[str, Any], wanted: dict[str, str]) -> bool:
        return all(str(self._looked_up(one, name)) == value for name, value in wanted.items())

    def _looked_up(self, one: dict[str, Any], name: str) -> Any:
        reference, _, inner = name.partition("__")
        if reference not in one and reference != "organization":
            raise Refused(detail=f"{_home(one)} has no field named '{reference}'")
        if not inner:
            return one.get(reference)
        return self.objects[KINDS[_home(one)].references[reference]][one[reference]][inner]

    def _one(self, endpoint: str, number: int) -> Any:
        if number not in self.objects.get(endpoint, {}):
            flask.abort(404)
        if flask.request.method == "PATCH":
            self.change(endpoint, number, flask.request.get_json())
        return self.shown(endpoint, self.objects[endpoint][number])

    def _association(self, endpoint: str, number: int, list_name: str) -> Any:
        if list_name not in KINDS[endpoint].lists:
            flask.abort(404)
        target, members = KINDS[endpoint].lists[list_name], self._members(endpoint, number, list_name)
        if flask.request.method == "GET":
            results = [self.shown(target, self.objects[target][member]) for member in members]
            return {"count": len(results), "next": None, "previous": None, "results": results}
        given = flask.request.get_json()
        if given.get("disassociate"):
            members.remove(given["id"])
        else:
            self._check_member(target, members, given["id"])
            members.append(given["id"])
        return "", 204

    def _check_member(self, target: str, members: list[int], wanted: int) -> None:
        types = [self.objects[target][member].get("credential_type", member) for member in [*members, wanted]]
        if target == "credentials" and len({*types}) != len(types):
            raise Refused(error="Cannot assign multiple credentials of one type.")

    def _survey(self, endpoint: str, number: int) -> Any:
        if flask.request.method == "POST":
            self.surveys[number] = _checked_survey(flask.request.get_json())
        return self.surveys.get(number, {})

    def _approval(self, endpoint: str, number: int) -> Any:
        made = self.add("workflow_approval_templates", **flask.request.get_json())
        self.objects[endpoint][number]["unified_job_template"] = made["id"]
        return self.shown("workflow_approval_templates", made), 201


def _signed(response: flask.Response) -> flask.Response:
    response.headers.update({"X-API-Product-Name": "AWX", "X-API-Product-Version": "24.6.1"})
    return response


def _secrets(*names: str) -> list[dict[str, Any]]:
    return [{"id": name, "type": "string", "secret": True} for name in names]


def _home(one: dict[str, Any]) -> str:
    (home,) = [endpoint for endpoint, kind in KINDS.items() if kind.type == one["type"]]
    return home


# --- what single kinds have of their own ------------------------------------------------------------------------------


def _check_credential(controller: Controller, wanted: dict[str, Any]) -> None:
    asked = controller.objects["credential_types"][wanted["credential_type"]]["inputs"].get("fields", [])
    if unknown := {*wanted["inputs"]} - {one["id"] for one in asked}:
        raise Refused(inputs=f"Additional properties are not allowed ({unknown} was unexpected)")


def _hide_inputs(controller: Controller, made: dict[str, Any]) -> None:
    """Secrets are kept and never shown; an ENCRYPTED that is sent back leaves them as they are."""
    asked = controller.objects["credential_types"][made["credential_type"]]["inputs"].get("fields", [])
    secret = {one["id"] for one in asked if one.get("secret")}
    kept = controller.secrets.setdefault(made["id"], {})
    kept |= {name: value for name, value in made["inputs"].items() if name in secret and value != ENCRYPTED}
    made["inputs"] = {name: ENCRYPTED if name in secret else value for name, value in made["inputs"].items()}


def _check_credential_type(controller: Controller, wanted: dict[str, Any]) -> None:
    """Templates may only name what is asked for, and the files that are made of it."""
    fields = {one["id"] for one in wanted["inputs"].get("fields", [])}
    files = {f"tower.filename.{name.partition('.')[2]}" for name in wanted["injectors"].get("file", {})}
    for text in _texts(wanted["injectors"]):
        if unknown := {*re.findall(r"{{\s*([\w.]+)\s*}}", text)} - fields - files:
            raise Refused(injectors=f"{unknown} uses an undefined field")


def _texts(value: Any) -> Iterable[str]:
    return [text for inner in value.values() for text in _texts(inner)] if isinstance(value, dict) else [value]


def _check_schedule(controller: Controller, wanted: dict[str, Any]) -> None:
    if not re.match(r"DTSTART(:[0-9]{8}T[0-9]{6}Z|;TZID=[^:]+:[0-9]{8}T[0-9]{6})\s", wanted["rrule"]):
        raise Refused(rrule="Valid DTSTART required in rrule. Value should start with: DTSTART:YYYYMMDDTHHMMSSZ")
    if "INTERVAL=" not in wanted["rrule"]:
        raise Refused(rrule="INTERVAL required in rrule.")


def _check_node(controller: Controller, wanted: dict[str, Any]) -> None:
    """A node may only set what its template asks for at launch."""
    template = controller.objects["job_templates"].get(wanted["unified_job_template"], {})
    for name in JOB_PROMPTS:
        if wanted[name] is not None and not template.get(f"ask_{name}_on_launch"):
            raise Refused(**{name: "Field is not configured to prompt on launch."})
    asked = {one["variable"] for one in controller.surveys.get(template.get("id"), {}).get("spec", [])}
    if not template.get("ask_variables_on_launch") and (unasked := {*wanted["extra_data"]} - asked):
        raise Refused(extra_vars=f"Variables {unasked} are not allowed on launch.")


def _update_project(controller: Controller, made: dict[str, Any]) -> None:
    made.update(status="successful", scm_revision="0123456789abcdef0123456789abcdef01234567")


def _take_organization_of_project(controller: Controller, made: dict[str, Any]) -> None:
    made["organization"] = controller.objects["projects"][made["project"]]["organization"]


def _hide_configuration(controller: Controller, made: dict[str, Any]) -> None:
    """Every type of notification calls its secrets so."""
    given = made["notification_configuration"]
    made["notification_configuration"] = {
        name: ENCRYPTED if name in ("password", "token") and value else value for name, value in given.items()
    }


def _checked_survey(survey: dict[str, Any]) -> dict[str, Any]:
    """Source: JobTemplateSurveySpec._validate_spec_data."""
    if {"name", "description", "spec"} - {*survey} or not survey["spec"]:
        raise Refused(error="'name', 'description' and 'spec' are required, and spec is not empty.")
    for asked in survey["spec"]:
        if missing := {"question_name", "variable", "type", "required"} - {*asked}:
            raise Refused(error=f"{missing} missing from survey question.")
        if not isinstance(asked.get("default", ANSWERS[asked["type"]]()), ANSWERS[asked["type"]]):
            raise Refused(error=f"Default value of {asked['variable']} is no {asked['type']}.")
        if any(not isinstance(asked.get(name, 0), int) for name in ("min", "max")):
            raise Refused(error="min and max must be integers.")
    if len({asked["variable"] for asked in survey["spec"]}) != len(survey["spec"]):
        raise Refused(error="'variable' is duplicated.")
    return survey


Behaviour = Callable[[Controller, dict[str, Any]], None]
CHECKS: dict[str, Behaviour] = {
    "credential_types": _check_credential_type,
    "credentials": _check_credential,
    "schedules": _check_schedule,
    "workflow_job_template_nodes": _check_node,
}
AFTERWARDS: dict[str, Behaviour] = {
    "credentials": _hide_inputs,
    "job_templates": _take_organization_of_project,
    "notification_templates": _hide_configuration,
    "projects": _update_project,
}
