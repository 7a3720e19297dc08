"""``salus link`` and ``salus links``: under which patient number a practice keeps somebody."""

from typing import Annotated

import typer

from salus.cli.options import HOME, As, Home, Json
from salus.cli.output import emit, table, when
from salus.errors import Misused
from salus.exchange.linking import Assurance


def link(
    patient: Annotated[str, typer.Argument(metavar="PATIENT", help="A contact's name or id; to undo, a number will do.")],
    who: As,
    number: Annotated[str, typer.Option(help="The practice's own number of the patient.")] = "",
    assurance: Annotated[
        Assurance,
        typer.Option(help="How it was checked who it is: level1 not, level2 known in person, level3 a document, level4 an eID."),
    ] = Assurance.LEVEL1,
    born: Annotated[str, typer.Option(help="The date of birth; from the chart when not given and it may be read.")] = "",
    merge: Annotated[
        bool, typer.Option("--merge", help="The number is the same person's as those that are linked already.")
    ] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take the link back.")] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Link a patient's wallet to the practice's own number, once you have checked who it is. The patient is told by letter."""
    from salus.agent.services import linking
    from salus.cli.session import session

    if undo == bool(number):
        raise Misused("usage", "say --number, or --undo")
    with session(home) as agent:
        if undo:
            info = linking.unlink(agent, who, patient)
            emit(as_json, {"link": info, "undone": True}, f"{info.name} is linked to no number any more, and is told so")
            return
        info = linking.link(agent, who, patient, number, assurance, born, merge=merge)
    text = f"{info.name} is number {', '.join(info.numbers)}: {linking.words(info.assurance)}; told so by letter"
    emit(as_json, {"link": info, "undone": False}, text + _proposed(info.proposed))


def links(who: As, home: Home = HOME, as_json: Json = False) -> None:
    """Whom the practice has linked, and who may be the same person; for a patient, where one is kept."""
    from salus.agent.services import linking
    from salus.cli.session import session
    from salus.exchange.cards import Role

    with session(home) as agent:
        own = linking.own_links(agent, who)
        ours = () if agent.wallet(who).record.role is Role.PATIENT else linking.links(agent, who)
    rows = [
        (i.name, ", ".join(i.numbers), i.born, linking.words(i.assurance), when(i.since), ", ".join(i.proposed)) for i in ours
    ]
    rows += [(f"you, at {i.name}", ", ".join(i.numbers), "", linking.words(i.assurance), when(i.since), "") for i in own]
    heads = ("who", "number", "born", "checked", "since", "perhaps the same as")
    emit(as_json, {"links": ours, "own": own}, table(heads, rows, "nobody is linked"))


def _proposed(numbers: tuple[str, ...]) -> str:
    return (
        f"\nPERHAPS THE SAME PERSON as {', '.join(numbers)}: same name and date of birth. Check, then --merge." if numbers else ""
    )


COMMANDS = (link, links)
