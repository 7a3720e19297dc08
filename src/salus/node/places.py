"""How much a node takes on at once: places for transactions, shared among sponsors, and room for what is being sent."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from salus.errors import NodeRefused

PLACES = 64  # transactions that are being written or wait for their block
ROOM = 256 * 1024 * 1024  # bytes of requests' bodies that are held at once


class Places:
    """Places for transactions. Every method may be called from any thread.

    A sponsor gets another place while it has fewer than are free. So one alone has up to half of them, two greedy ones a third
    each, and whoever asks for little always finds some: the dynamic thresholds by which switches share their memory among
    ports (Choudhury and Hahne, IEEE/ACM Transactions on Networking 6(2), 1998, with factor 1).
    """

    def __init__(self, places: int = PLACES) -> None:
        self._free, self._lock, self._taken = places, threading.Lock(), Counter[bytes]()

    @contextmanager
    def of(self, sponsor: bytes, *, protects: bool) -> Iterator[None]:
        """A place inside; what ``protects`` rights gets the last one too. `NodeRefused` ``sponsor-busy`` where there is none."""
        with self._lock:
            if self._free <= (0 if protects else self._taken[sponsor]):
                raise NodeRefused("sponsor-busy", "as many of this member's transactions wait as it has places for")
            self._free -= 1
            self._taken[sponsor] += 1
        try:
            yield
        finally:
            with self._lock:
                self._free += 1
                self._taken[sponsor] -= 1


class Room:
    """Room for bodies while they are read and acted on; used by the one thread that reads them."""

    def __init__(self, size: int = ROOM) -> None:
        self._free = size

    @contextmanager
    def held(self) -> Iterator[Callable[[int], None]]:
        """Inside, what is called takes so many more bytes; all are free behind it. `NodeRefused` ``busy`` where none are left."""
        held = 0

        def take(size: int) -> None:
            nonlocal held
            if size > self._free:
                raise NodeRefused("busy", "the node is being sent more than it can hold just now")
            self._free -= size
            held += size

        try:
            yield take
        finally:
            self._free += held
