"""Validators of CometBFT that the tests hold the keys of, and headers that they commit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import nacl.bindings

from ledger_world import some
from salus.crypto.hashing import sha256
from salus.ledger.lightblock import (
    ABSENT,
    FOR_BLOCK,
    FOR_NIL,
    BlockId,
    CometHeader,
    CommitSig,
    CommittedHeader,
    Validator,
    address,
    chain_id,
    comet_hash,
    ordered,
    validators_hash,
    vote_bytes,
)

NETWORK = sha256(b"network")


class Validators:
    """One validator for each power, the key of number ``n`` from the text ``validator n``: from 0 on, or of ``numbers``."""

    def __init__(self, powers: Sequence[int], numbers: Sequence[int] = ()) -> None:
        named = numbers or range(len(powers))
        pairs = [nacl.bindings.crypto_sign_seed_keypair(sha256(f"validator {number}".encode())) for number in named]
        self._secrets = dict(pairs)
        self.set = ordered([Validator(public, power) for (public, _), power in zip(pairs, powers, strict=True)])

    def sign(self, key: bytes, message: bytes) -> bytes:
        """That validator's signature over just these bytes."""
        return nacl.bindings.crypto_sign(message, self._secrets[key])[:64]

    def header(self, height: int = 300, **changes: Any) -> CometHeader:
        """A header that names this set, of `NETWORK`."""
        fields: dict[str, Any] = {
            "app_version": 7,
            "chain_id": chain_id(NETWORK),
            "height": height,
            "seconds": 1_800_000_000,
            "nanos": 123_456_789,
            "last_block": BlockId(some("last block"), 200, some("last parts")),
            **{name: sha256(name.replace("_", " ").encode()) for name in ("last_commit", "data", "consensus", "app")},
            **{name: sha256(name.replace("_", " ").encode()) for name in ("last_results", "evidence")},
            "validators": validators_hash(self.set),
            "next_validators": sha256(b"next"),
            "proposer": address(self.set[0].key),
        }
        return CometHeader(**{**fields, **changes})

    def commit(self, header: CometHeader, flags: Sequence[int] | None = None, round_: int = 2) -> CommittedHeader:
        """The header with each validator's precommit: a flag for each, in the set's order; all are for it by default."""
        block = BlockId(comet_hash(header), 1, sha256(b"parts 2"))
        votes = [
            self._vote(header, round_, block, number, flag)
            for number, flag in enumerate(flags if flags is not None else [FOR_BLOCK] * len(self.set))
        ]
        return CommittedHeader(header, round_, block, tuple(votes), self.set)

    def _vote(self, header: CometHeader, round_: int, block: BlockId, number: int, flag: int) -> CommitSig:
        if flag == ABSENT:
            return CommitSig(ABSENT, 0, 0, b"")
        seconds, nanos = 1_800_000_000 + number, number * 1_000_001
        voted = None if flag == FOR_NIL else block
        message = vote_bytes(header.chain_id, header.height, round_, voted, seconds, nanos)
        return CommitSig(flag, seconds, nanos, self.sign(self.set[number].key, message))
