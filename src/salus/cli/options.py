"""Options that several commands share, and files that people name."""

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from salus.errors import Misused

FROM_FILE = "SALUS_PASSPHRASE_FILE"  # names the file that holds the passphrase
MAX_INPUT = 256 * 1024 * 1024
_SPAN = re.compile(r"([1-9][0-9]{0,5})(s|m|h|d|w)")
_UNITS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}

Home = Annotated[Path, typer.Option("--home", envvar="SALUS_HOME", help="The home folder.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")]
As = Annotated[str, typer.Option("--as", envvar="SALUS_AS", help="Whose wallet acts.")]
Of = Annotated[str, typer.Option("--of", help="Whose chart; the acting person's own when not given.")]
HOME = Path.home() / ".salus"


def read_input(name: str) -> bytes:
    """The bytes of a file, or of standard input for ``-``; `Misused` ``no-such-file``, ``file-too-large``."""
    if name == "-":
        data = sys.stdin.buffer.read(MAX_INPUT + 1)
    else:
        try:
            with Path(name).open("rb") as file:
                data = file.read(MAX_INPUT + 1)
        except OSError as error:
            raise Misused("no-such-file", f"{Path(name).name} cannot be read") from error
    if len(data) > MAX_INPUT:
        raise Misused("file-too-large", f"a file has at most {MAX_INPUT} bytes")
    return data


def said(text: str) -> str:
    """What people say about somebody: as it stands in the command, or from standard input for ``-``."""
    return read_input("-").decode("utf-8", "replace").strip() if text == "-" else text


def write_output(path: Path, data: bytes) -> None:
    """Write a file that a person named; `Misused` ``cannot-write``."""
    try:
        path.write_bytes(data)
    except OSError as error:
        raise Misused("cannot-write", f"{path.name} cannot be written") from error


def span(text: str) -> int:
    """A duration such as 30m, 72h, 7d or 2w in ms; `Misused` ``bad-duration``."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise Misused("bad-duration", "a duration is a number and s, m, h, d or w: 30m, 72h, 7d")
    return int(found[1]) * _UNITS[found[2]]
