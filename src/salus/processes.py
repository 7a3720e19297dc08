"""Processes that outlive the command that starts them: begun, known again by number and beginning, and signalled."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def begin(module: str, words: Sequence[str], log: Path, note: Path, environment: Mapping[str, str]) -> None:
    """Start ``python -m module words`` in a session of its own. ``log`` has what it says, ``note`` which process it is."""
    with log.open("ab") as said:
        started = os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", module, *words],
            environment,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                *((os.POSIX_SPAWN_DUP2, said.fileno(), number) for number in (1, 2)),
            ],
            setsid=True,
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],  # which this interpreter ignores
        )
    note.write_text(f"{started} {_began(started)}\n", "ascii")


def noted(note: Path) -> int | None:
    """The process that ``note`` names; None where it has ended, also where another one has its number now."""
    try:
        pid, began = note.read_text("ascii").split()
    except (FileNotFoundError, ValueError):
        return None
    return int(pid) if _began(int(pid)) == began else None


def stands_still(pid: int) -> bool:
    """Whether the process was stopped and may be continued."""
    return (_stat(pid) or [""])[0] == "T"


def last_words(log: Path) -> str:
    """The last line of a log."""
    lines = log.read_text("utf-8", "replace").splitlines()
    return lines[-1][:200] if lines else "it said nothing"


def signal_noted(note: Path, number: int) -> None:
    """Send a signal to the process that ``note`` names, if it is there."""
    pid = noted(note)
    if pid is not None:
        os.kill(pid, number)


def _stat(pid: int) -> list[str]:
    """What the kernel says of a process, from its state on; nothing where there is none, or it has ended already."""
    try:
        found = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    except OSError:
        return []
    return [] if found[0] == "Z" else found


def _began(pid: int) -> str:
    """When the process began, so that another one of the same number is not taken for it."""
    found = _stat(pid)
    return found[19] if found else ""
