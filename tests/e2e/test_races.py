"""One thing, a hundred at once, through all members of which one is a thief: one has it, and all members name the same."""

from __future__ import annotations

from collections import Counter

import pytest

from localnet_world import MEMBERS, Members, on_comet
from races import Course, Outcome

pytestmark = on_comet

AT_ONCE = 100
ONE, OTHER = b"one", b"other"


def test_one_of_a_hundred_pharmacies_has_a_fill_and_one_of_a_hundred_patients_the_last_seat(world: Members) -> None:
    """RX-5, RX-6, SCH-5."""
    course = Course(world)
    for race, late in ((course.prescription, "ledger/is-accepted"), (course.slot, "ledger/slot-taken")):
        outcome = race(AT_ONCE)
        assert outcome.fair
        assert outcome.told == {"": 1, late: AT_ONCE - 1}
        assert sum(outcome.stolen.values()) == AT_ONCE // MEMBERS * 2
    assert world.forks() == []


@pytest.mark.parametrize(
    "unfair",
    [
        Outcome(applied=[], holders=[ONE] * MEMBERS),
        Outcome(applied=[ONE, OTHER], holders=[ONE] * MEMBERS),
        Outcome(applied=[ONE], holders=[OTHER] * MEMBERS),
        Outcome(applied=[ONE], holders=[ONE] * (MEMBERS - 1) + [OTHER]),
        Outcome(applied=[ONE], holders=[ONE] * MEMBERS, stolen=Counter({"": 1})),
    ],
)
def test_what_is_not_fair_is_seen(unfair: Outcome) -> None:
    assert not unfair.fair
