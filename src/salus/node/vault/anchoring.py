"""Anchoring the receipt chains: at most once an interval, only when something changed, and at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable

import lmdb

from salus.errors import SalusError
from salus.ids import MemberId
from salus.ledger.modules.receipts.messages import AnchorReceipts
from salus.ledger.modules.receipts.queries import anchors_made
from salus.ledger.modules.receipts.state import Anchor, anchor_key
from salus.ledger.store import load
from salus.node.engine import Engine
from salus.node.tally import Tally
from salus.node.vault.receipts import Anchored, ReceiptLog
from salus.node.vault.serving import Vault


class Anchoring:
    """A thread that looks once an interval. ``submit`` sends one action, signed by the node key, as a transaction.

    Without ``background`` there is no thread: `anchor` is called by whoever keeps the time.
    """

    def __init__(
        self,
        engine: Engine,
        vault: Vault,
        log: ReceiptLog,
        member: MemberId,
        submit: Callable[[AnchorReceipts], None],
        seconds: int,
        tally: Tally,
        *,
        background: bool = True,
    ) -> None:
        self._engine, self._vault, self._log, self._member, self._submit = engine, vault, log, member, submit
        self._seconds, self._tally = seconds, tally
        self._stopping = threading.Event()
        newest = self._standing()
        if log.next_anchor(0, vault.blind).leaves != (newest.leaves if newest else ()):
            vault.changed.set()  # what a crash left unanchored
        self._thread = threading.Thread(target=self._run, name="anchoring", daemon=True)
        if background:
            self._thread.start()

    def anchor(self) -> None:
        """Anchor all chains now, if any changed since the last anchor. What the ledger refuses is tried again later."""
        if not self._vault.changed.is_set():
            return
        self._vault.changed.clear()
        anchored = self._log.next_anchor(anchors_made(self._engine.state, self._member), self._vault.blind)
        try:
            self._submit(AnchorReceipts(self._member, anchored.number, anchored.root(), len(anchored.leaves)))
            self._log.keep_anchor(anchored)
        except (SalusError, OSError, lmdb.Error):
            self._vault.changed.set()
            return
        self._tally.anchor(self._engine.newest_header().header.time)

    def _standing(self) -> Anchored | None:
        """The newest anchor that was kept, if it is on the ledger: one of a ledger that was lost is forgotten and made anew."""
        newest = self._log.newest_anchor()
        if newest is None:
            return None
        found = load(self._engine.state, anchor_key(self._member, newest.number), Anchor)
        if found is not None and found.root == newest.root():
            return newest
        self._log.forget_anchor()
        return None

    def stop(self) -> None:
        """Anchor what is left, and end the thread."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self.anchor()

    def _run(self) -> None:
        while not self._stopping.wait(self._seconds):
            self.anchor()
