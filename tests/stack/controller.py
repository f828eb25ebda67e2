# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model of the API of AWX 24.6.1, over real HTTP, as far as the modules of awx.awx use it for a set-up.

It keeps what it is given and refuses what AWX refuses: references, required fields, unique names, credential inputs,
surveys and their required answers, playbooks of a project that was never updated, and whatever a user has no right to
do. A job is launched, and ends when a test ends it. Source: awx/api (serializers, views), awx/main (access, models).
"""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass, field
from typing import Any

import flask
from werkzeug.serving import WSGIRequestHandler, make_server

from .controller_rules import (
    AFTERWARDS,
    CHECKS,
    JOB_PROMPTS,
    REVISION,
    Refused,
    accepted_variables,
    check_survey,
    found_playbooks,
)

ADMIN = "admin"
NOTIFIED = ("notification_templates_error", "notification_templates_started", "notification_templates_success")
MORE_PROMPTS = ("variables", "credential", "inventory", "labels")


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
    "users": Kind("user", {"username": ""}, required=("username",), unique=("username",)),
    "teams": Kind("team", {"organization": None}, references=OWNER, lists={"users": "users"}),
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
            "scm_update_on_launch": False, "scm_update_cache_timeout": 0,
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
            "update_on_launch": False, "update_cache_timeout": 0, "status": "never updated",
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
            **{f"ask_{name}_on_launch": False for name in (*MORE_PROMPTS, *JOB_PROMPTS)},
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
UPDATES = {"projects": "project_updates", "inventory_sources": "inventory_updates"}
# Where an object has no organization of its own, the object whose organization is its own.
OWNERS = {
    "inventory_sources": ("inventory", "inventories"),
    "workflow_job_template_nodes": ("workflow_job_template", "workflow_job_templates"),
    "schedules": ("unified_job_template", "unified_job_templates"),
}
# Only system administrators create or change these.
SYSTEM = ("organizations", "credential_types", "users")
ROLES = {
    "organizations": ("admin_role", "member_role", "read_role"),
    "job_templates": ("admin_role", "execute_role", "read_role"),
    "workflow_job_templates": ("admin_role", "approval_role", "execute_role", "read_role"),
}
# What a job of the project needs, and what AWX says of a job that cannot have it.
NO_REVISION = "The project revision for this job template is unknown due to a failed update."
NO_HOSTS = "Leastpriv found no account."
DENIED = "You do not have permission to perform this action."


class Quiet(WSGIRequestHandler):
    """Errors are still logged."""

    def log_request(self, *ignored: Any) -> None:
        pass


class Controller:
    """The controller and its server; a context manager. Objects are in `objects`, by endpoint and id.

    `failing_updates` updates are going to fail, and an update of an inventory finds `hosts` hosts.
    """

    def __init__(self) -> None:
        self.objects: dict[str, dict[int, dict[str, Any]]] = {endpoint: {} for endpoint in KINDS}
        self.members: dict[tuple[str, int, str], list[int]] = {}
        self.roles: dict[tuple[str, int, str], int] = {}
        self.surveys: dict[int, dict[str, Any]] = {}
        self.secrets: dict[int, dict[str, Any]] = {}
        self.fetched: dict[int, tuple[Any, ...]] = {}
        self.playbooks: dict[int, list[str]] = {}
        self.updates: dict[int, dict[str, Any]] = {}
        self.running: dict[int, int] = {}
        self.jobs: dict[int, dict[str, Any]] = {}
        self.changes: list[tuple[str, str]] = []
        self.failing_updates, self.hosts = 0, 3
        self.ids = itertools.count(1)
        self._come_with_it()
        self.server = make_server("127.0.0.1", 0, self._application(), threaded=True, request_handler=Quiet)

    def __enter__(self) -> Controller:
        threading.Thread(target=self.server.serve_forever, args=[0.05], daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.server.shutdown()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def env(self, username: str = ADMIN) -> dict[str, str]:
        """How the modules reach it as a user."""
        return {"CONTROLLER_HOST": self.url, "CONTROLLER_OAUTH_TOKEN": token_of(username)}

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
        self.add("users", username=ADMIN)
        keys = [{"id": "username", "type": "string"}, *_secrets("password", "security_token")]
        for name, kind, fields in (
            ("Amazon Web Services", "cloud", keys),
            ("Ansible Galaxy/Automation Hub API Token", "galaxy", _secrets("token")),
            ("Source Control", "scm", _secrets("password")),
        ):
            self.add("credential_types", name=name, kind=kind, managed=True, inputs={"fields": fields})
        types = {one["kind"]: one["id"] for one in self.objects["credential_types"].values()}
        self.add("credentials", name="Ansible Galaxy", credential_type=types["galaxy"])
        self.add("credentials", name="git", credential_type=types["scm"])
        self.changes.clear()

    # --- objects ------------------------------------------------------------------------------------------------------

    def add(self, endpoint: str, **given: Any) -> dict[str, Any]:
        """Create an object. Raises Refused."""
        kind = KINDS[endpoint]
        known = {name: value for name, value in given.items() if name in {*kind.defaults, *kind.required, "name"}}
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
        related |= {"survey_spec": f"{url}survey_spec/", "launch": f"{url}launch/"} if endpoint in SURVEYED else {}
        related |= {"update": f"{url}update/"} if endpoint in UPDATES else {}
        if template := one.get("unified_job_template"):
            (home,) = [name for name in UNIFIED if template in self.objects[name]]
            related["unified_job_template"] = f"/api/v2/{home}/{template}/"
        return {**one, "url": url, "related": related, "summary_fields": self._summary(endpoint, one)}

    def _summary(self, endpoint: str, one: dict[str, Any]) -> dict[str, Any]:
        summary: dict[str, Any] = {}
        if owner := self.objects["organizations"].get(one.get("organization")):
            summary["organization"] = {"id": owner["id"], "name": owner["name"]}
        if one["id"] in self.running:
            summary["current_update"] = {"id": self.running[one["id"]]}
        roles = {role: {"id": self._role(endpoint, one["id"], role)} for role in ROLES.get(endpoint, ())}
        return {**summary, "object_roles": roles}

    def _role(self, endpoint: str, number: int, role: str) -> int:
        return self.roles.setdefault((endpoint, number, role), next(self.ids))

    def _members(self, endpoint: str, number: int, list_name: str) -> list[int]:
        return self.members.setdefault((endpoint, number, list_name), [])

    # --- rights -------------------------------------------------------------------------------------------------------

    def add_user(self, username: str, administers: str | None = None, team: int | None = None) -> None:
        """A user, who may administer an organization, or be in a team."""
        number = self.add("users", username=username)["id"]
        if administers:
            organization = self.named("organizations", administers)["id"]
            self._role_members("organizations", organization, "admin_role", "users").append(number)
        if team:
            self._members("teams", team, "users").append(number)

    def sees(self, username: str, endpoint: str, one: dict[str, Any]) -> bool:
        """Whether a user may read an object. Source: awx/main/access.py."""
        if username == ADMIN or (endpoint in SYSTEM and endpoint != "organizations"):
            return True
        organization = one["id"] if endpoint == "organizations" else self._organization(endpoint, one)
        roles = ROLES.get(endpoint, ())
        return self._administers(username, organization) or any(
            self._holds(username, endpoint, one["id"], role) for role in roles
        )

    def may_change(self, username: str, endpoint: str, one: dict[str, Any]) -> bool:
        if username == ADMIN:
            return True
        return endpoint not in SYSTEM and self._administers(username, self._organization(endpoint, one))

    def may_launch(self, username: str, endpoint: str, one: dict[str, Any]) -> bool:
        return self.may_change(username, endpoint, one) or self._holds(username, endpoint, one["id"], "execute_role")

    def _administers(self, username: str, organization: int | None) -> bool:
        return organization is not None and self._holds(username, "organizations", organization, "admin_role")

    def _holds(self, username: str, endpoint: str, number: int, role: str) -> bool:
        user = next(one["id"] for one in self.objects["users"].values() if one["username"] == username)
        teams = [team for team in self.objects["teams"] if user in self._members("teams", team, "users")]
        held = self._role_members(endpoint, number, role, "users"), self._role_members(endpoint, number, role, "teams")
        return user in held[0] or not {*teams}.isdisjoint(held[1])

    def _role_members(self, endpoint: str, number: int, role: str, actors: str) -> list[int]:
        return self._members("roles", self._role(endpoint, number, role), actors)

    def _organization(self, endpoint: str, one: dict[str, Any]) -> int | None:
        if endpoint in OWNERS:
            reference, target = OWNERS[endpoint]
            return self.all(target).get(one.get(reference) or 0, {}).get("organization")
        if endpoint == "workflow_approval_templates":
            nodes = self.objects["workflow_job_template_nodes"].values()
            (node,) = [node for node in nodes if node["unified_job_template"] == one["id"]]
            return self._organization("workflow_job_template_nodes", node)
        if endpoint == "job_templates":
            return self.objects["projects"].get(one.get("project") or 0, {}).get("organization")
        return one.get("organization")

    # --- updates and jobs ---------------------------------------------------------------------------------------------

    def start_update(self, endpoint: str, number: int) -> dict[str, Any]:
        """It ends when somebody looks at it."""
        update = {
            "id": next(self.ids),
            "status": "pending",
            "finished": None,
            "failed": False,
            "of": (endpoint, number),
        }
        self.updates[update["id"]] = update
        self.running[number] = update["id"]
        self.objects[endpoint][number]["status"] = "pending"
        return update

    def end_updates(self) -> None:
        for update in self.updates.values():
            if not update["finished"]:
                self._end_update(update)

    def _end_update(self, update: dict[str, Any]) -> None:
        endpoint, number = update["of"]
        one = self.objects[endpoint][number]
        has_failed = bool(self.failing_updates) or (
            endpoint == "inventory_sources"
            and self.objects["projects"][one["source_project"]]["status"] != "successful"
        )
        self.failing_updates -= bool(self.failing_updates)
        update.update(status="failed" if has_failed else "successful", failed=has_failed, finished="now")
        one["status"] = update["status"]
        self.running.pop(number, None)
        if endpoint == "projects" and not has_failed:
            one["scm_revision"] = REVISION
            self.playbooks[number] = found_playbooks()
        elif not has_failed:
            self.objects["inventories"][one["inventory"]]["total_hosts"] = self.hosts

    def launch(self, template: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
        """A job of a job template. It runs until a test sets its status. Raises Refused."""
        variables, ignored = accepted_variables(self, template, given.get("extra_vars") or {})
        unasked = {name for name in JOB_PROMPTS if name in given and not template.get(f"ask_{name}_on_launch")}
        job = {
            "id": next(self.ids), "type": "job", "status": "running", "created": "now", "job_explanation": "",
            "job_template": template["id"], "extra_vars": variables, "limit": given.get("limit", template["limit"]),
        }  # fmt: skip
        for is_there, problem in (
            (self.objects["projects"][template["project"]]["status"] == "successful", NO_REVISION),
            (self.objects["inventories"][template["inventory"]]["total_hosts"], NO_HOSTS),
        ):
            if not is_there:
                job.update(status="failed", job_explanation=problem)
        self.jobs[job["id"]] = job
        ignored_fields = {**{name: given[name] for name in unasked}, **({"extra_vars": ignored} if ignored else {})}
        return {**job, "job": job["id"], "url": f"/api/v2/jobs/{job['id']}/", "ignored_fields": ignored_fields}

    # --- the application ----------------------------------------------------------------------------------------------

    def _application(self) -> flask.Flask:
        application = flask.Flask(__name__)
        application.json.sort_keys = False
        application.before_request(self._before)
        application.after_request(_signed)
        application.register_error_handler(Refused, lambda refused: (refused.reasons, 400))
        application.register_error_handler(PermissionError, lambda _error: ({"detail": DENIED}, 403))
        for rule, view in (
            ("/api/v2/config/", lambda: {"version": "24.6.1"}),
            ("/api/v2/jobs/", self._jobs),
            ("/api/v2/project_updates/<int:number>/", self._update),
            ("/api/v2/inventory_updates/<int:number>/", self._update),
            ("/api/v2/roles/<int:number>/<actors>/", self._role_association),
            ("/api/v2/<endpoint>/", self._list),
            ("/api/v2/<endpoint>/<int:number>/", self._one),
            ("/api/v2/<endpoint>/<int:number>/survey_spec/", self._survey),
            ("/api/v2/<endpoint>/<int:number>/launch/", self._launch),
            ("/api/v2/<endpoint>/<int:number>/update/", self._ask_for_update),
            ("/api/v2/<endpoint>/<int:number>/create_approval_template/", self._approval),
            ("/api/v2/<endpoint>/<int:number>/<list_name>/", self._association),
        ):
            name = rule.replace("/", ":").replace(".", "")
            application.add_url_rule(rule, name, view_func=view, methods=["GET", "POST", "PATCH"])
        return application

    def _before(self) -> Any:
        request = flask.request
        known = {f"Bearer {token_of(one['username'])}": one["username"] for one in self.objects["users"].values()}
        if request.headers.get("Authorization") not in known:
            return {"detail": "Authentication credentials were not provided."}, 401
        flask.g.username = known[request.headers["Authorization"]]
        if request.method != "GET":
            self.changes.append((request.method, request.path.removeprefix("/api/v2/")))
        return None

    def _list(self, endpoint: str) -> Any:
        if endpoint not in KINDS and endpoint != "unified_job_templates":
            flask.abort(404)
        if flask.request.method == "POST":
            given = flask.request.get_json()
            _require(self.may_change(flask.g.username, endpoint, given))
            return self.shown(endpoint, self.add(endpoint, **given)), 201
        wanted = flask.request.args.to_dict()
        seen = [one for one in self.all(endpoint).values() if self.sees(flask.g.username, _home(one), one)]
        found = [one for one in seen if self._matches(one, wanted)]
        return _page([self.shown(_home(one), one) for one in found])

    def _matches(self, one: dict[str, Any], wanted: dict[str, str]) -> bool:
        """All of them, and of those that begin with `or__` any."""
        any_of = {name.removeprefix("or__"): value for name, value in wanted.items() if name.startswith("or__")}
        all_of = {name: value for name, value in wanted.items() if not name.startswith("or__")}
        return all(str(self._looked_up(one, name)) == value for name, value in all_of.items()) and (
            not any_of or any(str(self._looked_up(one, name)) == value for name, value in any_of.items())
        )

    def _looked_up(self, one: dict[str, Any], name: str) -> Any:
        reference, _, inner = name.partition("__")
        if reference not in one and reference != "organization":
            raise Refused(detail=f"{_home(one)} has no field named '{reference}'")
        if not inner:
            return one.get(reference)
        return self.objects[KINDS[_home(one)].references[reference]].get(one[reference], {}).get(inner)

    def _visible(self, endpoint: str, number: int) -> dict[str, Any]:
        one = self.objects.get(endpoint, {}).get(number)
        if one is None or not self.sees(flask.g.username, endpoint, one):
            flask.abort(404)
        return one

    def _one(self, endpoint: str, number: int) -> Any:
        one = self._visible(endpoint, number)
        if flask.request.method == "PATCH":
            _require(self.may_change(flask.g.username, endpoint, one))
            one = self.change(endpoint, number, flask.request.get_json())
        return self.shown(endpoint, one)

    def _association(self, endpoint: str, number: int, list_name: str) -> Any:
        one = self._visible(endpoint, number)
        if list_name not in KINDS[endpoint].lists:
            flask.abort(404)
        target, members = KINDS[endpoint].lists[list_name], self._members(endpoint, number, list_name)
        if flask.request.method == "GET":
            return _page([self.shown(target, self.objects[target][member]) for member in members])
        _require(self.may_change(flask.g.username, endpoint, one) or endpoint == "organizations")
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

    def _role_association(self, number: int, actors: str) -> Any:
        (what,) = [what for what, role_id in self.roles.items() if role_id == number]
        members = self._members("roles", number, actors)
        if flask.request.method == "GET":
            return _page([self.shown(actors, self.objects[actors][member]) for member in members])
        _require(self.may_change(flask.g.username, what[0], self.objects[what[0]][what[1]]))
        members.append(flask.request.get_json()["id"])
        return "", 204

    def _survey(self, endpoint: str, number: int) -> Any:
        one = self._visible(endpoint, number)
        if flask.request.method == "POST":
            _require(self.may_change(flask.g.username, endpoint, one))
            self.surveys[number] = check_survey(flask.request.get_json())
        return self.surveys.get(number, {})

    def _approval(self, endpoint: str, number: int) -> Any:
        made = self.add("workflow_approval_templates", **flask.request.get_json())
        self.objects[endpoint][number]["unified_job_template"] = made["id"]
        return self.shown("workflow_approval_templates", made), 201

    def _launch(self, endpoint: str, number: int) -> Any:
        template = self._visible(endpoint, number)
        _require(self.may_launch(flask.g.username, endpoint, template))
        return self.launch(template, flask.request.get_json()), 201

    def _jobs(self) -> Any:
        wanted = [int(number) for number in flask.request.args["id__in"].split(",")]
        return _page([job for number, job in self.jobs.items() if number in wanted])

    def _ask_for_update(self, endpoint: str, number: int) -> Any:
        one = self._visible(endpoint, number)
        _require(self.may_change(flask.g.username, endpoint, one))
        update = self.start_update(endpoint, number)
        return {**update, "url": f"/api/v2/{UPDATES[endpoint]}/{update['id']}/"}, 202

    def _update(self, number: int) -> Any:
        update = self.updates[number]
        if not update["finished"]:
            self._end_update(update)
        endpoint, one = update["of"]
        return {**update, "scm_revision": self.objects[endpoint][one].get("scm_revision")}


def token_of(username: str) -> str:
    return f"stack-controller-token-of-{username}"


def _require(is_allowed: bool) -> None:
    if not is_allowed:
        raise PermissionError


def _page(results: list[dict[str, Any]]) -> dict[str, Any]:
    return {"count": len(results), "next": None, "previous": None, "results": results}


def _signed(response: flask.Response) -> flask.Response:
    response.headers.update({"X-API-Product-Name": "AWX", "X-API-Product-Version": "24.6.1"})
    return response


def _secrets(*names: str) -> list[dict[str, Any]]:
    return [{"id": name, "type": "string", "secret": True} for name in names]


def _home(one: dict[str, Any]) -> str:
    (home,) = [endpoint for endpoint, kind in KINDS.items() if kind.type == one["type"]]
    return home
