"""Tables of statuses: the one way in which a workflow on the ledger moves, and the one way in which somebody comes too late.

A table says for each status which messages move it, and where to: {status: {message: (status, ...)}}. Where a message may lead
to several, what it says decides. Statuses are FHIR's own codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from salus.errors import SalusError, refusal

S = TypeVar("S", bound=StrEnum)

#: What time does, in place of a message.
TIME = "time"

#: What somebody is told who comes too late, or too early: what the winner has made of it.
CODES = {
    "ready": "ledger/is-ready",
    "requested": "ledger/is-requested",
    "accepted": "ledger/is-accepted",
    "in-progress": "ledger/is-in-progress",
    "on-hold": "ledger/is-on-hold",
    "completed": "ledger/is-completed",
    "stopped": "ledger/is-stopped",
    "cancelled": "ledger/is-cancelled",
    "expired": "ledger/is-expired",
    "waitlist": "ledger/is-waitlist",
    "pending": "ledger/is-pending",
    "booked": "ledger/is-booked",
    "arrived": "ledger/is-arrived",
    "fulfilled": "ledger/is-fulfilled",
    "noshow": "ledger/is-noshow",
    "rejected": "ledger/is-rejected",
    "failed": "ledger/is-failed",
    "acknowledged": "ledger/is-acknowledged",
    "superseded": "ledger/is-superseded",
}

Table = Mapping[S, Mapping[type | str, tuple[S, ...]]]


def require_move(table: Table[S], status: S, message: type | str, to: S) -> S:
    """``to``, where the message may lead there from ``status``; `conflict` where it may not."""
    if to not in table[status].get(message, ()):
        raise conflict(status)
    return to


def conflict(status: StrEnum) -> SalusError:
    """Somebody was earlier, or what was to be moved is not where it was thought to be: one code for each status."""
    return refusal(CODES[status.value], f"it is {status.value}")


def diagram(table: Table[S], begins: Mapping[str, S]) -> str:
    """The table as a Mermaid state diagram. ``begins``: the messages that make something, and in which status."""
    lines = ["stateDiagram-v2", *(f"    [*] --> {_node(first)}: {message}" for message, first in begins.items())]
    for status, moves in table.items():
        arrows = [(to, _name(message)) for message, reached in moves.items() for to in reached]
        lines += [f"    {_node(status)} --> {_node(to)}: {name}" for to, name in arrows]
        lines += [] if moves else [f"    {_node(status)} --> [*]"]
    return "\n".join(lines)


def _node(status: StrEnum) -> str:
    return status.value.replace("-", "_")


def _name(message: type | str) -> str:
    return message if isinstance(message, str) else message.__name__
