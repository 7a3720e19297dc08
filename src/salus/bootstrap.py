"""The only place that chooses implementations: it joins an agent and a node over one home folder.

The HTTP server and client load only where they are used: most commands need neither, and would wait for both.

::

    HOME/genesis.bin                 the root of trust
    HOME/node/                       config.toml, node.key, lock, port, ledger/, vault/, mailbox/, guests/
    HOME/agent/                      agent.key, store.db, index.db, lock, outbox.toml; nodes.toml in a home without a node
    HOME/cold/NAME.cold              cold seeds, to be moved away
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from salus.agent.at_once import side_by_side
from salus.agent.home import Agent
from salus.agent.network import Network
from salus.agent.nodes import Nodes, nodes_file, read_nodes
from salus.agent.outbox import read_outbox
from salus.agent.services.moving import chosen_nodes, forget_chosen
from salus.agent.services.outage import stands_still
from salus.agent.services.preparing import forget_prepared
from salus.agent.services.resuming import resume
from salus.agent.store import Store, read_store_key
from salus.agent.verify import come_by
from salus.codec import decode
from salus.crypto.keys import derive
from salus.durable import make_folder, sync_folder, write_atomically
from salus.errors import AgentRefused, NodeRefused, SalusError
from salus.exchange.guests import Invitation
from salus.exchange.inviting import GuestKeys
from salus.ids import Millis
from salus.ledger.genesis import MAX_GENESIS, Genesis, network_id, validators
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

_LOG = logging.getLogger("salus.node")
PATIENCE = 30.0  # seconds that a command waits for another one


def clock() -> Millis:
    """Milliseconds since the epoch."""
    return Millis(time.time_ns() // 1_000_000)


@contextmanager
def opened_store(home: Path, ask: Callable[[], str]) -> Iterator[Store]:
    """The agent's store of ``home`` alone, while no command runs on it."""
    with _locked(home / "agent" / "lock", PATIENCE):
        store = Store(home / "agent" / "store.db", read_store_key(home / "agent" / "agent.key", ask))
        try:
            yield store
        finally:
            store.close()


def settle_nodes(home: Path, store: Store) -> None:
    """Write down what a move has decided, if one has."""
    nodes = chosen_nodes(store)
    if nodes:
        write_atomically(home / "agent" / "nodes.toml", nodes_file(nodes))
        forget_chosen(store)


@contextmanager
def open_home(
    home: Path,
    ask: Callable[[], str] = lambda: "",
    invitations: Sequence[Invitation] = (),
    nodes: Sequence[str] = (),
    patience: float = PATIENCE,
    *,
    outage: bool = False,
) -> Iterator[Agent]:
    """The agent of ``home``, joined to its node: in process when no other process holds it, else by its loopback port.

    A home without a node asks those of its list, or ``nodes`` alone where they are given. ``invitations`` are redeemed before
    anything else is asked of them. ``patience``: for how many seconds another command on this home is waited for.
    ``outage``: it is opened also where no node answers, or none that shows anything new; where one does nothing is left out.
    """
    genesis = read_genesis(home)
    with ExitStack() as stack:
        stack.enter_context(_locked(home / "agent" / "lock", patience))
        key = read_store_key(home / "agent" / "agent.key", ask)
        store = Store(home / "agent" / "store.db", key)
        stack.callback(store.close)
        index = Store(home / "agent" / "index.db", derive(key, "index"), durable=False)
        stack.callback(index.close)
        settle_nodes(home, store)
        network = stack.enter_context(joined(home, GuestKeys(derive(key, "guest")), nodes))
        outbox = read_outbox(home / "agent" / "outbox.toml")
        agent = Agent(store, index, network, genesis, clock, outbox=outbox, at_once=side_by_side)
        if isinstance(network, Nodes):
            agent.turn_away, agent.pass_over = network.turn_away, network.pass_over
        if not (outage and stands_still(agent)):
            require_same_network(agent)
            forget_prepared(store)
            _redeem(agent, invitations)
            resume(agent)
        yield agent


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
    with _locked(home / "node" / "lock", patience):
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


def require_own_node(home: Path) -> None:
    """Raise ``no-node`` in a home that uses other people's nodes."""
    if (home / "agent" / "nodes.toml").exists():
        raise AgentRefused("no-node", "this home has no node of its own")


def require_founded(home: Path) -> None:
    """Raise `NodeRefused` ``no-ledger`` where the ledger is lost: a new one under the same genesis would be a fork.

    Where members order together none can come of it: others have the blocks, and so has this node's engine, if it is there.
    """
    node = home / "node"
    begins = [node / FOUNDING, node / RESYNC, node / "ledger" / "data.mdb"]
    begins += [node / "comet" / "data" / "blockstore.db"] if validators(read_genesis(home)) else []
    if not any(path.exists() for path in begins):
        raise NodeRefused("no-ledger", "the node's ledger is missing; restore a backup (salus node restore)")


def highest_seen(home: Path, ask: Callable[[], str]) -> Seen | None:
    """The highest header that this home's agent has verified; None where there is no agent, or it has seen none."""
    agent = home / "agent"
    if not (agent / "store.db").exists() or not (agent / "agent.key").exists():
        return None
    with opened_store(home, ask) as store:
        pin = store.find(Trusted, b"", b"")
    return None if pin is None else Seen(pin.height, pin.hash)


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


def read_genesis(home: Path) -> Genesis:
    """The home's genesis document; ``no-home`` where there is none."""
    try:
        return decode((home / "genesis.bin").read_bytes(), Genesis, limit=MAX_GENESIS)
    except FileNotFoundError as error:
        raise AgentRefused("no-home", "there is no home in this folder; run `salus init`") from error


def served_figures(home: Path) -> dict[str, float]:
    """What the node of ``home`` counts, where it is served on this machine; nothing otherwise."""
    from salus.exchange.client import NodeClient

    try:
        address = (home / "node" / "port").read_text("ascii").splitlines()[0]
    except (OSError, IndexError):
        return {}
    with closing(NodeClient(address, 2.0)) as node:
        try:
            return node.figures()
        except SalusError:
            return {}


def _redeem(agent: Agent, invitations: Sequence[Invitation]) -> None:
    for invitation in invitations:
        if invitation.network != agent.network_id:
            raise AgentRefused("wrong-network", "the invitation is to another network")
        if invitation.height:
            come_by(agent, invitation.height, invitation.header)
        if isinstance(agent.network, Nodes):
            agent.network.redeem(invitation)


def require_same_network(agent: Agent) -> None:
    """Raise ``wrong-network`` unless the node, or another one of the home's, is of its own network."""
    while network_id(agent.network.genesis()) != agent.network_id:
        if agent.turn_away():
            continue
        raise AgentRefused("wrong-network", "the node is of another network")


@contextmanager
def joined(home: Path, guest: GuestKeys | None = None, nodes: Sequence[str] = ()) -> Iterator[Network]:
    """The node of ``home`` as a network: in this process when no other holds it, else by its loopback port.

    A home without a node uses those that it names, or ``nodes``, as ``guest``.
    """
    read_genesis(home)
    if (home / "agent" / "nodes.toml").exists():
        with closing(Nodes(nodes or read_nodes(home / "agent" / "nodes.toml").nodes, guest=guest)) as several:
            yield several
        return
    deadline = time.monotonic() + PATIENCE
    while True:
        with ExitStack() as stack:
            try:
                _require_begun(home)
                network: Network | None = stack.enter_context(open_node(home))
            except NodeRefused as error:
                if error.code != "node-busy":
                    raise
                network = stack.enter_context(_by_port(home))
            if network is not None:
                yield network
                return
        if time.monotonic() > deadline:
            raise NodeRefused("node-busy", "another command holds the node and does not let go")
        time.sleep(0.05)


def _require_begun(home: Path) -> None:
    """Raise ``node-busy`` where the node of ``home`` is served, ``node-not-running`` where it validates and is not."""
    if not validators(read_genesis(home)):
        return
    with held_node(home):
        raise NodeRefused("node-not-running", "this node orders blocks together with others: serve it first (salus serve)")


@contextmanager
def _by_port(home: Path) -> Iterator[Network | None]:
    """The serving node, when it answers; the note of a killed one does no harm, because the lock was looked at first."""
    from salus.exchange.client import NodeClient

    try:
        address, secret = (home / "node" / "port").read_text("ascii").split()
        network = NodeClient(address, guest=GuestKeys(bytes.fromhex(secret)))
        network.status()
    except (FileNotFoundError, ValueError, SalusError):
        yield None
        return
    try:
        yield network
    finally:
        network.close()


@contextmanager
def _locked(path: Path, patience: float) -> Iterator[None]:
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
