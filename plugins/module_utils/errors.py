# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's own errors, and the sentences of what it reports. A failure of one alert costs only that alert."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeVar

Alert = TypeVar("Alert")
Result = TypeVar("Result")


class LeastprivError(Exception):
    """What went wrong, written for a person.

    The text has what was tried, on what, why it failed and what to do next. Code below the outermost layer raises
    a subclass of it; only lookup, filter and module turn it into what Ansible wants (AnsibleError, fail_json).
    """


def for_each_alert(
    stage: str, alerts: Iterable[Alert], act: Callable[[Alert], Result], lost: Callable[[Alert, str], Result]
) -> list[Result]:
    """Call a function for every alert; an unexpected exception ends that alert's stage and nothing else.

    :param stage: the stage in words, e.g. `translating its script`.
    :param alerts: the alerts, of any shape.
    :param act: function of an alert.
    :param lost: function of (alert, reason) that returns the result of a failed alert. It must not fail.
    :returns: list of the results, in the order of the alerts.
    """
    return [attempt(stage, partial(act, alert), partial(lost, alert)) for alert in alerts]


def attempt(stage: str, act: Callable[[], Result], lost: Callable[[str], Result]) -> Result:
    """The result of `act()`, or of `lost(reason)` if it raises anything but an interruption."""
    try:
        return act()
    except Exception as error:
        return lost(unexpected(stage, error))


def unexpected(stage: str, error: Exception) -> str:
    """The reason for people. The text of other packages' exceptions is left out: it may quote a secret of the alert."""
    if isinstance(error, LeastprivError):
        return f"Failed while {stage}: {error}"
    what = f"{type(error).__name__}{_place(error)}"
    return f"Unexpected error while {stage}: {what}. Report it as a bug of leastpriv.iam."


def _place(error: Exception) -> str:
    """The last line of this collection that the error passed."""
    places = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    ours = [place for place in places if "leastpriv" in place[0] and os.path.basename(place[0]) != "errors.py"]
    name, line = (ours or places or [("", 0)])[-1]
    return f" ({os.path.basename(name)}, line {line})" if name else ""


def writable(value: Result) -> Result:
    """Check that every later stage can write a value as JSON (RFC 8259).

    :returns: the value itself.
    :raises ValueError: for a number that JSON does not have.
    :raises TypeError: for a value that is not JSON.
    """
    json.dumps(value, allow_nan=False, sort_keys=True)
    return value


def listed(names: Sequence[str], most: int = 5) -> str:
    """Names for a sentence: `a, b and 3 more` beyond the first `most`."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
