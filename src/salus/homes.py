"""Making homes, and moving them: a member's that founds a network or joins one, and one without a node of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from salus.agent.home import Agent
from salus.agent.members import current_members
from salus.agent.nodes import MAX_NODES, named, nodes_file, read_nodes
from salus.agent.services.checkpointing import checkpoint
from salus.agent.services.licensing import member_wallet
from salus.agent.services.moving import move_people
from salus.agent.services.people import write_cold
from salus.agent.services.preparing import find_prepared, keep_prepared
from salus.agent.store import write_store_key
from salus.agent.verify import newest_header
from salus.agent.wallet import PrincipalRecord, Wallet, cold_seed, new_principal
from salus.bootstrap import open_home, settle_nodes
from salus.codec import decode, encode
from salus.crypto.keys import derive, fresh_nonce, new_seed
from salus.crypto.signing import SigningKey
from salus.durable import make_folder, write_atomically
from salus.errors import AgentRefused, NodeRefused, SalusError
from salus.exchange.addressing import split_pin
from salus.exchange.cards import Role
from salus.exchange.founding import Reached, WayIn, member_to_text
from salus.exchange.guests import Invitation
from salus.home_folder import clock, opened_store
from salus.ids import Count
from salus.ledger.genesis import (
    MAX_GENESIS,
    Genesis,
    GenesisMember,
    LicenceRight,
    Parameters,
    ValidatingMember,
    member_id,
    network_id,
    validators,
)
from salus.ledger.trusting import trusting
from salus.node.comet.configuring import peer_id
from salus.node.config import CometConfig, following_file, reachable_engine, read_announced, validating_file
from salus.node.identity import FOUNDING, PREPARED, founding_member, peer_seed, read_node_seed, validator_seed

MEMBER_NAME = "Practice"
USUAL = Parameters()


def init_home(
    home: Path,
    passphrase: str | None,
    member: str = MEMBER_NAME,
    others: Sequence[GenesisMember] = (),
    *,
    validating: bool = False,
    rules: Parameters = USUAL,
) -> Genesis:
    """Found a network in ``home``: node, member's wallet, agent's store. ``home-exists`` otherwise.

    This member's node orders blocks; ``others`` are members from the start, as `prepare_home` made them, and follow. Where it is
    ``validating``, it orders together with those of them that are. ``rules``: what holds for the whole network.
    """
    founder, record, cold = _make_member(home, passphrase, member, validating=validating)
    genesis = Genesis(fresh_nonce(), clock(), (founder, *others), rules)
    _settle_member(home, genesis, record, cold, lambda: passphrase or "")
    return genesis


def read_parameters(data: bytes) -> Parameters:
    """Rules for a new network from TOML; what is not said is as usual. `AgentRefused` ``bad-parameters`` for anything else."""
    try:
        made = Parameters(**msgspec.toml.decode(data, type=dict[str, Count]))
        return decode(encode(made), Parameters, limit=1024)
    except (msgspec.MsgspecError, UnicodeDecodeError, TypeError) as error:
        raise AgentRefused("bad-parameters", "a rule has a name of genesis's parameters, and a whole number") from error


def prepare_home(
    home: Path, passphrase: str | None, member: str, *, validating: bool = False
) -> GenesisMember | ValidatingMember:
    """Make a member's keys in ``home`` before there is a network: what is returned goes to whoever founds it.

    A ``validating`` one orders blocks together with all others that do.
    """
    made, record, cold = _make_member(home, passphrase, member, validating=validating)
    with opened_store(home, lambda: passphrase or "") as store:
        keep_prepared(store, record, cold)
    write_atomically(home / "node" / PREPARED, member_to_text(made).encode("ascii"))
    return made


def join_home(home: Path, genesis: bytes, node: str, address: str, ask: Callable[[], str]) -> Genesis:
    """As `complete_home`: this node follows the one at ``node``."""
    return complete_home(home, genesis, following_file(node, address), ask)


def enter_home(home: Path, way: WayIn, listen: str, address: str, port: int, ask: Callable[[], str]) -> Genesis:
    """As `complete_home`, in a network that admitted this member later, by the ``way`` in that another member has made.

    ``listen``: where this member's engine is reached (host:port); ``address``, ``port``: where its node is, and listens.
    """
    engines = {other.member.hex(): other.engine for other in way.others if other.engine}
    nodes = {other.member.hex(): other.node for other in way.others if other.node}
    config = validating_file(address, CometConfig(listen, engines, way.local), nodes, port)
    genesis = complete_home(home, way.genesis, config, ask, admitted=True)
    with opened_store(home, ask) as store, store.writing():
        store.put(b"", b"", trusting(way.checkpoint))
    return genesis


def make_way_in(agent: Agent, home: Path, member: bytes, engine: str) -> WayIn:
    """What an admitted ``member`` needs to join, made by a member whose node validates in ``home``; its ``engine`` as host:port.

    ``not-a-member`` for one that was not admitted, ``no-engine`` where this home has none; `NodeRefused` ``bad-config`` where
    others could not reach it as it is configured.
    """
    config = read_announced(home / "node")
    if config.comet is None:
        raise AgentRefused("no-engine", "the node of this home orders no blocks together with others")
    if member not in current_members(agent):
        raise AgentRefused("not-a-member", "no member of this id was admitted (salus members list)")
    own = member_id(member_wallet(agent).authority.public)
    peers, nodes = config.comet.peers, dict(config.members)
    others = [Reached(own, f"{own_peer(home)}@{engine or reachable_engine(config)}", config.address)]
    others += [Reached(bytes.fromhex(name), peers[name], nodes.get(name, "")) for name in sorted(peers) if name != member.hex()]
    return WayIn(encode(agent.genesis), checkpoint(agent), tuple(others), config.comet.local)


def complete_home(home: Path, genesis: bytes, config: bytes, ask: Callable[[], str], *, admitted: bool = False) -> Genesis:
    """Complete what `prepare_home` began, in the network of ``genesis``, with this ``config.toml``.

    ``not-prepared``, and `NodeRefused` ``not-a-member`` where the network was founded without it, unless it was ``admitted``
    later.
    """
    if (home / "genesis.bin").exists():
        raise AgentRefused("home-exists", "there is a home in this folder already")
    if not (home / "node" / PREPARED).exists():
        raise AgentRefused("not-prepared", "make this member's keys first: salus node prepare")
    found = decode(genesis, Genesis, limit=MAX_GENESIS)
    if (
        founding_member(found, SigningKey(derive(read_node_seed(home / "node" / "node.key"), "node")).public) is None
        and not admitted
    ):
        raise NodeRefused("not-a-member", "this node's key is not in the genesis document")
    with opened_store(home, ask) as store:
        prepared = find_prepared(store)
    if prepared is None:
        raise AgentRefused("not-prepared", "make this member's keys first: salus node prepare")
    write_atomically(home / "node" / "config.toml", config)
    try:
        _settle_member(home, found, prepared.record, prepared.cold, ask)
    except SalusError:
        (home / "genesis.bin").unlink(missing_ok=True)
        raise
    return found


def own_peer(home: Path) -> str:
    """By which id other members' engines know that of ``home``."""
    return peer_id(SigningKey(peer_seed(read_node_seed(home / "node" / "node.key"))).public)


def _make_member(
    home: Path, passphrase: str | None, name: str, *, validating: bool
) -> tuple[GenesisMember, PrincipalRecord, bytes]:
    """A member's keys in ``home``: as genesis names it, its wallet's record, and its cold seed."""
    _start_over(home)
    node_seed, cold = new_seed(), new_seed()
    record = new_principal(name, Role.MEMBER, new_seed(), cold, new_seed())
    node_key = SigningKey(derive(node_seed, "node")).public
    write_atomically(home / "node" / "node.key", node_seed.hex().encode("ascii") + b"\n")
    write_store_key(home / "agent" / "agent.key", passphrase)
    made = GenesisMember(Wallet(record).authority.public, node_key, tuple(LicenceRight))
    if validating:
        validator, peer = SigningKey(validator_seed(node_seed)).public, SigningKey(peer_seed(node_seed)).public
        made = ValidatingMember(made.authority, made.node, made.rights, validator, bytes.fromhex(peer_id(peer)))
    return made, record, cold


def _settle_member(home: Path, genesis: Genesis, record: PrincipalRecord, cold: bytes, ask: Callable[[], str]) -> None:
    """Keep the member's wallet and cold seed, and let its node begin."""
    with opened_store(home, ask) as store, store.writing():
        store.put(b"", record.name.encode("utf-8"), record)
    write_cold(home / "cold", cold_seed(record, network_id(genesis), cold), beside=True)
    write_atomically(home / "node" / FOUNDING, b"")
    write_atomically(home / "genesis.bin", encode(genesis))
    if validators(genesis):
        return  # its node begins when it is served, together with the others'
    with open_home(home, ask):
        pass  # completes what is left to be done for its people


def _start_over(home: Path) -> None:
    """Forget what a founding wrote that was cut off; ``home-exists`` where there is a home, or keys wait for one."""
    founding = home / "node" / FOUNDING
    kept = [home / "genesis.bin", home / "node" / PREPARED]
    kept += [] if founding.exists() else [home / "agent" / "agent.key"]
    if any(path.exists() for path in kept):
        raise AgentRefused("home-exists", "there is a home in this folder already")
    for folder in (home / "node", home / "agent"):
        make_folder(folder)
    write_atomically(founding, b"")
    for path in [home / "agent" / "agent.key", *(home / "agent").glob("*.db*")]:
        path.unlink(missing_ok=True)


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
        others = [known for known in read_nodes(path).nodes if split_pin(known)[0] != split_pin(first)[0]]
        move_people(agent, [first, *others][:MAX_NODES])
        settle_nodes(home, agent.store)
