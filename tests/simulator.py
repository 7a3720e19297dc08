"""Simulates a whole network under one seed: people, devices, members, clocks, disks, wires, and all that goes wrong with them.

::

    python tests/simulator.py --seeds 10000 [--from 0] [--jobs 2] [--report]
    python tests/simulator.py --seed 4711                # one seed, with its trace; a failure is made small
    python tests/simulator.py --seed 4711 --steps '[...]'  # exactly these steps

The code is the product's own; `simulation` has the world around it, and the invariants that are looked at after each step. One
seed gives one schedule and one history. Exit 1 when an invariant is broken.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

from simulation.faults import Step, read, written
from simulation.running import Outcome, run
from simulation.schedules import members, schedule
from simulation.shrinking import shrink
from simulation.world import Template

REPORTS = Path(__file__).parents[1] / "docs" / "reports"


_templates: dict[int, Template] = {}


def template(count: int) -> Template:
    """This process's world of so many members to begin with."""
    if count not in _templates:
        _templates[count] = Template(count)
    return _templates[count]


def close_templates() -> None:
    """Delete what there is of them."""
    while _templates:
        _templates.popitem()[1].close()


def simulate(seed: int, steps: list[Step] | None = None, *, calm: bool = True) -> Outcome:
    """The run of a seed, or of other steps under its chance."""
    return run(template(members(seed)), str(seed), schedule(seed) if steps is None else steps, calm=calm)


def smallest(seed: int, steps: list[Step], outcome: Outcome) -> list[Step]:
    """A small schedule that breaks the same invariant as ``steps`` did."""
    at_rest = outcome.step >= len(steps)
    reached = steps if at_rest else steps[: outcome.step + 1]
    return shrink(reached, lambda fewer: simulate(seed, fewer, calm=at_rest).invariant == outcome.invariant)


@dataclass
class Tally:
    """What many runs came to."""

    seeds: int = 0
    steps: int = 0
    seconds: float = 0.0
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[int, str, list[Step]]] = field(default_factory=list)

    def add(self, seed: int, outcome: Outcome) -> None:
        """One more run."""
        steps = schedule(seed)
        self.seeds, self.steps = self.seeds + 1, self.steps + min(outcome.step, len(steps))
        self.outcomes.update(outcome.counts)
        self.faults.update(fault.what for step in steps for fault in step.faults)
        self.faults.update("interleaved" for step in steps if step.pause)
        if outcome.failure:
            self.failures.append((seed, outcome.failure.splitlines()[0], steps))


def chunk(seeds: range) -> list[tuple[int, Outcome]]:
    """Some seeds, in this process."""
    return [(seed, simulate(seed)) for seed in seeds]


def many(first: int, count: int, jobs: int) -> Iterator[tuple[int, Outcome]]:
    """The runs of ``count`` seeds from ``first`` on, in ``jobs`` processes, in order."""
    for members_of in (1, 2):  # before there are other processes
        template(members_of)
    pieces = [range(at, min(at + 10, first + count)) for at in range(first, first + count, 10)]
    if jobs == 1:
        yield from (one for piece in pieces for one in chunk(piece))
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("fork")) as pool:
        for found in pool.map(chunk, pieces):
            yield from found


def report(tally: Tally, first: int) -> str:
    """A page in Markdown: what was run, how often what happened, what failed."""
    ran = f"Seeds {first} to {first + tally.seeds - 1}: {tally.steps:,} steps in {tally.seconds:,.0f} s"
    lines = [
        f"# Simulation of {datetime.now(UTC):%Y-%m-%d}",
        "",
        f"{ran} on {os.cpu_count()} cores, {processor()}, Python {platform.python_version()}.",
        f"Broken invariants: {len(tally.failures)}.",
        "",
        *(f"- seed {seed}: {failure}" for seed, failure, _ in tally.failures),
        "",
        "| What went wrong on purpose | Times |",
        "|---|---:|",
        *(f"| {what} | {times:,} |" for what, times in sorted(tally.faults.items())),
        "",
        "| Act | done | refused, killed or cut off |",
        "|---|---:|---:|",
    ]
    for act in sorted({act for act, _ in tally.outcomes}):
        done = tally.outcomes[act, "ok"]
        others = sum(times for (name, how), times in tally.outcomes.items() if name == act and how != "ok")
        lines.append(f"| {act} | {done:,} | {others:,} |")
    return "\n".join(lines) + "\n"


def keep(text: str) -> None:
    """Write today's report; the table of planted bugs that it has stays."""
    path = REPORTS / f"simulate-{datetime.now(UTC):%Y-%m-%d}.md"
    REPORTS.mkdir(exist_ok=True)
    _, heading, table = path.read_text("utf-8").partition("## Planted bugs") if path.exists() else ("", "", "")
    path.write_text(text + (f"\n{heading}{table}" if heading else ""), "utf-8")


def processor() -> str:
    """The processor's name, as the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def one(seed: int, steps: list[Step] | None) -> int:
    """Run one seed, and show it."""
    outcome = simulate(seed, steps)
    print("\n".join(outcome.trace))
    if not outcome.failure:
        return 0
    print(f"\nBROKEN at step {outcome.step}: {outcome.failure}")
    if steps is None:
        show_small(seed, schedule(seed), outcome)
    return 1


def show_small(seed: int, steps: list[Step], outcome: Outcome) -> None:
    """Print the smallest schedule that breaks the same, and how to replay it."""
    small = smallest(seed, steps, outcome)
    print(f"\nseed {seed}, smallest schedule ({len(small)} steps):")
    print("\n".join(f"  {step}" for step in small))
    print(f"python tests/simulator.py --seed {seed} --steps '{written(small)}'", flush=True)


def hunt(first: int, seeds: int, expected: list[str]) -> int:
    """Until something is found that says one of ``expected``; what else is found before is told, and passed over."""
    for number, seed in enumerate(range(first, first + seeds), 1):
        failure = simulate(seed).failure
        if not failure:
            continue
        found = failure.splitlines()[0]
        if any(text in found for text in expected):
            print(f"FOUND after {number} seeds: {found}")
            return 1
        print(f"PASSED OVER, seed {seed}: {found}", flush=True)
    return 0


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Simulate a network under seeds.")
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--steps", type=read)
    parser.add_argument("--report", action="store_true", help="keep the report, dated, in docs/reports/")
    parser.add_argument(
        "--hunt", nargs="+", metavar="TEXT", help="stop where what is broken says so, and tell after how many seeds"
    )
    asked = parser.parse_args()
    if asked.seed is not None:
        return one(asked.seed, asked.steps)
    if asked.hunt:
        return hunt(asked.first, asked.seeds, asked.hunt)
    tally, began = Tally(), time.monotonic()
    for seed, outcome in many(asked.first, asked.seeds, asked.jobs):
        tally.add(seed, outcome)
        if outcome.failure:
            print(f"seed {seed} BROKEN at step {outcome.step}: {outcome.failure}", flush=True)
            show_small(seed, schedule(seed), outcome)
        if tally.seeds % 200 == 0:
            print(f"{tally.seeds} seeds, {len(tally.failures)} broken, {time.monotonic() - began:.0f} s", flush=True)
    tally.seconds = time.monotonic() - began
    text = report(tally, asked.first)
    print(text)
    if asked.report:
        keep(text)
    return 1 if tally.failures else 0


if __name__ == "__main__":
    try:
        status = main()
    finally:
        close_templates()
    sys.exit(status)
