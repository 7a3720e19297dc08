"""The port to whatever orders blocks: the node's rooms stand on this, not on one engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from salus.ids import Height
from salus.ledger.genesis import Genesis
from salus.ledger.header import ProvenHeader, TxResult
from salus.ledger.store import Reader
from salus.ledger.verifying import StateAnswer
from salus.node.ledger_store import StoredBlock


@dataclass(frozen=True)
class Outcome:
    """What became of a transaction."""

    height: Height
    result: TxResult


#: Told of each block once it is durable: its results, and the changes that it made to the state. Must neither wait nor raise.
Committed = Callable[[tuple[TxResult, ...], Mapping[bytes, bytes | None]], None]


class Engine(Protocol):
    """Every method may be called from any thread."""

    genesis: Genesis

    def submit(self, data: bytes, blobs: tuple[bytes, ...] = ()) -> Outcome:
        """Have one transaction ordered and executed; returns when its block is durable here, whatever the result.

        ``blobs`` are those that it anchors, for whoever orders elsewhere; they are durable here already.
        """

    def newest_header(self, *, fresh: bool = False) -> ProvenHeader:
        """The newest header; ``fresh``: let one be made, or asked for, when it is stale."""

    def header(self, height: int) -> ProvenHeader:
        """The header at ``height``; `NodeRefused` ``no-such-height``, or ``pruned`` below where the chain here begins."""

    def block(self, height: int) -> StoredBlock:
        """The block at ``height``; refused as `header`."""

    def base(self) -> int:
        """The height with whose state the chain here begins; 0 where it has all."""

    def result(self, body: bytes) -> Outcome | None:
        """What became of a committed body."""

    def states(self, keys: Sequence[bytes]) -> tuple[StateAnswer, ...]:
        """State by key with proofs, all under one header."""

    @property
    def waiting(self) -> int:
        """About how many transactions wait for their block."""

    @property
    def state(self) -> Reader:
        """The committed state."""

    def stop(self) -> None:
        """Finish what is queued, then stop and close."""
