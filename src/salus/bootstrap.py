"""The only place that chooses implementations: it joins an agent and a node over one home folder.

The node and the HTTP client load only where they are used: most commands need one of them, and would wait for both.
"""

from __future__ import annotations

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
from salus.crypto.keys import derive
from salus.durable import write_atomically
from salus.errors import AgentRefused, NodeRefused, SalusError
from salus.exchange.guests import Invitation
from salus.exchange.inviting import GuestKeys
from salus.home_folder import PATIENCE, clock, is_locked, locked, read_genesis
from salus.ledger.genesis import network_id


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
        stack.enter_context(locked(home / "agent" / "lock", patience))
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
        agent.outage = outage and stands_still(agent)
        if not agent.outage:
            require_same_network(agent)
            forget_prepared(store)
            _redeem(agent, invitations)
            resume(agent)
        yield agent


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
            network = stack.enter_context(_by_port(home) if is_locked(home / "node" / "lock") else _in_process(home))
            if network is not None:
                yield network
                return
        if time.monotonic() > deadline:
            raise NodeRefused("node-busy", "another command holds the node and does not let go")
        time.sleep(0.05)


@contextmanager
def _in_process(home: Path) -> Iterator[Network | None]:
    """The node of ``home`` in this process; None where another has taken it in this moment. ``node-not-running``."""
    from salus.own_node import open_node, require_not_validating

    with ExitStack() as stack:
        try:
            require_not_validating(home)
            network: Network | None = stack.enter_context(open_node(home))
        except NodeRefused as error:
            if error.code != "node-busy":
                raise
            network = None
        yield network


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
