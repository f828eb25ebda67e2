# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import os
import ssl

import boto3
import botocore.client
import botocore.configloader
import botocore.hooks
import botocore.httpsession
import botocore.session
import botocore.utils
import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.warm import botocore_handlers as warm_botocore
from hypothesis import given
from hypothesis import strategies as st


def test_the_session_that_is_made_already_knows_only_what_the_module_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(botocore.session, "get_session", botocore.session.get_session)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    warm_botocore.make_session()
    credentials = tmp_path / "credentials"
    credentials.write_text("[payments]\naws_access_key_id = AKIA1\naws_secret_access_key = secret\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_EXECUTION_ENV", "somewhere")
    made, other = (boto3.session.Session(profile_name="payments") for _time in range(2))
    assert made._session is not other._session
    for session in (made, other):
        assert session.get_credentials().access_key == "AKIA1"
        assert session.region_name == "eu-central-1"
        assert "exec-env/somewhere" in session.client("iam").meta.config.user_agent
    assert made.client("iam").meta.config.user_agent == other.client("iam").meta.config.user_agent


def test_tls_contexts_that_are_made_already_are_those_that_botocore_makes(monkeypatch):
    create = botocore.httpsession.create_urllib3_context
    monkeypatch.setattr(botocore.httpsession, "create_urllib3_context", create)
    settings = ("verify_mode", "check_hostname", "options", "minimum_version", "maximum_version", "post_handshake_auth")
    made_before = [getattr(create(), name) for name in settings]
    warm_botocore.make_tls_contexts()
    contexts = [botocore.httpsession.create_urllib3_context() for _time in range(5)]
    assert len({id(context) for context in contexts}) == 5, "each has its own to change"
    assert all([getattr(context, name) for name in settings] == made_before for context in contexts)
    assert not any(context.get_ca_certs() for context in contexts)
    unverified = botocore.httpsession.create_urllib3_context(cert_reqs=ssl.CERT_NONE)
    assert unverified.verify_mode == ssl.CERT_NONE


@given(
    st.one_of(
        st.datetimes().map(lambda moment: f"{moment.isoformat(timespec='microseconds')}Z"),
        st.datetimes().map(lambda moment: f"{moment.isoformat(timespec='milliseconds')}Z"),
        st.datetimes().map(lambda moment: f"{moment.isoformat(timespec='seconds')}Z"),
        st.datetimes().map(lambda moment: f"{moment.isoformat(timespec='seconds')}+02:00"),
        st.from_regex(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z", fullmatch=True),
        st.sampled_from(["2024-01-01", "Wed, 02 Oct 2002 13:00:00 GMT", "1704067200", 1704067200.5, "", None]),
    )
)
def test_timestamps_are_what_botocore_makes_of_them(value):
    def parsed(parse):
        try:
            moment = parse(value)
        except Exception as error:
            return type(error), str(error)
        return moment, moment.isoformat(), moment.tzname()

    assert parsed(warm_botocore.timestamp_parser()) == parsed(botocore.utils.parse_timestamp)


def test_one_class_for_all_clients_of_a_service_as_long_as_its_model_is_the_same(monkeypatch):
    creator = botocore.client.ClientCreator
    for name in ("_create_client_class", "_load_service_model"):
        monkeypatch.setattr(creator, name, getattr(creator, name))
    warm_botocore.share_models_and_classes()
    first, second, other = (botocore.session.Session() for _time in range(3))
    second.register_component("data_loader", first.get_component("data_loader"))
    for session in (first, second, other):
        session.set_credentials("none", "none")
    clients = [session.create_client("iam", region_name="us-east-1") for session in (first, second, other)]
    for shared in ([client.__class__ for client in clients], [client.meta.service_model for client in clients]):
        assert shared[0] is shared[1]
        assert shared[0] is not shared[2], "it reads models elsewhere"
    assert first.create_client("sts", region_name="us-east-1").__class__.__name__ == "STS"


def aliased(names, aliases=botocore.utils.EVENT_ALIASES):
    aliaser = botocore.hooks.EventAliaser(botocore.hooks.HierarchicalEmitter(), aliases)
    # Twice, since what was found is remembered.
    return [[aliaser._alias_event_name(name) for name in names] for _time in range(2)]


def test_old_names_of_services_are_found_as_botocore_finds_them(monkeypatch):
    aliaser = botocore.hooks.EventAliaser
    monkeypatch.setattr(aliaser, "_alias_event_name", aliaser._alias_event_name)
    old = list(botocore.utils.EVENT_ALIASES)
    names = [
        *(
            "before-call.iam.GetUser",
            "creating-client-class.sts",
            "request-created",
            "",
            "choose-signer.sqs.SendMessage",
        ),
        *(f"before-call.{name}.GetUser" for name in old),
        *old,
        *(f"{first}.{second}" for first, second in zip(old, reversed(old), strict=True)),
    ]
    other = {"iam": "identity"}
    before = aliased(names), aliased(names, other)
    assert before[0][0] != names
    warm_botocore.look_for_old_names_at_once()
    assert (aliased(names), aliased(names, other)) == before


def test_a_copy_of_handlers_is_the_one_that_botocore_makes(monkeypatch):
    trie = botocore.hooks._PrefixTrie
    emitter = botocore.session.Session().get_component("event_emitter")
    known = emitter._emitter._handlers
    made_before = copy.copy(known)._root
    monkeypatch.setattr(trie, "__copy__", trie.__copy__)
    warm_botocore.copy_handlers_at_once()
    copied = copy.copy(emitter)
    assert copied._emitter._handlers._root == made_before
    copied.register("before-call.iam.GetUser", lambda **ignored: None)
    copied.register("before-call.s3", lambda **ignored: None)
    assert known._root == made_before, "what a client registers is the client's"


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"HTTPS_PROXY": "http://proxy:3128"},
        {"https_proxy": "http://proxy:3128", "no_proxy": "amazonaws.com,localhost"},
        {"HTTP_PROXY": "http://proxy:3128", "REQUEST_METHOD": "GET"},
        {"NO_PROXY": "*"},
        {"No_Proxy": "amazonaws.com"},
        {"all_proxy": "http://proxy:3128"},
        {"proxy": "http://proxy:3128", "_PROXY": "x"},
    ],
)
@pytest.mark.parametrize("url", ["https://iam.amazonaws.com", "http://localhost:5000", "http://169.254.169.254/"])
def test_proxies_are_those_that_botocore_finds(environment, url, monkeypatch):
    for name in [name for name in os.environ if name.lower().endswith("proxy")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for name in ("getproxies", "proxy_bypass"):
        monkeypatch.setattr(botocore.utils, name, getattr(botocore.utils, name))
    found = botocore.utils.get_environ_proxies(url)
    warm_botocore.look_for_proxies_at_once()
    assert botocore.utils.get_environ_proxies(url) == found


def test_profiles_are_read_once_and_again_when_they_change(tmp_path, monkeypatch):
    parsed = []
    parse = botocore.configloader.raw_config_parse
    monkeypatch.setattr(botocore.configloader, "load_config", botocore.configloader.load_config)

    def parse_counted(path, *how):
        parsed.append(path)
        return parse(path, *how)

    monkeypatch.setattr(botocore.configloader, "raw_config_parse", parse_counted)
    warm_botocore.read_configuration_once()
    monkeypatch.setenv("PLACE", str(tmp_path))
    config = tmp_path / "config"
    config.write_text("[profile payments]\nregion = eu-central-1\n")
    first = botocore.configloader.load_config("$PLACE/config")
    first["profiles"]["payments"]["region"] = "changed by its user"
    assert botocore.configloader.load_config("$PLACE/config")["profiles"] == {"payments": {"region": "eu-central-1"}}
    assert len(parsed) == 1
    for subsections in (True, True, False):
        botocore.configloader.raw_config_parse("$PLACE/config", subsections)
    assert len(parsed) == 3, "once for each way of reading it"
    config.write_text("[profile payments]\nregion = us-east-1\n[profile sandbox]\n")
    assert set(botocore.configloader.load_config("$PLACE/config")["profiles"]) == {"payments", "sandbox"}
    with pytest.raises(botocore.exceptions.ConfigNotFound):
        botocore.configloader.load_config("$PLACE/none")


def test_a_botocore_without_such_places_goes_its_own_way(monkeypatch):
    monkeypatch.delattr(botocore.hooks, "_PrefixTrie")
    monkeypatch.delattr(botocore.client.ClientCreator, "_create_client_class")
    monkeypatch.delattr(botocore.hooks.EventAliaser, "_alias_event_name")
    warm_botocore.take_short_ways()
