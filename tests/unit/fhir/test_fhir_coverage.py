"""Who pays, as FHIR's Coverage: valid, the same there and back, and read as others write it (FHIR-11)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from node_world import code
from salus.fhir.coverage import CoverageInfo, from_fhir, to_fhir, words
from salus.fhir.parsing import read_resource
from salus.fhir.validation import faults

FULL = CoverageInfo("Ana", "Krankenkasse Süd", "A-17", "Standard", "2026-01-01", "2026-12-31", "cancelled")
BARE = CoverageInfo("Ana", "herself", "")
FOREIGN: dict[str, Any] = {"resourceType": "Coverage", "status": "active", "beneficiary": {"reference": "Patient/p"}}


@pytest.mark.parametrize("info", [FULL, BARE], ids=["full", "bare"])
def test_a_coverage_is_the_same_after_a_round_trip_through_fhir(info: CoverageInfo) -> None:
    """FHIR-11."""
    resource = read_resource(to_fhir(info))
    assert faults(resource) == ()
    assert from_fhir(resource) == info


def test_one_payer_has_one_id() -> None:
    """FHIR-11: so that what is said anew replaces what was said."""
    first, again, other = (
        json.loads(to_fhir(one))["id"] for one in (FULL, CoverageInfo("Ana", FULL.payer, "B"), CoverageInfo("Ana", "x", ""))
    )
    assert first == again != other


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"payor": [{"reference": "Organization/1"}]}, "Organization/1   active"),
        ({"payor": [{"identifier": {"value": "109"}}], "identifier": [{"value": "7"}]}, "109   number 7   active"),
        ({"payor": [{"display": "Süd"}], "period": {"end": "2027"}}, "Süd   until 2027   active"),
    ],
)
def test_what_others_write_is_read_as_far_as_it_says(more: dict[str, Any], said: str) -> None:
    """FHIR-11."""
    assert words(from_fhir(read_resource(json.dumps(FOREIGN | more).encode()))) == said


@pytest.mark.parametrize(
    "more", [{}, {"payor": []}, {"payor": [{}]}, {"payor": [{"display": "x"}], "class": [{"value": "x"}]}, {"payor": "x"}]
)
def test_what_names_no_payer_is_refused(more: dict[str, Any]) -> None:
    """FHIR-11."""
    assert code(lambda: from_fhir(read_resource(json.dumps(FOREIGN | more).encode()))) == "fhir/no-coverage"


def test_what_is_no_date_is_refused() -> None:
    """FHIR-5."""
    assert code(lambda: to_fhir(CoverageInfo("Ana", "Süd", "", ends="soon"))) == "fhir/invalid"
