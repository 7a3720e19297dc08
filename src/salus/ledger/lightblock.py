"""What a stranger needs to check that a network's validators committed a header: CometBFT's hashes and votes.

The bytes that are hashed and signed here are CometBFT's, not ours: plain SHA-256 in trees as RFC 6962 shapes them, over
protobuf (``consensus.proto``). Facts: its specification (spec/core: data structures, encoding), checked against its own test
vectors and against bytes that its own code wrote. What travels are canonical bytes of ours, as everywhere.

Signatures are verified by libsodium, which accepts less than CometBFT's rule (ZIP-215): a commit that honest validators signed
holds by both, and one that holds here holds there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import BytesValue, Int64Value, StringValue

from salus.codec import Record
from salus.crypto.hashing import sha256
from salus.crypto.signing import require_ed25519
from salus.errors import LedgerRefused
from salus.ids import MAX_INT, Bytes32, Count, Hash, Millis
from salus.ledger.consensus_pb2 import BlockID, CanonicalVote, ExecTxResult, PartSetHeader, PublicKey, SimpleValidator, Version
from salus.ledger.listtree import paired

MAX_VALIDATORS = 1024
MAX_COMMITTED = 163_840  # bytes of a `CommittedHeader`: what so many validators take, and some more
ABSENT: Final = 1  # flags of a commit's signatures, as CometBFT numbers them
FOR_BLOCK: Final = 2
FOR_NIL: Final = 3

_BLOCK_PROTOCOL = 11
_PRECOMMIT = 2
_LAST_SECOND = 253_402_300_799  # the last one of the year 9999, where protobuf's times end

Seconds = Annotated[int, msgspec.Meta(ge=0, le=_LAST_SECOND)]
Nanos = Annotated[int, msgspec.Meta(ge=0, le=999_999_999)]
Round = Annotated[int, msgspec.Meta(ge=0, le=0x7FFF_FFFF)]
Power = Annotated[int, msgspec.Meta(ge=1, le=MAX_INT)]
ChainId = Annotated[str, msgspec.Meta(min_length=1, max_length=50, pattern=r"^[A-Za-z0-9._-]+\Z")]
Address = Annotated[bytes, msgspec.Meta(min_length=20, max_length=20)]


class BlockId(Record, frozen=True, tag="block-id"):
    """What validators vote for: the header's hash, and the number and root of the parts in which the block travelled."""

    hash: Bytes32
    parts: Annotated[int, msgspec.Meta(ge=1, le=0x8000_0000)]
    parts_hash: Bytes32


class CometHeader(Record, frozen=True, tag="comet-header"):
    """CometBFT's header, every field that its hash covers; ``last_block`` is None at the first height.

    The time is that of the block, in seconds and nanoseconds since the epoch, UTC. ``app`` is the state's root *before* this
    block, as CometBFT has it; ``proposer`` the address of the validator that proposed.
    """

    app_version: Count
    chain_id: ChainId
    height: Count
    seconds: Seconds
    nanos: Nanos
    last_block: BlockId | None
    last_commit: Bytes32
    data: Bytes32
    validators: Bytes32
    next_validators: Bytes32
    consensus: Bytes32
    app: Bytes32
    last_results: Bytes32
    evidence: Bytes32
    proposer: Address

    @property
    def time(self) -> Millis:
        """The block's time in whole milliseconds since the epoch, what is below them cut off."""
        return Millis(self.seconds * 1000 + self.nanos // 1_000_000)

    @property
    def previous(self) -> Hash:
        """The hash of the block before; 32 zero bytes at the first height."""
        return Hash(self.last_block.hash if self.last_block is not None else bytes(32))

    @property
    def transactions(self) -> Hash:
        """The root over the block's transactions."""
        return Hash(self.data)

    @property
    def results(self) -> Hash:
        """The root over the results of the block *before*."""
        return Hash(self.last_results)

    @property
    def state(self) -> Hash:
        """The state's root after the block *before*."""
        return Hash(self.app)


class Validator(Record, frozen=True, tag="validator"):
    """An Ed25519 key and what its vote weighs."""

    key: Bytes32
    power: Power


class CommitSig(Record, frozen=True, tag="commit-sig"):
    """What a commit has of one validator: its precommit's time and signature; neither (0, 0, empty) where it is `ABSENT`."""

    flag: Annotated[int, msgspec.Meta(ge=ABSENT, le=FOR_NIL)]
    seconds: Seconds
    nanos: Nanos
    signature: Annotated[bytes, msgspec.Meta(max_length=64)]


class CommittedHeader(Record, frozen=True, tag="committed-header"):
    """A header and the precommits of ``round`` for ``block``: one signature for each validator, in the order of `ordered`."""

    header: CometHeader
    round: Round
    block: BlockId
    signatures: Annotated[tuple[CommitSig, ...], msgspec.Meta(max_length=MAX_VALIDATORS)]
    validators: Annotated[tuple[Validator, ...], msgspec.Meta(max_length=MAX_VALIDATORS)]


def chain_id(network: bytes) -> str:
    """CometBFT's name for the network: at most 50 characters fit, so it has the first 20 bytes of the network's id."""
    return f"salus-{network[:20].hex()}"


def address(key: bytes) -> bytes:
    """How CometBFT names a validator: the first 20 bytes of its key's SHA-256."""
    return sha256(key)[:20]


def ordered(validators: Sequence[Validator]) -> tuple[Validator, ...]:
    """The set as CometBFT orders and hashes it: the most power first, among equals by address."""
    return tuple(sorted(validators, key=lambda one: (-one.power, address(one.key))))


def validators_hash(validators: Sequence[Validator]) -> Hash:
    """The hash of a set of validators, in the order given (see `ordered`), as headers have it."""
    return _root([_bytes(SimpleValidator(pub_key=PublicKey(ed25519=one.key), voting_power=one.power)) for one in validators])


def comet_hash(header: CometHeader) -> Hash:
    """CometBFT's hash of the header: what validators vote for and the next header links to."""
    return _header_hash(header, _BLOCK_PROTOCOL)


def transactions_hash(transactions: Sequence[bytes]) -> Hash:
    """The root over a block's transactions, as its header has it: the leaves are their hashes."""
    return _root([sha256(data) for data in transactions])


def results_hash(results: Sequence[tuple[int, bytes]]) -> Hash:
    """The root over a block's results (code and data each), as the next header has it."""
    return _root([_bytes(ExecTxResult(code=code, data=data)) for code, data in results])


def vote_bytes(chain: str, height: int, round_: int, block: BlockId | None, seconds: int, nanos: int) -> bytes:
    """What a validator signs as its precommit for ``block`` (None: for no block) at this time, length first."""
    return _delimited(
        CanonicalVote(
            type=_PRECOMMIT,
            height=height,
            round=round_,
            block_id=None if block is None else _block_id(block),
            timestamp=Timestamp(seconds=seconds, nanos=nanos),
            chain_id=chain,
        )
    )


def require_committed(network: bytes, trusted: Sequence[Validator], signed: CommittedHeader) -> None:
    """Raise unless validators with more than two thirds of the power of ``trusted`` (each key once) committed the header.

    `LedgerRefused` ``wrong-network``, ``wrong-validators`` (another set signed, or the header names another one),
    ``bad-commit`` (not for this header, or not well formed), ``too-few-signatures``; `CryptoRefused` ``bad-signature``.
    Signatures are verified in order until they suffice; those behind, absent ones and votes for no block are not looked at.
    """
    header = signed.header
    if header.chain_id != chain_id(network):
        raise LedgerRefused("wrong-network", "the header is of another network")
    if signed.validators != ordered(trusted) or header.validators != validators_hash(signed.validators):
        raise LedgerRefused("wrong-validators", "the header is not of the validators that are trusted")
    if signed.block.hash != comet_hash(header):
        raise LedgerRefused("bad-commit", "the votes are not for this header")
    if len({one.key: one for one in signed.validators}) != len(signed.validators):
        raise LedgerRefused("bad-commit", "a validator is named twice")
    if len(signed.signatures) != len(signed.validators) or not all(map(_well_formed, signed.signatures)):
        raise LedgerRefused("bad-commit", "the commit has not one vote of each validator")
    _require_two_thirds(signed)


def _require_two_thirds(signed: CommittedHeader) -> None:
    whole, counted = sum(one.power for one in signed.validators), 0
    for validator, vote in zip(signed.validators, signed.signatures, strict=True):
        if vote.flag != FOR_BLOCK:
            continue
        header = signed.header
        message = vote_bytes(header.chain_id, header.height, signed.round, signed.block, vote.seconds, vote.nanos)
        require_ed25519(validator.key, message, vote.signature)
        counted += validator.power
        if 3 * counted > 2 * whole:
            return
    raise LedgerRefused("too-few-signatures", "validators of two thirds of the power or less committed the header")


def _well_formed(vote: CommitSig) -> bool:
    if vote.flag == ABSENT:
        return not (vote.seconds or vote.nanos or vote.signature)
    return len(vote.signature) == 64


def _header_hash(header: CometHeader, block_protocol: int) -> Hash:
    """The root over the header's fields in their order; what is zero or empty stands there as no bytes at all."""
    last = header.last_block
    hashes = (
        *(header.last_commit, header.data, header.validators, header.next_validators, header.consensus),
        *(header.app, header.last_results, header.evidence, header.proposer),
    )
    return _root(
        [
            _bytes(Version(block=block_protocol, app=header.app_version)),
            _bytes(StringValue(value=header.chain_id)),
            _bytes(Int64Value(value=header.height)),
            _bytes(Timestamp(seconds=header.seconds, nanos=header.nanos)),
            _bytes(BlockID(part_set_header=PartSetHeader()) if last is None else _block_id(last)),
            *(_bytes(BytesValue(value=one)) for one in hashes),
        ]
    )


def _block_id(block: BlockId) -> BlockID:
    return BlockID(hash=block.hash, part_set_header=PartSetHeader(total=block.parts, hash=block.parts_hash))


def _root(items: Sequence[bytes]) -> Hash:
    """RFC 6962, section 2.1, over ``items``; of no items, the hash of nothing."""
    if not items:
        return Hash(sha256(b""))
    return paired([sha256(b"\x00" + item) for item in items], lambda left, right: sha256(b"\x01" + left + right))


def _bytes(message: Message) -> bytes:
    """Every field that is not zero, in the order of the numbers: so CometBFT's library and this one write it."""
    return message.SerializeToString(deterministic=True)


def _delimited(vote: CanonicalVote) -> bytes:
    """The vote with its length in front, as protobuf writes lengths: what a field of bytes has behind its one byte of number."""
    return _bytes(BytesValue(value=_bytes(vote)))[1:]
