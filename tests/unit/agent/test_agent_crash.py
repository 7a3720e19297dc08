"""A home whose index is gone, whose clock is set back, whose node fails in the middle: nothing is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from salus.agent.services import charting, inbox, licensing, people
from salus.errors import NodeRefused
from salus.exchange.cards import Role
from world import PATIENT, beside, introduce, opened, thread


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


class Failing:
    """A node that cannot read its disk when it is asked for state."""

    def __init__(self, node: Any) -> None:
        self.node = node

    def __getattr__(self, name: str) -> Any:
        return getattr(self.node, name)

    def states(self, _: object) -> Any:
        raise NodeRefused("storage-failed")


def test_a_letter_that_could_not_be_checked_because_the_node_fails_is_read_later(tmp_path: Path) -> None:
    with thread(tmp_path / "home") as world, beside(world, tmp_path / "away") as away:
        people.add_person(away.agent, "Dr. Away", Role.PHYSICIAN, cold_dir=tmp_path)
        introduce(away, "Dr. Away", world)
        licensing.issue_licence(world.agent, people.own_card(away.agent, "Dr. Away"), Role.PHYSICIAN)
        away.agent.network = Failing(world.node)
        with pytest.raises(NodeRefused):
            inbox.collect(away.agent, "Dr. Away")
        away.agent.network = world.node
        assert [(item.kind, item.trouble) for item in inbox.collect(away.agent, "Dr. Away")] == [("licence", "")]
