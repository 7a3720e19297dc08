"""Serving the node of a home until a signal: its API, its engine, and what becomes due meanwhile.

The HTTP server loads only here, and only when a node is served.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable
from pathlib import Path

from salus.agent.attending import Attending
from salus.agent.outbox import read_outbox
from salus.bootstrap import open_home
from salus.crypto.keys import new_seed
from salus.durable import write_atomically
from salus.errors import NodeRefused
from salus.exchange.addressing import pinned
from salus.exchange.inviting import GuestKeys
from salus.home_folder import PATIENCE, clock, read_genesis
from salus.ledger.genesis import validators
from salus.node.comet.engine import ENGINE_STOPPED
from salus.node.comet.restarting import Restarts
from salus.node.http import listen, run
from salus.node.identity import read_node_seed
from salus.node.operating.partials import storage_refusals
from salus.node.tls import ending
from salus.own_node import open_node

_LOG = logging.getLogger("salus.node")


def serve(home: Path, port: int | None, ready: Callable[[str], None], ask: Callable[[], str] | None = None) -> None:
    """Serve the node's API until a signal; ``ready`` is told the address. Where the engine fails, both begin again a few times.

    `NodeRefused` ``engine-stopped`` where it fails too often or at the first start; ``node-failed`` for another fault.
    With ``ask``, the agent's half is opened now and then to do what is due, on a network where something can be.
    ``node/port`` (0600) has the address, pinned where it is https, and by what the other commands on this home are let in, which
    is made anew each time.
    """
    signal.signal(signal.SIGTERM, _end)
    restarts, served = Restarts(), ready
    while True:
        try:
            port = _serve_once(home, port, served, ask, restarts.count)
            if port is None:
                return
            why, served = "it has ended, or orders nothing any more", _silently
        except NodeRefused as error:
            if served is ready or error.code != "engine-stopped":
                raise
            why = error.text
        pause = restarts.pause()
        if pause is None:
            raise NodeRefused("engine-stopped", f"the engine has failed too often ({why}); the log says more")
        _LOG.warning("the engine has failed (%s): node and engine begin again in %d s", why, pause)
        time.sleep(pause)


def _serve_once(
    home: Path, port: int | None, ready: Callable[[str], None], ask: Callable[[], str] | None, restarts: int
) -> int | None:
    """Serve until the engine fails: then on which port that was; None where nothing has failed.

    Whatever else fails is `NodeRefused` ``node-failed``.
    """
    with open_node(home, PATIENCE) as node:
        node.tally.restarts = restarts
        config, seed = node.config, read_node_seed(home / "node" / "node.key")
        with storage_refusals():
            tls = ending(config, home / "node", seed, clock())
        listener = listen(config.host, config.port if port is None else port)
        host, port = f"[{config.host}]" if ":" in config.host else config.host, int(listener.getsockname()[1])
        address = f"http://{host}:{port}" if tls is None else pinned(f"https://{host}:{port}", tls.pin)
        note, secret = home / "node" / "port", new_seed()
        attending = _attending(home, ask) if ask else None
        node.door.enrol_own(GuestKeys(secret).at(node.status().member).public)
        try:
            node.announce(address)
            write_atomically(note, f"{address}\n{secret.hex()}\n".encode("ascii"))
            if attending:
                attending.start()
            run(node, listener, lambda: ready(address), None if tls is None else tls.context)
        finally:
            if attending:
                attending.stop()
            note.unlink(missing_ok=True)
        if node.failure not in ("", ENGINE_STOPPED):
            raise NodeRefused("node-failed", f"the node must not go on ({node.failure}); its log says more")
        return port if node.failure else None


def _silently(address: str) -> None:
    """Say nothing of an address that was told before."""


def _end(number: int, frame: object) -> None:
    """End in order, as at an interrupt: without this a process that is asked to end just ends."""
    raise SystemExit(0)


def _attending(home: Path, ask: Callable[[], str]) -> Attending | None:
    """Who does what becomes due while the home is served; None on a network of one member, where nothing waits."""
    genesis = read_genesis(home)
    if len(genesis.members) == 1 and not validators(genesis):
        return None

    def look() -> None:
        with open_home(home, ask, patience=0.0):
            pass  # a home that is opened does what is due

    return Attending(look, read_outbox(home / "agent" / "outbox.toml").look_seconds)
