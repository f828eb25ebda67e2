# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How AWX 24.6.1 checks and changes single kinds of objects; used by stack/controller.py."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from .process import ROOT

if TYPE_CHECKING:
    from .controller import Controller

ENCRYPTED = "$encrypted$"
REVISION = "0123456789abcdef0123456789abcdef01234567"
# What a schedule or a node may set where its template prompts for it.
JOB_PROMPTS = ("limit", "job_type", "diff_mode", "verbosity", "job_tags", "skip_tags", "scm_branch")
ANSWERS = {"text": str, "textarea": str, "password": str, "integer": int, "multiplechoice": str, "multiselect": list}
# Source: awx/main/utils/ansible.py, could_be_playbook.
PLAYBOOK = re.compile(r"^\s*?-?\s*?(?:hosts|(ansible\.builtin\.)?import_playbook):\s*?.*?$", re.MULTILINE)


class Refused(Exception):
    """Status 400: by field, as the REST framework says it."""

    def __init__(self, **reasons: str | list[str]) -> None:
        super().__init__(reasons)
        self.reasons = {name: [reason] if isinstance(reason, str) else reason for name, reason in reasons.items()}


def accepted_variables(
    controller: Controller, template: dict[str, Any], given: dict[str, Any], needs_all: bool = True
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The variables that a template takes, and those that it ignores.

    Raises Refused for a wrong answer, and with `needs_all` where a required question is not answered: a default is
    what the form shows, and answers nothing. Source: SurveyJobTemplateMixin.accept_or_ignore_variables.
    """
    spec = controller.surveys.get(template["id"], {}).get("spec", []) if template.get("survey_enabled") else []
    problems = [problem for asked in spec for problem in _problems(asked, given, needs_all)]
    if problems:
        raise Refused(variables_needed_to_start=problems)
    taken = given if template.get("ask_variables_on_launch") else {}
    answers = {asked["variable"]: given[asked["variable"]] for asked in spec if asked["variable"] in given}
    accepted = {**taken, **answers}
    return accepted, {name: value for name, value in given.items() if name not in accepted}


def _problems(asked: dict[str, Any], given: dict[str, Any], needs_all: bool) -> Iterable[str]:
    """Source: SurveyJobTemplateMixin._survey_element_validation."""
    name = asked["variable"]
    if name not in given:
        if asked["required"] and needs_all:
            yield f"'{name}' value missing"
        return
    value, size = given[name], 0
    if type(value) is not ANSWERS[asked["type"]]:
        yield f"Value {value} for '{name}' expected to be a {asked['type']}."
        return
    size = value if asked["type"] == "integer" else len(value)
    if asked["type"] == "multiselect":
        yield from (f"Value {one} for '{name}' expected to be one of." for one in value if one not in asked["choices"])
    elif isinstance(asked.get("min"), int) and size < asked["min"]:
        yield f"'{name}' value {value} is too small (length must be at least {asked['min']})."
    elif isinstance(asked.get("max"), int) and size > asked["max"]:
        yield f"'{name}' value {value} is too large (must be no more than {asked['max']})."


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
    """Templates may only name what is asked for, and the files with the answers."""
    fields = {one["id"] for one in wanted["inputs"].get("fields", [])}
    files = {f"tower.filename.{name.partition('.')[2]}" for name in wanted["injectors"].get("file", {})}
    for text in _texts(wanted["injectors"]):
        if unknown := {*re.findall(r"{{\s*([\w.]+)\s*}}", text)} - fields - files:
            raise Refused(injectors=f"{unknown} uses an undefined field")


def _texts(value: Any) -> Iterable[str]:
    return [text for inner in value.values() for text in _texts(inner)] if isinstance(value, dict) else [value]


def _check_environment(controller: Controller, wanted: dict[str, Any]) -> None:
    before = controller.objects["execution_environments"].get(wanted["id"], wanted)
    if wanted["organization"] not in (None, before["organization"]):
        raise Refused(organization="Cannot change the organization of an execution environment")


def _check_job_template(controller: Controller, wanted: dict[str, Any]) -> None:
    project = controller.objects["projects"][wanted["project"]]
    if wanted["playbook"] not in controller.playbooks.get(project["id"], ()):
        raise Refused(playbook="Playbook not found for project.")


def _check_schedule(controller: Controller, wanted: dict[str, Any]) -> None:
    if not re.match(r"DTSTART(:[0-9]{8}T[0-9]{6}Z|;TZID=[^:]+:[0-9]{8}T[0-9]{6})\s", wanted["rrule"]):
        raise Refused(rrule="Valid DTSTART required in rrule. Value should start with: DTSTART:YYYYMMDDTHHMMSSZ")
    if "INTERVAL=" not in wanted["rrule"]:
        raise Refused(rrule="INTERVAL required in rrule.")
    template = controller.all("unified_job_templates")[wanted["unified_job_template"]]
    _, ignored = accepted_variables(controller, template, wanted["extra_data"])
    _check_prompts({}, template, ignored)


def _check_node(controller: Controller, wanted: dict[str, Any]) -> None:
    """A node may only set what its template asks for at launch; what is required may still be answered then."""
    template = controller.objects["job_templates"].get(wanted["unified_job_template"])
    if template:
        _, ignored = accepted_variables(controller, template, wanted["extra_data"], needs_all=False)
        _check_prompts(wanted, template, ignored)


def _check_prompts(wanted: dict[str, Any], template: dict[str, Any], ignored: dict[str, Any]) -> None:
    for name in JOB_PROMPTS:
        if wanted.get(name) is not None and not template.get(f"ask_{name}_on_launch"):
            raise Refused(**{name: "Field is not configured to prompt on launch."})
    if ignored:
        raise Refused(extra_vars=f"Variables {', '.join(ignored)} are not allowed on launch.")


def _update_project(controller: Controller, made: dict[str, Any]) -> None:
    """A project that is made, or fetched from elsewhere, is updated at once; otherwise somebody has to ask for it."""
    fetched = (made["scm_url"], made["scm_branch"], made["credential"])
    if controller.fetched.get(made["id"]) != fetched:
        controller.fetched[made["id"]] = fetched
        controller.start_update("projects", made["id"])


def _take_organization_of_project(controller: Controller, made: dict[str, Any]) -> None:
    made["organization"] = controller.objects["projects"][made["project"]]["organization"]


def _hide_configuration(controller: Controller, made: dict[str, Any]) -> None:
    """Every type of notification calls its secrets so."""
    given = made["notification_configuration"]
    made["notification_configuration"] = {
        name: ENCRYPTED if name in ("password", "token") and value else value for name, value in given.items()
    }


def found_playbooks() -> list[str]:
    """The playbooks that AWX would find in this project."""
    files = [*ROOT.glob("*.yml"), *ROOT.glob("playbooks/*.yml")]
    return [str(file.relative_to(ROOT)) for file in files if PLAYBOOK.search(file.read_text())]


def check_survey(survey: dict[str, Any]) -> dict[str, Any]:
    """Raises Refused. Source: JobTemplateSurveySpec._validate_spec_data."""
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


Behaviour = Callable[["Controller", dict[str, Any]], None]
CHECKS: dict[str, Behaviour] = {
    "credential_types": _check_credential_type,
    "credentials": _check_credential,
    "execution_environments": _check_environment,
    "job_templates": _check_job_template,
    "schedules": _check_schedule,
    "workflow_job_template_nodes": _check_node,
}
AFTERWARDS: dict[str, Behaviour] = {
    "credentials": _hide_inputs,
    "job_templates": _take_organization_of_project,
    "notification_templates": _hide_configuration,
    "projects": _update_project,
}
