"""Listings: what those say of themselves who want to be found. Signed by their card's key; the ledger has but the hash."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Annotated

import msgspec

from salus.codec import Record, encode
from salus.crypto.hashing import tagged
from salus.crypto.signing import HybridKey, HybridSignature, person_id, require_hybrid
from salus.errors import WarrantRefused
from salus.exchange.carding import require_card, require_showable
from salus.exchange.cards import Role, SignedCard
from salus.ids import Bytes32, Hash

LISTING_TAG = "salus/listing/1"
MAX_LISTING = 32_768
NO_LICENCE = bytes(32)

Specialty = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Language = Annotated[str, msgspec.Meta(max_length=35, pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{1,8}){0,4}\Z")]
Place = Annotated[str, msgspec.Meta(max_length=128)]
Telecom = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Specialties = Annotated[tuple[Specialty, ...], msgspec.Meta(max_length=8)]
Languages = Annotated[tuple[Language, ...], msgspec.Meta(max_length=8)]
Telecoms = Annotated[tuple[Telecom, ...], msgspec.Meta(max_length=4)]


class Listing(Record, frozen=True, tag="listing-1"):
    """``licence`` 32 zero bytes: none. ``languages`` are BCP 47 tags; ``place`` and ``telecom`` are for people to read."""

    network: Bytes32
    card: SignedCard
    licence: Bytes32
    specialties: Specialties
    languages: Languages
    place: Place
    accepting: bool
    telecom: Telecoms


class SignedListing(Record, frozen=True, tag="signed-listing"):
    """A listing, signed by the key of its card."""

    listing: Listing
    signature: HybridSignature


def sign_listing(key: HybridKey, listing: Listing) -> SignedListing:
    """The listing, signed by the key of its card."""
    return SignedListing(listing, key.sign(LISTING_TAG, encode(listing)))


def require_listing(signed: SignedListing, network: bytes) -> Listing:
    """The listing; raises unless it and its card are for this network, signed by the card's key, and fit to be shown.

    Codes besides those of `require_card`: ``wrong-network``, ``patient-listed``, ``token-listed``, ``bad-listing-text``.
    """
    listing = signed.listing
    if listing.network != network:
        raise WarrantRefused("wrong-network", "the listing is for another network")
    card = require_card(listing.card, network)
    require_hybrid(card.key, LISTING_TAG, encode(listing), signed.signature)
    if card.role is Role.PATIENT:
        raise WarrantRefused("patient-listed", "a patient is in no directory")
    if card.token is not None:
        raise WarrantRefused("token-listed", "a listing would publish the token of its mailbox")
    require_texts(listing)
    return listing


def require_texts(listing: Listing) -> None:
    """Raise ``bad-listing-text`` unless every text in the listing can be shown as it is."""
    for text in (*listing.specialties, *listing.telecom, *filter(None, [listing.place])):
        try:
            require_showable(text)
        except WarrantRefused as error:
            raise WarrantRefused("bad-listing-text", "a text in the listing is not plain printable text") from error


def listing_hash(listing: Listing) -> Hash:
    """What the ledger holds of a listing."""
    return tagged("salus/listing-hash/1", encode(listing))


def holder_of(listing: Listing) -> bytes:
    """The Ed25519 key under which the ledger holds the listing's hash."""
    return listing.card.card.key.ed25519


def search_words(asked: Sequence[str]) -> tuple[str, ...]:
    """What is searched for, folded; ``no-words`` where no letter and no digit is left."""
    found = tuple(word for text in asked for word in _words(text))
    if not found:
        raise WarrantRefused("no-words", "say at least one word to search for")
    return found


def listing_words(listing: Listing) -> tuple[str, ...]:
    """The folded words by which a listing is found: of name, specialties, place and languages, and the person's id."""
    card = listing.card.card
    return text_words((card.name, *listing.specialties, listing.place, *listing.languages, person_id(card.key).hex()))


def text_words(texts: Sequence[str]) -> tuple[str, ...]:
    """The folded words of the texts, each once."""
    return tuple(dict.fromkeys(word for text in texts for word in _words(text)))


def matches(words: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether each wanted word is the beginning of one of ``words``; both folded."""
    return all(any(word.startswith(one) for word in words) for one in wanted)


def _words(text: str) -> list[str]:
    """The runs of letters and digits in ``text``, without case and accents."""
    bare = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.category(char).startswith("M"))
    return re.findall(r"[^\W_]+", unicodedata.normalize("NFKD", bare.casefold()))
