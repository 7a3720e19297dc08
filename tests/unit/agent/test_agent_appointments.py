"""Appointments from the patient's side and from the desk's: held, booked, moved, waited for, kept and missed (SCH-23 to 30)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appointing_world import DOCTOR, HOUR, PATIENT, PLAIN, RIVAL, WHOLE, Practice, practice
from hours_world import OPEN, published
from salus.agent.own_appointments import OwnAppointment
from salus.agent.services import booking, contacts, granting, inbox, pairing, reception, recovering
from salus.agent.services.booked import AFTER_VISIT
from salus.agent.services.booking import Visit
from salus.agent.services.people import read_cold
from salus.agent.services.posting import keep_letter, send_letters
from salus.agent.services.reception import Caller
from salus.agent.services.resuming import resume
from salus.charts.sections import SectionKind
from salus.codec import encode
from salus.crypto.signing import SigningKey
from salus.errors import AgentRefused, SalusError
from salus.exchange.appointing import AppointmentLetter, BookingLetter, sign_booking
from salus.exchange.cards import Role
from salus.exchange.envelopes import LetterKind
from salus.ledger.modules.scheduling.messages import DeclineReason, Kind, Override
from world import CLEMENTE, World, beside, introduce


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


def refused(act: Callable[..., Any], *given: Any, **named: Any) -> str:
    """The code with which it is refused."""
    with pytest.raises(SalusError) as caught:
        act(*given, **named)
    return caught.value.full_code


def test_what_one_holds_nobody_else_has_and_the_same_command_holds_it_once(place: Practice) -> None:
    """SCH-23, SCH-24."""
    first, second = place.slots()[:2]
    held = booking.hold(place.home.agent, PATIENT, [first])
    assert held.appointment.status == "pending"
    assert booking.hold(place.home.agent, PATIENT, [first]).appointment.appointment == held.appointment.appointment
    assert refused(booking.hold, place.away.agent, RIVAL, [first]) == "agent/no-such-slot"
    assert refused(booking.hold, place.home.agent, PATIENT, [second, first]) == "agent/no-such-slot"
    assert refused(booking.hold, place.home.agent, PATIENT, ["tomorrow"]) == "agent/bad-slot"
    assert len(place.own()) == 1


class Cut:
    """A network whose first answers are lost on the way, once the node has done what it was asked."""

    def __init__(self, true: Any, lost: int = 1) -> None:
        self.true, self.left = true, lost

    def __getattr__(self, name: str) -> Any:
        return getattr(self.true, name)

    def submit(self, submission: Any) -> Any:
        answer = self.true.submit(submission)
        self.left -= 1
        if self.left >= 0:
            raise AgentRefused("node-unreachable", "gone")
        return answer


def test_a_booking_that_was_cut_off_anywhere_is_completed_by_the_same_command_and_not_doubled(place: Practice) -> None:
    """SCH-24: between hold and answer, between book and answer."""
    slot = place.slots()[0]
    place.home.agent.network = Cut(place.home.agent.network, 1)
    assert refused(booking.book, place.home.agent, PATIENT, [slot], PLAIN) == "agent/node-unreachable"
    place.home.agent.network = Cut(place.home.agent.network, 1)
    assert refused(booking.book, place.home.agent, PATIENT, [slot], PLAIN) == "agent/node-unreachable"
    resume(place.home.agent)
    made = place.booked(slot)
    assert [info.appointment.appointment for info in place.own()] == [made.appointment.appointment]
    assert [info.name for info in place.desk()] == [PATIENT]


def test_what_was_to_be_booked_is_told_by_the_next_command(place: Practice) -> None:
    """SCH-24."""
    place.home.agent.network = Cut(place.home.agent.network, 2)
    slot = place.slots()[0]
    assert refused(booking.hold, place.home.agent, PATIENT, [slot]) == "agent/node-unreachable"
    assert refused(booking.book, place.home.agent, PATIENT, [slot], PLAIN) == "agent/node-unreachable"
    resume(place.home.agent)
    inbox.collect(place.home.agent, DOCTOR)
    assert [(info.name, info.appointment.status) for info in place.desk()] == [(PATIENT, "booked")]


def test_what_is_shared_ends_with_the_visit_and_moves_with_it(place: Practice) -> None:
    """SCH-25."""
    place.home.take_in(CLEMENTE)
    first, second = place.slots()[:2]
    made = place.booked(first, Visit(share=(SectionKind.SUMMARY, SectionKind.COVERAGE)))
    (given,) = granting.access(place.home.agent, PATIENT)
    assert (given.until, given.sections) == (made.appointment.ends + AFTER_VISIT, ("summary", "coverage"))
    named = made.appointment.appointment
    assert place.desk()[0].shared == ("summary", "coverage")
    moved = booking.move(place.home.agent, PATIENT, named, [second])
    assert booking.move(place.home.agent, PATIENT, named, [second]) == moved
    live = [one for one in granting.access(place.home.agent, PATIENT) if one.status == "active"]
    assert [one.until for one in live] == [moved.appointment.ends + AFTER_VISIT]
    booking.cancel(place.home.agent, PATIENT, named)
    assert [one.status for one in granting.access(place.home.agent, PATIENT)] == ["revoked", "revoked"]


def test_what_is_shared_ends_once_the_patient_was_seen(place: Practice) -> None:
    """SCH-25."""
    place.home.take_in(CLEMENTE)
    made = place.booked(place.slots()[0], Visit(share=(SectionKind.SUMMARY,)))
    named = made.appointment.appointment
    place.home.clock.now += made.appointment.begins - place.home.clock.now
    reception.check_in(place.home.agent, DOCTOR, named)
    place.read()
    assert [one.status for one in granting.access(place.home.agent, PATIENT)] == ["active"]
    reception.done(place.home.agent, DOCTOR, named)
    place.read()
    assert [one.status for one in granting.access(place.home.agent, PATIENT)] == ["revoked"]


def test_what_is_shared_ends_also_where_one_of_its_sections_is_empty_or_the_practice_names_another_time(place: Practice) -> None:
    """SCH-25."""
    place.home.take_in(CLEMENTE)
    slot = place.slots()[0]
    made = place.booked(slot, Visit("a cough", share=(SectionKind.SUMMARY, SectionKind.DOCUMENTS, SectionKind.SENSITIVE)))
    named = made.appointment.appointment
    window = (int(slot[65:]), int(slot[65:]) + HOUR)
    reception.cancel_day(place.home.agent, DOCTOR, window, DeclineReason.ABSENT, "")
    again = booking.book(place.home.agent, PATIENT, [named], Visit())
    live = [one.until for one in granting.access(place.home.agent, PATIENT) if one.status == "active"]
    assert live == [again.appointment.ends + AFTER_VISIT]
    inbox.collect(place.home.agent, DOCTOR)
    assert place.desk()[0].reason == "a cough"
    reception.decline(place.home.agent, DOCTOR, named, DeclineReason.CLOSED)
    place.read()
    assert {one.status for one in granting.access(place.home.agent, PATIENT)} == {"revoked"}


def test_a_booking_whose_hold_is_over_is_given_up(place: Practice) -> None:
    """SCH-24."""
    slot = place.slots()[0]
    held = booking.hold(place.home.agent, PATIENT, [slot])
    place.pass_until(held.appointment.until + 1)
    assert refused(booking.book, place.home.agent, PATIENT, [held.appointment.appointment], PLAIN) == "ledger/is-cancelled"
    resume(place.home.agent)
    assert [info.told for info in place.own()] == [True]
    assert place.desk() == []


def test_a_move_keeps_the_id_and_frees_the_old_time(place: Practice) -> None:
    """SCH-11, SCH-23."""
    first, second, third = place.slots()[:3]
    made = place.booked(first)
    place.booked(second, by=place.away)
    assert refused(booking.move, place.home.agent, PATIENT, made.appointment.appointment, [second]) == "agent/no-such-slot"
    moved = booking.move(place.home.agent, PATIENT, made.appointment.appointment[:8], [third])
    assert moved.appointment.appointment == made.appointment.appointment
    assert first in place.slots()
    assert third not in place.slots()
    assert refused(booking.move, place.home.agent, PATIENT, "1234", [first]) == "agent/no-such-appointment"


def test_whoever_waits_is_offered_what_falls_free_and_is_told(place: Practice) -> None:
    """SCH-19, SCH-26."""
    first, later = place.slots()[0], place.slots()[-1]
    taken = place.booked(first, by=place.away)
    old = place.booked(later)
    schedule, start = bytes.fromhex(first[:64]), int(first[65:])
    waits = booking.wait(place.home.agent, PATIENT, schedule, (0, start), [Kind.VISIT], old.appointment.appointment)
    again = booking.wait(place.home.agent, PATIENT, schedule, (0, start), [Kind.VISIT], old.appointment.appointment)
    assert (waits.appointment.status, again.appointment.appointment) == ("waitlist", waits.appointment.appointment)
    assert place.read() == []
    booking.cancel(place.away.agent, RIVAL, taken.appointment.appointment)
    (offered,) = place.read()
    assert offered.startswith("A place is offered")
    made = booking.book(place.home.agent, PATIENT, [waits.appointment.appointment], PLAIN)
    assert (made.appointment.status, made.appointment.begins) == ("booked", start)
    assert {info.appointment.status for info in place.own()} == {"booked", "cancelled"}  # moved up: the old one is given back
    assert place.read() == []


def test_a_seat_of_former_hours_that_lies_in_the_new_ones_is_offered_by_the_practices_next_command(place: Practice) -> None:
    """SCH-33."""
    first = place.slots()[0]
    taken = place.booked(first, by=place.away)
    booking.wait(place.home.agent, PATIENT, bytes.fromhex(first[:64]), (0, int(first[65:])), [Kind.VISIT])
    published(place.home, place="Seestrasse 2, Zürich")
    resume(place.home.agent)
    booking.cancel(place.away.agent, RIVAL, taken.appointment.appointment)
    assert place.read() == []  # the ledger cannot know that it stands on the new page as well
    resume(place.home.agent)
    (offered,) = place.read()
    assert offered.startswith("A place is offered")
    assert [info.appointment.begins for info in place.own()] == [int(first[65:])]


def test_a_seat_that_the_new_hours_have_not_is_offered_to_nobody(place: Practice) -> None:
    """SCH-33."""
    first = place.slots()[0]
    taken = place.booked(first, by=place.away)
    booking.wait(place.home.agent, PATIENT, bytes.fromhex(first[:64]), (0, int(first[65:])), [Kind.VISIT])
    published(place.home, rules=[{**OPEN, "from": "14:00", "to": "15:00"}])
    booking.cancel(place.away.agent, RIVAL, taken.appointment.appointment)
    resume(place.home.agent)
    assert place.read() == []


def test_a_seat_that_the_desk_has_taken_back_is_offered_to_nobody(place: Practice) -> None:
    """SCH-12, SCH-33."""
    first = place.slots()[0]
    taken = place.booked(first, by=place.away)
    booking.wait(place.home.agent, PATIENT, bytes.fromhex(first[:64]), (0, int(first[65:])), [Kind.VISIT])
    reception.decline(place.home.agent, DOCTOR, taken.appointment.appointment, DeclineReason.ABSENT)
    resume(place.home.agent)
    assert place.read() == []


def test_who_has_let_an_offer_lapse_is_not_asked_for_the_same_seat_until_it_falls_free_again(place: Practice) -> None:
    """SCH-33: three offers that lapse end a wait, and a practice's commands are no offers."""
    first = place.slots()[0]
    booking.wait(place.home.agent, PATIENT, bytes.fromhex(first[:64]), (0, int(first[65:])), [Kind.VISIT])
    resume(place.home.agent)
    assert len(place.read()) == 1
    place.pass_until(place.own()[0].appointment.until + 1)
    place.booked(place.slots()[-1], by=place.away)  # a block
    assert len(place.read()) == 1
    resume(place.home.agent)
    assert place.own()[0].appointment.status == "waitlist"


def test_a_wait_without_an_end_is_as_long_as_the_schedule_is_open(place: Practice) -> None:
    """SCH-18, SCH-24."""
    schedule = bytes.fromhex(place.slots()[0][:64])
    first, again = (booking.wait(place.home.agent, PATIENT, schedule, (0, 0), [Kind.VIDEO]) for _ in range(2))
    assert first == again
    assert refused(booking.wait, place.home.agent, PATIENT, bytes(32), (0, 0), [Kind.VISIT]) == "ledger/no-such-schedule"


def test_an_offer_that_lapses_is_told(place: Practice) -> None:
    """SCH-20, SCH-26."""
    slot = place.slots()[0]
    taken = place.booked(slot, by=place.away)
    booking.wait(place.home.agent, PATIENT, bytes.fromhex(slot[:64]), (0, int(slot[65:])), [Kind.VISIT])
    booking.cancel(place.away.agent, RIVAL, taken.appointment.appointment)
    assert len(place.read()) == 1
    place.pass_until(place.own()[0].appointment.until + 1)
    place.booked(place.slots()[-1], by=place.away)  # a block
    (lapsed,) = place.read()
    assert lapsed.startswith("The offer has lapsed: you wait again")


def test_a_desk_books_by_telephone_and_the_patients_wallet_has_it(place: Practice) -> None:
    """SCH-14, SCH-27."""
    introduce(place.away, RIVAL, place.home)
    slot = place.slots()[0]
    caller = Caller(RIVAL, "1990-02-03", "a rash", "", RIVAL)
    made = reception.take(place.home.agent, DOCTOR, [slot], caller)
    assert (made.appointment.status, made.told) == ("booked", True)
    (told,) = place.read(by=place.away)
    assert "has booked" in told
    (own,) = place.own(by=place.away)
    assert own.appointment.appointment == made.appointment.appointment
    assert booking.cancel(place.away.agent, RIVAL, own.appointment.appointment).appointment.status == "cancelled"
    assert refused(reception.take, place.home.agent, DOCTOR, [slot], Caller("x", born="soon")) == "agent/bad-booking"
    for wrong in ("", "ffffffff@1", f"{slot[:64]}@1", f"{slot[:64]}@x"):
        assert refused(reception.take, place.home.agent, DOCTOR, [wrong], Caller("x")) in ("agent/bad-slot", "agent/no-such-slot")


def test_a_booking_by_the_desk_that_was_cut_off_is_not_doubled(place: Practice) -> None:
    """SCH-24."""
    slot, caller = place.slots()[0], Caller("Somebody")
    place.home.agent.network = Cut(place.home.agent.network)
    assert refused(reception.take, place.home.agent, DOCTOR, [slot], caller) == "agent/node-unreachable"
    resume(place.home.agent)
    assert reception.take(place.home.agent, DOCTOR, [slot], caller).appointment.status == "booked"
    assert [info.name for info in place.desk()] == ["Somebody"]
    assert refused(reception.take, place.home.agent, DOCTOR, [slot], caller) == "ledger/slot-taken"


def test_a_desk_takes_a_walk_in_all_the_same_with_a_reason(place: Practice) -> None:
    """SCH-15."""
    slot = place.slots()[0]
    place.booked(slot)
    between = f"{slot}/10/visit"
    assert refused(reception.take, place.home.agent, DOCTOR, [between], Caller("Walk-in")) == "ledger/slot-taken"
    made = reception.take(place.home.agent, DOCTOR, [between], Caller("Walk-in"), Override.URGENT)
    assert made.appointment.override == "urgent"
    assert [info.name for info in place.desk()] in ([PATIENT, "Walk-in"], ["Walk-in", PATIENT])
    assert (
        refused(reception.take, place.home.agent, DOCTOR, [f"{slot}/x/visit"], Caller("y"), Override.URGENT) == "agent/bad-slot"
    )


def test_whoever_comes_is_checked_in_and_seen_and_whoever_does_not_is_noted(place: Practice) -> None:
    """SCH-16, SCH-17."""
    first, second = place.slots()[:2]
    one, other = place.booked(first), place.booked(second, by=place.away)
    named = one.appointment.appointment
    assert refused(reception.done, place.home.agent, DOCTOR, named) == "ledger/is-booked"
    place.pass_until(int(second[65:]) + HOUR)
    assert reception.check_in(place.home.agent, DOCTOR, named).appointment.status == "arrived"
    assert reception.check_in(place.home.agent, DOCTOR, named).name == PATIENT  # said again: it is so already
    assert reception.done(place.home.agent, DOCTOR, named).appointment.status == "fulfilled"
    assert reception.no_show(place.home.agent, DOCTOR, other.appointment.appointment).appointment.status == "noshow"
    (over,) = place.read()
    assert re.fullmatch(rf"The visit of \d{{4}}-\d\d-\d\d \d\d:\d\d \+0\d:00 is over: appointment {named[:12]}", over)
    assert "did not come" in place.read(by=place.away)[0]


def test_a_day_is_cancelled_and_everybody_is_offered_another_time_or_told(place: Practice) -> None:
    """SCH-13, SCH-28."""
    first, second = place.slots()[:2]
    one, other = place.booked(first), place.booked(second, by=place.away)
    zone_day = (int(first[65:]) - HOUR, int(second[65:]) + HOUR)
    moved = reception.cancel_day(place.home.agent, DOCTOR, zone_day, DeclineReason.ABSENT, "Dr. Reyes is ill.")
    assert [(info.appointment.status, info.told) for info in moved] == [("pending", True)] * 2
    assert reception.cancel_day(place.home.agent, DOCTOR, zone_day, DeclineReason.ABSENT, "") == ()
    texts = place.read()
    assert any("offers another time" in text for text in texts)
    assert any("Dr. Reyes is ill." in text for text in texts)
    made = booking.book(place.home.agent, PATIENT, [one.appointment.appointment], PLAIN)
    assert made.appointment.begins >= zone_day[1]
    assert reception.decline(place.home.agent, DOCTOR, other.appointment.appointment, DeclineReason.CLOSED, "").told
    assert any("cancelled by the practice: closed" in text for text in place.read(by=place.away))


def test_a_day_is_cancelled_without_another_time_where_none_is_to_be_offered(place: Practice) -> None:
    """SCH-28."""
    place.booked(place.slots()[0])
    (told,) = reception.cancel_day(place.home.agent, DOCTOR, WHOLE, DeclineReason.CLOSED, "", offer=True)
    assert (told.appointment.status, told.appointment.reason) == ("cancelled", "closed")  # no time is behind all time


# --- letters


def post(world: World, sender: str, kind: LetterKind, body: bytes, to: str) -> None:
    """A letter as whoever wrote it wanted it."""
    with world.agent.store.writing():
        keep_letter(world.agent, world.agent.wallet(sender), contacts.find_contact(world.agent, to), kind, body)
    send_letters(world.agent)


def test_nobody_introduces_themselves_for_another(place: Practice) -> None:
    """SCH-29: a handle is public, its key is not."""
    held = booking.hold(place.away.agent, RIVAL, [place.slots()[0]])
    handle = bytes.fromhex(held.appointment.appointment)
    letter = BookingLetter(handle, "Eve", "", "", "", None, bytes(64))
    forged = sign_booking(SigningKey(bytes(32)), letter, place.home.agent.wallet(PATIENT).person)
    post(place.home, PATIENT, LetterKind.BOOKING, encode(forged), to=DOCTOR)
    assert [item.trouble for item in inbox.collect(place.home.agent, DOCTOR)] == ["crypto/bad-signature"]
    assert [info.name for info in place.desk()] == [""]


def test_a_letter_about_an_appointment_at_another_desk_is_not_kept(place: Practice) -> None:
    """SCH-29."""
    place.home.person("Dr. Other", Role.PHYSICIAN)
    introduce(place.home, DOCTOR, place.home)
    made = place.booked(place.slots()[0])
    own = place.home.agent.store.find(
        OwnAppointment, place.home.agent.wallet(PATIENT).person, bytes.fromhex(made.appointment.appointment)
    )
    assert own is not None
    body = AppointmentLetter(bytes.fromhex(made.appointment.appointment), None, own.practices[0], "come at once")
    post(place.home, "Dr. Other", LetterKind.APPOINTMENT, encode(body), to=PATIENT)
    assert [item.trouble for item in inbox.collect(place.home.agent, PATIENT)] == ["warrants/wrong-sender"]
    letter = sign_booking(
        SigningKey(own.patient),
        BookingLetter(bytes.fromhex(made.appointment.appointment), "A", "", "", "", None, bytes(64)),
        place.away.agent.wallet(RIVAL).person,
    )
    introduce(place.home, PATIENT, place.away)
    post(place.home, PATIENT, LetterKind.BOOKING, encode(letter), to=DOCTOR)
    assert [item.trouble for item in inbox.collect(place.home.agent, DOCTOR)] == ["crypto/bad-signature"]  # of another sender


# --- devices, and what comes after a theft


def test_another_device_shows_what_was_booked_before_and_after_it_and_may_cancel_it(place: Practice, tmp_path: Path) -> None:
    """WAL-1, SCH-32."""
    place.home.take_in(CLEMENTE)
    share = Visit("a cough", share=(SectionKind.PROBLEMS,))
    slots = place.slots()
    before = place.booked(slots[0], share).appointment.appointment
    with beside(place.home, tmp_path / "phone") as phone:
        made = pairing.add_device(place.home.agent, PATIENT, "phone")
        pairing.join(phone.agent, made.text, made.code)
        after = place.booked(slots[5]).appointment.appointment
        handles = {info.appointment.appointment for info in booking.own_appointments(phone.agent, PATIENT)}
        assert handles == {before, after}
        moved = booking.move(phone.agent, PATIENT, after, [slots[8]])
        (here,) = (info for info in place.own() if info.appointment.appointment == after)
        assert here == moved
        assert booking.cancel(phone.agent, PATIENT, before).appointment.status == "cancelled"
        assert "cancelled" in "".join(place.read())
        assert granting.access(place.home.agent, PATIENT)[0].status == "revoked"


def test_what_a_desk_has_booked_and_what_one_waits_for_is_known_on_a_device_that_comes_later(
    place: Practice, tmp_path: Path
) -> None:
    """SCH-32."""
    schedule = bytes.fromhex(place.slots()[0].partition("@")[0])
    waits = booking.wait(place.home.agent, PATIENT, schedule, (0, 0), [Kind.VISIT]).appointment.appointment
    slot = place.slots()[3]
    given = reception.take(place.home.agent, DOCTOR, [slot], Caller(PATIENT, "1980-01-31", "a rash", "", PATIENT))
    place.read()
    with beside(place.home, tmp_path / "phone") as phone:
        made = pairing.add_device(place.home.agent, PATIENT, "phone")
        pairing.join(phone.agent, made.text, made.code)
        handles = {info.appointment.appointment for info in booking.own_appointments(phone.agent, PATIENT)}
        assert handles == {waits, given.appointment.appointment}


def test_after_a_theft_what_was_booked_is_known_to_a_new_home(place: Practice, tmp_path: Path) -> None:
    """WAL-3, SCH-32."""
    booked = place.booked(place.slots()[0]).appointment.appointment
    (cold,) = (place.home.home / "cold").glob(f"{PATIENT}*.cold")
    with beside(place.home, tmp_path / "new") as new:
        recovering.recover(new.agent, read_cold(cold.read_bytes()), cold_dir=new.home)
        assert [info.appointment.appointment for info in booking.own_appointments(new.agent, PATIENT)] == [booked]
        assert booking.cancel(new.agent, PATIENT, booked).appointment.status == "cancelled"
