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
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from salus.agent.attending import Attending
from salus.agent.home import Agent
from salus.agent.network import Network
from salus.agent.nodes import MAX_NODES, Nodes, named, nodes_file, read_nodes
from salus.agent.outbox import read_outbox
from salus.agent.services.moving import chosen_nodes, forget_chosen, move_people
from salus.agent.services.people import write_cold
from salus.agent.services.resuming import resume
from salus.agent.store import Store, read_store_key, write_store_key
from salus.agent.verify import Pin, newest_header
from salus.agent.wallet import PrincipalRecord, Wallet, cold_seed, new_principal
from salus.codec import Record, decode, encode
from salus.crypto.keys import derive, fresh_nonce, new_seed
from salus.crypto.signing import SigningKey
from salus.durable import make_folder, sync_folder, write_atomically
from salus.errors import AgentRefused, NodeRefused, SalusError
from salus.exchange.cards import Role
from salus.exchange.guests import Invitation
from salus.exchange.inviting import GuestKeys
from salus.ids import Bytes32, Millis
from salus.ledger.genesis import MAX_GENESIS, Genesis, GenesisMember, LicenceRight, network_id
from salus.node.config import following_file, read_config
from salus.node.guests.book import GuestBook
from salus.node.identity import own_member, read_node_seed
from salus.node.operating.partials import database_refusals, storage_refusals
from salus.node.operating.placing import complete
from salus.node.operating.restore import Restored, Seen, restore
from salus.node.replaying import Told
from salus.node.service import Identity, NodeService

PATIENCE = 30.0  # seconds that a command waits for another one
MEMBER_NAME = "Practice"
_PREPARED = "prepared"  # there from `prepare_home` on: keys that a network may name must not be made anew
_FOUNDING = "founding"  # there from `init_home` until the first ledger is


class Prepared(Record, frozen=True, tag="prepared"):
    """A member's wallet that waits for its network to be founded."""

    record: PrincipalRecord
    cold: Bytes32


def clock() -> Millis:
    """Milliseconds since the epoch."""
    return Millis(time.time_ns() // 1_000_000)


def init_home(home: Path, passphrase: str | None, member: str = MEMBER_NAME, others: Sequence[GenesisMember] = ()) -> Genesis:
    """Found a network in ``home``: node, member's wallet, agent's store. ``home-exists`` otherwise.

    This member's node orders blocks; ``others`` are members from the start, as `prepare_home` made them, and follow.
    """
    founder, record, cold = _make_member(home, passphrase, member)
    genesis = Genesis(fresh_nonce(), clock(), (founder, *others))
    _settle_member(home, genesis, record, cold, lambda: passphrase or "")
    return genesis


def prepare_home(home: Path, passphrase: str | None, member: str) -> GenesisMember:
    """Make a member's keys in ``home`` before there is a network: what is returned goes to whoever founds it."""
    made, record, cold = _make_member(home, passphrase, member)
    with _store(home, lambda: passphrase or "") as store, store.writing():
        store.put(b"", b"", Prepared(record, cold))
    write_atomically(home / "node" / _PREPARED, b"")
    return made


def join_home(home: Path, genesis: bytes, node: str, address: str, ask: Callable[[], str]) -> Genesis:
    """Complete what `prepare_home` began, in the network of ``genesis``: this node follows the one at ``node``.

    ``not-prepared``, and `NodeRefused` ``not-a-member`` where the network was founded without it.
    """
    if (home / "genesis.bin").exists():
        raise AgentRefused("home-exists", "there is a home in this folder already")
    if not (home / "node" / _PREPARED).exists():
        raise AgentRefused("not-prepared", "make this member's keys first: salus node prepare")
    found = decode(genesis, Genesis, limit=MAX_GENESIS)
    own_member(found, read_node_seed(home / "node" / "node.key"))
    with _store(home, ask) as store:
        prepared = store.find(Prepared, b"", b"")
    if prepared is None:
        raise AgentRefused("not-prepared", "make this member's keys first: salus node prepare")
    write_atomically(home / "node" / "config.toml", following_file(node, address))
    try:
        _settle_member(home, found, prepared.record, prepared.cold, ask)
    except SalusError:
        (home / "genesis.bin").unlink(missing_ok=True)
        raise
    return found


def _make_member(home: Path, passphrase: str | None, name: str) -> tuple[GenesisMember, PrincipalRecord, bytes]:
    """A member's keys in ``home``: as genesis names it, its wallet's record, and its cold seed."""
    _start_over(home)
    node_seed, cold = new_seed(), new_seed()
    record = new_principal(name, Role.MEMBER, new_seed(), cold, new_seed())
    node_key = SigningKey(derive(node_seed, "node")).public
    write_atomically(home / "node" / "node.key", node_seed.hex().encode("ascii") + b"\n")
    write_store_key(home / "agent" / "agent.key", passphrase)
    return GenesisMember(Wallet(record).authority.public, node_key, tuple(LicenceRight)), record, cold


def _settle_member(home: Path, genesis: Genesis, record: PrincipalRecord, cold: bytes, ask: Callable[[], str]) -> None:
    """Keep the member's wallet and cold seed, and let its node begin."""
    with _store(home, ask) as store, store.writing():
        store.put(b"", record.name.encode("utf-8"), record)
    write_cold(home / "cold", cold_seed(record, network_id(genesis), cold), beside=True)
    write_atomically(home / "node" / _FOUNDING, b"")
    write_atomically(home / "genesis.bin", encode(genesis))
    with open_home(home, ask):
        pass  # completes what is left to be done for its people


def _start_over(home: Path) -> None:
    """Forget what a founding wrote that was cut off; ``home-exists`` where there is a home, or keys wait for one."""
    founding = home / "node" / _FOUNDING
    kept = [home / "genesis.bin", home / "node" / _PREPARED]
    kept += [] if founding.exists() else [home / "agent" / "agent.key"]
    if any(path.exists() for path in kept):
        raise AgentRefused("home-exists", "there is a home in this folder already")
    for folder in (home / "node", home / "agent"):
        make_folder(folder)
    write_atomically(founding, b"")
    for path in [home / "agent" / "agent.key", *(home / "agent").glob("*.db*")]:
        path.unlink(missing_ok=True)


@contextmanager
def _store(home: Path, ask: Callable[[], str]) -> Iterator[Store]:
    with _locked(home / "agent" / "lock", PATIENCE):
        store = Store(home / "agent" / "store.db", read_store_key(home / "agent" / "agent.key", ask))
        try:
            yield store
        finally:
            store.close()


def init_guest(
    home: Path, nodes: Sequence[str], genesis: bytes, passphrase: str | None, invitations: Sequence[Invitation] = ()
) -> Genesis:
    """Make a home without a node of its own: it uses other people's ``nodes`` and trusts ``genesis`` alone.

    Each of ``invitations`` is redeemed at the node of its member. ``home-exists``; ``wrong-network`` where the node that answers,
    or an invitation, is of another network. A refused one leaves no home.
    """
    if (home / "genesis.bin").exists():
        raise AgentRefused("home-exists", "there is a home in this folder already")
    found = decode(genesis, Genesis, limit=MAX_GENESIS)
    listed = nodes_file(nodes)
    make_folder(home / "agent")
    write_atomically(home / "agent" / "nodes.toml", listed)
    if not (home / "agent" / "agent.key").exists():
        write_store_key(home / "agent" / "agent.key", passphrase)
    write_atomically(home / "genesis.bin", genesis)
    try:
        with open_home(home, lambda: passphrase or "", invitations):
            return found
    except SalusError:
        (home / "genesis.bin").unlink()
        raise


def move_home(home: Path, url: str, ask: Callable[[], str], invitations: Sequence[Invitation] = ()) -> None:
    """Make another node the first one of a home without a node, whether or not the node before helps.

    The new one is asked alone: it must take the invitations, show this network, no older than was seen, and open each person's
    mailbox; else all stays as it was. ``no-nodes`` in a home with a node of its own.
    """
    path = home / "agent" / "nodes.toml"
    if not path.exists():
        raise AgentRefused("no-nodes", "this home has a node of its own; export the person and import elsewhere")
    (first,) = named([url]).nodes
    with open_home(home, ask, invitations, (first,)) as agent:
        newest_header(agent)
        move_people(agent, [first, *(known for known in read_nodes(path).nodes if known != first)][:MAX_NODES])
        _settle_nodes(home, agent.store)


def _settle_nodes(home: Path, store: Store) -> None:
    """Write down what a move has decided, if one has."""
    nodes = chosen_nodes(store)
    if nodes:
        write_atomically(home / "agent" / "nodes.toml", nodes_file(nodes))
        forget_chosen(store)


def _forget_prepared(store: Store) -> None:
    """The member's cold seed does not stay where its wallet is."""
    if store.find(Prepared, b"", b"") is not None:
        with store.writing():
            store.drop(Prepared, b"", b"")


@contextmanager
def open_home(
    home: Path,
    ask: Callable[[], str] = lambda: "",
    invitations: Sequence[Invitation] = (),
    nodes: Sequence[str] = (),
    patience: float = PATIENCE,
) -> Iterator[Agent]:
    """The agent of ``home``, joined to its node: in process when no other process holds it, else by its loopback port.

    A home without a node asks those of its list, or ``nodes`` alone where they are given. ``invitations`` are redeemed before
    anything else is asked of them. ``patience``: for how many seconds another command on this home is waited for.
    """
    genesis = read_genesis(home)
    with ExitStack() as stack:
        stack.enter_context(_locked(home / "agent" / "lock", patience))
        key = read_store_key(home / "agent" / "agent.key", ask)
        store = Store(home / "agent" / "store.db", key)
        stack.callback(store.close)
        index = Store(home / "agent" / "index.db", derive(key, "index"), durable=False)
        stack.callback(index.close)
        _settle_nodes(home, store)
        network = stack.enter_context(joined(home, GuestKeys(derive(key, "guest")), nodes))
        agent = Agent(store, index, network, genesis, clock, outbox=read_outbox(home / "agent" / "outbox.toml"))
        if isinstance(network, Nodes):
            agent.turn_away, agent.pass_over = network.turn_away, network.pass_over
        require_same_network(agent)
        _forget_prepared(store)
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
        member = own_member(genesis, seed)
        config = read_config(home / "node" / "config.toml")
        with storage_refusals():
            node = NodeService(home / "node", Identity(genesis, member, seed), config, clock)
        if (home / "node" / _FOUNDING).exists():
            (home / "node" / _FOUNDING).unlink()
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
    member = own_member(genesis, read_node_seed(home / "node" / "node.key"))
    with storage_refusals():
        book = GuestBook(home / "node" / "guests", network_id(genesis), member, clock)
    try:
        with database_refusals():
            yield book
    finally:
        book.close()


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
    """Raise `NodeRefused` ``no-ledger`` where the ledger is lost: a new one under the same genesis would be a fork."""
    node = home / "node"
    if not (node / "ledger" / "data.mdb").exists() and not (node / _FOUNDING).exists():
        raise NodeRefused("no-ledger", "the node's ledger is missing; restore a backup (salus node restore)")


def highest_seen(home: Path, ask: Callable[[], str]) -> Seen | None:
    """The highest header that this home's agent has verified; None where there is no agent, or it has seen none."""
    agent = home / "agent"
    if not (agent / "store.db").exists() or not (agent / "agent.key").exists():
        return None
    with _locked(agent / "lock", PATIENCE):
        store = Store(agent / "store.db", read_store_key(agent / "agent.key", ask))
        try:
            pin = store.find(Pin, b"", b"")
        finally:
            store.close()
    return None if pin is None else Seen(pin.height, pin.hash)


def restore_node(home: Path, backup: Path, ask: Callable[[], str], told: Told, *, replace: bool) -> Restored:
    """Put back what the node of ``home`` lacks, or all of it; never below what this home's agent has seen (`highest_seen`)."""
    with storage_refusals():
        make_folder(home)
        seen = highest_seen(home, ask)
        with held_node(home):
            genesis = read_genesis(home) if (home / "genesis.bin").exists() else None
            return restore(home, genesis, backup, seen, told, replace=replace)


def serve(home: Path, port: int | None, ready: Callable[[str], None], ask: Callable[[], str] | None = None) -> None:
    """Serve the node's API until a signal; ``ready`` is told the address.

    With ``ask``, the agent's half is opened now and then to do what is due, on a network where something can be.
    ``node/port`` (0600) has the address, and by what the other commands on this home are let in, which is made anew each time.
    """
    from salus.node.http import listen, run

    config = read_config(home / "node" / "config.toml")
    with open_node(home, PATIENCE) as node:
        listener = listen(config.host, config.port if port is None else port)
        host = f"[{config.host}]" if ":" in config.host else config.host
        address = f"http://{host}:{listener.getsockname()[1]}"
        note, secret = home / "node" / "port", new_seed()
        attending = _attending(home, ask) if ask else None
        node.door.enrol_own(GuestKeys(secret).at(node.status().member).public)
        try:
            node.announce(address)
            write_atomically(note, f"{address}\n{secret.hex()}\n".encode("ascii"))
            if attending:
                attending.start()
            run(node, listener, lambda: ready(address))
        finally:
            if attending:
                attending.stop()
            note.unlink(missing_ok=True)


def _attending(home: Path, ask: Callable[[], str]) -> Attending | None:
    """Who does what becomes due while the home is served; None on a network of one member, where nothing waits."""
    if len(read_genesis(home).members) == 1:
        return None

    def look() -> None:
        with open_home(home, ask, patience=0.0):
            pass  # a home that is opened does what is due

    return Attending(look, read_outbox(home / "agent" / "outbox.toml").look_seconds)


def read_genesis(home: Path) -> Genesis:
    """The home's genesis document; ``no-home`` where there is none."""
    try:
        return decode((home / "genesis.bin").read_bytes(), Genesis, limit=MAX_GENESIS)
    except FileNotFoundError as error:
        raise AgentRefused("no-home", "there is no home in this folder; run `salus init`") from error


def _redeem(agent: Agent, invitations: Sequence[Invitation]) -> None:
    for invitation in invitations:
        if invitation.network != agent.network_id:
            raise AgentRefused("wrong-network", "the invitation is to another network")
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
