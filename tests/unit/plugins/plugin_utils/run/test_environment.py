# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.environment import unset_empty_variables


def test_an_empty_variable_is_not_set_and_those_of_other_programs_stay():
    kept = {"AWS_PROFILE": "a", "NO_COLOR": "", "PYTHONPATH": "", "API_ENDPOINTS": ""}
    empty = ("AWS_REGION", "API_ENDPOINT", "AUTH_KEY", "REQUESTS_CA_BUNDLE", "SQS_QUEUE_NAME", "PRISMACLOUD_URL")
    environment = {**kept, **dict.fromkeys(empty, ""), "AWS_SESSION_TOKEN": " "}
    unset_empty_variables(environment)
    assert environment == kept
