"""Who may see what: granting, looking, taking back, and the letters that tell people of it."""

import time
from pathlib import Path
from typing import Annotated

import typer

from salus.charts.sections import DEFAULT_GRANT, SectionKind
from salus.cli.options import HOME, As, Home, Json, span
from salus.cli.output import emit, emit_line, table, when
from salus.errors import Misused
from salus.warrants.link import Purpose, Right

FIRST_PAUSE, LAST_PAUSE = 0.2, 5.0  # seconds between two looks into a mailbox


def grant(
    who: As,
    to: Annotated[str, typer.Option("--to", help="The reader: a contact's name or id.")],
    section: Annotated[list[SectionKind] | None, typer.Option(help="This section (may be repeated).")] = None,
    right: Annotated[list[Right] | None, typer.Option(help="To read, to append, or both (may be repeated).")] = None,
    purpose: Annotated[list[Purpose] | None, typer.Option(help="Purpose of use (may be repeated).")] = None,
    lasting: Annotated[str, typer.Option("--for", help="How long: 30m, 72h, 7d.")] = "72h",
    standing: Annotated[
        bool, typer.Option("--standing", help="Let the reader read on: also what comes later, until the grant ends.")
    ] = False,
    from_now_on: Annotated[
        bool, typer.Option("--from-now-on", help="With --standing: nothing of what is there already.")
    ] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Let somebody read sections as they are now, read on as they grow, or write into them.

    Not named, the sections are summary, medications, problems, results, care and vitals; whoever may append
    may also append documents (and read back what was written), but reads no other document.
    """
    from salus.agent.services import granting
    from salus.cli.session import session

    if from_now_on and not standing:
        raise Misused("usage", "--from-now-on goes with --standing")
    lasts = granting.Lasting(standing, standing and not from_now_on)
    rights, purposes, duration = tuple(right or (Right.READ,)), tuple(purpose or (Purpose.TREAT,)), span(lasting)
    parts: list[tuple[tuple[SectionKind, ...], tuple[Right, ...]]] = [(tuple(section or DEFAULT_GRANT), rights)]
    if not section and Right.APPEND in rights:
        parts.append(((SectionKind.DOCUMENTS,), (Right.APPEND,)))
    with session(home) as agent:
        until = agent.clock() + duration
        made = [
            granting.grant(agent, who, to, sections=sections, rights=given, purposes=purposes, until_ms=until, lasting=lasts)
            for sections, given in parts
        ]
    lines = [f"{info.reader_name} may {' and '.join(info.rights)}: {', '.join(info.sections)}" for info in made]
    if standing:
        lines.append("and reads on as more comes in, " + ("from now on" if from_now_on else "with all that is there already"))
    lines.append(f"until {when(made[0].until)}, for {', '.join(made[0].purposes)}")
    emit(as_json, {"grants": made}, "\n".join([*lines, *[f"grant {info.grant}" for info in made]]))


def access(
    who: As,
    reader: Annotated[str | None, typer.Option(help="Only what this reader was given.")] = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Who can see what, and who could: every grant with its status, as the ledger proves it."""
    from salus.agent.services import granting
    from salus.cli.session import session

    with session(home) as agent:
        found = granting.access(agent, who, reader)
    rows = [
        (
            info.reader_name,
            info.status,
            ", ".join(info.rights) + (", standing" if info.standing else ""),
            ", ".join(info.sections),
            when(info.until),
            info.grant,
        )
        for info in found
    ]
    emit(
        as_json,
        {"grants": found},
        table(("reader", "status", "may", "sections", "until", "grant"), rows, "nobody was granted anything"),
    )


def revoke(
    who: As,
    which: Annotated[str | None, typer.Argument(metavar="GRANT", help="The grant's id, or at least its first 8 digits.")] = None,
    reader: Annotated[str | None, typer.Option(help="Everything that this reader was given.")] = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Take a grant back: from the block named on, nothing more is handed out by it."""
    from salus.agent.services import revoking
    from salus.cli.session import session

    if (which is None) == (reader is None):
        raise Misused("usage", "name a grant, or a reader with --reader")
    with session(home) as agent:
        done = revoking.revoke(agent, who, grant=which, reader=reader)
    text = f"Taken back ({len(done.grants)}): refused since block {done.refused_since_height}, {when(done.refused_since_time)}"
    if done.sealed_anew_since_height:
        text += f"\nand sealed anew since block {done.sealed_anew_since_height}, {when(done.sealed_anew_since_time)}"
    emit(as_json, done, text)


def receipts(who: As, home: Home = HOME, as_json: Json = False) -> None:
    """Who has read what: one line for each reading, checked."""
    from salus.agent.services import receipting
    from salus.cli.session import session

    with session(home) as agent:
        found = receipting.receipts(agent, who)
    rows = [
        (
            when(row.time),
            (row.reader_name or "?") + (f" for {row.on_behalf_of}" if row.on_behalf_of else ""),
            row.section,
            f"{len(row.entries)}" if row.entries else "keys",
            row.purpose,
            row.trouble or ("anchored" if row.anchored else "checked"),
        )
        for row in found
    ]
    emit(
        as_json,
        {"receipts": found},
        table(("when", "reader", "section", "entries", "for", "state"), rows, "nobody has read anything"),
    )


def inbox(
    who: As,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until interrupted; with --json, one object a line.")] = False,
    seconds: Annotated[int, typer.Option(min=0, max=86_400, help="With --follow: end after so long; 0: never.")] = 0,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """What has come since the last time: grants, their end, and what was written into your record."""
    from salus.agent.services import inbox as letters
    from salus.cli.session import session

    if follow:
        _follow(home, who, seconds, as_json)
        return
    with session(home) as agent:
        found = letters.collect(agent, who)
    rows = [(when(item.sent) if item.sent else "", item.who, item.what) for item in found]
    emit(as_json, {"letters": found}, table(("when", "from", "what"), rows, "nothing new"))


def _follow(home: Path, who: str, seconds: int, as_json: bool) -> None:
    """Letters as they come. The home is let go of between two looks, and looks become rarer while nothing comes.

    A member that does not answer, and what cannot wait, is named once.
    """
    from salus.agent.services import inbox as letters
    from salus.cli.session import session

    lasting = (letters.SILENT, letters.URGENT)
    began, pause, named = time.monotonic(), FIRST_PAUSE, set[tuple[str, str]]()
    while True:
        with session(home) as agent:
            items = letters.collect(agent, who)
        found = [item for item in items if (item.kind, item.person) not in named]
        named = {(item.kind, item.person) for item in items if item.kind in lasting}
        for item in found:
            emit_line(as_json, item, f"{when(item.sent)}  {item.who}  {item.what}")
        if seconds and time.monotonic() - began >= seconds:
            return
        pause = FIRST_PAUSE if found else min(LAST_PAUSE, pause * 1.5)
        time.sleep(pause)


def delegate(
    which: Annotated[str, typer.Argument(metavar="GRANT", help="A grant that you were given: its id, or its first 8 digits.")],
    who: As,
    to: Annotated[str, typer.Option("--to", help="Who acts for you: a contact's name or id.")],
    lasting: Annotated[str, typer.Option("--for", help="How long: 30m, 8h, 2d.")] = "8h",
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Let somebody who acts for you read what a patient granted you, as it is now. The patient sees the name."""
    from salus.agent.services import delegating
    from salus.cli.session import session

    duration = span(lasting)
    with session(home) as agent:
        info = delegating.delegate(agent, who, which, to, agent.clock() + duration)
    text = f"{info.reader_name} may read: {', '.join(info.sections)}\nuntil {when(info.until)}\ngrant {info.grant}"
    emit(as_json, info, text)


COMMANDS = (grant, access, revoke, receipts, inbox, delegate)
