"""What every home has in its folder, with or without a node, and who holds which part of it.

::

    HOME/genesis.bin                 the root of trust
    HOME/node/                       config.toml, node.key, lock, port, ledger/, vault/, mailbox/, guests/
    HOME/agent/                      agent.key, store.db, index.db, lock, outbox.toml; nodes.toml in a home without a node
    HOME/cold/NAME.cold              cold seeds, to be moved away
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from salus.agent.store import Store, read_store_key
from salus.codec import decode
from salus.errors import AgentRefused, NodeRefused
from salus.ids import Millis
from salus.ledger.genesis import MAX_GENESIS, Genesis

PATIENCE = 30.0  # seconds that a command waits for another one


def clock() -> Millis:
    """Milliseconds since the epoch."""
    return Millis(time.time_ns() // 1_000_000)


def require_own_node(home: Path) -> None:
    """Raise ``no-node`` in a home that uses other people's nodes."""
    if (home / "agent" / "nodes.toml").exists():
        raise AgentRefused("no-node", "this home has no node of its own")


def read_genesis(home: Path) -> Genesis:
    """The home's genesis document; ``no-home`` where there is none."""
    try:
        return decode((home / "genesis.bin").read_bytes(), Genesis, limit=MAX_GENESIS)
    except FileNotFoundError as error:
        raise AgentRefused("no-home", "there is no home in this folder; run `salus init`") from error


@contextmanager
def locked(path: Path, patience: float) -> Iterator[None]:
    """Hold the lock at ``path``, once whoever has it lets go; ``node-busy`` after ``patience`` seconds."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + patience
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    raise NodeRefused("node-busy", "another process holds this part of the home") from error
                time.sleep(0.02)
        yield
    finally:
        os.close(handle)


def is_locked(path: Path) -> bool:
    """Whether another process holds that part of a home at this moment."""
    try:
        with locked(path, 0.0):
            return False
    except FileNotFoundError:
        return False
    except NodeRefused:
        return True


@contextmanager
def opened_store(home: Path, ask: Callable[[], str]) -> Iterator[Store]:
    """The agent's store of ``home`` alone, while no command runs on it."""
    with locked(home / "agent" / "lock", PATIENCE):
        store = Store(home / "agent" / "store.db", read_store_key(home / "agent" / "agent.key", ask))
        try:
            yield store
        finally:
            store.close()
