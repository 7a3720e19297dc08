"""What execution reads and writes: ordered keys, and overlays that commit or vanish."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Protocol, TypeVar

from salus.codec import Record, decode

R = TypeVar("R", bound=Record)

_LEAF_LIMIT = 262_144


class Reader(Protocol):
    """Committed state, as a database or a dictionary holds it."""

    def get(self, key: bytes) -> bytes | None:
        """The value, or None."""

    def keys(self, first: bytes, last: bytes) -> Iterator[bytes]:
        """Keys from ``first`` up to but without ``last``, in order."""


class MemoryStore:
    """State in a dictionary, its keys in order: for tests and for replay in memory."""

    def __init__(self) -> None:
        self._data: dict[bytes, bytes] = {}
        self._order: list[bytes] = []

    def get(self, key: bytes) -> bytes | None:
        """The value, or None."""
        return self._data.get(key)

    def keys(self, first: bytes, last: bytes) -> Iterator[bytes]:
        """Keys in order, as of now; a narrow range costs little, however large the state is."""
        return iter(self._order[bisect_left(self._order, first) : bisect_left(self._order, last)])

    def apply(self, changes: dict[bytes, bytes | None]) -> None:
        """Set, or remove where the value is None."""
        for key, value in changes.items():
            if value is not None:
                if key not in self._data:
                    insort(self._order, key)
                self._data[key] = value
            elif self._data.pop(key, None) is not None:
                del self._order[bisect_left(self._order, key)]


class Overlay:
    """Changes on top of a reader; nothing below is touched until `fold_into` hands them down."""

    def __init__(self, below: Reader) -> None:
        self._below = below
        self._ordered: list[bytes] | None = None  # the changed keys in order, from the first time that somebody asks for a range
        self.changes: dict[bytes, bytes | None] = {}

    def get(self, key: bytes) -> bytes | None:
        """The value as it stands here."""
        return self.changes[key] if key in self.changes else self._below.get(key)

    def keys(self, first: bytes, last: bytes) -> Iterator[bytes]:
        """Keys as they stand here, in order."""
        if self._ordered is None:
            self._ordered = sorted(self.changes)
        begin = bisect_left(self._ordered, first)
        end = bisect_left(self._ordered, last, begin)
        there = self._below.keys(first, last)
        if begin == end:
            return there
        standing = [key for key in self._ordered[begin:end] if self.changes[key] is not None]
        return iter(sorted([*(key for key in there if key not in self.changes), *standing]))

    def put(self, key: bytes, value: bytes) -> None:
        """Set a value."""
        self._change(key, value)

    def remove(self, key: bytes) -> None:
        """Remove a key."""
        self._change(key, None)

    def fold_into(self, below: Overlay) -> None:
        """Hand all changes down to the overlay that this one stands on."""
        for key, value in self.changes.items():
            below._change(key, value)

    def _change(self, key: bytes, value: bytes | None) -> None:
        if self._ordered is not None and key not in self.changes:
            insort(self._ordered, key)
        self.changes[key] = value


def load(reader: Reader, key: bytes, shape: type[R]) -> R | None:
    """The record under ``key``, or None."""
    value = reader.get(key)
    return None if value is None else decode(value, shape, limit=_LEAF_LIMIT)
