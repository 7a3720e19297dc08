"""Shapes of the node's API that are not defined on a lower floor. Canonical bytes on the wire (``spec/node-api.md``)."""

from __future__ import annotations

from typing import Annotated

import msgspec

from salus.codec import Record
from salus.exchange.guests import GuestProof
from salus.exchange.listings import SignedListing
from salus.ids import Bytes32, Count
from salus.ledger.verifying import StateAnswer
from salus.warrants.receipts import SignedPromise

MAX_BLOB = 8 * 1024 * 1024
MAX_TRANSACTION = 1_048_576
MAX_SUBMISSION = 64 * 1024 * 1024
MAX_FOUND = 50

Blob = Annotated[bytes, msgspec.Meta(max_length=MAX_BLOB)]


class Submission(Record, frozen=True, tag="submission"):
    """A transaction (without its sponsor's signature) with the blobs that it anchors. The node co-signs as sponsor.

    The node stores the blobs durably before it submits, and deletes those of a refused transaction. ``guest`` vouches for it
    where it does not come from the node's own home.
    """

    transaction: Annotated[bytes, msgspec.Meta(max_length=MAX_TRANSACTION)]
    blobs: Annotated[tuple[Blob, ...], msgspec.Meta(max_length=256)]
    guest: GuestProof | None = None


class TxStatus(Record, frozen=True, tag="tx-status"):
    """``height`` 0: unknown here (not committed, or never seen). ``refusal`` "" : applied; else its full code."""

    body: Bytes32
    height: Count
    refusal: str


class Served(Record, frozen=True, tag="served"):
    """The blobs that a vault served: entries in the order asked, then packages; ``missing`` names entry numbers not on disk."""

    blobs: Annotated[tuple[Blob, ...], msgspec.Meta(max_length=1088)]
    missing: Annotated[tuple[Count, ...], msgspec.Meta(max_length=1024)]
    promise: SignedPromise


class NodeStatus(Record, frozen=True, tag="node-status"):
    """What a node says of itself; nothing here is trusted. ``base``: the height after which it has blocks; 0: it has all."""

    network: Bytes32
    member: Bytes32
    height: Count
    time: Count
    version: str
    base: Count


class StatesRequest(Record, frozen=True, tag="states-request"):
    """Keys of the state to be read and proven under one header."""

    keys: Annotated[tuple[Annotated[bytes, msgspec.Meta(max_length=256)], ...], msgspec.Meta(max_length=512)]


class StatesAnswer(Record, frozen=True, tag="states-answer"):
    """The answers, in the order asked."""

    answers: Annotated[tuple[StateAnswer, ...], msgspec.Meta(max_length=512)]


class ListingSearch(Record, frozen=True, tag="listing-search"):
    """Words, each of which must begin one of a listing's, whatever their case and accents."""

    words: Annotated[
        tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=128)], ...], msgspec.Meta(min_length=1, max_length=8)
    ]


class FoundListings(Record, frozen=True, tag="found-listings"):
    """Listings that match, by name; ``more``: there are others, so name more words."""

    listings: Annotated[tuple[SignedListing, ...], msgspec.Meta(max_length=MAX_FOUND)]
    more: bool
