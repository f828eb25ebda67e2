# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: settings
version_added: 1.0.0
short_description: Read the settings of an account
description:
  - Reads every C(remediate_*) variable of the host as the role remediate documents it. A variable that is null or empty
    has its default. If it is an empty extra variable, as AWX sends for an unanswered question, the inventory's value
    counts.
  - It does not fail. Errors are in C(problems), for M(leastpriv.iam.preflight).
author:
  - The Leastpriv team (!UNKNOWN)
options:
  _terms:
    description: Not used.
"""

EXAMPLES = r"""
- name: Keep the settings of the account
  ansible.builtin.set_fact:
    __remediate_settings: "{{ lookup('leastpriv.iam.settings') }}"
"""

RETURN = r"""
_list:
  description:
    - One dictionary with every setting by its name without C(remediate_), but for those that are secrets.
    - C(account) is the host, C(protected) the protected principals, C(problems) the errors, a sentence each, and
      C(reached_by) the C(connection), C(become) and C(interpreter) of the host.
  type: list
  elements: dict
"""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.settings import (
    KEPT_OUT,
    is_empty,
    read_settings,
    read_specification,
    unknown_names,
)

REACHED_BY = {
    "connection": "ansible_connection",
    "become": "ansible_become",
    "interpreter": "ansible_python_interpreter",
}


class LookupModule(LookupBase):
    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[dict[str, Any]]:
        """See DOCUMENTATION."""
        variables = variables or {}
        given, unreadable = self._values(variables, read_specification())
        hidden = [name for name, value in given.items() if is_empty(value)]
        if hidden:
            below, more = self._values(without_empty_extra_variables(variables), hidden)
            given, unreadable = {**given, **below}, [*unreadable, *more]
        settings, problems = read_settings(given)
        reached_by, more = self._values(variables, REACHED_BY.values())
        return [
            {
                **{name: value for name, value in settings.items() if name not in KEPT_OUT},
                "account": variables.get("inventory_hostname", ""),
                "protected": settings["protected_principals"],
                "problems": [*unknown_names(variables), *unreadable, *more, *problems],
                "reached_by": {word: reached_by.get(name) for word, name in REACHED_BY.items()},
            }
        ]

    def _values(self, variables: Mapping[str, Any], names: Iterable[str]) -> tuple[dict[str, Any], list[str]]:
        """The values of variables, and why some of them cannot be evaluated."""
        values, problems = {}, []
        for name in names:
            if name in variables:
                try:
                    values[name] = self._templar.template(variables[name])
                except AnsibleError as error:
                    problems.append(f"{name} cannot be evaluated: {' '.join(str(error).split())}")
        return values, problems


def without_empty_extra_variables(variables: Mapping[str, Any]) -> Mapping[str, Any]:
    """The host's variables as they are without extra variables that are empty.

    No public interface shows what an extra variable hides.
    """
    original = getattr(variables.get("hostvars"), "_variable_manager", None)
    extra = getattr(original, "_extra_vars", None)
    if not extra:
        return {}
    manager = copy.copy(original)
    # ansible-core before 2.19 leaves members out of a copy.
    kept = {name: value for name, value in extra.items() if not is_empty(value)}
    vars(manager).update(vars(original), _extra_vars=kept)
    host = manager._inventory.get_host(variables["inventory_hostname"])
    return manager.get_vars(host=host, include_hostvars=False)
