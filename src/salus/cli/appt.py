"""``salus appt``: appointments. What patients do; the desk's commands stand in `appt_desk`."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from salus.charts.sections import SectionKind
from salus.cli.options import HOME, As, Home, Json, write_output
from salus.cli.options import said as in_words
from salus.cli.output import emit, moment, table
from salus.errors import Misused
from salus.ledger.modules.scheduling.messages import Kind, Override

app = typer.Typer(help="Appointments: held, booked, moved, waited for, kept.", no_args_is_help=True)

Which = Annotated[str, typer.Argument(metavar="APPT", help="The appointment's id, or at least its first 8 digits.")]
Slots = Annotated[list[str], typer.Argument(metavar="SLOT...", help="Slots as `salus slots find` names them: all, or none.")]
Instead = Annotated[str, typer.Option("--instead-of", metavar="APPT", help="One of yours that is cancelled once this is booked.")]


_WHY = "Why, in words: the practice alone reads it; `-`: as standard input says."


@app.command()
def hold(slots: Slots, who: As, home: Home = HOME, as_json: Json = False) -> None:
    """Hold slots for some minutes, all of them or none: nobody else has them meanwhile."""
    from salus.agent.services import booking

    _shown(home, as_json, lambda agent: booking.hold(agent, who, slots))


@app.command()
def book(
    named: Annotated[list[str], typer.Argument(metavar="APPT|SLOT...", help="What you hold or were offered, or free slots.")],
    who: As,
    reason: Annotated[str, typer.Option(callback=in_words, help=_WHY)] = "",
    born: Annotated[str, typer.Option(help="The date of birth, such as 1980-01-31.")] = "",
    phone: Annotated[str, typer.Option(help="A number for calling back.")] = "",
    share: Annotated[str, typer.Option(help="What the practice may read until the visit is over: summary,coverage")] = "",
    instead: Instead = "",
    caller: Annotated[str, typer.Option("--for", metavar="NAME", help="At a desk: for whom, who telephones or walks in.")] = "",
    contact: Annotated[str, typer.Option(help="At a desk: the contact whose wallet gets it.")] = "",
    override: Annotated[Override, typer.Option(help="At a desk: why a full or late time is taken all the same.")] = Override.NONE,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Book what you hold or were offered, or free slots at once. At a desk: book --for somebody."""
    from salus.agent.services import booking, reception
    from salus.cli import appt_desk

    if caller:
        if share or instead:
            raise Misused("usage", "--share and --instead-of are the patient's")
        person = reception.Caller(caller, born, reason, phone, contact)
        appt_desk.shown(home, as_json, lambda agent: reception.take(agent, who, named, person, override))
        return
    if contact or override is not Override.NONE:
        raise Misused("usage", "--contact and --override are a desk's: say --for whom")
    visit = booking.Visit(reason, born, phone, _sections(share), instead)
    _shown(home, as_json, lambda agent: booking.book(agent, who, named, visit))


@app.command()
def move(appointment: Which, slots: Slots, who: As, home: Home = HOME, as_json: Json = False) -> None:
    """These slots in place of those that you have, or nothing changes."""
    from salus.agent.services import booking

    _shown(home, as_json, lambda agent: booking.move(agent, who, appointment, slots))


@app.command()
def cancel(appointment: Which, who: As, home: Home = HOME, as_json: Json = False) -> None:
    """Cancel an appointment of yours, decline an offer, or wait no more. A desk cancels by `decline`."""
    from salus.agent.services import booking

    _shown(home, as_json, lambda agent: booking.cancel(agent, who, appointment))


@app.command()
def wait(
    schedule: Annotated[str, typer.Argument(metavar="SCHEDULE", help="The schedule's id, or a slot of it.")],
    who: As,
    since: Annotated[str | None, typer.Option("--from", help="From this day or time on; from now on when not given.")] = None,
    until: Annotated[
        str | None, typer.Option("--to", help="Starts up to this day or time; 30 days, as far as it is open, when not given.")
    ] = None,
    kind: Annotated[list[Kind] | None, typer.Option(help="visit, home, video or phone; a visit when not given.")] = None,
    instead: Instead = "",
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Wait for a seat: when one falls free, whoever waits longest is asked first."""
    from salus.agent.services import booking

    handle = schedule.partition("@")[0]
    if len(handle) != 64 or not set(handle) <= set("0123456789abcdef"):
        raise Misused("usage", "a schedule is named by all 64 digits of its id, or by a slot of it")

    window, kinds = (moment(since) or 0, moment(until) or 0), tuple(kind or (Kind.VISIT,))
    _shown(home, as_json, lambda agent: booking.wait(agent, who, bytes.fromhex(handle), window, kinds, instead))


@app.command("list")
def list_(
    who: As,
    fhir: Annotated[bool, typer.Option("--fhir", help="As a FHIR Bundle of Appointments instead.")] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Your appointments, by time."""
    from salus.agent.services import booking
    from salus.cli.session import session

    with session(home) as agent:
        found = booking.own_appointments(agent, who)
    if fhir:
        from salus.fhir.appointments import to_fhir
        from salus.fhir.parsing import as_bundle

        sys.stdout.buffer.write(as_bundle((to_fhir(one.appointment, who), "") for one in found) + b"\n")
        return
    rows = [(i.appointment.appointment[:12], time_of(i.appointment), place_of(i.appointment), said(i.appointment)) for i in found]
    emit(as_json, {"appointments": found}, table(("appointment", "when", "where", "state"), rows, "no appointments"))


@app.command()
def ics(
    who: As,
    file: Annotated[Path, typer.Argument(help="The calendar file that is written.")],
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Your appointments for a calendar, with reminders; no word of what they are for."""
    from salus.agent.services import booking
    from salus.cli.session import session
    from salus.exchange.calendars import Meeting, calendar
    from salus.ledger.modules.scheduling.state import AppointmentStatus

    with session(home) as agent:
        found = [one.appointment for one in booking.own_appointments(agent, who) if one.appointment.places]
    meetings = [
        Meeting(
            bytes.fromhex(one.appointment),
            AppointmentStatus(one.status),
            one.begins,
            one.ends,
            one.places[0].zone,
            one.since,
            tuple(dict.fromkeys(filter(None, (name for at in one.places for name in (at.practitioner, at.organisation))))),
            one.places[0].place,
            None,
            ", ".join(one.places[0].telecom),
        )
        for one in found
    ]
    write_output(file, calendar(meetings))
    emit(as_json, {"file": str(file), "appointments": len(meetings)}, f"Written: {file} with {len(meetings)} appointments")


def time_of(info: Any) -> str:
    """When it is, by the clocks of the place."""
    from salus.exchange.hours import local_time

    return f"{local_time(info.places[0].zone, info.begins)} {info.places[0].zone}" if info.places else "-"


def place_of(info: Any) -> str:
    """With whom, and where."""
    return "; ".join(" / ".join(filter(None, (at.practitioner, at.organisation, at.service, at.place))) for at in info.places)


def said(info: Any) -> str:
    """What has become of it, as people say it."""
    from salus.exchange.hours import local_time

    by = local_time(info.places[0].zone, info.until) if info.places else ""
    text = {
        "waitlist": "waits for a seat",
        "pending": f"held or offered: book it until {by}",
        "booked": "booked",
        "arrived": "is there",
        "fulfilled": "is over",
        "noshow": "did not come",
        "cancelled": "cancelled" + (f" by the practice: {info.reason}" if info.reason else ""),
    }[info.status]
    return text + (f"; taken all the same: {info.override}" if info.override != "none" else "")


def _sections(text: str) -> tuple[SectionKind, ...]:
    try:
        return tuple(dict.fromkeys(SectionKind(name.strip()) for name in text.split(",") if name.strip()))
    except ValueError as error:
        raise Misused("usage", "--share takes names of sections with commas between: summary,coverage") from error


def _shown(home: Path, as_json: bool, act: Any) -> None:
    from salus.cli.session import session

    with session(home) as agent:
        info = act(agent)
    one = info.appointment
    lines = [f"appointment {one.appointment}: {said(one)}"]
    lines += [f"{time_of(one)}: {place_of(one)}"] if one.places else []
    lines += ["The practice is told who comes."] if info.told and one.status == "booked" else []
    lines += [f"It may read until the visit is over: {', '.join(info.shares)}"] if info.shares and one.status == "booked" else []
    emit(as_json, info, "\n".join(lines))
