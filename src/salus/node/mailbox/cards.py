"""Sealed cards that references lead to: one a mailbox, put there by the mailbox's owner, found by its hash."""

from __future__ import annotations

from salus.codec import decode, encode
from salus.crypto.hashing import sha256
from salus.errors import NodeRefused
from salus.exchange.references import MAX_SEALED, CardDeposit, SealedCard
from salus.node.tables import Tables, Write

CARDS, HASHES = "cards", "cards-by-hash"  # by mailbox; hash and mailbox: who leaves a copy of another's card cannot take it away
_LIMIT = MAX_SEALED + 1024


def keep_card(write: Write, mailbox: bytes, deposit: CardDeposit) -> None:
    """Keep the card in place of the mailbox's former one; ``old-card`` where that was issued later."""
    value = write.get(CARDS, mailbox)
    if value is not None:
        former = decode(value, CardDeposit, limit=_LIMIT)
        if deposit.issued < former.issued:
            raise NodeRefused("old-card", "a newer card of this mailbox is known")
        write.drop(HASHES, sha256(former.sealed) + mailbox)
    write.put(CARDS, mailbox, encode(deposit))
    write.put(HASHES, sha256(deposit.sealed) + mailbox, b"")


def find_card(tables: Tables, card: bytes) -> SealedCard:
    """The card of this hash; ``no-such-card``."""
    found = tables.range(HASHES, card, card + b"\xff" * 33, 1)
    value = tables.get(CARDS, found[0][0][32:]) if found else None
    if value is None:
        raise NodeRefused("no-such-card", "this node has no card of this hash")
    return SealedCard(decode(value, CardDeposit, limit=_LIMIT).sealed)
