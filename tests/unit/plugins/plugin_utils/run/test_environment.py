# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.environment import api_endpoint, unset_empty_variables


def test_an_empty_variable_is_not_set_and_those_of_other_programs_stay():
    kept = {"AWS_PROFILE": "a", "NO_COLOR": "", "PYTHONPATH": "", "API_ENDPOINTS": ""}
    empty = ("AWS_REGION", "API_ENDPOINT", "AUTH_KEY", "REQUESTS_CA_BUNDLE", "SQS_QUEUE_NAME", "PRISMACLOUD_URL")
    environment = {**kept, **dict.fromkeys(empty, ""), "AWS_SESSION_TOKEN": " "}
    unset_empty_variables(environment)
    assert environment == kept


def test_the_api_s_address_has_two_names_and_the_one_of_the_pasted_script_wins():
    assert api_endpoint({"PRISMACLOUD_URL": "api.eu"}) == "api.eu"
    assert api_endpoint({"PRISMACLOUD_URL": "api.eu", "API_ENDPOINT": "api2"}) == "api2"
    assert api_endpoint({"API_ENDPOINT": "", "PRISMACLOUD_URL": ""}) == ""
