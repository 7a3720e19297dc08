"""What validators commit is checked as CometBFT hashes and signs it; whatever is not committed is refused.

The expected bytes are CometBFT's: of its own tests (types/block_test.go, types/vote_test.go, crypto/merkle), and what its code at
v0.40.0 wrote for the validators of ``validators_world``.
"""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger_world import some
from salus.codec import decode, encode
from salus.crypto.hashing import sha256
from salus.errors import SalusError
from salus.ids import MAX_INT
from salus.ledger.consensus_pb2 import CanonicalVote
from salus.ledger.lightblock import (
    ABSENT,
    FOR_BLOCK,
    FOR_NIL,
    MAX_COMMITTED,
    MAX_VALIDATORS,
    BlockId,
    CometHeader,
    CommitSig,
    CommittedHeader,
    Validator,
    _delimited,
    _header_hash,
    _root,
    address,
    chain_id,
    comet_hash,
    ordered,
    require_committed,
    results_hash,
    transactions_hash,
    validators_hash,
    vote_bytes,
)
from validators_world import NETWORK, Validators

changed = msgspec.structs.replace
FOUR = Validators([10, 20, 20, 5])


def refusal(network: bytes, trusted: tuple[Validator, ...], signed: CommittedHeader) -> str:
    with pytest.raises(SalusError) as error:
        require_committed(network, trusted, signed)
    return error.value.full_code


# What CometBFT's own tests expect


@pytest.mark.parametrize(
    ("items", "root"),
    [
        ([], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ([b""], "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        ([b"L123456"], "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"),
        ([b"\1\2\3"], "054edec1d0211f624fed0cbca9d4f9400b0e491c43742af2c5b0abebf0c990d8"),
        ([b"\1\2\3", b"\4\5\6"], "82e6cfce00453804379b53962939eaa7906b39904be0813fcadd31b100773c4b"),
        ([b"\1\2", b"\3\4", b"\5\6", b"\7\x08", b"\t\n"], "f326493eceab4f2d9ffbc78c59432a0a005d6ea98392045c74df5d14a113be18"),
    ],
)
def test_a_tree_is_that_of_rfc_6962(items: list[bytes], root: str) -> None:
    assert _root(items).hex() == root


def test_transactions_are_leaves_by_their_hashes_and_results_by_code_and_data() -> None:
    """As in types/tx.go and abci/types/types.go; a tree of one leaf is the hash of 0x00 and the leaf (RFC 6962, 2.1)."""
    assert transactions_hash([b"one"]) == sha256(b"\x00" + sha256(b"one"))
    assert results_hash([(1, b"no")]) == sha256(b"\x00" + bytes.fromhex("080112026e6f"))
    assert transactions_hash([]) == results_hash([]) == sha256(b"")


def test_a_headers_hash_is_the_one_of_cometbfts_test() -> None:
    last = BlockId(bytes(32), 6, bytes(32))
    hashes = {
        name: sha256(f"{name}_hash".encode())
        for name in ("last_commit", "data", "validators", "next_validators", "consensus", "app", "last_results", "evidence")
    }
    header = CometHeader(2, "chainId", 3, 1_570_983_284, 0, last, **hashes, proposer=address(b"proposer_address"))
    assert _header_hash(header, 1).hex().upper() == "F740121F553B5418C3EFBD343C2DBFE9E007BB67B0D020A0741374BAB65242A4"
    assert comet_hash(header) != _header_hash(header, 1)


NO_TIME = -62_135_596_800  # how CometBFT writes a time that was never set: the year 1


@pytest.mark.parametrize(
    ("chain", "height", "round_", "kind", "expected"),
    [
        ("", 0, 0, 0, "0d2a0b088092b8c398feffffff01"),
        ("", 1, 1, 2, "2108021101000000000000001901000000000000002a0b088092b8c398feffffff01"),
        ("", 1, 1, 1, "2108011101000000000000001901000000000000002a0b088092b8c398feffffff01"),
        ("", 1, 1, 0, "1f1101000000000000001901000000000000002a0b088092b8c398feffffff01"),
        (
            "test_chain_id",
            1,
            1,
            0,
            "2e1101000000000000001901000000000000002a0b088092b8c398feffffff01320d746573745f636861696e5f6964",
        ),
    ],
)
def test_a_vote_is_written_as_in_cometbfts_tests(chain: str, height: int, round_: int, kind: int, expected: str) -> None:
    vote = CanonicalVote(type=kind, height=height, round=round_, timestamp=Timestamp(seconds=NO_TIME), chain_id=chain)
    assert _delimited(vote).hex() == expected
    if kind == 2:
        assert vote_bytes(chain, height, round_, None, NO_TIME, 0).hex() == expected


# What CometBFT's code wrote for these validators


def test_sets_are_ordered_and_hashed_as_cometbft_does() -> None:
    five = Validators([10, 20, 20, 5, 300])
    assert [address(one.key).hex()[:8] for one in five.set] == ["77f58f77", "2adca884", "93993f2e", "576fab0b", "59840b2a"]
    assert [one.power for one in five.set] == [300, 20, 20, 10, 5]
    assert ordered(five.set[::-1]) == five.set
    assert validators_hash(five.set).hex() == "84aa3643f955916383cf50e4d99d5f7230eb138bf2e44627c65c67901f7a52db"
    assert validators_hash(FOUR.set).hex() == "8cfd5fdffae290a6647d9b1073dbb10f12d4a110ec888ebbf0be065230a5e618"
    assert validators_hash(FOUR.set[::-1]) != validators_hash(FOUR.set)


FIRST = FOUR.header(1, app_version=0, seconds=0, nanos=0, last_block=None)
SECOND = FOUR.header(last_block=BlockId(comet_hash(FIRST), 200, sha256(b"parts 1")))
SIGNATURES = (
    "69ad90ecc0b8fc8d7538356f64ba5f3366a2c42c5a04c62d13ef5722d0e201d8be204c6a4752187a6baaf09e11c71ba1a2e68352fd6617f5a24ca096e8e75108",
    "bc5d93d0300fb79e58c945eb370801732e182000b8ec3673325dbbbb3a1a435aa343e18b57c297a6d453aa0fdc7c21ff9bb69946c69b9fb42750f09dd75c4a0d",
    "3dde9cb1269bd04d2c23eb14847361fe0efd4d598db3989d9a059dcff4bbcf07b19e8a401e0a2d6d7e545f43e727b350a258ccbb60a5063cd70b76f17548ac0b",
    "6fad14dd82f77225b121cd6c401999226b8993ec12463c2b5763ed67eb83bca48431e7b3315e3adc234c022f21d036b5f45f1f28199090388605564a610bb202",
)


def test_headers_hash_as_cometbft_hashes_them_the_first_and_a_later_one() -> None:
    assert FIRST.chain_id == "salus-3009be769fb8f956e8413ee9f3e0836e34968bc4"
    assert comet_hash(FIRST).hex() == "acfcbe2f964199ac8310173954571db38c893bea971a9e0f5b21b192a8ab035e"
    assert comet_hash(SECOND).hex() == "5ac2ce12f5692261ade48d2a3373fc069574655ab479fcf4d444cbc39863c333"


def test_what_cometbft_signed_is_what_is_verified() -> None:
    signed = FOUR.commit(SECOND, [FOR_BLOCK, FOR_BLOCK, FOR_BLOCK, FOR_NIL])
    assert tuple(vote.signature.hex() for vote in signed.signatures) == SIGNATURES
    require_committed(NETWORK, FOUR.set[::-1], signed)
    message = vote_bytes(SECOND.chain_id, 300, 2, signed.block, 1_800_000_002, 2_000_002)
    assert message.hex() == (
        "9a010802112c0100000000000019020000000000000022480a205ac2ce12f5692261ade48d2a3373fc069574655ab479fcf4d444cbc39863c333"
        "1224080112206e34ea8d2c63b2d86b3b05121ee6aa13cf7bba6a1608cbbb1f8881e4e59a45a82a0a0882a4a7da061082897a322e"
        "73616c75732d33303039626537363966623866393536653834313365653966336530383336653334393638626334"
    )


# What is refused


def test_a_header_of_another_network_is_refused() -> None:
    assert refusal(some("other"), FOUR.set, FOUR.commit(FOUR.header())) == "ledger/wrong-network"
    assert len(chain_id(NETWORK)) == 46


def test_validators_that_are_not_trusted_commit_nothing() -> None:
    foreign, signed = Validators([1] * 5), FOUR.commit(FOUR.header())
    assert refusal(NETWORK, FOUR.set, foreign.commit(foreign.header())) == "ledger/wrong-validators"
    assert refusal(NETWORK, FOUR.set[:3], signed) == "ledger/wrong-validators"
    assert refusal(NETWORK, (), signed) == "ledger/wrong-validators"
    assert refusal(NETWORK, FOUR.set, changed(signed, validators=FOUR.set[::-1])) == "ledger/wrong-validators"
    weights = (changed(FOUR.set[0], power=21), *FOUR.set[1:])
    assert refusal(NETWORK, weights, signed) == "ledger/wrong-validators"


def test_a_header_that_names_another_set_is_refused() -> None:
    assert refusal(NETWORK, FOUR.set, FOUR.commit(FOUR.header(validators=some("others")))) == "ledger/wrong-validators"


def test_votes_for_another_header_are_refused() -> None:
    signed, other = FOUR.commit(FOUR.header()), FOUR.header(app=some("other state"))
    assert refusal(NETWORK, FOUR.set, changed(signed, header=other)) == "ledger/bad-commit"


def test_every_field_of_the_header_is_under_the_votes() -> None:
    signed = FOUR.commit(FOUR.header())
    others: dict[str, Any] = {"chain_id": "salus-0", "last_block": None, "proposer": bytes(20)}
    numbers = ("app_version", "height", "seconds", "nanos")
    for name in CometHeader.__struct_fields__:
        value = others.get(name, 5 if name in numbers else some("other"))
        assert refusal(NETWORK, FOUR.set, changed(signed, header=changed(signed.header, **{name: value})))
    last = signed.header.last_block
    assert last is not None
    for part in (changed(last, hash=some("x")), changed(last, parts=1), changed(last, parts_hash=some("x"))):
        header = changed(signed.header, last_block=part)
        assert refusal(NETWORK, FOUR.set, changed(signed, header=header)) == "ledger/bad-commit"


def test_two_thirds_of_the_power_are_not_enough_and_a_little_more_is() -> None:
    three = Validators([1, 1, 1])
    header = three.header()
    assert refusal(NETWORK, three.set, three.commit(header, [FOR_BLOCK, ABSENT, FOR_BLOCK])) == "ledger/too-few-signatures"
    require_committed(NETWORK, three.set, three.commit(header))
    uneven = Validators([MAX_INT, (MAX_INT + 1) // 2])  # the first has just less than two thirds, the next one just more
    assert refusal(NETWORK, uneven.set, uneven.commit(uneven.header(), [FOR_BLOCK, ABSENT])) == "ledger/too-few-signatures"
    more = Validators([MAX_INT, MAX_INT // 2])
    require_committed(NETWORK, more.set, more.commit(more.header(), [FOR_BLOCK, ABSENT]))


@pytest.mark.parametrize("flag", [ABSENT, FOR_NIL])
def test_no_vote_and_a_vote_for_no_block_count_nothing(flag: int) -> None:
    signed = FOUR.commit(FOUR.header(), [FOR_BLOCK, flag, FOR_BLOCK, FOR_BLOCK])
    assert refusal(NETWORK, FOUR.set, signed) == "ledger/too-few-signatures"


def test_a_vote_for_no_block_is_not_one_for_this_block() -> None:
    signed = FOUR.commit(FOUR.header(), [FOR_BLOCK, FOR_NIL, FOR_BLOCK, FOR_BLOCK])
    votes = tuple(changed(vote, flag=FOR_BLOCK) for vote in signed.signatures)
    assert refusal(NETWORK, FOUR.set, changed(signed, signatures=votes)) == "crypto/bad-signature"


def test_nobody_commits_for_an_empty_set() -> None:
    nobody = Validators([])
    header = FOUR.header(validators=validators_hash(()))
    assert refusal(NETWORK, (), nobody.commit(header)) == "ledger/too-few-signatures"


def test_one_signature_that_does_not_verify_is_enough_to_refuse() -> None:
    signed = Validators([1] * 4).commit(Validators([1] * 4).header())
    forged = (changed(signed.signatures[0], signature=bytes(64)), *signed.signatures[1:])
    assert refusal(NETWORK, signed.validators, changed(signed, signatures=forged)) == "crypto/bad-signature"


def test_no_more_signatures_are_looked_at_than_are_needed() -> None:
    signed = Validators([1] * 4).commit(Validators([1] * 4).header())
    last = (*signed.signatures[:3], changed(signed.signatures[3], signature=bytes(64)))
    require_committed(NETWORK, signed.validators, changed(signed, signatures=last))


def test_one_validators_vote_is_not_anothers() -> None:
    signed = Validators([1] * 3).commit(Validators([1] * 3).header())
    votes = (signed.signatures[0],) * 3
    assert refusal(NETWORK, signed.validators, changed(signed, signatures=votes)) == "crypto/bad-signature"


def test_a_commit_has_one_well_formed_vote_of_each() -> None:
    signed = FOUR.commit(FOUR.header())
    absent = CommitSig(ABSENT, 0, 0, b"")
    rows = [
        signed.signatures[:-1],
        (*signed.signatures, absent),
        *((*signed.signatures[:-1], changed(absent, **{name: 1})) for name in ("seconds", "nanos")),
        (*signed.signatures[:-1], changed(signed.signatures[-1], flag=ABSENT, seconds=0, nanos=0)),
        *((*signed.signatures[:-1], CommitSig(flag, 1, 1, bytes(63))) for flag in (FOR_BLOCK, FOR_NIL)),
    ]
    for row in rows:
        assert refusal(NETWORK, FOUR.set, changed(signed, signatures=row)) == "ledger/bad-commit"


def test_a_precommit_of_another_round_or_other_parts_does_not_count() -> None:
    signed = FOUR.commit(FOUR.header())
    assert refusal(NETWORK, FOUR.set, changed(signed, round=3)) == "crypto/bad-signature"
    for block in (changed(signed.block, parts=2), changed(signed.block, parts_hash=some("x"))):
        assert refusal(NETWORK, FOUR.set, changed(signed, block=block)) == "crypto/bad-signature"


@st.composite
def commits(draw: st.DrawFn) -> CommittedHeader:
    """A header committed by as many validators as are needed, in an order by chance; the others are absent."""
    made = Validators(draw(st.lists(st.integers(1, 5) | st.just(MAX_INT), min_size=1, max_size=7)))
    flags, counted, whole = [ABSENT] * len(made.set), 0, sum(one.power for one in made.set)
    for number in draw(st.permutations(range(len(made.set)))):
        if 3 * counted <= 2 * whole:
            flags[number] = FOR_BLOCK
            counted += made.set[number].power
    for number in reversed(range(len(made.set))):  # whoever is not looked at, has no vote here
        without = counted - made.set[number].power
        if flags[number] == FOR_BLOCK and 3 * without > 2 * whole:
            flags[number], counted = ABSENT, without
    height, last = draw(st.sampled_from([(1, None), (9, BlockId(some("b"), 1, some("p")))]))
    return made.commit(made.header(height, last_block=last), flags)


@given(commits(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_any_changed_byte_is_refused(signed: CommittedHeader, chance: random.Random) -> None:
    require_committed(NETWORK, signed.validators, signed)
    whole = encode(signed)
    assert decode(whole, CommittedHeader, limit=MAX_COMMITTED) == signed
    for at in chance.sample(range(len(whole)), min(40, len(whole))):
        other = bytes([*whole[:at], whole[at] ^ chance.randrange(1, 256), *whole[at + 1 :]])
        with pytest.raises(SalusError):
            require_committed(NETWORK, signed.validators, decode(other, CommittedHeader, limit=MAX_COMMITTED))


@given(commits(), st.data())
@settings(max_examples=60, deadline=None)
def test_a_commit_without_one_of_the_needed_votes_is_refused(signed: CommittedHeader, data: st.DataObject) -> None:
    needed = [number for number, vote in enumerate(signed.signatures) if vote.flag == FOR_BLOCK]
    votes = list(signed.signatures)
    votes[data.draw(st.sampled_from(needed))] = CommitSig(ABSENT, 0, 0, b"")
    assert refusal(NETWORK, signed.validators, changed(signed, signatures=tuple(votes))) == "ledger/too-few-signatures"


# What travels


def test_the_largest_set_fits_and_a_larger_one_is_not_decoded() -> None:
    vote, member = CommitSig(FOR_BLOCK, 253_402_300_799, 999_999_999, bytes(64)), Validator(bytes(32), MAX_INT)
    signed = changed(FOUR.commit(FOUR.header()), signatures=(vote,) * MAX_VALIDATORS, validators=(member,) * MAX_VALIDATORS)
    assert decode(encode(signed), CommittedHeader, limit=MAX_COMMITTED) == signed
    for larger in (
        changed(signed, signatures=(vote,) * (MAX_VALIDATORS + 1)),
        changed(signed, validators=(member,) * (MAX_VALIDATORS + 1)),
    ):
        with pytest.raises(SalusError):
            decode(encode(larger), CommittedHeader, limit=2 * MAX_COMMITTED)


@pytest.mark.parametrize(
    "fields",
    [
        {"chain_id": ""},
        {"chain_id": "a" * 51},
        {"chain_id": "salus\n"},
        {"chain_id": "sälus"},
        {"nanos": 1_000_000_000},
        {"seconds": 253_402_300_800},
        {"proposer": bytes(21)},
    ],
)
def test_a_header_out_of_range_is_not_decoded(fields: dict[str, Any]) -> None:
    with pytest.raises(SalusError):
        decode(encode(FOUR.header(**fields)), CometHeader, limit=4096)


def test_a_flag_or_power_out_of_range_is_not_decoded() -> None:
    for value in (CommitSig(0, 0, 0, b""), CommitSig(4, 0, 0, b""), CommitSig(2, 0, 0, bytes(65)), Validator(bytes(32), 0)):
        with pytest.raises(SalusError):
            decode(encode(value), type(value), limit=4096)


def test_a_header_answers_in_the_words_of_every_header() -> None:
    header = FOUR.header(seconds=7, nanos=8_999_999)
    assert header.time == 7008
    assert header.last_block is not None
    assert (header.previous, FIRST.previous) == (header.last_block.hash, bytes(32))
    assert (header.transactions, header.results, header.state) == (header.data, header.last_results, header.app)
