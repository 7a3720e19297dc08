"""What people prescribe, order, collect and report: there and back it says the same, down to a number's digits."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest

from ordering_world import observation, result
from salus.fhir import authoring, laboratory
from salus.fhir.parsing import Resource, as_bundle, instant, read_resource, read_resources, to_json
from salus.fhir.validation import faults

HANDLE, AT = "ab" * 32, 1_790_000_000_000
TUBE = read_resource(laboratory.specimen(HANDLE, "A-17", "serum", "Ana", AT))
RECORD = read_resources((files("salus.demo") / "patients" / "Clemente_Kreiger.json").read_bytes())
PANELS = [one for one in RECORD if one.type == "DiagnosticReport" and one.value["code"]["coding"][0]["code"] != "34117-2"]

REQUEST = """{
 "resourceType": "MedicationRequest", "id": "theirs", "meta": {"versionId": "7"}, "status": "draft", "intent": "plan",
 "identifier": [{"system": "urn:theirs", "value": "17"}], "priority": "urgent", "reasonCode": [{"text": "tonsillitis"}],
 "medicationCodeableConcept": {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "308182"}]},
 "subject": {"display": "Ana"}, "encounter": {"display": "a visit"}, "authoredOn": "2020-01-01", "note": [{"text": "ä <b>"}],
 "dosageInstruction": [{"text": "1.50 ml", "timing": {"repeat": {"frequency": 3, "period": 1.0, "periodUnit": "d"}},
  "doseAndRate": [{"doseQuantity": {"value": 1.50, "unit": "ml", "system": "http://unitsofmeasure.org", "code": "mL"}}]}],
 "dispenseRequest": {"numberOfRepeatsAllowed": 0, "quantity": {"value": 100.0, "unit": "ml"}},
 "substitution": {"allowedBoolean": false}
}"""
ORDER = """{
 "resourceType": "ServiceRequest", "id": "theirs", "status": "draft", "intent": "plan", "priority": "stat",
 "identifier": [{"system": "urn:theirs", "value": "17"}], "subject": {"display": "Ana"}, "patientInstruction": "sober",
 "code": {"coding": [{"system": "http://loinc.org", "code": "2823-3"}], "text": "K"},
 "quantityQuantity": {"value": 2.00, "unit": "tubes"}, "occurrenceDateTime": "2026-11-27T08:00:00+01:00",
 "reasonCode": [{"text": "furosemide"}], "requester": {"display": "somebody else"}
}"""


def prescribed(raw: bytes) -> bytes:
    """As a prescriber signs it."""
    return authoring.prescribed(read_resource(raw), HANDLE, "Dr. Lind", AT)


def ordered(raw: bytes) -> bytes:
    """As an orderer signs it."""
    return laboratory.ordered(read_resource(raw), HANDLE, "Dr. Lind", AT)


def compiled(data: bytes) -> bytes:
    """As a laboratory signs it."""
    return laboratory.compiled(data, HANDLE, "final", TUBE, "Lab Nord", AT)


def panel(report: Resource) -> list[Resource]:
    """A report of the record's with its results, as a laboratory would hand it in."""
    named = {one["reference"] for one in report.value["result"]}
    return [report, *(one for one in RECORD if one.full_url in named)]


def kept(resource: Resource, without: set[str]) -> dict[str, Any]:
    """What is left of it, numbers by their digits."""
    return {name: to_json({name: item}) for name, item in resource.value.items() if name not in without}


WRITTEN = {"id", "identifier", "status", "intent", "authoredOn", "requester", "meta", "text", "encounter"}
DOCUMENTS: dict[str, tuple[Callable[[bytes], bytes], bytes]] = {
    "MedicationRequest in full": (prescribed, REQUEST.encode()),
    "MedicationRequest in words": (prescribed, authoring.medication_request("Loratadine 10 mg", "one a day", "Ana")),
    "ServiceRequest in full": (ordered, ORDER.encode()),
    "ServiceRequest by codes": (ordered, laboratory.service_request(["2823-3", "2951-2"], "", "Ana")),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_request_says_after_its_way_what_it_said_before(name: str) -> None:
    """RX-35, ORD-20: all that its author does not write anew is as it was, digits included; signed once more it is the same."""
    signed, theirs = DOCUMENTS[name]
    before, after = read_resource(theirs), read_resource(signed(theirs))
    assert faults(after) == ()
    assert kept(after, WRITTEN) == kept(before, WRITTEN)
    assert after.value["identifier"][1:] == before.value.get("identifier", [])
    assert signed(after.raw) == after.raw
    assert [one.raw for one in read_resources(as_bundle([(after.raw, "")]))] == [after.raw]


def test_a_request_in_words_gives_its_words_back() -> None:
    """RX-35, ORD-20."""
    medicine = read_resource(prescribed(authoring.medication_request("Loratadine 10 mg", "one a day", "Ana")))
    assert (authoring.named_prescription(medicine), authoring.medication_words(medicine)) == (
        HANDLE,
        ("Loratadine 10 mg", "one a day"),
    )
    tests = read_resource(ordered(laboratory.service_request(["2823-3"], "Potassium", "Ana")))
    assert (laboratory.named_order(tests), laboratory.ordered_words(tests)) == (HANDLE, "Potassium")


def test_a_specimen_gives_back_whose_it_is_its_number_its_kind_and_its_time() -> None:
    """ORD-22."""
    report = read_resource(result(observation(4.1), subject={"display": "Ana"}))
    (tube,) = [one for one in read_resources(compiled(report.raw)) if one.type == "Specimen"]
    assert faults(tube) == ()
    assert tube.value == TUBE.value
    assert laboratory.report_subject(as_bundle([(report.raw, ""), (tube.raw, "")])) == ("Ana", "A-17")
    assert (laboratory.named_order(tube), tube.value["type"]["text"]) == (HANDLE, "serum")
    assert instant(tube.value["collection"]["collectedDateTime"]) == AT


@pytest.mark.parametrize("report", PANELS, ids=lambda one: str(one.value["code"]["text"]))
def test_real_results_have_their_values_after_their_way(report: Resource) -> None:
    """ORD-23, ORD-24: value, unit, range, flag and time of each, and all else that was said; compiled again it is the same."""
    parts = panel(report)
    handed_in = as_bundle([(one.raw, one.full_url) for one in parts])
    bundle = compiled(handed_in)
    made = laboratory.read_report(bundle, HANDLE)
    assert [one.type for one in made] == ["DiagnosticReport", *("Observation" for _ in parts[1:]), "Specimen"]
    assert all(faults(one) == () for one in made)
    assert laboratory.values(made) == laboratory.values(parts) != ()
    without = {"id", "meta", "text", "encounter", "subject"}
    assert [kept(one, without) for one in made[1:-1]] == [kept(one, without) for one in parts[1:]]
    ours = {*without, "identifier", "basedOn", "issued", "performer", "specimen", "result"}
    assert kept(made[0], ours) == kept(report, ours)
    assert compiled(bundle) == bundle


def test_a_number_keeps_its_digits() -> None:
    """ORD-23: 4.10 was measured to a hundredth, 4.1 was not."""
    written = result(observation(4.1)).replace(b'"value": 4.1,', b'"value": 4.10,')
    (found,) = laboratory.values(laboratory.read_report(compiled(written), HANDLE))
    assert (found.value, found.low) == ("4.10", "3.5")
    assert json.loads(compiled(written))["entry"][1]["resource"]["valueQuantity"]["value"] == 4.1
