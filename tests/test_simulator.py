"""The simulated network holds its invariants under two hundred seeds; a seed is one history; what fails is made small."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

import simulator
from simulation.faults import Fault, Step, read, written
from simulation.schedules import members, schedule
from simulation.shrinking import shrink

SEEDS, CHUNK = 200, 20
REFUSED_REMOVAL = (
    ("ann", "grant", 1875909083),  # Ada may write from now on
    ("ann2", "remove", 1),
    ("ann", "remove", 1),
    ("ada", "letters", 1),
    ("ann", "add", 1),
    ("ada", "note", 751428852),
)
LEAK = [Step("ann", "grant", 1), Step("ada", "letters", 2), Step("ann", "add", 3, (Fault("lost", 4),)), Step("ben", "sync", 4)]


@pytest.fixture(scope="module", autouse=True)
def template() -> Iterator[None]:
    """The world that every run begins with."""
    yield
    simulator.close_templates()


@pytest.fixture(scope="module")
def chunks() -> Iterator[list[Future[list[tuple[int, simulator.Outcome]]]]]:
    """All seeds, under way in two processes."""
    for count in (1, 2):
        simulator.template(count)
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        yield [pool.submit(simulator.chunk, range(at, at + CHUNK)) for at in range(0, SEEDS, CHUNK)]


@pytest.mark.parametrize("number", range(SEEDS // CHUNK))
def test_every_invariant_holds_after_each_step(chunks: list[Future[list[tuple[int, simulator.Outcome]]]], number: int) -> None:
    failures = [
        f"seed {seed}, step {outcome.step}: {outcome.failure}" for seed, outcome in chunks[number].result() if outcome.failure
    ]
    assert failures == []


def test_what_is_simulated_happens() -> None:
    """A schedule in which nothing is done, or nothing goes wrong, would show nothing."""
    tally = simulator.Tally()
    for seed in range(12):
        tally.add(seed, simulator.simulate(seed))
    done = {act for act, how in tally.outcomes if how == "ok"}
    assert done >= {"grant", "letters", "chart", "revoke", "add"}
    assert sum(tally.faults.values()) > 20


@pytest.mark.parametrize(("trouble", "code"), [("part", "node/peer-unreachable"), ("forge", "node/bad-block")])
def test_two_members_that_are_apart_or_deceived_come_to_the_same_blocks(trouble: str, code: str) -> None:
    """A home of the second member's cannot go on meanwhile, and everything holds at rest."""
    assert members(2) == 2
    outcome = simulator.simulate(2, [Step("ann", trouble, 1), Step("ben", "add", 2), Step("ben", "grant", 3)])
    assert outcome.failure == ""
    assert any(code in line for line in outcome.trace)


def test_a_device_that_was_taken_off_takes_nobody_off() -> None:
    """Its wish to take the other one off is refused: the other one opens what comes, and that breaks nothing."""
    steps = [Step(home, act, pick) for home, act, pick in REFUSED_REMOVAL]
    outcome = simulator.simulate(448, steps)
    assert outcome.failure == ""
    assert outcome.counts == {
        ("grant", "ok"): 1,
        ("remove", "ok"): 1,
        ("remove", "agent/device-taken-off"): 1,
        ("letters", "ok"): 1,
        ("add", "agent/no-epoch-key"): 1,
        ("note", "ok"): 1,
    }


def test_one_seed_is_one_history_whatever_the_process() -> None:
    """The same steps, the same calls, the same refusals, in the same order."""
    shown = [
        subprocess.run([sys.executable, simulator.__file__, "--seed", "9"], capture_output=True, text=True, env=env)
        for env in environments()
    ]
    assert shown[0].stdout == shown[1].stdout
    assert shown[0].stdout.splitlines() == simulator.simulate(9).trace


def environments() -> list[dict[str, str]]:
    """Two processes that order sets in different ways."""
    return [{"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(path for path in sys.path if path)} for seed in ("1", "2")]


def test_a_schedule_survives_being_written_down() -> None:
    assert read(written(schedule(3))) == schedule(3)


@pytest.mark.parametrize(
    ("fails", "left"),
    [
        (lambda steps: any(step.home == "ada" for step in steps), [Step("ada", "letters", 2)]),
        (lambda steps: {"grant", "sync"} <= {step.act for step in steps}, [Step("ann", "grant", 1), Step("ben", "sync", 4)]),
        (lambda steps: any(step.act == "add" for step in steps), [Step("ann", "add", 3)]),
    ],
)
def test_what_fails_is_made_as_small_as_it_can_be(fails: Callable[[list[Step]], bool], left: list[Step]) -> None:
    assert shrink(LEAK, fails) == left


def test_each_planted_bug_fits_the_source() -> None:
    """`make planted` demands that each is found; here it is only seen that its patch still fits."""
    root = Path(__file__).parents[1]
    for entry in tomllib.loads((root / "tests" / "planted.toml").read_text("utf-8"))["planted"]:
        assert (root / "src" / entry["file"]).read_text("utf-8").count(entry["find"]) == 1, entry["what"]
