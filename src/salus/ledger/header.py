"""Block headers: hash-linked, signed, over transactions, results and state."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from salus.codec import Record, decode, encode
from salus.crypto.hashing import tagged
from salus.ids import Bytes32, Bytes64, Count, Hash
from salus.ledger.lightblock import CometHeader, CommittedHeader, comet_hash

HEADER_TAG = "salus/header-signature/1"


class Header(Record, frozen=True, tag="header-1"):
    """``state`` is the root after this block; ``proposer`` the member whose node key signs."""

    network: Bytes32
    height: Count
    time: Count
    previous: Bytes32
    transactions: Bytes32
    results: Bytes32
    state: Bytes32
    proposer: Bytes32


class SignedHeader(Record, frozen=True, tag="signed-header"):
    """A header and its proposer's signature over the header's hash."""

    header: Header
    signature: Bytes64


#: ``codespace/code`` of a refusal, as registered in ``spec/errors.md``; "" for none.
RefusalCode = Annotated[str, msgspec.Meta(max_length=64, pattern=r"^([a-z]+/[a-z-]+)?\Z")]


class TxResult(Record, frozen=True, tag="result"):
    """Code 0: applied. Otherwise ``codespace/code`` of the refusal, as registered in ``spec/errors.md``."""

    body: Bytes32
    refusal: RefusalCode


#: A header with what proves it: its proposer's signature, or the votes of CometBFT's validators.
ProvenHeader = SignedHeader | CommittedHeader
AnyHeader = Header | CometHeader
_EITHER: Any = ProvenHeader


def decode_header(data: bytes, limit: int) -> ProvenHeader:
    """The header with its proof whose canonical bytes are ``data``; `Malformed` otherwise."""
    header: ProvenHeader = decode(data, _EITHER, limit=limit)
    return header


def header_hash(header: AnyHeader) -> Hash:
    """What the next header links to, and what is signed or voted for."""
    if isinstance(header, CometHeader):
        return comet_hash(header)
    return tagged("salus/header/1", encode(header))
