"""``salus staff``: who works for the organisation of this home, and with which duties."""

from typing import Annotated, Any

import typer

from salus.cli.options import HOME, Home, Json
from salus.cli.output import emit, table, when
from salus.exchange.roles import Duty

app = typer.Typer(help="Who works for this organisation.", no_args_is_help=True)


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="PERSON", help="Somebody of this home.")],
    duty: Annotated[list[Duty], typer.Option(help="What the person does here (may be repeated).")],
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Take somebody on, or change the duties: what patients granted the organisation opens as far as the duties go."""
    from salus.agent.services import staffing
    from salus.cli.session import session

    with session(home) as agent:
        info = staffing.add_staff(agent, name, tuple(duty))
    emit(as_json, info, f"{info.name} works here as {', '.join(info.duties)}, since {when(info.since)}")


@app.command("list")
def list_(home: Home = HOME, as_json: Json = False) -> None:
    """Everybody who works or has worked here."""
    from salus.agent.services import staffing
    from salus.cli.session import session

    with session(home) as agent:
        found = staffing.list_staff(agent)
    rows = [(i.name, ", ".join(i.duties), when(i.since), when(i.dismissed) if i.dismissed else "") for i in found]
    emit(as_json, {"staff": found}, table(("name", "duties", "since", "dismissed"), rows, "nobody yet"))


@app.command()
def dismiss(name: Annotated[str, typer.Argument(metavar="PERSON")], home: Home = HOME, as_json: Json = False) -> None:
    """End somebody's employment: from now on the person opens nothing by it, here or elsewhere."""
    from salus.agent.services import staffing
    from salus.cli.session import session

    with session(home) as agent:
        info: Any = staffing.dismiss(agent, name)
    emit(as_json, info, f"{info.name} works here no more; {info.ended} warrants were revoked on the ledger")
