"""What acts cost, counted and not timed: durable steps, signatures verified, and questions that are put at once."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nacl.bindings
import pytest

from salus.agent.asking import KeptPromise
from salus.agent.at_once import MAX_AT_ONCE, side_by_side
from salus.agent.opened_index import forget
from salus.agent.own_sections import own_sections
from salus.agent.services import charting
from salus.agent.store import Store
from salus.charts.sections import SectionKind
from salus.errors import AgentRefused
from world import DOCTOR, PATIENT, Clock, World, bundle, opened

PERSON = {"resourceType": "Patient", "id": "p", "name": [{"family": "Kreiger"}], "birthDate": "1980-01-01"}
CONDITION = {"resourceType": "Condition", "id": "c", "code": {"text": "x"}, "subject": {"reference": "Patient/p"}}
FINDING = {
    "resourceType": "Observation",
    "id": "o",
    "status": "final",
    "code": {"text": "y"},
    "subject": {"reference": "Patient/p"},
}
VACCINE = {
    "resourceType": "MedicationStatement",
    "id": "m",
    "status": "active",
    "medicationCodeableConcept": {"text": "z"},
    "subject": {"reference": "Patient/p"},
}


@contextmanager
def commits(store: Store) -> Iterator[list[int]]:
    """One item for each commit of the store inside."""
    seen: list[int] = []
    store._db.set_commit_hook(lambda: bool(seen.append(1)))
    try:
        yield seen
    finally:
        store._db.set_commit_hook(None)


@contextmanager
def patient(tmp_path: Path, *resources: dict[str, Any]) -> Iterator[World]:
    """A patient with a record of these resources."""
    with opened(tmp_path / "home", Clock()) as world:
        world.person(PATIENT)
        if resources:
            world.take_in(bundle(*resources))
        yield world


def promises(world: World, name: str = PATIENT) -> int:
    """How many promises of vaults the person keeps."""
    return len(world.agent.store.ids(KeptPromise, world.agent.wallet(name).person))


def forget_all(world: World) -> int:
    """The index of the patient's sections is lost; how many there are."""
    sections = own_sections(world.agent, world.agent.wallet(PATIENT))
    for section in sections:
        forget(world.agent, section.identity)
    return len(sections)


def test_a_chart_of_several_sections_keeps_all_promises_in_one_durable_step(tmp_path: Path) -> None:
    with patient(tmp_path, PERSON, CONDITION, FINDING, VACCINE) as world:
        assert forget_all(world) == 4
        before = promises(world)
        with commits(world.agent.store) as seen:
            chart = charting.open_chart(world.agent, PATIENT, PATIENT)
        assert not chart.unread
        assert promises(world) - before == 4
        assert len(seen) == 1


def test_a_reader_of_several_sections_keeps_all_promises_in_one_durable_step(tmp_path: Path) -> None:
    with patient(tmp_path, PERSON, CONDITION, FINDING, VACCINE) as world:
        world.person(DOCTOR)
        kinds = (SectionKind.SUMMARY, SectionKind.PROBLEMS, SectionKind.RESULTS)
        world.grant(sections=kinds)
        charting.open_chart(world.agent, DOCTOR, PATIENT)  # what is kept once is kept now
        with commits(world.agent.store) as seen:
            chart = charting.open_chart(world.agent, DOCTOR, PATIENT)
        assert not chart.unread
        assert promises(world, DOCTOR) == 2 * 3
        assert len(seen) == 1


def test_an_import_takes_the_same_durable_steps_into_one_section_and_into_several(tmp_path: Path) -> None:
    counts = []
    for number, resources in enumerate(((CONDITION,), (PERSON, CONDITION, FINDING, VACCINE))):
        with patient(tmp_path / str(number)) as world, commits(world.agent.store) as seen:
            world.take_in(bundle(*resources))
            assert len(own_sections(world.agent, world.agent.wallet(PATIENT))) == len(resources)
        counts.append(len(seen))
    assert counts[0] == counts[1]


def test_a_header_is_verified_once_however_many_answers_stand_under_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with patient(tmp_path, PERSON, CONDITION, FINDING, VACCINE) as world:
        charting.open_chart(world.agent, PATIENT, PATIENT)
        world.node.engine.newest_header()
        world.agent.believed = None  # as in a process that has just begun
        verified: list[bytes] = []
        real = nacl.bindings.crypto_sign_open

        def counted(signed: bytes, key: bytes) -> bytes:
            verified.append(signed)
            return real(signed, key)

        monkeypatch.setattr(nacl.bindings, "crypto_sign_open", counted)
        charting.open_chart(world.agent, PATIENT, PATIENT)
        assert len(verified) == 1


def test_calls_side_by_side_answer_in_order_and_a_refusal_is_an_answer() -> None:
    def refuse() -> int:
        raise AgentRefused("no-such-person", "a refusal")

    first, second, third = side_by_side([lambda: 1, refuse, lambda: 3])
    assert (first, third) == (1, 3)
    assert isinstance(second, AgentRefused)


def test_calls_side_by_side_wait_for_each_other() -> None:
    meeting = threading.Barrier(MAX_AT_ONCE, timeout=30)  # nobody passes before all are there
    assert len(side_by_side([meeting.wait] * MAX_AT_ONCE)) == MAX_AT_ONCE


def test_what_is_no_refusal_is_raised_from_calls_side_by_side() -> None:
    def broken() -> int:
        raise OSError("the disk")

    with pytest.raises(OSError, match="the disk"):
        side_by_side([broken, broken])


def test_a_command_that_finds_its_node_in_its_own_process_loads_no_http() -> None:
    look = "import sys, salus.cli.session; print([name for name in ('httpx', 'fastapi', 'uvicorn') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
