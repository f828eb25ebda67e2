# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the ARNs in API parameters, wherever they stand: in options, in policy documents, behind JSON's escapes.

Source: "Amazon Resource Names (ARNs)" in the AWS General Reference. Pure.
"""

from __future__ import annotations

import json
import re

from ansible_collections.leastpriv.iam.plugins.module_utils.policy_document import PolicyDocumentError, read_document

ARN = re.compile(r"arn:(?P<partition>[^:\s\"']*):[^:\s\"']*:[^:\s\"']*:(?P<account>[^:\s\"']*):")
ESCAPE = re.compile(r"\\u([0-9A-Fa-f]{4})")
PARTITION = re.compile(r"aws(-[a-z]+)*")


def arns_in(value):
    """The beginnings of the ARNs in a parameter's value, as matches with C(partition) and C(account)."""
    return ARN.finditer(_searchable(value))


def partitions(parameters):
    """The partitions that the ARNs in API parameters name; wildcards name none."""
    named = {match["partition"] for value in parameters.values() for match in arns_in(value)}
    return {partition for partition in named if PARTITION.fullmatch(partition)}


def resource_of(arn):
    """C(arn:aws:iam::123456789012:user/path/bob) -> C(("user", "/path/", "bob"))."""
    kind, _slash, rest = arn.split(":", 5)[5].partition("/")
    path, _last_slash, name = rest.rpartition("/")
    return kind, f"/{path}/" if path else "/", name


def _searchable(value):
    """A value as text, a document both as it is written and without its JSON escapes."""
    if not isinstance(value, str):
        return json.dumps(value)
    try:
        return f"{value}\n{json.dumps(read_document(value), ensure_ascii=False)}"
    except PolicyDocumentError:
        return f"{value}\n{ESCAPE.sub(lambda match: chr(int(match[1], 16)), value)}"
