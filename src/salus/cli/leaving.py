"""``salus export``, ``salus retained`` and ``salus person import``: leaving with everything, and coming back."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from salus.cli.options import HOME, As, Home, Json
from salus.cli.output import emit, rfc3339, table, when
from salus.errors import Misused

PassphraseFile = Annotated[
    Path | None, typer.Option("--export-passphrase-file", help="A file that holds the export's own passphrase; else a prompt.")
]
NOT_INSIDE = "Not in it: the cold seed, the key of this home's store, and the wallets of others in this home."
PLAIN = "This file is NOT sealed: whoever has it can read the whole record."


def export(
    who: As,
    out: Annotated[Path, typer.Option("--out", help="The file to write.")],
    fhir_only: Annotated[
        bool, typer.Option("--fhir-only", help="Write the chart alone, as a FHIR Bundle that nothing protects.")
    ] = False,
    export_passphrase_file: PassphraseFile = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Write everything of a person into one file under a passphrase: wallet, records, sealed entries, and the chart in FHIR."""
    from salus.agent.services import exporting
    from salus.cli.session import session

    if fhir_only and export_passphrase_file is not None:
        raise Misused("usage", "--fhir-only writes a file without a passphrase")
    secret = "" if fhir_only else export_passphrase(export_passphrase_file, new=True)
    with session(home) as agent, written(out) as file:
        if fhir_only:
            bundle, info = exporting.plain_bundle(agent, who)
            file.write(bundle)
        else:
            info = exporting.export_person(agent, who, file, secret)
    value = {
        "file": str(out),
        "bytes": out.stat().st_size,
        "sealed": not fhir_only,
        "name": info.name,
        "person": info.person,
        "network": info.network,
        "made_at": rfc3339(info.made),
        "height": info.height,
        "as_of": info.as_of,
        "records": info.records,
        "entries": info.entries,
        "resources": info.resources,
        "unread": info.unread,
        "missing": info.missing,
    }
    lines = [f"{out} holds everything of {info.name} as of block {info.height}, {when(info.as_of)}"]
    if fhir_only:
        lines = [f"{out} holds the chart of {info.name} as of block {info.height}, {when(info.as_of)}", PLAIN]
    else:
        lines.append(f"{info.records} records, {info.entries} sealed entries, {info.resources} resources in FHIR")
        lines.append(NOT_INSIDE)
    if info.unread:
        lines.append(f"NOT READ: {info.unread} entries could not be opened and are not in the FHIR chart (see salus chart)")
    if info.missing:
        lines.append(f"NOT THERE: {info.missing} sealed entries that the vault does not have as they were sealed")
    emit(as_json, value, "\n".join(lines))


def retained(who: As, home: Home = HOME, as_json: Json = False) -> None:
    """What is kept by law: a member's own copies, and how many wait to be sealed; for a patient, who keeps what until when."""
    from salus.agent.services import copying, retaining
    from salus.cli.session import session

    with session(home) as agent:
        found, waiting = retaining.retained(agent, who), copying.waiting(agent, who)
    rows = [
        (
            row.retainer_name,
            ", ".join(row.resources),
            row.written_by or row.author_name,
            when(row.authored),
            when(row.until),
            row.origin_entry or row.entry,
        )
        for row in found
    ]
    heads = ("kept by", "what", "written by", "signed", "until", "entry")
    text = table(heads, rows, "nothing is retained")
    if waiting.copies:
        copies = "1 more copy waits" if waiting.copies == 1 else f"{waiting.copies} more copies wait"
        text += f"\n{copies} in this home, due by {when(waiting.until)}: sent while it is served, or by the next command"
    emit(as_json, {"retained": found, "waiting": waiting}, text)


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `salus export` wrote.")],
    name: Annotated[str | None, typer.Option("--name", help="What this home is to call the person.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Verify all of the file and say what is in it; keep nothing.")] = False,
    export_passphrase_file: PassphraseFile = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Take a person in from an export, or merge it into what this home knows of the person."""
    from salus.agent.services import restoring
    from salus.cli.session import session

    if check and name is not None:
        raise Misused("usage", "--check keeps nothing: it takes no --name")
    with readable(file) as source:
        secret = export_passphrase(export_passphrase_file, new=False)
        if check:
            inside = restoring.check_export(source, secret)
        else:
            with session(home) as agent:
                inside = restoring.import_person(agent, source, secret, name)
    value = {
        "name": inside.name,
        "person": inside.person,
        "network": inside.network,
        "made_at": rfc3339(inside.made),
        "height": inside.height,
        "as_of": inside.as_of,
        "version": inside.version,
        "records": inside.records,
        "entries": inside.entries,
        "unopened": inside.unopened,
        "bundle_bytes": inside.bundle,
        "kept": not check,
    }
    lines = [
        f"{'All of the file checks' if check else f'{inside.name} is at home here'}: {inside.person}",
        f"made {when(inside.made)} by version {inside.version}, as of block {inside.height}, {when(inside.as_of)}",
        f"network {inside.network}",
        f"{inside.records} records, {inside.entries} sealed entries, {inside.bundle} bytes of FHIR",
    ]
    if inside.unopened:
        lines.append(f"NOT OPENED: {inside.unopened} sealed entries, by no key of the export")
    if not check:
        lines.append("Give your contacts the new card (salus contact show NAME): letters reach you at this home's node.")
    emit(as_json, value, "\n".join(lines))


def export_passphrase(named: Path | None, *, new: bool) -> str:
    """The export's own passphrase, from its file or a prompt (twice when it is ``new``); never from an argument."""
    if named is not None:
        try:
            first = named.read_text("utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise Misused("no-such-file", "the passphrase file cannot be read") from error
    else:
        if not sys.stdin.isatty():
            raise Misused("no-passphrase", "an export has a passphrase: name its file with --export-passphrase-file")
        first = getpass.getpass("Passphrase of the export: ", sys.stderr)
        if new and getpass.getpass("Once more: ", sys.stderr) != first:
            raise Misused("passphrases-differ", "the two passphrases are not the same")
    if not first:
        raise Misused("empty-passphrase", "the passphrase is empty")
    return first


@contextmanager
def readable(path: Path) -> Iterator[BinaryIO]:
    """The file, opened for reading; `Misused` ``no-such-file``."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise Misused("no-such-file", f"{path.name} cannot be read") from error
    with file:
        yield file


@contextmanager
def written(path: Path) -> Iterator[Output]:
    """A file (0600) that is there whole and durable when the block ends well, and not at all otherwise.

    It is written as ``.NAME.partial`` beside its place; one that a killed command left is replaced. `Misused` ``cannot-write``.
    """
    from salus.durable import sync_folder

    try:
        if path.exists() and not path.is_file():
            raise Misused("cannot-write", f"{path.name} is no file")
        partial = path.with_name(f".{path.name}.partial")
        partial.unlink(missing_ok=True)
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise _cannot_write(path) from error
    try:
        output = Output(path, os.fdopen(handle, "wb"))
        with closing(output):
            yield output
            output.finish()
        try:
            partial.replace(path)
            sync_folder(path.parent)
        except OSError as error:
            raise _cannot_write(path) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


class Output:
    """A file that is being written; `Misused` ``cannot-write`` where its own disk refuses it, and nothing else's does."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path, self._file = path, file

    def write(self, data: bytes, /) -> int:
        """Write all of ``data``."""
        try:
            return self._file.write(data)
        except OSError as error:
            raise _cannot_write(self._path) from error

    def finish(self) -> None:
        """Make it durable."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise _cannot_write(self._path) from error

    def close(self) -> None:
        """Close it; what could not be written was refused before."""
        with suppress(OSError):
            self._file.close()


def _cannot_write(path: Path) -> Misused:
    return Misused("cannot-write", f"{path.name} cannot be written")


COMMANDS = (export, retained)
