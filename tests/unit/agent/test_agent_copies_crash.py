"""A copy that waits for its time, in a network of two members, and a command that is killed at any word with the node."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from members_world import FIRST, two_members
from salus.agent.services import charting, copying, writing
from salus.agent.services.resuming import resume
from salus.agent.verify import record
from salus.charts.sections import SectionKind
from salus.exchange.cards import Role
from salus.ledger.modules.sections.state import Section, section_key
from world import DOCTOR, HOUR, PATIENT, World

CHANGING = ("submit", "drop")


class Killed(BaseException):
    """What stands for kill -9: nothing catches it, nothing is tidied up."""


class Dying:
    """A network that dies at the ``at``-th changing call: before the node hears of it, or after it has done it."""

    def __init__(self, network: Any, at: int, *, after: bool) -> None:
        self.network, self.left, self.after = network, at, after

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.network, name)
        if name not in CHANGING:
            return real

        def call(*args: Any) -> Any:
            self.left -= 1
            if self.left == 0 and not self.after:
                raise Killed
            answer = real(*args)
            if self.left == 0:
                raise Killed
            return answer

        return call


def killed_everywhere(world: World, act: Callable[[], object], check: Callable[[], None]) -> int:
    """Do ``act`` until it has survived every death; after each, resume as every command does. How often it died."""
    real, deaths = world.agent.network, 0
    for after in (False, True):
        for at in range(1, 200):
            world.agent.network = Dying(real, at, after=after)
            try:
                act()
            except Killed:
                deaths += 1
                world.agent.network = real
                resume(world.agent)
                check()
                continue
            break
    world.agent.network = real
    return deaths


def test_a_copy_that_waits_is_neither_lost_nor_doubled_wherever_a_command_is_killed(tmp_path: Path) -> None:
    """Two members: the note, and half a day later its copy, each killed at every call."""
    with two_members(tmp_path) as members:
        world, notes = members.first, iter(range(1000))
        world.person(DOCTOR, Role.PHYSICIAN)
        world.person(PATIENT)

        def act() -> None:
            world.may_write()
            writing.write_note(world.agent, DOCTOR, PATIENT, b"Note %d" % next(notes), amends=None, entered_in_error=None)
            world.clock.now += 12 * HOUR
            resume(world.agent)

        def check() -> None:
            world.clock.now += 12 * HOUR
            resume(world.agent)
            written = charting.open_chart(world.agent, PATIENT, PATIENT, types=("DocumentReference",)).shown
            section = world.agent.wallet(FIRST).section(SectionKind.RECORDS, world.agent.network_id).identity
            anchored = record(world.agent, section_key(section), Section)
            assert copying.waiting(world.agent, FIRST).copies == 0
            assert len(written) == (anchored.count if anchored else 0)  # on the ledger itself
            assert len(written) == len(charting.open_chart(world.agent, FIRST, FIRST).chart.versions)

        assert killed_everywhere(world, act, check) >= 6
