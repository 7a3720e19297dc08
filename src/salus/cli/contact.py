"""``salus contact``: cards, handed out and taken in."""

from typing import Annotated

import typer

from salus.cli.options import HOME, Home, Json, read_input
from salus.cli.output import emit, table
from salus.errors import Misused

app = typer.Typer(help="Cards of people: handed out and taken in.", no_args_is_help=True)


@app.command()
def show(
    name: str,
    ref: Annotated[bool, typer.Option("--ref", help="A short line that leads to one's own card: for a sign, a message.")] = False,
    qr: Annotated[bool, typer.Option("--qr", help="The same as a code to be scanned.")] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """The card of a person, as one line of text to hand out.

    A reference may be seen by everybody: who follows it writes as a stranger, until you write back.
    """
    from salus.agent.services import contacts, referring
    from salus.cli.qr import as_text
    from salus.cli.session import session
    from salus.exchange.carding import card_to_text

    with session(home) as agent:
        signed = contacts.find_contact(agent, name)
        reference = referring.refer(agent, name).strip() if ref or qr else ""
    info, line = contacts.describe(signed), card_to_text(signed).strip()
    value = {"name": info.name, "role": info.role, "person": info.person, "card": line, "reference": reference}
    emit(as_json, value, as_text(reference) if qr else reference or line)


@app.command()
def add(
    file: Annotated[str, typer.Argument(help="The card, or a reference to it: a file, or - for standard input.")],
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Take a card in, once its signature was checked; a reference is followed to its card, and to no other one."""
    from salus.agent.services import contacts, referring
    from salus.cli.session import session
    from salus.exchange.carding import card_from_text
    from salus.exchange.references import ARMOUR

    text = read_card(read_input(file)).strip()
    signed = None if text.startswith(ARMOUR) else card_from_text(text)
    with session(home) as agent:
        info = referring.add_referred(agent, text.encode("ascii")) if signed is None else contacts.add_contact(agent, signed)
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
