"""Sponsoring: a member's node signs for what it has ordered."""

from __future__ import annotations

from salus.crypto.signing import SigningKey
from salus.ledger.modules.members.queries import member
from salus.ledger.store import Reader
from salus.ledger.tx import SIGNATURE_TAG, Body, Signature, Transaction, body_hash
from salus.node.peers import Own


def sponsored_by(own: Own, state: Reader, transaction: Transaction) -> Transaction | None:
    """The transaction with its sponsor's signature: ``own``, or another's that is there; None where that is missing.

    Rights-protecting ones are never turned away. `LedgerRefused` where the sponsor is no member.
    """
    sponsor = member(state, transaction.body.sponsor)
    if transaction.body.sponsor != own.member:
        signed = any(s.key == sponsor.node and any(s.signature) for s in transaction.signatures)
        return transaction if signed else None
    signature = sponsor_signature(own.key, transaction.body)
    others = [other for other in transaction.signatures if other.key != own.key.public]
    return Transaction(transaction.body, tuple(sorted((*others, signature), key=lambda each: each.key)))


def sponsor_signature(key: SigningKey, body: Body) -> Signature:
    """The node key's signature of the body."""
    return Signature(key.public, key.sign(SIGNATURE_TAG, body_hash(body)))
