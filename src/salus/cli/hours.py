"""``salus hours`` and ``salus slots``: when a practice sees people, and where the next free time is."""

import re
from typing import Annotated, Any

import typer

from salus.cli.options import HOME, As, Home, Json, read_input
from salus.cli.output import emit, emit_raw, moment, table
from salus.errors import Misused
from salus.ledger.modules.scheduling.messages import DAY, Kind

app = typer.Typer(help="A practice's hours: published as slots that patients find and book.", no_args_is_help=True)
slots = typer.Typer(help="Free slots of all practices.", no_args_is_help=True)

Days = Annotated[list[str] | None, typer.Option("--close", metavar="DAY", help="Close this day, such as 2026-12-24.")]
Reopen = Annotated[list[str] | None, typer.Option("--reopen", metavar="DAY", help="Open a day again that was closed so.")]


@app.command()
def publish(
    who: As,
    file: Annotated[str, typer.Argument(metavar="[FILE|-]", help="The hours, as TOML or JSON; not needed to close a day.")] = "",
    close: Days = None,
    reopen: Reopen = None,
    schedule: Annotated[str, typer.Option(help="Which schedule, where no file is named and there are several.")] = "",
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Publish hours: the ledger gets a hash of each month's slots, nodes get the slots, and patients find those that are free.

    They are of whoever publishes, a professional or an organisation; or of the practitioner whom an organisation names in it.
    """
    from salus.agent.services import opening
    from salus.cli.session import session

    if not file and not close and not reopen:
        raise Misused("usage", "name a file of hours, or a day to close or to reopen")
    data = read_input(file) if file else None
    with session(home) as agent:
        info = opening.publish(agent, who, data, tuple(close or ()), tuple(reopen or ()), schedule)
    emit(as_json, info, _said(info))


@app.command("list")
def list_(who: As, home: Home = HOME, as_json: Json = False) -> None:
    """What you have published."""
    from salus.agent.services import opening
    from salus.cli.session import session

    with session(home) as agent:
        found = opening.opened_hours(agent, who)
    rows = [(i.name, i.schedule[:12], i.zone, i.days, i.slots, ", ".join(i.closed) or "-") for i in found]
    emit(as_json, {"schedules": found}, table(("hours", "schedule", "zone", "days", "slots", "closed since"), rows, "no hours"))


@app.command()
def fhir(
    who: As,
    schedule: Annotated[str, typer.Option(help="Which schedule, where there are several.")] = "",
    day: Annotated[str | None, typer.Option(metavar="DAY", help="A day of the month; today when not given.")] = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """A month of your hours for other systems, as a FHIR Bundle of a Schedule and its Slots, and of whose they are."""
    from salus.agent.services import opening
    from salus.cli.session import session

    with session(home) as agent:
        emit_raw(opening.in_fhir(agent, who, schedule, moment(day) or agent.clock()))


@slots.command("find")
def find(
    specialty: Annotated[list[str] | None, typer.Option(help="Beginnings of words: of a specialty, a service, a name.")] = None,
    near: Annotated[str, typer.Option(metavar="LAT,LON|PLACE", help="Near these degrees, or words of the place.")] = "",
    within: Annotated[int, typer.Option(min=1, max=20_000, help="Kilometres around these degrees.")] = 25,
    language: Annotated[str, typer.Option(help="A language that is spoken, such as de.")] = "",
    kind: Annotated[list[Kind] | None, typer.Option(help="visit, home, video or phone.")] = None,
    since: Annotated[str | None, typer.Option("--from", help="From this day or time on; from now on when not given.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Up to this day or time; 90 days when not given.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=50, help="How many at most.")] = 10,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """The next free slots, each proven by the ledger before it is shown."""
    from salus.agent.services import finding
    from salus.cli.session import session
    from salus.exchange.hours import local_time
    from salus.exchange.schedules import SlotSearch

    spot, place = _near(near)
    with session(home) as agent:
        begins = moment(since) or agent.clock()
        ends = moment(until) or begins + 90 * DAY
        what = (tuple(specialty or ()), place, language or None, tuple(kind or ()), spot, within * 1000 if spot else 0)
        found = finding.find(agent, _sound(SlotSearch(*what, None, begins, ends, limit)))
    infos = [one.info for one in found.offers]
    heads = ("when", "minutes", "kind", "free", "who", "where", "km", "slot")
    rows = [
        (
            f"{local_time(i.zone, i.begins)} {i.zone}",
            (i.ends - i.begins) // 60_000,
            i.kind,
            i.free,
            " / ".join(filter(None, (i.practitioner, i.organisation, i.service))),
            i.place,
            "-" if i.away < 0 else f"{i.away / 1000:.1f}",
            i.slot,
        )
        for i in infos
    ]
    notes = f"\n{found.dropped} were not proven and are not shown" if found.dropped else ""
    notes += "\nthere may be more: say more of what you look for, or raise --limit" if found.more else ""
    plain = [{**_plain(i), "local": local_time(i.zone, i.begins)} for i in infos]
    emit(as_json, {"slots": plain, "dropped": found.dropped, "more": found.more}, table(heads, rows, "nothing is free") + notes)


def _plain(info: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(info)


def _near(text: str) -> tuple[Any, tuple[str, ...]]:
    """A spot, or the words of a place."""
    from salus.exchange.schedules import spot_of

    read = re.fullmatch(r"(-?[0-9]{1,2}(?:\.[0-9]+)?),\s*(-?[0-9]{1,3}(?:\.[0-9]+)?)", text)
    if read is None:
        return None, tuple(text.split())
    return spot_of(float(read[1]), float(read[2])), ()


def _sound(search: Any) -> Any:
    """The search, where a node would read it."""
    from salus.codec import decode, encode
    from salus.errors import Malformed
    from salus.exchange.schedules import SlotSearch

    try:
        return decode(encode(search), SlotSearch, limit=65_536)
    except Malformed as error:
        raise Misused("usage", "too many or too long words, degrees that are none, or a language that is no tag") from error


def _said(info: Any) -> str:
    from salus.exchange.hours import local_time

    lines = [f"{info.name}: {'opened' if info.opened else 'published'} as schedule {info.schedule[:12]}"]
    until = local_time(info.zone, info.until)
    lines.append(f"{info.slots} slots on {info.days} days from now until {until} ({info.zone})")
    lines.append(f"{info.changed} of {info.months} months are new or changed on the ledger")
    lines += [f"{info.left_out} slots were left out: they would overlap others"] if info.left_out else []
    lines += [f"closed since: {', '.join(info.closed)}"] if info.closed else []
    return "\n".join(lines)
