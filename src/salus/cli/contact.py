"""``salus contact``: cards, handed out and taken in."""

from __future__ import annotations

from typing import Annotated

import typer

from salus.cli.options import HOME, Home, Json, read_input
from salus.cli.output import emit, table
from salus.errors import Misused

app = typer.Typer(help="Cards of people: handed out and taken in.", no_args_is_help=True)


@app.command()
def show(name: str, home: Home = HOME, as_json: Json = False) -> None:
    """The card of a person, as one line of text to hand out."""
    from salus.agent.services import contacts
    from salus.cli.session import session
    from salus.exchange.carding import card_to_text

    with session(home) as agent:
        signed = contacts.find_contact(agent, name)
    info, line = contacts.describe(signed), card_to_text(signed).strip()
    emit(as_json, {"name": info.name, "role": info.role, "person": info.person, "card": line}, line)


@app.command()
def add(
    file: Annotated[str, typer.Argument(help="The card: a file, or - for standard input.")],
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Take a card in, once its signature was checked."""
    from salus.agent.services import contacts
    from salus.cli.session import session
    from salus.exchange.carding import card_from_text

    signed = card_from_text(read_card(read_input(file)))
    with session(home) as agent:
        info = contacts.add_contact(agent, signed)
    emit(as_json, info, f"{info.name} ({info.role}) is a contact: {info.person}")


@app.command("list")
def list_(home: Home = HOME, as_json: Json = False) -> None:
    """Everybody to whom this home can write."""
    from salus.agent.services import contacts
    from salus.cli.session import session

    with session(home) as agent:
        found = contacts.list_contacts(agent)
    text = table(("name", "role", "id"), [(info.name, info.role, info.person) for info in found], "nobody yet")
    emit(as_json, {"contacts": found}, text)


def read_card(data: bytes) -> str:
    """The text of a card's file; `Misused` ``not-a-card`` for bytes that are no text."""
    try:
        return data.decode("ascii")
    except UnicodeDecodeError as error:
        raise Misused("not-a-card", "the file is no contact card") from error
