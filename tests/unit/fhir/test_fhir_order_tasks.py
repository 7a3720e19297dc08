"""Orders as FHIR's Tasks: valid, and nothing is lost there and back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.errors import FhirRefused
from salus.fhir.order_tasks import OrderState, ReportInfo, order_of_task, task_of_order
from salus.fhir.parsing import read_resource
from salus.fhir.validation import faults
from salus.ledger.modules.orders.messages import Reason, ReportStatus
from salus.ledger.modules.orders.state import Attention, OrderStatus

moments = st.integers(1, 253_402_300_799_000)  # until the year 9999
maybe = st.just(0) | moments
ids = st.binary(min_size=32, max_size=32).map(bytes.hex)
perhaps = st.just("") | ids
statuses = st.sampled_from([one.value for one in ReportStatus])
attentions = st.sampled_from([one.value for one in Attention])
reports = st.builds(ReportInfo, st.integers(1, 256), statuses, moments, moments, attentions, maybe, perhaps, maybe)
orders = st.builds(
    OrderState,
    ids,
    st.sampled_from([one.value for one in OrderStatus]),
    moments,
    moments,
    ids,
    ids,
    ids,
    perhaps,
    perhaps,
    st.sampled_from(["", *(one.value for one in Reason)]),
    st.lists(reports, max_size=3).map(tuple),
)


@given(orders)
def test_an_order_is_the_same_after_its_way_through_a_task(info: OrderState) -> None:
    """ORD-34."""
    task = read_resource(task_of_order(info))
    assert faults(task) == ()
    assert order_of_task(task) == info


SEEN = ReportInfo(1, "final", 3, 9, "acknowledged", 0, "ef" * 32, 4)
PLAIN = OrderState("ab" * 32, "completed", 1, 2, "cd" * 32, "cd" * 32, "cd" * 32, "", "", "", (SEEN,))


def test_a_task_names_the_request_and_what_is_to_be_looked_at() -> None:
    """ORD-34."""
    value = json.loads(task_of_order(PLAIN))
    assert value["focus"]["identifier"]["value"] == PLAIN.order
    assert (value["status"], value["businessStatus"]["coding"][0]["code"]) == ("completed", "acknowledged")


@pytest.mark.parametrize(
    "changed",
    [
        {"identifier": []},
        {"status": "ready"},
        {"input": []},
        {"restriction": "none"},
        {"authoredOn": "soon"},
        {"output": [{"type": {}}]},
        {"output": [{**json.loads(task_of_order(PLAIN))["output"][0], "type": {"coding": [{"system": "urn:salus:report"}]}}]},
        {"resourceType": "ServiceRequest"},
    ],
)
def test_another_task_is_no_order(changed: dict[str, object]) -> None:
    """ORD-34."""
    value = {**json.loads(task_of_order(PLAIN)), **changed}
    with pytest.raises(FhirRefused) as caught:
        order_of_task(read_resource(json.dumps(value).encode()))
    assert caught.value.code == "not-an-order"
