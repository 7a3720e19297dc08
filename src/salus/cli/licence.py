"""``salus licence``: what lets a professional act, or an organisation keep a schedule, issued by a member and shown as proven."""

from typing import Annotated, Any

import typer

from salus.cli.contact import read_card
from salus.cli.options import HOME, Home, Json, read_input
from salus.cli.output import emit, table, when
from salus.exchange.roles import Role
from salus.ledger.modules.licences.messages import LicenceStatus

app = typer.Typer(help="Licences of professionals, and of organisations that keep a schedule.", no_args_is_help=True)


@app.command()
def issue(
    card: Annotated[str, typer.Argument(help="The card of whom it is for: a file, or - for standard input.")],
    role: Annotated[Role, typer.Option(help="What the licence is for.")],
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Issue a licence to whom the card names."""
    from salus.agent.services import contacts, licensing
    from salus.cli.session import session
    from salus.exchange.carding import card_from_text

    signed = card_from_text(read_card(read_input(card)))
    with session(home) as agent:
        contacts.add_contact(agent, signed)
        _show(licensing.issue_licence(agent, signed, role), as_json)


@app.command()
def show(name: str, home: Home = HOME, as_json: Json = False) -> None:
    """The licence of a person, with every status that it ever had."""
    from salus.agent.services import licensing
    from salus.cli.session import session

    with session(home) as agent:
        _show(licensing.show_licence(agent, name), as_json)


@app.command()
def suspend(name: str, home: Home = HOME, as_json: Json = False) -> None:
    """Suspend a licence: from the next block on, its holder is refused."""
    _set(name, LicenceStatus.SUSPENDED, home, as_json)


@app.command()
def reinstate(name: str, home: Home = HOME, as_json: Json = False) -> None:
    """Reinstate a suspended licence."""
    _set(name, LicenceStatus.ACTIVE, home, as_json)


def _set(name: str, status: LicenceStatus, home: Any, as_json: bool) -> None:
    from salus.agent.services import licensing
    from salus.cli.session import session

    with session(home) as agent:
        _show(licensing.set_licence(agent, name, status), as_json)


def _show(info: Any, as_json: bool) -> None:
    intervals = [{"status": status, "since": since, "block": block} for status, since, block in info.intervals]
    value = {
        "licence": info.licence,
        "name": info.name,
        "person": info.person,
        "issuer": info.issuer,
        "rights": info.rights,
        "status": info.status,
        "intervals": intervals,
    }
    rows = [(i["status"], when(i["since"]), i["block"]) for i in intervals]
    text = f"{info.name}: {info.status}\nlicence {info.licence}\nrights  {', '.join(info.rights)}\n"
    emit(as_json, value, text + table(("status", "since", "block"), rows, ""))
