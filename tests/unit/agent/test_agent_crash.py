"""Killed between any two words with the node: nothing is lost or halved, the next command completes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from salus.agent.services import charting
from world import PATIENT, opened, thread


def test_a_home_whose_index_is_gone_makes_it_anew(tmp_path: Path) -> None:
    with thread(tmp_path / "home") as world:
        before = [v.version for v in charting.open_chart(world.agent, PATIENT, PATIENT).shown]
        clock = world.clock
    for path in (tmp_path / "home" / "agent").glob("index.db*"):
        path.unlink()
    with opened(tmp_path / "home", clock) as world:
        assert [v.version for v in charting.open_chart(world.agent, PATIENT, PATIENT).shown] == before


@pytest.mark.parametrize("back", [1_000, 600_000])
def test_a_clock_set_back_is_one_clear_line_and_reading_goes_on(tmp_path: Path, back: int) -> None:
    with thread(tmp_path / "home") as world:
        world.clock.now -= back
        assert charting.open_chart(world.agent, PATIENT, PATIENT).shown
