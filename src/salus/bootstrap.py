"""The only place that chooses implementations: it joins an agent and a node over one home folder.

The HTTP server and client load only where they are used: most commands need neither, and would wait for both.

::

    HOME/genesis.bin                 the root of trust
    HOME/node/                       config.toml, node.key, lock, port, ledger/, vault/, mailbox/
    HOME/agent/                      agent.key, store.db, index.db, lock; nodes.toml in a home without a node of its own
    HOME/cold/NAME.cold              cold seeds, to be moved away
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from salus.agent.home import Agent
from salus.agent.network import Network
from salus.agent.nodes import Nodes, nodes_file, read_nodes
from salus.agent.services.people import keep_person, write_cold
from salus.agent.services.resuming import resume
from salus.agent.store import Store, read_store_key, write_store_key
from salus.agent.wallet import Wallet, cold_seed, new_principal
from salus.codec import decode, encode
from salus.crypto.keys import derive, fresh_nonce, new_seed
from salus.crypto.signing import SigningKey
from salus.errors import AgentRefused, NodeRefused, SalusError
from salus.exchange.cards import Role
from salus.ids import Millis
from salus.ledger.genesis import MAX_GENESIS, Genesis, GenesisMember, LicenceRight, member_id, network_id
from salus.node.config import read_config
from salus.node.service import Identity, NodeService
from salus.node.storage import write_atomically

PATIENCE = 30.0  # seconds that a command waits for another one
MEMBER_NAME = "Practice"


def clock() -> Millis:
    """Milliseconds since the epoch."""
    return Millis(time.time_ns() // 1_000_000)


def init_home(home: Path, passphrase: str | None, member: str = MEMBER_NAME) -> Genesis:
    """Make an embedded network of one member in ``home``: node, member's wallet, agent's store. ``home-exists`` otherwise."""
    if (home / "genesis.bin").exists():
        raise AgentRefused("home-exists", "there is a home in this folder already")
    for folder in (home, home / "node", home / "agent"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    node_seed, cold = new_seed(), new_seed()
    record = new_principal(member, Role.MEMBER, new_seed(), cold, new_seed())
    authority = Wallet(record).authority.public
    node_key = SigningKey(derive(node_seed, "node")).public
    genesis = Genesis(fresh_nonce(), clock(), (GenesisMember(authority, node_key, tuple(LicenceRight)),))
    write_atomically(home / "node" / "node.key", node_seed.hex().encode("ascii") + b"\n")
    write_store_key(home / "agent" / "agent.key", passphrase)
    write_cold(home / "cold", cold_seed(record, network_id(genesis), cold))
    write_atomically(home / "genesis.bin", encode(genesis))
    with open_home(home, lambda: passphrase or "") as agent:
        keep_person(agent, record)
    return genesis


def init_guest(home: Path, nodes: Sequence[str], genesis: bytes, passphrase: str | None) -> Genesis:
    """Make a home without a node of its own: it uses other people's ``nodes`` and trusts ``genesis`` alone.

    ``home-exists``, ``wrong-network`` where the node that answers is of another network.
    """
    if (home / "genesis.bin").exists():
        raise AgentRefused("home-exists", "there is a home in this folder already")
    found = decode(genesis, Genesis, limit=MAX_GENESIS)
    listed = nodes_file(nodes)
    (home / "agent").mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(home / "agent" / "nodes.toml", listed)
    if not (home / "agent" / "agent.key").exists():
        write_store_key(home / "agent" / "agent.key", passphrase)
    write_atomically(home / "genesis.bin", genesis)
    try:
        with open_home(home, lambda: passphrase or ""):
            return found
    except SalusError:
        (home / "genesis.bin").unlink()
        raise


@contextmanager
def open_home(home: Path, ask: Callable[[], str] = lambda: "") -> Iterator[Agent]:
    """The agent of ``home``, joined to its node: in process when no other process holds it, else by its loopback port."""
    genesis = read_genesis(home)
    with ExitStack() as stack:
        stack.enter_context(_locked(home / "agent" / "lock", PATIENCE))
        key = read_store_key(home / "agent" / "agent.key", ask)
        store = Store(home / "agent" / "store.db", key)
        stack.callback(store.close)
        index = Store(home / "agent" / "index.db", derive(key, "index"))
        stack.callback(index.close)
        network = stack.enter_context(joined(home))
        agent = Agent(store, index, network, genesis, clock)
        if isinstance(network, Nodes):
            agent.turn_away = network.turn_away
        require_same_network(agent)
        resume(agent)
        yield agent


@contextmanager
def open_node(home: Path, patience: float = 0.0, clock: Callable[[], Millis] = clock) -> Iterator[NodeService]:
    """The node of ``home``, in this process; ``node-busy`` when another process holds it, ``no-node`` where there is none."""
    if not (home / "node").exists():
        raise AgentRefused("no-node", "this home has no node of its own")
    with _locked(home / "node" / "lock", patience):
        seed = read_node_seed(home / "node" / "node.key")
        genesis = read_genesis(home)
        key = SigningKey(derive(seed, "node")).public
        members = [member_id(member.authority) for member in genesis.members if member.node == key]
        if not members:
            raise NodeRefused("not-a-member", "this node's key is not in the genesis document")
        config = read_config(home / "node" / "config.toml")
        node = NodeService(home / "node", Identity(genesis, members[0], seed), config, clock)
        try:
            yield node
        finally:
            node.stop()


def serve(home: Path, port: int | None, ready: Callable[[str], None]) -> None:
    """Serve the node's API until a signal; ``ready`` is told the address."""
    from salus.node.http import listen, run

    config = read_config(home / "node" / "config.toml")
    with open_node(home, PATIENCE) as node:
        listener = listen(config.host, config.port if port is None else port)
        host = f"[{config.host}]" if ":" in config.host else config.host
        address = f"http://{host}:{listener.getsockname()[1]}"
        note = home / "node" / "port"
        try:
            write_atomically(note, address.encode("ascii"))
            run(node, listener, lambda: ready(address))
        finally:
            note.unlink(missing_ok=True)


def read_genesis(home: Path) -> Genesis:
    """The home's genesis document; ``no-home`` where there is none."""
    try:
        return decode((home / "genesis.bin").read_bytes(), Genesis, limit=MAX_GENESIS)
    except FileNotFoundError as error:
        raise AgentRefused("no-home", "there is no home in this folder; run `salus init`") from error


def read_node_seed(path: Path) -> bytes:
    """The node's seed; ``bad-node-key`` for anything but 64 hexadecimal digits."""
    try:
        seed = bytes.fromhex(path.read_text("ascii").strip())
    except (ValueError, FileNotFoundError) as error:
        raise NodeRefused("bad-node-key", "node.key is missing or does not hold a key") from error
    if len(seed) != 32:
        raise NodeRefused("bad-node-key", "node.key does not hold a key")
    return seed


def require_same_network(agent: Agent) -> None:
    """Raise ``wrong-network`` unless the node, or another one of the home's, is of its own network."""
    while network_id(agent.network.genesis()) != agent.network_id:
        if agent.turn_away():
            continue
        raise AgentRefused("wrong-network", "the node is of another network")


@contextmanager
def joined(home: Path) -> Iterator[Network]:
    """The node of ``home`` as a network: in this process when no other holds it, else by its loopback port.

    A home without a node uses those that it names.
    """
    read_genesis(home)
    if not (home / "node").exists():
        nodes = Nodes(read_nodes(home / "agent" / "nodes.toml").nodes)
        try:
            yield nodes
        finally:
            nodes.close()
        return
    deadline = time.monotonic() + PATIENCE
    while True:
        with ExitStack() as stack:
            try:
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


@contextmanager
def _by_port(home: Path) -> Iterator[Network | None]:
    """The serving node, when it answers; the note of a killed one does no harm, because the lock was looked at first."""
    from salus.agent.http_network import HttpNetwork

    try:
        network = HttpNetwork((home / "node" / "port").read_text("ascii"))
        network.status()
    except (FileNotFoundError, SalusError):
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
