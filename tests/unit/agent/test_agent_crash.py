"""Killed between any two words with the node: nothing is lost or halved, the next command completes it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from members_world import FIRST, two_members
from salus.agent.services import charting, copying, granting, inbox, proving, revoking, writing
from salus.agent.services.resuming import resume
from salus.agent.verify import record
from salus.charts.sections import SectionKind
from salus.exchange.cards import Role
from salus.ledger.modules.sections.state import Section, section_key
from world import CLEMENTE, DOCTOR, HOUR, PATIENT, Clock, World, opened, thread

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


def test_an_import_killed_anywhere_is_completed_whole(tmp_path: Path) -> None:
    expected = len(json.loads(CLEMENTE)["entry"])
    with opened(tmp_path / "home", Clock()) as world:
        names = iter(f"P{number}" for number in range(1000))
        current = [""]

        def act() -> None:
            current[0] = next(names)
            world.person(current[0])
            world.take_in(CLEMENTE, name=current[0])

        def check() -> None:
            chart = charting.open_chart(world.agent, current[0], current[0])
            shown = [v for v in chart.shown if v.leaf.full_url != charting.OWN_PROVENANCE]
            assert len(shown) in (0, expected)  # whole, or not begun
            assert chart.incomplete_batches == 0
            again = world.take_in(CLEMENTE, name=current[0])
            assert again.new + again.unchanged == expected
            assert proving.verify_own(world.agent, current[0]).troubles == ()

        assert killed_everywhere(world, act, check) >= 10


def test_a_revocation_killed_anywhere_is_completed(tmp_path: Path) -> None:
    with thread(tmp_path / "home") as world:

        def act() -> None:
            made = world.grant()
            revoking.revoke(world.agent, PATIENT, grant=made.grant)

        def check() -> None:
            for info in granting.access(world.agent, PATIENT):
                if info.status == "active":  # died before the patient's wish was kept: said again, it is done
                    revoking.revoke(world.agent, PATIENT, grant=info.grant)
            assert {info.status for info in granting.access(world.agent, PATIENT)} <= {"revoked"}
            before = len(charting.patients(world.agent, DOCTOR))
            inbox.collect(world.agent, DOCTOR)
            assert before <= 1

        assert killed_everywhere(world, act, check) >= 4


def test_a_note_killed_anywhere_appears_once_with_its_letter_and_its_copy(tmp_path: Path) -> None:
    with opened(tmp_path / "home", Clock()) as world:
        world.person(DOCTOR, Role.PHYSICIAN)
        world.person(PATIENT)
        world.may_write()
        number = iter(range(1000))

        def act() -> None:
            writing.write_note(world.agent, DOCTOR, PATIENT, b"Note %d" % next(number), amends=None, entered_in_error=None)

        def check() -> None:
            notes = charting.open_chart(world.agent, PATIENT, PATIENT, types=("DocumentReference",)).shown
            letters = [item for item in inbox.collect(world.agent, PATIENT) if item.kind == "entry"]
            seen.extend(letter.text for letter in letters)
            kept = charting.open_chart(world.agent, "Practice", "Practice").chart.versions
            read = charting.open_chart(world.agent, DOCTOR, PATIENT).shown
            assert len(notes) == len(read) == len(kept)
            assert len(set(seen)) == len(notes)

        seen: list[str] = []
        assert killed_everywhere(world, act, check) >= 4


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
