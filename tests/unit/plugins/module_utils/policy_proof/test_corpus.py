# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The prover on pairs of documents from the field: true narrowings, and look-alikes that allow more or deny less."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.leastpriv.iam.plugins.module_utils.policies.document import read_document
from ansible_collections.leastpriv.iam.plugins.module_utils.policy_proof.proof import NARROWER, Verdict, prove
from iam_evaluation import Asked, World, allows, denies

CORPUS = Path(__file__).parents[4] / "fixtures" / "policy_proof"
OWN = "111111111111"


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (CORPUS / f"{name}.jsonl").read_text().splitlines()]


NARROWINGS, LOOK_ALIKES = rows("narrowings"), rows("look_alikes")


def verdict(row: dict[str, Any]) -> Verdict:
    return prove(*([read_document(one) for one in row[which]] for which in ("old", "new")), OWN)


def test_the_corpus_is_large():
    assert [len({row["name"] for row in of}) >= 150 for of in (NARROWINGS, LOOK_ALIKES)] == [True, True]


def test_nearly_every_true_narrowing_is_proven():
    missed = [row["name"] for row in NARROWINGS if verdict(row).outcome != NARROWER]
    assert len(missed) <= len(NARROWINGS) * 0.05, missed


@pytest.mark.parametrize("row", LOOK_ALIKES, ids=lambda row: row["name"])
def test_a_look_alike_is_refused_with_a_counterexample_that_holds(row):
    found = verdict(row)
    one = found.request
    asked, world = Asked(one.action, one.resource, one.principal, one.context), World()
    is_more = allows(row["new"], asked, world, OWN) and not allows(row["old"], asked, world, OWN)
    is_less = denies(row["old"], asked, world, OWN) and not denies(row["new"], asked, world, OWN)
    is_true = {f"allows {one.action}": is_more, f"does not deny {one.action}": is_less}
    assert [holds for words, holds in is_true.items() if found.why.startswith(words)] == [True]


def test_a_pair_takes_a_millisecond(at_most):
    read = [
        [[read_document(one) for one in row[which]] for which in ("old", "new")] for row in NARROWINGS + LOOK_ALIKES
    ]
    with at_most(0.001 * len(read)):
        for old, new in read:
            prove(old, new, OWN)
