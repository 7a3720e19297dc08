"""The commands under one roof, and what happens when one is refused or misused."""

import os
import sys
import threading
import traceback
from pathlib import Path
from types import TracebackType
from typing import Annotated

import typer
from typer.main import get_command

from salus import __version__
from salus.cli import (
    appt,
    appt_desk,
    checkpoints,
    contact,
    device,
    directory,
    hosting,
    hours,
    leaving,
    licence,
    linking,
    localnet,
    members,
    network,
    operating,
    orders,
    person,
    proof,
    record,
    results,
    running,
    rx,
    rx_pharmacy,
    sharing,
    staff,
)
from salus.cli.options import FROM_FILE
from salus.cli.output import give_up_output, print_error
from salus.errors import Misused, SalusError, storage_failed

app = typer.Typer(
    name="salus",
    help="Medical services without a centre: a patient's record under the patient's control.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(person.app, name="person")
app.add_typer(licence.app, name="licence")
app.add_typer(contact.app, name="contact")
app.add_typer(staff.app, name="staff")
app.add_typer(directory.app, name="directory")
app.add_typer(device.app, name="device")
app.add_typer(rx.app, name="rx")
app.add_typer(appt.app, name="appt")
app.add_typer(hours.app, name="hours")
app.add_typer(hours.slots, name="slots")
app.add_typer(orders.app, name="order")
app.add_typer(results.app, name="results")
app.add_typer(members.app, name="members")
app.add_typer(localnet.app, name="localnet")
app.add_typer(record.group, name="record")
app.add_typer(network.group, name="node")
for command in (*running.COMMANDS, *operating.COMMANDS, *hosting.COMMANDS, *checkpoints.COMMANDS):
    network.group.command(command.__name__.rstrip("_").replace("_", "-"))(command)
for act in rx_pharmacy.COMMANDS:
    rx.app.command(act.__name__.rstrip("_"))(act)
for deed in appt_desk.COMMANDS:
    appt.app.command(deed.__name__.replace("_", "-"))(deed)
for room in (network, record, sharing, linking, proof, leaving):
    for command in room.COMMANDS:
        app.command(command.__name__.rstrip("_").replace("_", "-"))(command)


@app.callback()
def salus(
    passphrase_file: Annotated[
        Path | None, typer.Option(envvar=FROM_FILE, help="A file that holds the passphrase of the home.")
    ] = None,
) -> None:
    """Say once, before the command, where the passphrase is."""
    if passphrase_file is not None:
        os.environ[FROM_FILE] = str(passphrase_file)


def main() -> None:
    """Run the command line; exit with 0 (done), 1 (refused or failed) or 2 (misused)."""
    sys.excepthook = _unexpected
    threading.excepthook = _unexpected_in_thread
    if "--version" in sys.argv[1:2]:
        print(f"salus {__version__}")
        return
    as_json = "--json" in sys.argv
    try:
        code = get_command(app).main(standalone_mode=False)
    except typer.TyperException as error:
        code = print_error(Misused("usage", _one_line(error)), as_json)
    except (typer.Abort, KeyboardInterrupt):
        code = 130
    except SalusError as error:
        code = print_error(error, as_json)
    except BrokenPipeError:
        give_up_output()
        code = 0
    except OSError as error:
        code = print_error(storage_failed(error), as_json)
    sys.exit(code if isinstance(code, int) else 0)


def _unexpected_in_thread(happened: threading.ExceptHookArgs) -> None:
    _unexpected(happened.exc_type, happened.exc_value or happened.exc_type(), happened.exc_traceback)


def _one_line(error: typer.TyperException) -> str:
    """What was misused; for a command that is missing, that it is."""
    said = error.format_message() if isinstance(error, typer.BadParameter) else str(error)
    return "name a command; --help lists them" if said.startswith("Usage:") else said.replace("\n", " ")


def _unexpected(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """One line for what nobody foresaw: its text might hold what must not be shown, so only its kind is told."""
    if os.environ.get("SALUS_DEBUG") == "1":
        traceback.print_exception(kind, error, trace)
    frame = traceback.extract_tb(trace)[-1] if trace else None
    where = f" in {Path(frame.filename).name}:{frame.lineno}" if frame else ""
    print(f"salus: cli/unexpected: {kind.__name__}{where}; please report this line", file=sys.stderr)
