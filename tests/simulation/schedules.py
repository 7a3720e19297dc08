"""Schedules by chance: which home does what, and what goes wrong; now and then a scene, which chance alone would rarely write."""

from __future__ import annotations

from random import Random

from simulation.acts import CLINIC_DOES, OWNERS_DO, READERS_DO
from simulation.faults import (
    AGAIN,
    CALLS,
    KILLED,
    KILLED_AFTER,
    KILLED_POSTING,
    KILLED_WRITING,
    KILLS,
    LATE,
    LIE,
    LOST,
    POWER_CUT,
    STALE,
    UNANSWERED,
    Fault,
    Step,
)
from simulation.world import OWNERS, PEOPLE, READERS

LENGTH = 14
SCENE = 0.12  # how often a scene begins where a step would stand
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
RACING = ("rotate", "grant", "revoke", "erase")
BETWEEN = {"part": 4, "forge": 2, "power-cut": 2}  # of two members
TWINS = {"ann": "ann2", "ann2": "ann"}
BEGIN = ("ann grant", "ann grant", "ben grant", "ada letters", "bo letters", "clinic letters", "clinic take_on", "ann add")


def members(seed: int) -> int:
    """How many members the network of a seed has: every third seed's has two."""
    return 2 if seed % 3 == 2 else 1


def schedule(seed: int) -> list[Step]:
    """The schedule of a seed: grants that arrive first, so that there is something to be read; then whatever comes."""
    chance = Random(f"schedule {seed}")
    trouble = chance.choice((0.0, 0.2, 0.4, 0.6))
    steps = [Step(*line.split(), chance.getrandbits(31)) for line in BEGIN]
    while len(steps) < len(BEGIN) + LENGTH:
        steps += chance.choice(SCENES)(chance) if chance.random() < SCENE else [_step(chance, trouble)]
        if members(seed) > 1 and chance.random() < trouble / 3:
            steps.append(Step(chance.choice(tuple(PEOPLE)), _weighted(chance, BETWEEN), chance.getrandbits(31)))
    return steps


def _step(chance: Random, trouble: float) -> Step:
    pick = chance.getrandbits(31)
    if chance.random() < 0.25:
        act = _weighted(chance, MACHINES)
        return Step(chance.choice((*PEOPLE, "node")) if act == "skew" else chance.choice(tuple(PEOPLE)), act, pick)
    home = chance.choice(("ann", "ann", "ann2", "ben", "ben", "ada", "ada", "bo", "clinic", "clinic"))
    acts = {act.__name__: weight for act, weight in (OWNERS_DO if home in OWNERS else READERS_DO).items()}
    if home == "clinic":
        acts |= {act.__name__: weight for act, weight in CLINIC_DOES.items()}
    if home in TWINS:
        acts["remove"] = 1
    act = _weighted(chance, acts)
    faults = tuple(_fault(chance) for _ in range(chance.choice((1, 1, 2)))) if chance.random() < trouble else ()
    pause = chance.choice((chance.randrange(1, 30), -chance.randrange(1, 4))) if chance.random() < trouble / 2 else 0
    return Step(home, act, pick, faults, pause)


def _fault(chance: Random) -> Fault:
    what = chance.choice((*CALLS, *CALLS, *KILLS, KILLED_WRITING, POWER_CUT, POWER_CUT, LIE, LIE))
    at = int(chance.expovariate(1 / (6 if what in (POWER_CUT, KILLED_WRITING, LIE) else 12))) + 1
    return Fault(what, at, chance.randrange(1, 8) if what in (LATE, AGAIN) else chance.randrange(64) if what == LIE else 0)


def _weighted(chance: Random, weights: dict[str, int]) -> str:
    return chance.choices(list(weights), list(weights.values()))[0]


def race(chance: Random) -> list[Step]:
    """One device hangs right before it sends; the other one does something meanwhile, mostly the same; the first goes on."""
    one, act, pick = chance.choice(tuple(TWINS)), chance.choice(RACING), chance.getrandbits(31)
    other = (
        Step(TWINS[one], act, pick) if chance.random() < 0.6 else Step(TWINS[one], chance.choice(RACING), chance.getrandbits(31))
    )
    return [Step(one, act, pick, pause=-chance.choice((1, 1, 1, 2, 3))), other, Step(one, "sync", chance.getrandbits(31))]


def broken_off(chance: Random) -> list[Step]:
    """What is sent in the middle of an act is lost, or its answer is, or the home stops there; what was begun goes on later."""
    home = chance.choice(tuple(OWNERS))
    where = -chance.randrange(1, 5)
    fault = chance.choice((*(Fault(what, where) for what in (LOST, UNANSWERED, KILLED, KILLED_AFTER)), Fault(KILLED_POSTING, 1)))
    return [Step(home, chance.choice(("add", "grant", "grant", "revoke", "erase")), chance.getrandbits(31), (fault,))]


def half_ended(chance: Random) -> list[Step]:
    """The device that ends a grant stops when the ledger has it, and has told nobody; the other one goes on with the section."""
    one, chosen = chance.choice(tuple(TWINS)), chance.getrandbits(31)
    ending = Step(one, "revoke", chance.getrandbits(31), (Fault(KILLED_AFTER, -1),))
    after = [Step(TWINS[one], act, chance.getrandbits(31)) for act in ("rotate", "add", "add")]
    return [Step(one, "grant", chosen), ending, *after]


def taken_off(chance: Random) -> list[Step]:
    """A device is taken off; what comes then it must not open."""
    home = chance.choice(tuple(TWINS))
    return [Step(home, act, chance.getrandbits(31)) for act in ("remove", "add")]


def kept(chance: Random) -> list[Step]:
    """A resource comes twice, and is erased; the vault has kept what it was to erase, and gives it to whoever reads next."""
    home, pick = chance.choice(tuple(OWNERS)), chance.getrandbits(31)
    steps = [Step(home, act, pick) for act in ("add", "add", "erase")]
    readers = (TWINS.get(home, home), *READERS)
    return steps + [Step(reader, "chart", chance.getrandbits(31), (Fault(STALE, 1),)) for reader in readers]


def at_rest(chance: Random) -> list[Step]:
    """A grant that ends soon; its end passes while nobody makes a block, and then its owner wants something."""
    home = chance.choice(tuple(OWNERS))
    acts = ("grant", "grant", "wait", chance.choice(("add", "grant", "revoke", "rotate", "erase")))
    return [Step(home, act, chance.getrandbits(31)) for act in acts]


SCENES = (race, half_ended, broken_off, broken_off, taken_off, kept, at_rest)
