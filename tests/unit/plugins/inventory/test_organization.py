# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
import yaml
from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import inventory_loader
from stack.settings import BASE_ACCESS_KEY, BASE_SECRET_KEY


@pytest.fixture
def organization(stack):
    """A client of an organization, and a function that makes an account in one of its units."""
    client = stack.client("organizations")
    client.create_organization(FeatureSet="ALL")
    return client


@pytest.fixture
def unit(organization):
    root = organization.list_roots()["Roots"][0]["Id"]

    def unit(name, parent=root):
        made = organization.create_organizational_unit(ParentId=parent, Name=name)
        return made["OrganizationalUnit"]["Id"]

    return unit


@pytest.fixture
def account(organization):
    root = organization.list_roots()["Roots"][0]["Id"]

    def account(name, parent=root, **tags):
        status = organization.create_account(AccountName=name, Email="a@example.com")["CreateAccountStatus"]
        account_id = status["AccountId"]
        organization.tag_resource(ResourceId=account_id, Tags=[{"Key": key, "Value": tags[key]} for key in tags])
        if parent != root:
            organization.move_account(AccountId=account_id, SourceParentId=root, DestinationParentId=parent)
        return account_id

    return account


@pytest.fixture
def env(stack, monkeypatch):
    for name, value in stack.env.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.fixture
def read(stack, organization, env, tmp_path):
    """Reads the inventory of a configuration; the management account is left out."""

    def read(**options):
        path = tmp_path / "organization.yml"
        config = {
            "plugin": "leastpriv.iam.organization",
            "role_name": "team/leastpriv",
            "exclude": ["master"],
            **options,
        }
        path.write_text(yaml.safe_dump(config))
        return InventoryManager(loader=DataLoader(), sources=[str(path)])

    return read


def names_in(inventory, group):
    return sorted(host.name for host in inventory.groups[group].get_hosts()) if group in inventory.groups else None


def test_an_account_is_a_host_with_a_role(read, account, unit):
    prod = unit("Prod (EU)", unit("Workloads"))
    account_id = account("Payments 1", prod, team="a b")
    inventory = read()
    assert names_in(inventory, "aws_accounts") == ["Payments_1"]
    variables = inventory.get_host("Payments_1").get_vars()
    wanted = {
        "account_id": account_id,
        "account_name": "Payments 1",
        "account_tags": {"team": "a b"},
        "organizational_unit": "Workloads/Prod (EU)",
        "role_arn": f"arn:aws:iam::{account_id}:role/team/leastpriv",
    }
    assert {name: variables[name] for name in wanted} == wanted
    assert inventory.groups["aws_accounts"].get_vars() == {"ansible_connection": "leastpriv.iam.warm"}


def test_units_and_tags_are_groups(read, account, unit):
    workloads = unit("Workloads")
    account("outer", workloads)
    account("inner", unit("Prod", workloads), team="a b")
    account("alone")
    inventory = read()
    assert names_in(inventory, "ou_Workloads") == ["inner", "outer"]
    assert names_in(inventory, "ou_Workloads_Prod") == ["inner"]
    assert names_in(inventory, "tag_team_a_b") == ["inner"]
    assert names_in(inventory, "aws_accounts") == ["alone", "inner", "outer"]


def test_suspended_accounts_are_left_out(read, account, organization):
    account("alive")
    organization.close_account(AccountId=account("closed"))
    assert names_in(read(), "aws_accounts") == ["alive"]


def test_names_that_are_not_the_only_ones_end_with_the_id(read, account, unit):
    first, second = account("a b"), account("a-b")
    group, host = account("ou_Prod", unit("Prod")), account("localhost")
    found = names_in(read(), "aws_accounts")
    assert found == sorted([f"a_b_{first}", f"a_b_{second}", f"ou_Prod_{group}", f"localhost_{host}"])


def test_units_that_would_be_one_group_are_two(read, account, unit):
    account("one", unit("a", unit("x")))
    account("two", unit("x_a"))
    groups = [name for name in read().groups if name.startswith("ou_x_a")]
    assert len(groups) == 2


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        ({"include": ["Workloads"]}, ["inner", "outer"]),
        ({"include": ["Workloads/*"]}, ["inner"]),
        ({"include": ["out*r", "alone"]}, ["alone", "outer"]),
        ({"exclude": ["master", "Workloads"]}, ["alone"]),
        ({"include": ["Workloads"], "exclude": ["inner"]}, ["outer"]),
        ({"include": ["nothing"]}, []),
    ],
)
def test_include_and_exclude(read, account, unit, options, chosen):
    workloads = unit("Workloads")
    account("outer", workloads)
    account("inner", unit("Prod", workloads))
    account("alone")
    assert names_in(read(**options), "aws_accounts") == chosen


def test_a_role_is_named_by_a_template_and_by_nothing_else(read, account):
    ours, _other = account("plain"), account("../admin {{ 6 * 7 }}")
    inventory = read(role_name="lp/{account_name}-{account_id}")
    assert names_in(inventory, "aws_accounts") == ["plain"], "what makes no name is left out"
    assert inventory.get_host("plain").get_vars()["role_arn"] == f"arn:aws:iam::{ours}:role/lp/plain-{ours}"


def test_the_users_own_configuration_composes(read, account):
    account("payments", team="red")
    composed = {"compose": {"external_id": "'id-' ~ account_tags.team"}, "keyed_groups": [{"key": "account_tags.team"}]}
    inventory = read(**composed)
    assert inventory.get_host("payments").get_vars()["external_id"] == "id-red"
    assert names_in(inventory, "_red") == ["payments"]


def test_the_cache_spares_the_calls(stack, read, account, tmp_path):
    account("payments", team="red")
    cached = {
        "cache": True,
        "cache_plugin": "ansible.builtin.jsonfile",
        "cache_connection": str(tmp_path / "cache"),
    }
    first = read(**cached)
    stack.clear_calls()
    second = read(**cached)
    assert stack.calls(service="organizations") == []
    assert second.get_host("payments").get_vars() == first.get_host("payments").get_vars()
    assert names_in(read(**cached, exclude=["payments"]), "aws_accounts") == ["master"], "chosen anew each time"


@pytest.mark.parametrize("profile", [None, "queue"])
def test_keys_in_the_environment_work_beside_a_profile(read, account, env, profile):
    account("payments")
    env.setenv("AWS_ACCESS_KEY_ID", BASE_ACCESS_KEY if profile is None else "AKIANOBODY")
    env.setenv("AWS_SECRET_ACCESS_KEY", BASE_SECRET_KEY)
    assert names_in(read(**{"profile": profile} if profile else {}), "aws_accounts") == ["payments"]


def test_what_it_takes_is_reported(stack, read, tmp_path, env):
    read()
    stack.fault(service="organizations", action="ListRoots", code="AccessDeniedException", count=9)
    plugin = inventory_loader.get("leastpriv.iam.organization")
    inventory = InventoryManager(loader=DataLoader(), parse=False)
    with pytest.raises(AnsibleError, match=r"AccessDeniedException.*ListAccountsForParent.*delegated administrator"):
        plugin.parse(inventory._inventory, DataLoader(), str(tmp_path / "organization.yml"))
