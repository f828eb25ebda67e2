# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter as Ansible loads it: golden pairs, the placeholders, the guardrails that a script alone decides."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible.plugins.loader import filter_loader
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.replacement import REPLACING
from ansible_collections.leastpriv.iam.plugins.module_utils.guardrails.rules import NEVER_OPEN, RULES, cli_name
from ansible_collections.leastpriv.iam.plugins.module_utils.operations import OPERATIONS
from ansible_collections.leastpriv.iam.plugins.plugin_utils.script.translation import translate

FIXTURES = Path(__file__).parents[3] / "fixtures"
ACCOUNT = "123456789012"
DENY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]})
ALLOW = DENY.replace("Deny", "Allow")


def steps(script, account_id=ACCOUNT, **options):
    return filter_loader.get("leastpriv.iam.steps").j2_function(script, account_id, **options)


# A missing one is named by test_nothing_of_an_operation_is_missing.
GOLDEN = {path.stem: yaml.safe_load(path.read_text()) for path in (FIXTURES / "steps").glob("*.yml")}


@pytest.mark.parametrize("operation", sorted(GOLDEN))
def test_a_script_becomes_the_step_of_its_golden_pair(operation):
    pair = GOLDEN[operation]
    result = steps(pair["script"], allow=pair["allow"])
    assert result["disposition"] is None, result["reason"]
    (step,) = result["steps"]
    wanted = operation, pair["module"], pair["args"]
    assert (step["operation"], step["module"], step["args"]) == wanted, f"tests/fixtures/steps/{operation}.yml"


OPENED = {operation for operation, pair in GOLDEN.items() if pair["allow"]} - {*REPLACING}


@pytest.mark.parametrize("operation", sorted(OPENED))
def test_what_a_golden_pair_must_open_is_refused_by_default(operation):
    pair = GOLDEN[operation]
    result = steps(pair["script"])
    assert result["disposition"] == "refused"
    assert f"guardrail {pair['allow'][0]}" in result["reason"]
    assert f"remediate_allow: [{pair['allow'][0]}], or [{cli_name(operation)}]" in result["reason"]
    for opened in (operation, cli_name(operation)):
        assert steps(pair["script"], allow=[opened])["disposition"] is None


@pytest.mark.parametrize("operation", sorted(name for name, row in OPERATIONS.items() if row.refused))
def test_what_mints_secrets_or_delegates_is_refused_by_name_whatever_is_allowed(operation):
    result = steps(f"aws iam {cli_name(operation)}", allow=[*RULES, operation])
    assert result["disposition"] == "refused"
    assert cli_name(operation) in result["reason"]


PLACEHOLDERS = [
    (None, "not_remediable"),
    ("", "not_remediable"),
    (" \n", "not_remediable"),
    ("BLANK", "not_remediable"),
    ("N/A", "not_remediable"),
    ("dynamic aws cli commands", "not_remediable"),
    ("dynamic cli commands", "not_remediable"),
    ("dynamic gcp cli commands", "not_aws"),
    ("dynamic Azure cli commands", "not_aws"),
]


@pytest.mark.parametrize(("script", "disposition"), PLACEHOLDERS)
def test_what_stands_where_a_script_would_is_understood(script, disposition):
    result = steps(script)
    assert (result["disposition"], result["steps"]) == (disposition, [])


def create(document, name="p"):
    return f"aws iam create-policy --policy-name {name} --policy-document '{document}'"


REFUSED = [
    ("deny_only", create(ALLOW)),
    ("deny_only", create(DENY.replace("Deny", "deny"))),
    ("deny_only", create('{"Statement":{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}}')),
    ("no_activation", "aws iam update-access-key --user-name a --access-key-id AKIAEXAMPLE000000000 --status Active"),
    ("right_account", f"aws iam attach-user-policy --user-name a --policy-arn arn:aws:iam::{ACCOUNT[::-1]}:policy/p"),
    (
        "right_account",
        f"aws iam attach-user-policy --user-name a --policy-arn arn:aws-cn:iam::{ACCOUNT}:policy/p && "
        f"aws iam attach-user-policy --user-name a --policy-arn arn:aws:iam::{ACCOUNT}:policy/p",
    ),
]


ELSEWHERE = [
    ('"*"', '"arn:aws:sts::210987654321:assumed-role/x"', "account 210987654321"),
    ('"*"', '["*", "arn:aws:kms:eu-west-1:210987654321:key/*"]', "account 210987654321"),
    ('"*"', '"arn:aws:lambda:eu-west-1:\\u0032\\u0031\\u0030987654321:layer:x"', "account 210987654321"),
    ('"*"', '"arn:aws:iam::1234567890123:user/x"', "account 1234567890123"),
    ('"Resource": "*"', '"NotResource": "arn:aws:iam::210987654321:role/x"', "account 210987654321"),
    (
        '"Resource": "*"',
        '"Resource": "*", "Condition": {"ArnNotEquals": {"aws:PrincipalArn": "arn:aws:iam::210987654321:role/x"}}',
        "account 210987654321",
    ),
]


@pytest.mark.parametrize(("old", "new", "place"), ELSEWHERE)
def test_a_deny_may_be_about_any_account_and_the_review_says_so(old, new, place):
    for script in (create(DENY.replace(old, new)), f"{PUT} '{DENY.replace(old, new)}'"):
        result = steps(script)
        assert result["disposition"] is None, result["reason"]
        assert [note.split(" denies ")[1] for note in result["notes"]] == [
            f"something in {place}, and the alert is about account {ACCOUNT}."
        ]


@pytest.mark.parametrize(("old", "new", "_place"), ELSEWHERE)
def test_an_allow_may_not(old, new, _place):
    document = DENY.replace(old, new).replace("Deny", "Allow")
    result = steps(create(document), allow=["deny_only"])
    assert result["disposition"] == "refused"
    assert "guardrail right_account" in result["reason"]


PUT = "aws iam put-role-policy --role-name ci --policy-name p --policy-document"


def attach(name, user="a"):
    return f"aws iam attach-user-policy --user-name {user} --policy-arn arn:aws:iam::{ACCOUNT}:policy/{name}"


@pytest.mark.parametrize(
    "script",
    [
        f"{PUT} '{ALLOW}'",
        f"aws iam create-policy-version --policy-arn arn:aws:iam::{ACCOUNT}:policy/p --policy-document '{ALLOW}'",
        f"{create(ALLOW, 'p')} && {attach('p')} && {attach('big').replace('attach', 'detach')}",
        f"{create(ALLOW, 'p')} && {attach('p')} && aws iam delete-user-policy --user-name A --policy-name big",
    ],
)
def test_what_may_be_proven_narrower_is_left_to_the_account(script):
    assert steps(script)["disposition"] is None


def test_a_trust_policy_may_name_another_account_if_a_proof_is_required():
    trust = ALLOW.replace(
        '"Action": "s3:*", "Resource": "*"', '"Action": "*", "Principal": {"AWS": "arn:aws:iam::210987654321:root"}'
    )
    script = f"aws iam update-assume-role-policy --role-name ci --policy-document '{trust}'"
    assert steps(script)["disposition"] is None
    for allow in ("keep_trust", "no_widening", "update-assume-role-policy"):
        assert "guardrail right_account" in steps(script, allow=[allow])["reason"]
    assert (
        "guardrail right_account"
        in steps(f"{PUT} '{ALLOW.replace('*', 'arn:aws:iam::210987654321:role/x')}'")["reason"]
    )


@pytest.mark.parametrize(
    "script",
    [
        create(ALLOW, "p"),
        f"{create(ALLOW, 'p')} && {attach('p')}",
        f"{create(ALLOW, 'p')} && {attach('big').replace('attach', 'detach')} && {attach('p')}",
        f"{create(ALLOW, 'p')} && {attach('p')} && {attach('big', 'b').replace('attach', 'detach')}",
        f"{create(ALLOW, 'p')} && {attach('p', 'b')} && {attach('p')} && {attach('big').replace('attach', 'detach')}",
        f"{PUT} '{ALLOW.replace('Allow', 'allow')}'",
    ],
)
def test_what_replaces_nothing_is_not(script):
    assert steps(script)["disposition"] in ("refused", "unsupported")


@pytest.mark.parametrize(("rule", "script"), REFUSED)
def test_static_guardrails_refuse_the_whole_script(rule, script):
    result = steps(f"{create(DENY, 'fine')} && {script}")
    assert result["disposition"] == "refused"
    assert f"guardrail {rule}" in result["reason"]
    assert result["steps"] == []


def a_deny(value):
    statement = (
        f'"Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{{"NumericEquals":{{"s3:max-keys":{value}}}}}'
    )
    return f'{{"Version":"2012-10-17","Statement":[{{{statement}}}]}}'


UNREADABLE = {
    "infinite": (a_deny("1e999"), "the number 1e999"),
    "not a number": (a_deny("NaN"), "NaN is not JSON"),
    "5,000 digits": (a_deny("1" * 5_000), "a number of 5000 digits"),
    "deep": (a_deny("[" * 400 + "]" * 400), "nested too deeply"),
    "very deep": (a_deny("[" * 50_000), "nested too deeply"),
    "half a character": (a_deny(r'"\ud800"'), "lone surrogate"),
    "an empty object": ("{}", "no Statement"),
    "a list": ("[]", "no object"),
    "a key twice": ('{"Statement":[{"Effect":"Deny","Effect":"Allow","Action":"*","Resource":"*"}]}', "is twice in"),
    "prose": ("no document", "not JSON"),
    "a file": ("./deny.json", "not JSON"),
    "encoded": ("%7B%7D", "URL-encoded"),
    "an odd Sid": ('{"Statement":[{"Sid":"a-b","Effect":"Deny","Action":"*","Resource":"*"}]}', "Sid must be"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_document_that_cannot_be_read_is_unsupported_with_its_place(name):
    document, says = UNREADABLE[name]
    result = steps(f"{create(DENY, 'fine')} &&\n{create(document)}")
    assert result["disposition"] == "unsupported"
    assert (
        f"line 2, column {create('').index(chr(39)) + 1}: --policy-document is not a policy document"
        in result["reason"]
    )
    assert says in result["reason"]
    assert "remediate_allow" not in result["reason"], "no guardrail is to be opened for a typing error"
    assert result["by_hand"] == [create(DENY, "fine")], "what IAM does not take is not to be run by hand either"


def test_an_empty_document_is_unsupported():
    result = steps(create(""))
    assert (result["disposition"], "--policy-document must be" in result["reason"]) == ("unsupported", True)


@pytest.mark.parametrize("name", ["infinite", "5,000 digits", "deep", "half a character", "prose"])
def test_an_open_guardrail_makes_no_document_readable(name):
    for command in (
        "create-policy --policy-name p --policy-document",
        "update-assume-role-policy --role-name r --policy-document",
    ):
        result = steps(f"aws iam {command} '{UNREADABLE[name][0]}'", allow=["deny_only", "keep_trust"])
        assert result["disposition"] == "unsupported"


@pytest.mark.parametrize("rule", NEVER_OPEN)
def test_some_guardrails_never_open(rule):
    script = f"aws iam attach-user-policy --user-name a --policy-arn arn:aws:iam::{ACCOUNT[::-1]}:policy/p"
    assert steps(script, allow=[rule, "attach-user-policy"])["disposition"] == "refused"


@pytest.mark.parametrize(
    "resource",
    ["*", "arn:aws:s3:::bucket/*", "arn:aws:iam::*:role/x", f"arn:aws:iam::{ACCOUNT}:user/${{aws:username}}"],
)
def test_resources_that_name_no_other_account_pass(resource):
    assert steps(create(DENY.replace('"*"', f'"{resource}"')))["disposition"] is None


def test_all_problems_are_reported_at_once_and_the_worst_decides():
    result = steps("aws iam delete-user --user-nam bob | cat; aws iam create-access-key; aws s3 ls")
    assert result["disposition"] == "refused"
    for printed in ("--user-nam", "the pipe", "create-access-key", "s3"):
        assert printed in result["reason"]


def test_a_script_that_only_reads_has_nothing_to_apply():
    result = steps("aws iam list-users && aws iam get-user --user-name bob")
    assert result["disposition"] == "unsupported"
    assert "only reads" in result["reason"]


def test_reading_commands_are_dropped_with_a_note():
    result = steps(f"aws iam list-users; {create(DENY)} --output json")
    assert result["disposition"] is None
    assert [step["operation"] for step in result["steps"]] == ["CreatePolicy"]
    assert result["notes"]


def test_an_option_that_the_module_cannot_express_is_unsupported():
    result = steps("aws iam update-access-key --user-name a --access-key-id AKIAEXAMPLE000000000 --status Expired")
    assert result["disposition"] in ("unsupported", "refused")


def test_a_command_that_would_work_on_the_caller_is_unsupported():
    result = steps("aws iam delete-login-profile")
    assert result["disposition"] == "unsupported"
    assert "changes the caller itself" in result["reason"]


@pytest.mark.parametrize("account_id", ["12345678901", "1234567890123", "", None, 123])
def test_an_account_id_that_is_none_is_an_error_of_the_playbook(account_id):
    with pytest.raises(AnsibleFilterError, match="12 digits"):
        steps(create(DENY), account_id)


def test_positions_are_those_of_the_script():
    script = f"{create(DENY)}\naws iam attach-user-policy --user-name a --policy-arn arn:aws:iam::{ACCOUNT}:policy/p"
    assert [(step["index"], step["line"], step["column"]) for step in steps(script)["steps"]] == [(1, 1, 1), (2, 2, 1)]


def test_the_collected_scripts_of_security_tools_have_their_dispositions():
    with open(FIXTURES / "scripts" / "collected.jsonl") as collected:
        scripts = [json.loads(line)["script"] for line in collected]
    found = {script: steps(script)["disposition"] for script in scripts}
    assert found["cli command1"] == "unsupported"
    assert {found[script] for script in scripts if "${" in script and script.startswith("aws")} == {"unsupported"}
    assert {found[script] for script in scripts if script.startswith(("gcloud", "az ", "gsutil"))} == {"not_aws"}
    translated = [script for script in scripts if found[script] is None]
    assert any("update-account-password-policy" in script for script in translated)


def listed_by_hand(script, **options):
    return ["by hand: " + part.strip() for part in (steps(script, **options)["reason"] or "").split("by hand: ")[1:]]


def test_a_script_that_is_not_applied_ends_with_its_commands_as_the_vendor_wrote_them():
    created = create(DENY, "'quoted as it was'".replace(" ", "-"))
    script = f"{created} && aws iam delete-user   --user-name 'bob' ; aws iam create-access-key --user-name bob"
    assert listed_by_hand(script) == [
        f"by hand: {created}",
        "by hand: aws iam delete-user   --user-name 'bob'",
        "by hand: aws iam create-access-key --user-name bob",
    ]


def test_a_command_over_several_lines_is_reported_over_its_own_lines():
    script = "aws iam delete-user \\\n  --user-name bob"
    assert listed_by_hand(script) == [f"by hand: {script}"]


KEY = "aws iam create-access-key --user-name bob"
LOGIN = "aws iam create-login-profile --user-name bob --password"


@pytest.mark.parametrize(
    ("script", "note"),
    [
        # Pasted, they would change the caller.
        (f"{KEY}; aws iam delete-login-profile", "1 of 2 commands shown; the rest would change the caller itself"),
        (f"{KEY}; aws iam create-access-key", "1 of 2 commands shown; the rest would change the caller itself"),
        (
            f"{KEY}; aws iam delete-access-key --access-key-id AKIAIOSFODNN7EXAMPLE",
            "1 of 2 commands shown; the rest would",
        ),
        (f"{KEY}; aws iam update-access-key --access-key-id AKIAIOSFODNN7EXAMPLE --status Inactive", "1 of 2 commands"),
        # A mask is a password like any other.
        (f"{KEY}; {LOGIN} 'hunter2!'", "1 of 2 commands shown; the rest cannot be shown as it is"),
        (f"{KEY}; {LOGIN}='*********'", "1 of 2 commands shown; the rest cannot be shown as it is"),
        # Another account.
        (
            f"{KEY}; aws iam attach-user-policy --user-name a --policy-arn arn:aws:iam::999999999999:policy/p",
            "1 of 2 commands shown; the rest is about another account",
        ),
        (f"{KEY}; aws ec2 describe-instances", "1 of 2 commands shown; the rest cannot be read"),
        (f"{KEY}; rm -rf x", "1 of 2 commands shown; the rest is not AWS"),
        (f"{KEY}; gcloud x; {KEY}", "2 of 3 commands shown; the rest is not AWS"),
        (
            f"{KEY}; gcloud x; aws iam create-access-key",
            "1 of 3 commands shown; the rest would change the caller itself or is not AWS",
        ),
        (f"{KEY}; if true; then {KEY}; fi", "1 of 2 commands shown; the rest was not read"),
        (f"{KEY} || {KEY}", "1 of 2 commands shown; the rest was not read"),
    ],
)
def test_what_is_not_listed_to_be_run_by_hand_is_counted_with_why(script, note):
    reason = steps(script)["reason"]
    assert f"\n{note}" in reason.partition("\nby hand: ")[0]
    assert set(listed_by_hand(script)) == {f"by hand: {KEY}"}
    assert set(steps(script)["by_hand"]) == {KEY}


@pytest.mark.parametrize("command", ["aws iam delete-login-profile", "aws iam create-access-key", f"{LOGIN} x", KEY])
def test_a_script_of_nothing_else_has_no_note_either(command):
    assert "commands shown" not in steps(command)["reason"]


def protected(script, *arns):
    entries = [{"arn": arn, "owner": "o", "reason": "r"} for arn in arns]
    return translate(script, ACCOUNT, (), entries)["by_hand"]


@pytest.mark.parametrize(
    ("arn", "is_listed"),
    [
        ("arn:aws:iam::*:user/BOB", False),
        (f"arn:aws:iam::{ACCOUNT}:user/admins/bo*", False),
        ("arn:aws:iam::*:*/bob", False),
        ("*", False),
        ("arn:aws:iam::*:*", False),
        ("arn:aws:iam::*:user/ann", True),
        ("arn:aws:iam::*:role/bob", True),
        ("arn:aws:iam::999999999999:user/bob", True),
    ],
)
def test_no_command_is_listed_that_may_change_a_protected_principal(arn, is_listed):
    assert protected(KEY, arn) == ([KEY] if is_listed else [])


@pytest.mark.parametrize(
    "command",
    [
        "aws iam update-account-password-policy --hard-expiry",
        "aws iam delete-group --group-name staff",
        f"aws iam create-policy-version --policy-arn arn:aws:iam::{ACCOUNT}:policy/p --policy-document '{DENY}'",
    ],
)
def test_no_command_is_listed_that_may_reach_protected_principals_without_their_names(command):
    script = f"{command}; aws ec2 x"
    assert protected(script, "arn:aws:iam::*:user/ann") == []
    assert protected(script) == [command]


ATTACH = "aws iam attach-user-policy --user-name bob --policy-arn arn:aws:iam::{}"


@pytest.mark.parametrize(
    "command",
    [
        ATTACH.format("aws:policy/AdministratorAccess"),
        ATTACH.format(f"{ACCOUNT}:policy/unknown"),
        f"aws iam set-default-policy-version --policy-arn arn:aws:iam::{ACCOUNT}:policy/p --version-id v2",
        create(ALLOW, "wide"),
        "aws iam put-user-policy --user-name bob --policy-name p --policy-document '" + ALLOW + "'",
        "aws iam add-user-to-group --user-name bob --group-name admins",
        "aws iam update-assume-role-policy --role-name r --policy-document '{}'",
        "aws iam delete-user-permissions-boundary --user-name bob",
        "aws iam update-access-key --user-name bob --access-key-id AKIAIOSFODNN7EXAMPLE --status Active",
        "aws iam tag-user --user-name bob --tags Key=team,Value=admins",
    ],
)
def test_no_command_is_listed_that_may_widen_access(command):
    script = f"{command}; {KEY}"
    assert listed_by_hand(script) == [f"by hand: {KEY}"]


def test_a_deny_that_the_script_creates_may_be_attached_by_hand():
    attach = ATTACH.format(f"{ACCOUNT}:policy/path/mine")
    assert steps(f"{create(DENY, 'mine')}; {attach}; aws ec2 x")["by_hand"] == [create(DENY, "mine"), attach]
    assert steps(f"{create(ALLOW, 'mine')}; {attach}; aws ec2 x")["by_hand"] == []


def test_what_nothing_can_undo_is_reported_before_it():
    command = "aws iam delete-access-key --user-name bob --access-key-id AKIAIOSFODNN7EXAMPLE"
    assert f"\ncannot be undone: delete-access-key\nby hand: {command}" in steps(f"{command}; aws ec2 x")["reason"]


@pytest.mark.parametrize(
    "script",
    [
        "aws iam delete-user --usr-name bob",
        "aws iam create-user --user-name bob --profile admin",
        'aws iam create-user --user-name "$(whoami)"',
        "aws s3 rb s3://bucket",
        'aws iam create-policy --policy-name p --policy-document \'{"Effect": "Allow\u202e"}\'',
    ],
)
def test_no_command_is_listed_that_cannot_be_read_or_would_not_be_seen(script):
    assert listed_by_hand(script) == []
