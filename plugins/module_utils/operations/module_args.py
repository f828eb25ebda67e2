# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API parameters of a step -> the options of the module that makes the change."""

from __future__ import annotations

from ansible_collections.leastpriv.iam.plugins.module_utils.operations.row import Choice

LEFT_OUT = object()


def module_args(row, parameters):
    """Fill a row's option template with a call's parameters.

    :param row: the C(operations.Operation).
    :param parameters: the API parameters, e.g. C({"UserName": "bob", "Tags": [{"Key": "a", "Value": "b"}]}).
    :returns: module options; those of absent parameters are left out, those that observe reads as well.
    """
    filled = {option: _fill(value, parameters) for option, value in row.args.items()}
    return {option: value for option, value in filled.items() if value is not LEFT_OUT}


def _fill(value, parameters):
    if isinstance(value, Choice):
        return value.values[parameters[value.parameter]]
    if isinstance(value, list):
        return [_fill(inner, parameters) for inner in value]
    if isinstance(value, str) and value.startswith("$"):
        return _module_value(parameters.get(value[1:], LEFT_OUT))
    return value


def _module_value(value):
    """IAM's list of tags is a dict to the modules; everything else is passed on as it is."""
    if isinstance(value, list) and all(isinstance(one, dict) and set(one) == {"Key", "Value"} for one in value):
        return {one["Key"]: one["Value"] for one in value}
    return value
