"""What a pharmacy does by ``salus rx``: a code opened and checked, its fill accepted, dispensed, undone, handed back."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from salus.cli.options import HOME, As, Home, Json, read_input, write_output
from salus.cli.output import emit, when
from salus.cli.rx import Number, Text, Which, words
from salus.cli.rx_safety import checks_text, lists_text
from salus.ledger.modules.prescriptions.messages import Identified, Reason, Rest

Code = Annotated[
    str, typer.Argument(metavar="CODE|FILE|-|RX", help="The code that the patient shows, a file that holds it, or what was sent.")
]
Share = Annotated[int, typer.Option(min=0, max=1000, help="Thousandths of the fill; 0: all that is left of it.")]
Quantity = Annotated[str, typer.Option(help="How much, in words, for the patient.")]
Batch = Annotated[str, typer.Option(help="The batch, for the patient.")]
Product = Annotated[str, typer.Option(help="What was handed over instead, where the prescriber allows another product.")]


def open_(
    code: Code,
    who: As,
    fill: Number = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """What a code is for, and each check: genuine, unredeemed, in time; allergies, interactions, as far as the patient shares."""
    from salus.agent.services import dispensing

    if _is_id(code):
        _shown(home, as_json, lambda agent: dispensing.look_again(agent, who, code, fill))
        return
    found = _read(code)
    _shown(home, as_json, lambda agent: dispensing.open_code(agent, who, found))


def _is_id(code: str) -> bool:
    return bool(re.fullmatch("[0-9a-fA-F]{8,64}", code)) and not Path(code).exists()


def _read(code: str) -> Any:
    """The code as it is typed, or from a file or standard input."""
    from salus.exchange.prescribing import PREFIX, code_from_text

    return code_from_text(code.encode("utf-8") if code.strip().upper().startswith(PREFIX) else read_input(code))


def supply(
    code: Code,
    who: As,
    share: Share = 0,
    quantity: Quantity = "",
    batch: Batch = "",
    product: Product = "",
    fill: Number = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """While no node can be reached: supply a fill by what its code proves. The first command that reaches a node completes it."""
    from salus.agent.services import outage
    from salus.agent.services.dispensing import Supply
    from salus.cli.session import session

    handed = Supply(share, quantity=quantity, batch=batch, product=product)
    if _is_id(code):
        with session(home, outage=True) as agent:
            info = outage.supply_kept(agent, who, code, fill, handed)
    else:
        found = _read(code)
        with session(home, outage=True) as agent:
            info = outage.supply_code(agent, who, found, handed)
    born = f", born {info.born}" if info.born else ", date of birth not said"
    lines = [f"{info.drug}: {info.dose or 'how to take it is not said in words'}", f"for {info.patient}{born}"]
    lines.append(f"prescribed by {info.prescriber}" + ("" if info.substitution else "; NO SUBSTITUTION"))
    lines.append(
        f"prescription {info.prescription}, fill {info.fill}: supplied during an outage, {info.share} of 1000, {when(info.at)}"
    )
    lines.append("It is kept here, and comes onto the ledger once a node answers: look at `salus inbox` then.")
    lines += [lists_text(info.allergies, info.medication), checks_text(info.checks)]
    emit(as_json, info, "\n".join(lines))


def accept(rx: Which, who: As, fill: Number = None, home: Home = HOME, as_json: Json = False) -> None:
    """Take a fill for the pharmacy. Hand nothing over unless this says that you have it."""
    from salus.agent.services import dispensing

    _shown(home, as_json, lambda agent: dispensing.accept(agent, who, rx, fill))


def dispense(
    rx: Which,
    who: As,
    share: Share = 0,
    rest: Annotated[Rest, typer.Option(help="What becomes of the rest.")] = Rest.KEEP,
    quantity: Quantity = "",
    batch: Batch = "",
    product: Product = "",
    identified: Annotated[Identified, typer.Option(help="How whoever fetched it was identified.")] = Identified.NOT,
    fill: Number = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Say what was handed over; the patient is told by letter."""
    from salus.agent.services import dispensing

    supply = dispensing.Supply(share, rest, identified, quantity, batch, product)
    _shown(home, as_json, lambda agent: dispensing.dispense(agent, who, rx, fill, supply))


def undo(rx: Which, who: As, fill: Number = None, home: Home = HOME, as_json: Json = False) -> None:
    """What was dispensed last was never collected."""
    from salus.agent.services import dispensing

    _shown(home, as_json, lambda agent: dispensing.undo(agent, who, rx, fill))


def close(
    rx: Which,
    who: As,
    fill: Number = None,
    out: Annotated[Path | None, typer.Option(help="Where to write the proof; RX-FILL.proof when not given.")] = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Say that it was collected, and write a proof of what was dispensed that anybody can verify (`salus verify --proof`)."""
    from salus.agent.services import dispensing
    from salus.cli.session import session

    with session(home) as agent:
        info, proof = dispensing.close(agent, who, rx, fill)
    path = out or Path(f"{info.prescription[:12]}-{info.fill}.proof")
    write_output(path, proof)
    emit(as_json, {"prescription": info.prescription, "fill": info.fill, "file": str(path)}, f"Closed. Written: {path}")


def return_(
    rx: Which,
    who: As,
    reason: Annotated[Reason, typer.Option(help="Why.")],
    fill: Number = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Hand a fill back: any pharmacy may have it again."""
    from salus.agent.services import dispensing

    _shown(home, as_json, lambda agent: dispensing.give_back(agent, who, rx, fill, reason))


def ask(
    rx: Which,
    who: As,
    text: Text,
    fill: Number = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Ask the prescriber about it; the answer comes into your inbox."""
    from salus.agent.services import corresponding
    from salus.cli.session import session

    with session(home) as agent:
        name = corresponding.ask(agent, who, rx, fill, text)
    emit(as_json, {"asked": name}, f"{name} was asked.")


def acknowledge(rx: Which, who: As, fill: Number = None, home: Home = HOME, as_json: Json = False) -> None:
    """Say that you have seen that it was stopped, or what became of a supply during an outage."""
    from salus.agent.services import reconciling

    _shown(home, as_json, lambda agent: reconciling.acknowledge_any(agent, who, rx, fill))


def _shown(home: Path, as_json: bool, act: Any) -> None:
    from salus.cli.session import session

    with session(home) as agent:
        info = act(agent)
    born = f", born {info.born}" if info.born else ", date of birth not said"
    lines = [f"{info.drug}: {info.dose or 'how to take it is not said in words'}", f"for {info.patient}{born}"]
    lines.append(
        f"prescribed by {info.prescriber} on {when(info.issued_at)}" + ("" if info.substitution else "; NO SUBSTITUTION")
    )
    lines += ["a controlled substance: identify whoever fetches it"] if info.controlled else []
    lines += [f"THE PRESCRIBER HAS STOPPED IT on {when(info.stopped_at)}: hand nothing over"] if info.stopped_at else []
    lines.append(f"prescription {info.prescription}, fill {info.fill}: {words(info.state)}")
    lines += ["This pharmacy has it."] if info.held else []
    lines += ["The patient is told by letter."] if info.told else []
    lines += [lists_text(info.allergies, info.medication), checks_text(info.checks)] if info.checks else []
    emit(as_json, info, "\n".join(lines))


COMMANDS = (open_, accept, dispense, supply, undo, close, return_, ask, acknowledge)
