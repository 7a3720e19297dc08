"""A checkpoint: a header that one home has verified, as a line of text for another that has not looked for long."""

from __future__ import annotations

from salus.codec import encode
from salus.exchange.armour import from_line, to_line
from salus.ledger.header import ProvenHeader, decode_header
from salus.ledger.lightblock import MAX_COMMITTED

ARMOUR = "salus-checkpoint-1:"


def checkpoint_to_text(header: ProvenHeader) -> str:
    """The header as one line of text."""
    return to_line(ARMOUR, encode(header))


def checkpoint_from_text(data: bytes) -> ProvenHeader:
    """The header that `checkpoint_to_text` wrote; `Malformed` for anything else. It proves nothing by itself."""
    return decode_header(from_line(ARMOUR, data, MAX_COMMITTED), MAX_COMMITTED)
