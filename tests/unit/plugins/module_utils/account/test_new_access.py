# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.account.new_access import NewAccess
from ansible_collections.leastpriv.iam.plugins.module_utils.policies.document import read_document
from ansible_collections.leastpriv.iam.plugins.module_utils.policy_proof.proof import prove
from ansible_collections.leastpriv.iam.plugins.modules.observe import _analyzer
from botocore.exceptions import ClientError, NoRegionError
from stack.access_analyzer import answer


def a_statement(effect="Allow", action="s3:GetObject", regions=(), **more):
    condition = {"Condition": {"StringEquals": {"aws:RequestedRegion": [*regions]}}} if regions else {}
    return {"Effect": effect, "Action": action, "Resource": "*", **condition, **more}


def a_document(*statements, version="2012-10-17"):
    return read_document({"Version": version, "Statement": [*statements]})


ONE, TWO = a_statement(regions=["a"], Sid="One"), a_statement(regions=["b"], Sid="Two")
BOTH = a_document(a_statement(regions=["a", "b"]))
MORE = a_document(a_statement(regions=["a", "b", "c"]))


class Analyzer:
    """The emulator's CheckNoNewAccess, without the network."""

    def __init__(self, error=None, **answer):
        self.error, self.answer, self.asked = error, answer, []

    def check_no_new_access(self, **given):
        self.asked.append(given)
        if self.error:
            raise self.error
        return self.answer or answer({"parameters": given})[0]


def asked(analyzer, replaced, new):
    return NewAccess(lambda: analyzer).why_refused(replaced, new)


def test_replaced_documents_are_one():
    analyzer = Analyzer()
    assert asked(analyzer, [a_document(ONE), a_document(TWO)], BOTH) == ""
    [given] = analyzer.asked
    statements = json.loads(given["existingPolicyDocument"])["Statement"]
    assert len(statements) == 2
    assert not any("Sid" in statement for statement in statements)
    assert given["policyType"] == "IDENTITY_POLICY"


@pytest.mark.parametrize(("given", "asked"), [(None, "us-gov-west-1"), ("us-gov-east-1", "us-gov-east-1")])
def test_an_account_without_a_region_is_asked_about_in_that_of_iam(given, asked):
    module = SimpleNamespace(region=given, client=lambda service, region: (service, region))
    assert _analyzer(module, "aws-us-gov") == ("accessanalyzer", asked)


def test_a_trust_policy_is_a_resource_policy():
    analyzer, trust = (
        Analyzer(),
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"},
    )
    asked(analyzer, [a_document(trust)], a_document(trust))
    assert analyzer.asked[0]["policyType"] == "RESOURCE_POLICY"


def test_new_access_is_refused_with_its_reasons():
    why = asked(Analyzer(), [a_document(ONE), a_document(TWO)], MORE)
    assert why == (
        "IAM Access Analyzer: The modified permissions grant new access compared to your existing policy. "
        "New access in the statement with index: 0."
    )


ERROR = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "CheckNoNewAccess")


@pytest.mark.parametrize(
    ("analyzer", "why"),
    [
        (Analyzer(ERROR), "could not be asked: An error occurred (AccessDeniedException)"),
        (Analyzer(NoRegionError()), "could not be asked: You must specify a region."),
        (Analyzer(result="FAIL", message="new"), "IAM Access Analyzer: new"),
        (Analyzer(result="pass"), "IAM Access Analyzer: None"),
        (Analyzer(message="odd"), "IAM Access Analyzer: odd"),
    ],
)
def test_only_pass_passes(analyzer, why):
    assert why in asked(analyzer, [a_document(ONE)], BOTH)


def test_documents_of_different_versions_are_not_asked_about():
    analyzer = Analyzer()
    assert "different versions" in asked(analyzer, [a_document(ONE, version="2008-10-17")], BOTH)
    assert analyzer.asked == []


def test_each_pair_is_asked_about_once():
    analyzer, made = Analyzer(), []
    new_access = NewAccess(lambda: made.append(1) or analyzer)
    for new in (BOTH, BOTH, MORE):
        new_access.why_refused([a_document(ONE)], new)
    assert (len(analyzer.asked), made) == (2, [1])


DENY = a_statement("Deny", "s3:*", regions=["x"])


@pytest.mark.parametrize(
    ("old", "new", "is_asked"),
    [
        ([ONE, TWO], [BOTH["Statement"][0]], True),
        ([ONE, TWO, DENY], [BOTH["Statement"][0], DENY], True),
        # What was denied is not proven to be denied: other policies may allow it.
        ([ONE, TWO, DENY], [BOTH["Statement"][0]], False),
        # A counterexample is known.
        ([ONE], [BOTH["Statement"][0]], False),
    ],
)
def test_only_what_is_allowed_may_be_left_to_it(old, new, is_asked):
    verdict = prove([a_document(*old)], [a_document(*new)])
    assert not verdict.is_narrower
    assert verdict.denies_enough == is_asked
