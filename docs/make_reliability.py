# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes docs/reliability.md from the tables that the tests go by: `python docs/make_reliability.py`."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reliability.md"

if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "tests"))

from integration.crash_points import NEXT_RUN, POINTS
from integration.fault_rows import API_FAULTS, AWS_FAULTS, CERTIFICATES, NOT_RECEIVED
from stack.runs import END_SECONDS

HEAD = f"""# Reliability

<!-- Written by docs/make_reliability.py from tests/integration/crash_points.py and fault_rows.py. Do not edit. -->

## Guarantees

* **No alert is lost.** A message is deleted only after everything that its script asks for is true in AWS. In all other
  cases it is released, or becomes visible after `remediate_visibility_timeout` (900 s).
* **No change is made twice.** Each run observes the account first, and applies what is missing. If a run is interrupted
  at any point, the next run completes its work.
* **Two runs do not work on the same alert.** A received message is hidden from other runs, and a run that still works
  extends this time well before it ends. SQS delivers at least once, so two runs can rarely receive the same message.
  Then one applies it, and the other finds it `already_remediated`.
* **A failure affects one alert.** A failing step stops its alert; other alerts and accounts continue. Whatever an
  alert's message, script or documents contain affects that alert alone, at every stage up to the report's page
  (`tests/unit/pipeline/test_one_alert.py`).
* **The report is written first.** `report.json` is written before the files that are derived from it, and the summary
  is always shown. If a page, a plan, a copy or a notification fails, nothing else is affected. The run's last task
  lists what is missing.
* **Every wait is bounded.** Calls are retried for a limited time; an alert that cannot be finished is released
  with the reason in the report.
* **Secrets are never shown**, in any error, at any verbosity.

After each case below, run the same command again: `ansible-playbook remediate.yml`. If something has to be done first,
the tables show it. The tests run every row with the real ansible-playbook, against an emulator of AWS and of the
vendor's API (`tests/integration/test_crashes.py`, `test_faults.py`, `test_interruption.py`,
`test_lifetime.py`).

## A run that is interrupted

Ctrl-C, SIGTERM (systemd, `kill`, a container that stops) and a terminal that closes end a run within ten seconds. The
terminal that a run writes to counts even if the run ignores SIGHUP, as it does under ansible-runner:

1. What is running is given two seconds to end by itself, and is then stopped. A second Ctrl-C does not wait.
2. Messages of alerts that were finished are deleted if they were not yet; all others are released.
3. `report.json` is written. Alerts that were not finished are `failed`, with the reason "Interrupted by ..."; the
   report's `interrupted` has it too.

The exit status is 99 after Ctrl-C, as always with Ansible, and 143 after SIGTERM. The callback
`leastpriv.iam.interruption`, which this project's `ansible.cfg` enables, does all of this. If you use an `ansible.cfg`
of your own, add `callbacks_enabled = leastpriv.iam.preload, leastpriv.iam.interruption`, or set
`ANSIBLE_CALLBACKS_ENABLED` to these two. A run that ends unexpectedly, for example because a worker was killed when the
machine ran out of memory, is ended in the same way. Without the callback both are like a killed run, and each run warns
of that before it receives messages.

## A run that is killed

SIGKILL, a power cut, and a job that AWX cancels or that times out (ansible-runner sends SIGKILL) leave no time to
clean up. The messages become visible after `remediate_visibility_timeout`, and the next run completes the work. Set it
to 60 to 180 s if runs are often killed: the run renews it while it works ([queue.md](queue.md)).
`playbooks/awx_setup.yml` sets 180 s.

Whatever the run has started ends with its controller, the process `ansible-playbook`, within {END_SECONDS:.0f} seconds,
usually within one. The tests count the processes at each of the points below:

* Ansible's workers, also those that wait to hand over their results, and those that are halted.
* The Python that the connection `leastpriv.iam.warm` runs modules in, also while it still loads, and its modules.
* Modules that a worker started in a Python of their own, and `credential_process` commands of modules, lookups and
  inventory plugins.
* The doorbell of a rulebook ends with `ansible-rulebook`. A remediation that it started is interrupted, as described
  above, because its terminal closes.

A module is killed at whatever point it has reached, and sends nothing more. AWS may still carry out a call that it has
sent; the next run finds the result.

What remains:

* Without the callback `leastpriv.iam.preload`, which this `ansible.cfg` enables, a worker is covered once it uses
  a plugin of this collection: the connection, a lookup or an action. One that has only run a task of Ansible's own on
  another connection is not.
* A `credential_process` runs until it ends by itself if `ansible-rulebook` started it for the doorbell, or if its
  worker was killed at the same instant as the controller. The latter is also true of a module in a Python of its own.
* What runs as another user (`become`) cannot be killed.
* If the system does not report the end of a process (macOS, Linux before 5.3), the collection checks twice a second.

| killed ... | messages hidden until the timeout | the next run |
|---|---|---|
"""
CRASHES_TAIL = """
The three messages are those of one alert with the vendor's own kind of script, of one with a step of every other kind,
and of an integration test, which is deleted as soon as it is received. After the second run the account is in each case
as after a run without a fault, each change was made exactly once, and the queue is empty.

## Faults

Two alerts are in the queue, in two accounts. "Others" is the outcome of the one that the fault does not affect.
"""
AWS_HEAD = """
### AWS

| fault | the alert | others | what to do |
|---|---|---|---|
"""
API_HEAD = """
### The vendor's API

| fault | the alert | others | what to do |
|---|---|---|---|
"""
CERTIFICATES_HEAD = """
### TLS and impersonation

TLS is verified before anything is sent: no token, no key, no alert id.

| the certificate ... | all alerts | what to do |
|---|---|---|
"""
TAIL = """
`remediated` alerts are deleted from the queue, and all others are visible again at once. If the queue cannot be read,
the run ends before it changes anything. If messages cannot be deleted, the report lists them (`unsettled` in
report.json, exit status 2), and the next run receives their alerts again and finds them `already_remediated`.
"""


def page():
    """The whole page as text."""
    return "".join(
        [
            HEAD,
            *(f"| {point.when} | {point.in_flight} of 3 | {NEXT_RUN[point.left]} |\n" for point in POINTS),
            CRASHES_TAIL,
            AWS_HEAD,
            *map(_fault_line, AWS_FAULTS),
            API_HEAD,
            *map(_fault_line, API_FAULTS),
            CERTIFICATES_HEAD,
            *(f"| {certificate.name} | {NOT_RECEIVED} | {certificate.advice} |\n" for certificate in CERTIFICATES),
            TAIL,
        ]
    )


def _fault_line(fault):
    others = fault.disposition if fault.everywhere else "remediated"
    words = (word if word == NOT_RECEIVED else f"`{word}`" for word in (fault.disposition, others))
    return f"| {fault.name} | {' | '.join(words)} | {fault.advice} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
