"""``salus device``: several devices of one owner."""

import os
from pathlib import Path
from typing import Annotated

import typer

from salus.cli.options import HOME, As, Home, Json, read_input
from salus.cli.output import emit, table
from salus.errors import Misused

app = typer.Typer(help="Several devices of one owner.", no_args_is_help=True)


@app.command()
def add(
    who: As,
    label: Annotated[str, typer.Argument(help="What the other device is called.")] = "second device",
    out: Annotated[Path | None, typer.Option(help="Write the text for the other device to this file (0600).")] = None,
    qr: Annotated[bool, typer.Option("--qr", help="Show it as a code to be scanned.")] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Prepare another device: carry the text over, and tell the code by another way."""
    from salus.agent.services import pairing
    from salus.cli.qr import as_text
    from salus.cli.session import session

    with session(home) as agent:
        made = pairing.add_device(agent, who, label)
    if out is not None:
        write_private(out, made.text.encode("ascii") + b"\n")
    value = {
        "label": made.label,
        "device": made.device,
        "code": made.code,
        "file": str(out or ""),
        "text": "" if out else made.text,
    }
    lines = [as_text(made.text)] if qr else []
    lines += [f"Written to {out}" if out else made.text, f"On the other device: salus device join, with the code {made.code}"]
    emit(as_json, value, "\n".join(lines))


@app.command()
def join(
    file: Annotated[str, typer.Argument(help="The text: a file, or - for standard input.")],
    code_file: Annotated[Path | None, typer.Option(help="A file that holds the code; asked for when not given.")] = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Become another device of somebody's wallet."""
    from salus.agent.services import pairing
    from salus.cli.session import secret, session

    text, code = read_input(file), secret(code_file, "Code: ")
    try:
        line = text.decode("ascii")
    except UnicodeDecodeError as error:
        raise Misused("not-a-device", "the file is no device's text") from error
    with session(home) as agent:
        info = pairing.join(agent, line, code)
    emit(
        as_json, {"name": info.name, "role": info.role, "person": info.person}, f"This device now holds the wallet of {info.name}"
    )


@app.command("list")
def list_(who: As, home: Home = HOME, as_json: Json = False) -> None:
    """The devices that hold the wallet."""
    from salus.agent.services import pairing
    from salus.cli.session import session

    with session(home) as agent:
        found = pairing.list_devices(agent, who)
    rows = [(info.label, "this one" if info.this else "", info.device[:16]) for info in found]
    emit(as_json, {"devices": found}, table(("device", "", "id"), rows, "this device alone"))


@app.command()
def remove(
    label: Annotated[str, typer.Argument(help="The device's label.")], who: As, home: Home = HOME, as_json: Json = False
) -> None:
    """Take a device off: nothing that is sealed from now on opens on it."""
    from salus.agent.services import pairing
    from salus.cli.session import session

    with session(home) as agent:
        info = pairing.remove_device(agent, who, label)
    text = f"{info.label} opens nothing that is sealed from now on.\nStolen? Take everything over: salus person recover"
    emit(as_json, info, text)


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner reads; `Misused` ``cannot-write``."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
    except OSError as error:
        raise Misused("cannot-write", f"{path.name} cannot be written, or is there already") from error
