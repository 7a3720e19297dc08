"""Routing and the text chart: what is sensitive takes along what hangs on it. (FHIR-6, FHIR-7, FHIR-9)"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import pytest

from salus.charts.sections import SectionKind
from salus.fhir.chart_text import ChartView, Item, render
from salus.fhir.parsing import Resource, read_resource, read_resources
from salus.fhir.routing import route

PACKAGE = Path(str(files("salus.demo")))
ALL = sorted((PACKAGE / "supplements").glob("*.json")) + sorted((PACKAGE / "patients").glob("*.json"))


def supplement(name: str) -> list[Resource]:
    return read_resources((PACKAGE / "supplements" / f"{name}.json").read_bytes())


def text(*resources: Resource, **options: object) -> str:
    settings = {"status": "current", "trouble": "", "faults": 0, **options}
    items = tuple(
        Item(
            resource,
            "City Hospital",
            SectionKind.RESULTS,
            str(settings["status"]),
            "Dr. Reyes",
            0,
            str(settings["trouble"]),
            int(str(settings["faults"])),
        )
        for resource in resources
    )
    return render(ChartView(items, 1_700_000_000_000, 7, ("3 entries came later",)))


def test_a_sensitive_diagnosis_takes_along_what_hangs_on_it_and_what_mentions_it() -> None:
    placed = {(p.resource.identity, p.is_copy): p.section for p in route(supplement("sensitive_episode"))}
    sensitive = {name for (name, _), section in placed.items() if section is SectionKind.SENSITIVE}
    assert sensitive == {"Condition/hiv", "Encounter/visit", "Observation/viral-load", "MedicationRequest/art", "CarePlan/plan"}
    assert placed["Encounter/visit", True] is SectionKind.CARE
    assert placed["Observation/harmless", False] is SectionKind.RESULTS


def test_the_copy_of_a_visit_tells_nothing_and_keeps_its_numbers() -> None:
    copy = next(p.resource for p in route(supplement("sensitive_episode")) if p.is_copy)
    assert b"diagnosis" not in copy.raw
    assert b"immunodeficiency" not in copy.raw
    assert copy.value["period"]["start"] == "2021-06-01T09:00:00Z"
    assert b"30.5" in copy.raw


def test_a_label_makes_anything_sensitive() -> None:
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    value = {"resourceType": "Observation", "id": "o", "meta": {"security": [label]}, "status": "final", "code": {"text": "x"}}
    assert route([read_resource(json.dumps(value).encode())])[0].section is SectionKind.SENSITIVE


@pytest.mark.parametrize(
    ("kind", "section"),
    [
        ("Patient", "summary"),
        ("Immunization", "summary"),
        ("Coverage", "coverage"),
        ("MedicationRequest", "medications"),
        ("AllergyIntolerance", "problems"),
        ("Condition", "problems"),
        ("Observation", "results"),
        ("Encounter", "care"),
        ("DocumentReference", "documents"),
        ("SomethingNew", "documents"),
        ("RelatedPerson", "demographics"),
    ],
)
def test_types_have_their_sections(kind: str, section: str) -> None:
    value = {"resourceType": kind, "id": "x"}
    assert route([read_resource(json.dumps(value).encode())])[0].section.value == section


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_every_resource_has_one_place_and_its_bytes(path: Path) -> None:
    resources = read_resources(path.read_bytes())
    originals = [placement for placement in route(resources) if not placement.is_copy]
    assert [placement.resource.raw for placement in originals] == [resource.raw for resource in resources]


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_any_record_makes_a_chart_that_fits_the_page(path: Path) -> None:
    shown = text(*read_resources(path.read_bytes()))
    assert max(len(line) for line in shown.splitlines()) <= 100
    assert "SOURCES" in shown


def test_an_allergy_says_how_bad_and_what_happened() -> None:
    shown = text(*supplement("allergy_drug"))
    assert "Penicillin G [high criticality]: Anaphylaxis   active" in shown
    assert "Clemente Kreiger   born 1984-07-02, 39 years   male" in shown
    assert "! 3 entries came later" in shown


def test_a_result_has_unit_range_flag_date_zone_and_trend() -> None:
    shown = " ".join(text(*supplement("lab_with_ranges")).split())
    assert "5.9 mmol/L (range 3.5 to 5.1) [High] 2024-05-06 08:10 +02:00 before: 4.2 mmol/L" in shown


def test_a_medication_has_its_whole_name_and_dose() -> None:
    shown = " ".join(text(*supplement("newer_export")).split())
    assert "Ibuprofen 400 MG Oral Tablet 1 tablet three times a day active" in shown


def test_documents_show_their_text_or_their_title() -> None:
    shown = text(*supplement("attachments"))
    assert "Discharged in good health. Greetings." in shown
    assert "Scan" in shown


def test_conflicts_troubles_and_faults_are_said() -> None:
    shown = text(*supplement("allergy_drug"), status="conflict", trouble="charts/not-the-licensed", faults=2)
    assert "[CONFLICT, NOT VERIFIED, 2 faults]" in " ".join(shown.split())
    assert "CONFLICTS (both sides are shown; nobody has decided)" in shown
    assert "AllergyIntolerance/penicillin: charts/not-the-licensed" in shown


def test_no_control_character_reaches_the_terminal() -> None:
    value = {"resourceType": "Condition", "id": "c", "code": {"text": "evil \x1b[31m red \u202e txet"}}
    shown = text(read_resource(json.dumps(value).encode()))
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_odd_shapes_do_not_stop_a_chart() -> None:
    odd = [
        {"resourceType": "AllergyIntolerance", "id": "1", "reaction": [5, {"manifestation": "x"}], "clinicalStatus": "active"},
        {"resourceType": "Observation", "id": "2", "referenceRange": ["x"], "interpretation": "H", "component": [1], "code": 7},
        {"resourceType": "Observation", "id": "3", "referenceRange": [{"low": 5}], "valueQuantity": {"value": "many"}},
        {
            "resourceType": "DocumentReference",
            "id": "4",
            "content": [{"attachment": {"contentType": "text/plain", "data": "A"}}],
        },
        {"resourceType": "Encounter", "id": "5", "type": [], "period": "long", "reasonCode": ["x"]},
        {"resourceType": "Patient", "id": "6", "name": [{"given": "C"}], "deceasedDateTime": "2020-01-01", "birthDate": 5},
        {"resourceType": "MedicationStatement", "id": "7", "dosage": "daily", "medicationCodeableConcept": {"coding": ["x"]}},
        {"resourceType": "Observation", "id": "8", "valueBoolean": False, "effectiveDateTime": "2020-01-01T10:00"},
        {"resourceType": "DocumentReference", "id": "9", "content": []},
    ]
    shown = text(*[read_resource(json.dumps(value).encode()) for value in odd])
    assert "DECEASED 2020-01-01" in shown
    assert "(attachment not readable)" in shown
    assert "2020-01-01 10:00 (no zone)" in shown
