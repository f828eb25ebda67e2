# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import lookup_loader, strategy_loader
from ansible_collections.leastpriv.iam.plugins.module_utils.api_calls.counter import (
    FILE_NAME,
    note_aws_calls,
    note_call,
)
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.exemptions import (
    ProtectionError,
    describe,
    in_force,
)
from ansible_collections.leastpriv.iam.plugins.module_utils.shapes import finding
from ansible_collections.leastpriv.iam.plugins.plugin_utils.accounts import preflight
from ansible_collections.leastpriv.iam.plugins.plugin_utils.accounts.account_hosts import GROUP
from ansible_collections.leastpriv.iam.plugins.plugin_utils.accounts.identities import (
    learn_identities,
    wanted_identities,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run import facts
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.environment import unset_empty_variables
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.settings import unknown_names
from ansible_collections.leastpriv.iam.plugins.plugin_utils.vendor_api.connection import check_api
from ansible_collections.leastpriv.iam.plugins.plugin_utils.warm.lifetime import end_worker_with_controller

CHECKS = ("accounts", "hosts", "artifacts", "profiles", "queue", "api")
API_VARIABLES = ("API_ENDPOINT", "PRISMACLOUD_URL", "PRISMACLOUD_USERNAME", "PRISMACLOUD_PASSWORD", "AUTH_KEY")
# The checks of a run that receives alerts.
RECEIVING = {"accounts", "queue"}
INTERRUPTION = "ansible_collections.leastpriv.iam.plugins.callback.interruption"
WITHOUT_CALLBACK = (
    "The callback leastpriv.iam.interruption is not enabled: if this run breaks off, its messages stay hidden until "
    "their visibility timeout has passed. Set ANSIBLE_CALLBACKS_ENABLED=leastpriv.iam.preload,"
    "leastpriv.iam.interruption, or callbacks_enabled in ansible.cfg."
)
ADVICE = "Correct it: nothing is received before."
ACCEPT = "To apply without protecting it, set remediate_unknown_identity: true."
CALLS = Path(constants.DEFAULT_LOCAL_TMP, FILE_NAME)


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Check, see `leastpriv.iam.preflight`."""
        end_worker_with_controller()
        unset_empty_variables()
        result = super().run(tmp, task_vars)
        _ignored, options = self.validate_argument_spec(
            argument_spec={
                "checks": {"type": "list", "elements": "str", "choices": list(CHECKS), "default": []},
                "as_findings": {"type": "bool", "default": False},
            }
        )
        self.variables = task_vars or {}
        self.checks, self.is_doctor = options["checks"], options["as_findings"]
        self.api: list[dict[str, str]] = []
        self.runners: list[str] = []
        self.warnings: list[str] = []
        # Nothing works without them, the doctor's other checks neither.
        missing = preflight.program_problems()
        problems = missing or list(dict.fromkeys(" ".join(problem.split()) for problem in self._problems()))
        answer = {**result, "changed": False, "api": self.api, "runners": self.runners}
        if warnings := [*self._expired(), *self._without_callback(), *self.warnings]:
            answer["warnings"] = warnings
        if self.is_doctor and not missing:
            return answer | {"findings": findings(problems)}
        outcome = "nothing was received" if "queue" in self.checks else "nothing was done"
        return answer | ({"failed": True, "msg": preflight.failure_message(problems, outcome)} if problems else {})

    def _problems(self) -> Iterator[str]:
        """All that is wrong."""
        hosts = self._hosts()
        wrong = [(problem, host.name) for host in hosts for problem in host.settings.get("problems", [])]
        local = [*preflight.by_hosts(wrong, len(hosts)), *self._unknown_elsewhere(hosts), *self._estate_problems(hosts)]
        yield from local
        settings = self._settings()
        if settings:
            yield from self._remote_problems(hosts, settings, ends=bool(local))

    def _estate_problems(self, hosts: list[preflight.Host]) -> Iterator[str]:
        if "hosts" in self.checks:
            yield from preflight.play_problems(self._play(), hosts)
        if "accounts" in self.checks:
            yield from preflight.account_problems(self._account_ids())
            yield from self._unread_files()
        if "artifacts" in self.checks and self._settings():
            yield from preflight.artifacts_problems(Path(self._settings()["artifacts_dir"]).absolute())

    def _remote_problems(
        self, hosts: list[preflight.Host], settings: Mapping[str, Any], *, ends: bool
    ) -> Iterator[str]:
        """What is wrong with logins, queue and API; a run that ends anyway learns no identities."""
        note_aws_calls(CALLS)
        asking = []
        if "profiles" in self.checks:
            asking = preflight.identity_problems(hosts, settings["queue_profile"], datetime.now(timezone.utc))
            yield from asking or ([] if ends else self._identity_problems(hosts, settings))
        # Without a valid login the queue would fail for the reason that was just named.
        if "queue" in self.checks and not asking:
            yield from preflight.queue_problems(settings)
        if "api" in self.checks:
            yield from self._api_problems(settings)

    def _identity_problems(self, hosts: list[preflight.Host], settings: Mapping[str, Any]) -> list[str]:
        """Learn the identities that the run depends on, for observe to protect them. Unknown ones stop an apply."""
        if self.is_doctor:
            return []
        self.runners, unknown = learn_identities(wanted_identities(settings["queue_profile"], [h.base for h in hosts]))
        # An undo receives no message.
        is_apply = "queue" in self.checks and not self._task.check_mode
        if is_apply and not settings["unknown_identity"]:
            return [f"{problem} {ACCEPT}" for problem in unknown]
        self.warnings += unknown
        return []

    def _api_problems(self, settings: Mapping[str, Any]) -> Iterator[str]:
        """Why the API does not let us in; without the doctor, a set-up without any API is left alone."""
        if not (self.is_doctor or settings["api_endpoint"] or any(os.environ.get(name) for name in API_VARIABLES)):
            return
        # With the options of the lookup that works with the API.
        alerts = lookup_loader.get("leastpriv.iam.alerts", loader=self._loader, templar=self._templar)
        given = {"api_endpoint": settings["api_endpoint"] or None, "validate_certs": settings["validate_certs"]}
        given = {name: value for name, value in given.items() if value is not None}
        alerts.set_options(var_options=self.variables, direct=given)
        folder = None if self.is_doctor else CALLS.parent
        self.api = check_api(alerts.get_option, partial(note_call, CALLS, "vendor"), folder)
        if not self.is_doctor:
            yield from (found["found"] for found in self.api if found["status"] == "missing")

    # --- what the role and Ansible know -------------------------------------------------------------------------------

    def _settings(self) -> Mapping[str, Any]:
        return self.variables.get(facts.SETTINGS) or {}

    def _hosts(self) -> list[preflight.Host]:
        hostvars = self.variables["hostvars"]
        names = self.variables.get("ansible_play_hosts") or [self.variables["inventory_hostname"]]
        known = ((name, hostvars[name]) for name in names)
        wanted = (facts.SETTINGS, facts.BASE)
        return [preflight.Host(name, *(found.get(fact) or {} for fact in wanted)) for name, found in known]

    def _accounts(self) -> list[str]:
        return list(self.variables.get("groups", {}).get(GROUP, []))

    def _unknown_elsewhere(self, hosts: list[preflight.Host]) -> list[str]:
        """Unknown settings of accounts that are not in this run."""
        here = {host.name for host in hosts}
        others = [name for name in self._accounts() if name not in here]
        found = [(text, name) for name in others for text in unknown_names(self.variables["hostvars"][name])]
        return preflight.by_hosts(found, -1)

    def _account_ids(self) -> Iterator[tuple[str, Any]]:
        for name in self._accounts():
            try:
                yield name, self.variables["hostvars"][name].get("account_id")
            except AnsibleError as error:
                yield name, str(error)

    def _play(self) -> preflight.Play:
        play = self._task.get_play()
        linear = strategy_loader.get("linear", class_only=True)
        chosen = strategy_loader.get(play.strategy, class_only=True)
        return preflight.Play(
            walks_together=bool(linear and chosen and issubclass(chosen, linear)),
            strategy=str(play.strategy),
            is_in_batches=self.variables.get("ansible_play_batch") != self.variables.get("ansible_play_hosts"),
            connection=str(self._task.connection),
            become=bool(self._task.become),
            # What only reads needs no fence.
            applies="artifacts" in self.checks and not self._task.check_mode and not self.is_doctor,
        )

    def _unread_files(self) -> list[str]:
        # AWX has read the inventory and its variables before; here it is a script.
        if "awx_job_id" in self.variables:
            return []
        sources = [Path(source) for source in self.variables.get("ansible_inventory_sources") or []]
        read = [source if source.is_dir() else source.parent for source in sources]
        read.append(Path(self.variables["playbook_dir"]))
        return preflight.unread_variable_files([Path.cwd(), Path(self.variables["playbook_dir"]).parent], read)

    def _expired(self) -> list[str]:
        entries = self._settings().get("protected") or []
        try:
            kept = in_force(entries, datetime.now(timezone.utc))
        except ProtectionError:
            return []
        return [
            f"remediate_protected_principals: {describe(entry)} is no longer protected, expired on {entry['expires']}."
            for entry in entries
            if entry not in kept
        ]

    def _without_callback(self) -> list[str]:
        """Only a callback sees a run break off; Ansible loads those that its configuration names."""
        is_loaded = INTERRUPTION in sys.modules
        return [WITHOUT_CALLBACK] if RECEIVING.issubset(self.checks) and not is_loaded else []


def findings(problems: list[str]) -> list[dict[str, str]]:
    """The problems for the doctor."""
    tried = "read the settings and the inventory"
    if not problems:
        return [finding("settings", "ok", tried, "a run can begin")]
    return [finding("settings", "missing", tried, problem, ADVICE) for problem in problems]
