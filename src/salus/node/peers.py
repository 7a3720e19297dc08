"""Other members' nodes: the way to each, what this node asks of them, and what it gives them.

What is addressed to another member is passed on to its node. Addresses are what members' nodes say of themselves when they ask.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from salus.crypto.signing import SigningKey
from salus.errors import NodeRefused, SalusError
from salus.exchange.api import Submission, TxStatus
from salus.exchange.client import NodeClient
from salus.exchange.peering import (
    MAX_BLOCKS,
    EngineAsk,
    Peer,
    PeerAnswer,
    PeerAsk,
    PeerBlock,
    PeerHeld,
    PeerPush,
    Pushed,
    Question,
    sign_ask,
    sign_push,
)
from salus.ids import MemberId, Millis, NetworkId

GREET = 30_000  # ms after which one that was not asked anything is greeted
PEER_SECONDS = 20.0  # that another member's node may take for an answer


class PeerClient(NodeClient):
    """A member's node, as another member's node calls it: its silence is that node's, not the caller's. It asks once."""

    patience = 0  # whoever waits for this node's answer asks again by itself

    def silent(self, text: str) -> SalusError:
        """`NodeRefused` ``peer-unreachable``."""
        return NodeRefused("peer-unreachable", "the node of the member that is addressed does not answer")

    def mistaken(self) -> SalusError:
        """`NodeRefused` ``wrong-certificate``."""
        return NodeRefused("wrong-certificate", "where the node of the member that is addressed should be, another key answers")

    def undecided(self) -> SalusError:
        """As the other node has said it."""
        return NodeRefused("not-ordered", "the network has not ordered the transaction yet, and may still do so")


@dataclass(frozen=True)
class Own:
    """Who asks: this node's network, member and node key."""

    network: NetworkId
    member: MemberId
    key: SigningKey


class Peers:
    """Clients by member id. ``clock`` gives ms since the epoch. Close them with `close`."""

    def __init__(self, own: Own, clock: Callable[[], Millis]) -> None:
        self._own, self._clock, self.address = own, clock, ""  # the address at which others are to call back
        self._lock, self._clients = threading.Lock(), dict[bytes, tuple[str, PeerClient]]()
        self._kept = set[bytes]()
        self._asked = dict[bytes, Millis]()  # when each was asked last

    def know(self, member: bytes, address: str, *, keep: bool = False) -> None:
        """The member's node answers at ``address`` from now on; "" tells nothing. ``keep``: whatever else is said of it later."""
        with self._lock:
            if member in self._kept:
                return
            if keep:
                self._kept.add(member)
            known = self._clients.get(member)
            if address and member != self._own.member and (known is None or known[0] != address):
                self._clients[member] = (address, PeerClient(address, PEER_SECONDS))
                if known is not None:
                    known[1].close()

    def known(self) -> tuple[Peer, ...]:
        """Whose nodes are known, and where they answer."""
        with self._lock:
            return tuple(Peer(member, address) for member, (address, _) in sorted(self._clients.items()))

    def of(self, member: bytes) -> PeerClient:
        """The way to the member's node; `NodeRefused` ``no-peer`` where none is known."""
        with self._lock:
            known = self._clients.get(member)
        if known is None:
            raise NodeRefused("no-peer", "this node knows no way to that member's node")
        return known[1]

    def ask(
        self, member: bytes, first: int = 0, blocks: int = 0, blobs: Sequence[bytes] = (), listings: Sequence[bytes] = ()
    ) -> PeerAnswer:
        """Ask the member's node, and learn from it where others answer."""
        own = Peer(self._own.member, self.address)
        now = self._asked[member] = self._clock()
        bare = PeerAsk(self._own.network, own, member, first, blocks, tuple(blobs), tuple(listings), now, bytes(64))
        answer = self.of(member).peer(sign_ask(self._own.key, bare))
        for peer in answer.peers:
            self.know(peer.member, peer.address)
        return answer

    def ask_engine(self, member: bytes, question: Question, height: int = 0, page: int = 1) -> bytes:
        """What the engine of the member's node answers, as JSON."""
        own = Peer(self._own.member, self.address)
        bare = EngineAsk(self._own.network, own, member, question, height, page, self._clock(), bytes(64))
        return self.of(member).engine(sign_ask(self._own.key, bare)).answer

    def push(self, member: bytes, named: Sequence[bytes], given: Sequence[bytes] = ()) -> PeerHeld:
        """Which of the ``named`` blobs the member's node holds, once it has taken ``given``: all of them in order, or none."""
        bare = PeerPush(self._own.network, self._own.member, member, tuple(named), self._clock(), bytes(64))
        return self.of(member).push(Pushed(sign_push(self._own.key, bare), tuple(given)))

    def greet(self) -> None:
        """Ask those who were not asked anything for a while, so that they know where this node answers; silence is no matter.

        Without it nobody would learn the address of a member that came later, and take from it what was sealed there.
        """
        for peer in self.known():
            if self.address and self._clock() - self._asked.get(peer.member, 0) > GREET:
                with suppress(SalusError):
                    self.ask(peer.member)

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for _, client in self._clients.values():
                client.close()
            self._clients.clear()


class OrderingPeer:
    """The node that orders blocks, seen from one that follows."""

    def __init__(self, peers: Peers, member: bytes) -> None:
        self._peers, self._member = peers, member

    def blocks(self, first: int) -> Sequence[PeerBlock]:
        """Blocks from height ``first`` on."""
        return self._peers.ask(self._member, first, MAX_BLOCKS).blocks

    def order(self, submission: Submission) -> TxStatus:
        """Have a transaction ordered that its sponsor has signed."""
        return self._peers.of(self._member).submit(submission)

    def refresh(self) -> None:
        """Let a block be made when the newest is stale."""
        self._peers.of(self._member).header(None, fresh=True)
