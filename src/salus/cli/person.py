"""``salus person``: the people whose wallets this home holds."""

from __future__ import annotations

from typing import Annotated

import typer

from salus.cli.leaving import import_
from salus.cli.options import HOME, Home, Json, read_input, read_invite
from salus.cli.output import emit, table
from salus.errors import Misused
from salus.exchange.cards import Role

app = typer.Typer(help="The people whose wallets this home holds.", no_args_is_help=True)
app.command("import")(import_)


@app.command()
def add(
    name: str,
    role: Annotated[Role, typer.Option(help="What the person is.")] = Role.PATIENT,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Make a wallet. In a member's home a professional's licence is issued at once."""
    from salus.agent.services import licensing, people
    from salus.cli.session import session

    if role is Role.MEMBER:
        raise Misused("bad-role", "a member is made by `salus init`")
    with session(home) as agent:
        made = people.add_person(agent, name, role, cold_dir=home / "cold")
        licence = ""
        if role in licensing.RIGHTS and licensing.is_member(agent):
            licence = licensing.issue_licence(agent, people.own_card(agent, name), role).licence
    value = {"name": made.name, "role": made.role, "person": made.person, "cold_file": made.cold_file, "licence": licence}
    lines = [f"{made.name} ({made.role}) has a wallet: {made.person}"]
    if licence:
        lines.append(f"Licence {licence}")
    lines.append(f"The cold seed is in {made.cold_file}: move it to a safe place away from this machine.")
    emit(as_json, value, "\n".join(lines))


@app.command()
def recover(
    cold: Annotated[str, typer.Option(help="The cold seed's file.")],
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """After a theft or a loss: take everything over with the cold seed. What the old wallet signs counts no more."""
    from salus.agent.services import people, recovering
    from salus.cli.session import session

    seed = people.read_cold(read_input(cold))
    with session(home) as agent:
        info = recovering.recover(agent, seed, cold_dir=home / "cold")
    value = {
        "name": info.person.name,
        "person": info.person.person,
        "former": info.former,
        "sections": info.sections,
        "ended": info.ended,
        "cold_file": info.person.cold_file,
    }
    lines = [f"{info.person.name} has a new wallet: {info.person.person}", f"{len(info.sections)} sections were taken over"]
    lines += [f"access of {name} has ended; grant anew if you wish" for name in info.ended]
    lines += ["Hand your new card out: the old one is worth nothing."]
    lines.append(f"The new cold seed is in {info.person.cold_file}: move it to a safe place; the old one is used up.")
    emit(as_json, value, "\n".join(lines))


@app.command()
def move(
    to: Annotated[str, typer.Option("--to", help="The other node's address.")],
    invite: Annotated[str | None, typer.Option(help="An invitation to it, or a file that holds one.")] = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Move the people of a home without a node to another node, whether or not the one before helps."""
    from salus.cli.session import passphrase
    from salus.homes import move_home

    move_home(home, to, passphrase, [read_invite(invite)] if invite else [])
    text = f"{to} is the node that is asked first from now on.\nHand your card out again: letters reach you there."
    emit(as_json, {"node": to}, text)


@app.command("list")
def list_(home: Home = HOME, as_json: Json = False) -> None:
    """Who has a wallet here."""
    from salus.agent.services import people
    from salus.cli.session import session

    with session(home) as agent:
        found = people.list_people(agent)
    rows = [{"name": info.name, "role": info.role, "person": info.person} for info in found]
    emit(as_json, {"people": rows}, table(("name", "role", "id"), [(i.name, i.role, i.person) for i in found], "nobody yet"))
