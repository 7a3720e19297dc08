"""``salus rx``: prescriptions. What prescribers and patients do; the pharmacy's commands stand in `rx_pharmacy`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from salus.cli.options import HOME, As, Home, Json, read_input, said, span, write_output
from salus.cli.output import emit, emit_raw, table, when
from salus.errors import Misused

app = typer.Typer(help="Prescriptions: issued, shown as a code, dispensed once.", no_args_is_help=True)

Which = Annotated[str, typer.Argument(metavar="RX", help="The prescription's id, or at least its first 8 digits.")]
Text = Annotated[str, typer.Option(callback=said, help="In words; `-`: as standard input says.")]
Number = Annotated[int | None, typer.Option("--fill", min=1, help="Which fill, from 1; the first that is open when not given.")]
Override = Annotated[str, typer.Option(metavar="REASON", help="Why findings do not hold; the reason stays in what is signed.")]
NoRecord = Annotated[
    bool,
    typer.Option("--no-record", help="Without the list of your allergies and medication, which the pharmacy sees for 72 hours."),
]


@app.command()
def issue(
    who: As,
    of: Annotated[str, typer.Option("--of", help="The patient.")],
    file: Annotated[str, typer.Argument(metavar="[FILE|-]", help="A FHIR MedicationRequest; or say --drug and --dose.")] = "",
    drug: Annotated[str, typer.Option(help="What, in words.")] = "",
    dose: Annotated[str, typer.Option(help="How to take it, in words.")] = "",
    parts: Annotated[int, typer.Option(min=1, max=4, help="In so many parts, each with a window of its own.")] = 1,
    repeats: Annotated[int, typer.Option(min=0, max=12, help="So many times more.")] = 0,
    interval: Annotated[str, typer.Option(help="Between two parts or repeats.")] = "28d",
    lasting: Annotated[str, typer.Option("--for", help="How long each stays open.")] = "90d",
    born: Annotated[str, typer.Option(help="The patient's date of birth; from the chart when not given.")] = "",
    to: Annotated[str, typer.Option(help="Send the first fill ahead to this pharmacy, as the patient wishes.")] = "",
    controlled: Annotated[
        bool, typer.Option("--controlled", help="A controlled substance: visible as such to everybody.")
    ] = False,
    no_substitution: Annotated[bool, typer.Option("--no-substitution", help="Just this product.")] = False,
    override: Override = "",
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Prescribe: checked against what you may see, on the ledger, to the patient by letter, and into the chart where you may."""
    from salus.agent.services import prescribing
    from salus.agent.services.safety import UnsafePrescription
    from salus.cli.rx_safety import refuse_unsafe, require_reason, safety_text
    from salus.cli.session import session
    from salus.fhir.authoring import medication_request

    if bool(file) == bool(drug):
        raise Misused("usage", "name a file, or say --drug and --dose")
    if parts > 1 and repeats:
        raise Misused("usage", "--parts or --repeats, not both")
    data = read_input(file) if file else medication_request(drug, dose or "as told", of)
    terms = prescribing.Terms(
        parts, repeats, span(interval), span(lasting), controlled, not no_substitution, born, require_reason(override)
    )
    try:
        with session(home) as agent:
            info = prescribing.issue(agent, who, of, data, terms, to)
    except UnsafePrescription as error:
        refuse_unsafe(error, as_json)
    chart = "It stands in the chart as well." if info.charted else "It does not stand in the chart: you may not write into it."
    emit(as_json, info, f"{_what(info)}\nfor {info.patient}\n{chart}\n{_fills(info)}\n{safety_text(info.safety)}")


@app.command()
def cancel(rx: Which, who: As, home: Home = HOME, as_json: Json = False) -> None:
    """Take a prescription of yours back, while nobody has taken it."""
    from salus.agent.services import prescribing

    _shown(home, as_json, lambda agent: prescribing.cancel(agent, who, rx))


@app.command()
def stop(rx: Which, who: As, text: Text = "", home: Home = HOME, as_json: Json = False) -> None:
    """Stop a prescription of yours, whoever has it: nothing more may be dispensed. Patient and pharmacy are told at once."""
    from salus.agent.services import corresponding
    from salus.cli.session import session

    with session(home) as agent:
        found = corresponding.stop(agent, who, rx, text)
    told = f"An urgent letter is on its way to {', '.join(found.told)}."
    told += f"\n{found.untold} PHARMACIST(S) CANNOT BE REACHED BY LETTER: telephone." if found.untold else ""
    machine = {**asdict(found.prescription), "told": found.told, "untold": found.untold}
    emit(as_json, machine, f"{_what(found.prescription)}\n{_fills(found.prescription)}\n{told}")


@app.command()
def answer(
    rx: Which,
    who: As,
    text: Text = "",
    renew: Annotated[bool, typer.Option("--renew", help="Prescribe the same once more, to the same patient.")] = False,
    override: Override = "",
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Answer a pharmacist's question, or a patient who asks for another one; `rx list` shows who waits."""
    from salus.agent.services import corresponding
    from salus.agent.services.safety import UnsafePrescription
    from salus.cli.rx_safety import refuse_unsafe, require_reason
    from salus.cli.session import session

    if not text and not renew:
        raise Misused("usage", "say --text, or --renew")
    reason = require_reason(override)
    try:
        with session(home) as agent:
            found = corresponding.answer(agent, who, rx, text, again=renew, override=reason)
    except UnsafePrescription as error:
        refuse_unsafe(error, as_json)
    again = f"\nIt was prescribed again: prescription {found.renewed}" if found.renewed else ""
    emit(as_json, found, f"Answered: {', '.join(found.told)}{again}")


@app.command()
def free(rx: Which, who: As, fill: Number = None, home: Home = HOME, as_json: Json = False) -> None:
    """Free a fill from a pharmacy that says nothing; the next one is warned that it may have been dispensed."""
    from salus.agent.services import prescribing

    _shown(home, as_json, lambda agent: prescribing.free(agent, who, rx, fill))


@app.command("list")
def list_(who: As, home: Home = HOME, as_json: Json = False) -> None:
    """Prescriptions: your own, those that you have issued, and those whose code your pharmacy was shown."""
    from salus.agent.services import corresponding, dispensing, prescribed, prescribing
    from salus.cli.session import session

    with session(home) as agent:
        asked = corresponding.questions(agent, who)
        own = prescribed.own_prescriptions(agent, who)
        issued = prescribing.issued(agent, who)
        opened = dispensing.opened(agent, who)
    rows = [(info.prescription[:12], "yours", info.drug, fill.fill, words(fill)) for info in own for fill in info.fills]
    rows += [(i.prescription[:12], f"for {i.patient}", i.drug, fill.fill, words(fill)) for i in issued for fill in i.fills]
    rows += [(i.prescription[:12], f"shown for {i.patient}", i.drug, i.fill, words(i.state)) for i in opened]
    text = table(("prescription", "whose", "what", "fill", "state"), rows, "no prescriptions")
    waiting = [(one.prescription[:12], one.asker, one.about, one.text, when(one.sent)) for one in asked]
    text += "\n" + table(("prescription", "who", "asks", "what", "since"), waiting, "") if waiting else ""
    emit(as_json, {"own": own, "issued": issued, "opened": opened, "questions": asked}, text)


@app.command()
def show(
    rx: Which,
    who: As,
    fhir: Annotated[bool, typer.Option("--fhir", help="As FHIR: the MedicationRequest, and a Task for each fill.")] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """A prescription of your own, in plain words."""
    from salus.agent.services import prescribed
    from salus.cli.session import session

    if not fhir:
        _shown(home, as_json, lambda agent: prescribed.show(agent, who, rx))
        return
    with session(home) as agent:
        bundle = prescribed.as_fhir(agent, who, rx)
    emit_raw(bundle)


@app.command()
def code(rx: Which, who: As, fill: Number = None, no_record: NoRecord = False, home: Home = HOME, as_json: Json = False) -> None:
    """The code of a fill as one line of text. Whoever has it can fetch the medicine: show it to a pharmacy alone."""
    text, number = _code(home, who, rx, fill, record=not no_record)
    emit(as_json, {"code": text, "fill": number}, text)


@app.command()
def qr(
    rx: Which,
    who: As,
    fill: Number = None,
    png: Annotated[Path | None, typer.Option(help="Write it as a picture.")] = None,
    svg: Annotated[Path | None, typer.Option(help="Write it as a drawing.")] = None,
    no_record: NoRecord = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """The code of a fill as a QR code: on the terminal, or as a file."""
    from salus.cli.qr import as_picture, as_text

    text, number = _code(home, who, rx, fill, record=not no_record)
    for path, kind in ((png, "png"), (svg, "svg")):
        if path is not None:
            write_output(path, as_picture(text, kind))
    written = [str(path) for path in (png, svg) if path is not None]
    shown = "\n".join(f"Written: {one}" for one in written) or as_text(text)
    emit(as_json, {"code": text, "fill": number, "files": written}, shown)


@app.command("print")
def print_(
    rx: Which,
    who: As,
    pdf: Annotated[Path, typer.Option(help="Where to write the sheet, a PDF of one page.")],
    fill: Number = None,
    no_record: NoRecord = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """A fill as a sheet of paper: in words for people, with its code for the pharmacy's camera."""
    from salus.agent.services import prescribed
    from salus.cli.session import session
    from salus.cli.sheet import as_sheet
    from salus.exchange.prescribing import code_to_text

    with session(home) as agent:
        made, number = prescribed.code(agent, who, rx, fill, record=not no_record)
        info = prescribed.show(agent, who, rx)
    state, content = info.fills[number - 1], made.content
    rows = [
        ("for", content.patient + (f", born {content.born}" if content.born else "")),
        ("how to take it", info.dose or "as told"),
        ("prescribed by", f"{info.prescriber}, {when(info.issued_at)}"),
        ("fetch it", (f"from {when(state.opens)} " if state.opens else "") + f"until {when(state.closes)}"),
        ("which", f"fill {number} of {len(info.fills)}, prescription {info.prescription[:12]}"),
        ("another product", "the pharmacy may give one that is equal" if info.substitution else "just this one"),
    ]
    rows += [("controlled", "Bring an official document with your picture.")] if info.controlled else []
    write_output(pdf, as_sheet(info.drug, rows, code_to_text(made), _NOTES))
    emit(as_json, {"fill": number, "files": [str(pdf)]}, f"Written: {pdf}")


_NOTES = (
    "Show this sheet at any pharmacy. Whoever has it, or a picture of it, can fetch the medicine and read what it is.",
    "Whether it was fetched already stands on the ledger, not on this sheet.",
)


@app.command()
def send(
    rx: Which,
    who: As,
    to: Annotated[str, typer.Option("--to", help="The pharmacy: a contact's name or id.")],
    fill: Number = None,
    no_record: NoRecord = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Send the code of a fill ahead to a pharmacy."""
    from salus.agent.services import prescribed
    from salus.cli.session import session

    with session(home) as agent:
        number = prescribed.send(agent, who, rx, fill, to, record=not no_record)
    emit(as_json, {"to": to, "fill": number}, f"Fill {number} was sent to {to}")


@app.command()
def renew(rx: Which, who: As, text: Text = "", home: Home = HOME, as_json: Json = False) -> None:
    """Ask the prescriber for another one of the same."""
    from salus.agent.services import corresponding
    from salus.cli.session import session

    with session(home) as agent:
        name = corresponding.renew(agent, who, rx, text)
    emit(as_json, {"asked": name}, f"{name} was asked for another one.")


@app.command()
def rotate(rx: Which, who: As, fill: Number = None, home: Home = HOME, as_json: Json = False) -> None:
    """Replace the code of a fill: what was shown or sent before opens nothing any more."""
    from salus.agent.services import prescribed

    _shown(home, as_json, lambda agent: prescribed.rotate(agent, who, rx, fill))


@app.command()
def delete(rx: Which, who: As, home: Home = HOME, as_json: Json = False) -> None:
    """Give a prescription of your own up, while nobody works on it."""
    from salus.agent.services import prescribed

    _shown(home, as_json, lambda agent: prescribed.delete(agent, who, rx))


def words(fill: Any) -> str:
    """What has become of a fill, as people say it."""
    part = f"{fill.dispensed / 10:g} % of it"
    said = {
        "not-shared": f"to be fetched until {when(fill.closes)}; the patient does not share whether it was",
        "ready": f"waits to be fetched until {when(fill.closes)}",
        "accepted": f"a pharmacy has it, until {when(fill.until)}",
        "on-hold": "was stopped while a pharmacy has it: it must not be handed over",
        "completed": f"was handed over on {when(fill.at)} {'in full' if fill.dispensed == 1000 else f'in part ({part})'}",
        "stopped": "was stopped",
        "cancelled": "was taken back",
        "expired": f"nobody came for it until {when(fill.closes)}",
    }[fill.status]
    if fill.dispensed and fill.status != "completed":
        said += f"; {part} was handed over on {when(fill.at)}"
    return said + ("; IT MAY HAVE BEEN DISPENSED: a pharmacy that had it said nothing" if fill.doubtful else "")


def _code(home: Path, who: str, rx: str, fill: int | None, *, record: bool) -> tuple[str, int]:
    from salus.agent.services import prescribed
    from salus.cli.session import session
    from salus.exchange.prescribing import code_to_text

    with session(home) as agent:
        made, number = prescribed.code(agent, who, rx, fill, record=record)
    return code_to_text(made), number


def _shown(home: Path, as_json: bool, act: Any) -> None:
    from salus.cli.session import session

    with session(home) as agent:
        info = act(agent)
    emit(as_json, info, f"{_what(info)}\n{_fills(info)}")


def _what(info: Any) -> str:
    lines = [f"{info.drug}: {info.dose or 'how to take it is not said in words'}", f"prescription {info.prescription}"]
    lines += [] if getattr(info, "taken", True) else ["It cannot be steered by this wallet (yet): another key does."]
    lines += [f"THE PRESCRIBER HAS STOPPED IT on {when(info.stopped_at)}"] if info.stopped_at else []
    lines += [f"The prescriber was warned and has overridden it: {one.words}" for one in getattr(info, "overridden", ())]
    return "\n".join(lines)


def _fills(info: Any) -> str:
    return table(("fill", "from", "state"), [(f.fill, when(f.opens) if f.opens else "now", words(f)) for f in info.fills], "")
