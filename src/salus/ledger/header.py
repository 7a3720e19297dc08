"""Block headers: hash-linked, signed, over transactions, results and state."""

from __future__ import annotations

from typing import Annotated

import msgspec

from salus.codec import Record, encode
from salus.crypto.hashing import tagged
from salus.ids import Bytes32, Bytes64, Count, Hash

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


class TxResult(Record, frozen=True, tag="result"):
    """Code 0: applied. Otherwise ``codespace/code`` of the refusal, as registered in ``spec/errors.md``."""

    body: Bytes32
    refusal: Annotated[str, msgspec.Meta(max_length=64, pattern=r"^([a-z]+/[a-z-]+)?\Z")]


def header_hash(header: Header) -> Hash:
    """What the next header links to and the proposer signs."""
    return tagged("salus/header/1", encode(header))
