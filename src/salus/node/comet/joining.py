"""Beginning with a snapshot: what a node goes by that has no blocks, while other members' nodes do.

Nothing of it is believed: the header from which CometBFT's light client starts is proven from genesis on, as those are that a
wallet goes by.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from salus.errors import LedgerRefused, SalusError
from salus.exchange.client import NodeClient
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
from salus.node.ledger_store import LedgerStore
from salus.node.peers import Peers
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
    """The snapshots that a node hands over and begins with. ``every``: after how many blocks it makes one."""

    def __init__(self, folder: Path, network: bytes, every: int, start: Start | None) -> None:
        self.start = start.trusted if start is not None else None
        self.snapshots = Snapshots(folder)
        self.making = Making(self.snapshots, network, every)

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
            client = peers.of(peer.member)
            newest = max(newest, _proven(genesis, client, client.header(None)).height)
            told = msgspec.json.decode(peers.ask_engine(peer.member, Question.SNAPSHOTS), type=list[int])
        except (SalusError, msgspec.DecodeError):
            continue
        offers += [(height, peer.member) for height in told[:OFFERS]]
    for height, member in sorted(offers, reverse=True):
        found = _provable(genesis, peers.of(member), height, now) if 0 < height <= newest - PROVEN_BY else None
        if found is not None:
            asked = dict.fromkeys((member, *(who for _, who in offers)))
            return Start(found, tuple(partial(peers.ask_engine, who) for who in asked))
    return None


def _provable(genesis: Genesis, client: NodeClient, height: int, now: Millis) -> Trusted | None:
    try:
        found = _proven(genesis, client, client.header(height))
    except SalusError:
        return None
    return found if found.height == height and now - found.time < TRUSTED_FOR else None


def _proven(genesis: Genesis, client: NodeClient, signed: ProvenHeader) -> Trusted:
    """The one place where a header that another node shows is held against genesis."""
    return led(genesis, trusted_from(genesis), signed, client.header)[0]


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
