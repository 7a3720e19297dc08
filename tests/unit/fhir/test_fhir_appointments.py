"""An appointment in FHIR: valid, and equal after there and back (SCH-31)."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from msgspec import json as msgjson

from salus.errors import FhirRefused
from salus.fhir.appointments import AppointmentInfo, PlaceInfo, from_fhir, to_fhir
from salus.fhir.parsing import read_resource
from salus.fhir.validation import faults
from salus.ledger.modules.scheduling.messages import DeclineReason, Override
from salus.ledger.modules.scheduling.state import AppointmentStatus

START = 1_800_000_000_123
AT = PlaceInfo("ab" * 32, START, START + 1, "visit", "Dr. Reyes", "Hospital", "Surgery", "Bern", "Europe/Zurich", ("tel:1", "x"))
OWN = replace(AT, practitioner="")
BARE = PlaceInfo("cd" * 32, START, START + 2, "video", "", "", "", "", "UTC", ())


def info(status: str, *places: PlaceInfo, until: int = 0, reason: str = "", override: str = "none") -> AppointmentInfo:
    """An appointment at these places."""
    begins = min((at.begins for at in places), default=0)
    return AppointmentInfo(
        "ef" * 32, status, begins, max((at.ends for at in places), default=0), until, START, reason, override, places
    )


@pytest.mark.parametrize("status", list(AppointmentStatus))
def test_an_appointment_of_each_status_is_valid_and_comes_back(status: AppointmentStatus) -> None:
    """SCH-31."""
    made = info(status.value, *(() if status is AppointmentStatus.WAITLIST else (AT, OWN, BARE)))
    raw = to_fhir(made, "Ana", "a cough")
    assert (b"HealthcareService" in raw) == bool(made.places)
    assert faults(read_resource(raw)) == ()
    assert from_fhir(raw) == (made, "Ana", "a cough")


def test_codes_and_deadlines_come_back() -> None:
    """SCH-31."""
    for reason in DeclineReason:
        made = info("cancelled", AT, until=START, reason=reason.value, override=Override.URGENT.value)
        assert from_fhir(to_fhir(made, "Ana")) == (made, "Ana", "")


@pytest.mark.parametrize("left_out", ["participant", "identifier", "extension", "meta"])
def test_what_is_no_such_appointment_is_refused(left_out: str) -> None:
    """SCH-31."""
    value = json.loads(to_fhir(info("booked", AT), "Ana"))
    del value[left_out]
    with pytest.raises(FhirRefused) as caught:
        from_fhir(msgjson.encode(value))
    assert caught.value.code == "no-appointment"
