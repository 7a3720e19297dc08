"""Schedules and appointments on the ledger: who may do what, when, once; what the loser of a race is told (SCH-1 to SCH-22)."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger_world import SMALL_ORDER, START, public
from salus.ledger.modules.licences.messages import LicenceStatus
from salus.ledger.modules.scheduling.messages import (
    DAY,
    HOUR,
    LONGEST_PERIOD,
    MINUTE,
    CancelAppointment,
    DeclineReason,
    HoldSlots,
    Kind,
    MoveAppointment,
    OpenSchedule,
    Override,
    PublishSlots,
    ShownSlot,
    Slot,
)
from salus.ledger.modules.scheduling.queries import schedule
from salus.ledger.modules.scheduling.state import (
    CLOSED_AFTER,
    KEPT,
    MOST_AT_ONE_START,
    MOST_OPEN_HERE,
    MOST_PERIODS,
    MOST_WAITING,
    TABLE,
    AppointmentStatus,
    appointment_key,
    offer_until,
    page_root,
    shown,
)
from salus.ledger.workflow import diagram
from scheduling_world import DOCTOR, MORNING, QUARTER, SURGEON, Scheduling, grid, history

ROOT = Path(__file__).parents[3]
TO_MORNING = MORNING - START


@pytest.fixture
def desk() -> Scheduling:
    """A doctor's morning of eight quarters, and a surgeon's with a room."""
    world = Scheduling()
    assert world.opened("doctor") == world.opened("surgeon", SURGEON) == world.opened("room", SURGEON, hold=5 * MINUTE) == ""
    for name in ("doctor", "surgeon", "room"):
        assert world.publish(name, grid(MORNING, 8)) == ""
    return world


def free(slot: Slot, desk: Scheduling, where: str = "doctor") -> ShownSlot:
    """A slot that stands on no page."""
    return ShownSlot(desk.at(where), 0, 0, (), slot)


# --- schedules and pages


def test_a_schedule_is_opened_once_under_an_active_licence(desk: Scheduling) -> None:
    """SCH-1."""
    assert desk.opened("doctor") == "ledger/handle-taken"
    assert desk.do(OpenSchedule(desk.licences[DOCTOR], SMALL_ORDER, 0, DAY, MINUTE), by=[DOCTOR]) == "crypto/unsound-key"
    assert desk.do(OpenSchedule(desk.licences[DOCTOR], public("x"), 0, DAY, MINUTE), by=[SURGEON]) == "ledger/wrong-signers"
    desk.set_licence(DOCTOR, LicenceStatus.SUSPENDED)
    assert desk.opened("another") == "ledger/not-licensed"


def test_a_schedule_gets_other_terms_another_desk_and_another_licence_by_both_licences(desk: Scheduling) -> None:
    """SCH-2."""
    assert desk.wait("ana", "doctor") == ""
    assert desk.revise("doctor", "new desk", before=SURGEON, by=SURGEON) == "ledger/wrong-signers"
    assert desk.revise("doctor", "new desk", by=SURGEON, lead=0) == ""
    there = schedule(desk.store, desk.at("doctor"))
    assert (there.desk, there.licence, there.lead, there.waiting) == (public("new desk"), desk.licences[SURGEON], 0, 1)
    assert desk.publish("doctor", []) == ""  # by the new desk key
    desk.desks["doctor"] = "desk doctor"
    assert desk.publish("doctor", []) == "ledger/wrong-signers"


def test_a_page_is_of_a_time_that_is_not_over_and_not_too_long(desk: Scheduling) -> None:
    """SCH-3."""
    for begins, ends in ((MORNING, MORNING), (START, START + LONGEST_PERIOD + 1), (START - DAY, START)):
        assert desk.publish("doctor", [], begins, ends) == "ledger/wrong-period"
    message = PublishSlots(desk.at("no such"), START, MORNING, page_root([]), 0)
    assert desk.do(message) == "ledger/no-such-schedule"


def test_a_page_takes_the_place_of_those_of_the_same_time_and_there_are_not_many(desk: Scheduling) -> None:
    """SCH-3."""
    assert desk.publish("doctor", grid(MORNING, 2, length=HOUR), START + HOUR, MORNING + DAY) == ""
    assert desk.hold("ana", shown(desk.at("doctor"), START, grid(MORNING, 8), 0)) == "ledger/no-such-page"
    assert desk.hold("ana", ("doctor", 1)) == ""
    for number in range(1, MOST_PERIODS):
        assert desk.publish("doctor", [], MORNING + number * DAY, MORNING + (number + 1) * DAY) == ""
    assert desk.publish("doctor", [], MORNING + 80 * DAY, MORNING + 81 * DAY) == "ledger/too-many-pages"
    desk.pass_time(10 * DAY)  # those that are over make room
    assert desk.publish("doctor", [], MORNING + 80 * DAY, MORNING + 81 * DAY) == ""


# --- holding


def test_a_slot_is_held_by_one_and_booked_by_the_same(desk: Scheduling) -> None:
    """SCH-4, SCH-5, SCH-9."""
    assert desk.hold("ana", ("doctor", 0)) == ""
    assert desk.hold("ana", ("doctor", 1)) == "ledger/handle-taken"
    assert desk.hold("ben", ("doctor", 0)) == "ledger/slot-taken"
    assert desk.do(CancelAppointment(desk.id("ana")), by=["patient ben"]) == "ledger/wrong-signers"
    assert desk.book("ana") == ""
    assert desk.hold("ben", ("doctor", 0)) == "ledger/slot-taken"
    assert desk.book("ana") == "ledger/is-booked"
    assert desk.book("nobody") == "ledger/no-such-appointment"


def test_nothing_is_held_that_does_not_stand_on_the_page(desk: Scheduling) -> None:
    """SCH-4."""
    good = desk.show([("doctor", 0)])[0]
    wider = ShownSlot(good.schedule, good.begins, good.index, good.path, Slot(MORNING, MORNING + QUARTER, 2, Kind.VISIT))
    assert desk.hold("ana", wider) == "ledger/bad-list-proof"
    assert desk.hold("ana", free(good.slot, desk)) == "ledger/no-such-page"
    for start, end in ((MORNING, MORNING), (MORNING, MORNING + DAY + 1)):
        assert desk.hold("ana", free(Slot(start, end, 1, Kind.VISIT), desk)) == "ledger/wrong-slot"
    assert desk.publish("doctor", grid(MORNING, 2), START, MORNING + QUARTER) == ""
    assert desk.hold("ana", ("doctor", 1)) == "ledger/no-such-page"  # a page says nothing of another time than its own
    assert desk.do(HoldSlots(SMALL_ORDER, (good,)), by=["x"]) == "ledger/wrong-signers"


def test_a_hold_is_no_longer_than_its_time_and_frees_the_seat_by_itself(desk: Scheduling) -> None:
    """SCH-6, SCH-20."""
    assert desk.hold("ana", ("doctor", 0)) == ""
    desk.pass_time(9 * MINUTE)
    assert desk.hold("ben", ("doctor", 0)) == "ledger/slot-taken"
    desk.pass_time(MINUTE)
    assert desk.book("ana") == "ledger/is-cancelled"  # a booking that is under way when its hold ends
    assert desk.hold("ben", ("doctor", 0)) == ""


def test_nobody_comes_on_short_notice_or_too_far_ahead(desk: Scheduling) -> None:
    """SCH-7."""
    assert desk.publish("doctor", grid(START + 89 * DAY, 2, length=2 * DAY // 2), START + 89 * DAY, START + 93 * DAY) == ""
    assert desk.hold("ana", ("doctor", 1)) == ""
    assert desk.cancel("ana") == ""
    assert desk.publish("surgeon", grid(START + 91 * DAY, 1), START + 89 * DAY, START + 93 * DAY) == ""
    assert desk.hold("ben", ("surgeon", 0)) == "ledger/too-far-ahead"
    desk.pass_time(TO_MORNING - HOUR - desk.time + START)
    assert desk.hold("cem", ("room", 0)) == "ledger/short-notice"
    assert desk.hold("cem", ("room", 1)) == ""


def test_under_a_suspended_licence_nobody_holds_books_or_waits(desk: Scheduling) -> None:
    """SCH-8."""
    assert desk.hold("ana", ("doctor", 0)) == ""
    desk.set_licence(DOCTOR, LicenceStatus.SUSPENDED)
    assert desk.hold("ben", ("doctor", 1)) == desk.book("ana") == desk.wait("cem", "doctor") == "ledger/not-licensed"
    assert desk.cancel("ana") == ""


def test_surgeon_room_and_anaesthetist_are_had_together_or_not_at_all(desk: Scheduling) -> None:
    """SCH-4."""
    desk.booked("ana", ("room", 0))
    assert desk.hold("ben", ("surgeon", 0), ("doctor", 0), ("room", 0)) == "ledger/slot-taken"
    assert desk.seats("surgeon") == desk.seats("doctor") == []
    assert desk.hold("ben", ("surgeon", 1), ("doctor", 1), ("room", 1)) == ""
    assert desk.appointment("ben").until == desk.time + 5 * MINUTE  # the shortest of their holds
    assert desk.hold("cem", ("surgeon", 2), ("surgeon", 2)) == "ledger/slot-taken"  # not two seats for one
    assert desk.decline("ben", "doctor") == ""  # one of them cannot: all are free
    assert desk.seats("surgeon") == []


def test_nobody_is_double_booked_by_another_grid(desk: Scheduling) -> None:
    """SCH-5."""
    desk.booked("ana", ("doctor", 1))
    assert desk.publish("doctor", grid(MORNING, 6, length=20 * MINUTE)) == ""
    assert desk.hold("ben", ("doctor", 0)) == "ledger/slot-overlaps"
    assert desk.hold("ben", ("doctor", 1)) == "ledger/slot-overlaps"
    assert desk.hold("ben", ("doctor", 2)) == ""
    assert desk.publish("doctor", grid(MORNING, 6, kind=Kind.VIDEO)) == ""
    assert desk.hold("cem", ("doctor", 1)) == "ledger/slot-overlaps"  # the same time at another place


def test_a_slot_has_as_many_seats_as_its_page_says(desk: Scheduling) -> None:
    """SCH-5."""
    assert desk.publish("doctor", grid(MORNING, 2, seats=2)) == ""
    desk.booked("ana", ("doctor", 0))
    desk.booked("ben", ("doctor", 0))
    assert desk.hold("cem", ("doctor", 0)) == "ledger/slot-taken"
    assert desk.cancel("ana") == desk.hold("cem", ("doctor", 0)) == ""
    assert sorted(seat for _, seat in desk.seats("doctor")) == sorted([desk.id("ben"), desk.id("cem")])


def test_a_sponsor_has_not_everything_open_at_once(desk: Scheduling) -> None:
    """SCH-10."""
    assert desk.publish("doctor", grid(MORNING, 40)) == ""
    for number in range(MOST_OPEN_HERE - 1):
        assert desk.hold(f"p {number}", ("doctor", number)) == ""
    assert desk.wait("waits", "doctor") == ""
    assert desk.hold("q", ("doctor", 30)) == desk.wait("q", "doctor") == "ledger/too-many-open"
    assert desk.hold("r", ("doctor", 30), sponsor="lab") == desk.hold("s", ("surgeon", 0)) == ""
    assert desk.book("p 0") == desk.hold("q", ("doctor", 31)) == ""
    desk.pass_time(10 * MINUTE)
    assert [key for key in desk.state() if key.startswith(b"open/") and len(key) > 40] == [
        key for key in desk.state() if key.endswith(desk.at("doctor")) and key.startswith(b"open/")
    ]
    assert desk.hold("t", ("doctor", 5)) == ""


# --- moving and cancelling


def test_a_move_has_the_new_seat_or_keeps_the_old_one(desk: Scheduling) -> None:
    """SCH-11."""
    desk.booked("ana", ("doctor", 0))
    desk.booked("ben", ("doctor", 1))
    assert desk.move("ana", ("doctor", 1)) == "ledger/slot-taken"
    assert desk.status("ana") == "booked"
    assert desk.seats("doctor") == [(MORNING, desk.id("ana")), (MORNING + QUARTER, desk.id("ben"))]
    assert desk.move("ana", ("surgeon", 2)) == ""
    assert desk.seats("doctor") == [(MORNING + QUARTER, desk.id("ben"))]
    assert desk.move("ana", ("surgeon", 2)) == ""  # its own seat is not in its way
    assert desk.hold("cem", ("room", 0)) == ""
    assert desk.move("cem", ("room", 1)) == "ledger/is-pending"
    desk.pass_time(TO_MORNING + HOUR)
    assert desk.move("ana", ("surgeon", 7)) == desk.cancel("ana") == "ledger/already-begun"


@pytest.mark.parametrize("together", [False, True])
def test_two_moves_that_would_swap_leave_both_where_they_are(desk: Scheduling, together: bool) -> None:
    """SCH-11: whichever is first, in one block or in one transaction."""
    desk.booked("ana", ("doctor", 0))
    desk.booked("ben", ("doctor", 1))
    before = desk.seats("doctor")
    moves = [
        MoveAppointment(desk.id("ana"), desk.show([("doctor", 1)])),
        MoveAppointment(desk.id("ben"), desk.show([("doctor", 0)])),
    ]
    if together:
        assert desk.do(*moves, by=["patient ana", "patient ben"]) == "ledger/slot-taken"
    else:
        pair = [desk.tx(move, by=[f"patient {name}"]) for name, move in zip(("ana", "ben"), moves, strict=True)]
        assert [result.refusal for result in desk.block(*pair)] == ["ledger/slot-taken"] * 2
    assert (desk.seats("doctor"), desk.statuses("ana", "ben")) == (before, ["booked"] * 2)


def test_in_a_race_for_the_last_seat_one_wins_and_all_others_are_told(desk: Scheduling) -> None:
    """SCH-5."""
    data = []
    for number in range(40):
        key = f"patient {number}"
        data.append(desk.tx(HoldSlots(public(key), desk.show([("doctor", 3)])), by=[key], sponsor="lab"))
    refusals = [result.refusal for result in desk.block(*data)]
    assert sorted(refusals) == ["", *["ledger/slot-taken"] * 39]


def test_a_practice_cancels_with_a_reason_and_only_its_own(desk: Scheduling) -> None:
    """SCH-12."""
    desk.booked("ana", ("doctor", 0))
    assert desk.decline("ana", "room") == "ledger/not-at-this-desk"
    assert desk.decline("ana", "doctor", DeclineReason.ABSENT) == ""
    assert desk.appointment("ana").reason is DeclineReason.ABSENT
    assert desk.decline("ana", "doctor") == desk.cancel("ana") == "ledger/is-cancelled"


def test_a_practice_offers_another_time_and_the_patient_answers(desk: Scheduling) -> None:
    """SCH-13."""
    desk.booked("ana", ("doctor", 0))
    desk.booked("ben", ("doctor", 1))
    assert desk.offer("ana", "room", ("room", 1)) == "ledger/not-at-this-desk"
    assert desk.offer("ana", "doctor", ("doctor", 1)) == "ledger/slot-taken"
    assert desk.offer("ana", "doctor", ("doctor", 2)) == desk.offer("ben", "doctor", ("room", 3)) == ""
    assert desk.statuses("ana", "ben") == ["pending", "pending"]
    assert desk.appointment("ana").until > desk.time + HOUR
    assert desk.offer("ana", "doctor", ("doctor", 3)) == "ledger/is-pending"
    assert desk.book("ana") == ""
    desk.pass_time(DAY)
    assert desk.statuses("ana", "ben") == ["booked", "cancelled"]


def test_what_is_offered_at_the_last_moment_is_offered_until_it_begins(desk: Scheduling) -> None:
    """SCH-13."""
    assert desk.revise("doctor", "desk doctor", lead=0) == ""
    desk.booked("ana", ("doctor", 0))
    desk.pass_time(TO_MORNING - 5 * MINUTE - desk.time + START)
    assert desk.offer("ana", "doctor", ("doctor", 0)) == ""
    assert desk.appointment("ana").until == MORNING


# --- the desk


def test_a_desk_books_by_telephone_as_everybody_does(desk: Scheduling) -> None:
    """SCH-14."""
    assert desk.take("ana", ("doctor", 0)) == ""
    assert desk.status("ana") == "booked"
    assert desk.take("ben", ("doctor", 0)) == "ledger/slot-taken"
    desk.pass_time(TO_MORNING)
    assert desk.take("ben", ("doctor", 1)) == "ledger/short-notice"
    assert desk.take("ben", ("surgeon", 7), ("room", 7)) == ""
    desk.desks["room"] = "desk surgeon"
    assert desk.take("cem", ("surgeon", 5), ("room", 5)) == "ledger/wrong-signers"


def test_a_desk_passes_over_a_full_slot_only_with_a_reason_that_stays(desk: Scheduling) -> None:
    """SCH-15."""
    desk.booked("ana", ("doctor", 0))
    between = free(Slot(MORNING + 10 * MINUTE, MORNING + QUARTER, 1, Kind.VISIT), desk)
    assert desk.take("ben", between) == "ledger/no-such-page"
    assert desk.take("ben", between, override=Override.SQUEEZED) == ""
    assert desk.take("cem", ("doctor", 0), override=Override.URGENT) == ""
    assert desk.appointment("cem").override is Override.URGENT
    assert desk.move("cem", ("doctor", 1)) == ""
    assert desk.appointment("cem").override is Override.NONE
    desk.pass_time(TO_MORNING + HOUR)
    assert desk.take("dee", ("doctor", 2), override=Override.URGENT) == "ledger/short-notice"  # it is over
    assert desk.take("dee", ("doctor", 4), override=Override.URGENT) == ""


def test_a_start_has_room_for_so_many(desk: Scheduling) -> None:
    """SCH-15."""
    for number in range(MOST_AT_ONE_START):
        assert desk.take(f"p {number}", ("doctor", 0), override=Override.URGENT) == ""
    assert desk.take("one more", ("doctor", 0), override=Override.URGENT) == "ledger/slot-taken"


def test_whoever_comes_is_checked_in_seen_and_done(desk: Scheduling) -> None:
    """SCH-16."""
    desk.booked("ana", ("doctor", 0))
    assert desk.arrive("ana", "doctor") == desk.miss("ana", "doctor") == "ledger/not-begun"
    assert desk.fulfil("ana", "doctor") == "ledger/is-booked"
    desk.pass_time(TO_MORNING - 11 * HOUR)
    assert desk.arrive("ana", "room") == "ledger/not-at-this-desk"
    assert desk.arrive("ana", "doctor") == ""
    assert desk.cancel("ana") == "ledger/is-arrived"
    assert desk.fulfil("ana", "doctor") == ""
    assert desk.arrive("ana", "doctor") == desk.miss("ana", "doctor") == "ledger/is-fulfilled"


def test_whoever_was_marked_as_not_come_and_comes_late_is_seen(desk: Scheduling) -> None:
    """SCH-17."""
    desk.booked("ana", ("doctor", 0))
    desk.pass_time(TO_MORNING + HOUR)
    assert desk.miss("ana", "doctor") == ""
    assert desk.move("ana", ("doctor", 7)) == "ledger/is-noshow"
    assert desk.arrive("ana", "doctor") == desk.fulfil("ana", "doctor") == ""
    desk.pass_time(KEPT)
    assert desk.seats("doctor") == []


# --- waiting


def test_a_seat_that_falls_free_is_offered_to_who_came_first_and_suits(desk: Scheduling) -> None:
    """SCH-18, SCH-19."""
    desk.booked("ana", ("doctor", 0))
    desk.booked("xia", ("doctor", 1))
    assert desk.wait("too late", "doctor", MORNING + HOUR) == desk.wait("video", "doctor", 0, 0, Kind.VIDEO) == ""
    assert desk.wait("first", "doctor") == desk.wait("second", "doctor") == ""
    assert desk.cancel("ana") == ""
    assert desk.statuses("first", "second", "too late", "video") == ["pending", *["waitlist"] * 3]
    assert desk.hold("quick", ("doctor", 0)) == "ledger/slot-taken"
    assert desk.move("xia", ("room", 0)) == ""  # another falls free
    assert desk.status("second") == "pending"
    assert desk.book("first") == ""
    assert desk.appointment("first").waiting is None
    assert desk.line("doctor") == [desk.id("too late"), desk.id("video")]


def test_who_lets_an_offer_lapse_waits_behind_all_others_and_after_three_no_more(desk: Scheduling) -> None:
    """SCH-19, SCH-20."""
    desk.booked("ana", ("doctor", 7))
    assert desk.wait("first", "doctor") == desk.wait("second", "doctor") == desk.cancel("ana") == ""
    until = desk.appointment("first").until
    desk.pass_time(until - desk.time)
    assert desk.statuses("first", "second") == ["waitlist", "pending"]
    assert desk.appointment("second").until - desk.time < until - START  # the nearer, the shorter
    assert desk.cancel("second") == ""
    for _ in range(2):
        assert desk.status("first") == "pending"
        desk.pass_time(desk.appointment("first").until - desk.time)
        if desk.status("first") == "waitlist":  # nobody else waits, and it is not offered twice to the same
            assert desk.seats("doctor") == []
            assert desk.release("doctor", ("doctor", 7)) == ""
    assert desk.status("first") == "cancelled"
    assert schedule(desk.store, desk.at("doctor")).waiting == 0


def test_a_seat_is_not_offered_that_the_practice_has_closed_or_that_is_too_near(desk: Scheduling) -> None:
    """SCH-12, SCH-19."""
    for name, number in (("ana", 0), ("ben", 1), ("cem", 2)):
        desk.booked(name, ("doctor", number))
    assert desk.wait("waits", "doctor") == ""
    assert desk.decline("ana", "doctor") == ""
    assert desk.publish("doctor", grid(MORNING, 8, seats=2)) == desk.cancel("ben") == ""  # it stood on another page
    assert desk.status("waits") == "waitlist"
    assert desk.release("room", ("doctor", 1)) == "ledger/not-at-this-desk"
    assert desk.take("dee", ("doctor", 3), override=Override.URGENT) == ""
    assert desk.release("doctor", ("doctor", 2)) == ""  # two seats by now
    assert desk.status("waits") == "pending"
    desk.pass_time(TO_MORNING - HOUR)
    assert desk.wait("later", "doctor") == desk.cancel("cem") == ""
    assert desk.status("later") == "waitlist"


def test_under_a_suspended_licence_nothing_is_offered(desk: Scheduling) -> None:
    """SCH-8."""
    desk.booked("ana", ("doctor", 0))
    assert desk.wait("waits", "doctor") == ""
    desk.set_licence(DOCTOR, LicenceStatus.SUSPENDED)
    assert desk.cancel("ana") == ""
    assert desk.status("waits") == "waitlist"


def test_a_full_slot_is_not_offered_when_one_of_too_many_leaves(desk: Scheduling) -> None:
    """SCH-19."""
    desk.booked("ana", ("doctor", 0))
    assert desk.take("ben", ("doctor", 0), override=Override.URGENT) == desk.wait("waits", "doctor") == ""
    assert desk.cancel("ana") == ""
    assert desk.status("waits") == "waitlist"


def test_a_waiting_list_is_bounded_left_and_ends_with_its_window(desk: Scheduling) -> None:
    """SCH-18."""
    for earliest, latest in ((MORNING, MORNING - 1), (0, START), (0, START + 91 * DAY)):
        assert desk.wait("w", "doctor", earliest, latest) == "ledger/wrong-wait"
    assert desk.wait("short", "doctor", 0, MORNING) == desk.wait("long", "doctor") == ""
    assert desk.arrive("long", "doctor") == desk.book("long") == "ledger/is-waitlist"
    assert desk.cancel("long") == ""
    desk.pass_time(TO_MORNING)
    assert (desk.status("short"), desk.line("doctor")) == ("cancelled", [])


def test_a_waiting_list_is_full_whoever_sponsors(desk: Scheduling) -> None:
    """SCH-18."""
    for number in range(MOST_WAITING):
        assert desk.wait(f"w {number}", "doctor", sponsor="lab" if number < MOST_OPEN_HERE else "clinic") == ""
    assert desk.wait("one more", "doctor") == "ledger/waiting-list-full"
    assert desk.cancel("w 0") == desk.wait("one more", "doctor", sponsor="lab") == ""


# --- time


def test_what_nobody_has_recorded_is_closed_and_forgotten(desk: Scheduling) -> None:
    """SCH-21."""
    desk.booked("ana", ("doctor", 0))
    desk.booked("ben", ("doctor", 1))
    desk.booked("cem", ("doctor", 2))
    desk.pass_time(TO_MORNING)
    assert desk.arrive("ben", "doctor") == ""
    assert desk.cancel("cem") == desk.wait("dee", "room") == desk.cancel("dee") == ""
    desk.pass_time(2 * HOUR + CLOSED_AFTER)
    assert desk.statuses("ana", "ben", "cem") == ["cancelled", "fulfilled", "cancelled"]
    desk.pass_time(KEPT)
    assert desk.store.get(appointment_key(desk.id("ana"))) is None
    assert [key for key in desk.state() if key.startswith((b"appointments/", b"open/"))] == []
    assert desk.seats("doctor") == desk.seats("room") == []


def test_who_was_moved_is_not_closed_before_the_new_time(desk: Scheduling) -> None:
    """SCH-21."""
    assert desk.publish("doctor", [*grid(MORNING, 1), *grid(MORNING + 5 * DAY, 1)]) == ""
    desk.booked("ana", ("doctor", 0))
    assert desk.move("ana", ("doctor", 1)) == ""
    desk.pass_time(4 * DAY)
    assert desk.status("ana") == "booked"


@pytest.mark.parametrize(
    ("left", "offered"), [(9 * MINUTE, 0), (10 * MINUTE, 10 * MINUTE), (8 * HOUR, 2 * HOUR), (90 * DAY, DAY)]
)
def test_the_nearer_a_seat_is_the_shorter_it_is_offered(left: int, offered: int) -> None:
    """SCH-19."""
    assert offer_until(START + left, START) == (START + offered if offered else 0)


# --- all of it


@pytest.mark.parametrize("seed", range(12))
def test_a_history_by_chance_goes_as_a_person_would_write_it_down(seed: int) -> None:
    """SCH-22."""
    assert history(seed, 240) == []


def test_the_diagram_shows_the_table() -> None:
    page = (ROOT / "docs" / "state-machines" / "scheduling.md").read_text("utf-8")
    begins = {
        "HoldSlots": AppointmentStatus.PENDING,
        "TakeSlots": AppointmentStatus.BOOKED,
        "JoinWaiting": AppointmentStatus.WAITLIST,
    }
    assert f"```mermaid\n{diagram(TABLE, begins)}\n```" in page
