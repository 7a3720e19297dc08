"""Several sources, several exports: nothing overwrites what another said, nothing old changes anything silently."""

from __future__ import annotations

import json
from typing import Any

import pytest

from salus.agent.services import charting
from salus.errors import SalusError
from world import CLEMENTE, PATIENT, World, bundle

ONE = {"resourceType": "Patient", "id": "p", "birthDate": "1984-07-02", "name": [{"family": "Kreiger"}]}


def allergy(text: str, updated: str | None = None) -> dict[str, Any]:
    meta = {"meta": {"lastUpdated": updated}} if updated else {}
    return {
        "resourceType": "AllergyIntolerance",
        "id": "a1",
        **meta,
        "code": {"text": text},
        "patient": {"reference": "Patient/p"},
    }


def shown(world: World) -> list[tuple[str, str, str]]:
    chart = charting.open_chart(world.agent, PATIENT, PATIENT, types=("AllergyIntolerance",))
    rows = [(v.header.source, json.loads(v.leaf.data)["code"]["text"], v.status.value) for v in chart.shown]
    return sorted(rows)


def test_importing_twice_is_harmless(world: World) -> None:
    report = world.take_in(CLEMENTE)
    assert (report.new, report.replaced, report.conflicts, report.entries) == (0, 0, 0, 0)
    assert report.unchanged == len(json.loads(CLEMENTE)["entry"])


def test_two_sources_that_number_alike_stand_side_by_side(world: World) -> None:
    world.take_in(bundle(ONE, allergy("Penicillin")), source="A")
    report = world.take_in(bundle(ONE, allergy("Peanut")), source="B")
    assert (report.replaced, report.conflicts) == (0, 0)
    assert shown(world) == [("A", "Penicillin", "current"), ("B", "Peanut", "current")]


def test_an_older_export_changes_nothing_and_says_so(world: World) -> None:
    world.take_in(bundle(allergy("Penicillin", "2024-01-02T00:00:00Z")), source="A")
    report = world.take_in(bundle(allergy("None known", "2023-01-02T00:00:00Z")), source="A")
    assert (report.older, report.entries) == (1, 0)
    assert shown(world) == [("A", "Penicillin", "current")]


def test_a_newer_export_replaces_and_the_older_stays_in_history(world: World) -> None:
    world.take_in(bundle(allergy("Penicillin", "2024-01-02T00:00:00Z")), source="A")
    report = world.take_in(bundle(allergy("Amoxicillin", "2024-05-02T00:00:00Z")), source="A")
    assert report.replaced == 1
    assert shown(world) == [("A", "Amoxicillin", "current")]
    versions = charting.history(world.agent, PATIENT, PATIENT, "AllergyIntolerance/a1")
    assert [version.status for version in versions] == ["replaced", "current"]


def test_what_cannot_be_ordered_is_a_conflict_and_both_are_shown(world: World) -> None:
    world.take_in(bundle(allergy("Penicillin")), source="A")
    assert world.take_in(bundle(allergy("None known")), source="A").conflicts == 1
    assert shown(world) == [("A", "None known", "conflict"), ("A", "Penicillin", "conflict")]
    text = charting.chart_text(charting.open_chart(world.agent, PATIENT, PATIENT))
    assert "Penicillin" in text
    assert "None known" in text


def test_as_of_orders_exports_that_carry_no_dates(world: World) -> None:
    world.take_in(bundle(allergy("Penicillin")), source="A", as_of=1_700_000_000_000)
    assert world.take_in(bundle(allergy("Old")), source="A", as_of=1_600_000_000_000).older == 1
    assert world.take_in(bundle(allergy("Amoxicillin")), source="A", as_of=1_710_000_000_000).replaced == 1
    assert shown(world) == [("A", "Amoxicillin", "current")]


def test_another_patients_file_is_refused_whole_unless_overridden(world: World) -> None:
    other = bundle({**ONE, "birthDate": "1990-01-01"}, allergy("Peanut"))
    with pytest.raises(SalusError) as refused:
        world.take_in(other, source="A")
    assert refused.value.full_code == "fhir/other-patient"
    assert shown(world) == []
    world.take_in(other, source="A", other_patient_ok=True)
    assert shown(world) == [("A", "Peanut", "current")]


def test_what_others_wrote_wrongly_is_kept_and_flagged(world: World) -> None:
    faulty = {**allergy("Penicillin"), "clinicalStatus": "yes", "type": "dislike"}
    assert world.take_in(bundle(faulty), source="A").faulty == 1
    versions = charting.history(world.agent, PATIENT, PATIENT, "AllergyIntolerance/a1")
    places = " ".join(fault["expression"] for fault in versions[0].faults)
    assert "AllergyIntolerance.clinicalStatus" in places
    assert "AllergyIntolerance.type" in places
    assert (
        json.loads(charting.open_chart(world.agent, PATIENT, PATIENT, types=("AllergyIntolerance",)).shown[0].leaf.data) == faulty
    )


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "fhir/not-json"),
        (CLEMENTE[:-5], "fhir/not-json"),
        (b"\xff\xfe{}", "fhir/not-utf8"),
        (b'{"resourceType":"Patient","id":"1","id":"2"}', "fhir/duplicate-key"),
        (b"[" * 100_000, "fhir/too-deep"),
        (b'{"resourceType":"Bundle","type":"collection"}', "agent/nothing-to-import"),
        (b'{"hello":"world"}', "fhir/not-a-resource"),
    ],
)
def test_a_file_that_cannot_be_parsed_is_refused_and_nothing_happens(world: World, data: bytes, code: str) -> None:
    before = world.node.status().height
    with pytest.raises(SalusError) as refused:
        world.take_in(data)
    assert refused.value.full_code == code
    assert world.node.status().height == before
