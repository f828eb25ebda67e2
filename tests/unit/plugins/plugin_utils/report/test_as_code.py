# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restrictions as Terraform and CloudFormation: what they say, what is left, and what untrusted text cannot do."""

from __future__ import annotations

import json
import re

import pytest
from ansible.plugins.loader import filter_loader
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report import as_code
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.as_code import as_code_files

ACCOUNT = "123456789012"
POLICY = f"arn:aws:iam::{ACCOUNT}:policy"
OPEN = ["no_deletion", "keep_boundary", "no_tags", "attach_deny_only"]


def deny(resource="*", condition=None):
    statement = {"Effect": "Deny", "Action": "s3:*", "Resource": resource}
    limited = {"Condition": condition} if condition else {}
    return json.dumps({"Version": "2012-10-17", "Statement": [{**statement, **limited}]})


def alert(script, alert_id="I-1", disposition="planned", status="needed", **more):
    steps = filter_loader.get("leastpriv.iam.steps").j2_function(script, ACCOUNT, OPEN)["steps"]
    assert steps, script
    named = {"alert_id": alert_id, "account_id": ACCOUNT, "message_id": f"m-{alert_id}", "disposition": disposition}
    return {**named, "steps": [{**step, "status": status} for step in steps], **more}


def written(script, **more):
    """The two files of one alert: Terraform's and CloudFormation's."""
    files = as_code_files([alert(script, **more)])
    return [json.loads(text) for text in files.values()]


def rendered(text):
    """A text as Terraform renders it, by its own rule for templates: an interpolation fails the test."""
    assert not re.search(r"(?<!\$)\$\{|(?<!%)%\{", text), text
    return re.sub(r"\$(\$\{)|%(%\{)", lambda found: found[1] or found[2], text)


VENDOR = (
    f"aws iam create-policy --policy-name limits --path /team/ --policy-document '{deny()}' && aws iam "
    f"attach-user-policy --user-name ann --policy-arn {POLICY}/team/limits && aws iam attach-role-policy "
    f"--role-name ci --policy-arn {POLICY}/team/limits"
)


PUT = f"aws iam put-user-policy --user-name ann --policy-name p --policy-document '{deny()}'"


def test_the_vendor_s_script_is_a_policy_with_its_attachments():
    terraform, template = written(VENDOR)
    assert terraform["//"]["left"] == []
    (label,) = terraform["resource"]["aws_iam_policy"]
    policy = terraform["resource"]["aws_iam_policy"][label]
    assert (policy["name"], policy["path"], json.loads(policy["policy"])) == ("limits", "/team/", json.loads(deny()))
    reference = f"${{aws_iam_policy.{label}.arn}}"
    assert [*terraform["resource"]["aws_iam_user_policy_attachment"].values()] == [
        {"user": "ann", "policy_arn": reference}
    ]
    assert [*terraform["resource"]["aws_iam_role_policy_attachment"].values()] == [
        {"role": "ci", "policy_arn": reference}
    ]
    assert "exclusive" in terraform["//"]["notes"][0]
    assert template["Resources"] == {
        "Restriction1": {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {
                "ManagedPolicyName": "limits",
                "Path": "/team/",
                "PolicyDocument": json.loads(deny()),
                "Users": ["ann"],
                "Roles": ["ci"],
            },
        }
    }


@pytest.mark.parametrize("kind", ["user", "role", "group"])
def test_inline_policies_are_resources_of_their_own(kind):
    terraform, template = written(
        f"aws iam put-{kind}-policy --{kind}-name x --policy-name p --policy-document '{deny()}'"
    )
    (body,) = terraform["resource"][f"aws_iam_{kind}_policy"].values()
    assert {**body, "policy": json.loads(body["policy"])} == {kind: "x", "name": "p", "policy": json.loads(deny())}
    (resource,) = template["Resources"].values()
    assert resource["Type"] == f"AWS::IAM::{kind.capitalize()}Policy"
    assert resource["Properties"] == {
        f"{kind.capitalize()}Name": "x",
        "PolicyName": "p",
        "PolicyDocument": json.loads(deny()),
    }


@pytest.mark.parametrize(
    ("script", "do"),
    [
        (
            f"aws iam detach-user-policy --user-name ann --policy-arn {POLICY}/x",
            f"Remove the attachment of {POLICY}/x to user ann.",
        ),
        (
            "aws iam delete-role-policy --role-name ci --policy-name p",
            "Remove the inline policy p of role ci.",
        ),
        (
            f"aws iam put-role-permissions-boundary --role-name ci --permissions-boundary {POLICY}/b",
            f"Set the permissions boundary of role ci to {POLICY}/b in its resource.",
        ),
        (
            "aws iam remove-user-from-group --user-name ann --group-name admins",
            "Remove the membership of user ann in group admins.",
        ),
        (
            "aws iam update-access-key --user-name ann --access-key-id AKIAIOSFODNN7EXAMPLE --status Inactive",
            as_code.OTHERWISE,
        ),
    ],
)
def test_what_has_no_resource_of_its_own_is_left_with_its_parameters(script, do):
    wanted = alert(script)["steps"][0]
    terraform, template = written(script)
    assert "resource" not in terraform
    assert template["Resources"] == {}
    for left in (terraform["//"]["left"], template["Metadata"]["Leastpriv"]["left"]):
        assert [(one["do"], one["operation"], one["parameters"]) for one in left] == [
            (do, wanted["operation"], wanted["parameters"])
        ]


def test_an_attachment_of_a_policy_of_others_is_a_resource_for_terraform_alone():
    script = f"aws iam attach-user-policy --user-name ann --policy-arn {POLICY}/x"
    terraform, template = written(script)
    (body,) = terraform["resource"]["aws_iam_user_policy_attachment"].values()
    assert body == {"user": "ann", "policy_arn": f"{POLICY}/x"}
    assert template["Resources"] == {}
    assert template["Metadata"]["Leastpriv"]["left"][0]["do"] == f"Attach {POLICY}/x to user ann in its resource."


def test_fields_of_the_password_policy_that_the_command_resets_are_not_left_to_terraforms_defaults():
    terraform, _template = written(
        "aws iam update-account-password-policy --minimum-password-length 14 --require-symbols"
    )
    (body,) = terraform["resource"]["aws_iam_account_password_policy"].values()
    assert (body["minimum_password_length"], body["require_symbols"]) == (14, True)
    assert body["allow_users_to_change_password"] is body["require_numbers"] is body["hard_expiry"] is False


def test_a_parameter_that_the_resource_does_not_have_leaves_the_command():
    script = f"aws iam create-policy --policy-name limits --policy-document '{deny()}' --tags Key=a,Value=b"
    terraform, template = written(script)
    assert "resource" not in terraform
    assert template["Metadata"]["Leastpriv"]["left"][0]["operation"] == "CreatePolicy"


@pytest.mark.parametrize(
    "resource",
    [
        "arn:aws:s3:::home/${aws:username}/*",
        "arn:aws:s3:::a%{x}",
        "arn:aws:s3:::$${aws:username}",
        "arn:aws:s3:::%%{ for x in y }$$${z}",
        'arn:aws:s3:::${file("/etc/passwd")}',
        "arn:aws:s3:::{{ lookup('env', 'X') }}{% if x %}",
        "arn:aws:s3:::${aws_iam_policy.x.arn}",
    ],
)
def test_nothing_in_a_document_is_a_template(resource):
    one = alert(PUT)
    one["steps"][0]["parameters"]["PolicyDocument"] = deny(resource)
    text = as_code_files([one])["as_code/I-1.tf.json"]
    assert "{{" not in text
    assert "{%" not in text
    (body,) = json.loads(text)["resource"]["aws_iam_user_policy"].values()
    assert json.loads(rendered(body["policy"])) == json.loads(deny(resource))


@pytest.mark.parametrize(
    "document",
    [
        deny("{{resolve:secretsmanager:prod:SecretString}}"),
        deny(condition={"StringEquals": {"Ref": "x"}}),
        deny(condition={"Fn::Sub": {"aws:username": "x"}}),
    ],
)
def test_what_cloudformation_would_replace_is_not_in_a_template(document):
    one = alert(PUT)
    one["steps"][0]["parameters"]["PolicyDocument"] = document
    terraform, template = (json.loads(text) for text in as_code_files([one]).values())
    assert "problem" not in terraform["//"]
    assert template["Resources"] == {}
    assert "CloudFormation would" in template["Metadata"]["Leastpriv"]["problem"]
    assert "resolve:secretsmanager" not in json.dumps(template)


def test_a_secret_is_never_written():
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    one = alert(PUT)
    one["steps"][0]["parameters"]["PolicyDocument"] = deny(f"arn:aws:s3:::x?aws_secret_access_key={secret}")
    files = as_code_files([one])
    assert all("it contains a secret" in text and secret not in text for text in files.values())


@pytest.mark.parametrize("alert_id", ["../../etc/cron.d/x", "a/b", "", "I-1.tf", "x" * 300, "é", "I 1", ".."])
def test_an_id_that_is_no_file_name_becomes_a_digest(alert_id):
    names = list(as_code_files([alert(VENDOR, alert_id)]))
    assert all(re.fullmatch(r"as_code/alert\.[0-9a-f]{32}\.(tf|cfn)\.json", name) for name in names), names
    assert len(names) == 2


def test_ids_that_one_file_system_takes_for_the_same_have_files_of_their_own():
    files = as_code_files([alert(VENDOR, "I-1"), alert(VENDOR, "i-1"), alert(VENDOR, "I-1", message_id="other")])
    assert len({name.lower() for name in files}) == 6


@pytest.mark.parametrize(
    ("more", "is_written"),
    [
        ({"disposition": "planned"}, True),
        ({"disposition": "remediated", "status": "changed"}, True),
        ({"disposition": "already_remediated", "status": "unchanged"}, True),
        ({"disposition": "already_remediated", "status": "not_run"}, False),
        ({"disposition": "refused", "status": "not_run"}, False),
        ({"disposition": "refused", "status": "not_run", "rule": "in_use"}, False),
        ({"disposition": "refused", "status": "not_run", "rule": "managed_as_code"}, True),
        ({"disposition": "failed", "status": "failed"}, False),
    ],
)
def test_what_is_forbidden_or_failed_is_not_handed_over_as_code(more, is_written):
    assert bool(as_code_files([alert(VENDOR, **more)])) is is_written


def test_a_file_that_does_not_say_the_same_is_not_used(monkeypatch):
    monkeypatch.setattr(as_code, "_terraform_value", lambda name, value, labels: "x")
    terraform, template = written(
        f"aws iam put-user-policy --user-name ann --policy-name p --policy-document '{deny()}'"
    )
    assert set(terraform) == {"//"}
    assert terraform["//"]["problem"]
    assert template["Resources"]
