"""What a stranger checks with the genesis document alone: headers, and answers about the state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from salus.codec import Record
from salus.errors import LedgerRefused
from salus.ledger.genesis import Genesis
from salus.ledger.header import ProvenHeader, header_hash
from salus.ledger.merkle import StateProof, require_absence, require_presence
from salus.ledger.trusting import followed, trusted_from, trusting

MAX_VALUE = 262_144


class StateAnswer(Record, frozen=True, tag="state-answer"):
    """The value under ``key`` as of ``header``, or its absence (``value`` None), with the proof."""

    header: ProvenHeader
    key: Annotated[bytes, msgspec.Meta(max_length=256)]
    value: Annotated[bytes, msgspec.Meta(max_length=MAX_VALUE)] | None
    proof: StateProof


def require_header(genesis: Genesis, signed: ProvenHeader, trail: Sequence[ProvenHeader] = ()) -> None:
    """Raise unless the header is proven to whoever has nothing but genesis, by the headers of ``trail`` that lead to it.

    Codes as of `salus.ledger.trusting.followed`.
    """
    trusted = trusted_from(genesis)
    for step in (*trail, signed):
        trusted = followed(genesis, trusted, step)


def require_linked(previous: ProvenHeader, following: ProvenHeader) -> None:
    """Raise `LedgerRefused` ``bad-link`` unless the second header follows the first."""
    before, after = previous.header, following.header
    if after.previous != header_hash(before) or after.height != before.height + 1 or after.time <= before.time:
        raise LedgerRefused("bad-link", "the header does not follow the one before")


def require_next(genesis: Genesis, before: ProvenHeader | None, signed: ProvenHeader) -> None:
    """Raise unless the header follows ``before``, which was verified, and is proven to whoever goes by that; None: by genesis."""
    if before is None:
        require_header(genesis, signed)
        return
    followed(genesis, trusting(before), signed)
    require_linked(before, signed)


def require_answer(genesis: Genesis, answer: StateAnswer, trail: Sequence[ProvenHeader] = ()) -> bytes | None:
    """The proven value, or None for a proven absence; raises where header or proof do not check."""
    require_header(genesis, answer.header, trail)
    return require_proven(answer)


def require_proven(answer: StateAnswer) -> bytes | None:
    """As `require_answer`, under a header that was checked already."""
    root = answer.header.header.state
    if answer.value is None:
        require_absence(root, answer.key, answer.proof)
    else:
        require_presence(root, answer.key, answer.value, answer.proof)
    return answer.value
