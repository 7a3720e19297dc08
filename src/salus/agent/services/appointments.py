"""What the ledger proves of an appointment, in plain values: for the patient's side and for the desk."""

from __future__ import annotations

from collections.abc import Sequence

from salus.agent.home import Agent
from salus.agent.verify import newest_header, record, records
from salus.errors import AgentRefused, LedgerRefused
from salus.exchange.schedules import About, names_of
from salus.fhir.appointments import AppointmentInfo, PlaceInfo
from salus.ledger.modules.scheduling.state import Appointment, appointment_key, ends, starts

REMEMBERED = 3_600_000  # ms for which a command that was cut off before it could tell is known, should it be given again


def standing(agent: Agent, handle: bytes) -> Appointment:
    """The appointment, proven; ``no-such-appointment`` where it is proven that there is none."""
    found = look(agent, handle)
    if found is None:
        raise LedgerRefused("no-such-appointment", "no appointment of this id")
    return found


def look(agent: Agent, handle: bytes) -> Appointment | None:
    """As `standing`; None where there is none. A node that follows may be a block behind: it is asked once more."""
    found = record(agent, appointment_key(handle), Appointment)
    if found is None:
        newest_header(agent, fresh=True)
        found = record(agent, appointment_key(handle), Appointment)
    return found


def standings(agent: Agent, handles: Sequence[bytes]) -> list[Appointment | None]:
    """Those that there are, all under one header."""
    return list(records(agent, [appointment_key(handle) for handle in handles], Appointment)[0]) if handles else []


def describe(handle: bytes, found: Appointment, abouts: Sequence[About]) -> AppointmentInfo:
    """In plain values; ``abouts`` are of the schedules that are known."""
    known = {about.schedule: about for about in abouts}
    places = tuple(
        PlaceInfo(
            one.schedule.hex(),
            one.slot.start,
            one.slot.end,
            one.slot.kind.value,
            *(names_of(about) if about else ("", "")),
            about.service if about else "",
            about.place if about else "",
            about.zone if about else "UTC",
            about.telecom if about else (),
        )
        for one in found.slots
        for about in [known.get(one.schedule)]
    )
    return AppointmentInfo(
        handle.hex(),
        found.status.value,
        starts(found.slots) if found.slots else 0,
        ends(found.slots) if found.slots else 0,
        found.until,
        found.since,
        found.reason.value if found.reason else "",
        found.override.value,
        places,
    )


def choose(handles: Sequence[bytes], named: str) -> bytes:
    """The one handle that ``named`` is, or begins (at least 8 digits); ``no-such-appointment``, ``ambiguous-appointment``."""
    found = [handle for handle in dict.fromkeys(handles) if len(named) >= 8 and handle.hex().startswith(named.lower())]
    if not found:
        raise AgentRefused("no-such-appointment", "no appointment of that id is kept here; give at least its first 8 digits")
    if len(found) > 1:
        raise AgentRefused("ambiguous-appointment", "several appointments begin so; give more digits")
    return found[0]
