"""``salus prove`` and ``salus verify``: for strangers with a proof file, and for owners of a whole record."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from salus.cli.options import HOME, Home, Json, read_input, write_output
from salus.cli.output import TIMES, emit, moment, table, when
from salus.errors import AgentRefused, Misused


class What(StrEnum):
    """What can be proven."""

    ENTRY = "entry"
    LICENCE = "licence"
    REVOCATION = "revocation"
    ABSENCE = "absence"


def prove(
    what: What,
    identity: Annotated[str, typer.Argument(metavar="ID", help="An entry's id, a professional's name, or a grant's id.")],
    who: Annotated[str | None, typer.Option("--as", envvar="SALUS_AS", help="Whose chart or grant it is.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write the proof file; ID.proof when not given.")] = None,
    at: Annotated[str | None, typer.Option(help="The time that a licence's status is asked for.")] = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Write a proof file that a stranger verifies with the genesis file alone."""
    from salus.agent.services import proving
    from salus.cli.session import session

    with session(home) as agent:
        data = proving.prove(agent, who, what.value, identity, moment(at) or 0)
    name = "".join(char if char.isalnum() else "_" for char in identity)[:16]
    path = out or Path(f"{what.value}-{name}.proof")
    write_output(path, data)
    emit(as_json, {"file": str(path), "bytes": len(data)}, f"{path} ({len(data)} bytes)")


def verify(
    who: Annotated[str | None, typer.Option("--as", envvar="SALUS_AS", help="The owner: everything is checked anew.")] = None,
    proof: Annotated[str | None, typer.Option(help="A proof file.")] = None,
    genesis: Annotated[str | None, typer.Option(help="The genesis file of the network.")] = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Verify a proof file (offline, without a home), or one's whole record."""
    if proof is not None and genesis is not None:
        _verify_file(read_input(proof), read_input(genesis), as_json)
    elif proof is None and genesis is None and who is not None:
        _verify_own(home, who, as_json)
    else:
        raise Misused("usage", "name --proof and --genesis, or --as")


def _verify_file(proof: bytes, genesis: bytes, as_json: bool) -> None:
    """Imports no agent, no node and no database."""
    from salus.codec import decode
    from salus.exchange.proofs import read_proofs, require_proofs
    from salus.ledger.genesis import MAX_GENESIS, Genesis

    findings = require_proofs(decode(genesis, Genesis, limit=MAX_GENESIS), read_proofs(proof))
    rows = [{"kind": f.kind, "subject": f.subject, "height": f.height, "as_of": f.as_of, **dict(f.facts)} for f in findings]
    lines: list[str] = []
    for finding in findings:
        lines.append(f"TRUE: {finding.kind} {finding.subject}, as of block {finding.height}, {when(finding.as_of)}")
        lines += [
            f"  {name}: {when(value) if name in TIMES and isinstance(value, int) else value}" for name, value in finding.facts
        ]
    emit(as_json, {"findings": rows}, "\n".join(lines))


def _verify_own(home: Path, who: str, as_json: bool) -> None:
    from salus.agent.services import proving
    from salus.cli.session import session

    with session(home) as agent:
        report = proving.verify_own(agent, who)
    troubles = [{"place": place, "code": code} for place, code in report.troubles]
    value = {
        "entries": report.entries,
        "resources": report.resources,
        "receipts": report.receipts,
        "height": report.height,
        "troubles": troubles,
    }
    if report.troubles and not as_json:
        print(table(("where", "what"), report.troubles, ""))
    if report.troubles and as_json:
        emit(True, {**value, "error": {"code": "agent/not-verified", "text": "not everything checks"}}, "")
        raise typer.Exit(1)
    if report.troubles:
        raise AgentRefused("not-verified", f"{len(report.troubles)} things do not check")
    emit(
        as_json,
        value,
        f"All checked: {report.entries} entries, {report.resources} resources, {report.receipts} receipts, block {report.height}",
    )


COMMANDS = (prove, verify)
