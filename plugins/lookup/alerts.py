# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: alerts
version_added: 1.0.0
short_description: Receive Prisma Cloud IAM alerts from SQS, with their remediation scripts
description:
  - Receives the alerts of an SQS queue, asks the vendor's API for the AWS CLI script of each, and returns one
    dictionary per alert. No script is ever run.
  - What can be decided without translating a script is decided here. The C(disposition) of such an alert is set, and
    C(reason) has the cause and what to do next; every other alert has a C(script).
  - One alert never makes the lookup fail. It fails only when the queue cannot be used or a setting is missing or
    means nothing; messages that it has received by then are visible again at once.
author:
  - The Leastpriv team (!UNKNOWN)
options:
  _terms:
    description: Not used. The queue is named by O(queue_name) or O(queue_url).
  accounts:
    description:
      - The accounts of the inventory, as a list of dictionaries with C(name), the host, and C(account_id), whatever the
        inventory has.
      - An account id that YAML has changed (a number that it read as octal) is reported for its host and for its
        alerts; so are two hosts with one id.
      - Without this option no alert is V(unmapped_account), and C(account) is null.
    type: list
    elements: dict
  limit:
    description:
      - The names of the hosts of this run. Alerts of other hosts of O(accounts) are V(filtered), and back in the queue
        as soon as the run has looked behind them.
      - Without this option every host of O(accounts) is in the run.
    type: list
    elements: str
  slice:
    description:
      - Whether O(accounts) is only a part of the inventory, as in a job slice of AWX, and other runs have the rest.
      - Then an alert of an account that is not among them is V(filtered) instead of V(unmapped_account), and goes back
        like those of other hosts.
    type: bool
    default: false
  max_alerts:
    description:
      - The most alerts to take in one run. Duplicates do not count, nor do alerts that end without any work.
      - Receiving ends in any case after ten times as many messages (at least 1000), with a warning.
    type: int
    default: 100
  wait_seconds:
    description:
      - How long one receive call waits for a message, from 1 to 20 seconds. An empty queue costs one such wait.
    type: int
    default: 1
  visibility_timeout:
    description:
      - How long received messages stay hidden from other consumers, from 60 to 43200 seconds. A run that is killed
        loses nothing; its messages are visible again after this time.
      - Receiving ends after a third of it, so that the first messages are not received again.
    type: int
    default: 900
  review:
    description:
      - Whether nothing is going to be applied (check mode). Then a warning before the first receive names the cost
        on a queue with a dead-letter queue, where each receive counts; and the lookup fails, with all messages back in
        the queue, where a review would send alerts there.
    type: bool
    default: false
  review_despite_redrive:
    description:
      - Review anyway.
    type: bool
    default: false
  quarantine_queue:
    description:
      - The name or URL of the queue that M(leastpriv.iam.acknowledge) is going to move messages to. It is looked for
        before anything is received.
      - With it each receipt has a C(body_file), where the body of the message is kept for that until the playbook ends
        (readable by its owner only, and in no output, since bodies may hold secrets), and its C(group_id).
    type: str
  message_shapes:
    description:
      - The messages of other senders, a dictionary each. C(when) has paths with the values that recognise a message,
        all of them. C(alert_id) and C(account_id) are the paths of what identifies an alert, and C(policy),
        C(resource), C(severity) and C(status) of what describes it.
      - With C(script), the path of an AWS CLI script, or C(recommendation), the path of a recommendation of IAM Access
        Analyzer, the API is not asked. docs/senders.md describes it all.
      - The vendor's own messages are recognised before.
    type: list
    elements: dict
    default: []
  severities:
    description:
      - Only alerts of these severities, out of V(critical), V(high), V(medium), V(low) and V(informational).
      - The others are V(filtered).
    type: list
    elements: str
  policies:
    description:
      - Only alerts whose policy has a name or id that matches one of these globs; the others are V(filtered).
      - Letter case does not matter.
    type: list
    elements: str
  resources:
    description:
      - Only alerts whose resource has a name or id (ARN) that matches one of these globs; the others are V(filtered).
      - Letter case does not matter.
    type: list
    elements: str
  min_age:
    description:
      - Only alerts that were first seen at least so long ago; the others are V(filtered).
      - A number with a unit, V(90m), V(12h), V(7d), V(2w), or a number of seconds.
    type: str
  max_age:
    description:
      - Only alerts that were first seen at most so long ago, written as for O(min_age); the others are V(filtered).
    type: str
  alert_ids:
    description:
      - Only these alerts, by the vendor's id, as a plan names them. Everything else, whatever it is, is V(filtered),
        and back in the queue as soon as the run has looked behind it.
      - Without this option every alert.
    type: list
    elements: str
  plan:
    description:
      - The plan that is applied, as P(leastpriv.iam.plan#lookup) returns it. An alert that is not in it is V(filtered).
        One whose message or script has changed since is V(failed). The others get the plan's steps as C(reviewed), for
        M(leastpriv.iam.observe) to compare the account with.
    type: dict
    default: {}
  as_text:
    description:
      - Return one item, the list of alerts as JSON text without any template.
    type: bool
    default: false
  api_version:
    description:
      - V(v1) asks for many alerts in one call, V(v2) for one alert per call.
    type: str
    default: v1
    choices: [v1, v2]
  api_batch_size:
    description:
      - The most alerts in one call of V(v1). A batch that is refused is halved until the bad alert is alone.
    type: int
    default: 50
notes:
  - This lookup has a side effect. Every evaluation receives messages and hides them, so evaluate it once, with
    M(ansible.builtin.set_fact), and never in a variable of a play, role or inventory.
  - Received messages must be acknowledged. Pass the result to M(leastpriv.iam.acknowledge), or they stay hidden
    until O(visibility_timeout) has passed.
  - An option that is an empty string counts as not set.
  - Receiving needs C(sqs:GetQueueUrl), C(sqs:GetQueueAttributes), C(sqs:ReceiveMessage) and
    C(sqs:ChangeMessageVisibility), and C(kms:Decrypt) where the queue is encrypted with a KMS key.
    Acknowledging needs C(sqs:DeleteMessage) too.
seealso:
  - module: leastpriv.iam.acknowledge
  - plugin: leastpriv.iam.steps
    plugin_type: filter
extends_documentation_fragment:
  - leastpriv.iam.api
  - leastpriv.iam.queue.plugins
"""

EXAMPLES = r"""
- name: Receive up to 20 alerts of two accounts
  ansible.builtin.set_fact:
    received: "{{ query('leastpriv.iam.alerts', queue_name='prisma-cloud-alerts', max_alerts=20, accounts=accounts) }}"
  vars:
    accounts:
      - name: production
        account_id: "012345678901"
      - name: sandbox
        account_id: "123456789012"

- name: Show what they are
  ansible.builtin.debug:
    msg: "{{ received | map(attribute='policy') }}"

- name: Receive only severe alerts that are older than two days
  ansible.builtin.set_fact:
    received: "{{ query('leastpriv.iam.alerts', severities=['critical', 'high'], min_age='2d') }}"

- name: Release all messages
  leastpriv.iam.acknowledge:
    queue_name: prisma-cloud-alerts
    alerts: "{{ received | map('combine', {'disposition': 'filtered'}) }}"
"""

RETURN = r"""
_raw:
  description:
    - One dictionary per alert, in the order of receiving; those that are back in the queue already are last.
    - Of a FIFO queue, an alert is V(filtered) while an earlier one of its message group is about the same resource.
    - Every key is always there, null where it is not known.
  type: list
  elements: dict
  contains:
    alert_id:
      description: The vendor's id of the alert.
      type: str
      sample: I-1234567
    message_id:
      description:
        - The id of the alert's newest message. Where a message brought several alerts, all but the first have their
          place in it behind a dot, so that it is unique among the alerts of a run.
      type: str
    receipts:
      description:
        - All messages of the alert, each with C(message_id) and C(receipt_handle).
        - Empty when they are back in the queue already.
      type: list
      elements: dict
    account_id:
      description: The 12 digits of the AWS account.
      type: str
      sample: "012345678901"
    account:
      description: The inventory's host of that account.
      type: str
    account_name:
      description: The account's name at the vendor.
      type: str
    policy:
      description: The name of the vendor's policy that the alert is about.
      type: str
    policy_id:
      description: The policy's id.
      type: str
    policy_type:
      description: The policy's type in lower case, V(iam) or V(config) for example.
      type: str
    severity:
      description: The severity in lower case.
      type: str
      sample: high
    resource:
      description: The name of the resource.
      type: str
    resource_id:
      description: The id of the resource, often an ARN.
      type: str
    alert_status:
      description: The alert's status in lower case; V(open) if the message has none.
      type: str
      sample: open
    cloud:
      description: The cloud in lower case.
      type: str
      sample: aws
    alert_rule:
      description: The vendor's alert rule that sent the message.
      type: str
    first_seen:
      description: When the alert was first seen, ISO 8601 in UTC.
      type: str
      sample: "2024-07-01T00:00:00Z"
    last_seen:
      description: When the alert was last seen, ISO 8601 in UTC.
      type: str
    receive_count:
      description: How often SQS has delivered the message of the alert that was delivered most.
      type: int
    script:
      description:
        - The AWS CLI script as the vendor returned it. Untrusted text.
        - Values of secret options such as C(--password) are masked with C(*); no script that has one is applied.
      type: str
    description:
      description: The API's description of the script; version 1 has one for all alerts of a call.
      type: str
    disposition:
      description: The alert's disposition, or null if its script is to be translated.
      type: str
      sample: acknowledged
    reason:
      description: Why it has this disposition, and what to do next.
      type: str
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleError, AnsibleLookupError
from ansible_collections.amazon.aws.plugins.plugin_utils.lookup import AWSLookupBase
from ansible_collections.leastpriv.iam.plugins.module_utils.api_calls.counter import (
    FILE_NAME,
    note_aws_calls,
    note_call,
)
from ansible_collections.leastpriv.iam.plugins.module_utils.errors import LeastprivError, for_each_alert
from ansible_collections.leastpriv.iam.plugins.module_utils.queue.sqs import (
    CONNECTION_OPTIONS,
    Message,
    Queue,
    max_receive_count,
    open_queue,
    resolve_other,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.accounts.renewal import renewing
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.accounts import AccountMap, account_map
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.inbox import AlertMessages, Reception, held_messages
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.message import Alert
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.message_shapes import read_shapes
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.review_cost import review_cost
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.selection import (
    Circumstances,
    judge,
    needs_api,
    read_filters,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.environment import unset_empty_variables
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.json_text import to_text
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.plan import compare_with_plan
from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.settings import BOUNDS as SETTING_BOUNDS
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.redaction import redact
from ansible_collections.leastpriv.iam.plugins.plugin_utils.vendor_api.client import (
    Answer,
    RemediationApi,
    check_characters,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.vendor_api.connection import (
    connect,
    read_credentials,
    resume_token,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.vendor_api.endpoint import Endpoint, read_endpoint
from ansible_collections.leastpriv.iam.plugins.plugin_utils.warm.lifetime import end_worker_with_controller

# The whole numbers among the options: the least and the largest value that makes sense.
NUMBERS = ("max_alerts", "wait_seconds", "visibility_timeout", "api_batch_size")
BOUNDS = {name: SETTING_BOUNDS[name] for name in NUMBERS} | {"api_timeout": (1, 300), "api_retry_seconds": (0, 3_600)}
FILTERS = ("severities", "policies", "resources", "min_age", "max_age", "alert_ids")
NOT_RETURNED = ("asks_api", "is_remediable", "no_script")

CALLS = Path(constants.DEFAULT_LOCAL_TMP, FILE_NAME)


class SettingError(LeastprivError):
    """An option means nothing."""


class LookupModule(AWSLookupBase):
    def run(self, terms: Sequence[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[dict[str, Any]]:
        """Receive, judge, ask for scripts: one dictionary per alert. Raises AnsibleLookupError as documented."""
        end_worker_with_controller()
        unset_empty_variables()
        with self._explaining():
            super().run(terms, variables, **{name: value for name, value in kwargs.items() if value not in ("", None)})
            self._check_options(terms)
            note_aws_calls(CALLS)
            circumstances = self._circumstances()
            shapes = read_shapes(self.get_option("message_shapes"))
            endpoint = self._endpoint()
            check_characters(read_credentials(self.get_option))
            queue = self._queue()
            keeps_bodies = self._has_quarantine(queue)
            reception = self._reception(queue, circumstances)
            with held_messages(queue, partial(judge, circumstances=circumstances), shapes) as inbox:
                self._warn_of_more(inbox.collect(reception))
                judged = list(inbox.alerts())
                # The API may take longer than the visibility timeout.
                with renewing(queue, inbox.own_handles, reception.visibility_timeout):
                    answers = self._ask([alert for _messages, alert in judged], endpoint)
                alerts = as_results(judged, answers, circumstances, keeps_bodies)
                compared = compare_with_plan(alerts, self.get_option("plan"))
                return [to_text(compared)] if self.get_option("as_text") else compared

    def _chosen(self, *names: str) -> list[Any]:
        return [self.get_option(name) for name in names]

    def _check_options(self, terms: Sequence[str]) -> None:
        if terms:
            raise SettingError("leastpriv.iam.alerts takes no terms: name the queue with queue_name or queue_url.")
        for name, (least, largest) in BOUNDS.items():
            if not least <= self.get_option(name) <= largest:
                raise SettingError(f"{name} is {self.get_option(name)}: give a number from {least} to {largest}.")
        bundle = self.get_option("ca_bundle")
        if bundle and not Path(bundle).exists():
            raise SettingError(f"ca_bundle (REQUESTS_CA_BUNDLE) is {bundle}, which does not exist on the controller.")
        if not self.get_option("validate_certs"):
            self.warn("validate_certs is false: anyone between you and the API can replace the scripts.")

    def _circumstances(self) -> Circumstances:
        limit = self.get_option("limit")
        return Circumstances(
            accounts=self._accounts(),
            limit=None if limit is None else frozenset(limit),
            filters=read_filters(*self._chosen(*FILTERS)),
            now=datetime.now(timezone.utc),
            is_slice=self.get_option("slice"),
        )

    def _accounts(self) -> AccountMap | None:
        accounts = self.get_option("accounts")
        if accounts is None:
            return None
        if not all(isinstance(account, Mapping) and account.get("name") for account in accounts):
            raise SettingError("accounts is not a list of dictionaries with name and account_id.")
        mapped = account_map((str(account["name"]), account.get("account_id")) for account in accounts)
        for reason in dict.fromkeys(problem.reason for problem in mapped.problems):
            self.warn(f"The inventory's account cannot be used: {reason}.")
        return mapped

    def _endpoint(self) -> Endpoint | None:
        text = self.get_option("api_endpoint")
        endpoint = read_endpoint(text) if text else None
        if endpoint and endpoint.warning:
            self.warn(endpoint.warning)
        return endpoint

    def _queue(self) -> Queue:
        return open_queue(self.client, self.get_option("queue_name"), self._chosen(*CONNECTION_OPTIONS))

    def _has_quarantine(self, queue: Queue) -> bool:
        """Whether messages can be moved later. Raises QueueError where the queue for that cannot be used."""
        named = self.get_option("quarantine_queue")
        if named:
            resolve_other(named, queue, self.client, self._chosen(*CONNECTION_OPTIONS))
        return bool(named)

    def _reception(self, queue: Queue, circumstances: Circumstances) -> Reception:
        is_review, is_accepted = self._chosen("review", "review_despite_redrive")
        cost = review_cost(max_receive_count(queue) if is_review else None, is_accepted)
        if cost.warning:
            self.warn(cost.warning)
        timing = self._chosen("max_alerts", "wait_seconds", "visibility_timeout")
        return Reception(*timing, is_shared=circumstances.is_limited, last_receive=cost.last_receive)

    def _warn_of_more(self, why: str | None) -> None:
        if why:
            self.warn(f"Receiving ended early ({why}): there may be more alerts for this run; run it again.")

    def _ask(self, alerts: Sequence[Alert], endpoint: Endpoint | None) -> Mapping[str, Answer]:
        """Ask the API for the scripts that only it knows; it is not contacted, and needs no settings, for none."""
        alert_ids = [alert.alert_id for alert in alerts if needs_api(alert) and alert.alert_id]
        return self._api(endpoint).scripts(alert_ids) if alert_ids else {}

    def _api(self, endpoint: Endpoint | None) -> RemediationApi:
        transport, tokens = connect(endpoint, self.get_option, partial(note_call, CALLS, "vendor"))
        resume_token(tokens, read_credentials(self.get_option), CALLS.parent)
        return RemediationApi(transport, tokens, *self._chosen("api_version", "api_batch_size"))

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        """Turn every error into an AnsibleLookupError for people, without its cause: Ansible would print that too."""
        try:
            yield
        except LeastprivError as error:
            raise AnsibleLookupError(str(error)) from None
        except AnsibleError:
            raise
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            for secret in read_credentials(self.get_option).secrets:
                text = text.replace(secret, "********")
            text = redact(text)
            raise AnsibleLookupError(
                f"Unexpected error while receiving the alerts ({text}). Messages that were received are "
                "visible again. Report it as a bug of leastpriv.iam."
            ) from None


def answered(alert: Alert, answers: Mapping[str, Answer]) -> Alert:
    """The alert with the API's answer about it."""
    answer = answers.get(alert.alert_id or "") if needs_api(alert) else None
    return replace(alert, **asdict(answer)) if answer else alert


def as_results(
    judged: Sequence[tuple[AlertMessages, Alert]],
    answers: Mapping[str, Answer],
    circumstances: Circumstances,
    keeps_bodies: bool = False,
) -> list[dict[str, Any]]:
    """The dictionaries of all alerts, as RETURN describes them."""
    body_files: dict[str, str] | None = {} if keeps_bodies else None

    def read(one: tuple[AlertMessages, Alert]) -> dict[str, Any]:
        return as_result(one[0], answered(one[1], answers), circumstances, body_files)

    return for_each_alert("collecting it", judged, read, partial(as_lost, circumstances=circumstances))


def as_result(
    messages: AlertMessages, alert: Alert, circumstances: Circumstances, body_files: dict[str, str] | None = None
) -> dict[str, Any]:
    """The dictionary of one alert, as RETURN describes it. `body_files`: the files of the bodies, by message id."""
    fields = {name: value for name, value in asdict(alert).items() if name not in NOT_RETURNED}
    return {
        **fields,
        # Here, so output cannot show secrets at any verbosity. A script with a secret is never applied.
        **{name: fields[name] and redact(fields[name]) for name in ("script", "description", "reason")},
        "message_id": messages.newest.name,
        "receipts": [receipt(message, body_files) for message in messages.held],
        "receive_count": messages.receive_count,
        "account": circumstances.host_of(alert),
    }


def as_lost(judged: tuple[AlertMessages, Alert], reason: str, circumstances: Circumstances) -> dict[str, Any]:
    """The dictionary of an alert that raised an error."""
    messages, alert = judged
    known = Alert(alert_id=alert.alert_id, account_id=alert.account_id).settled("failed", reason)
    return as_result(messages, known, circumstances)


def receipt(message: Message, body_files: dict[str, str] | None) -> dict[str, str | None]:
    named = {"message_id": message.message_id, "receipt_handle": message.receipt_handle}
    if body_files is None:
        return named
    if message.message_id not in body_files:
        body_files[message.message_id] = keep(message.body)
    return {**named, "group_id": message.group_id, "body_file": body_files[message.message_id]}


def keep(body: str) -> str:
    """Write a body where acknowledge finds it: into Ansible's own folder, which is removed when the playbook ends."""
    descriptor, path = tempfile.mkstemp(prefix="leastpriv-", dir=constants.DEFAULT_LOCAL_TMP)
    with open(descriptor, "wb") as file:
        file.write(body.encode(errors="surrogatepass"))
    return path
