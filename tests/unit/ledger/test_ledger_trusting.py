"""Following a network's validators as they change: what is proven to whoever saw an earlier header, and what is not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ledger_world import Ledger, some
from salus.errors import SalusError
from salus.ids import Millis
from salus.ledger.genesis import Genesis, ValidatingMember, network_id
from salus.ledger.header import ProvenHeader
from salus.ledger.lightblock import ABSENT, FOR_BLOCK, FOR_NIL, CommittedHeader, chain_id, validators_hash
from salus.ledger.trusting import Trusted, followed, led, require_named, trusted_from, trusting
from salus.ledger.verifying import require_header, require_next
from validators_world import Validators

FIRST = Validators([1, 1, 1, 1])
GENESIS = Genesis(
    bytes(16),
    Millis(1),
    tuple(ValidatingMember(some(f"authority {n}"), some(f"node {n}"), (), one.key, bytes(20)) for n, one in enumerate(FIRST.set)),
)
HERE = chain_id(network_id(GENESIS))


def ranked(*numbers: int) -> Validators:
    """Validators of power 1, with the keys of these numbers."""
    return Validators([1] * len(numbers), numbers)


def committed(
    by: Validators, height: int, following: Validators | None = None, flags: Sequence[int] | None = None
) -> CommittedHeader:
    """A header that these have committed, and that names ``following`` (or themselves) for the next block."""
    named = validators_hash((following or by).set)
    return by.commit(by.header(height, chain_id=HERE, seconds=1_800_000_000 + height, next_validators=named), flags)


def code(act: object, *args: object) -> str:
    try:
        act(*args)  # type: ignore[operator]
    except SalusError as error:
        return error.full_code
    return ""


ROOT = trusted_from(GENESIS)


def test_the_next_header_is_proven_by_the_set_that_this_one_names_and_by_no_other() -> None:
    """STATE-26."""
    other = ranked(7, 8, 9)
    changing = committed(FIRST, 5, other)
    now = followed(GENESIS, ROOT, changing)
    assert now == trusting(changing)
    assert (now.height, now.validators, now.following) == (5, FIRST.set, validators_hash(other.set))
    assert followed(GENESIS, now, committed(other, 6)).height == 6
    assert code(followed, GENESIS, now, committed(FIRST, 6)) == "ledger/wrong-validators"
    assert code(followed, GENESIS, now, committed(ranked(0, 1, 2), 6)) == "ledger/wrong-validators"


def test_a_later_header_is_proven_by_more_than_a_third_of_those_who_are_trusted() -> None:
    """STATE-27."""
    now = followed(GENESIS, ROOT, committed(FIRST, 5))
    assert followed(GENESIS, now, committed(FIRST, 90)).height == 90  # the same as named
    assert followed(GENESIS, now, committed(ranked(0, 1, 7, 8), 90)).height == 90  # two of four
    assert code(followed, GENESIS, now, committed(ranked(0, 7, 8, 9), 90)) == "ledger/too-far"  # one of four
    assert code(followed, GENESIS, now, committed(ranked(7, 8, 9), 90)) == "ledger/too-far"


@pytest.mark.parametrize("flag", [ABSENT, FOR_NIL])
def test_who_is_trusted_and_did_not_vote_for_the_block_does_not_count(flag: int) -> None:
    """STATE-27."""
    set_ = ranked(0, 1, 7, 8, 9, 10, 11)
    quiet = [flag if one.key in {x.key for x in FIRST.set} and n < len(set_.set) else FOR_BLOCK for n, one in enumerate(set_.set)]
    assert code(followed, GENESIS, ROOT, committed(set_, 90, flags=quiet)) == "ledger/too-far"


def test_a_third_of_the_trusted_power_exactly_is_not_enough() -> None:
    """STATE-27."""
    three = ranked(0, 1, 2)
    now = Trusted(5, 1, some("h"), three.set, validators_hash(three.set))
    assert code(followed, GENESIS, now, committed(ranked(0, 7, 8), 90)) == "ledger/too-far"
    assert followed(GENESIS, now, committed(ranked(0, 1, 8), 90)).height == 90


def test_power_is_that_which_was_trusted_and_not_what_the_header_says() -> None:
    """STATE-27."""
    heavy = Validators([1, 9, 9, 9], (0, 7, 8, 9))
    light = Validators([9, 1, 1], (0, 1, 2))
    now = Trusted(5, 1, some("h"), light.set, validators_hash(light.set))
    assert followed(GENESIS, now, committed(heavy, 90)).height == 90  # nine of eleven, however little it weighs there
    assert code(followed, GENESIS, ROOT, committed(Validators([99, 1, 1], (0, 7, 8)), 90)) == "ledger/too-far"


def test_a_forged_vote_of_one_who_is_trusted_is_found_out() -> None:
    """STATE-27."""
    good = committed(Validators([9, 9, 9, 9, 1, 1], (7, 8, 9, 10, 0, 1)), 90)  # those who are trusted stand last
    assert followed(GENESIS, ROOT, good).height == 90
    bad = list(good.signatures)
    bad[-1] = type(bad[-1])(FOR_BLOCK, bad[-1].seconds, bad[-1].nanos, bytes(64))
    forged = CommittedHeader(good.header, good.round, good.block, tuple(bad), good.validators)
    assert code(followed, GENESIS, ROOT, forged) == "crypto/bad-signature"


def test_a_header_that_is_not_later_in_height_or_time_leads_nowhere() -> None:
    """STATE-28."""
    now = followed(GENESIS, ROOT, committed(FIRST, 5))
    for height in (4, 5):
        assert code(followed, GENESIS, now, committed(FIRST, height)) == "ledger/not-later"
    early = FIRST.commit(FIRST.header(6, chain_id=HERE, seconds=1, next_validators=validators_hash(FIRST.set)))
    assert code(followed, GENESIS, now, early) == "ledger/not-later"


def test_a_validator_named_twice_counts_for_nothing() -> None:
    """STATE-23."""
    twice = Validators([1, 1, 1, 1], (7, 7, 7, 8))
    assert code(require_named, GENESIS, committed(twice, 9)) == "ledger/bad-commit"


def test_where_the_validators_have_changed_too_much_the_way_is_halved_until_each_step_is_proven() -> None:
    """STATE-29."""
    first = ranked(1, 2, 3, 4)
    members = tuple(ValidatingMember(some(f"a {n}"), some(f"n {n}"), (), one.key, bytes(20)) for n, one in enumerate(first.set))
    genesis = Genesis(bytes(16), Millis(1), members)
    chain = dict[int, CommittedHeader]()
    here, asked = chain_id(network_id(genesis)), list[int]()
    for height in range(1, 61):
        sets = [ranked(*(10 + k if (at - 1) // 10 >= k else k for k in range(1, 5))) for at in (height, height + 1)]
        header = sets[0].header(
            height, chain_id=here, seconds=1_800_000_000 + height, next_validators=validators_hash(sets[1].set)
        )
        chain[height] = sets[0].commit(header)

    def between(height: int) -> ProvenHeader:
        asked.append(height)
        return chain[height]

    now, steps = led(genesis, trusted_from(genesis), chain[60], between)
    assert now == trusting(chain[60])
    assert [step.header.height for step in steps] == sorted(step.header.height for step in steps)
    assert 0 < len(asked) < 10
    assert code(require_header, genesis, chain[60]) == "ledger/too-far"
    require_header(genesis, chain[60], steps)
    assert code(led, genesis, trusted_from(genesis), chain[60], lambda height: chain[height - 1]) == "ledger/wrong-answer"


def test_a_header_in_between_that_is_not_proven_ends_the_way() -> None:
    """STATE-29."""
    stranger = ranked(20, 21, 22)

    def between(height: int) -> ProvenHeader:
        return committed(stranger, height)

    assert code(led, GENESIS, ROOT, committed(stranger, 64), between) == "ledger/wrong-validators"


def test_a_chain_is_followed_header_by_header() -> None:
    """STATE-26."""
    other = ranked(7, 8, 9)
    first = committed(FIRST, 1, other)
    header = other.header(2, chain_id=HERE, seconds=1_800_000_002, last_block=first.block)
    second = other.commit(header)
    require_next(GENESIS, None, first)
    require_next(GENESIS, first, second)
    assert code(require_next, GENESIS, first, committed(other, 2)) == "ledger/bad-link"
    assert code(require_next, GENESIS, None, second) == "ledger/too-far"


def test_where_one_member_orders_alone_there_are_no_validators_to_follow() -> None:
    """STATE-26."""
    ledger = Ledger()
    signed = ledger.headers[-1]
    assert followed(ledger.genesis, trusted_from(ledger.genesis), signed) == trusting(signed)
    assert trusting(signed).validators == ()
    assert code(require_named, GENESIS, signed) == "ledger/wrong-proposer"
