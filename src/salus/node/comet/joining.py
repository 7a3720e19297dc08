"""Beginning with a snapshot: what a node goes by that has no blocks, while other members' nodes do.

Nothing of it is believed: the header from which CometBFT's light client starts is proven from genesis on, as those are that a
wallet goes by.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from salus.codec import decode_json
from salus.errors import LedgerRefused, NodeRefused, SalusError
from salus.exchange.peering import Question
from salus.ids import Millis
from salus.ledger.genesis import Genesis
from salus.ledger.header import ProvenHeader, header_hash
from salus.ledger.lightblock import CommittedHeader
from salus.ledger.snapshot import Restored
from salus.ledger.trusting import Trusted, led, require_named, trusted_from
from salus.ledger.verifying import require_linked
from salus.node.comet.configuring import StateSync
from salus.node.comet.relay import Put, Relay
from salus.node.comet.sharing import PROVEN_BY
from salus.node.comet.signing import SIGNED_FILES
from salus.node.config import CometConfig
from salus.node.ledger_store import LedgerStore
from salus.node.peers import Peers
from salus.node.pruning import Pruning
from salus.node.snapshots import Making, Snapshots

OFFERS = 10  # snapshots of one member that are looked at, as many as CometBFT tells of
TRUSTED_FOR = 14 * 24 * 3600 * 1000  # ms that a header may be old from which CometBFT's light client starts


@dataclass(frozen=True)
class Start:
    """Where to begin: the proven header of a snapshot's height, and the ways to those who are asked for what leads from it."""

    trusted: Trusted
    puts: tuple[Put, ...]

    def relay(self, folder: Path) -> Relay:
        """Sockets for the light client, one a member; it wants two at least."""
        return Relay(folder, self.puts if len(self.puts) > 1 else self.puts * 2)

    def state_sync(self, relay: Relay) -> StateSync:
        """What CometBFT is set up with."""
        return StateSync(relay.addresses(), self.trusted.height, self.trusted.hash)


class Handing:
    """The snapshots that a node hands over, begins with, and moves up to, as ``config`` says, where its ledger begins."""

    def __init__(self, folder: Path, network: bytes, config: CometConfig, start: Start | None, store: LedgerStore) -> None:
        self.start = start.trusted if start is not None else None
        self.snapshots = Snapshots(folder, pruned=bool(config.keep_blocks))
        pruning = Pruning(self.snapshots, store, config.keep_blocks)
        self.making = Making(self.snapshots, network, config.snapshot_blocks, pruning.move)

    def state_at(self, height: int) -> Restored | None:
        """The state with which a chain begins, from its snapshot; None for genesis, or where that is not here."""
        return self.snapshots.base(height) if height else None


def forget_unproven(engine: Path, store: LedgerStore) -> None:
    """Let go of a ledger that began with a snapshot and came no further: its engine may not know of it, and would not go on.

    ``engine`` is the engine's folder; what its validator's keys have signed stays there.
    """
    if not store.base() or store.newest() is not None:
        return
    for path in (engine / "data").glob("*"):
        if not path.match(SIGNED_FILES):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    store.forget()


def find_start(genesis: Genesis, peers: Peers, now: Millis) -> Start | None:
    """The highest snapshot that other members' nodes offer and prove; None where there is none: then every block is executed."""
    newest, offers = 0, list[tuple[int, bytes]]()
    for peer in peers.known():
        try:
            newest = max(newest, _proven(genesis, peers, peer.member, None).height)
            told = decode_json(peers.ask_engine(peer.member, Question.SNAPSHOTS), list[int])
        except (SalusError, msgspec.DecodeError):
            continue
        offers += [(height, peer.member) for height in told[:OFFERS]]
    for height, member in sorted(offers, reverse=True):
        found = _provable(genesis, peers, member, height, now) if 0 < height <= newest - PROVEN_BY else None
        if found is not None:
            asked = dict.fromkeys((member, *(who for _, who in offers)))
            return Start(found, tuple(partial(peers.ask_engine, who) for who in asked))
    return None


def _provable(genesis: Genesis, peers: Peers, member: bytes, height: int, now: Millis) -> Trusted | None:
    try:
        found = _proven(genesis, peers, member, height)
    except SalusError:
        return None
    return found if found.height == height and now - found.time < TRUSTED_FOR else None


def _proven(genesis: Genesis, peers: Peers, member: bytes, height: int | None) -> Trusted:
    """The one place where a header that another node shows, its newest or that at ``height``, is held against genesis."""
    signed = peers.of(member).header(height)
    return led(genesis, trusted_from(genesis), signed, partial(_between, peers, member))[0]


def _between(peers: Peers, member: bytes, height: int) -> ProvenHeader:
    """The header at ``height`` as the member's node shows it, or else another one: who prunes does not have the old ones."""
    others = [peer.member for peer in peers.known() if peer.member != member]
    for asked in (member, *others):
        with suppress(SalusError):
            return peers.of(asked).header(height)
    raise NodeRefused("pruned", "no member's node that answers has the headers that lead here")


def followed_from(
    genesis: Genesis,
    start: Trusted | None,
    trusted: Trusted,
    before: ProvenHeader | None,
    signed: CommittedHeader,
    between: Callable[[int], CommittedHeader],
) -> Trusted:
    """What to go by from ``signed`` on, which comes behind ``before``; raises where it does not check.

    Where CometBFT had to begin with an older snapshot than the one whose header was proven, as that was gone, those up to it must
    be voted for, each follow the one before, and lead to it.
    """
    if start is None or signed.header.height > start.height:
        return led(genesis, trusted, signed, between)[0]
    require_named(genesis, signed)
    if before is not None:
        require_linked(before, signed)
    if signed.header.height == start.height and header_hash(signed.header) != start.hash:
        raise LedgerRefused("bad-link", "the header is not the one that was proven before")
    return start
