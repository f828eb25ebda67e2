# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of this run -> the command of the next step, to copy. In AWX the job template to launch instead."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import PurePath
from typing import Any

from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.redaction import is_secret_name, redact

OUR_PLAYBOOKS = ("apply", "doctor", "policies", "redrive", "remediate", "review", "show", "undo", "verify")
COLLECTION = "leastpriv.iam"
# What only one run is asked to do; the next one is asked for something else.
OF_ONE_RUN = ("alert_id", "disposition", "remediate_plan", "requeue", "run_id")
# What AWX sets in the environment of every job, and ansible-runner by itself does not.
AWX_JOB = ("AWX_HOST", "JOB_ID")
# Addresses that are secrets as a whole.
SECRET_ADDRESSES = ("remediate_metrics_push_url", "remediate_webhook_url")
# The names in roles/controller: template, and its question for each variable.
TEMPLATES = {
    "remediate": ("Leastpriv: apply a plan", {"remediate_plan": "Run id of the review"}),
    "review": ("Leastpriv: review", {}),
    "verify": ("Leastpriv: verify", {"requeue": "Put reverted alerts back into the queue"}),
    "undo": ("Leastpriv: undo", {"run_id": "Run id", "alert_id": "Only these alerts"}),
}


def playbook_command(
    playbook: str,
    variables: Mapping[str, str],
    awx: Mapping[str, Any] | None = None,
    argv: Sequence[str] | None = None,
    keeps: bool = False,
) -> str:
    """What to do next, for a person: a command that works when it is copied, or what to launch in AWX.

    :param playbook: one of `OUR_PLAYBOOKS`.
    :param variables: extra variables of that run, by name.
    :param awx: AWX's variables of the job; empty elsewhere.
    :param argv: the command line of this run.
    :param keeps: whether the next run has the same task as this one, without `--check`.
    """
    if awx or all(os.environ.get(name) for name in AWX_JOB):
        return _in_awx(playbook, variables)
    options = _parsed(sys.argv if argv is None else argv)
    kept, withheld = _kept_variables(options, {*variables} if keeps else {*OF_ONE_RUN, *variables})
    # The last one wins, and files are not read.
    kept.sort(key=lambda text: not text.startswith("@"))
    files = sum(text.startswith("@") for text in kept)
    kept[files:files] = [f"{name}={value}" for name, value in variables.items()]
    played = [_beside(options, "remediate"), "--check"] if playbook == "review" else [_beside(options, playbook)]
    words = ["ansible-playbook", *_reach(options), *played]
    words += [word for text in kept for word in ("-e", text)]
    command = " ".join(shlex.quote(word) for word in words)
    return f"{command}  # and the secrets of this run: {', '.join(withheld)}" if withheld else command


def _in_awx(playbook: str, variables: Mapping[str, str]) -> str:
    if playbook not in TEMPLATES:
        given = ", ".join(f"{name}: {value}" for name, value in variables.items()) or "none"
        return f"in AWX, launch a job template of playbooks/{playbook}.yml (extra variables: {given})"
    template, questions = TEMPLATES[playbook]
    if playbook == "undo":
        # Required there, because a job has no earlier runs on its disk.
        variables = {"run_id": "the id of this run", **variables}
    answers = " and ".join(f'"{questions[name]}" with {value}' for name, value in variables.items())
    return f'in AWX, launch the template "{template}"' + (f" as a run, and answer {answers}" if answers else "")


def _parsed(argv: Sequence[str]) -> Any:
    """The options of an ansible-playbook command line as they were typed; None for another command line."""
    program = [PurePath(word).name for word in argv[:2]]
    if program == ["__main__.py", "playbook"]:  # python -m ansible playbook
        argv = argv[1:]
    elif not program or not program[0].startswith("ansible-playbook"):
        return None
    from ansible.cli.playbook import PlaybookCLI

    # It was parsed before, by Ansible itself.
    with suppress(Exception, SystemExit):
        cli = PlaybookCLI([*argv])
        cli.init_parser()
        return cli.parser.parse_args([*argv[1:]])
    return None


def _reach(options: Any) -> list[str]:
    """The options that choose the accounts, and those for reading the inventory."""
    given = [
        *(("-i", value) for value in _listed(options, "inventory")),
        *(("--limit", value) for value in _listed(options, "subset")),
        *(("--vault-id", value) for value in _listed(options, "vault_ids")),
        *(("--vault-password-file", value) for value in _listed(options, "vault_password_files")),
    ]
    asks = ["--ask-vault-pass"] if getattr(options, "ask_vault_pass", False) else []
    return [word for pair in given for word in pair] + asks


def _listed(options: Any, name: str) -> list[str]:
    value = getattr(options, name, None) or []
    return [value] if isinstance(value, str) else [str(one) for one in value]


def _beside(options: Any, playbook: str) -> str:
    """How to name a playbook of ours, by how this run named the one that it plays."""
    played = next(iter(_listed(options, "args")), "remediate.yml")
    if re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+){2,}", played) and not played.endswith((".yml", ".yaml")):
        return f"{COLLECTION}.{playbook}"
    path = PurePath(played)
    if path.stem not in OUR_PLAYBOOKS:
        # A user's own playbook around the role does the work of ours.
        return played if playbook == "remediate" else f"{COLLECTION}.{playbook}"
    if path.parent.name == "playbooks":
        return str(path.with_name(f"{playbook}.yml"))
    folder = path.parent if playbook == "remediate" else path.parent / "playbooks"
    return str(folder / f"{playbook}.yml")


def _kept_variables(options: Any, dropped: set[str]) -> tuple[list[str], list[str]]:
    """The texts for `-e`, and the names of the secret variables that are left out."""
    kept, withheld = [], []
    for text in _listed(options, "extra_vars"):
        variables = {} if text.startswith("@") else _variables(text)
        secret = [name for name, value in variables.items() if _is_secret(name, value)]
        left = {name: value for name, value in variables.items() if name not in {*secret, *dropped}}
        withheld += [name for name in secret if name not in dropped]
        if not variables or (left == variables and '"' not in text):
            kept.append(text)
        elif left:
            kept.append(_without_double_quotes(left))
    return kept, list(dict.fromkeys(withheld))


def _without_double_quotes(variables: Mapping[str, Any]) -> str:
    """Variables as YAML in one line: a callback that prints JSON would put a backslash before each double quote."""
    from yaml import safe_dump

    plain = json.loads(json.dumps(variables, default=str))
    text: str = safe_dump(plain, default_flow_style=True, width=sys.maxsize, allow_unicode=True, sort_keys=False)
    return text.strip()


def _variables(text: str) -> dict[str, Any]:
    """As ansible.utils.vars.load_extra_vars reads them: JSON or YAML when it looks so, otherwise `key=value` pairs."""
    from ansible.parsing.splitter import parse_kv
    from yaml import safe_load

    try:
        value = safe_load(text) if text.lstrip()[:1] in ("{", "[") else parse_kv(text)
    except Exception:
        # Ansible refuses it too; what it contains is unknown, so it is not shown.
        return {"password": text}
    return {str(name): one for name, one in value.items()} if isinstance(value, dict) else {}


def _is_secret(name: str, value: Any) -> bool:
    shown = json.dumps({name: value}, default=str)
    plain = value if isinstance(value, str) else shown
    return name in SECRET_ADDRESSES or is_secret_name(name) or redact(shown) != shown or redact(plain) != plain
