"""Pruning: a node that need not keep every block moves up where its chain begins, to a snapshot that it has made itself.

Nothing is deleted here. Once the base is moved, a chain is whole from there, and the ledger's database lets go of what lies below
with the blocks that come; so whenever a node is killed, its chain is whole from the old base or from the new one.
"""

from __future__ import annotations

import logging

from salus.node.ledger_store import LedgerStore
from salus.node.snapshots import Snapshots

_LOG = logging.getLogger("salus.node")


class Pruning:
    """Over the chain in ``store``: it keeps ``keep`` blocks at least, and about twice as many at most; 0: all."""

    def __init__(self, snapshots: Snapshots, store: LedgerStore, keep: int) -> None:
        self._snapshots, self._store, self._keep = snapshots, store, keep

    def move(self, height: int) -> bool:
        """Now that the block at ``height`` is here, move the base to the next snapshot, if that is far enough below; whether so.

        Only to one whose chunks come to the state that the header behind it stands over, which was voted for: from then on it is
        all that is left of what came before. One that does not is deleted, and a later one takes its place.
        """
        base = self._store.base()
        found = self._snapshots.after(base)
        if not self._keep or not base < found <= height - self._keep:
            return False
        behind = self._store.header(found + 1)
        if behind is None:
            return False
        state = self._snapshots.base(found)
        if state is None or state.snapshot.root != behind.header.state:
            _LOG.warning("the snapshot of block %d does not check, and goes; the chain still begins with block %d", found, base)
            self._snapshots.forget(found)
            return False
        self._store.move_base(found)
        _LOG.info("the chain begins with block %d from now on; those below it go", found)
        return True
