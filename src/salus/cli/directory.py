"""``salus directory``: being found by patients and colleagues, and finding others."""

from typing import Annotated

import typer

from salus.cli.options import HOME, As, Home, Json
from salus.cli.output import emit, table

app = typer.Typer(help="The directory of those who want to be found.", no_args_is_help=True)


@app.command()
def publish(
    name: As,
    specialty: Annotated[list[str] | None, typer.Option(help="What is offered (up to 8 times).")] = None,
    language: Annotated[list[str] | None, typer.Option(help="A language that is spoken, such as de (up to 8 times).")] = None,
    place: Annotated[str, typer.Option(help="Where.")] = "",
    telecom: Annotated[list[str] | None, typer.Option(help="A telephone number or address (up to 4 times).")] = None,
    accepting: Annotated[bool, typer.Option("--accepting", help="New patients are welcome.")] = False,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take the listing out instead.")] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """List a professional or an organisation of this home, in place of what was listed before."""
    from salus.agent.services import listing
    from salus.cli.session import session

    about = listing.About(tuple(specialty or ()), tuple(language or ()), place, accepting, tuple(telecom or ()))
    with session(home) as agent:
        if withdraw:
            listing.withdraw(agent, name)
            emit(as_json, {"name": name, "withdrawn": True}, f"{name} is in the directory no more")
            return
        info = listing.publish(agent, name, about)
    emit(as_json, {"listing": info}, f"{info.name} ({info.role}) can be found; the ledger holds {info.hash}")


@app.command()
def find(
    words: Annotated[list[str], typer.Argument(help="Beginnings of words: of a name, a specialty, a place, a language.")],
    add: Annotated[bool, typer.Option("--add", help="Take the one who is found in as a contact.")] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Find professionals and organisations; each listing is verified against the ledger before it is shown."""
    from salus.agent.services import listing
    from salus.cli.session import session

    with session(home) as agent:
        found = listing.find(agent, words)
        added = listing.add_found(agent, found) if add else None
    heads = ("name", "role", "licence", "specialties", "languages", "place", "new patients", "reach", "id")
    rows = [
        (
            one.name,
            one.role,
            "active" if one.licence else "none",
            ", ".join(one.specialties),
            ", ".join(one.languages),
            one.place,
            "yes" if one.accepting else "no",
            ", ".join(one.telecom),
            one.person[:12],
        )
        for one in found.listings
    ]
    notes = f"\n{found.dropped} did not verify and are not shown" if found.dropped else ""
    notes += "\nthere are more: name more words" if found.more else ""
    notes += f"\n{added.name} is a contact: {added.person}" if added else ""
    value = {"listings": found.listings, "dropped": found.dropped, "more": found.more, "added": added}
    emit(as_json, value, table(heads, rows, "nobody was found") + notes)
