"""The chapter of results: a critical value stays red until a person has acknowledged it, and climbs to who covers."""

from __future__ import annotations

import json
import time

from salus.agent.services import acknowledging, charting, inbox, laboratory, licensing, ordering, people, reporting, resulted
from salus.demo.cast import FAMILY, PATIENT, PHYSICIAN, Cast
from salus.demo.stage import Stage
from salus.exchange.cards import Role
from salus.fhir.laboratory import service_request
from salus.ledger.modules.orders.messages import ReportStatus

LABORATORY, POTASSIUM = "Laboratory North", "2823-3"  # LOINC: potassium in serum or plasma
BORN = "1984-07-02"
SOON = 2_000  # ms within which this story's critical value is to be acknowledged; an hour where nothing is said
_LOINC, _UCUM = "http://loinc.org", "http://unitsofmeasure.org"
_FLAGS = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"


def _critical(stage: Stage, cast: Cast) -> None:
    stage.scene("A critical value stays red until somebody has acknowledged it, and climbs")
    people.add_person(cast.agent, LABORATORY, Role.LABORATORY, cold_dir=cast.home / "cold")
    licensing.issue_licence(cast.agent, people.own_card(cast.agent, LABORATORY), Role.LABORATORY)
    terms = ordering.OrderTerms(FAMILY, PHYSICIAN, born=BORN)
    request = service_request((POTASSIUM,), "Potassium", PATIENT)
    order = ordering.create(cast.agent, PHYSICIAN, PATIENT, LABORATORY, request, terms).order
    _read(cast, LABORATORY, PATIENT, FAMILY)
    laboratory.accept(cast.agent, LABORATORY, order)
    stage.refused(
        "a specimen of somebody else of that name is not taken",
        "agent/wrong-patient",
        lambda: laboratory.collect(cast.agent, LABORATORY, order, laboratory.Presented(PATIENT, "1985-07-02", ""), "serum"),
    )
    laboratory.collect(cast.agent, LABORATORY, order, laboratory.Presented(PATIENT, BORN, ""), "serum")
    stage.refused("a value in a unit that is none is not reported", "fhir/unknown-unit", lambda: _report(cast, order, "mEq/L"))
    _report(cast, order, "mmol/L")
    _read(cast, PHYSICIAN, FAMILY)
    (row,) = acknowledging.attended(cast.agent, PHYSICIAN)
    stage.claim(f"{PHYSICIAN} sees it in red at once: potassium {row.values[0].value} {row.values[0].unit}", row.red)
    stage.claim(f"{FAMILY}, who covers, is not bothered yet", not acknowledging.attended(cast.agent, FAMILY))
    (row,) = _climbed(cast)
    stage.claim(f"nobody acknowledges it in time: it climbs to {FAMILY}, and is red there", row.red and bool(row.climbed_at))
    acknowledging.acknowledge(cast.agent, FAMILY, order)
    _read(cast, PATIENT)
    own = resulted.own_results(cast.agent, PATIENT)
    chart = charting.open_chart(cast.agent, PATIENT, PATIENT, types=("DiagnosticReport",)).shown
    stage.claim(
        "the patient has it in plain words, and in the record", bool(own) and any(b"Potassium" in v.leaf.data for v in chart)
    )


def _report(cast: Cast, order: str, unit: str) -> None:
    """What the laboratory's machine says."""

    def of(value: float) -> dict[str, object]:
        return {"value": value, "unit": unit, "system": _UCUM, "code": unit}

    seen = {
        "resourceType": "Observation",
        "id": "k",
        "status": "final",
        "code": {"coding": [{"system": _LOINC, "code": POTASSIUM, "display": "Potassium"}]},
        "valueQuantity": of(6.9),
        "interpretation": [{"coding": [{"system": _FLAGS, "code": "HH"}]}],
        "referenceRange": [{"low": of(3.5), "high": of(5.1), "text": "adults"}],
    }
    report = {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "code": {"text": "Potassium"},
        "result": [{"reference": "#k"}],
        "contained": [seen],
    }
    reporting.report(cast.agent, LABORATORY, order, json.dumps(report).encode(), ReportStatus.FINAL, SOON)


def _climbed(cast: Cast) -> tuple[acknowledging.AttendedInfo, ...]:
    """What the cover sees once a block has come after the deadline: this network of one member makes blocks as there is work."""
    deadline, number = time.monotonic() + 60, 0
    while not (found := acknowledging.attended(cast.agent, FAMILY)) and time.monotonic() < deadline:
        time.sleep(SOON / 1000)
        number += 1
        request = service_request((), f"Ferritin, tube {number}", PATIENT)
        ordering.create(cast.agent, PHYSICIAN, PATIENT, LABORATORY, request, ordering.OrderTerms(FAMILY, PHYSICIAN, born=BORN))
    return found


def _read(cast: Cast, *names: str) -> None:
    for name in names:
        inbox.collect(cast.agent, name)


SCENES = (_critical,)
