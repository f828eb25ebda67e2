# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real runs remove the files of earlier ones from the folder and from S3, except journals that an undo needs."""

from __future__ import annotations

from ansible_collections.leastpriv.iam.plugins.plugin_utils.run.past_runs import journal_entries
from stack import new_artifacts_folder, run_playbook, seed, send_alert

KEEPING = ("-e", "remediate_artifacts_s3=s3://journals/leastpriv", "-e", "remediate_artifacts_keep='1 runs'")


def test_files_of_old_runs_are_removed_and_the_journal_of_an_applied_one_stays(stack):
    s3 = stack.client("s3", "queue")
    s3.create_bucket(Bucket="journals")
    seed(stack, "payments", users=["alice", "bob"])
    artifacts = new_artifacts_folder(stack)
    send_alert(stack, "I-1", "payments", "user", "alice")
    applied = run_playbook(stack, *KEEPING, artifacts=artifacts)
    assert applied.rc == 0, applied.stdout

    def names():
        keys = [one["Key"].removeprefix("leastpriv/") for one in s3.list_objects_v2(Bucket="journals")["Contents"]]
        files = [str(path.relative_to(artifacts)) for path in artifacts.rglob("*") if path.is_file()]
        assert {*keys} == {name for name in files if "/as_code/" not in name}, "S3 has as_code.zip"
        assert (len([name for name in files if "/as_code/" in name]) > 0) == any("as_code.zip" in key for key in keys)
        return set(keys)

    first = names()
    send_alert(stack, "I-2", "payments", "user", "bob")
    review = run_playbook(stack, *KEEPING, "--check", artifacts=artifacts)
    assert names() >= first
    assert "Retention: would remove files of 1 run from " in review.stdout
    reviewed = names() - first
    assert {name.partition("/")[2] for name in reviewed} >= {"report.json", "report.html", "metrics.prom", "plan.json"}

    last = run_playbook(stack, *KEEPING, artifacts=artifacts)
    assert last.rc == 0, last.stdout
    journal = f"{applied.report['run_id']}/journal.jsonl"
    own = {name for name in names() if name.startswith(last.report["run_id"])}
    assert names() == {journal, *own}
    for place in (str(artifacts), "s3://journals/leastpriv"):
        assert f"Retention: removed files of 2 runs from {place}." in last.stdout
        assert f"Retention: kept the journals of 1 run in {place}" in " ".join(last.stdout.split())

    # It is whole, so that an undo can read it; what an undo does is in test_undo.py.
    (change, *_others) = journal_entries(artifacts, applied.report["run_id"])
    assert [step["operation"] for step in change["steps"]] == ["DetachUserPolicy", "DeletePolicy"]
    copied = s3.get_object(Bucket="journals", Key=f"leastpriv/{journal}")["Body"].read()
    assert copied == (artifacts / journal).read_bytes()
