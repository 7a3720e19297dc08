"""The node of a home as a process of its own, which outlives the command that starts it.

::

    HOME/server.log      what it says; beyond `LOG_BYTES` it is moved aside at the next start, and one older is kept
    HOME/server.pid      which process it is
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from salus.errors import NodeRefused
from salus.processes import begin, last_words, noted, signal_noted

LOG, NOTE = "server.log", "server.pid"
LOG_BYTES = 16 * 1024 * 1024
STARTED = 120.0  # seconds for a node to answer: as long as members of a new network take to come together
STOPPED = 60.0  # seconds for one to end in order
_LOOK = 0.1  # seconds between two looks
_END = 1 << 20  # bytes of a log's end that are looked at for its last lines


def launch(home: Path, words: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
    """Have ``salus serve`` begin with these options, and return at once."""
    log = home / LOG
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_name(f"{LOG}.1"))
    (home / "node" / "port").unlink(missing_ok=True)
    environment = os.environ if environment is None else environment
    begin("salus", ["serve", "--home", str(home), *words], log, home / NOTE, environment)


def running(home: Path) -> int | None:
    """The process that serves the home, as far as `launch` began it; None where none runs."""
    return noted(home / NOTE)


def require_running(home: Path) -> int:
    """As `running`; `NodeRefused` ``engine-stopped`` with its last words where it has ended."""
    pid = running(home)
    if pid is None:
        raise NodeRefused("engine-stopped", f"the node has ended: {last_words(home / LOG)}")
    return pid


def start(home: Path, words: Sequence[str] = ()) -> str:
    """Have the node served in the background, if it is not; where it answers, as soon as it does.

    `NodeRefused` ``engine-stopped`` where it ends instead, or does not answer within `STARTED` seconds.
    """
    if running(home) is None:
        launch(home, words)
    deadline, port = time.monotonic() + STARTED, home / "node" / "port"
    while not port.exists():
        require_running(home)
        if time.monotonic() > deadline:
            raise NodeRefused("engine-stopped", "the node runs, and does not answer yet; its log may say why (salus node logs)")
        time.sleep(_LOOK)
    return port.read_text("ascii").splitlines()[0]


def stop(home: Path) -> None:
    """End what `start` began, in order; `NodeRefused` ``node-not-running``, and ``node-busy`` where it does not end."""
    if running(home) is None:
        raise NodeRefused("node-not-running", "no node of this home runs in the background (salus node start)")
    signal_noted(home / NOTE, signal.SIGTERM)
    deadline = time.monotonic() + STOPPED
    while running(home) is not None:
        if time.monotonic() > deadline:
            raise NodeRefused("node-busy", "the node has not ended yet; look again later")
        time.sleep(_LOOK)


def lines(log: Path, last: int, *, follow: bool, wait: Callable[[float], object] = time.sleep) -> Iterator[str]:
    """The last lines of a log, and with ``follow`` what comes, for ever; `NodeRefused` ``no-log`` where there is none."""
    try:
        file = log.open("rb")
    except OSError as error:
        raise NodeRefused("no-log", "there is no such log here; a service has its log elsewhere (journalctl)") from error
    with file:
        file.seek(max(0, log.stat().st_size - _END))
        for line in file.read().splitlines()[-last:]:
            yield line.decode("utf-8", "replace")
        rest = b""
        while follow:
            rest += file.read(_END)
            *whole, rest = rest.split(b"\n")
            for line in whole:
                yield line.decode("utf-8", "replace")
            if not whole:
                wait(_LOOK)
