"""``salus``, with a fault in it: ``python -m faulty_node WORDS...``. ``FAULT`` in the environment says which.

``WHO WHEN STEP COUNT``: ``application`` (this process) or ``engine`` ends at once, as when killed, ``before`` or ``after`` this
process does a step for that many times: a message of ABCI, or ``write``, by which its database makes something durable.
``clock SECONDS``: the clock of this process is that much ahead. ``disk``: from SIGUSR1 on its disk has no room (`disk.shim`).
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from disk.shim import fail


class Strike:
    """Ends a process around the step that is counted."""

    def __init__(self, who: str, when: str, count: int) -> None:
        self._who, self._when, self._left = who, when, count
        self._engine = Path(sys.argv[-1]) / "node" / "comet" / "engine.pid"

    def around(self, act: Callable[..., Any], *arguments: Any) -> Any:
        """Do the step."""
        self._left -= 1
        if self._when == "before":
            self._strike()
        done = act(*arguments)
        if self._when == "after":
            self._strike()
        return done

    def _strike(self) -> None:
        if self._left == 0:
            os.kill(os.getpid() if self._who == "application" else int(self._engine.read_text("ascii")), signal.SIGKILL)


class Writing:
    """A transaction of the database, struck when it becomes durable."""

    def __init__(self, transaction: Any, strike: Strike) -> None:
        self._transaction, self._strike = transaction, strike

    def __enter__(self) -> Any:
        return self._transaction.__enter__()

    def __exit__(self, *ended: object) -> Any:
        return self._strike.around(self._transaction.__exit__, *ended)


class Database:
    """The ledger's database, whose transactions are struck."""

    def __init__(self, real: Any, strike: Strike) -> None:
        self._real, self._strike = real, strike

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def begin(self, **how: Any) -> Any:
        """A transaction."""
        begun = self._real.begin(**how)
        return Writing(begun, self._strike) if how.get("write") else begun


def strike(who: str, when: str, step: str, count: str) -> None:
    """Have it strike at this step."""
    from salus.node.comet.application import AbciApplication
    from salus.node.ledger_store import LedgerStore

    one = Strike(who, when, int(count))
    opened, answer = LedgerStore.__init__, AbciApplication.answer

    def opening(store: LedgerStore, folder: Path) -> None:
        opened(store, folder)
        store._env = Database(store._env, one)

    def answering(application: AbciApplication, request: Any) -> Any:
        if request.WhichOneof("value") != step:
            return answer(application, request)
        return one.around(answer, application, request)

    if step == "write":
        LedgerStore.__init__ = opening
    else:
        AbciApplication.answer = answering


def clock(seconds: str) -> None:
    """Be that much ahead."""
    ahead, real = int(seconds), time.time_ns
    time.time_ns = lambda: real() + ahead * 1_000_000_000
    time.time = lambda: time.time_ns() / 1e9


def disk() -> None:
    """Have no room from a signal on."""
    signal.signal(signal.SIGUSR1, lambda *_: fail(0, errno.ENOSPC))


FAULTS: dict[str, Callable[..., None]] = {"clock": clock, "disk": disk}

if __name__ == "__main__":
    kind, *words = os.environ["FAULT"].split()
    if kind in FAULTS:
        FAULTS[kind](*words)
    else:
        strike(kind, *words)
    from salus.cli import main

    main()
