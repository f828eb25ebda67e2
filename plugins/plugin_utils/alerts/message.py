# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The body of a queue's message -> its alerts. Pure, and never raises: what cannot be read is `invalid`.

Follows the vendor's pages on Amazon SQS notifications (nested IAM alerts, flat config alerts, test notifications), and
for the envelopes https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html,
https://docs.aws.amazon.com/eventbridge/latest/ref/events-structure.html and the events of AWS Lambda. Messages of other
senders are read as the user describes them (message_shapes.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any, NoReturn

from ansible_collections.leastpriv.iam.plugins.module_utils.iso_time import read_time, utc_text
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.message_shapes import (
    Shape,
    Unreadable,
    find,
    in_words,
)
from ansible_collections.leastpriv.iam.plugins.plugin_utils.alerts.recommendation import to_script, why_none

OPEN = "open"
CLOSED_STATUSES = ("dismissed", "snoozed", "resolved", "pending_resolution")
# The same in the words of other senders.
ALSO_OPEN = ("active", "new", "notified")
ALSO_CLOSED = ("archived", "closed", "suppressed")
IAM_POLICY = "iam"
# The clouds whose alerts can be AWS alerts; an alert that names none is judged by its account id.
AWS_CLOUDS = (None, "aws", "all")

TEST_SENDER = "test notification"
TEST_IDS = ("T-0", "P-0")

# Envelopes, texts that are JSON and lists, one within another: a topic behind a topic and a bus is the most that makes
# sense. Both limits keep what one message can cost bounded.
MAX_LEVELS = 12
MAX_ALERTS = 1_000
_ID_LENGTH = 256
_QUOTE_LENGTH = 80
_MAX_KEYS = 8
_LAST_MS = 253_402_300_799_999

# Where the nested and the flat shape keep the same thing; the first place with a value wins.
_PLACES: dict[str, tuple[tuple[str, ...], ...]] = {
    "account": (("account", "id"), ("accountId",)),
    "account_name": (("account", "name"), ("accountName",)),
    "alert_id": (("alertId",),),
    "alert_rule": (("alertRuleName",),),
    "cloud": (("account", "cloudType"), ("cloudType",)),
    "first_seen": (("firstSeen",), ("alertTs",)),
    "last_seen": (("lastSeen",), ("alertTs",)),
    "policy": (("policy", "name"), ("policyName",)),
    "policy_id": (("policy", "id"), ("policyId",)),
    "policy_type": (("policy", "policyType"), ("policyType",)),
    "remediable": (("metadata", "remediable"), ("remediable",)),
    "resource": (("resource", "resourceName"), ("resourceName",)),
    "resource_id": (("resource", "resourceId"), ("resourceId",)),
    "script": (("alertRemediationCli", "cliScript"), ("alertRemediationCli",)),
    "sender": (("sender",),),
    "severity": (("policy", "severity"), ("severity",)),
    "status": (("alertStatus",), ("status",)),
}

# The keys by which an envelope is known, and how the one that has the content is called.
_ENVELOPES = (
    (("Type", "Message"), "the SNS envelope's Message"),
    (("detail-type", "detail"), "the EventBridge event's detail"),
    (("source", "detail"), "the EventBridge event's detail"),
    (("Records",), "the event's Records"),
    (("Sns",), "the record's Sns"),
    (("eventSource", "body"), "the record's body"),
)
# An alert's id in what cannot be read: after its key, at any depth of quoting, or as the vendor's ids look.
_ID_INSIDE = re.compile(
    r"""alertId\\*["']?\s{0,9}[:=]\s{0,9}\\*["']?([A-Za-z0-9][A-Za-z0-9_.-]{0,63})|(?<![\w-])([IP]-[0-9]{1,12})(?![\w-])"""
)

# The vendor's texts in place of a script.
_NO_SCRIPT = ("", "BLANK", "N/A", "NONE", "NULL")
_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True)
class Alert:
    """One alert as its message describes it. Times are ISO 8601 in UTC; `disposition` is None while it is open work.

    :ivar asks_api: whether the vendor's API may have a script for it.
    :ivar no_script: why the message brings no script, for an alert that the API is not asked about.
    """

    alert_id: str | None = None
    account_id: str | None = None
    account_name: str | None = None
    policy: str | None = None
    policy_id: str | None = None
    policy_type: str | None = None
    severity: str | None = None
    resource: str | None = None
    resource_id: str | None = None
    alert_status: str | None = None
    cloud: str | None = None
    alert_rule: str | None = None
    first_seen: str | None = None
    last_seen: str | None = None
    asks_api: bool = False
    no_script: str | None = None
    is_remediable: bool = True
    script: str | None = None
    description: str | None = None
    disposition: str | None = None
    reason: str | None = None

    def settled(self, disposition: str, reason: str) -> Alert:
        """The same alert with its disposition and the reason for it."""
        return replace(self, disposition=disposition, reason=reason)


def read_alerts(body: str, shapes: Sequence[Shape] = ()) -> list[Alert]:
    """Read a message's body: one alert, or each of a list. Returns at least one.

    An alert has the disposition `invalid` or `acknowledged` where that is certain.

    :param shapes: the messages of other senders. The vendor's own shapes are before them.
    """
    alerts: list[Alert] = []
    try:
        for content in _contents(body, "the message", shapes):
            if len(alerts) == MAX_ALERTS:
                raise Unreadable(f"the message contains more than {MAX_ALERTS} alerts")
            alerts.append(_read(content))
    except Unreadable as unreadable:
        return [_invalid(unreadable, body)]
    return alerts


def _read(content: dict[str, Any] | Alert) -> Alert:
    if isinstance(content, Alert):
        return content
    alert = _described(content)
    if _is_test(content):
        return alert.settled("acknowledged", "Integration test: the integration works.")
    try:
        return replace(
            alert,
            alert_id=_alert_id(_found(content, "alert_id")) if "alertId" in content else _unknown_sender(content),
            account_id=_account_id(_found(content, "account"), alert.cloud),
            alert_status=_status(_found(content, "status")),
        )
    except Unreadable as unreadable:
        return _invalid(unreadable, content, alert)


def _read_shaped(message: dict[str, Any], shape: Shape) -> Alert:
    """The alert of a message that a shape describes."""
    alert = Alert(asks_api=shape.asks_api)
    try:
        alert = replace(alert, alert_id=_alert_id(_at(message, shape, "alert_id"), _place(shape, "alert_id")))
        resource = _text_at(message, shape, "resource")
        alert = replace(
            alert,
            account_id=_account_id(_at(message, shape, "account_id"), None, _place(shape, "account_id")),
            alert_status=_status_at(message, shape),
            policy=_text_at(message, shape, "policy"),
            severity=_word(_text_at(message, shape, "severity")),
            resource=resource,
            resource_id=resource,
        )
        return alert if alert.asks_api or alert.alert_status != OPEN else _with_script(alert, message, shape)
    except Unreadable as unreadable:
        return _invalid(unreadable, message, alert)


def _with_script(alert: Alert, message: dict[str, Any], shape: Shape) -> Alert:
    """The alert with the script that its message brings, or with why it brings none."""
    name = "script" if "script" in shape.paths else "recommendation"
    found, place = _at(message, shape, name), _place(shape, name)
    if found is None:
        return replace(alert, no_script=f"Its message ({shape.name}) has no {name} at {place}")
    if name == "recommendation":
        script = to_script(found, str(alert.account_id), str(alert.alert_id), alert.resource)
        return replace(alert, script=script_text(script), no_script=None if script else why_none(found))
    if not isinstance(found, str):
        raise Unreadable(f"its {place} is {quoted(found)}, which is not a text")
    return replace(alert, script=script_text(found), no_script=f"Its sender sent {quoted(found)} instead of a script")


def _place(shape: Shape, name: str) -> str:
    return in_words(shape.paths[name][0])


def _at(message: dict[str, Any], shape: Shape, name: str) -> Any:
    return find(message, shape.paths[name][0])


def _text_at(message: dict[str, Any], shape: Shape, name: str) -> str | None:
    """The text at a field's path; None if the shape or the message has none."""
    value = _at(message, shape, name) if name in shape.paths else None
    if value is not None and one_line(value) is None and value != "":
        raise Unreadable(f"its {_place(shape, name)} is {quoted(value)}, which is not a text")
    return one_line(value)


def _status_at(message: dict[str, Any], shape: Shape) -> str:
    """The first status that is not open, of those that a shape names."""
    for path in shape.paths.get("status", ()):
        status = _status(find(message, path), in_words(path))
        if status != OPEN:
            return status
    return OPEN


def script_text(value: Any) -> str | None:
    """The vendor's script, or None if the vendor has none (null, empty, BLANK, N/A)."""
    if not isinstance(value, str) or value.strip().upper() in _NO_SCRIPT:
        return None
    return _SURROGATE.sub("\ufffd", value)


def one_line(value: Any) -> str | None:
    """Untrusted text as one line that can be stored and shown anywhere; None for anything but text and numbers."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    return _CONTROL.sub("\ufffd", _SURROGATE.sub("\ufffd", str(value).strip())) or None


def quoted(value: Any) -> str:
    """An untrusted value for the inside of a sentence: one line, in quotes, shortened."""
    if isinstance(value, (dict, list)):
        return "(an object)" if isinstance(value, dict) else "(a list)"
    text = one_line(value if isinstance(value, str) else repr(value)) or ""
    return f'"{text if len(text) <= _QUOTE_LENGTH else text[: _QUOTE_LENGTH - 1] + "…"}"'


def _contents(value: Any, what: str, shapes: Sequence[Shape], level: int = 0) -> Iterator[dict[str, Any] | Alert]:
    """The content of texts, lists and envelopes: the vendor's objects, and the alerts of all that is decided here.

    Raises Unreadable.
    """
    if level > MAX_LEVELS:
        raise Unreadable(f"its envelopes, lists and quoted texts are nested more than {MAX_LEVELS} deep")
    if isinstance(value, str):
        yield from _contents(_parsed(value, what), what, shapes, level + 1)
    elif isinstance(value, list):
        yield from _elements(value, what, shapes, level + 1)
    elif not isinstance(value, dict):
        raise Unreadable(f"{what} is JSON, but neither an object nor a list")
    elif shape := _shape_of(value, shapes):
        yield _read_shaped(value, shape)
    elif key := _envelope_of(value):
        yield from _contents(value[key[0]], key[1], shapes, level + 1)
    else:
        yield value


def _elements(values: list[Any], what: str, shapes: Sequence[Shape], level: int) -> Iterator[dict[str, Any] | Alert]:
    if not values:
        raise Unreadable(f"{what} is an empty list")
    for place, value in enumerate(values, 1):
        try:
            yield from _contents(value, f"element {place} of {what}" if len(values) > 1 else what, shapes, level)
        except Unreadable as unreadable:
            yield _invalid(unreadable, value)


def _shape_of(message: dict[str, Any], shapes: Sequence[Shape]) -> Shape | None:
    """The first shape that matches a message which is not the vendor's own."""
    if _found(message, "alert_id") is not None and (_found(message, "account") is not None or _is_test(message)):
        return None
    return next((shape for shape in shapes if shape.matches(message)), None)


def _envelope_of(message: dict[str, Any]) -> tuple[str, str] | None:
    """The key of an envelope's content, and its name for people; None if it is not an envelope."""
    if message.get("Type") in ("SubscriptionConfirmation", "UnsubscribeConfirmation"):
        raise Unreadable(
            f"it is the {message['Type']} of the SNS topic {quoted(message.get('TopicArn'))}: "
            "confirm the subscription in SNS, where the topic is"
        )
    if "alertId" in message:
        return None
    known = (
        (keys[-1], what)
        for keys, what in _ENVELOPES
        if message.keys() >= {*keys} and (keys[0] != "Type" or message["Type"] == "Notification")
    )
    return next(known, None)


def _parsed(text: str, what: str) -> Any:
    try:
        return json.loads(text.lstrip("\ufeff"), object_pairs_hook=_unique_keys, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        place = f"{error.msg} at line {error.lineno}, column {error.colno}"
        raise Unreadable(f"{what} is not valid JSON ({place})") from None
    except (ValueError, RecursionError):
        raise Unreadable(f"{what} is not valid JSON (a number or a nesting beyond all bounds)") from None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Reject equal keys: readers disagree on which of them counts (RFC 8259, section 4)."""
    unique: dict[str, Any] = {}
    for key, value in pairs:
        if key in unique:
            raise Unreadable(f"an object has the key {quoted(key)} twice, and the two may contradict each other")
        unique[key] = value
    return unique


def _no_constant(name: str) -> None:
    raise Unreadable(f"it contains {name}, which is not a JSON value")


def _found(message: dict[str, Any], name: str) -> Any:
    for place in _PLACES[name]:
        value: Any = message
        for key in place:
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None:
            return value
    return None


def _described(message: dict[str, Any]) -> Alert:
    """Everything about an alert that may be missing or odd without making the message unreadable."""
    texts = ("account_name", "alert_rule", "policy", "policy_id", "resource", "resource_id")
    words = ("cloud", "severity")
    policy_type = _word(_found(message, "policy_type"))
    return Alert(
        **{name: one_line(_found(message, name)) for name in texts},
        **{name: _word(_found(message, name)) for name in words},
        policy_type=policy_type,
        alert_id=_id_or_none(message, "alert_id"),
        first_seen=_time(_found(message, "first_seen")),
        last_seen=_time(_found(message, "last_seen")),
        asks_api=policy_type == IAM_POLICY if policy_type else isinstance(message.get("policy"), dict),
        is_remediable=_word(_found(message, "remediable")) != "false" and _found(message, "remediable") is not False,
        script=script_text(_found(message, "script")),
    )


def _id_or_none(message: dict[str, Any], name: str) -> str | None:
    """The id for the report of a message that is otherwise unreadable."""
    text = one_line(_found(message, name))
    return text[:_ID_LENGTH] if text else None


def _is_test(message: dict[str, Any]) -> bool:
    has_test_sender = TEST_SENDER in (_word(_found(message, "sender")) or "")
    return has_test_sender or (_found(message, "account") is None and _found(message, "alert_id") in TEST_IDS)


def _unknown_sender(message: dict[str, Any]) -> NoReturn:
    shown = [quoted(key) for key in message][:_MAX_KEYS]
    keys = (
        f"its keys are {', '.join(shown)}{' and more' if len(message) > _MAX_KEYS else ''}" if shown else "it is empty"
    )
    raise Unreadable(
        f"it has no alertId, which every alert of Prisma Cloud has, and no shape matches it ({keys}). "
        "To work on messages of another sender, describe them with remediate_message_shapes (docs/senders.md)"
    )


def _alert_id(value: Any, name: str = "alertId") -> str:
    text = one_line(value)
    if not text:
        raise Unreadable(f"it has no {name} that is a text")
    if len(text) > _ID_LENGTH or "\ufffd" in text:
        raise Unreadable(f"its {name} {quoted(value)} is not an id (longer than {_ID_LENGTH}, or control characters)")
    return text


def _account_id(value: Any, cloud: str | None, name: str = "account.id or accountId") -> str | None:
    """The 12 digits of an AWS account; None for an account of another cloud."""
    text = one_line(value)
    if not text:
        raise Unreadable(f"it names no account ({name})")
    if re.fullmatch(r"[0-9]{12}", text):
        return text
    if cloud not in AWS_CLOUDS:
        return None
    if isinstance(value, int) and 0 < value < 10**12:
        raise Unreadable(
            f"its account id is the number {value}, which has lost its leading zeros in transit. The system "
            "that forwards these messages must keep account ids as text"
        )
    raise Unreadable(f"its account id {quoted(value)} is not the 12 digits of an AWS account")


def _status(value: Any, other: str | None = None) -> str:
    """By default the vendor notifies only open alerts, so a missing status means open.

    :param other: where another sender has it; its words count, too.
    """
    if value is None:
        return OPEN
    status = _word(value)
    known = (OPEN, *CLOSED_STATUSES, *((*ALSO_OPEN, *ALSO_CLOSED) if other else ()))
    if status is None or status not in known:
        raise Unreadable(f"its {other or 'alertStatus'} {quoted(value)} is not one of {', '.join(known)}")
    return OPEN if status in ALSO_OPEN else status


def _word(value: Any) -> str | None:
    text = one_line(value)
    return text.lower() if text else None


def _time(value: Any) -> str | None:
    """ISO 8601 in UTC, to the second, from ms since the epoch (text or number) or from ISO 8601; else None."""
    text = one_line(value) or ""
    if re.fullmatch(r"[0-9]{1,15}", text) and int(text) <= _LAST_MS:
        return utc_text(datetime.fromtimestamp(int(text) // 1000, timezone.utc))
    try:
        return utc_text(read_time(text))
    except (ValueError, OverflowError):
        return None


def _invalid(why: Unreadable, unread: Any, alert: Alert | None = None) -> Alert:
    """What cannot be read, with the alert's id where there is one: such a message is not to be thrown away."""
    alert = alert or Alert()
    alert_id = alert.alert_id or _id_inside(unread)
    if alert_id is None:
        return alert.settled("invalid", f"Not an alert: {why}.")
    reason = f"Alert {quoted(alert_id)} cannot be read: {why}. Correct what sends or forwards it, and keep the message."
    return replace(alert, alert_id=alert_id).settled("invalid", reason)


def _id_inside(unread: Any) -> str | None:
    with suppress(RecursionError):
        found = _ID_INSIDE.search(unread if isinstance(unread, str) else repr(unread))
        return (found[1] or found[2]) if found else None
    return None
