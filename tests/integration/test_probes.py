"""The probes' matrix: role x section x right x relation x state, over one real world.

Everybody's keys sign real requests, which the node answers by its HTTP API; the table in `probing.model` says what must come.
What is refused shows nothing, and tells nothing of whether what was asked for is there, as its twins prove; by design with these
exceptions, which docs/threat-model.md names:

- Whoever knows a section's random id finds by ``/v1/states`` that it is there, how many entries it has, and its schedule: the
  state of an anonymous ledger is public (API-17). So the refusals of ``/v1/receipts`` and ``/v1/transactions`` may tell it, too.
- A holder whose warrant holds is told ``not-covered`` of an entry that is there, ``no-such-entry`` of one that is not (WAR-13).
- Who has a mailbox's id can leave a letter there as a stranger, and so finds that it is there (GRA-46).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from probing import judging, model
from probing.cells import AGAIN, APPEND, COLLECT, KEEP, LOOK, PAGE, PEERS, READ, RECEIPTS, TREAT
from probing.judging import Probed
from probing.relations import RELATIONS
from probing.world import OWN_KINDS, K, State

Asked = tuple[Probed, Path]


@pytest.fixture(scope="module")
def asked() -> Iterator[Asked]:
    """One world, and what everybody asks in it: half of what `make probes` asks, which takes half the time."""
    with judging.probed(share=2) as found:
        yield found


def test_whoever_may_is_served_and_whoever_may_not_learns_nothing_not_even_that_something_is_there(asked: Asked) -> None:
    """WAR-10, WAR-13, WAR-14, WAR-17, API-21, GRA-26, GRA-27, GRA-29."""
    found, _ = asked
    assert found.troubles == []


def test_the_matrix_is_as_large_and_as_wide_as_it_says(asked: Asked) -> None:
    cells = asked[0].cells
    assert len(cells) >= 7_000
    assert {cell.state for cell in cells} == set(State)
    assert {cell.role for cell in cells} >= {
        *model.SERVED,
        *model.OWNED,
        "unlicensed",
        "stranger",
        "thief",
        "operator",
        "authority",
    }
    assert {cell.place for cell in cells if cell.right == READ} >= set(K)
    assert {cell.relation for cell in cells if cell.right == READ} >= {*RELATIONS, AGAIN, "a stolen warrant"}
    assert {LOOK, READ, RECEIPTS, PEERS, COLLECT, APPEND, PAGE, KEEP, TREAT} <= {cell.right for cell in cells}
    assert sum(cell.allowed for cell in cells) > 300


def test_with_all_ciphertext_everybodys_bytes_open_what_the_table_says(asked: Asked) -> None:
    """GRA-2, GRA-30, GRA-31, GRA-35, GRA-37, SEC-28."""
    found = list(judging.openings(asked[0]))
    assert [one for one in found if one.expected != one.opened] == []
    assert sum(one.opened for one in found) > 300
    assert sum(not one.opened for one in found) > 2_000


def test_the_measure_of_bytes_sees_keys_where_there_are_some(asked: Asked) -> None:
    """The control of the one before: a stranger who had the patient's bytes would open everything of the patient's."""
    scene = asked[0].scene
    stranger, owner = scene.actor("stranger", State.NONE), scene.actor("owner", State.OWN)
    opened = asked[0].ciphertext.opened_by(stranger.keys | owner.keys)
    assert opened == {(place.name, number) for place in scene.places if place.name in OWN_KINDS for number in place.blobs}


def test_where_nothing_is_checked_nearly_all_that_must_be_refused_leaks(asked: Asked) -> None:
    """The control of the matrix: the same requests over the same source without its checks."""
    leaked = [leak for _, leak in judging.unchecked(*asked)]
    assert sum(leaked) >= 0.95 * len(leaked) > 5_000
