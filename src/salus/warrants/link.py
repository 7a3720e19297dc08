"""A warrant: a chain of at most three signed links over one section, each of which only narrows the one before."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from salus.codec import Record
from salus.ids import Bytes32, Bytes64, Count
from salus.ledger.genesis import LicenceRight

LINK_TAG = "salus/warrant-link/1"
MAX_LINKS = 3


class Right(StrEnum):
    """What a holder may do with a section."""

    READ = "read"
    APPEND = "append"  # includes reading back what the link's writer key wrote


class Purpose(StrEnum):
    """HL7 v3 PurposeOfUse codes (http://terminology.hl7.org/CodeSystem/v3-ActReason)."""

    TREAT = "TREAT"
    ETREAT = "ETREAT"
    HPAYMT = "HPAYMT"
    HOPERAT = "HOPERAT"
    HRESCH = "HRESCH"
    PATRQT = "PATRQT"
    FAMRQT = "FAMRQT"


class Span(Record, frozen=True, tag="span"):
    """Entry numbers from ``first`` to ``last``, both included."""

    first: Count
    last: Count


class Link(Record, frozen=True, tag="link-1"):
    """One link. ``previous`` is the hash of the link before; of the root link, the section's id.

    ``holder`` may use it and delegate it; ``licence`` is the right that the holder's licence must carry ("" : none asked).
    ``entries`` are sorted, disjoint spans; without any the link covers none, unless its holder is the
    section's owner, who reads all.
    ``writer`` is the writer key of an append link (32 zero bytes otherwise); ``receipt_key`` (HPKE public key, 1,216 bytes)
    stands in the root link only, empty below; ``revocation`` = tagged hash of the issuer's secret preimage;
    ``delegate`` is the delegate's name sealed to the receipt key, empty in the root link.
    """

    network: Bytes32
    section: Bytes32
    previous: Bytes32
    holder: Bytes32
    rights: Annotated[tuple[Right, ...], msgspec.Meta(min_length=1, max_length=2)]
    purposes: Annotated[tuple[Purpose, ...], msgspec.Meta(min_length=1, max_length=7)]
    not_before: Count
    not_after: Count
    licence: LicenceRight | None
    entries: Annotated[tuple[Span, ...], msgspec.Meta(max_length=256)]
    writer: Bytes32
    receipt_key: Annotated[bytes, msgspec.Meta(max_length=1216)]
    revocation: Bytes32
    delegate: Annotated[bytes, msgspec.Meta(max_length=2048)]


class Delegate(Record, frozen=True, tag="delegate"):
    """Whom a link was given to, for the patient alone to see: sealed to the root's receipt key."""

    person: Bytes32
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class SignedLink(Record, frozen=True, tag="signed-link"):
    """A link and its issuer's signature: the section's owner key for the root, the holder of the link before otherwise."""

    link: Link
    signature: Bytes64


class Warrant(Record, frozen=True, tag="warrant-1"):
    """The chain, root first."""

    links: Annotated[tuple[SignedLink, ...], msgspec.Meta(min_length=1, max_length=MAX_LINKS)]
