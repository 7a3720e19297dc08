"""What a look at the inbox says first, each time until it is done."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Urgent:
    """Something that stays until it is done: ``about`` a prescription or an order, since (ms), in words that say what to do."""

    about: str
    since: int
    text: str
