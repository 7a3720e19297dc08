"""``salus members``: who runs the network, and what they decide together."""

from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import typer

from salus.cli.options import HOME, Home, Json, read_input, write_output
from salus.cli.output import emit, rfc3339, table, when
from salus.ledger.genesis import LicenceRight

app = typer.Typer(help="The members of the network, and what they decide together.", no_args_is_help=True)
proposing = typer.Typer(help="Propose a change to all members; this home's member is for it.", no_args_is_help=True)
app.add_typer(proposing, name="propose")

TIMES = ("opened", "until", "effect")
Member = Annotated[str, typer.Argument(help="The member: the first digits of its id.")]
Document = Annotated[str, typer.Option(help="A file that explains it: the ledger has its SHA-256 alone.")]
Rights = Annotated[list[LicenceRight] | None, typer.Option("--right", help="What the member may license (may be repeated).")]


@app.command("list")
def list_(home: Home = HOME, as_json: Json = False) -> None:
    """Who is a member now, what each may license, and what its validator's vote weighs."""
    from salus.agent.services import governing
    from salus.cli.session import session

    with session(home) as agent:
        found = governing.show_members(agent)
    rows = [
        (one.member, one.power or "", ", ".join(one.rights), f"caught {when(one.caught)}" if one.caught else "") for one in found
    ]
    emit(
        as_json,
        {"members": [_timed(one, "caught") for one in found]},
        table(("member", "power", "may license", ""), rows, "no members"),
    )


@app.command()
def proposals(home: Home = HOME, as_json: Json = False) -> None:
    """What was proposed, how far it is, and when it has its effect."""
    from salus.agent.services import governing
    from salus.cli.session import session

    with session(home) as agent:
        found = governing.show_proposals(agent)
    rows = [(one.number, one.stage, len(one.yes), len(one.no), _due(one), one.what) for one in found]
    emit(
        as_json,
        {"proposals": [_timed(one, *TIMES) for one in found]},
        table(("", "stage", "yes", "no", "when", "what"), rows, "nothing was proposed yet"),
    )


@app.command()
def vote(
    number: Annotated[int, typer.Argument(min=1, help="The proposal's number.")],
    yes: Annotated[bool, typer.Option("--yes/--no", help="For it, or against it.")],
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Vote on a proposal for this home's member; a vote stands."""
    from salus.agent.services import governing
    from salus.cli.session import session

    with session(home) as agent:
        _show(governing.vote(agent, number, favour=yes), as_json)


@app.command()
def welcome(
    member: Member,
    out: Annotated[Path, typer.Option(help="The new file for the member that was admitted.")],
    engine: Annotated[str, typer.Option(help="Where this member's engine is reached (host:port), if not where it listens.")] = "",
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """What an admitted member needs to join: the network, a checkpoint, and how others are reached. No secret is in it."""
    from salus.agent.services.governing import find_member
    from salus.cli.session import session
    from salus.exchange.founding import way_in_to_text
    from salus.homes import make_way_in

    with session(home) as agent:
        way = make_way_in(agent, home, find_member(agent, member), engine)
    write_output(out, way_in_to_text(way).encode("ascii"))
    value = {"file": str(out), "height": way.checkpoint.header.height, "others": len(way.others)}
    emit(as_json, value, f"{out}: hand it to the member as you would a key (salus node join --way-in {out.name})")


@proposing.command()
def admit(
    prepared: Annotated[str, typer.Argument(help="The file of the new member (salus node prepare), or -.")],
    right: Rights = None,
    document: Document = "",
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """A new member. Without --right it may license what it has named."""
    from salus.agent.services.governing import admission
    from salus.exchange.founding import member_from_text

    change = admission(member_from_text(read_input(prepared)), tuple(right) if right else None)
    _propose(lambda _: change, document, home, as_json)


@proposing.command()
def remove(member: Member, document: Document = "", home: Home = HOME, as_json: Json = False) -> None:
    """That a member is one no longer: it sponsors and licenses nothing any more, and its validator has no seat."""
    from salus.agent.services.governing import find_member
    from salus.ledger.modules.governance.messages import RemoveMember

    _propose(lambda agent: RemoveMember(find_member(agent, member)), document, home, as_json)


@proposing.command()
def rights(member: Member, right: Rights = None, document: Document = "", home: Home = HOME, as_json: Json = False) -> None:
    """What a member may license from then on: these and no others; none without --right."""
    from salus.agent.services.governing import find_member
    from salus.ledger.modules.governance.messages import SetRights

    _propose(lambda agent: SetRights(find_member(agent, member), tuple(right or ())), document, home, as_json)


@proposing.command()
def power(
    member: Member,
    weight: Annotated[int, typer.Argument(min=0, max=1_000_000, help="What its vote weighs; 0 takes its seat.")],
    document: Document = "",
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """What the vote of a member's validator weighs."""
    from salus.agent.services.governing import find_member
    from salus.ledger.modules.governance.messages import SetPower

    _propose(lambda agent: SetPower(find_member(agent, member), weight), document, home, as_json)


@proposing.command("undo-licences")
def undo_licences(
    member: Member,
    since: Annotated[int, typer.Option(min=0, help="The block from which on they are undone.")],
    document: Document = "",
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """That all licences which a member has issued since a block never were, as when its key was stolen."""
    from salus.agent.services.governing import find_member
    from salus.ledger.modules.governance.messages import UndoLicences

    _propose(lambda agent: UndoLicences(find_member(agent, member), since), document, home, as_json)


@proposing.command()
def upgrade(
    version: Annotated[int, typer.Argument(min=1, help="The version of the rules.")],
    at: Annotated[int, typer.Option(min=1, help="The block from which on they hold.")],
    document: Document = "",
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """That new rules hold from a block on: nodes whose software does not know them stop there."""
    from salus.ledger.modules.governance.messages import Upgrade

    _propose(lambda _: Upgrade(at, version), document, home, as_json)


def _propose(change: Any, document: str, home: Any, as_json: bool) -> None:
    from salus.agent.services import governing
    from salus.cli.session import session

    explained = sha256(read_input(document)).digest() if document else bytes(32)
    with session(home) as agent:
        _show(governing.propose(agent, change(agent), explained), as_json)


def _show(one: Any, as_json: bool) -> None:
    text = f"proposal {one.number}: {one.what}\n{one.stage}, {len(one.yes)} for it, {len(one.no)} against; {_due(one)}"
    emit(as_json, {"proposal": _timed(one, *TIMES)}, text)


def _timed(one: Any, *times: str) -> dict[str, Any]:
    """The record with its times as machines read them; none where it has not come."""
    row = asdict(one)
    return {**row, **{name: rfc3339(row[name]) if row[name] else None for name in times}}


def _due(one: Any) -> str:
    if one.stage == "open":
        return f"votes until {when(one.until)}"
    if one.stage in ("accepted", "done"):
        return f"in effect from {when(one.effect)}"
    return one.failure and f"it was not possible any more ({one.failure})"
