# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`Stack`: the emulated world of one test session, seen from the process that tests or demonstrates."""

from __future__ import annotations

import contextlib
import datetime
import functools
import ipaddress
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import boto3
import botocore.loaders
import botocore.session
import urllib3
import yaml
from botocore.config import Config

from . import settings

TESTS = Path(__file__).resolve().parent.parent
ROOT = TESTS.parent
START_TIMEOUT = 60.0


class Stack:
    """AWS (several accounts) and the vendor's API on loopback, with everything a run needs to reach them.

    A context manager; with `detached` the servers outlive this process until they get a SIGTERM (`pid`).
    `folder` keeps the AWS configuration, the inventory and the server's log; it is temporary unless given.
    Without `managed_policies` the accounts lack AWS's own, as no real one does: the emulator lists them slowly.
    """

    accounts = settings.ACCOUNTS
    twin = settings.TWIN["twin"]

    def __init__(
        self,
        *,
        tls: bool = False,
        detached: bool = False,
        managed_policies: bool = True,
        folder: Path | None = None,
    ) -> None:
        self.detached = detached
        self.managed_policies = managed_policies
        self.folder = folder or Path(tempfile.mkdtemp(prefix="leastpriv-stack-"))
        self.is_temporary = folder is None
        self.home = self.folder / "home"
        self.inventory = self.folder / "accounts.yml"
        self.ca_bundle = self.folder / "cert.pem" if tls else None
        # The artifacts of the playbooks that were started, by the folder's name.
        self.runs: dict[str, Path] = {}
        self._clients: dict[tuple[str, str], Any] = {}
        # Without `requests`, which looks for proxies and passwords each time: a millisecond per call.
        self._http = urllib3.PoolManager(ca_certs=self.ca_bundle and str(self.ca_bundle), timeout=30, retries=False)

    def __enter__(self) -> Stack:
        self.home.mkdir(parents=True, exist_ok=True)
        if self.ca_bundle:
            write_certificate(self.folder)
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        self._write_configuration()
        self.reset()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    @contextlib.contextmanager
    def kept(self) -> Iterator[Stack]:
        """Like the context of the stack itself, but what went well stays: for a detached one, to go on by hand."""
        self.__enter__()
        try:
            yield self
        except BaseException:
            self.stop()
            raise

    # --- the server's process -----------------------------------------------------------------------------------------

    def _start(self) -> None:
        ready_file = self.folder / "ready.json"
        ready_file.unlink(missing_ok=True)
        command = [sys.executable, "-m", "stack", str(ready_file)]
        command += ["--tls", str(self.folder)] if self.ca_bundle else []
        command += ["--detached"] if self.detached else []
        command += [] if self.managed_policies else ["--without-managed-policies"]
        with (self.folder / "server.log").open("wb") as log:
            self.server = subprocess.Popen(
                command,
                cwd=TESTS,
                stdin=subprocess.DEVNULL if self.detached else subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        ready = json.loads(self._wait_for(ready_file))
        self.url, self.api_url, self.pid = ready["aws"], ready["vendor_api"], ready["pid"]

    def _wait_for(self, ready_file: Path) -> str:
        deadline = time.monotonic() + START_TIMEOUT
        while not ready_file.exists():
            if self.server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"The stack did not start:\n{self.log()}")
            time.sleep(0.02)
        return ready_file.read_text()

    def log(self) -> str:
        """What the server wrote: tracebacks of moto, mostly."""
        return (self.folder / "server.log").read_text()

    def stop(self) -> None:
        """End the servers and remove the folder when it is temporary. Safe to call twice."""
        if hasattr(self, "server"):
            if self.server.stdin:
                self.server.stdin.close()
            self.server.terminate()
            self.server.wait(timeout=10)
        if self.is_temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    # --- what a run is given ------------------------------------------------------------------------------------------

    @property
    def env(self) -> dict[str, str]:
        """The variables a user would export."""
        exports = {
            "AWS_CONFIG_FILE": str(self.folder / "aws-config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(self.folder / "aws-credentials"),
            "AWS_PROFILE": settings.QUEUE_PROFILE,
            "AWS_REGION": settings.QUEUE_REGION,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "SQS_QUEUE_NAME": settings.QUEUE_NAME,
            "API_ENDPOINT": self.api_url,
            "PRISMACLOUD_USERNAME": settings.VENDOR_USERNAME,
            "PRISMACLOUD_PASSWORD": settings.VENDOR_PASSWORD,
            "NO_PROXY": "127.0.0.1,localhost",
        }
        return exports | ({"REQUESTS_CA_BUNDLE": str(self.ca_bundle)} if self.ca_bundle else {})

    @property
    def process_env(self) -> dict[str, str]:
        """The whole environment of a hermetic process: nothing of the developer's own reaches it."""
        return {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            **self.env,
        }

    def _write_configuration(self) -> None:
        (self.folder / "aws-credentials").write_text(
            f"[{settings.QUEUE_PROFILE}]\n"
            f"aws_access_key_id = {settings.BASE_ACCESS_KEY}\naws_secret_access_key = {settings.BASE_SECRET_KEY}\n"
        )
        (self.folder / "aws-config").write_text(
            f"[profile {settings.QUEUE_PROFILE}]\nregion = {settings.QUEUE_REGION}\n"
        )
        self.add_profiles(settings.ACCOUNTS | settings.TWIN)
        self.write_inventory()

    def add_profiles(self, accounts: dict[str, str]) -> None:
        """Make further accounts (profile name: account id) reachable by profile, until the stack ends."""
        with (self.folder / "aws-config").open("a") as config:
            for name, account_id in accounts.items():
                config.write(
                    f"\n[profile {name}]\nrole_arn = arn:aws:iam::{account_id}:role/{settings.ROLE_NAME}\n"
                    f"source_profile = {settings.QUEUE_PROFILE}\nregion = {settings.QUEUE_REGION}\n"
                )

    def write_inventory(self, path: Path | None = None, **hosts: dict[str, Any]) -> Path:
        """Write an inventory of `hosts` (name: variables) to `path`; of the three accounts by default."""
        path = path or self.inventory
        hosts = hosts or {
            name: {"account_id": account_id, "aws_profile": name} for name, account_id in self.accounts.items()
        }
        path.write_text(yaml.safe_dump({"aws_accounts": {"hosts": hosts}}))
        return path

    # --- AWS ----------------------------------------------------------------------------------------------------------

    def account_id(self, account: str) -> str:
        """An account's id, given by its host name or by the id itself."""
        return (self.accounts | settings.TWIN).get(account, account)

    def client(self, service: str, account: str = settings.QUEUE_ACCOUNT) -> Any:
        """A boto3 client of the stack's own: its calls are not logged, and no fault disturbs them."""
        key = (service, self.account_id(account))
        if key not in self._clients:
            self._clients[key] = self._new_client(service, key[1])
        return self._clients[key]

    def _new_client(self, service: str, account_id: str) -> Any:
        keys = {"aws_access_key_id": settings.BASE_ACCESS_KEY, "aws_secret_access_key": settings.BASE_SECRET_KEY}
        if account_id != settings.QUEUE_ACCOUNT:
            role_arn = f"arn:aws:iam::{account_id}:role/{settings.ROLE_NAME}"
            assumed = self.client("sts").assume_role(RoleArn=role_arn, RoleSessionName="stack")["Credentials"]
            keys = {
                "aws_access_key_id": assumed["AccessKeyId"],
                "aws_secret_access_key": assumed["SecretAccessKey"],
                "aws_session_token": assumed["SessionToken"],
            }
        return _hermetic_session().client(
            service,
            endpoint_url=self.url,
            region_name=settings.QUEUE_REGION,
            config=Config(user_agent_extra=settings.OWN_USER_AGENT, proxies={}),
            **keys,
        )

    def calls(self, **expected: Any) -> list[dict[str, Any]]:
        """The calls that were made, oldest first, narrowed by equality: calls(service="iam", mutating=True).

        A call: time, account (id), role (its name, or None), run (the name of a playbook's artifacts folder, or None),
        service, action, parameters (secrets masked), mutating, status (None while it runs).
        """
        calls = self._control(self.url, "calls", method="GET")
        return [call for call in calls if all(call[name] == value for name, value in expected.items())]

    def changes_of_runs(self) -> list[dict[str, Any]]:
        """The calls by which playbooks would change IAM, since the reset."""
        return self._control(self.url, "changes", method="GET")

    def clear_calls(self) -> None:
        self._control(self.url, "calls", method="DELETE")

    def cpu_seconds(self) -> float:
        """What the servers have used of the processor since they started."""
        return self._control(self.url, "cpu", method="GET")

    def changes(self) -> list[str]:
        """The actions of the calls that would change IAM, in their order."""
        return [call["action"] for call in self.calls(service="iam", mutating=True)]

    def wait_for_call(self, timeout: float = 180.0, count: int = 1, **expected: Any) -> dict[str, Any]:
        """Wait until so many calls that equal `expected` have arrived, and give the last of these."""
        deadline, pauses = time.monotonic() + timeout, longer_pauses()
        while time.monotonic() < deadline:
            if len(found := self.calls(**expected)) >= count:
                return found[count - 1]
            time.sleep(next(pauses))
        raise TimeoutError(f"No call like {expected} within {timeout} s.")

    def fault(self, **fault: Any) -> None:
        """Disturb the next calls that match: fault(action="AttachUserPolicy", code="Throttling", status=400, count=3).

        To match: account, service, action, mutating. Effects: `seconds` to wait; then `code` (+ status, message) to
        refuse, or `drop` to close the line, or nothing to go on. With `applied` the call is carried out at once, and
        only its answer is lost. A call whose caller goes away while it waits is not carried out any more.
        Which calls: `count` (default 1) after `skip` (default 0), or a `share` of them (0.3: 30 %); with `after` only
        once a call of that action has been made (in the account, if one is named).
        """
        self._control(self.url, "faults", fault)

    def clear_faults(self) -> None:
        """Take back the faults that have not happened yet, in AWS and in the API."""
        for url in (self.url, self.api_url):
            self._control(url, "faults", method="DELETE")

    def end_waits(self) -> None:
        """Let the calls of AWS that wait by a fault's `seconds` go on now."""
        self._control(self.url, "end_waits", {})

    def shorten_sessions(self, seconds: float) -> None:
        """Let the roles that are assumed from now on, until the reset, end after so many seconds."""
        self._control(self.url, "sessions", {"seconds": seconds})

    def iam_details(self, account: str) -> dict[str, Any]:
        """What GetAccountAuthorizationDetails leaves out of an account: see details.py."""
        return self._control(self.url, f"details/{self.account_id(account)}", method="GET")

    def temporary_keys(self) -> list[str]:
        """The key ids, secret keys and tokens of all roles that were assumed: what must not be shown."""
        return self._control(self.url, "sessions", method="GET")

    # --- the queue ----------------------------------------------------------------------------------------------------

    def set_last_accessed(
        self, arn: str, *uses: str, status: str = "COMPLETED", service: str = "", days: int = 1
    ) -> None:
        """Set what IAM's last-accessed data says of a principal, until the reset.

        :param uses: tracked actions as `s3:DeleteBucket`; all others of their services are not tracked.
        :param status: of its jobs: COMPLETED, FAILED, or IN_PROGRESS forever.
        :param service: a service that was used, by actions that are not tracked.
        :param days: so many days ago; 0 for never.
        """
        used = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=days)).isoformat()
        when = {"LastAuthenticated": used} if days else {}
        found: dict[str, dict[str, Any]] = {service: dict(when)} if service else {}
        tracked = {"LastAccessedTime": used} if days else {}
        for use in uses:
            name, _colon, action = use.partition(":")
            actions = found.setdefault(name, dict(when)).setdefault("TrackedActionsLastAccessed", [])
            actions.append({"ActionName": action, **tracked})
        services = [{"ServiceName": name, "ServiceNamespace": name, **one} for name, one in found.items()]
        self._control(self.url, "last_accessed", {arn: {"services": services, "status": status}})

    @property
    def queue_url(self) -> str:
        return self.client("sqs").get_queue_url(QueueName=settings.QUEUE_NAME)["QueueUrl"]

    def send(self, message: dict[str, Any] | str, **options: Any) -> str:
        """Put one message into the queue, a dict as JSON; gives its message id. Options are SendMessage's."""
        body = message if isinstance(message, str) else json.dumps(message, ensure_ascii=False)
        sent = self.client("sqs").send_message(QueueUrl=self.queue_url, MessageBody=body, **options)
        return sent["MessageId"]

    def depth(self) -> tuple[int, int]:
        """How many messages are (visible, in flight)."""
        messages = self.messages()
        visible = sum(message["visible"] for message in messages)
        return visible, len(messages) - visible

    def messages(self) -> list[dict[str, Any]]:
        """What the queue holds, without receiving it: message_id, body, visible, receive_count."""
        return self._control(self.url, f"queue/{settings.QUEUE_NAME}", method="GET")

    def empty_queue(self) -> None:
        """Delete every visible message: PurgeQueue may be called once a minute only."""
        sqs = self.client("sqs")
        while messages := sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])

    def end_visibility_timeouts(self) -> None:
        """Make every message visible, as its visibility timeout does in its time."""
        self._control(self.url, "visible")

    # --- the vendor's API ---------------------------------------------------------------------------------------------

    def script(self, alert_id: str, text: str | None) -> None:
        """Set the script that the API gives for an alert (None: null); an alert without one is absent there."""
        self.scripts({alert_id: text})

    def scripts(self, texts: dict[str, str | None]) -> None:
        """The same for many alerts."""
        self._control(self.api_url, "scripts", texts)

    def api_settings(self, **settings: Any) -> None:
        """Set max_batch, bad_ids, statuses (by alert id), token_lifetime (seconds) or description of the API."""
        self._control(self.api_url, "settings", settings)

    def api_fault(self, **fault: Any) -> None:
        """Disturb the next requests that match: api_fault(endpoint="remediation", status=503, count=2).

        To match: endpoint (login, extend, remediation, command, status), method, path. Effects: `seconds` to wait,
        then `status` (+ headers, body; a text is sent as it is), or `drop`, or nothing to go on; `count`, `skip`.
        """
        self._control(self.api_url, "faults", fault)

    def api_requests(self, **expected: Any) -> list[dict[str, Any]]:
        """The requests that the API got: endpoint, method, path, alerts, credentials, has_token, time."""
        found = self._control(self.api_url, "requests", method="GET")
        return [request for request in found if all(request[name] == value for name, value in expected.items())]

    def new_token(self, token: str | None = None, lifetime: float | None = None) -> str:
        """Make a token valid, as a user who logged in by other means has one in AUTH_KEY."""
        return self._control(self.api_url, "tokens", {"token": token, "lifetime": lifetime})

    def expire_tokens(self) -> None:
        self._control(self.api_url, "expire")

    def reset(self) -> None:
        """Everything as new: empty accounts, an empty queue, no scripts, no faults, empty logs."""
        self._control(self.url, "reset")

    def _control(self, url: str, command: str, sent: Any = None, method: str = "POST") -> Any:
        body = None if sent is None else json.dumps(sent)
        answer = self._http.request(method, f"{url}/_stack/{command}", body=body)
        if answer.status != 200:
            raise RuntimeError(f"The stack answered {answer.status} to {method} {command}:\n{self.log()}")
        return json.loads(answer.data)


def longer_pauses() -> Iterator[float]:
    """Seconds to wait before each look: to look all the time would take the processor from what is waited for."""
    pause = 0.01
    while True:
        yield pause
        pause = min(1.5 * pause, 0.2)


# Reads each service's model once, and not for every account.
_LOADER = botocore.loaders.create_loader()


@functools.cache
def _hermetic_session() -> boto3.Session:
    """A session that reads no file and no variable of the developer's AWS configuration."""
    unset = (None, None, None, None)
    nothing = (None, None, os.devnull, None)
    core = botocore.session.Session(
        session_vars={"profile": unset, "config_file": nothing, "credentials_file": nothing}
    )
    core.register_component("data_loader", _LOADER)
    return boto3.Session(botocore_session=core)


def write_certificate(folder: Path, hosts: Sequence[str] = ("localhost", "127.0.0.1"), days_left: int = 1) -> None:
    """Make cert.pem and key.pem for hosts, signed by itself; with negative `days_left` it has expired."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "leastpriv test stack")])
    now = datetime.datetime.now(datetime.timezone.utc)
    names = [x509.IPAddress(ipaddress.ip_address(host)) if host[0].isdigit() else x509.DNSName(host) for host in hosts]
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=3))
        .not_valid_after(now + datetime.timedelta(days=days_left))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
