"""What this node gives to other members' nodes, within one answer's size: blocks, sealed blobs, listings; and room for copies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from salus.errors import LedgerRefused, NodeRefused, SalusError
from salus.exchange.listings import SignedListing
from salus.exchange.peering import (
    MAX_ANSWER,
    EngineAnswer,
    EngineAsk,
    PeerAnswer,
    PeerAsk,
    PeerBlock,
    PeerHeld,
    Pushed,
    require_peer,
    require_push,
)
from salus.ids import Millis, VerifyKey
from salus.ledger.genesis import network_id
from salus.ledger.header import SignedHeader
from salus.ledger.modules.members.queries import known_member, member
from salus.ledger.modules.members.state import Member
from salus.node.comet.engine import CometEngine
from salus.node.directory import Directory
from salus.node.engine import Engine
from salus.node.operating.looking import is_live
from salus.node.peers import Peers
from salus.node.vault.blobs import Blobs
from salus.node.vault.pushed import PushedBlobs
from salus.node.vault.sharing import Share

T = TypeVar("T")

_ALWAYS = 1 << 63  # ms
CLOCKS_APART = 300_000  # ms that two nodes' clocks may differ


class Giving:
    """Answers members' nodes alone. ``share`` is what this vault is to keep; ``clock`` gives ms since the epoch."""

    def __init__(
        self,
        share: Share,
        engine: Engine,
        blobs: Blobs,
        pushed: PushedBlobs,
        directory: Directory,
        peers: Peers,
        clock: Callable[[], Millis],
    ) -> None:
        self._share, self._own, self._engine, self._directory = share, share.own, engine, directory
        self._blobs, self._pushed, self._peers, self._clock = blobs, pushed, peers, clock

    def answer(self, ask: PeerAsk) -> PeerAnswer:
        """What of it this node has; raises unless a member's node asks now. Where it answers is remembered.

        One that was a member gets the blocks up to that in which it was removed, and nothing else.
        """
        asking = known_member(self._engine.state, ask.asking.member)
        self._let_in(ask, asking)
        found = self._blocks(ask.first, ask.blocks, asking.removed or _ALWAYS)
        blocks = _within(found, lambda block: sum(map(len, block.transactions)) + 1024)
        if asking.removed:
            return PeerAnswer(blocks, (), (), ())
        return PeerAnswer(blocks, _within(self._held(ask.blobs), len), self._listings(ask.listings), self._peers.known())

    def answer_engine(self, ask: EngineAsk) -> EngineAnswer:
        """What this node's engine says to a question of another's; `NodeRefused` ``no-engine`` where there is none."""
        self._let_in(ask, member(self._engine.state, ask.asking.member))
        if not isinstance(self._engine, CometEngine):
            raise NodeRefused("no-engine", "no engine orders blocks here")
        return EngineAnswer(self._engine.told(ask.question, ask.height, ask.page))

    def _let_in(self, ask: PeerAsk | EngineAsk, asking: Member) -> None:
        """Raise unless this member's node asks now. Where it answers is remembered."""
        require_peer(ask, network_id(self._engine.genesis), self._own, VerifyKey(asking.node))
        self._require_now(ask.time)
        self._peers.know(ask.asking.member, ask.asking.address)

    def take(self, pushed: Pushed) -> PeerHeld:
        """Keep what is pushed and this vault is to keep, and say what of it, and of what else was named, it holds."""
        push = pushed.push
        asking = known_member(self._engine.state, push.asking)
        require_push(pushed, network_id(self._engine.genesis), self._own, VerifyKey(asking.node))
        self._require_now(push.time)
        if asking.removed and pushed.blobs:
            raise LedgerRefused("member-removed", "who is a member no longer may ask what is kept here, and leave nothing")
        own = [blob for blob in push.named if self._share.has(blob)]
        mine, standing = set(own), {blob for blob in push.named if is_live(self._engine.state, blob) and self._whole(blob)}
        given = zip(push.named, pushed.blobs, strict=False)
        self._pushed.take(push.asking, {blob: data for blob, data in given if blob in mine - standing})
        held = tuple(blob for blob in push.named if blob in standing or self._pushed.has(blob))
        return PeerHeld(held, tuple(blob for blob in own if self._whole(blob)))

    def _require_now(self, time: int) -> None:
        if abs(time - self._clock()) > CLOCKS_APART:
            raise NodeRefused("stale-ask", "the request of a member's node is too old, or its clock is off")

    def _whole(self, blob: bytes) -> bool:
        return any(True for _ in self._held([blob]))

    def _blocks(self, first: int, most: int, until: int) -> Iterator[PeerBlock]:
        newest = self._engine.newest_header().header.height
        for height in range(first, min(first + most, newest + 1)):
            header = self._engine.header(height)
            if header.header.time > until:
                break
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
