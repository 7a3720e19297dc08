"""From a schedule that fails to a small one that fails in the same way: steps are left out, then faults."""

from __future__ import annotations

from collections.abc import Callable

from simulation.faults import Step, simpler

Fails = Callable[[list[Step]], bool]


def shrink(steps: list[Step], fails: Fails, most: int = 300) -> list[Step]:
    """A part of ``steps`` that still ``fails``, and of which no step or fault can be left out; tried at most ``most`` times."""
    left = [most]

    def still(candidate: list[Step]) -> bool:
        left[0] -= 1
        return left[0] >= 0 and fails(candidate)

    steps = _without_steps(list(steps), still)
    changed = True
    while changed and left[0] > 0:
        changed = False
        for index, step in enumerate(steps):
            for other in simpler(step):
                candidate = [*steps[:index], other, *steps[index + 1 :]]
                if still(candidate):
                    steps, changed = candidate, True
                    break
    return steps


def _without_steps(steps: list[Step], still: Fails) -> list[Step]:
    """Delta debugging (Zeller and Hildebrandt, 2002): ever smaller pieces are left out."""
    size = max(1, len(steps) // 2)
    while True:
        at, removed = 0, False
        while at < len(steps):
            candidate = steps[:at] + steps[at + size :]
            if still(candidate):
                steps, removed = candidate, True
            else:
                at += size
        if size == 1 and not removed:
            return steps
        size = max(1, size // 2) if not removed or size > 1 else 1
