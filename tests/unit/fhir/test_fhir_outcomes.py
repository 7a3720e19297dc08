"""Refusals in FHIR's words."""

from __future__ import annotations

import json

import pytest

from salus.errors import LedgerRefused, refusal
from salus.fhir.outcomes import ISSUE_TYPES, issue_type, outcome


def test_an_outcome_has_the_type_the_code_and_the_text() -> None:
    (issue,) = json.loads(outcome(LedgerRefused("is-accepted", "it is accepted")))["issue"]
    assert (issue["severity"], issue["code"]) == ("error", "conflict")
    assert (issue["details"]["coding"][0]["code"], issue["details"]["text"]) == ("ledger/is-accepted", "it is accepted")


@pytest.mark.parametrize("codespace", ISSUE_TYPES)
def test_every_type_is_one_of_fhirs(codespace: str) -> None:
    """`outcome` holds it against the standard: IssueType is a required binding."""
    for begins in ISSUE_TYPES[codespace]:
        assert outcome(refusal(f"{codespace}/{begins}", "text"))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ledger/is-booked", "conflict"),
        ("ledger/too-much", "business-rule"),
        ("other/thing", "processing"),
        ("agent/no-x", "not-found"),
    ],
)
def test_the_longest_beginning_that_fits_says_the_type(code: str, kind: str) -> None:
    assert issue_type(code) == kind
