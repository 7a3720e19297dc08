"""How often a node begins again with its engine when that has ended: a few times, each after a longer pause."""

from __future__ import annotations

import time
from collections.abc import Callable

MOST, WITHIN = 5, 600.0  # times, in so many seconds
PAUSE = 1.0  # seconds before the first; twice as many before each further one


class Restarts:
    """Counts. ``clock`` gives seconds that never go back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._times = clock, list[float]()
        self.count = 0  # in all

    def pause(self) -> float | None:
        """Seconds to wait before the node begins again; None where it has done so too often."""
        now = self._clock()
        self._times = [then for then in self._times if now - then < WITHIN]
        if len(self._times) >= MOST:
            return None
        self._times.append(now)
        self.count += 1
        return float(PAUSE * 2 ** (len(self._times) - 1))
