# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observes scripts and runs the real modules in this process, where the playbook would add nothing."""

from __future__ import annotations

import contextlib
import importlib
import io
import json

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.account.iam_account import IamAccount
from ansible_collections.leastpriv.iam.plugins.module_utils.api_calls import call_fence
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.protection import Protection
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.rules import NEVER_OPEN, RULES
from ansible_collections.leastpriv.iam.plugins.module_utils.observation.batch import Batch
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import OPERATIONS
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.translation import translate
from module_args import patch_module_args

ALLOW = sorted(set(RULES) - set(NEVER_OPEN))
CALLER = "arn:aws:sts::000000000000:assumed-role/nobody/test"


@contextlib.contextmanager
def aws_environment(stack):
    """The stack's AWS configuration as this process's own, and the call fence."""
    call_fence.install()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in stack.process_env.items():
            if name.startswith(("AWS_", "HOME")):
                patch.setenv(name, value)
        patch.delenv("AWS_PROFILE")
        yield


def run_module(step, profile):
    """Run a step's module in this process, inside its call fence; gives its result."""
    namespace, collection, name = step["module"].split(".")
    module = importlib.import_module(f"ansible_collections.{namespace}.{collection}.plugins.modules.{name}")
    said = io.StringIO()
    arguments = patch_module_args({**step["args"], "profile": profile})
    ends = OPERATIONS[step["operation"]].ends
    fence = call_fence.enclose(json.dumps(call_fence.declaration(call_fence.declared_calls(step), ends=ends)))
    try:
        with arguments, contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
            module.main()
    finally:
        call_fence.leave()
    return {"failed": True, "msg": fence.violation} if fence.violation else json.loads(said.getvalue())


def observe_script(client, account_id, script):
    """What observe says of a script in an account as it is now; `client` reads it."""
    translated = translate(script, account_id, ALLOW)
    assert translated["disposition"] is None, translated["reason"]
    batch = Batch(IamAccount(client), account_id, "aws", ALLOW, Protection([], CALLER, None))
    return batch.observe_alert({"message_id": "m", "alert_id": "I-1", "steps": translated["steps"]})
