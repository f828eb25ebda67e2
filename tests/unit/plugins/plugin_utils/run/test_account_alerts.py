# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible.plugins.loader import filter_loader
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.account_alerts import alerts_of, by_account
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.json_text import to_text


def alert(message_id, account="prod", **more):
    account_id = {"prod": "123456789012", "test": "210987654321"}[account]
    return {
        "message_id": message_id,
        "account": account,
        "account_id": account_id,
        "disposition": None,
        "script": f"aws iam delete-user --user-name {message_id}",
        **more,
    }


def test_each_account_has_its_alerts_in_their_order_as_text():
    alerts = [alert("1"), alert("2", "test"), alert("3", reason="{{ 1 }}")]
    gathered = by_account(alerts)
    assert {name: (entry["account_id"], entry["count"]) for name, entry in gathered.items()} == {
        "prod": ("123456789012", 2),
        "test": ("210987654321", 1),
    }
    assert alerts_of(gathered["prod"]) == [alerts[0], alerts[2]]
    assert all(isinstance(entry["alerts"], str) and "{{" not in entry["alerts"] for entry in gathered.values())


def test_the_filter_translates_what_is_still_to_be_decided():
    alerts = [alert("1"), alert("2", disposition="filtered"), alert("3", steps=[])]
    translate = filter_loader.get("leastpriv.iam.translate").j2_function
    assert translate(to_text(alerts)) == translate(alerts)
    first, undone = alerts_of(translate(alerts)["prod"])
    assert (first["message_id"], first["disposition"]) == ("1", "refused")
    assert undone == alerts[2], "what is undone has its steps"
