"""Contact cards: who somebody is, by which keys, and where post reaches them."""

from __future__ import annotations

from typing import Annotated

import msgspec

from salus.codec import Record
from salus.crypto.hpke import SealingKey
from salus.crypto.signing import HybridPublic, HybridSignature
from salus.exchange.roles import Duty as Duty
from salus.exchange.roles import Role as Role
from salus.ids import Bytes16, Bytes32, Count

CARD_TAG = "salus/contact-card/1"
MAX_HOMES = 4  # members that keep one mailbox


class Card(Record, frozen=True, tag="card-1"):
    """``mailbox`` is where a sealed envelope may be dropped, at each of ``members`` (the home member first); ``issued`` in ms.

    With ``token`` it goes into the lane of contacts; a card that everybody may have carries None, for the lane of strangers.
    The owner's holder key (vault requests, licences) is ``key.ed25519``.
    """

    network: Bytes32
    role: Role
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    key: HybridPublic
    sealing: SealingKey
    members: Annotated[tuple[Bytes32, ...], msgspec.Meta(min_length=1, max_length=MAX_HOMES)]
    mailbox: Bytes32
    token: Bytes16 | None
    issued: Count


class SignedCard(Record, frozen=True, tag="signed-card"):
    """A card, signed by its own key."""

    card: Card
    signature: HybridSignature
