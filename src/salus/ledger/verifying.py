"""What a stranger checks with the genesis document alone: headers, and answers about the state."""

from __future__ import annotations

from typing import Annotated

import msgspec

from salus.codec import Record
from salus.crypto.signing import require_signature
from salus.errors import LedgerRefused
from salus.ids import VerifyKey
from salus.ledger.genesis import Genesis, member_id, network_id, orderer, validators
from salus.ledger.header import HEADER_TAG, ProvenHeader, header_hash
from salus.ledger.lightblock import CommittedHeader, require_committed
from salus.ledger.merkle import StateProof, require_absence, require_presence

MAX_VALUE = 262_144


class StateAnswer(Record, frozen=True, tag="state-answer"):
    """The value under ``key`` as of ``header``, or its absence (``value`` None), with the proof."""

    header: ProvenHeader
    key: Annotated[bytes, msgspec.Meta(max_length=256)]
    value: Annotated[bytes, msgspec.Meta(max_length=MAX_VALUE)] | None
    proof: StateProof


def require_header(genesis: Genesis, signed: ProvenHeader) -> None:
    """Raise `LedgerRefused` unless this network's validators voted for the header, or the member that orders alone signed it.

    Codes: as `require_committed`; ``wrong-network``, ``wrong-proposer``; a bad signature is `CryptoRefused` ``bad-signature``.
    """
    voting = validators(genesis)
    if isinstance(signed, CommittedHeader):
        require_committed(network_id(genesis), voting, signed)
        return
    if voting:
        raise LedgerRefused("wrong-proposer", "no member of this network signs headers alone")
    if signed.header.network != network_id(genesis):
        raise LedgerRefused("wrong-network", "the header is of another network")
    proposer = orderer(genesis)
    if signed.header.proposer != member_id(proposer.authority):
        raise LedgerRefused("wrong-proposer", "the header is not of the member that orders blocks")
    require_signature(VerifyKey(proposer.node), HEADER_TAG, header_hash(signed.header), signed.signature)


def require_linked(previous: ProvenHeader, following: ProvenHeader) -> None:
    """Raise `LedgerRefused` ``bad-link`` unless the second header follows the first."""
    before, after = previous.header, following.header
    if after.previous != header_hash(before) or after.height != before.height + 1 or after.time <= before.time:
        raise LedgerRefused("bad-link", "the header does not follow the one before")


def require_answer(genesis: Genesis, answer: StateAnswer) -> bytes | None:
    """The proven value, or None for a proven absence; raises where header or proof do not check."""
    require_header(genesis, answer.header)
    return require_proven(answer)


def require_proven(answer: StateAnswer) -> bytes | None:
    """As `require_answer`, under a header that was checked already."""
    root = answer.header.header.state
    if answer.value is None:
        require_absence(root, answer.key, answer.proof)
    else:
        require_presence(root, answer.key, answer.value, answer.proof)
    return answer.value
