"""The following engine: a member's node that executes, block by block, what the first member's node has ordered.

It believes nothing: every header must be signed and linked, and its roots must come out of executing the block here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

import lmdb

from salus.errors import LedgerRefused, NodeRefused, SalusError
from salus.exchange.api import Submission, TxStatus
from salus.exchange.peering import PeerBlock
from salus.ids import Height, Millis
from salus.ledger.genesis import Genesis
from salus.ledger.header import ProvenHeader
from salus.ledger.machine import Block
from salus.ledger.verifying import require_header, require_linked
from salus.node.chain import Chain
from salus.node.engine import Committed, Outcome
from salus.node.ledger_store import LedgerStore, StoredBlock
from salus.node.replaying import require_same_roots


class Orderer(Protocol):
    """The node that orders blocks, as the follower calls it. Refusals and silence are `SalusError`."""

    def blocks(self, first: int) -> Sequence[PeerBlock]:
        """Blocks from height ``first`` on, as many as come at once."""

    def order(self, submission: Submission) -> TxStatus:
        """Have a transaction ordered that its sponsor has signed."""

    def refresh(self) -> None:
        """Let a block be made when the newest is stale."""


class FollowingEngine(Chain):
    """Looks for blocks every ``seconds`` (None: never by itself), and whenever it is asked for what is newest.

    ``clock`` gives ms since the epoch.
    """

    def __init__(
        self,
        genesis: Genesis,
        store: LedgerStore,
        orderer: Orderer,
        clock: Callable[[], Millis],
        seconds: float | None,
        committed: Committed | None = None,
    ) -> None:
        super().__init__(genesis, store, committed)
        self._orderer, self._clock, self._seconds = orderer, clock, seconds
        self._following, self._stopping = threading.Lock(), threading.Event()
        self.trouble = ""  # the code of what keeps it from following; "" when nothing does
        if self._empty:
            self.follow()  # without the first block there is nothing to stand on
        else:
            self._try()
        self._thread = threading.Thread(target=self._run, name="following", daemon=True)
        if seconds is not None:
            self._thread.start()

    def submit(self, data: bytes, blobs: tuple[bytes, ...] = ()) -> Outcome:
        """Have the transaction ordered; returns once its block was executed and is durable here.

        Raises what the orderer refuses, and `NodeRefused` ``orderer-unreachable``, ``bad-block``.
        """
        if self._stopping.is_set():
            raise NodeRefused("stopped", "the engine has stopped")
        status = self._orderer.order(Submission(data, blobs))
        self.follow()
        found = self.result(status.body)
        if found is None:
            raise NodeRefused("bad-block", "the node that orders blocks shows none with what it says it has ordered")
        return found

    def newest_header(self, *, fresh: bool = False) -> ProvenHeader:
        """The newest header here; ``fresh`` asks the orderer when it is stale, and comes back with what there is."""
        if fresh:
            self._try()
            if self._clock() - self._newest().header.time > self.genesis.parameters.header_interval:
                self._try(self._orderer.refresh)
        with self._lock:
            return self._newest()

    @property
    def waiting(self) -> int:
        """Nothing waits here: the orderer keeps the queue."""
        return 0

    def follow(self) -> None:
        """Execute every block that the orderer has and this node does not."""
        with self._following:
            first = 0 if self._empty else self.app.info().height + 1
            while blocks := self._orderer.blocks(first):
                for block in blocks:
                    self._take(block, first)
                    first += 1
            self.trouble = ""

    def stop(self) -> None:
        """Stop following, and close."""
        self._stopping.set()
        if self._seconds is not None:
            self._thread.join()
        with self._following:
            self._store.close()

    def _run(self) -> None:
        while not self._stopping.wait(self._seconds):
            self._try()

    def _try(self, before: Callable[[], None] = lambda: None) -> None:
        """Follow, as far as the orderer answers and its blocks check; what it has so far stands either way."""
        try:
            before()
            self.follow()
        except (SalusError, lmdb.Error) as error:
            self.trouble = error.full_code if isinstance(error, SalusError) else "node/storage-failed"

    def _take(self, given: PeerBlock, height: int) -> None:
        """Execute one block and keep it; `NodeRefused` ``bad-block`` when anything in it does not check."""
        header = given.header.header
        try:
            require_header(self.genesis, given.header)
            if header.height != height:
                raise LedgerRefused("bad-link", "the header does not follow the one before")
            with self._lock:
                self._execute(given)
        except SalusError as error:
            raise NodeRefused(
                "bad-block", f"block {height} of the node that orders does not check ({error.full_code})"
            ) from error

    def _execute(self, given: PeerBlock) -> None:
        header = given.header.header
        if self._empty:
            changes = self.app.init_chain()
            require_same_roots(header, StoredBlock(given.transactions, ()), (), self.app.info().root)
            self._store.commit(given.header, StoredBlock((), ()), changes)
            self._empty = False
            return
        require_linked(self._newest(), given.header)
        final = self.app.finalize_block(Block(Height(header.height), Millis(header.time), given.transactions))
        require_same_roots(header, StoredBlock(given.transactions, final.results), final.results, final.root)
        self._keep(given.header, given.transactions, final)
