"""Signing, checking, and writing down contact cards."""

from __future__ import annotations

import unicodedata

from salus.codec import decode, encode
from salus.crypto.hashing import tagged
from salus.crypto.signing import HybridKey, require_hybrid
from salus.errors import WarrantRefused
from salus.exchange.armour import from_line, to_line
from salus.exchange.cards import CARD_TAG, Card, SignedCard
from salus.ids import Hash

ARMOUR = "salus-card-1:"
MAX_CARD = 16_384


def sign_card(key: HybridKey, card: Card) -> SignedCard:
    """The card, signed by its own key."""
    return SignedCard(card, key.sign(CARD_TAG, encode(card)))


def require_card(signed: SignedCard, network: bytes) -> Card:
    """The card; raises unless it is for this network, signed by its own key, with a name that can be shown."""
    if signed.card.network != network:
        raise WarrantRefused("wrong-network", "the card is for another network")
    require_hybrid(signed.card.key, CARD_TAG, encode(signed.card), signed.signature)
    require_showable(signed.card.name)
    return signed.card


def require_showable(name: str) -> None:
    """Raise ``bad-name`` unless ``name`` is NFC, trimmed, and without control or direction characters."""
    plain = all(unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") for char in name)
    if not plain or name != name.strip() or name != unicodedata.normalize("NFC", name) or not 0 < len(name) <= 128:
        raise WarrantRefused("bad-name", "a name is 1 to 128 printable characters")


def card_hash(signed: SignedCard) -> Hash:
    """What a licence names."""
    return tagged("salus/card-hash/1", encode(signed.card))


def card_to_text(signed: SignedCard) -> str:
    """The card as one line of text, for a file or a message."""
    return to_line(ARMOUR, encode(signed))


def card_from_text(text: str) -> SignedCard:
    """The card that `card_to_text` wrote; `Malformed` for anything else."""
    return decode(from_line(ARMOUR, text.encode("utf-8"), MAX_CARD), SignedCard, limit=MAX_CARD)
