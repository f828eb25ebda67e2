# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever one alert makes fail costs that alert alone. Every stage of a run goes through its alerts in this way."""

from __future__ import annotations

import json
import os
import traceback
from functools import partial

from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError


def for_each_alert(stage, alerts, act, lost):
    """Call a function for every alert; an unexpected exception ends that alert's stage and nothing else.

    :param stage: what is being done, for a person: C("translating its script").
    :param alerts: the alerts, of any shape.
    :param act: function of an alert.
    :param lost: function of (alert, reason) that gives what takes the place of the result. It must not fail.
    :returns: list of the results, in the order of the alerts.
    """
    return [attempt(stage, partial(act, alert), partial(lost, alert)) for alert in alerts]


def attempt(stage, act, lost):
    """The result of C(act()), or of C(lost(reason)) where it raises anything but an interruption."""
    try:
        return act()
    except Exception as error:
        return lost(unexpected(stage, error))


def unexpected(stage, error):
    """The reason for a person. The text of a foreign exception may quote the alert, and so a secret: it is left out."""
    if isinstance(error, LeastprivError):
        return f"Failed while {stage}: {error}"
    what = f"{type(error).__name__}{_place(error)}"
    return f"Unexpected error while {stage}: {what}. Report it as a bug of leastpriv.iam."


def _place(error):
    """Where it was raised: the last line of this collection."""
    places = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    ours = [place for place in places if "leastpriv" in place[0] and os.path.basename(place[0]) != "each_alert.py"]
    name, line = (ours or places or [("", 0)])[-1]
    return f" ({os.path.basename(name)}, line {line})" if name else ""


def writable(value):
    """A value that every later stage can write as JSON (RFC 8259).

    :returns: the value itself.
    :raises ValueError: for a number that JSON has not.
    :raises TypeError: for what is no JSON value.
    """
    json.dumps(value, allow_nan=False, sort_keys=True)
    return value
