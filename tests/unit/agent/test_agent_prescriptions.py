"""Prescriptions between people: issued, shown as a code, accepted once, dispensed, and found in the record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from salus.agent.services import charting, dispensing, inbox, prescribed, prescribing
from salus.agent.services.dispensing import Supply
from salus.agent.services.prescribing import Terms
from salus.exchange.cards import Role
from salus.exchange.prescribing import PrescriptionCode, code_from_text, code_to_text
from salus.fhir.authoring import medication_request
from world import DOCTOR, PATIENT, Clock, World, opened

PHARMACIST, RIVAL = "Ph. Abel", "Ph. Rival"
PLAIN = Terms()
DRUG = "Amoxicillin 250 mg, 30 capsules"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with opened(tmp_path / "home", Clock()) as made:
        made.person(PATIENT)
        made.person(DOCTOR, Role.PHYSICIAN)
        made.person(PHARMACIST, Role.PHARMACIST)
        yield made


def issue(world: World, terms: Terms = PLAIN, drug: str = DRUG) -> str:
    """Prescribe, and collect the letter; the handle."""
    data = medication_request(drug, "one three times a day", PATIENT)
    made = prescribing.issue(world.agent, DOCTOR, PATIENT, data, terms)
    inbox.collect(world.agent, PATIENT)
    return made.prescription


def scanned(world: World, handle: str, number: int | None = None) -> PrescriptionCode:
    """The code as it is read back from what the patient shows."""
    code, _ = prescribed.code(world.agent, PATIENT, handle, number)
    return code_from_text(code_to_text(code).encode())


def test_a_prescription_is_issued_shown_accepted_and_dispensed(world: World) -> None:
    handle = issue(world)
    (own,) = prescribed.own_prescriptions(world.agent, PATIENT)
    assert (own.prescription, own.drug, own.taken, own.fills[0].status) == (handle, DRUG, True, "ready")
    seen = dispensing.open_code(world.agent, PHARMACIST, scanned(world, handle))
    assert (seen.drug, seen.patient, seen.prescriber, seen.state.status) == (DRUG, PATIENT, DOCTOR, "ready")
    assert dispensing.accept(world.agent, PHARMACIST, handle, None).held
    done = dispensing.dispense(world.agent, PHARMACIST, handle, None, Supply(quantity="30", batch="B1"))
    assert (done.state.status, done.state.dispensed, done.told) == ("completed", 1000, True)
    (item,) = inbox.collect(world.agent, PATIENT)
    assert (item.kind, item.trouble) == ("dispensed", "")
    text = charting.chart_text(charting.open_chart(world.agent, PATIENT, PATIENT))
    assert DRUG in text
