"""What members' nodes ask of one another: blocks, sealed blobs and listings that one lacks; and to keep copies of blobs.

Each request is signed by the asking member's node key: nobody else may list what a ledger holds. What comes back is believed by
nobody: blocks are executed again, blobs and listings are held against their hashes.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, TypeVar

import msgspec

from salus.codec import Record, encode
from salus.crypto.hashing import sha256
from salus.crypto.signing import SigningKey, require_signature
from salus.errors import WarrantRefused
from salus.exchange.addressing import Address
from salus.exchange.listings import SignedListing
from salus.ids import Bytes32, Bytes64, Count, VerifyKey
from salus.ledger.header import SignedHeader

PEER_TAG = "salus/peer/1"
PUSH_TAG = "salus/peer-push/1"
MAX_BLOCKS = 256
MAX_WANTED = 64
MAX_ANSWER = 32 * 1024 * 1024  # bytes of blocks, and of blobs, in one answer; the first of each always fits
MAX_PUSH = MAX_ANSWER + 65_536  # bytes of a push with the blobs that it gives

MAX_ENGINE_ANSWER = 8 * 1024 * 1024  # bytes

Wanted = Annotated[tuple[Bytes32, ...], msgspec.Meta(max_length=MAX_WANTED)]

#: What a node says that cannot pass a request on to the member whom it names.
UNANSWERED = ("node/no-peer", "node/peer-unreachable", "node/wrong-certificate")

_UNSIGNED = bytes(64)


class Peer(Record, frozen=True, tag="peer"):
    """Where a member's node answers, and by which key; "" where it does not say."""

    member: Bytes32
    address: Address


class PeerAsk(Record, frozen=True, tag="peer-ask"):
    """``first`` is the first block wanted, ``blocks`` how many at most; ``listings`` are wanted by holder. ``time`` in ms."""

    network: Bytes32
    asking: Peer
    asked: Bytes32
    first: Count
    blocks: Annotated[int, msgspec.Meta(ge=0, le=MAX_BLOCKS)]
    blobs: Wanted
    listings: Wanted
    time: Count
    signature: Bytes64


class Question(StrEnum):
    """What a member's node may ask another's engine, for its own that begins with a snapshot. Nothing else of it is told.

    The first three are CometBFT's own names, for what its light client asks.
    """

    COMMIT = "commit"
    VALIDATORS = "validators"
    PARAMETERS = "consensus_params"
    SNAPSHOTS = "snapshots"


class EngineAsk(Record, frozen=True, tag="engine-ask"):
    """``height`` 0 is the newest; ``page`` counts from 1, 100 validators each. ``time`` in ms."""

    network: Bytes32
    asking: Peer
    asked: Bytes32
    question: Question
    height: Count
    page: Annotated[int, msgspec.Meta(ge=1, le=16)]
    time: Count
    signature: Bytes64


class EngineAnswer(Record, frozen=True, tag="engine-answer"):
    """What the engine answered, as JSON; of `Question.SNAPSHOTS`, the heights."""

    answer: Annotated[bytes, msgspec.Meta(max_length=MAX_ENGINE_ANSWER)]


class PeerBlock(Record, frozen=True, tag="peer-block"):
    """A block without its results, which whoever executes it makes anew."""

    header: SignedHeader
    transactions: Annotated[tuple[bytes, ...], msgspec.Meta(max_length=65_536)]


class PeerAnswer(Record, frozen=True, tag="peer-answer"):
    """What of it the asked node has, within `MAX_ANSWER`; ``peers``: which other members' nodes it knows."""

    blocks: Annotated[tuple[PeerBlock, ...], msgspec.Meta(max_length=MAX_BLOCKS)]
    blobs: Annotated[tuple[Annotated[bytes, msgspec.Meta(max_length=8_388_608)], ...], msgspec.Meta(max_length=MAX_WANTED)]
    listings: Annotated[tuple[SignedListing, ...], msgspec.Meta(max_length=MAX_WANTED)]
    peers: Annotated[tuple[Peer, ...], msgspec.Meta(max_length=1024)]


class PeerPush(Record, frozen=True, tag="peer-push"):
    """Which of the ``named`` blobs does the node of ``asked`` hold, once it has taken those that are given? ``time`` in ms."""

    network: Bytes32
    asking: Bytes32
    asked: Bytes32
    named: Annotated[tuple[Bytes32, ...], msgspec.Meta(min_length=1, max_length=MAX_WANTED)]
    time: Count
    signature: Bytes64


class Pushed(Record, frozen=True, tag="pushed"):
    """A push with the blobs that are given: those of ``push.named``, all of them in order, or none."""

    push: PeerPush
    blobs: Annotated[tuple[Annotated[bytes, msgspec.Meta(max_length=8_388_608)], ...], msgspec.Meta(max_length=MAX_WANTED)]


class PeerHeld(Record, frozen=True, tag="peer-held"):
    """Those of the named blobs that are durable and whole at the asked node (``held``), and of them those that it is to keep."""

    held: Wanted
    kept: Wanted


Ask = TypeVar("Ask", PeerAsk, EngineAsk)


def sign_ask(key: SigningKey, ask: Ask) -> Ask:
    """The request, signed by the asking member's node key."""
    bare = msgspec.structs.replace(ask, signature=_UNSIGNED)
    return msgspec.structs.replace(ask, signature=key.sign(PEER_TAG, encode(bare)))


def require_peer(ask: PeerAsk | EngineAsk, network: bytes, asked: bytes, node: VerifyKey) -> None:
    """Raise unless the request is for this network and member, signed by the ``node`` key of who asks."""
    if (ask.network, ask.asked) != (network, asked):
        raise WarrantRefused("wrong-network", "the request is for another network or member")
    bare = msgspec.structs.replace(ask, signature=_UNSIGNED)
    require_signature(node, PEER_TAG, encode(bare), ask.signature)


def sign_push(key: SigningKey, push: PeerPush) -> PeerPush:
    """The push, signed by the asking member's node key."""
    bare = msgspec.structs.replace(push, signature=_UNSIGNED)
    return msgspec.structs.replace(push, signature=key.sign(PUSH_TAG, encode(bare)))


def require_push(pushed: Pushed, network: bytes, asked: bytes, node: VerifyKey) -> None:
    """Raise unless the push is for this network and member, signed by the ``node`` key, and gives what it names or nothing.

    `WarrantRefused` ``wrong-network``, ``wrong-blob``; `CryptoRefused` ``bad-signature``.
    """
    push = pushed.push
    if (push.network, push.asked) != (network, asked):
        raise WarrantRefused("wrong-network", "the request is for another network or member")
    bare = msgspec.structs.replace(push, signature=_UNSIGNED)
    require_signature(node, PUSH_TAG, encode(bare), push.signature)
    if pushed.blobs and tuple(map(sha256, pushed.blobs)) != push.named:
        raise WarrantRefused("wrong-blob", "a blob is not the one that the member's node has signed for")
