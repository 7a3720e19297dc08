"""What others may read of the anchors."""

from __future__ import annotations

from salus.ledger.modules.receipts.state import AnchorCount, anchor_count_key
from salus.ledger.store import Reader, load


def anchors_made(reader: Reader, vault: bytes) -> int:
    """How many anchors ``vault`` has made: the number of the next one."""
    found = load(reader, anchor_count_key(vault), AnchorCount)
    return 0 if found is None else found.count
