"""Two sides of one question, measured in turn in one run, and what is said of their ratio.

A figure alone tells of the machine and of whoever else uses it at that moment; a ratio of two sides that take turns tells of the
program. So each round runs both sides, the first round is dropped (it warms caches up), and the median of the others counts.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

Side = Callable[[], float]  # runs once, and returns the seconds that one unit of its work took


@dataclass(frozen=True)
class Effort:
    """How much is measured: ``rounds`` with the one that is dropped, ``most`` when it counts; ``quick`` only shows that it works.

    At least seven ratios count when a figure is to be believed, and three where a round takes minutes.
    """

    quick: bool
    most: int = 8

    @property
    def rounds(self) -> int:
        """With the one that is dropped."""
        return 3 if self.quick else self.most

    def of(self, whole: int, quick: int) -> int:
        """A size: ``whole`` when it counts, ``quick`` when only the harness is looked at."""
        return quick if self.quick else whole


@dataclass(frozen=True)
class Row:
    """One line of the table. ``ratios`` is empty where nothing was measured, and ``why`` says why.

    ``mark`` begins with ">=" where a ratio of speeds is asked for, with "<=" where one of times is; "" where it is reported only.
    ``unit`` of both sides: "s" for seconds, "B" for bytes.
    """

    what: str
    against: str
    mark: str
    ratios: tuple[float, ...] = ()
    ours: float = 0.0
    theirs: float = 0.0
    why: str = ""
    unit: str = "s"

    @property
    def ratio(self) -> float:
        """The median."""
        return median(self.ratios)

    @property
    def verdict(self) -> str:
        """``hit``, ``missed``, ``reported``, or why it was not measured."""
        if not self.ratios:
            return self.why
        if not self.mark:
            return "reported"
        sign, bound = self.mark.split()
        return "hit" if (self.ratio >= float(bound) if sign == ">=" else self.ratio <= float(bound)) else "missed"


def compare(effort: Effort, what: str, against: str, mark: str, ours: Side, theirs: Side) -> Row:
    """Both sides in turn, beginning with the other one each time; the median of the ratios beside ``mark``."""
    times: list[tuple[float, float]] = []
    for number in range(effort.rounds):
        gc.collect()
        if number % 2:
            late = theirs()
            times.append((ours(), late))
        else:
            early = ours()
            times.append((early, theirs()))
    kept = times[1:]
    speeds = mark.startswith(">=")
    ratios = tuple(theirs / ours if speeds else ours / theirs for ours, theirs in kept)
    return Row(what, against, mark, ratios, median(o for o, _ in kept), median(t for _, t in kept))


def not_installed(what: str, against: str, mark: str, peer: str) -> Row:
    """The line of a question whose other side is not here."""
    return Row(what, against, mark, why=f"not measured: {peer} is not installed")


def timed(act: Callable[[], object], times: int = 1, clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds that one of ``times`` calls of ``act`` took by ``clock``."""
    begun = clock()
    for _ in range(times):
        act()
    return (clock() - begun) / times


def repeated(act: Callable[[], object], times: int = 1, clock: Callable[[], float] = time.perf_counter) -> Side:
    """A side that calls ``act`` so often in a round.

    What neither waits nor has threads is measured by the processor's time, which other people's programs hardly change.
    """
    return lambda: timed(act, times, clock)
