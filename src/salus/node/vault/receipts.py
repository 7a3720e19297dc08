"""The vault's receipt chains: one a section, durable before anything is served; they are the replay memory as well."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import lmdb
import msgspec

from salus.codec import Record, decode, encode
from salus.errors import WarrantRefused
from salus.ids import Bytes32, Count
from salus.ledger.listtree import list_proof, list_root
from salus.node.tables import Tables, Write
from salus.warrants.receipting import START, anchor_leaf, next_head
from salus.warrants.receipts import AnchorLeaf, StoredReceipt

_LIMIT = 128 * 1024 * 1024  # an anchor of a million sections
_END = b"\xff" * 40


class _Chain(Record, frozen=True, tag="chain"):
    head: Bytes32
    count: Count


class Anchored(Record, frozen=True, tag="anchored"):
    """The newest anchor of this vault: its number and leaves, sorted by blinded section."""

    number: Count
    leaves: Annotated[tuple[AnchorLeaf, ...], msgspec.Meta(max_length=1_000_000)]

    def root(self) -> bytes:
        """What goes on the ledger."""
        return list_root([encode(leaf) for leaf in self.leaves])

    def proof(self, index: int) -> tuple[bytes, ...]:
        """The proof of leaf ``index`` under the root."""
        return list_proof([encode(leaf) for leaf in self.leaves], index)


@dataclass(frozen=True)
class _Waiting:
    """A receipt that waits to be durable: a sealed one of a section, for a request at ``now`` (ms)."""

    section: bytes
    sealed: bytes
    request: bytes
    now: int
    done: Future[StoredReceipt | None] = field(default_factory=Future)


class ReceiptLog:
    """Chains by section, in a durable database. Receipts that wait at the same time share one durable write."""

    def __init__(self, folder: Path, *, reading: bool = False) -> None:
        self._tables = Tables(folder, ("receipts", "chains", "seen", "times", "anchors"), reading=reading)
        self._queueing, self._writing = threading.Lock(), threading.Lock()
        self._waiting: list[_Waiting] = []

    def append(self, section: bytes, sealed: bytes, request: bytes, now: int, window: int) -> StoredReceipt:
        """Add a receipt, durably. ``request`` seen within the last ``window`` ms is refused: `WarrantRefused` ``replayed``.

        Whoever comes to write first writes for all who wait by then; the others find it done.
        """
        own = _Waiting(section, sealed, request, now)
        with self._queueing:
            self._waiting.append(own)
        with self._writing:
            if not own.done.done():
                with self._queueing:
                    batch, self._waiting = self._waiting, []
                self._write(batch, window)
        stored = own.done.result()
        if stored is None:
            raise WarrantRefused("replayed", "this request was served before")
        return stored

    def _write(self, batch: list[_Waiting], window: int) -> None:
        """One durable write for the batch; nothing is told before, and of one that fails all are told."""
        try:
            with self._tables.writing() as write:
                stored = [self._add(write, one) for one in batch]
                self._forget(write, max(0, batch[0].now - 2 * window), 16 * len(batch))
        except BaseException as error:
            for one in batch:
                one.done.set_exception(error)
            if not isinstance(error, (OSError, lmdb.Error)):
                raise
            return
        for one, receipt in zip(batch, stored, strict=True):
            one.done.set_result(receipt)

    def _add(self, write: Write, one: _Waiting) -> StoredReceipt | None:
        """The receipt, added to its chain; None where its request was seen before."""
        if write.get("seen", one.request) is not None:
            return None
        chain = _chain(write.get("chains", one.section))
        head = next_head(chain.head, one.sealed)
        stored = StoredReceipt(chain.count, head, one.sealed)
        write.put("receipts", one.section + chain.count.to_bytes(8, "big"), encode(stored))
        write.put("chains", one.section, encode(_Chain(head, chain.count + 1)))
        write.put("seen", one.request, b"")
        write.put("times", one.now.to_bytes(8, "big") + one.request, b"")
        return stored

    def _forget(self, write: Write, before: int, most: int) -> None:
        """Requests that are too old to be served again need not be remembered."""
        for key, _ in self._tables.range("times", b"", before.to_bytes(8, "big"), most):
            write.drop("times", key)
            write.drop("seen", key[8:])

    def since(self, section: bytes, first: int, most: int = 4096) -> tuple[StoredReceipt, ...]:
        """Receipts from index ``first`` on."""
        rows = self._tables.range("receipts", section + first.to_bytes(8, "big"), section + (2**63).to_bytes(8, "big"), most)
        return tuple(decode(value, StoredReceipt, limit=_LIMIT) for _, value in rows)

    def count(self, section: bytes) -> int:
        """How many receipts the section has."""
        return _chain(self._tables.get("chains", section)).count

    def next_anchor(self, number: int, blind_of: Callable[[bytes], bytes]) -> Anchored:
        """The leaves of all chains as anchor ``number``; ``blind_of`` gives the vault's 32-byte secret for a section."""
        leaves = [anchor_leaf(blind_of(section), section, head, count) for section, head, count in self.heads()]
        return Anchored(number, tuple(sorted(leaves, key=lambda leaf: leaf.blinded)))

    def keep_anchor(self, anchored: Anchored) -> None:
        """Remember the newest anchor that the ledger holds."""
        with self._tables.writing() as write:
            write.put("anchors", b"newest", encode(anchored))

    def forget_anchor(self) -> None:
        """Forget the newest anchor: the ledger does not hold it."""
        with self._tables.writing() as write:
            write.drop("anchors", b"newest")

    def heads(self) -> list[tuple[bytes, bytes, int]]:
        """(section, head, count) of every chain."""
        rows = self._tables.range("chains", b"", _END, 1_000_000)
        return [(section, chain.head, chain.count) for section, chain in ((key, _chain(value)) for key, value in rows)]

    def newest_anchor(self) -> Anchored | None:
        """The newest anchor, or None."""
        value = self._tables.get("anchors", b"newest")
        return None if value is None else decode(value, Anchored, limit=_LIMIT)

    def close(self) -> None:
        """Close the log."""
        self._tables.close()


def _chain(value: bytes | None) -> _Chain:
    return _Chain(START, 0) if value is None else decode(value, _Chain, limit=128)
