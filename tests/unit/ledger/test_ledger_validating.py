"""A network whose members validate: whose headers count, and what a state looks like from before."""

from __future__ import annotations

import pytest

from ledger_world import some
from salus.codec import encode
from salus.crypto.signing import SigningKey
from salus.errors import Malformed, SalusError
from salus.ids import Millis
from salus.ledger.app import View
from salus.ledger.genesis import Genesis, GenesisMember, ValidatingMember, member_id, network_id, validators
from salus.ledger.header import HEADER_TAG, Header, SignedHeader, decode_header, header_hash
from salus.ledger.lightblock import CommittedHeader, chain_id, comet_hash
from salus.ledger.merkle import Tree, require_absence, require_presence
from salus.ledger.store import MemoryStore
from salus.ledger.verifying import require_header, require_linked
from validators_world import Validators

NODE = SigningKey(some("node"))
VOTING = Validators([1, 1, 1, 1])
MEMBERS = tuple(
    ValidatingMember(some(f"authority {n}"), NODE.public if n == 0 else some(f"node {n}"), (), one.key, bytes(20))
    for n, one in enumerate(VOTING.set)
)
GENESIS = Genesis(bytes(16), Millis(1), MEMBERS)
HERE = chain_id(network_id(GENESIS))


def code(genesis: Genesis, signed: SignedHeader | CommittedHeader) -> str:
    try:
        require_header(genesis, signed)
    except SalusError as error:
        return error.full_code
    return ""


def alone(genesis: Genesis) -> SignedHeader:
    """A header that the first member has signed."""
    zero = bytes(32)
    header = Header(network_id(genesis), 1, 2, zero, zero, zero, zero, member_id(MEMBERS[0].authority))
    return SignedHeader(header, NODE.sign(HEADER_TAG, header_hash(header)))


def test_those_members_validate_that_have_a_key_for_it() -> None:
    """NET-1."""
    plain = GenesisMember(some("authority"), some("node"), ())
    assert [one.power for one in validators(GENESIS)] == [1, 1, 1, 1]
    assert validators(Genesis(bytes(16), Millis(1), (plain, MEMBERS[0]))) == validators(GENESIS)[:1]
    assert validators(Genesis(bytes(16), Millis(1), (plain,))) == ()


def test_a_header_counts_when_the_networks_validators_have_voted_for_it() -> None:
    """NET-1."""
    signed = VOTING.commit(VOTING.header(chain_id=HERE))
    assert code(GENESIS, signed) == ""
    assert code(Genesis(some("salt")[:16], Millis(1), MEMBERS), signed) == "ledger/wrong-network"
    assert code(Genesis(bytes(16), Millis(1), (GenesisMember(some("a"), some("b"), ()),)), signed) == "ledger/wrong-network"
    assert header_hash(signed.header) == comet_hash(signed.header)


def test_no_member_signs_alone_where_members_validate() -> None:
    """NET-1."""
    assert code(GENESIS, alone(GENESIS)) == "ledger/wrong-proposer"


def test_committed_headers_link_as_others_do() -> None:
    first = VOTING.header(chain_id=HERE)
    block = VOTING.commit(first).block
    second = VOTING.header(height=first.height + 1, chain_id=HERE, seconds=first.seconds + 1, last_block=block)
    require_linked(VOTING.commit(first), VOTING.commit(second))


def test_a_header_of_either_kind_is_read_and_nothing_else() -> None:
    for signed in (VOTING.commit(VOTING.header()), alone(GENESIS)):
        assert decode_header(encode(signed), 65_536) == signed
    with pytest.raises(Malformed):
        decode_header(encode(GENESIS), 65_536)


def test_a_state_that_is_kept_is_as_it_was_after_it_has_changed() -> None:
    """NET-9."""
    first: dict[bytes, bytes | None] = {b"kept": b"1", b"changed": b"1", b"removed": b"1"}
    then: dict[bytes, bytes | None] = {b"changed": b"2", b"removed": None, b"new": b"2"}
    store = MemoryStore()
    store.apply(first)
    now = View(Tree().changed(first.items()), store)
    before = now.before({key: store.get(key) for key in then})
    store.apply(then)
    for key in {**first, **then}:
        value, proof = before.query(key)
        assert value == first.get(key)
        if value is None:
            require_absence(before.root, key, proof)
        else:
            require_presence(before.root, key, value, proof)
