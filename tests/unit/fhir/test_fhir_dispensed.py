"""What was handed over, as FHIR's MedicationDispense: valid, the same there and back, and readable in the chart (RX-35)."""

from __future__ import annotations

import json

import pytest

from node_world import code
from salus.charts.sections import SectionKind
from salus.fhir.authoring import Dispensed, dispensed_of, medication_dispense, medication_request
from salus.fhir.chart_text import ChartView, Item, render
from salus.fhir.parsing import Resource, read_resource
from salus.fhir.validation import faults

HANDLE, AT = "ab" * 32, 1_795_692_269_036
REQUEST = read_resource(medication_request("Loratadine 10 mg", "one a day", "Ana"))


def dispense(quantity: str, batch: str, product: str) -> Resource:
    """What a wallet files."""
    return read_resource(medication_dispense("d", REQUEST, HANDLE, AT, quantity, batch, product))


@pytest.mark.parametrize("product", ["", "Lorado 10"])
@pytest.mark.parametrize(("quantity", "batch"), [("20: whole", "CH-1"), ("", "")])
def test_what_was_handed_over_is_the_same_after_a_round_trip_through_fhir(quantity: str, batch: str, product: str) -> None:
    """RX-35."""
    resource = dispense(quantity, batch, product)
    assert faults(resource) == ()
    assert dispensed_of(resource) == Dispensed(HANDLE, product or "Loratadine 10 mg", AT, quantity, batch, bool(product))


@pytest.mark.parametrize(
    "changed", [{"authorizingPrescription": []}, {"whenHandedOver": "soon"}, {"note": [{"text": "x"}]}, {"resourceType": "Basic"}]
)
def test_what_was_not_handed_over_here_is_refused(changed: dict[str, object]) -> None:
    """RX-35."""
    value = {**json.loads(dispense("1", "2", "").raw), **changed}
    assert code(lambda: dispensed_of(read_resource(json.dumps(value).encode()))) == "fhir/not-a-dispense"


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({}, "Lorado 10 handed over; 20; batch CH-1; in place of what was prescribed completed 2026-11-26"),
        ({"authorizingPrescription": []}, "Lorado 10 dosage not stated completed 2026-11-26"),
    ],
)
def test_the_chart_shows_quantity_batch_and_day(changed: dict[str, object], line: str) -> None:
    """FHIR-9."""
    value = {**json.loads(dispense("20", "CH-1", "Lorado 10").raw), **changed}
    resource = read_resource(json.dumps(value).encode())
    item = Item(resource, "Ph. Abel", SectionKind.MEDICATIONS, "current", "Ana", AT, "", 0)
    assert line in " ".join(render(ChartView((item,), AT, 7, ())).split())
