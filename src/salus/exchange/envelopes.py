"""Mailbox envelopes: sealed to the recipient, signed by the sender inside."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from salus.codec import Record
from salus.crypto.signing import HybridSignature
from salus.exchange.cards import SignedCard
from salus.ids import Bytes16, Bytes32, Bytes64, Count

LETTER_TAG = "salus/letter/1"
MAILBOX_TAG = "salus/mailbox/1"
MAX_ENVELOPE = 1_048_576


class LetterKind(StrEnum):
    """What a letter carries; readers skip kinds that they do not know, and say so."""

    GRANT = "grant"
    REVOCATION = "revocation"
    DELEGATION = "delegation"  # a grant that somebody passes on, with the patient's card
    LICENCE = "licence"  # a member tells a professional under which id the licence stands
    ENTRY = "entry"  # an author tells the patient: this entry was sealed into your section


class Letter(Record, frozen=True, tag="letter-1"):
    """``body`` is the canonical record of its kind; ``recipient`` is a person id, so a letter cannot be passed on."""

    network: Bytes32
    kind: Annotated[str, msgspec.Meta(max_length=32, pattern=r"^[a-z-]+\Z")]
    recipient: Bytes32
    sender: SignedCard
    sent: Count
    body: Annotated[bytes, msgspec.Meta(max_length=900_000)]


class SignedLetter(Record, frozen=True, tag="signed-letter"):
    """Signed by the sender's card key over the letter's bytes."""

    letter: Letter
    signature: HybridSignature


class MailboxClaim(Record, frozen=True, tag="mailbox-claim"):
    """The owner opens or changes a mailbox: its id is the tagged hash of ``owner``; ``token`` lets senders drop."""

    network: Bytes32
    owner: Bytes32
    token: Bytes16
    serial: Count  # rises with each change
    signature: Bytes64


class MailboxCollect(Record, frozen=True, tag="mailbox-collect"):
    """The owner reads on from ``after`` (0: from the start) and lets the node delete up to ``done``."""

    network: Bytes32
    owner: Bytes32
    member: Bytes32
    after: Count
    done: Count
    nonce: Bytes16
    time: Count
    signature: Bytes64


class Delivered(Record, frozen=True, tag="delivered"):
    """One envelope with its cursor."""

    cursor: Count
    sealed: Annotated[bytes, msgspec.Meta(max_length=MAX_ENVELOPE)]


class Post(Record, frozen=True, tag="post"):
    """What a collection returns, oldest first; ``more`` when there are further ones."""

    letters: Annotated[tuple[Delivered, ...], msgspec.Meta(max_length=256)]
    more: bool
