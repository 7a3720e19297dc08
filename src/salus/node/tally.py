"""What a node counts since its start: plain numbers, without any id, name or address."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

#: Upper bounds of the histogram of answers' times, in seconds; what took longer is in the last bucket.
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass
class Times:
    """How long a route's answers took: a count for each bound and one above them, and their sum in seconds."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0


class Tally:
    """Counters. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.blocks = self.receipts = self.anchors = self.restarts = 0
        self.anchored_at = 0  # ms; 0: not since the start
        self.transactions: Counter[str] = Counter()  # by full code, "applied" for none
        self.requests: Counter[tuple[str, str, str]] = Counter()  # by method, route template, status class
        self.refusals: Counter[str] = Counter()  # by full code
        self.times: dict[str, Times] = {}

    def block(self, refusals: list[str]) -> None:
        """A block was made; ``refusals`` has a full code, or "", for each of its transactions."""
        with self._lock:
            self.blocks += 1
            self.transactions.update(code or "applied" for code in refusals)

    def receipt(self) -> None:
        """A receipt was written."""
        with self._lock:
            self.receipts += 1

    def anchor(self, now: int) -> None:
        """The receipt chains were anchored at ``now`` (ms)."""
        with self._lock:
            self.anchors += 1
            self.anchored_at = now

    def request(self, method: str, route: str, status: int, seconds: float, code: str) -> None:
        """A request was answered; ``route`` is a template, ``code`` the full code of its refusal or ""."""
        with self._lock:
            self.requests[method, route, f"{status // 100}xx"] += 1
            times = self.times.setdefault(route, Times())
            times.buckets[bisect_left(BOUNDS, seconds)] += 1
            times.total += seconds
            if code:
                self.refusals[code] += 1
