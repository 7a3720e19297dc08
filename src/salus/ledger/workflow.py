"""Tables of statuses: the one way in which a workflow on the ledger moves, and the one way in which somebody comes too late.

A table says for each status which messages move it, and where to: {status: {message: (status, ...)}}. Where a message may lead
to several, what it says decides. Statuses are FHIR's own codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from salus.errors import LedgerRefused

S = TypeVar("S", bound=StrEnum)

#: What time does, in place of a message.
TIME = "time"

Table = Mapping[S, Mapping[type | str, tuple[S, ...]]]


def require_move(table: Table[S], status: S, message: type | str, to: S) -> S:
    """``to``, where the message may lead there from ``status``; `LedgerRefused` ``is-STATUS`` where it may not.

    So whoever loses a race learns from the code alone what the winner has made of it.
    """
    if to not in table[status].get(message, ()):
        raise LedgerRefused(f"is-{status}", f"somebody was earlier: it is {status}")
    return to


def diagram(table: Table[S], begins: str, first: S) -> str:
    """The table as a Mermaid state diagram. ``begins``: the message that makes the first status."""
    lines = ["stateDiagram-v2", f"    [*] --> {_node(first)}: {begins}"]
    for status, moves in table.items():
        arrows = [(to, _name(message)) for message, reached in moves.items() for to in reached]
        lines += [f"    {_node(status)} --> {_node(to)}: {name}" for to, name in arrows]
        lines += [] if moves else [f"    {_node(status)} --> [*]"]
    return "\n".join(lines)


def _node(status: StrEnum) -> str:
    return status.value.replace("-", "_")


def _name(message: type | str) -> str:
    return message if isinstance(message, str) else message.__name__
