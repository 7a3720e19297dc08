"""What a patient of this home was ordered, and what came of it: kept on each device of the owner."""

from __future__ import annotations

from salus.codec import Record
from salus.exchange.ordering import OrderedLetter, ResultLetter
from salus.ids import Count


class OwnOrder(Record, frozen=True, tag="own-order"):
    """An order that one was told of (ms)."""

    letter: OrderedLetter
    came: Count


class OwnResult(Record, frozen=True, tag="own-result"):
    """A report that came (ms)."""

    letter: ResultLetter
    came: Count


class Unfiled(Record, frozen=True, tag="unfiled"):
    """A report that is not in the chart yet, by order and number; gone when it is. What is for the own eyes alone has none."""

    since: Count


def result_key(letter: ResultLetter) -> bytes:
    """Under which a report is kept: its order, and its number."""
    return letter.order.order + letter.report.number.to_bytes(1, "big")
