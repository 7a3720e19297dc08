"""The home that a command opens, with its passphrase, and progress while it works."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn
from rich.progress import Progress as Bars

from salus.agent.home import Agent
from salus.agent.services.sealing import Progress
from salus.bootstrap import open_home
from salus.cli.options import FROM_FILE
from salus.errors import Misused


@contextmanager
def session(home: Path, *, outage: bool = False) -> Iterator[Agent]:
    """The agent of ``home``, opened for one command; with ``outage`` also where no node answers."""
    with open_home(home, passphrase, outage=outage) as agent:
        yield agent


def passphrase() -> str:
    """The passphrase, from the file that was named or from a prompt; never from an argument."""
    named = os.environ.get(FROM_FILE)
    if named:
        try:
            return Path(named).read_text("utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise Misused("no-such-file", "the passphrase file cannot be read") from error
    if not sys.stdin.isatty():
        raise Misused("no-passphrase", f"this home has a passphrase: name its file with --passphrase-file or {FROM_FILE}")
    return getpass.getpass("Passphrase: ", sys.stderr)


def secret(file: Path | None, prompt: str) -> str:
    """A secret from the file that was named, or from a prompt; never from an argument."""
    if file is not None:
        try:
            return file.read_text("utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise Misused("no-such-file", "the file with the secret cannot be read") from error
    if not sys.stdin.isatty():
        raise Misused("no-secret", "there is nobody to ask: name a file that holds it")
    return getpass.getpass(prompt, sys.stderr)


def new_passphrase() -> str:
    """A passphrase for a new home: from the file, or typed twice."""
    first = passphrase()
    if not os.environ.get(FROM_FILE) and getpass.getpass("Once more: ", sys.stderr) != first:
        raise Misused("passphrases-differ", "the two passphrases are not the same")
    if not first:
        raise Misused("empty-passphrase", "the passphrase is empty")
    return first


@contextmanager
def progress() -> Iterator[Progress]:
    """A bar on the terminal's error stream for each step; nothing where nobody watches."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    steps: dict[str, TaskID] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:

        def show(step: str, done: int, total: int) -> None:
            if step not in steps:
                steps[step] = bars.add_task(step, total=total)
            bars.update(steps[step], completed=done, total=total)

        yield show
