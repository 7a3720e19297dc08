"""References to cards: short enough for a code that a camera reads, and leading to just one card.

The card lies, sealed under a key that the reference alone carries, at the members that keep the person's mailbox. They do not
learn whose card it is; whoever has the reference notices any other card by its hash.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from salus.codec import Record, decode, encode
from salus.crypto import aead
from salus.crypto.hashing import sha256
from salus.crypto.signing import SigningKey
from salus.errors import WarrantRefused
from salus.exchange.armour import from_line, to_line
from salus.exchange.carding import MAX_CARD
from salus.exchange.cards import MAX_HOMES, SignedCard
from salus.exchange.envelopes import MAILBOX_TAG
from salus.ids import Bytes32, Bytes64, Count

ARMOUR = "salus-card-ref-1:"
MAX_REFERENCE = 512
MAX_SEALED = MAX_CARD + aead.OVERHEAD
_CONTEXT = b"salus/sealed-card/1"
_UNSIGNED = bytes(64)

Sealed = Annotated[bytes, msgspec.Meta(max_length=MAX_SEALED)]


class CardReference(Record, frozen=True, tag="card-reference-1"):
    """``card`` is the SHA-256 of the sealed card, which lies at ``members``; ``key`` opens it."""

    network: Bytes32
    members: Annotated[tuple[Bytes32, ...], msgspec.Meta(min_length=1, max_length=MAX_HOMES)]
    card: Bytes32
    key: Bytes32


class CardDeposit(Record, frozen=True, tag="card-deposit"):
    """The owner of a mailbox at ``member`` leaves a sealed card there, in place of a former one; ``issued`` (ms) only rises."""

    network: Bytes32
    owner: Bytes32
    member: Bytes32
    issued: Count
    sealed: Sealed
    signature: Bytes64


class SealedCard(Record, frozen=True, tag="sealed-card"):
    """A card that opens with the key of a reference."""

    sealed: Sealed


def seal_card(key: bytes, signed: SignedCard) -> bytes:
    """The card under a fresh 32-byte ``key``."""
    return aead.seal(key, _CONTEXT + signed.card.network, encode(signed))


def open_card(reference: CardReference, sealed: bytes) -> SignedCard:
    """The card that the reference means, still to be checked as any card; ``card-altered`` for another one."""
    if sha256(sealed) != reference.card:
        raise WarrantRefused("card-altered", "this is not the card that the reference means")
    return decode(aead.open(reference.key, _CONTEXT + reference.network, sealed), SignedCard, limit=MAX_CARD)


def sign_deposit(key: SigningKey, network: bytes, member: bytes, issued: int, sealed: bytes) -> CardDeposit:
    """A deposit at ``member`` by the owner of the mailbox of ``key``."""
    bare = CardDeposit(network, key.public, member, issued, sealed, _UNSIGNED)
    return msgspec.structs.replace(bare, signature=key.sign(MAILBOX_TAG, encode(bare)))


def reference_to_text(reference: CardReference) -> str:
    """The reference as one line of text."""
    return to_line(ARMOUR, encode(reference))


def reference_from_text(data: bytes) -> CardReference:
    """The reference that `reference_to_text` wrote; `Malformed` for anything else."""
    return decode(from_line(ARMOUR, data, MAX_REFERENCE), CardReference, limit=MAX_REFERENCE)
