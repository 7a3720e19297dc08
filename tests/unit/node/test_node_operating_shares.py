"""Operating a vault that keeps a share: what others keep is no loss, and what it is to keep and lacks is one (MEM-9)."""

from __future__ import annotations

from pathlib import Path

import pytest

from members_world import many_members, replicate
from salus.home_folder import clock, read_genesis
from salus.node.operating.backup import back_up
from salus.node.operating.checking import Findings, check
from salus.node.operating.looking import anchored, looking
from salus.node.operating.restore import restore
from salus.node.operating.scrubbing import scrub
from salus.node.vault.blobs import Blobs
from world import CLEMENTE, PATIENT


def quietly(what: str, done: int, total: int) -> None:
    """Progress that nobody looks at."""


@pytest.fixture
def fifth(tmp_path: Path) -> Path:
    """The home of the last of five members, stopped; a patient at the first has a record."""
    with many_members(tmp_path, 5) as worlds:
        worlds[0].person(PATIENT)
        worlds[0].take_in(CLEMENTE)
        for world in worlds:
            world.node.engine.newest_header(fresh=True)
            replicate(world.node)
    home: Path = worlds[4].home
    return home


def lost(found: Findings) -> list[str]:
    return [finding.code for finding in found if finding.code == "node/blobs-lost"]


def held(home: Path) -> Blobs:
    return Blobs(home / "node" / "vault" / "blobs")


def lose_all(home: Path) -> None:
    for blob in list(held(home).stock()):
        held(home).remove(blob)


def test_what_others_keep_is_not_missed_and_what_is_lost_of_ones_own_is(fifth: Path) -> None:
    genesis = read_genesis(fifth)
    with looking(fifth / "node" / "ledger") as ledger:
        assert 0 < len(list(held(fifth).stock())) < len(anchored(ledger))
    assert not lost(check(fifth, genesis, clock()))
    assert not lost(scrub(fifth, genesis, quietly).findings)
    lose_all(fifth)
    assert lost(check(fifth, genesis, clock()))
    assert lost(scrub(fifth, genesis, quietly).findings)


def test_a_backup_has_the_share_and_gives_it_back(fifth: Path, tmp_path: Path) -> None:
    genesis, before = read_genesis(fifth), sorted(held(fifth).stock())
    assert back_up(fifth, genesis, tmp_path / "backup", clock(), quietly).lost == 0
    lose_all(fifth)
    done = restore(fifth, genesis, tmp_path / "backup", None, quietly, replace=False)
    assert (done.blobs, done.missing) == (len(before), 0)
    assert sorted(held(fifth).stock()) == before
