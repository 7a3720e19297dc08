"""A prescription's life on the ledger: who may do what, when, once; and what the loser of a race is told (RX-1 to RX-20)."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger_world import SMALL_ORDER, STEP, public
from prescriptions_world import COLLEAGUE, DOCTOR, PHARMACIST, Prescribing, history
from salus.ledger.modules.prescriptions.messages import (
    AcceptFill,
    CancelPrescription,
    DispenseFill,
    Identified,
    IssuePrescription,
    NewFill,
    Rest,
    TakePrescription,
)
from salus.ledger.modules.prescriptions.queries import fill, prescription
from salus.ledger.modules.prescriptions.state import DAY, KEPT, LONGEST, NOBODY, TABLE, FillStatus, prescription_key
from salus.ledger.workflow import diagram

ROOT = Path(__file__).parents[3]


@pytest.fixture
def rx() -> Prescribing:
    world = Prescribing()
    assert world.issue("a") == ""
    return world


# --- issuing


def test_whoever_prescribes_has_the_right_to_when_it_is_issued(rx: Prescribing) -> None:
    """RX-2."""
    assert rx.issue("b", by=PHARMACIST) == "ledger/not-licensed"
    rx.suspend(DOCTOR)
    assert rx.issue("b") == "ledger/not-licensed"
    assert rx.accept("a") == ""  # what was written before stands


def test_a_handle_is_taken_once(rx: Prescribing) -> None:
    """RX-1."""
    assert rx.issue("a") == "ledger/handle-taken"


def test_controlled_substances_need_a_right_of_their_own_and_are_for_one_fill(rx: Prescribing) -> None:
    """RX-3."""
    assert rx.issue("b", 2, controlled=True) == "ledger/controlled-once"
    assert rx.issue("b", controlled=True) == ""
    assert prescription(rx.store, rx.id("b")).controlled


@pytest.mark.parametrize(("opens", "closes"), [(0, 0), (50 * DAY, 50 * DAY), (60 * DAY, 50 * DAY), (0, LONGEST + 10 * STEP)])
def test_a_fill_closes_after_it_opens_and_within_a_year(rx: Prescribing, opens: int, closes: int) -> None:
    """RX-4."""
    new = NewFill(public("bearer"), rx.time + opens, rx.time + closes)
    message = IssuePrescription(rx.licences[DOCTOR], public("control b"), bytes(32), False, 0, (new,))
    assert rx.do(message, by=[DOCTOR]) == "ledger/wrong-window"


def test_keys_are_sound(rx: Prescribing) -> None:
    """RX-1, RX-6."""
    window = (rx.time, rx.time + 90 * DAY)
    good = NewFill(public("bearer"), *window)
    for control, bearer in ((SMALL_ORDER, public("bearer")), (public("control b"), SMALL_ORDER)):
        message = IssuePrescription(rx.licences[DOCTOR], control, bytes(32), False, 0, (NewFill(bearer, *window),))
        assert rx.do(message, by=[DOCTOR]) == "crypto/unsound-key"
    assert rx.do(TakePrescription(rx.id("a"), SMALL_ORDER), by=["control a"]) == "crypto/unsound-key"
    accept = AcceptFill(rx.id("a"), 0, rx.licences[PHARMACIST], SMALL_ORDER, rx.time + STEP + 3 * DAY)
    assert rx.do(accept, by=["bearer a 0", PHARMACIST]) == "crypto/unsound-key"
    assert good.bearer != SMALL_ORDER


# --- accepting


def test_one_pharmacy_has_it_and_the_next_is_told_what_became_of_it(rx: Prescribing) -> None:
    """RX-5, RX-7."""
    assert rx.accept("a", at="first") == ""
    assert rx.fill("a").holder == public("holder first")
    assert rx.accept("a", at="second", by=COLLEAGUE) == "ledger/is-accepted"
    assert rx.dispense("a") == ""
    assert rx.accept("a", at="second", by=COLLEAGUE) == "ledger/is-completed"


def test_nobody_has_it_without_the_bearer_key_or_the_right_to_dispense(rx: Prescribing) -> None:
    """RX-6."""
    assert rx.accept("a", bearer="somebody's") == "ledger/wrong-signers"
    assert rx.accept("a", by=DOCTOR) == "ledger/not-licensed"
    rx.suspend(PHARMACIST)
    assert rx.accept("a") == "ledger/not-licensed"


def test_an_acceptance_cannot_be_made_anothers(rx: Prescribing) -> None:
    """RX-6: the bearer's signature is over pharmacist, sponsor and holder."""
    own = AcceptFill(rx.id("a"), 0, rx.licences[PHARMACIST], public("holder thief"), rx.time + STEP + 3 * DAY)
    assert rx.do(own, by=[PHARMACIST]) == "ledger/wrong-signers"


def test_a_code_that_others_have_seen_is_replaced_and_the_old_one_opens_nothing(rx: Prescribing) -> None:
    """RX-8."""
    assert rx.rotate("a") == ""
    assert rx.accept("a", bearer="bearer a 0") == "ledger/wrong-signers"
    assert rx.accept("a") == ""
    assert rx.rotate("a") == "ledger/is-accepted"


def test_the_patients_own_key_takes_the_place_of_the_one_that_came_with_it(rx: Prescribing) -> None:
    """RX-8."""
    assert rx.take("a") == ""
    assert rx.do(TakePrescription(rx.id("a"), public("x")), by=["control a"]) == "ledger/wrong-signers"
    assert rx.delete("a") == ""


def test_a_part_is_not_to_be_had_before_its_time_nor_after(rx: Prescribing) -> None:
    """RX-4, RX-9."""
    assert rx.issue("b", opens=rx.time + 30 * DAY, days=60) == ""
    assert rx.accept("b") == "ledger/not-open-yet"
    rx.pass_time(31)
    assert rx.accept("b") == ""
    rx.pass_time(60)
    assert rx.statuses("a") == rx.statuses("b") == ["expired"]
    assert rx.accept("a") == "ledger/is-expired"


def test_a_repeat_waits_for_its_interval(rx: Prescribing) -> None:
    """RX-9."""
    assert rx.issue("b", 3, interval=28 * DAY, days=365) == ""
    assert rx.accept("b", 0) == ""
    assert rx.dispense("b", 0) == ""
    assert rx.accept("b", 1) == "ledger/too-early"
    rx.pass_time(28)
    assert rx.accept("b", 1) == ""


@pytest.mark.parametrize("days", [2.9, 14.1])
def test_a_pharmacy_has_it_for_three_days_at_least_and_two_weeks_at_most(rx: Prescribing, days: float) -> None:
    """RX-10."""
    assert rx.accept("a", days=days) == "ledger/wrong-deadline"


def test_a_silent_pharmacy_has_it_no_longer_and_the_next_is_warned(rx: Prescribing) -> None:
    """RX-10, RX-11."""
    assert rx.accept("a", at="first") == ""
    rx.pass_time(3)
    assert (rx.status("a"), rx.fill("a").doubtful, rx.fill("a").holder) == ("ready", True, NOBODY)
    assert rx.dispense("a") == "ledger/is-ready"
    assert rx.accept("a", at="second", by=COLLEAGUE) == ""
    assert rx.fill("a").doubtful


def test_an_acceptance_that_was_given_back_does_not_end_the_next_one(rx: Prescribing) -> None:
    """RX-10: the first one's deadline is of no matter any more."""
    assert rx.accept("a", days=3) == ""
    assert rx.give_back("a") == ""
    assert not rx.fill("a").doubtful
    assert rx.accept("a", days=7) == ""
    rx.pass_time(4)
    assert rx.status("a") == "accepted"


def test_what_comes_back_after_its_window_is_over(rx: Prescribing) -> None:
    """RX-4."""
    rx.pass_time(89)
    assert rx.accept("a", days=3) == ""
    rx.pass_time(2)
    assert rx.status("a") == "accepted"
    assert rx.give_back("a") == ""
    assert rx.status("a") == "expired"


def test_a_controlled_substance_is_freed_by_its_prescriber_alone(rx: Prescribing) -> None:
    """RX-3, RX-11."""
    assert rx.issue("b", controlled=True) == ""
    assert rx.accept("b") == ""
    rx.pass_time(20)
    assert rx.status("b") == "accepted"
    assert rx.free("b", by=COLLEAGUE) == "ledger/wrong-signers"
    assert rx.free("b") == ""
    assert (rx.status("b"), rx.fill("b").doubtful) == ("ready", True)
    assert rx.free("b") == "ledger/is-ready"


# --- dispensing


def test_no_more_is_dispensed_than_was_ordered_whoever_does_it(rx: Prescribing) -> None:
    """RX-12."""
    assert rx.accept("a", at="first") == ""
    assert rx.dispense("a", share=600) == ""
    assert rx.status("a") == "accepted"
    assert rx.dispense("a", share=500) == "ledger/too-much"
    assert rx.dispense("a", share=300, rest=Rest.FREE) == ""
    assert (rx.status("a"), rx.fill("a").dispensed) == ("ready", 900)
    assert rx.accept("a", at="second", by=COLLEAGUE) == ""
    assert rx.dispense("a", share=200, by=COLLEAGUE) == "ledger/too-much"
    assert rx.dispense("a", share=50, rest=Rest.CLOSE, by=COLLEAGUE) == ""
    assert (rx.status("a"), rx.fill("a").dispensed) == ("completed", 950)


def test_a_colleague_goes_on_by_the_pharmacys_key_and_a_stranger_does_not(rx: Prescribing) -> None:
    """RX-7, RX-12."""
    assert rx.accept("a") == ""
    stranger = DispenseFill(rx.id("a"), 0, rx.licences[COLLEAGUE], 1_000, Rest.KEEP, Identified.NOT)
    assert rx.do(stranger, by=[COLLEAGUE]) == "ledger/wrong-signers"
    assert rx.dispense("a", by=COLLEAGUE) == ""
    assert rx.fill("a").licence == rx.licences[COLLEAGUE]


def test_who_may_not_dispense_any_more_does_not(rx: Prescribing) -> None:
    """RX-12."""
    assert rx.accept("a") == ""
    rx.suspend(PHARMACIST)
    assert rx.dispense("a") == "ledger/not-licensed"
    assert rx.give_back("a") == ""


def test_whoever_fetches_a_controlled_substance_is_identified(rx: Prescribing) -> None:
    """RX-3."""
    assert rx.issue("b", controlled=True) == ""
    assert rx.accept("b") == ""
    assert rx.dispense("b") == "ledger/not-identified"
    assert rx.dispense("b", identified=Identified.DOCUMENT) == ""


def test_what_was_never_collected_is_undone_once_and_in_time(rx: Prescribing) -> None:
    """RX-13."""
    assert rx.accept("a", days=14) == ""
    assert rx.undo("a") == "ledger/nothing-dispensed"
    assert rx.dispense("a", share=300) == ""
    assert rx.dispense("a", share=700) == ""
    assert rx.undo("a") == ""
    assert (rx.status("a"), rx.fill("a").dispensed) == ("accepted", 300)
    assert rx.undo("a") == "ledger/nothing-dispensed"
    rx.pass_time(4)
    assert rx.status("a") == "accepted"  # it was to be held for two weeks, and still is
    rx.pass_time(10)
    assert rx.status("a") == "ready"
    assert rx.accept("a") == ""
    assert rx.dispense("a", share=700) == ""
    rx.pass_time(8)
    assert rx.undo("a") == ""
    rx.pass_time(2.9)
    assert rx.status("a") == "accepted"  # its three days were over; it is held for three from the undoing on
    assert rx.dispense("a", share=700) == ""
    rx.pass_time(31)
    assert rx.undo("a") == "ledger/too-late"


# --- cancelling, stopping, deleting


def test_a_prescriber_cancels_what_nobody_has_taken(rx: Prescribing) -> None:
    """RX-14."""
    assert rx.cancel("a", by=COLLEAGUE) == "ledger/wrong-signers"
    assert rx.cancel("a") == ""
    assert rx.accept("a") == "ledger/is-cancelled"
    assert rx.cancel("a") == "ledger/is-cancelled"
    assert rx.issue("b", 2) == ""
    assert rx.accept("b", 1) == ""
    assert rx.cancel("b") == "ledger/is-accepted"
    assert rx.statuses("b") == ["ready", "accepted"]
    assert rx.dispense("b", 1, share=500, rest=Rest.FREE) == ""
    assert rx.cancel("b") == "ledger/taken-before"


def test_what_is_over_is_not_cancelled(rx: Prescribing) -> None:
    """RX-14."""
    rx.pass_time(91)
    assert rx.cancel("a") == "ledger/is-expired"
    assert rx.delete("a") == "ledger/is-expired"


def test_a_stop_reaches_whoever_has_it_and_blocks_it_until_it_is_seen(rx: Prescribing) -> None:
    """RX-15."""
    assert rx.issue("b", 3) == ""
    assert rx.accept("b", 0) == rx.dispense("b", 0) == ""
    assert rx.accept("b", 1) == ""
    assert rx.acknowledge("b", 1) == "ledger/is-accepted"
    assert rx.stop("b", by=COLLEAGUE) == "ledger/wrong-signers"
    assert rx.stop("b") == ""
    assert rx.statuses("b") == ["completed", "on-hold", "stopped"]
    assert prescription(rx.store, rx.id("b")).stopped == rx.time
    assert rx.dispense("b", 1) == "ledger/is-on-hold"
    rx.pass_time(4)
    assert rx.dispense("b", 1) == "ledger/is-on-hold"  # not even when the acceptance is over
    assert rx.acknowledge("b", 1) == ""
    assert rx.statuses("b") == ["completed", "stopped", "stopped"]
    assert rx.stop("b") == "ledger/is-stopped"


def test_the_rest_of_a_fill_whose_window_is_over_is_for_nobody(rx: Prescribing) -> None:
    """RX-4."""
    assert rx.issue("b", days=2) == ""
    assert rx.accept("b", days=14) == ""
    rx.pass_time(3)
    assert rx.dispense("b", share=400, rest=Rest.FREE) == ""
    assert (rx.status("b"), rx.accept("b")) == ("expired", "ledger/is-expired")


def test_what_was_collected_is_closed_and_undone_no_more(rx: Prescribing) -> None:
    """RX-18."""
    assert rx.accept("a") == ""
    assert rx.close("a") == "ledger/is-accepted"
    assert rx.dispense("a") == ""
    assert rx.close("a") == ""
    assert (rx.undo("a"), rx.close("a")) == ("ledger/nothing-dispensed", "ledger/nothing-dispensed")
    assert (rx.status("a"), rx.fill("a").dispensed) == ("completed", 1_000)


def test_what_was_stopped_does_not_come_back_by_an_undo_or_a_return(rx: Prescribing) -> None:
    """RX-13, RX-15."""
    assert rx.issue("b", 2) == ""
    assert rx.accept("b", 0) == rx.dispense("b", 0) == rx.accept("b", 1) == ""
    assert rx.stop("b") == ""
    assert rx.undo("b", 0) == ""
    assert rx.give_back("b", 1) == ""
    assert rx.statuses("b") == ["stopped", "stopped"]


def test_a_stop_of_what_is_over_says_so(rx: Prescribing) -> None:
    """RX-15."""
    assert rx.cancel("a") == ""
    assert rx.stop("a") == "ledger/is-cancelled"


def test_a_patient_deletes_what_nobody_works_on(rx: Prescribing) -> None:
    """RX-16."""
    assert rx.issue("b", 3) == ""
    assert rx.accept("b", 0) == ""
    assert rx.delete("b") == "ledger/is-accepted"
    assert rx.dispense("b", 0) == ""
    assert rx.delete("b") == ""
    assert rx.statuses("b") == ["completed", "cancelled", "cancelled"]
    assert rx.do(CancelPrescription(rx.id("b")), by=["control b"]) == "ledger/wrong-signers"


def test_what_there_is_not_is_said(rx: Prescribing) -> None:
    assert rx.do(CancelPrescription(bytes(32)), by=[DOCTOR]) == "ledger/no-such-prescription"
    assert rx.free("a", 1) == "ledger/no-such-fill"


def test_a_prescription_is_forgotten_years_after_it_is_over(rx: Prescribing) -> None:
    """RX-17."""
    assert rx.issue("b", 2) == ""
    rx.block(at=rx.time + 91 * DAY + KEPT)
    assert rx.store.get(prescription_key(rx.id("a"))) is None
    assert [key for key in rx.state() if key.startswith(b"prescriptions/")] == []


# --- all of it


@pytest.mark.parametrize("seed", range(24))
def test_a_history_by_chance_goes_as_a_person_would_write_it_down(seed: int) -> None:
    assert history(seed, 150) == []


def test_the_diagram_shows_the_table() -> None:
    page = (ROOT / "docs" / "state-machines" / "prescriptions.md").read_text("utf-8")
    assert f"```mermaid\n{diagram(TABLE, {'IssuePrescription': FillStatus.READY})}\n```" in page


def test_the_id_is_of_the_network_and_the_control_key(rx: Prescribing) -> None:
    """RX-1."""
    assert fill(rx.store, rx.id("a"), 0).bearer == public("bearer a 0")
    assert rx.id("a") != rx.id("b")
