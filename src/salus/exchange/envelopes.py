"""Mailbox envelopes: sealed to the recipient, signed by the sender inside."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from salus.codec import Record
from salus.crypto.signing import HybridSignature
from salus.exchange.cards import SignedCard
from salus.exchange.guests import GuestProof
from salus.ids import Bytes16, Bytes32, Bytes64, Count

LETTER_TAG = "salus/letter/1"
MAILBOX_TAG = "salus/mailbox/1"
STAMP_TAG = "salus/stamp/1"
MAX_ENVELOPE = 1_048_576


class LetterKind(StrEnum):
    """What a letter carries; readers skip kinds that they do not know, and say so."""

    GRANT = "grant"
    REVOCATION = "revocation"
    DELEGATION = "delegation"  # a grant that somebody passes on, with the patient's card
    LICENCE = "licence"  # a member tells a professional under which id the licence stands
    ENTRY = "entry"  # an author tells the patient: this entry was sealed into your section
    PRESCRIPTION = "prescription"  # a prescriber gives the patient what a prescription is used and steered by
    FILL = "fill"  # a patient sends the code of one fill ahead to a pharmacy
    LINK = "link"  # a practice says under which number of its own it keeps the patient
    DISPENSED = "dispensed"  # a pharmacy tells the patient what was handed over
    PRESCRIPTION_NOTE = "prescription-note"  # a question about a prescription, an answer, that it was stopped
    OUTAGE = "outage-supply"  # a pharmacist says what was supplied during an outage, and the ledger does not have
    BOOKING = "booking"  # a patient tells a practice who comes, and why
    APPOINTMENT = "appointment"  # a practice has something to say of an appointment, or has booked it by telephone
    ORDER = "order"  # a physician gives a laboratory what an order is taken by
    ORDERED = "ordered"  # the same physician tells the patient, who is responsible, and who covers
    RESULT = "result"  # a report, from the laboratory or from a physician who releases it
    RELEASE = "release"  # a patient tells a laboratory when results are to come


class Letter(Record, frozen=True, tag="letter-1"):
    """``body`` is the canonical record of its kind; ``recipient`` is a person id, so a letter cannot be passed on."""

    network: Bytes32
    kind: Annotated[str, msgspec.Meta(max_length=32, pattern=r"^[a-z-]+\Z")]
    recipient: Bytes32
    sender: SignedCard
    sent: Count
    body: Annotated[bytes, msgspec.Meta(max_length=900_000)]


class EntryNotice(Record, frozen=True, tag="entry-notice"):
    """The body of an ENTRY letter: somebody sealed this entry into the recipient's section."""

    section: Bytes32
    entry: Bytes32


class SignedLetter(Record, frozen=True, tag="signed-letter"):
    """Signed by the sender's card key over the letter's bytes."""

    letter: Letter
    signature: HybridSignature


class MailboxClaim(Record, frozen=True, tag="mailbox-claim"):
    """The owner opens or changes a mailbox at ``member``: its id is the tagged hash of ``owner``; ``token`` lets senders drop."""

    network: Bytes32
    owner: Bytes32
    member: Bytes32
    token: Bytes16
    serial: Count  # rises with each change
    signature: Bytes64
    guest: GuestProof | None = None  # not under the owner's signature: it vouches for the claim as it was signed


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


class Stamp(Record, frozen=True, tag="stamp-1"):
    """The member ``sponsor`` lets somebody without a token write ``letter`` (a SHA-256) to ``mailbox`` at ``member``.

    ``time`` in ms.
    """

    network: Bytes32
    sponsor: Bytes32
    member: Bytes32
    mailbox: Bytes32
    letter: Bytes32
    time: Count
    signature: Bytes64


class Drop(Record, frozen=True, tag="drop"):
    """A sealed envelope for a mailbox at ``member``: in the lane of contacts with its token, in that of strangers with a stamp.

    Without either, the node that gets it stamps it.
    """

    member: Bytes32
    mailbox: Bytes32
    token: Bytes16 | None
    sealed: Annotated[bytes, msgspec.Meta(max_length=MAX_ENVELOPE)]
    stamp: Stamp | None = None


class Delivered(Record, frozen=True, tag="delivered"):
    """One envelope with its cursor; ``stranger``: it came without the token."""

    cursor: Count
    sealed: Annotated[bytes, msgspec.Meta(max_length=MAX_ENVELOPE)]
    stranger: bool


class Post(Record, frozen=True, tag="post"):
    """What a collection returns, oldest first; ``more`` when there are further ones."""

    letters: Annotated[tuple[Delivered, ...], msgspec.Meta(max_length=256)]
    more: bool
