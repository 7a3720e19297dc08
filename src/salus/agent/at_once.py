"""Several questions to a node at once: what they wait for, they wait for together.

A vault makes the receipts that wait at the same moment durable in one step, and a ledger puts what waits into one block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from salus.errors import SalusError

T = TypeVar("T")

MAX_AT_ONCE = 8


class AtOnce(Protocol):
    """Makes every call and gives the answers in order, each an answer or what was refused; any other error is raised."""

    def __call__(self, calls: Sequence[Callable[[], T]], /) -> list[T | SalusError]:
        """All calls are over when this returns."""


def one_by_one(calls: Sequence[Callable[[], T]], /) -> list[T | SalusError]:
    """One call after the other, so that one schedule gives one history."""
    return [_answer(call) for call in calls]


def side_by_side(calls: Sequence[Callable[[], T]], /) -> list[T | SalusError]:
    """At most `MAX_AT_ONCE` calls at a time, each in a thread."""
    if len(calls) < 2:
        return one_by_one(calls)
    with ThreadPoolExecutor(min(len(calls), MAX_AT_ONCE)) as threads:
        return list(threads.map(_answer, calls))


def _answer(call: Callable[[], T]) -> T | SalusError:
    try:
        return call()
    except SalusError as error:
        return error
