# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the real AWS CLI up to the point where it would make a client and send a request, and tells what it would send.

One line of JSON in, the words; one line out, `[operation, parameters]` or `null` where it refuses. A program of its
own: awscli brings its own botocore and puts it in the place of the installed one.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from typing import Any

# Before awscli, so that the CLI is asked with the very model that the collection reads.
import botocore.model
import botocore.session
import botocore.validate
from awscli import clidriver
from awscli.customizations import waiters

# The beginnings of options that leave traces in the CLI: no other command is asked of the same one.
TRACED = ("--max", "--page", "--start", "--no-pag", "--mark")


class AwsCli:
    def __init__(self) -> None:
        self._sent: list[tuple[str, dict[str, Any]]] = []
        clidriver.CLIOperationCaller.invoke = self._invoke
        waiters.WaiterCaller.invoke = self._invoke
        botocore.session.Session.set_stream_logger = lambda *_arguments, **_options: None
        self._loader = clidriver.create_clidriver().session.get_component("data_loader")
        self._model = botocore.model.ServiceModel(self._loader.load_service_model("iam", "service-2"), "iam")
        self._validator = botocore.validate.ParamValidator()
        self._driver: clidriver.CLIDriver | None = None
        self._uses = 0

    def _invoke(self, *arguments: Any) -> int:
        _service, operation, parameters, _globals = arguments
        self._sent.append((operation, parameters))
        return 0

    def ask(self, words: list[str]) -> tuple[str, dict[str, Any]] | None:
        """What botocore would accept of these words. A CLI that has seen a few other commands answers faster."""
        self._sent.clear()
        is_traced = any(word.startswith(TRACED) for word in words)
        driver = self._fresh_driver() if is_traced or self._is_worn() else self._driver
        self._driver, self._uses = None if is_traced else driver, self._uses + 1
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            try:
                status = driver.main(words)
            except SystemExit as exit_:
                status = exit_.code
        if status or not self._sent:
            return None
        operation, parameters = self._sent[0]
        return (operation, parameters) if self._is_valid(operation, parameters) else None

    def _fresh_driver(self) -> clidriver.CLIDriver:
        driver = clidriver.create_clidriver()
        driver.session.register_component("data_loader", self._loader)
        self._uses = 0
        return driver

    def _is_worn(self) -> bool:
        """Each command registers some handlers more, and a profile is never forgotten."""
        return self._driver is None or self._uses > 20 or self._driver.session.profile is not None

    def _is_valid(self, operation: str, parameters: dict[str, Any]) -> bool:
        paging = parameters.pop("PaginationConfig", {})
        if "PageSize" in paging:
            parameters = {**parameters, "MaxItems": paging["PageSize"]}
        shape = self._model.operation_model(operation).input_shape
        return shape is None or not self._validator.validate(parameters, shape).has_errors()


def main() -> None:
    aws_cli = AwsCli()
    with os.fdopen(os.dup(0)) as questions, os.fdopen(os.dup(1), "w") as answers, open(os.devnull, "r+") as nothing:
        # The CLI's help goes to a pager, which is another program.
        os.dup2(nothing.fileno(), 0)
        os.dup2(nothing.fileno(), 1)
        for line in questions:
            print(json.dumps(aws_cli.ask(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
