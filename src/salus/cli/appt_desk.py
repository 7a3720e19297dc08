"""What a desk does by ``salus appt``: who comes today, checking in, done, no-shows, and a day on which nobody can be seen."""

from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from salus.cli.appt import Which, place_of, said, time_of
from salus.cli.options import HOME, As, Home, Json
from salus.cli.options import said as in_words
from salus.cli.output import emit, table
from salus.errors import Misused
from salus.ledger.modules.scheduling.messages import DeclineReason

Day = Annotated[str, typer.Option(help="Which day, such as 2026-12-24; today when not given.")]
Only = Annotated[str, typer.Option(help="Of this schedule alone: its name, or the beginning of its id.")]
Words = Annotated[
    str, typer.Option(callback=in_words, help="What the patient is told in words, by letter; `-`: as standard input says.")
]


def today(who: As, day: Day = "", schedule: Only = "", home: Home = HOME, as_json: Json = False) -> None:
    """Who comes today, by time."""
    from salus.agent.services import reception
    from salus.cli.session import session

    with session(home) as agent:
        found = reception.day_list(agent, who, _window(agent, who, day), schedule)
    rows = [_row(info) for info in found]
    unread = dict.fromkeys(
        at.practitioner for info in found if not info.name for at in info.appointment.places if at.practitioner
    )
    notes = "".join(f"\nWho comes may stand in a letter that was not read yet: salus inbox --as '{name}'" for name in unread)
    emit(as_json, {"appointments": found}, table(("when", "who", "why", "state", "appointment"), rows, "nobody comes") + notes)


def check_in(appointment: Which, who: As, home: Home = HOME, as_json: Json = False) -> None:
    """The patient is there: what was shared for the visit is at hand."""
    from salus.agent.services import reception

    shown(home, as_json, lambda agent: reception.check_in(agent, who, appointment))


def done(appointment: Which, who: As, home: Home = HOME, as_json: Json = False) -> None:
    """The patient was seen."""
    from salus.agent.services import reception

    shown(home, as_json, lambda agent: reception.done(agent, who, appointment))


def no_show(appointment: Which, who: As, home: Home = HOME, as_json: Json = False) -> None:
    """The patient did not come. Whoever comes late is checked in all the same."""
    from salus.agent.services import reception

    shown(home, as_json, lambda agent: reception.no_show(agent, who, appointment))


def decline(
    appointment: Which,
    who: As,
    reason: Annotated[DeclineReason, typer.Option(help="Why: everybody sees the code.")],
    words: Words = "",
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Cancel an appointment at this desk."""
    from salus.agent.services import reception

    shown(home, as_json, lambda agent: reception.decline(agent, who, appointment, reason, words))


def cancel_day(
    who: As,
    day: Day = "",
    reason: Annotated[DeclineReason, typer.Option(help="Why: everybody sees the code.")] = DeclineReason.CLOSED,
    words: Words = "",
    schedule: Only = "",
    no_offer: Annotated[bool, typer.Option("--no-offer", help="Cancel each, and offer no other time.")] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Close a day, offer everybody the next free time behind it, or cancel where there is none; all are written to."""
    from salus.agent.services import opening, reception
    from salus.agent.services.opening import opened_hours
    from salus.cli.session import session

    with session(home) as agent:
        window = _window(agent, who, day)
        for own in opened_hours(agent, who):
            closing = _day(agent, who, day).isoformat()
            if closing not in own.closed and schedule in ("", own.name, own.schedule[: len(schedule)]):
                opening.publish(agent, who, None, (closing,), (), own.schedule)
        found = reception.cancel_day(agent, who, window, reason, words, schedule, offer=not no_offer)
    rows = [_row(info) for info in found]
    text = table(("when", "who", "why", "state", "appointment"), rows, "nobody was to come")
    untold = sum(not info.told for info in found)
    emit(as_json, {"appointments": found}, text + (f"\n{untold} are to be telephoned: no letter reaches them" if untold else ""))


def shown(home: Path, as_json: bool, act: Any) -> None:
    """Do it, and show what the desk knows of it."""
    from salus.cli.session import session

    with session(home) as agent:
        info = act(agent)
    one = info.appointment
    lines = [f"{info.name or 'somebody'}{f', born {info.born}' if info.born else ''}: {said(one)}"]
    lines += [f"{time_of(one)}: {place_of(one)}", f"appointment {one.appointment}"]
    lines += [f"why: {info.reason}"] if info.reason else []
    lines += [f"telephone: {info.phone}"] if info.phone else []
    lines += [f"shared for the visit: {', '.join(info.shared)}"] if info.shared else []
    lines += ["The patient is written to."] if info.told else []
    emit(as_json, info, "\n".join(lines))


def _row(info: Any) -> tuple[str, str, str, str, str]:
    one = info.appointment
    return time_of(one), info.name or "(not introduced yet)", info.reason, said(one), one.appointment[:12]


def _day(agent: Any, who: str, text: str) -> date:
    """The day that was said; today, by the clocks of the desk's first schedule."""
    if not text:
        return datetime.fromtimestamp(agent.clock() / 1000, _zone(agent, who)).date()
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Misused("bad-date", "a day is written 2026-12-24") from error


def _window(agent: Any, who: str, text: str) -> tuple[int, int]:
    """From midnight to midnight, by the clocks of the desk's first schedule."""
    day, zone = _day(agent, who, text), _zone(agent, who)
    begins, ends = (datetime.combine(one, time(), zone) for one in (day, day + timedelta(days=1)))
    return round(begins.timestamp() * 1000), round(ends.timestamp() * 1000)


def _zone(agent: Any, who: str) -> Any:
    from salus.agent.services.opening import opened_hours
    from salus.exchange.hours import zone_of

    found = opened_hours(agent, who)
    return zone_of(found[0].zone if found else "UTC")


COMMANDS = (today, check_in, done, no_show, decline, cancel_day)
