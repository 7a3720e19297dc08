"""``node doctor``: what is wrong with a node among others, beside what ``node check`` finds on its disk."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Protocol, TypeVar

from salus.codec import Record, decode
from salus.errors import NodeRefused
from salus.exchange.api import NodeStatus
from salus.exchange.client import NodeClient
from salus.ledger.genesis import Genesis, validators
from salus.ledger.modules.members.state import (
    Member,
    Misbehaviour,
    Seat,
    member_key,
    misbehaviour_key,
    seat_key,
)
from salus.ledger.verifying import StateAnswer
from salus.node.comet.binary import find_engine
from salus.node.comet.signing import numbers, public_key
from salus.node.config import Config, OwnCertificate, generates, read_announced, read_config
from salus.node.identity import own_member, read_node_seed
from salus.node.operating.checking import Finding, Findings
from salus.node.tls import own_certificate
from salus.node.vault.bucket import Bucket

R = TypeVar("R", bound=Record)

REACHED = 3.0  # seconds that another member's node or engine may take for a sign of life
SOON = 30  # days before the end of a certificate from which on that is said
CLOCK_OFF = 60.0  # seconds that this machine's clock may differ from most others'; at 300 they refuse what it asks
BEHIND = 5  # blocks that this node may be behind others
_STANDS_STILL = 4, 30_000  # header intervals, or ms if that is longer, without a block: then something is wrong


class Asked(Protocol):
    """This member's own node, as a command on its home reaches it."""

    def status(self) -> NodeStatus:
        """What the node says of itself."""

    def states(self, keys: Sequence[bytes]) -> tuple[StateAnswer, ...]:
        """State by key."""


def doctor(found: Findings, home: Path, genesis: Genesis, now: int, own: Asked | None) -> Findings:
    """Add what is found of the node of ``home`` among others; ``own``: the node, where it is served; ``now`` in ms."""
    config = read_config(home / "node" / "config.toml")
    _look_at_engine(found, genesis)
    _look_at_tls(found, home / "node", now)
    _look_at_store(found, config)
    if own is None:
        found.append(
            Finding("served", "node/node-not-running", "the node is not served (salus serve); nothing more can be asked")
        )
        return found
    status = own.status()
    with found.of("blocks"):
        quiet = now - status.time
        if validators(genesis) and quiet > max(_STANDS_STILL[0] * genesis.parameters.header_interval, _STANDS_STILL[1]):
            raise NodeRefused(
                "standing-still", f"the newest block is {quiet // 1000} s old: the network, or this node, stands still"
            )
        found.well("blocks", f"block {status.height} is {max(0, quiet) // 1000} s old")
    _look_at_membership(found, home, genesis, own)
    _look_at_others(found, config, status)
    return found


def _look_at_engine(found: Findings, genesis: Genesis) -> None:
    if validators(genesis):
        with found.of("engine"):
            find_engine()
            found.well("engine", "the engine's program is there, and of the version that this software is made for")


def _look_at_tls(found: Findings, node: Path, now: int) -> None:
    """How the API answers, what address to hand out, and for how long the operator's own certificate lasts."""
    with found.of("tls"):
        config = read_announced(node)
        where = config.address or "where it listens"
        if isinstance(config.tls, OwnCertificate):
            ends, day = own_certificate(config.tls, node).not_valid_after_utc, datetime.fromtimestamp(now / 1000, UTC)
            if ends <= day:
                raise NodeRefused("certificate-over", f"the certificate has ended on {ends:%Y-%m-%d}: renew it, and serve again")
            left = (ends - day).days
            soon = "" if left >= SOON else f", in {left} days: renew it, and serve again"
            found.well("tls", f"by the operator's certificate, which ends on {ends:%Y-%m-%d}{soon}; reached at {where}")
            return
        how = "by a generated key" if generates(config) else "plain HTTP: others reach it by a proxy, or not at all"
        found.well("tls", f"{how}; reached at {where}")


def _look_at_store(found: Findings, config: Config) -> None:
    """Whether the bucket answers, and may be written, read and deleted from; and how long that takes."""
    if config.store is not None:
        with found.of("bucket"):
            taken = Bucket(config.store).try_out()
            found.well("bucket", f"{config.store.url} was written, read and deleted from in {taken * 1000:.0f} ms")


def _look_at_membership(found: Findings, home: Path, genesis: Genesis, own: Asked) -> None:
    """What the ledger says of this member, and whether its validator can vote as it is to."""
    identity = own_member(genesis, home / "node")
    answers = own.states([member_key(identity), seat_key(identity), misbehaviour_key(identity)])
    with found.of("member"):
        member = _as(answers[0], Member)
        if member is None or member.removed:
            raise NodeRefused("not-a-member", "the ledger does not have this member, or it was removed")
        found.well("member", f"this node's member may license: {', '.join(member.rights) or 'nothing'}")
    with found.of("validator"):
        seat, caught = _as(answers[1], Seat), _as(answers[2], Misbehaviour)
        if seat is None:
            if caught is not None:
                raise NodeRefused("caught", "the validator signed two blocks of one height and lost its seat; find out how")
            found.well("validator", "this member has no seat among the validators")
            return
        seed, folder = read_node_seed(home / "node" / "node.key"), home / "node" / "comet"
        if seat.key not in [public_key(seed, number) for number in numbers(folder)]:
            raise NodeRefused(
                "signing-state-lost", "what the validator's key has signed is not known here: salus node rotate-keys"
            )
        found.well("validator", f"its vote weighs {seat.power}")


def _look_at_others(found: Findings, config: Config, status: NodeStatus) -> None:
    """Whether the others that are configured answer, are of this network, and how far they are."""
    heights, bases, ahead_by = list[int](), [status.base], list[float]()
    for member, url in sorted(config.members.items()):
        what = f"member {member[:8]}"
        with found.of(what):
            client = NodeClient(url, REACHED)
            try:
                other = client.status()
                ahead_by.append(client.ahead())
            finally:
                client.close()
            if other.network != status.network or other.member.hex() != member:
                raise NodeRefused("wrong-network", "at this address another member's node answers, or one of another network")
            heights.append(other.height)
            bases.append(other.base)
            found.well(what, f"its node answers, at block {other.height}")
    for member, where in sorted(config.comet.peers.items()) if config.comet else ():
        what = f"engine of {member[:8]}"
        with found.of(what):
            if not _answers(where.partition("@")[2]):
                raise NodeRefused(
                    "peer-unreachable", "the engine of this member does not answer at the address that is configured"
                )
            found.well(what, "its engine answers")
    with found.of("clocks"):
        off = median(ahead_by) if ahead_by else 0.0
        if abs(off) > CLOCK_OFF:
            raise NodeRefused("clock-off", f"this machine's clock differs by {abs(off):.0f} s from other members': set it right")
        found.well("clocks", "this machine's clock is about that of the others")
    with found.of("behind"):
        ahead = max(heights, default=status.height) - status.height
        if heights and min(bases[1:]) > status.height:
            raise NodeRefused("left-behind", "no other node has the blocks any more that come next here: salus node resync")
        if ahead > BEHIND:
            raise NodeRefused("behind", f"others are {ahead} blocks ahead; it may still be catching up")
        found.well("behind", "no other node is far ahead")
    _look_for_archive(found, bases)


def _look_for_archive(found: Findings, bases: Sequence[int]) -> None:
    """Whether somebody has all blocks, of this node, whose base comes first, and the others."""
    with found.of("archive"):
        own = bases[0]
        if all(bases):
            raise NodeRefused("no-archive", "no node that answers has all blocks, and neither has this one: history gets lost")
        found.well("archive", f"blocks are here from {own + 1} on; another node has all" if own else "this node has all blocks")


def _answers(where: str) -> bool:
    host, _, port = where.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACHED).close()
    except (OSError, ValueError):
        return False
    return True


def _as(answer: StateAnswer, shape: type[R]) -> R | None:
    return None if answer.value is None else decode(answer.value, shape, limit=262_144)
