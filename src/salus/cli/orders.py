"""``salus order``: tests and referrals. What orderers and laboratories do; results stand in `results`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from salus.cli.options import HOME, As, Home, Json, read_input, said, span
from salus.cli.output import emit, emit_raw, table, when
from salus.errors import Misused
from salus.exchange.ordering import MAX_LETTER, Category
from salus.ledger.modules.orders.messages import Reason, ReportStatus

app = typer.Typer(help="Orders of tests, and referrals: placed, done by one laboratory, reported.", no_args_is_help=True)

Which = Annotated[str, typer.Argument(metavar="ORDER", help="The order's id, or at least its first 8 digits.")]
Within = Annotated[str, typer.Option(help="Until when somebody is to acknowledge it; an hour if critical, a week if not.")]
Document = Annotated[str, typer.Argument(metavar="FILE|-", help="A FHIR DiagnosticReport with its Observations.")]


@app.command()
def create(
    who: As,
    of: Annotated[str, typer.Option("--of", help="The patient.")],
    to: Annotated[str, typer.Option("--to", help="The laboratory, or whom the patient is referred to.")],
    cover: Annotated[str, typer.Option(help="Who acknowledges what is reported when nobody has in time.")],
    file: Annotated[str, typer.Argument(metavar="[FILE|-]", help="A FHIR ServiceRequest; or say --test or --what.")] = "",
    test: Annotated[list[str] | None, typer.Option(help="A test by its LOINC code; several times for several.")] = None,
    what: Annotated[str, typer.Option(help="What, in words; `-`: as standard input says.")] = "",
    responsible: Annotated[str, typer.Option(help="Who acknowledges what is reported; you, when not given.")] = "",
    lasting: Annotated[str, typer.Option("--for", help="How long a final report may take.")] = "7d",
    born: Annotated[str, typer.Option(help="The patient's date of birth; from the chart when not given.")] = "",
    number: Annotated[str, typer.Option(help="A number of the patient's that the laboratory knows.")] = "",
    kind: Annotated[Category, typer.Option(help="What kind of order it is.")] = Category.LABORATORY,
    letter: Annotated[str, typer.Option(metavar="FILE|-", help="The letter that a referral carries.")] = "",
    adds_to: Annotated[str, typer.Option(metavar="ORDER", help="An order of yours whose specimen is to be used.")] = "",
    confidential: Annotated[bool, typer.Option("--confidential", help="For the patient's own eyes: not in the chart.")] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Order a test, or refer: on the ledger, and by letters to laboratory, patient, who is responsible, and who covers."""
    from salus.agent.services import ordering
    from salus.cli.session import session
    from salus.fhir.laboratory import service_request

    if bool(file) == bool(test or what):
        raise Misused("usage", "name a file, or say --test or --what")
    if [file, what, letter].count("-") > 1:
        raise Misused("usage", "standard input says one thing: the file, --what, or --letter")
    what = said(what)
    carried = read_input(letter) if letter else b""
    if len(carried) > MAX_LETTER or (kind is Category.REFERRAL) != bool(carried):
        raise Misused("usage", f"a referral, and nothing else, carries a --letter of at most {MAX_LETTER} bytes")
    data = read_input(file) if file else service_request(test or (), what, of)
    terms = ordering.OrderTerms(cover, responsible, span(lasting), born, number, kind, confidential, adds_to, carried)
    with session(home) as agent:
        info = ordering.create(agent, who, of, to, data, terms)
    emit(as_json, info, words(info))


@app.command()
def cancel(order: Which, who: As, home: Home = HOME, as_json: Json = False) -> None:
    """Take an order of yours back, before anything is reported."""
    from salus.agent.services import ordering

    _shown(home, as_json, lambda agent: ordering.cancel(agent, who, order))


@app.command("list")
def list_(who: As, home: Home = HOME, as_json: Json = False) -> None:
    """Orders: those of your own, those that you have placed, and those that your laboratory was given."""
    from salus.agent.services import laboratory, ordering, resulted
    from salus.cli.session import session

    with session(home) as agent:
        own = resulted.own_orders(agent, who)
        placed = ordering.placed_orders(agent, who)
        received = laboratory.received_orders(agent, who)
    rows = [(i.order[:12], "yours", i.what, i.laboratory, _STATES[i.status]) for i in own]
    rows += [(i.order[:12], f"for {i.patient}", i.what, i.laboratory, state(i)) for i in placed]
    rows += [(i.order[:12], f"of {i.orderer}, for {i.patient}", i.what, i.accession, state(i)) for i in received]
    text = table(("order", "whose", "what", "where", "state"), rows, "no orders")
    emit(as_json, {"own": own, "placed": placed, "received": received}, text)


@app.command()
def show(
    order: Which,
    who: As,
    fhir: Annotated[bool, typer.Option("--fhir", help="As FHIR: the ServiceRequest, and a Task of what became of it.")] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """An order of your own, one that you have placed, or one that your laboratory was given."""
    from salus.agent.services import looking
    from salus.agent.services.resulted import OwnOrderInfo
    from salus.cli.session import session

    with session(home) as agent:
        if fhir:
            emit_raw(looking.as_fhir(agent, who, order))
            return
        info = looking.show(agent, who, order)
    own = isinstance(info, OwnOrderInfo)
    emit(as_json, info, f"{info.what} from {info.laboratory}: {_STATES[info.status]}" if own else words(info))


@app.command()
def withdraw(order: Which, who: As, home: Home = HOME, as_json: Json = False) -> None:
    """Do without what was ordered for you, before a specimen is there."""
    from salus.agent.services import resulted
    from salus.cli.session import session

    with session(home) as agent:
        info = resulted.withdraw(agent, who, order)
    emit(as_json, info, f"{info.what}: {_STATES[info.status]}")


@app.command()
def accept(order: Which, who: As, home: Home = HOME, as_json: Json = False) -> None:
    """Take an order for the laboratory."""
    from salus.agent.services import laboratory

    _shown(home, as_json, lambda agent: laboratory.accept(agent, who, order))


@app.command()
def reject(
    order: Which, who: As, reason: Annotated[Reason, typer.Option(help="Why.")], home: Home = HOME, as_json: Json = False
) -> None:
    """Say that the laboratory will not do it, before a specimen is there."""
    from salus.agent.services import laboratory

    _shown(home, as_json, lambda agent: laboratory.reject(agent, who, order, reason))


@app.command()
def collect(
    order: Which,
    who: As,
    patient: Annotated[str, typer.Option(help="The name of whoever has come.")] = "",
    born: Annotated[str, typer.Option(help="That person's date of birth.")] = "",
    number: Annotated[str, typer.Option(help="That person's number, where the order names one.")] = "",
    specimen: Annotated[str, typer.Option(callback=said, help="What was collected, in words; `-`: as standard input says.")] = "",
    accession: Annotated[str, typer.Option(help="The number of the specimen; one is made when not given.")] = "",
    earlier: Annotated[bool, typer.Option("--earlier", help="Use the specimen of the order that this one adds to.")] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Say that a specimen is there. Whoever it is of is told apart by two things: name, and date of birth or number."""
    from salus.agent.services import laboratory

    if earlier == bool(patient):
        raise Misused("usage", "say --patient and --born or --number; or --earlier")
    presented = None if earlier else laboratory.Presented(patient, born, number)
    _shown(home, as_json, lambda agent: laboratory.collect(agent, who, order, presented, specimen, accession))


@app.command("reject-specimen")
def reject_specimen(
    order: Which, who: As, reason: Annotated[Reason, typer.Option(help="Why.")], home: Home = HOME, as_json: Json = False
) -> None:
    """Say that the specimen is of no use: another one is to be collected."""
    from salus.agent.services import laboratory

    _shown(home, as_json, lambda agent: laboratory.reject_specimen(agent, who, order, reason))


@app.command()
def report(
    order: Which,
    file: Document,
    who: As,
    preliminary: Annotated[bool, typer.Option("--preliminary", help="A final report follows.")] = False,
    within: Within = "",
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Report a result: clinicians are told at once, the patient as the patient has chosen."""
    _report(home, as_json, who, order, file, ReportStatus.PRELIMINARY if preliminary else ReportStatus.FINAL, within)


@app.command()
def correct(order: Which, file: Document, who: As, within: Within = "", home: Home = HOME, as_json: Json = False) -> None:
    """Correct or add to a final report: everybody who has got it is told at once."""
    _report(home, as_json, who, order, file, ReportStatus.CORRECTED, within)


_STATES = {
    "requested": "no laboratory has accepted it yet",
    "accepted": "a laboratory has accepted it",
    "in-progress": "the laboratory has a specimen",
    "completed": "was reported",
    "rejected": "THE LABORATORY HAS REJECTED IT",
    "cancelled": "was taken back",
    "failed": "NO FINAL REPORT CAME IN TIME",
}


def state(info: Any) -> str:
    """What has become of an order, as people say it."""
    said = _STATES[info.status]
    if info.reason and info.status in ("accepted", "rejected"):
        said += f" ({'the last specimen was ' if info.status == 'accepted' else ''}{info.reason.replace('-', ' ')})"
    if info.reports:
        last = info.reports[-1]
        said += f"; report {last.number} ({last.status}) is {_ATTENTION[last.attention]}"
    return said


_ATTENTION = {
    "awaited": "not acknowledged yet",
    "climbed": "NOT ACKNOWLEDGED IN TIME",
    "acknowledged": "acknowledged",
    "superseded": "superseded",
}


def words(info: Any) -> str:
    """An order in plain words."""
    born = f", born {info.born}" if info.born else ""
    number = f", number {info.number}" if info.number else ""
    lines = [f"{info.what} ({info.category})", f"for {info.patient}{born}{number}", f"order {info.order}"]
    lines += ["CONFIDENTIAL: for the patient's own eyes"] if info.confidential else []
    lines.append(f"ordered by {info.orderer} on {when(info.placed_at)} from {info.laboratory}, due {when(info.deadline_at)}")
    lines.append(f"{info.responsible} is responsible, {info.cover} covers")
    lines += [f"specimen {info.accession}"] if info.accession else []
    lines += ["", info.letter, ""] if info.letter else []
    return "\n".join([*lines, state(info)])


def _report(home: Path, as_json: bool, who: str, order: str, file: str, status: ReportStatus, within: str) -> None:
    from salus.agent.services import reporting

    data, ms = read_input(file), span(within) if within else 0
    _shown(home, as_json, lambda agent: reporting.report(agent, who, order, data, status, ms))


def _shown(home: Path, as_json: bool, act: Any) -> None:
    from salus.cli.session import session

    with session(home) as agent:
        info = act(agent)
    emit(as_json, info, words(info))
