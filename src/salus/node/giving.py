"""What this node gives to other members' nodes: blocks, sealed blobs and listings, within one answer's size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from salus.errors import NodeRefused, SalusError
from salus.exchange.listings import SignedListing
from salus.exchange.peering import MAX_ANSWER, EngineAnswer, EngineAsk, PeerAnswer, PeerAsk, PeerBlock, require_peer
from salus.ids import MemberId, Millis, VerifyKey
from salus.ledger.genesis import network_id
from salus.ledger.header import SignedHeader
from salus.ledger.modules.members.queries import member
from salus.node.comet.engine import CometEngine
from salus.node.directory import Directory
from salus.node.engine import Engine
from salus.node.peers import Peers
from salus.node.vault.blobs import Blobs

T = TypeVar("T")

_CLOCKS_APART = 300_000  # ms that two nodes' clocks may differ


class Giving:
    """Answers members' nodes alone. ``own`` is this node's member; ``clock`` gives ms since the epoch."""

    def __init__(
        self, own: MemberId, engine: Engine, blobs: Blobs, directory: Directory, peers: Peers, clock: Callable[[], Millis]
    ) -> None:
        self._own, self._engine, self._blobs, self._directory = own, engine, blobs, directory
        self._peers, self._clock = peers, clock

    def answer(self, ask: PeerAsk) -> PeerAnswer:
        """What of it this node has; raises unless a member's node asks now. Where it answers is remembered."""
        self._let_in(ask)
        blocks = _within(self._blocks(ask.first, ask.blocks), lambda block: sum(map(len, block.transactions)) + 1024)
        return PeerAnswer(blocks, _within(self._held(ask.blobs), len), self._listings(ask.listings), self._peers.known())

    def answer_engine(self, ask: EngineAsk) -> EngineAnswer:
        """What this node's engine says to a question of another's; `NodeRefused` ``no-engine`` where there is none."""
        self._let_in(ask)
        if not isinstance(self._engine, CometEngine):
            raise NodeRefused("no-engine", "no engine orders blocks here")
        return EngineAnswer(self._engine.told(ask.question, ask.height, ask.page))

    def _let_in(self, ask: PeerAsk | EngineAsk) -> None:
        """Raise unless a member's node asks now. Where it answers is remembered."""
        node = VerifyKey(member(self._engine.state, ask.asking.member).node)
        require_peer(ask, network_id(self._engine.genesis), self._own, node)
        if abs(ask.time - self._clock()) > _CLOCKS_APART:
            raise NodeRefused("stale-ask", "the request of a member's node is too old, or its clock is off")
        self._peers.know(ask.asking.member, ask.asking.address)

    def _blocks(self, first: int, most: int) -> Iterator[PeerBlock]:
        newest = self._engine.newest_header().header.height
        for height in range(first, min(first + most, newest + 1)):
            header = self._engine.header(height)
            if isinstance(header, SignedHeader):  # those that were voted for travel from engine to engine
                yield PeerBlock(header, self._engine.block(height).transactions)

    def _held(self, wanted: Iterable[bytes]) -> Iterator[bytes]:
        for blob in wanted:
            try:
                data = self._blobs.get(blob)
            except SalusError:
                continue  # damaged here: another node may have it whole
            if data is not None:
                yield data

    def _listings(self, holders: Iterable[bytes]) -> tuple[SignedListing, ...]:
        found = (self._directory.find(holder) for holder in holders)
        return tuple(listing for listing in found if listing is not None)


def _within(items: Iterator[T], size: Callable[[T], int]) -> tuple[T, ...]:
    """As many of the items, in order, as fit into one answer; the first always does."""
    taken, room = list[T](), MAX_ANSWER
    for item in items:
        room -= size(item)
        if taken and room < 0:
            break
        taken.append(item)
    return tuple(taken)
