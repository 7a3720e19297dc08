"""Appointments from the patient's side and from the desk's: held, booked, moved, waited for, kept and missed (SCH-23 to 30)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appointing_world import PATIENT, Practice, practice


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Practice]:
    with practice(tmp_path) as made:
        yield made


def test_a_patient_books_and_the_desk_knows_who_comes_and_why(place: Practice) -> None:
    """SCH-23."""
    slot = place.slots()[0]
    made = place.booked(slot)
    assert (made.appointment.status, made.told) == ("booked", True)
    (seen,) = place.desk()
    assert (seen.name, seen.reason, seen.born) == (PATIENT, "a cough", "1980-01-31")
    assert seen.appointment.appointment == made.appointment.appointment
    assert slot not in place.slots()
