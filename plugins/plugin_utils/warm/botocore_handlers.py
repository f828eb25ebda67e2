# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the loaded Python of leastpriv.iam.warm (fork_server.py) does for botocore before modules run, and once for all.

Nothing here knows of an account: no profile, region, endpoint or credential is looked at before a module does it.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import re
import urllib.request
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

try:
    import botocore.client
    import botocore.configloader
    import botocore.credentials
    import botocore.hooks
    import botocore.httpsession
    import botocore.session
    import botocore.utils
    from botocore.exceptions import DataNotFoundError
    from dateutil.tz import tzutc
except ImportError:
    # The loaded Python has none of it then; each module says so itself.
    pass

# ISO 8601 as all Pythons read it.
IN_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6})?Z", re.ASCII)


def take_short_ways() -> None:
    """Let botocore come to the same results with less work; one that no longer has such a place goes its own way."""
    for take in (share_models_and_classes, look_for_old_names_at_once, copy_handlers_at_once, look_for_proxies_at_once):
        with contextlib.suppress(AttributeError):
            take()


def load_service_models(services: Iterable[str]) -> None:
    """Let all boto3 sessions share one reader of service models, and read those of `services`.

    The reader holds files, no setting and no credential. A session that is told another folder gets its own reader.
    """
    create_loader = botocore.session.create_loader
    shared = create_loader(None)
    botocore.session.create_loader = lambda path=None: create_loader(path) if path else shared
    session = botocore.session.Session()
    session.set_credentials("none", "none")
    for service in services:
        # Nothing is sent: a client connects with its first call.
        client = session.create_client(service, region_name="us-east-1")
        for kind in ("paginators-1", "waiters-2"):
            with contextlib.suppress(DataNotFoundError):
                shared.load_service_model(service, kind, client.meta.service_model.api_version)


def make_tls_contexts() -> None:
    """Give the first connections of a module TLS contexts made already; each trusts nobody until it is told whom."""
    create_context = botocore.httpsession.create_urllib3_context
    # For a client, and for the two services of AWS that its credentials may come from.
    made = [create_context() for _time in range(3)]

    def create_made_context(*args: Any, **kwargs: Any) -> Any:
        return create_context(*args, **kwargs) if args or kwargs or not made else made.pop()

    botocore.httpsession.create_urllib3_context = create_made_context


def make_session() -> None:
    """Give the first boto3 session of a module a botocore session that is made already, with all its event handlers.

    It holds no setting and no credential: it looks at the environment and at files when it is asked for something.
    """
    get_session = botocore.session.get_session
    made = [get_session()]
    made[0].get_component("response_parser_factory").set_parser_defaults(timestamp_parser=timestamp_parser())

    def get_made_session(env_vars: Any = None) -> Any:
        if env_vars or not made:
            return get_session(env_vars)
        session = made.pop()
        # The one part that has looked at the environment.
        session._register_user_agent_creator()
        return session

    botocore.session.get_session = get_made_session


def share_assumed_roles(folder: str) -> None:
    """Let profiles assume a role once and not for every module, by botocore's file cache, as in the AWS CLI.

    Its keys are made of the role's ARN and all that it is assumed with; who is near the end of its time is not taken.
    """
    create_resolver = botocore.credentials.create_credential_resolver
    shared = botocore.utils.JSONFileCache(folder)

    def create_sharing_resolver(session: Any, cache: Any = None, region_name: str | None = None) -> Any:
        return create_resolver(session, cache=shared if cache is None else cache, region_name=region_name)

    botocore.credentials.create_credential_resolver = create_sharing_resolver


def share_models_and_classes() -> None:
    """Let all clients of a service share what botocore makes of the service's model and of nothing else."""
    creator = botocore.client.ClientCreator
    load_model, create_class = creator._load_service_model, creator._create_client_class
    models: dict[int, Any] = {}
    classes: dict[Any, type] = {}

    def load_model_once(self: Any, *args: Any, **kwargs: Any) -> Any:
        model = load_model(self, *args, **kwargs)
        # A part of what the reader of service models has read once: another reader's model is another one.
        return models.setdefault(id(model.metadata), model)

    def create_class_once(self: Any, service_name: str, service_model: Any) -> type:
        if service_model not in classes:
            classes[service_model] = create_class(self, service_name, service_model)
        return classes[service_model]

    creator._load_service_model = load_model_once
    creator._create_client_class = create_class_once


def look_for_old_names_at_once() -> None:
    """Botocore looks for each of sixty old names of services in each event's name, one by one; few events have one."""
    aliaser = botocore.hooks.EventAliaser
    find_alias = aliaser._alias_event_name
    names = botocore.utils.EVENT_ALIASES
    words = {name for name in names if "." not in name}
    phrases = [name for name in names if "." in name]

    def has_none(event_name: str) -> bool:
        return words.isdisjoint(event_name.split(".")) and not any(phrase in event_name for phrase in phrases)

    def find_alias_at_once(self: Any, event_name: str) -> str:
        if event_name not in self._alias_name_cache and self._event_aliases == names and has_none(event_name):
            self._alias_name_cache[event_name] = event_name
        return find_alias(self, event_name)

    aliaser._alias_event_name = find_alias_at_once


def copy_handlers_at_once() -> None:
    """Botocore copies the tree of a session's handlers for each client, one attribute of one node after the other."""
    trie, values_of = botocore.hooks._PrefixTrie, botocore.hooks.NodeList

    def copied(node: dict[str, Any]) -> dict[str, Any]:
        values = node["values"]
        return {
            "chunk": node["chunk"],
            "children": {part: copied(child) for part, child in node["children"].items()},
            "values": values_of(*map(list, values)) if values else values,
        }

    def copy_at_once(self: Any) -> Any:
        new = trie()
        new._root = copied(self._root)
        return new

    trie.__copy__ = copy_at_once


def look_for_proxies_at_once() -> None:
    """Python before 3.12 reads the whole environment four times for a client, mostly to find that there is no proxy."""
    find, is_bypassed = botocore.utils.getproxies, botocore.utils.proxy_bypass
    # On macOS the system's settings count, too.
    if find is not urllib.request.getproxies_environment:
        return

    def are_named() -> bool:
        return any(name[-6:].lower() == "_proxy" for name in os.environ)

    botocore.utils.getproxies = lambda: find() if are_named() else {}
    botocore.utils.proxy_bypass = lambda host: is_bypassed(host) if are_named() else False


def read_configuration_once() -> None:
    """Botocore reads the files of profiles and of keys twice for a client."""
    for name in ("load_config", "raw_config_parse"):
        setattr(botocore.configloader, name, _read_once(getattr(botocore.configloader, name)))


def _read_once(read: Callable[..., Any]) -> Callable[..., Any]:
    known: dict[tuple[Any, ...], bytes] = {}

    def read_once(config_filename: str, *args: Any, **kwargs: Any) -> Any:
        try:
            found = os.stat(os.path.expanduser(os.path.expandvars(config_filename)))
        except (OSError, TypeError, ValueError):
            return read(config_filename, *args, **kwargs)
        file = config_filename, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
        key = *file, *args, *kwargs.items()
        if key not in known:
            known[key] = pickle.dumps(read(config_filename, *args, **kwargs))
        # Each gets its own to change.
        return pickle.loads(known[key])

    return read_once


def timestamp_parser() -> Callable[[Any], datetime]:
    """Botocore's own with a short way for what AWS sends: a list of an account's policies holds thousands of these."""
    parse_timestamp = botocore.utils.parse_timestamp

    def parse(value: Any) -> datetime:
        if isinstance(value, str) and IN_UTC.fullmatch(value):
            with contextlib.suppress(ValueError):
                return datetime.fromisoformat(value[:-1]).replace(tzinfo=tzutc())
        return parse_timestamp(value)

    return parse
