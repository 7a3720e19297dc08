"""CometBFT as the node's engine drives it, whatever runs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from salus.exchange.peering import Question
from salus.ledger.lightblock import CommittedHeader
from salus.node.comet.server import AbciServer, Answer


class Runtime(Protocol):
    """CometBFT's process, and what it can be asked. Its silence is `NodeRefused` ``engine-unreachable``."""

    def start(self) -> None:
        """Begin; `NodeRefused` where it ends at once."""

    def stop(self) -> None:
        """End in order."""

    def require_alive(self) -> None:
        """Raise `NodeRefused` ``engine-stopped`` unless the process runs."""

    def names(self, peer: str) -> bool:
        """Whether the configuration names an engine of this id."""

    def broadcast(self, data: bytes) -> str:
        """Hand in a transaction; "" or the full code with which the application refused it."""

    def header(self, height: int | None) -> CommittedHeader:
        """The committed header at ``height``, or the newest."""

    def told(self, question: Question, height: int, page: int) -> bytes:
        """What another member's light client wants to know, as JSON."""


Listen = Callable[[Answer, Callable[[BaseException], None]], AbciServer]
