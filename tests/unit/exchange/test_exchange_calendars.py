"""Appointments in a calendar, read back by a calendar library."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from icalendar import Calendar, Event

from salus.exchange.calendars import Meeting, calendar
from salus.exchange.schedules import Spot
from salus.ledger.modules.scheduling.state import AppointmentStatus

BEGINS = int(datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp()) * 1000  # 02:30 in Zürich, for the first time
WHO = ("Dr. Reyes", "Praxis am See")
MEETING = Meeting(
    b"\x07" * 32,
    AppointmentStatus.BOOKED,
    BEGINS,
    BEGINS + 3_600_000,
    "Europe/Zurich",
    BEGINS - 86_400_000,
    WHO,
    "Bahnhofstrasse 1, Zürich; 2. Stock",
    Spot(47_376_900, 8_541_700),
    "tel:+41 44 000 00 00",
)


def read(*meetings: Meeting) -> list[Event]:
    """The events, as another program reads them."""
    return list(Calendar.from_ical(calendar(meetings)).walk("VEVENT"))


def test_an_appointment_is_read_back_as_it_is() -> None:
    """SCH-60."""
    (event,) = read(MEETING)
    assert event["UID"] == f"{'07' * 32}@salus"
    assert event["DTSTART"].params["TZID"] == "Europe/Zurich"
    assert event.start.utcoffset() == timedelta(hours=2)
    assert (event.start.astimezone(UTC), event.duration) == (_at(0, 30), timedelta(hours=1))
    assert (event["STATUS"], event["LOCATION"]) == ("CONFIRMED", MEETING.place)
    assert str(event["SUMMARY"]) == "Appointment / Dr. Reyes / Praxis am See"


def test_a_time_that_comes_twice_means_just_one() -> None:
    """SCH-60."""
    later = replace(MEETING, begins=BEGINS + 3_600_000, ends=BEGINS + 5_400_000)
    (event,) = read(later)
    assert (event.start, event.duration) == (_at(1, 30), timedelta(minutes=30))
    assert "TZID" not in event["DTSTART"].params


def _at(hour: int, minute: int) -> datetime:
    return datetime(2026, 10, 25, hour, minute, tzinfo=UTC)


def test_the_zone_comes_along_for_those_who_do_not_know_it() -> None:
    zones = [zone["TZID"] for zone in Calendar.from_ical(calendar([MEETING])).walk("VTIMEZONE")]
    assert zones == ["Europe/Zurich"]


def test_it_reminds_a_day_and_two_hours_before() -> None:
    """SCH-60."""
    (event,) = read(MEETING)
    assert [alarm.TRIGGER for alarm in event.walk("VALARM")] == [timedelta(days=-1), timedelta(hours=-2)]


def test_what_was_cancelled_takes_the_place_of_what_was_booked_and_reminds_nobody() -> None:
    """SCH-60."""
    gone = replace(MEETING, status=AppointmentStatus.CANCELLED, changed=MEETING.changed + 1000)
    before, after = read(MEETING, gone)
    assert before["UID"] == after["UID"]
    assert after["SEQUENCE"] > before["SEQUENCE"]
    assert (after["STATUS"], after["TRANSP"], list(after.walk("VALARM"))) == ("CANCELLED", "TRANSPARENT", [])


def test_what_is_only_held_is_tentative_and_what_is_not_said_stands_nowhere() -> None:
    held = Meeting(b"\x08" * 32, AppointmentStatus.PENDING, BEGINS, BEGINS + 1, "UTC", BEGINS)
    (event,) = read(held)
    assert (event["STATUS"], str(event["SUMMARY"])) == ("TENTATIVE", "Appointment")
    assert not {"LOCATION", "GEO", "CONTACT", "DESCRIPTION", "CATEGORIES"} & set(event)
