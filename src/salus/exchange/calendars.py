"""Appointments as iCalendar (RFC 5545), for a calendar of the patient's own. Why somebody goes there stands nowhere in it.

Neither specialty nor service does: a calendar is shared, and shown on locked screens. Times are told in the zone of the practice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from icalendar import Alarm, Calendar, Event

from salus.exchange.hours import zone_of
from salus.exchange.schedules import Spot
from salus.ledger.modules.scheduling.messages import DAY, HOUR
from salus.ledger.modules.scheduling.state import AppointmentStatus

REMINDERS = (DAY, 2 * HOUR)  # before it begins

_S = AppointmentStatus
_STATUS = {_S.PENDING: "TENTATIVE", _S.CANCELLED: "CANCELLED", _S.NOSHOW: "CANCELLED"}


@dataclass(frozen=True)
class Meeting:
    """An appointment in plain values: ``appointment`` is its handle; times in ms, ``changed``: of its last change.

    ``who`` are the names of practitioner and organisation, ``contact`` how the practice is reached.
    """

    appointment: bytes
    status: AppointmentStatus
    begins: int
    ends: int
    zone: str
    changed: int
    who: tuple[str, ...] = ()
    place: str = ""
    spot: Spot | None = None
    contact: str = ""


def calendar(meetings: Sequence[Meeting], reminders: Sequence[int] = REMINDERS) -> bytes:
    """The appointments as one calendar; ``reminders`` are ms before each begins.

    The same appointment again, moved or cancelled, takes the place of what a calendar has of it: its UID is the handle's.
    """
    made = Calendar()
    made.add("prodid", "-//Salus//Appointments//EN")
    made.add("version", "2.0")
    made.add("method", "PUBLISH")
    for one in meetings:
        made.add_component(_event(one, reminders))
    made.add_missing_timezones()
    return bytes(made.to_ical())


def _event(one: Meeting, reminders: Sequence[int]) -> Event:
    zone, status, changed = zone_of(one.zone), _STATUS.get(one.status, "CONFIRMED"), _time(one.changed)
    event = Event()
    event.add("uid", f"{one.appointment.hex()}@salus")
    event.add("dtstamp", changed)
    event.add("last-modified", changed)
    event.add("sequence", one.changed // 1000 % (1 << 31))  # which rises with each change
    local = _time(one.begins).astimezone(zone)
    event.add("dtstart", _time(one.begins) if local.fold else local)  # of a time that comes twice, a zone's means the first
    event.add("duration", timedelta(milliseconds=one.ends - one.begins))  # so that its end means just one time as well
    event.add("summary", " / ".join(("Appointment", *filter(None, one.who))))
    event.add("status", status)
    event.add("class", "PRIVATE")
    event.add("transp", "TRANSPARENT" if status == "CANCELLED" else "OPAQUE")
    if one.place:
        event.add("location", one.place)
    if one.spot is not None:
        event.add("geo", (one.spot.latitude / 1_000_000, one.spot.longitude / 1_000_000))
    if one.contact:
        event.add("contact", one.contact)
    for before in reminders if status != "CANCELLED" else ():
        alarm = Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("description", "Appointment")
        alarm.add("trigger", timedelta(milliseconds=-before))
        event.add_component(alarm)
    return event


def _time(moment: int) -> datetime:
    return datetime.fromtimestamp(moment / 1000, UTC)
