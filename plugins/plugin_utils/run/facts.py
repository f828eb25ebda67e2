# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts of the role remediate that Python reads: every name, once, with what it contains.

All other variables of the role are its own business. tests/unit/roles/test_facts.py compares both sides.
"""

from __future__ import annotations

# --- of the run, set once for all accounts ----------------------------------------------------------------------------

# The id of the run, the name of its folder.
RUN_ID = "__remediate_run_id"
# When it began, ISO 8601 in UTC.
STARTED = "__remediate_started"
# What the end of a run needs, the role's or an interrupted one's: a dict, see tasks/begin.yml.
RUN = "__remediate_run"
# All alerts that were received, or are undone, as JSON text or a list; those with a disposition are decided.
RECEIVED = "__remediate_alerts"
# The alerts to work on, by account: `account_id`, `count`, and `alerts` as JSON text.
TRANSLATED = "__remediate_translated"
# The ids of the runs that an undo reverts.
UNDOES = "__remediate_undoes"
# The alerts of all accounts with their outcome, as JSON text.
OUTCOMES = "__remediate_outcomes"
# What the doctor found.
DIAGNOSIS = "__remediate_diagnosis"

# --- of each account --------------------------------------------------------------------------------------------------

# The settings (run/settings.py), and how the account is reached: profile, role_arn, region, endpoint_url.
SETTINGS = "__remediate_settings"
BASE = "__remediate_base"
# The results of the module observe, before anything is applied and after a module changed nothing.
OBSERVED = "__remediate_observed"
CONFIRMED = "__remediate_confirmed"
# The loop results of the last wave's module.
APPLIED = "__remediate_applied"
# The result of the last journal task, whose `kept` are the results of all steps so far, as JSON text.
RESULTS = "__remediate_results"
# Why the account could not be finished.
PROBLEM = "__remediate_problem"
