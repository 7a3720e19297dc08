"""Steps and their faults: what one line of a schedule says. Plain values, so that a schedule can be printed and replayed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

#: What can go wrong with the ``at``-th call of a step to the node.
LOST, UNANSWERED, LATE, AGAIN, TWICE = "lost", "unanswered", "late", "again", "twice"
#: The machine of the home stops before or after the ``at``-th call, before its ``at``-th letter, at its ``at``-th durable write.
KILLED, KILLED_AFTER, KILLED_POSTING, KILLED_WRITING = "killed", "killed-after", "killed-posting", "killed-writing"
#: The node's machine stops at its ``at``-th durable write within the step.
POWER_CUT = "power-cut"
#: The node lies in its ``at``-th answer that can be lied in.
LIE = "lie"
#: The node's vault has kept what it was to erase, and gives every entry of the step as it was sealed first.
STALE = "stale"

#: The calls that tell others of something that was done.
SENDING = ("submit", "drop")

CALLS = (LOST, UNANSWERED, LATE, AGAIN, TWICE)
KILLS = (KILLED, KILLED_AFTER, KILLED_POSTING, KILLED_WRITING)


@dataclass(frozen=True)
class Fault:
    """``what`` happens ``at`` which occasion of its step (from 1; -n: at its n-th submission or letter).

    ``more``: how many steps later, or which lie.
    """

    what: str
    at: int
    more: int = 0


@dataclass(frozen=True)
class Step:
    """``home`` does ``act``; ``pick`` decides what is left open.

    ``pause``: it stops after so many calls (-n: right before its n-th submission or letter), and others go on.
    """

    home: str
    act: str
    pick: int = 0
    faults: tuple[Fault, ...] = ()
    pause: int = 0

    def __str__(self) -> str:
        faults = "".join(f" {fault.what}@{fault.at}{f'+{fault.more}' if fault.more else ''}" for fault in self.faults)
        return f"{self.home} {self.act} #{self.pick}{faults}{f' pause@{self.pause}' if self.pause else ''}"


def written(steps: list[Step]) -> str:
    """The schedule as one line."""
    return json.dumps([asdict(step) for step in steps], separators=(",", ":"))


def read(text: str) -> list[Step]:
    """What `written` wrote."""
    rows = json.loads(text)
    return [Step(**{**row, "faults": tuple(Fault(**fault) for fault in row["faults"])}) for row in rows]


def simpler(step: Step) -> list[Step]:
    """The step with one thing less going wrong, each way."""
    fewer = [replace(step, faults=step.faults[:i] + step.faults[i + 1 :]) for i in range(len(step.faults))]
    return [*fewer, *([replace(step, pause=0)] if step.pause else [])]
