"""What a reader goes by: the newest header that it verified, and whose votes the next one needs.

Where CometBFT orders, the validators change by votes of the members, and a reader follows them as CometBFT's own light client
does (its specification, "Light Client Verification"): the next block's header by the set that this one names for it, and a later
one by more than a third of the power that is trusted now, besides two thirds of its own. Where neither holds, it was too far to
leap, and a header in between is asked for. Nobody who holds a third or less of the trusted power can lead a reader astray so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import msgspec

from salus.codec import Record
from salus.crypto.signing import require_ed25519, require_signature
from salus.errors import LedgerRefused
from salus.ids import Bytes32, Count, VerifyKey
from salus.ledger.genesis import Genesis, member_id, network_id, orderer, validators
from salus.ledger.header import HEADER_TAG, ProvenHeader, SignedHeader, header_hash
from salus.ledger.lightblock import (
    FOR_BLOCK,
    MAX_VALIDATORS,
    CommittedHeader,
    Validator,
    ordered,
    require_committed,
    validators_hash,
    vote_bytes,
)

TOO_FAR = "ledger/too-far"
_NONE = bytes(32)


class Trusted(Record, frozen=True, tag="pin"):
    """A header that was verified: height, block time (ms), hash; the validators that voted for it, and the hash of the next ones.

    Of height 0: genesis itself. No validators, and 32 zero bytes, where one member orders alone.
    """

    height: Count
    time: Count
    hash: Bytes32
    validators: Annotated[tuple[Validator, ...], msgspec.Meta(max_length=MAX_VALIDATORS)]
    following: Bytes32


def trusted_from(genesis: Genesis) -> Trusted:
    """What whoever has nothing but genesis goes by."""
    voting = ordered(validators(genesis))
    return Trusted(0, genesis.time, _NONE, voting, validators_hash(voting) if voting else _NONE)


def trusting(signed: ProvenHeader) -> Trusted:
    """What to go by from a header on that was verified."""
    header, digest = signed.header, header_hash(signed.header)
    if isinstance(signed, SignedHeader):
        return Trusted(header.height, header.time, digest, (), _NONE)
    return Trusted(header.height, header.time, digest, signed.validators, signed.header.next_validators)


def require_named(genesis: Genesis, signed: ProvenHeader) -> None:
    """Raise unless those whom the header names have proven it: for one whose validators are known to be the network's otherwise.

    Codes as of `followed`.
    """
    if isinstance(signed, SignedHeader):
        _require_alone(genesis, signed)
    else:
        require_committed(network_id(genesis), signed.validators, signed)


def followed(genesis: Genesis, trusted: Trusted, signed: ProvenHeader) -> Trusted:
    """What to go by from ``signed`` on; raises unless it is proven to whoever goes by ``trusted``.

    `LedgerRefused` as `require_committed`; ``wrong-network``, ``wrong-proposer``; ``not-later`` for one that was voted for, where
    what is trusted is as high; ``too-far`` where a header in between is needed; a bad signature is `CryptoRefused`
    ``bad-signature``.
    """
    require_named(genesis, signed)
    if isinstance(signed, SignedHeader):
        return trusting(signed)
    header = signed.header
    if header.height <= trusted.height or header.time < trusted.time:
        raise LedgerRefused("not-later", "the header is not a later one")
    if header.validators != trusted.following:
        if header.height == trusted.height + 1:
            raise LedgerRefused("wrong-validators", "the header is not of the validators that are trusted")
        _require_third(trusted, signed)
    return trusting(signed)


def led(
    genesis: Genesis, trusted: Trusted, signed: ProvenHeader, between: Callable[[int], ProvenHeader]
) -> tuple[Trusted, tuple[ProvenHeader, ...]]:
    """As `followed`, by as few headers in between as it takes, halving the way; those headers too, the earliest first.

    ``between`` gives the header at a height.
    """
    ahead, steps = [signed], list[ProvenHeader]()
    while ahead:
        try:
            trusted = followed(genesis, trusted, ahead[-1])
        except LedgerRefused as refused:
            if refused.full_code != TOO_FAR:
                raise
            height = (trusted.height + ahead[-1].header.height) // 2
            middle = between(height)
            if middle.header.height != height:
                raise LedgerRefused("wrong-answer", "the node answered something else than was asked") from refused
            ahead.append(middle)
        else:
            steps.append(ahead.pop())
    return trusted, tuple(steps[:-1])


def _require_alone(genesis: Genesis, signed: SignedHeader) -> None:
    """Raise unless the member that orders alone signed the header; ``wrong-proposer`` where nobody does."""
    if validators(genesis):
        raise LedgerRefused("wrong-proposer", "no member of this network signs headers alone")
    if signed.header.network != network_id(genesis):
        raise LedgerRefused("wrong-network", "the header is of another network")
    proposer = orderer(genesis)
    if signed.header.proposer != member_id(proposer.authority):
        raise LedgerRefused("wrong-proposer", "the header is not of the member that orders blocks")
    require_signature(VerifyKey(proposer.node), HEADER_TAG, header_hash(signed.header), signed.signature)


def _require_third(trusted: Trusted, signed: CommittedHeader) -> None:
    """Raise ``too-far`` unless validators with more than a third of the trusted power voted for the header, each counted once."""
    power = {one.key: one.power for one in trusted.validators}
    whole, counted, header = sum(power.values()), 0, signed.header
    for validator, vote in zip(signed.validators, signed.signatures, strict=True):
        if vote.flag != FOR_BLOCK or validator.key not in power:
            continue
        message = vote_bytes(header.chain_id, header.height, signed.round, signed.block, vote.seconds, vote.nanos)
        require_ed25519(validator.key, message, vote.signature)
        counted += power.pop(validator.key)
        if 3 * counted > whole:
            return
    raise LedgerRefused("too-far", "too few of the validators that are trusted voted for the header")
