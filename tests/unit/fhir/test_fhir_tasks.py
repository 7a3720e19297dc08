"""Fills as FHIR's Tasks: valid, and nothing is lost there and back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.errors import FhirRefused
from salus.fhir.parsing import read_resource
from salus.fhir.tasks import FillInfo, fill_of_task, task_of_fill
from salus.fhir.validation import faults

HANDLE, LICENCE = "ab" * 32, "cd" * 32
STATUSES = ("ready", "accepted", "on-hold", "completed", "stopped", "cancelled", "expired")
moments = st.integers(1, 253_402_300_799_000)  # until the year 9999
maybe = st.just(0) | moments
fills = st.builds(
    FillInfo,
    st.integers(1, 13),
    st.sampled_from(STATUSES),
    maybe,
    moments,
    maybe,
    st.integers(0, 1000),
    maybe,
    st.booleans(),
    st.sampled_from(("", LICENCE)),
)


@given(fills, moments)
def test_a_fill_is_the_same_after_its_way_through_a_task(info: FillInfo, issued: int) -> None:
    """RX-36."""
    task = read_resource(task_of_fill(HANDLE, info, issued))
    assert faults(task) == ()
    assert fill_of_task(task) == (HANDLE, info)


PLAIN = FillInfo(1, "stopped", 0, 1_800_000_000_000, 0, 0, 0, False, "")


@pytest.mark.parametrize(
    "changed",
    [
        {"identifier": []},
        {"status": "ready"},
        {"businessStatus": {}},
        {"restriction": "none"},
        {"output": [{"type": {}}]},
        {"resourceType": "ServiceRequest"},
    ],
)
def test_another_task_is_no_fill(changed: dict[str, object]) -> None:
    """RX-36."""
    value = {**json.loads(task_of_fill(HANDLE, PLAIN, 1)), **changed}
    with pytest.raises(FhirRefused) as caught:
        fill_of_task(read_resource(json.dumps(value).encode()))
    assert caught.value.code == "not-a-fill"
