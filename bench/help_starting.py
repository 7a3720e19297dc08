"""How long somebody waits for `salus --help`, beside a program of one command on the same framework."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.ratios import Effort, Row, compare, repeated

#: What any program on this framework has to do: name a command with an option, and show its help in plain text.
_BARE = '''
from typing import Annotated
import typer
from typer.main import get_command

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

@app.command()
def hello(name: Annotated[str, typer.Option(help="Who.")] = "world") -> None:
    """Say hello."""
    print(name)

get_command(app).main(standalone_mode=False)
'''


def rows(effort: Effort) -> Iterator[Row]:
    """One row; both start a process anew each time, with compiled bytecode at hand."""
    starts = effort.of(4, 1)
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "bare.py"
        bare.write_text(_BARE, "utf-8")
        salus = Path(sys.executable).with_name("salus")
        ours, theirs = [str(salus), "--help"], [sys.executable, str(bare), "--help"]
        cached = {**os.environ, "PYTHONPYCACHEPREFIX": str(Path(folder) / "bytecode")}  # the first round fills it
        cached.pop("PYTHONDONTWRITEBYTECODE", None)
        yield compare(
            effort,
            "salus --help",
            "a program of one command on the CLI framework",
            "<= 2",
            repeated(lambda: _start(ours, cached), starts),
            repeated(lambda: _start(theirs, cached), starts),
        )


def _start(command: list[str], environment: dict[str, str]) -> None:
    subprocess.run(command, stdout=subprocess.DEVNULL, env=environment, check=True)
