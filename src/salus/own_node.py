"""The node of a home, opened, held, looked at or put back in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from salus.durable import make_folder, sync_folder
from salus.errors import NodeRefused
from salus.home_folder import clock, locked, opened_store, read_genesis, require_own_node
from salus.ids import Millis
from salus.ledger.genesis import network_id, validators
from salus.ledger.header import AnyHeader
from salus.ledger.trusting import Trusted
from salus.node.config import read_announced
from salus.node.guests.book import GuestBook
from salus.node.identity import FOUNDING, RESYNC, Identity, own_member, read_node_seed
from salus.node.operating.looking import looking
from salus.node.operating.partials import database_refusals, storage_refusals
from salus.node.operating.placing import complete
from salus.node.operating.restore import Restored, Seen, restore
from salus.node.operating.resyncing import set_aside
from salus.node.replaying import Told
from salus.node.service import NodeService


@contextmanager
def open_node(home: Path, patience: float = 0.0, clock: Callable[[], Millis] = clock) -> Iterator[NodeService]:
    """The node of ``home``, in this process; ``node-busy`` when another process holds it, ``no-node`` where there is none."""
    with held_node(home, patience):
        require_founded(home)
        seed = read_node_seed(home / "node" / "node.key")
        genesis = read_genesis(home)
        member = own_member(genesis, home / "node")
        config = read_announced(home / "node")
        with storage_refusals():
            node = NodeService(home / "node", Identity(genesis, member, seed), config, clock)
        for begun in (FOUNDING, RESYNC):
            if (home / "node" / begun).exists():
                (home / "node" / begun).unlink()
                sync_folder(home / "node")
        with database_refusals():
            try:
                yield node
            finally:
                node.stop()


@contextmanager
def held_node(home: Path, patience: float = 0.0) -> Iterator[None]:
    """Nobody else opens the node of ``home`` meanwhile; an interrupted restore is completed first. ``node-busy``, ``no-node``."""
    require_own_node(home)
    make_folder(home / "node")  # one that was lost as a whole is missed by its ledger
    with locked(home / "node" / "lock", patience):
        complete(home)
        yield


@contextmanager
def guest_book(home: Path) -> Iterator[GuestBook]:
    """The guest book of the node of ``home``, also while another process serves it."""
    require_own_node(home)
    genesis = read_genesis(home)
    settle(home)
    member = own_member(genesis, home / "node")
    with storage_refusals():
        book = GuestBook(home / "node" / "guests", network_id(genesis), member, clock)
    try:
        with database_refusals():
            yield book
    finally:
        book.close()


def kept_header(home: Path) -> AnyHeader | None:
    """The newest header that the node of ``home`` keeps, whether or not it is served; None where it has none yet."""
    with looking(home / "node" / "ledger") as ledger:
        newest = ledger.newest()
    return None if newest is None else newest.header


def settle(home: Path) -> None:
    """Complete a restore that was interrupted, if one was; a node that is served has done so."""
    try:
        with held_node(home):
            pass
    except NodeRefused as error:
        if error.code != "node-busy":
            raise


def require_founded(home: Path) -> None:
    """Raise `NodeRefused` ``no-ledger`` where the ledger is lost: a new one under the same genesis would be a fork.

    Where members order together none can come of it: others have the blocks, and so has this node's engine, if it is there.
    """
    node = home / "node"
    begins = [node / FOUNDING, node / RESYNC, node / "ledger" / "data.mdb"]
    begins += [node / "comet" / "data" / "blockstore.db"] if validators(read_genesis(home)) else []
    if not any(path.exists() for path in begins):
        raise NodeRefused("no-ledger", "the node's ledger is missing; restore a backup (salus node restore)")


def restore_node(home: Path, backup: Path, ask: Callable[[], str], told: Told, *, replace: bool) -> Restored:
    """Put back what the node of ``home`` lacks, or all of it; never below what this home's agent has seen (`highest_seen`)."""
    with storage_refusals():
        make_folder(home)
        seen = highest_seen(home, ask)
        with held_node(home):
            genesis = read_genesis(home) if (home / "genesis.bin").exists() else None
            return restore(home, genesis, backup, seen, told, replace=replace)


def resync_node(home: Path, *, every_block: bool = False) -> tuple[str, bool]:
    """As `set_aside`; `NodeRefused` ``not-validating`` where one member orders alone, ``node-busy`` while the node is served."""
    if not validators(read_genesis(home)):
        raise NodeRefused("not-validating", "this node orders no blocks together with others")
    with storage_refusals(), held_node(home):
        return set_aside(home, every_block=every_block)


def told_address(home: Path) -> str:
    """Where the node of ``home`` is reached: as configured, else where it listens; "" where neither is known."""
    require_own_node(home)
    config = read_announced(home / "node")
    try:
        return config.address or (home / "node" / "port").read_text("ascii").split()[0]
    except (OSError, IndexError):
        return ""


def highest_seen(home: Path, ask: Callable[[], str]) -> Seen | None:
    """The highest header that this home's agent has verified; None where there is no agent, or it has seen none."""
    agent = home / "agent"
    if not (agent / "store.db").exists() or not (agent / "agent.key").exists():
        return None
    with opened_store(home, ask) as store:
        pin = store.find(Trusted, b"", b"")
    return None if pin is None else Seen(pin.height, pin.hash)


def require_not_validating(home: Path) -> None:
    """Raise ``node-busy`` where the node of ``home`` is served, ``node-not-running`` where it validates and is not."""
    if not validators(read_genesis(home)):
        return
    with held_node(home):
        raise NodeRefused("node-not-running", "this node orders blocks together with others: serve it first (salus serve)")
