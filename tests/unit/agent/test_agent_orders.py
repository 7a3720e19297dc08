"""Orders between people: placed, accepted, collected from the right patient, reported, acknowledged, and found in the record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ordering_world import HIGH, POTASSIUM, Ward, ward
from salus.agent.services import acknowledging, charting, inbox, resulted
from salus.errors import SalusError
from world import DOCTOR, OTHER, PATIENT


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Ward]:
    with ward(tmp_path) as made:
        yield made


def refused(call: Any, *given: Any, **more: Any) -> str:
    """The full code of what refuses the call."""
    with pytest.raises(SalusError) as caught:
        call(*given, **more)
    return caught.value.full_code


def test_a_test_is_ordered_done_reported_acknowledged_and_in_the_record(place: Ward) -> None:
    """ORD-20 to ORD-27."""
    handle = place.create()
    place.told()
    assert place.accept(handle).held
    assert place.collect(handle).accession == "A-17"
    assert place.report(handle, HIGH).status == "completed"
    place.told()
    (row,) = place.attended()
    assert (row.order, row.red, row.duty, row.values[0].flag, row.values[0].population) == (
        handle,
        True,
        "responsible",
        "HH",
        "adults",
    )
    assert place.attended(OTHER) == ()
    assert acknowledging.acknowledge(place.ward.agent, "Dr. Stein", handle).attention == "acknowledged"
    assert place.attended() == ()
    (own,) = resulted.own_results(place.home.agent, PATIENT)
    assert (own.values[0].value, own.values[0].unit, own.charted) == ("6.9", "mmol/L", True)
    (shown,) = charting.open_chart(place.home.agent, PATIENT, PATIENT, types=("Observation",)).shown
    assert b"6.9" in shown.leaf.data
    assert resulted.trend(place.home.agent, PATIENT, POTASSIUM).unit == "mmol/L"
    assert inbox.collect(place.home.agent, DOCTOR) == ()
