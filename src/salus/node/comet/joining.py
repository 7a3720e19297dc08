"""Beginning with a snapshot: what a node goes by that has lost its chain, or never had it, and other members' nodes have.

Nothing of it is believed: the header that CometBFT's light client starts from is proven from genesis on, as headers are to wallets.

A validator that lost what it signed last might sign a second vote for a height. It has signed nothing above the block after the
newest one that more than two thirds of the power had decided, and of those who are asked, as they hold more than two thirds too,
one at least is honest and was among them. So it signs nothing up to `SILENT` blocks above the newest that any of them shows.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec

from salus.codec import decode
from salus.durable import sync_folder, write_atomically
from salus.errors import LedgerRefused, NodeRefused, SalusError
from salus.exchange.client import NodeClient
from salus.exchange.peering import Question
from salus.ids import Millis
from salus.ledger.genesis import Genesis
from salus.ledger.header import ProvenHeader, header_hash
from salus.ledger.lightblock import CommittedHeader
from salus.ledger.modules.members.state import Seat, seat_key
from salus.ledger.trusting import Trusted, led, require_named, trusted_from
from salus.ledger.verifying import require_linked, require_proven
from salus.node.comet.configuring import SIGNED, StateSync
from salus.node.comet.relay import Relay
from salus.node.comet.sharing import PROVEN_BY
from salus.node.peers import Peers
from salus.node.replaying import Base
from salus.node.snapshots import Making, Snapshots

JOINING = "joining"  # in the engine's folder: there from `mark_joining` until this node has a header of its own
SILENT = 10  # blocks above the newest that is known in which a validator may have voted that does not know it any more
TRUSTED_FOR = 14 * 24 * 3600 * 1000  # ms that a header may be old from which CometBFT's light client starts


@dataclass(frozen=True)
class Start:
    """Where to begin: the proven header of a snapshot's height (None: with genesis, as nobody offers one), who can be asked,
    and up to which height this node's validator signs nothing if it does not know what it signed.
    """

    trusted: Trusted | None
    asked: tuple[bytes, ...]
    silent: int = 0


@dataclass(frozen=True)
class Beginning:
    """A start, and the way to the members whom it names."""

    start: Start
    peers: Peers

    def relay(self, folder: Path) -> Relay | None:
        """Sockets for the light client, one a member and two at least; None where nobody offers a snapshot."""
        if self.start.trusted is None:
            return None
        asked = self.start.asked if len(self.start.asked) > 1 else self.start.asked * 2
        return Relay(folder, [partial(self.peers.ask_engine, member) for member in asked])

    def state_sync(self, relay: Relay) -> StateSync | None:
        """What CometBFT is set up with."""
        trusted = self.start.trusted
        return None if trusted is None else StateSync(relay.addresses(), trusted.height, trusted.hash)


class Handing:
    """The snapshots in the folder of a node, those that it makes, and what it begins with where it begins anew.

    ``every``: after how many blocks one is made. ``start`` is None where it begins with genesis, or not anew.
    """

    def __init__(self, node: Path, network: bytes, every: int, start: Trusted | None = None) -> None:
        self._node, self.start = node, start
        self.snapshots = Snapshots(node / "snapshots")
        self.making = Making(self.snapshots, network, every)
        self.joining = is_joining(node)

    def joined(self) -> None:
        """The node has a footing of its own."""
        joined(self._node)
        self.joining = False

    def state_at(self, height: int) -> Base | None:
        """The state of a snapshot; None for genesis."""
        return self.snapshots.base(height)


@dataclass
class _Seen:
    """Newest header, proven, and what is offered, by member."""

    newest: dict[bytes, Trusted] = field(default_factory=dict)
    offered: dict[bytes, list[int]] = field(default_factory=dict)


def mark_joining(node: Path) -> None:
    """Have the node begin anew the next time that it starts: its ledger, its snapshots and its engine's blocks go then."""
    (node / "comet").mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(node / "comet" / JOINING, b"")


def is_joining(node: Path) -> bool:
    """Whether the node begins anew."""
    return (node / "comet" / JOINING).exists()


def clear(node: Path) -> None:
    """Take away what the node had of the chain, but never what its validator signed last, nor its keys."""
    for name in ("ledger", "snapshots"):
        shutil.rmtree(node / name, ignore_errors=True)
    for path in (node / "comet" / "data").glob("*"):
        if path.name != SIGNED:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    sync_folder(node)


def joined(node: Path) -> None:
    """The node has a chain of its own again."""
    (node / "comet" / JOINING).unlink(missing_ok=True)
    sync_folder(node / "comet")


def find_start(genesis: Genesis, peers: Peers, own: bytes, now: Millis, *, forgotten: bool) -> Start:
    """Where to begin, from what other members' nodes show and prove.

    ``own`` is this node's validator key, ``forgotten`` whether it is unknown what it signed last. `NodeRefused`
    ``too-few-members`` where too few answer for that, or none does.
    """
    seen = _look_around(genesis, peers)
    if not seen.newest:
        raise NodeRefused("too-few-members", "no other member's node answers with a header that is proven")
    highest = max(seen.newest.values(), key=lambda one: one.height)
    if forgotten and any(one.key == own for one in highest.validators):
        _require_enough(genesis, peers, seen, highest)
    asked = tuple(seen.newest)
    return Start(_best(genesis, peers, seen, highest, now), asked, highest.height + SILENT)


def _look_around(genesis: Genesis, peers: Peers) -> _Seen:
    seen = _Seen()
    for peer in peers.known():
        try:
            client = peers.of(peer.member)
            seen.newest[peer.member] = _proven(genesis, client, client.header(None))
            told = peers.ask_engine(peer.member, Question.SNAPSHOTS)
            seen.offered[peer.member] = msgspec.json.decode(told, type=list[int])
        except (SalusError, msgspec.DecodeError):
            continue
    return seen


def _proven(genesis: Genesis, client: NodeClient, signed: ProvenHeader) -> Trusted:
    """The one place where a header that another node shows is held against genesis."""
    return led(genesis, trusted_from(genesis), signed, client.header)[0]


def _best(genesis: Genesis, peers: Peers, seen: _Seen, highest: Trusted, now: Millis) -> Trusted | None:
    """The proven header of the highest snapshot that is on offer and that CometBFT can begin with by now."""
    offers = sorted(((height, who) for who, heights in seen.offered.items() for height in heights[:10]), reverse=True)
    for height, who in offers:
        if not 0 < height <= highest.height - PROVEN_BY:
            continue
        try:
            client = peers.of(who)
            found = _proven(genesis, client, client.header(height))
        except SalusError:
            continue
        if found.height == height and now - found.time < TRUSTED_FOR:
            return found
    return None


def _require_enough(genesis: Genesis, peers: Peers, seen: _Seen, highest: Trusted) -> None:
    """Raise unless members with more than two thirds of the power have shown how far they are."""
    power = {one.key: one.power for one in highest.validators}
    seats = _seats(genesis, peers, seen)
    answered = sum(power.get(seats.get(member, b""), 0) for member in seen.newest)
    if 3 * answered <= 2 * sum(power.values()):
        raise NodeRefused(
            "too-few-members",
            "it is not known what this node's validator signed last: nodes of more than two thirds of the power must answer",
        )


def _seats(genesis: Genesis, peers: Peers, seen: _Seen) -> Mapping[bytes, bytes]:
    """By member, the key with which it votes, as the state has it."""
    members = list(seen.newest)
    keys = [seat_key(member) for member in members]
    for member in members:
        try:
            client = peers.of(member)
            answers = client.states(keys)
            _proven(genesis, client, answers[0].header)
            if [answer.key for answer in answers] != keys or any(one.header != answers[0].header for one in answers):
                raise LedgerRefused("wrong-answer", "the node answered something else than was asked")
            values = [require_proven(answer) for answer in answers]
        except SalusError:
            continue
        seats = [None if value is None else decode(value, Seat, limit=1024) for value in values]
        return {member: seat.key for member, seat in zip(members, seats, strict=True) if seat is not None}
    return {}


def require_below(genesis: Genesis, start: Trusted, before: ProvenHeader | None, signed: CommittedHeader) -> None:
    """Raise unless a header up to that of ``start`` is voted for, follows the one before, and leads to that of ``start``.

    CometBFT begins with an older snapshot where the newest that was offered is gone.
    """
    require_named(genesis, signed)
    if before is not None:
        require_linked(before, signed)
    if signed.header.height == start.height and header_hash(signed.header) != start.hash:
        raise LedgerRefused("bad-link", "the header is not the one that was proven before")
