# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from ansible.plugins.action import ActionBase
from ansible_collections.leastpriv.iam.plugins.plugin_utils.vendor_api.endpoint import is_loopback
from ansible_collections.leastpriv.iam.plugins.plugin_utils.vendor_api.exchange import (
    AnswerTooLargeError,
    Deadline,
    DeadlineError,
    ExchangeError,
    Exchanges,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.vendor_api.transport import cause_of

MAX_ANSWER = 1024 * 1024
# The first that is set; an empty one is none.
CA_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send the text. Never raises because of the network, see `leastpriv.iam.send`."""
        result = super().run(tmp, task_vars)
        _ignored, options = self.validate_argument_spec(
            argument_spec={
                "url": {"type": "str", "required": True, "no_log": True},
                "method": {"type": "str", "choices": ["POST", "PUT"], "default": "POST"},
                "body": {"type": "str", "required": True},
                "content_type": {"type": "str", "required": True},
                "deadline": {"type": "int", "required": True},
            }
        )
        return {**result, "changed": False, **_sent(options)}


def _sent(options: Mapping[str, Any]) -> dict[str, Any]:
    """Whether it was delivered, or why not. No text of an error is used: it may contain the address."""
    try:
        status = _send(options)
    except DeadlineError:
        return _not_delivered(f"did not answer within {options['deadline']} s")
    except AnswerTooLargeError:
        return _not_delivered(f"gave an answer of more than {MAX_ANSWER} bytes")
    except ExchangeError:
        return _not_delivered("was not asked, since the Python library requests is not installed")
    # Addresses that users write are odd in more ways than requests names.
    except Exception as error:
        return _not_delivered(f"could not be reached{cause_of(error) or f' ({type(error).__name__})'}")
    if status not in range(200, 300):
        return {**_not_delivered(f"answered with status {status}"), "status": status}
    return {"delivered": True, "status": status, "problem": ""}


def _send(options: Mapping[str, Any]) -> int:
    place = urlsplit(options["url"])
    exchanges = Exchanges(trusts_environment=not is_loopback(place.hostname or ""))
    answer = exchanges.send(
        Deadline(options["deadline"]),
        MAX_ANSWER,
        options["method"],
        options["url"],
        headers={"Content-Type": options["content_type"], "User-Agent": "leastpriv.iam"},
        data=options["body"].encode(errors="replace"),
        auth=(unquote(place.username), unquote(place.password or "")) if place.username else None,
        verify=next(filter(None, map(os.environ.get, CA_BUNDLES)), True),
    )
    return answer.status


def _not_delivered(problem: str) -> dict[str, Any]:
    return {"delivered": False, "status": None, "problem": problem}
