"""Erasing: what the ledger has buried leaves the disk, after its block and before anything is served after a start."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from salus.ledger.modules.sections.state import TOMBSTONES
from salus.ledger.store import Reader
from salus.node.operating.looking import buried, is_buried
from salus.node.vault.blobs import Blobs


class Erasing:
    """``alone`` keeps submissions that name a blob out while it is looked at and deleted."""

    def __init__(self, blobs: Blobs, alone: Callable[[set[bytes]], AbstractContextManager[None]]) -> None:
        self._blobs, self._alone = blobs, alone
        self._due: set[bytes] = set()
        self._noting, self._deleting = threading.Lock(), threading.Lock()

    def notice(self, changes: Mapping[bytes, bytes | None]) -> None:
        """Take from a block's changes which blobs were buried; neither waits nor raises."""
        found = {key[len(TOMBSTONES) : len(TOMBSTONES) + 32] for key in changes if key.startswith(TOMBSTONES)}
        with self._noting:
            self._due |= found

    def everything(self, state: Reader) -> None:
        """Delete whatever the ledger has ever buried: a disk that came back from a backup may hold it again."""
        for blob in buried(state):
            self._blobs.remove(blob)

    def catch_up(self, state: Reader) -> None:
        """Delete what was noticed; when this returns, what was noticed before it was called is gone.

        A disk that refuses raises nothing here: the block stands, and the blob goes with the next block or the next start.
        """
        with self._deleting:
            with self._noting:
                due = sorted(self._due)
            for blob in due:
                with self._alone({blob}):
                    if not is_buried(state, blob) or self._gone(blob):
                        with self._noting:
                            self._due.discard(blob)

    def _gone(self, blob: bytes) -> bool:
        try:
            self._blobs.remove(blob)
        except OSError:
            return False
        return True
