"""Histories by chance of the care services, each held against a small model that a person could have written down.

``PYTHONPATH=tests python tools/histories.py [N]``: N actions of each module (100,000 when not given), from seeds 0 on. Exit 1
where the ledger did otherwise than the model; the seed is named. Rows of ``tests/sabotage.toml`` show that models notice faults.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import orders_world
import prescriptions_world
import scheduling_world

LENGTH = 1_000  # actions of one history
MODULES: dict[str, Callable[[int, int], list[str]]] = {
    "prescriptions": prescriptions_world.history,
    "scheduling": scheduling_world.history,
    "orders": orders_world.history,
}


def played(name: str, seed: int) -> list[str]:
    """What was wrong in one history of the module."""
    return MODULES[name](seed, LENGTH)


def main() -> int:
    """A line a module."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    wrong = 0
    for name in MODULES:
        began = time.monotonic()
        with ProcessPoolExecutor() as pool:
            found = [one for told in pool.map(partial(played, name), range(-(-count // LENGTH))) for one in told]
        wrong += len(found)
        print(
            f"{name}: {count} actions, {len(found)} otherwise than the model, {time.monotonic() - began:.0f} s",
            *found,
            sep="\n  ",
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
