"""The record: imported, read as a chart or as FHIR, looked up, added to, and written into."""

from enum import StrEnum
from pathlib import PurePath
from typing import Annotated

import msgspec
import typer

from salus.charts.sections import SectionKind
from salus.cli.options import HOME, As, Home, Json, Of, read_input, said
from salus.cli.output import emit, emit_raw, moment, plain, table, when
from salus.errors import Misused

group = typer.Typer(help="What a patient adds.", no_args_is_help=True)

File = Annotated[str, typer.Argument(help="A file, or - for standard input.")]


class Format(StrEnum):
    """How a chart is shown."""

    TEXT = "text"
    FHIR = "fhir"


def import_(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="FHIR R4 JSON: bundles of any type, or single resources.")
    ],
    who: As,
    source: Annotated[str | None, typer.Option(help="Where the record comes from; sources are kept apart.")] = None,
    as_of: Annotated[str | None, typer.Option(help="When the export was made, where its resources do not say.")] = None,
    allow_other_patient: Annotated[
        bool, typer.Option("--allow-other-patient", help="Import although name, birth date or identifier differ.")
    ] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Import a record: sealed, signed, and anchored in the ledger. Doing it twice is harmless."""
    from salus.agent.services import importing
    from salus.cli.session import progress, session

    read = [(PurePath(name).name, read_input(name)) for name in files]
    when_made = moment(as_of)
    with session(home) as agent, progress() as show:
        report = importing.import_files(
            agent, who, read, source=source, as_of=when_made, other_patient_ok=allow_other_patient, progress=show
        )
    counts = ("new", "unchanged", "replaced", "older", "conflicts", "faulty")
    said = ", ".join(f"{getattr(report, name)} {name}" for name in counts if getattr(report, name))
    rows = [(section, number) for section, number in sorted(report.sections.items())]
    text = f"{said or 'nothing'}; {report.entries} entries sealed\n{table(('section', 'resources'), rows, '')}"
    emit(as_json, report, text.rstrip())


def chart(
    who: As,
    of: Of = "",
    section: Annotated[list[SectionKind] | None, typer.Option(help="Only this section (may be repeated).")] = None,
    kind: Annotated[list[str] | None, typer.Option("--type", help="Only this resource type (may be repeated).")] = None,
    since: Annotated[str | None, typer.Option(help="Only what happened on or after this date.")] = None,
    form: Annotated[
        Format, typer.Option("--format", help="Text for people, or the FHIR resources as they were received.")
    ] = Format.TEXT,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Read a chart: verified, folded, with whatever could not be verified marked."""
    from salus.agent.services import charting
    from salus.cli.session import session

    start = moment(since)
    with session(home) as agent:
        found = charting.open_chart(agent, who, of or who, sections=section or (), types=kind or (), since=start)
    if as_json:
        emit_raw(msgspec.json.encode({**plain(charting.summary(found)), "bundle": msgspec.Raw(charting.chart_bundle(found))}))
    elif form is Format.FHIR:
        emit_raw(charting.chart_bundle(found))
    else:
        emit(False, None, charting.chart_text(found))


def patients(who: As, home: Home = HOME, as_json: Json = False) -> None:
    """Whose charts a professional may open, and until when."""
    from salus.agent.services import charting
    from salus.cli.session import session

    with session(home) as agent:
        found = charting.patients(agent, who)
    rows = [(info.name, info.grants, when(info.until), info.person) for info in found]
    emit(as_json, {"patients": found}, table(("name", "grants", "until", "id"), rows, "nobody has granted you anything"))


def history(
    resource: Annotated[str, typer.Argument(metavar="RESOURCE", help="Type/id, or an id.")],
    who: As,
    of: Of = "",
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Every version of a resource: sources, authors, entry ids, faults."""
    from salus.agent.services import charting
    from salus.cli.session import session

    with session(home) as agent:
        found = charting.history(agent, who, of or who, resource)
    lines: list[str] = []
    for version in found:
        lines.append(f"{version.identity}  {version.status}  {version.kind}, block {version.height}, {when(version.authored)}")
        lines.append(f"  by {version.author}, source {version.source}, section {version.section}")
        lines.append(f"  entry {version.entry}")
        lines += [f"  replaced by version {version.replaced_by[:16]}"] if version.replaced_by else []
        lines += [f"  reason: {version.reason}"] if version.reason else []
        lines += [f"  NOT VERIFIED: {version.trouble}"] if version.trouble else []
        lines += [f"  fault at {fault['expression']}: {fault['text']}" for fault in version.faults]
    emit(as_json, {"versions": found}, "\n".join(lines))


@group.command()
def add(file: File, who: As, home: Home = HOME, as_json: Json = False) -> None:
    """Add what only the patient knows, in FHIR: a drug bought over the counter, an allergy."""
    from salus.agent.services import writing
    from salus.cli.session import session

    data = read_input(file)
    with session(home) as agent:
        written = writing.add_record(agent, who, data)
    emit(as_json, written, f"Added {', '.join(written.resources)} to {written.section}\nentry {written.entry}")


@group.command()
def coverage(
    who: As,
    payer: Annotated[str, typer.Option(help="Who pays for your care: an insurer, or whoever else does.")],
    number: Annotated[str, typer.Option(callback=said, help="What they know you by; `-`: as standard input says.")] = "",
    plan: Annotated[str, typer.Option(help="Which plan of theirs.")] = "",
    begins: Annotated[str, typer.Option("--from", help="From which day on, such as 2026-01-01.")] = "",
    ends: Annotated[str, typer.Option("--to", help="Up to which day.")] = "",
    ended: Annotated[bool, typer.Option("--ended", help="They do not pay any more.")] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Say who pays for your care: a desk that you let read your coverage sees it. The same payer again replaces it."""
    from salus.agent.services import writing
    from salus.cli.session import session
    from salus.fhir.coverage import CoverageInfo, words

    info = CoverageInfo(who, payer, number, plan, begins, ends, "cancelled" if ended else "active")
    with session(home) as agent:
        writing.say_coverage(agent, who, info)
    emit(as_json, info, words(info))


def note(
    of: Annotated[str, typer.Option("--of", help="The patient.")],
    who: As,
    file: Annotated[
        str, typer.Argument(metavar="FILE|-", help="Plain text or FHIR; may be left out with --entered-in-error.")
    ] = "",
    amends: Annotated[str | None, typer.Option(help="The entry or resource of yours that this note replaces.")] = None,
    entered_in_error: Annotated[str | None, typer.Option(help="The entry or resource of yours that was an error.")] = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Write a signed note into a patient's chart; a copy stays in the practice's own records."""
    from salus.agent.services import writing
    from salus.cli.session import session

    if amends and entered_in_error:
        raise Misused("usage", "--amends or --entered-in-error, not both")
    if not file and not entered_in_error:
        raise Misused("usage", "Missing argument 'FILE|-'")
    data = read_input(file) if file else b""
    with session(home) as agent:
        written = writing.write_note(agent, who, of, data, amends=amends, entered_in_error=entered_in_error)
    text = f"Signed {', '.join(written.resources)} into {written.section}\nentry {written.entry}\nkept copy {written.retained}"
    emit(as_json, written, text)


def erase(
    named: Annotated[str, typer.Argument(metavar="ID", help="A resource (Type/id: every version of it), or an entry's id.")],
    who: As,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Erase a resource or an entry of your record: vaults delete it, and its neighbours stay proven."""
    from salus.agent.services import erasing
    from salus.cli.session import session

    with session(home) as agent:
        done = erasing.erase(agent, who, named)
    lines = [f"Erased: {done.erased} entries whole, {done.rewritten} sealed again without it"]
    lines += [f"{info.name} keeps a copy, as the law asks, until {when(info.until)}" for info in done.retained]
    lines.append("What somebody has read before stays read.")
    emit(as_json, done, "\n".join(lines))


COMMANDS = (import_, chart, patients, history, note, erase)
