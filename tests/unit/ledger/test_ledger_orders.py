"""An order's life on the ledger: who may do what, when; and what is reported stays red until a person has seen it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger_world import SMALL_ORDER, STEP, public, some
from orders_world import (
    CHIEF,
    CORRECTED,
    COVER,
    DOCTOR,
    FINAL,
    LABORATORY,
    PRELIMINARY,
    SHIFT,
    Ordering,
    history,
)
from salus.ledger.modules.orders.messages import AcceptOrder, PlaceOrder, Reason
from salus.ledger.modules.orders.state import (
    ATTENTION,
    DAY,
    DUE_MOST,
    KEPT,
    LONGEST,
    NOBODY,
    TABLE,
    Attention,
    OrderStatus,
    order_hash,
    order_key,
    report_hash,
    specimen_hash,
)
from salus.ledger.workflow import diagram

ROOT = Path(__file__).parents[3]


@pytest.fixture
def lab() -> Ordering:
    world = Ordering()
    world.collected("a")
    return world


# --- ordering


def test_what_is_hashed_as_one_thing_is_no_other() -> None:
    """ORD-1: an order, a specimen and a report of the same bytes; and nobody guesses what lies under another salt."""
    hashes = [one(salt, b"the same") for one in (order_hash, specimen_hash, report_hash) for salt in (some("a"), some("b"))]
    assert len(set(hashes)) == 6


@pytest.mark.parametrize("who", [DOCTOR, CHIEF, COVER])
def test_whoever_orders_is_responsible_or_covers_has_the_right_to_order(lab: Ordering, who: str) -> None:
    """ORD-2."""
    assert lab.place("b", by=LABORATORY) == "ledger/not-licensed"
    lab.suspend(who)
    assert lab.place("b") == "ledger/not-licensed"
    assert lab.report("a") == ""  # what was ordered before stands


def test_a_handle_is_taken_once_and_keys_are_sound(lab: Ordering) -> None:
    """ORD-1."""
    assert lab.place("a") == "ledger/handle-taken"
    who = [lab.licences[name] for name in (CHIEF, COVER)]
    for bearer, control in ((SMALL_ORDER, NOBODY), (public("bearer b"), SMALL_ORDER)):
        message = PlaceOrder(lab.licences[DOCTOR], bearer, control, *who, bytes(32), lab.time + DAY)
        assert lab.do(message, by=[DOCTOR]) == "crypto/unsound-key"
    assert lab.place("b") == ""
    assert lab.do(AcceptOrder(lab.id("b"), lab.licences[LABORATORY], SMALL_ORDER), by=["bearer b", LABORATORY]) == (
        "crypto/unsound-key"
    )


@pytest.mark.parametrize("days", [-1, 0, LONGEST / DAY + 1])
def test_a_report_is_due_later_than_now_and_within_a_year(lab: Ordering, days: float) -> None:
    """ORD-3."""
    assert lab.place("b", days=days) == "ledger/wrong-deadline"


def test_one_laboratory_has_it_by_the_bearer_key_and_the_right_to_report(lab: Ordering) -> None:
    """ORD-4, ORD-5."""
    assert lab.place("b") == ""
    assert lab.accept("b", bearer="somebody's") == "ledger/wrong-signers"
    assert lab.accept("b", by=DOCTOR) == "ledger/not-licensed"
    assert lab.collect("b") == "ledger/is-requested"
    assert lab.accept("b") == ""
    assert lab.accept("b", by=SHIFT) == "ledger/is-accepted"
    assert lab.order("b").laboratory == lab.licences[LABORATORY]


def test_a_laboratory_rejects_what_it_will_not_do(lab: Ordering) -> None:
    """ORD-6."""
    assert lab.place("b") == lab.place("c") == ""
    assert lab.reject("b", by="somebody's") == "ledger/wrong-signers"
    assert lab.reject("b") == ""
    assert lab.accept("b") == "ledger/is-rejected"
    assert lab.accept("c") == ""
    assert lab.reject("c", by="bearer c") == "ledger/wrong-signers"
    assert lab.reject("c") == ""
    assert lab.order("c").reason is Reason.UNCLEAR
    assert lab.reject("a") == "ledger/is-in-progress"


def test_a_spoiled_specimen_is_collected_anew(lab: Ordering) -> None:
    """ORD-7."""
    assert lab.collect("a") == "ledger/is-in-progress"
    assert lab.spoil("a") == ""
    assert (lab.order("a").status, lab.order("a").reason, lab.order("a").specimen) == ("accepted", "haemolysed", NOBODY)
    assert lab.report("a") == "ledger/is-accepted"
    assert lab.collect("a") == lab.report("a") == ""
    assert lab.spoil("a") == "ledger/is-completed"


# --- taking back


def test_the_orderer_takes_back_what_is_not_reported_and_no_report_follows(lab: Ordering) -> None:
    """ORD-8."""
    assert lab.cancel("a", by=CHIEF) == "ledger/wrong-signers"
    assert lab.cancel("a") == ""
    assert lab.report("a") == "ledger/is-cancelled"
    assert lab.cancel("a") == "ledger/is-cancelled"
    lab.collected("b")
    assert lab.report("b", PRELIMINARY) == ""
    assert lab.cancel("b") == "ledger/reported-before"


def test_the_patient_withdraws_what_nobody_has_a_specimen_of(lab: Ordering) -> None:
    """ORD-9."""
    assert lab.place("b") == lab.place("c", control=False) == ""
    assert lab.withdraw("b", by="somebody's") == "ledger/wrong-signers"
    assert lab.withdraw("b") == ""
    assert lab.withdraw("c") == "ledger/no-control-key"
    assert lab.withdraw("a") == "ledger/is-in-progress"


# --- reporting


def test_a_preliminary_report_is_followed_by_a_final_one_and_that_by_corrections(lab: Ordering) -> None:
    """ORD-10, ORD-11."""
    assert lab.report("a", CORRECTED) == "ledger/wrong-report-status"
    assert lab.report("a", PRELIMINARY) == lab.report("a", PRELIMINARY) == ""
    assert lab.order("a").status is OrderStatus.IN_PROGRESS
    assert lab.report("a", FINAL) == ""
    assert lab.order("a").status is OrderStatus.COMPLETED
    for status in (PRELIMINARY, FINAL):
        assert lab.report("a", status) == "ledger/wrong-report-status"
    assert lab.report("a", CORRECTED) == lab.report("a", CORRECTED) == ""
    assert (lab.order("a").reports, lab.one("a", 4).report) == (5, some("report a 4"))


def test_a_report_names_the_one_before_it(lab: Ordering) -> None:
    """ORD-11: of two who correct at once, one has seen the other's."""
    assert lab.report("a", FINAL) == ""
    assert lab.report("a", CORRECTED, follows=1) == ""
    for follows in (0, 1, 3):
        assert lab.report("a", CORRECTED, follows=follows) == "ledger/not-the-next-report"


def test_who_reports_has_the_right_to_and_acts_for_the_laboratory(lab: Ordering) -> None:
    """ORD-5, ORD-10."""
    assert lab.report("a", by=SHIFT, holder="somebody's") == "ledger/wrong-signers"
    assert lab.report("a", by=DOCTOR) == "ledger/not-licensed"
    assert lab.report("a", by=SHIFT) == ""
    assert lab.one("a").licence == lab.licences[SHIFT]


@pytest.mark.parametrize("days", [0.000005, DUE_MOST / DAY + 1])
def test_a_report_is_to_be_acknowledged_within_a_month(lab: Ordering, days: float) -> None:
    """ORD-12."""
    assert lab.report("a", days=days) == "ledger/wrong-deadline"


def test_a_laboratory_that_never_reports_has_failed_and_one_that_is_late_is_heard(lab: Ordering) -> None:
    """ORD-3."""
    assert lab.place("b") == lab.place("c") == lab.accept("c") == ""
    lab.pass_time(11)
    assert [lab.order(name).status.value for name in "abc"] == ["failed"] * 3
    assert lab.accept("b") == lab.report("b") == lab.report("c") == lab.collect("c") == "ledger/is-failed"
    assert lab.report("a", PRELIMINARY) == ""
    assert lab.order("a").status is OrderStatus.FAILED
    assert lab.report("a", FINAL) == ""
    assert lab.order("a").status is OrderStatus.COMPLETED


def test_what_is_over_does_not_fail(lab: Ordering) -> None:
    """ORD-3."""
    assert lab.report("a") == ""
    lab.pass_time(11)
    assert lab.order("a").status is OrderStatus.COMPLETED


# --- acknowledging


def test_a_report_is_acknowledged_once_by_who_is_responsible_or_covers(lab: Ordering) -> None:
    """ORD-13."""
    assert lab.report("a") == ""
    assert lab.acknowledge("a", by=DOCTOR) == "ledger/not-responsible"
    assert lab.acknowledge("a", by=COVER) == ""
    assert (lab.one("a").by, lab.one("a").seen) == (lab.licences[COVER], lab.time)
    assert lab.acknowledge("a") == "ledger/is-acknowledged"
    assert lab.acknowledge("a", 1) == "ledger/no-such-report"


def test_whose_licence_is_suspended_acknowledges_nothing(lab: Ordering) -> None:
    """ORD-13."""
    assert lab.report("a") == ""
    lab.suspend(CHIEF)
    assert lab.acknowledge("a") == "ledger/not-licensed"
    assert lab.acknowledge("a", by=COVER) == ""


def test_what_nobody_acknowledges_climbs_and_stays_so_until_somebody_does(lab: Ordering) -> None:
    """ORD-14."""
    assert lab.report("a", days=1) == ""
    lab.pass_time(0.9)
    assert lab.attention("a") == ["awaited"]
    lab.pass_time(0.2)
    assert (lab.attention("a"), lab.one("a").climbed) == (["climbed"], lab.time)
    lab.pass_time(300)
    assert lab.attention("a") == ["climbed"]
    assert lab.acknowledge("a", by=COVER) == ""
    assert lab.attention("a") == ["acknowledged"]


def test_what_is_acknowledged_in_time_does_not_climb(lab: Ordering) -> None:
    """ORD-14."""
    assert lab.report("a") == lab.acknowledge("a") == ""
    lab.pass_time(2)
    assert lab.attention("a") == ["acknowledged"]


def test_no_correction_makes_what_is_red_go(lab: Ordering) -> None:
    """ORD-14: what nobody has acknowledged gives its urgency to what comes in its place."""
    assert lab.report("a", PRELIMINARY, days=1) == lab.report("a", FINAL, days=30) == ""
    assert lab.attention("a") == ["superseded", "awaited"]
    assert lab.acknowledge("a", 0) == "ledger/is-superseded"
    lab.pass_time(1)
    assert lab.attention("a") == ["superseded", "climbed"]
    assert lab.report("a", CORRECTED, days=30) == ""
    assert lab.attention("a") == ["superseded", "superseded", "climbed"]
    assert lab.acknowledge("a", 2) == ""
    assert lab.report("a", CORRECTED, days=30) == ""
    assert lab.attention("a")[2:] == ["acknowledged", "awaited"]


# --- all of it


def test_what_there_is_not_is_said(lab: Ordering) -> None:
    for act in (lab.cancel, lab.withdraw, lab.accept, lab.collect, lab.acknowledge):
        assert act("x") == "ledger/no-such-order"


def test_an_order_is_forgotten_years_after_it_is_over(lab: Ordering) -> None:
    """ORD-15: and what of it would have climbed then, does not."""
    lab.block(at=lab.order("a").deadline + KEPT - STEP - DAY)
    assert lab.report("a", days=30) == ""
    lab.pass_time(2)
    assert lab.store.get(order_key(lab.id("a"))) is None
    lab.pass_time(40)
    assert [key for key in lab.state() if key.startswith(b"orders/")] == []


@pytest.mark.parametrize("seed", range(16))
def test_a_history_by_chance_goes_as_a_person_would_write_it_down(seed: int) -> None:
    assert history(seed, 150) == []


def test_the_diagram_shows_the_tables() -> None:
    page = (ROOT / "docs" / "state-machines" / "orders.md").read_text("utf-8")
    assert f"```mermaid\n{diagram(TABLE, {'PlaceOrder': OrderStatus.REQUESTED})}\n```" in page
    page = (ROOT / "docs" / "state-machines" / "reports.md").read_text("utf-8")
    begins = {"ReportResult": Attention.AWAITED, "ReportResult after what climbed": Attention.CLIMBED}
    assert f"```mermaid\n{diagram(ATTENTION, begins)}\n```" in page
