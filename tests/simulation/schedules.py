"""Schedules by chance: which home does what, and what goes wrong."""

from __future__ import annotations

from random import Random

from simulation.acts import CLINIC_DOES, OWNERS_DO, READERS_DO
from simulation.faults import AGAIN, CALLS, KILLED_WRITING, KILLS, LATE, LIE, POWER_CUT, Fault, Step
from simulation.world import OWNERS, PEOPLE

LENGTH = 14
MACHINES = {
    "wait": 8,
    "restart": 2,
    "power-cut": 2,
    "home-power-cut": 1,
    "cut-off": 2,
    "skew": 1,
    "anchor": 3,
    "repeat": 2,
    "greedy": 2,
}
TWINS = {"ann": "ann2", "ann2": "ann"}
BEGIN = ("ann grant", "ann grant", "ben grant", "ada letters", "bo letters", "clinic letters", "clinic take_on", "ann add")


def schedule(seed: int) -> list[Step]:
    """The schedule of a seed: grants that arrive first, so that there is something to be read; then whatever comes."""
    chance = Random(f"schedule {seed}")
    trouble = chance.choice((0.0, 0.2, 0.4, 0.6))
    begin = [Step(*line.split(), chance.getrandbits(31)) for line in BEGIN]
    steps = begin
    while len(steps) < len(BEGIN) + LENGTH:
        steps.append(_step(chance, trouble, steps[-1]))
    return steps


def _step(chance: Random, trouble: float, before: Step) -> Step:
    pick = chance.getrandbits(31)
    if before.act == "remove" and chance.random() < 0.7:
        return Step(before.home, "add", pick)  # which the device that was taken off must not open
    if before.home in TWINS and (before.pause or before.faults) and chance.random() < 0.5:
        return Step(TWINS[before.home], chance.choice(("rotate", "grant", "revoke", "erase")), pick)  # while the other one hangs
    if chance.random() < 0.25:
        act = _weighted(chance, MACHINES)
        return Step(chance.choice((*PEOPLE, "node")) if act == "skew" else chance.choice(tuple(PEOPLE)), act, pick)
    home = chance.choice(("ann", "ann", "ann2", "ben", "ben", "ada", "ada", "bo", "clinic", "clinic"))
    acts = {act.__name__: weight for act, weight in (OWNERS_DO if home in OWNERS else READERS_DO).items()}
    if home == "clinic":
        acts |= {act.__name__: weight for act, weight in CLINIC_DOES.items()}
    if home in ("ann", "ann2"):
        acts["remove"] = 3
    act = _weighted(chance, acts)
    faults = tuple(_fault(chance) for _ in range(chance.choice((1, 1, 2)))) if chance.random() < trouble else ()
    pause = chance.randrange(1, 30) if chance.random() < trouble / 2 else 0
    return Step(home, act, pick, faults, pause)


def _fault(chance: Random) -> Fault:
    what = chance.choice((*CALLS, *CALLS, *KILLS, KILLED_WRITING, POWER_CUT, POWER_CUT, LIE, LIE))
    at = int(chance.expovariate(1 / (6 if what in (POWER_CUT, KILLED_WRITING, LIE) else 12))) + 1
    return Fault(what, at, chance.randrange(1, 8) if what in (LATE, AGAIN) else chance.randrange(64) if what == LIE else 0)


def _weighted(chance: Random, weights: dict[str, int]) -> str:
    return chance.choices(list(weights), list(weights.values()))[0]
