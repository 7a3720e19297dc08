"""The vault's receipt chains: one a section, durable before anything is served; they are the replay memory as well."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec

from salus.codec import Record, decode, encode
from salus.errors import WarrantRefused
from salus.ids import Bytes32, Count
from salus.ledger.listtree import list_proof, list_root
from salus.node.tables import Tables
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


class ReceiptLog:
    """Chains by section, in a durable database."""

    def __init__(self, folder: Path, *, reading: bool = False) -> None:
        self._tables = Tables(folder, ("receipts", "chains", "seen", "times", "anchors"), reading=reading)

    def append(self, section: bytes, sealed: bytes, request: bytes, now: int, window: int) -> StoredReceipt:
        """Add a receipt, durably. ``request`` seen within the last ``window`` ms is refused: `WarrantRefused` ``replayed``."""
        with self._tables.writing() as write:
            if write.get("seen", request) is not None:
                raise WarrantRefused("replayed", "this request was served before")
            chain = _chain(write.get("chains", section))
            head = next_head(chain.head, sealed)
            stored = StoredReceipt(chain.count, head, sealed)
            write.put("receipts", section + chain.count.to_bytes(8, "big"), encode(stored))
            write.put("chains", section, encode(_Chain(head, chain.count + 1)))
            write.put("seen", request, b"")
            write.put("times", now.to_bytes(8, "big") + request, b"")
            for key, _ in self._tables.range("times", b"", max(0, now - 2 * window).to_bytes(8, "big"), 16):
                write.drop("times", key)
                write.drop("seen", key[8:])
        return stored

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
