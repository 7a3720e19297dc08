"""The solo engine: one process orders blocks for the application, with group commit; an idle one writes nothing."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future

import lmdb

from salus.crypto.signing import SigningKey
from salus.errors import NodeRefused, SalusError
from salus.ids import Height, MemberId, Millis
from salus.ledger.app import results_items
from salus.ledger.genesis import Genesis, network_id
from salus.ledger.header import HEADER_TAG, Header, ProvenHeader, SignedHeader, header_hash
from salus.ledger.listtree import list_root
from salus.ledger.machine import Block
from salus.ledger.merkle import EMPTY
from salus.node.chain import Chain
from salus.node.engine import Committed, Outcome
from salus.node.ledger_store import LedgerStore, StoredBlock

TOLERATED_LAG = 60_000  # ms that the clock may run behind the last block


_Pending = tuple[bytes, "Future[Outcome]"]


class SoloEngine(Chain):
    """Orders blocks in one thread; every other method may be called from any thread. ``clock`` gives ms since the epoch.

    Without ``background`` there is no thread: whoever submits orders the block, so that one schedule gives one history.
    """

    def __init__(
        self,
        genesis: Genesis,
        store: LedgerStore,
        member: MemberId,
        key: SigningKey,
        clock: Callable[[], Millis],
        committed: Committed | None = None,
        *,
        background: bool = True,
    ) -> None:
        super().__init__(genesis, store, committed)
        self._member, self._key, self._clock = member, key, clock
        self._queue: queue.SimpleQueue[_Pending | None] = queue.SimpleQueue()
        self._checking = threading.Lock()  # holds while one is checked and while a block is executed, not while it is written
        if self._empty:
            self._found()
        self._open = True
        self._thread = threading.Thread(target=self._run, name="solo", daemon=True) if background else None
        if self._thread is not None:
            self._thread.start()

    def submit(self, data: bytes, blobs: tuple[bytes, ...] = ()) -> Outcome:
        """Check, order and execute one transaction; returns when its block is durable, whatever the result.

        Raises what the check refuses, or `NodeRefused` ``clock-behind``, ``stopped``.
        """
        future: Future[Outcome] = Future()
        with self._checking:
            if not self._open:
                raise _stopped()
            self.app.check_tx(data, self._next_time())
            self._queue.put((data, future))
        if self._thread is None:
            self._order(self._waiting(None)[0])
        return future.result()

    def newest_header(self, *, fresh: bool = False) -> ProvenHeader:
        """The newest header; ``fresh`` lets at most one empty block an interval be made when it is stale."""
        with self._lock:
            newest = self._newest()
            if fresh and self._clock() - newest.header.time > self.genesis.parameters.header_interval:
                self._make_block([])
                newest = self._newest()
            return newest

    @property
    def waiting(self) -> int:
        """About how many transactions wait for their block."""
        return self._queue.qsize()

    def stop(self) -> None:
        """Finish what is queued, then stop and close."""
        with self._checking:
            self._open = False
            self._queue.put(None)
        if self._thread is not None:
            self._thread.join()
        self._store.close()

    def _run(self) -> None:
        """Whatever is queued when the last block is durable goes into the next one: group commit. None stops."""
        stopping, batch = False, list[_Pending]()
        try:
            while not stopping:
                batch, stopping = self._waiting(self._queue.get())
                self._order(batch)
        finally:
            with self._checking:  # nobody waits for an engine that ended
                self._open = False
                for _, future in [*batch, *self._waiting(None)[0]]:
                    if not future.done():
                        future.set_exception(_stopped())

    def _order(self, batch: list[_Pending]) -> None:
        """Settle the batch in as many blocks as it needs; what is settled leaves it."""
        while batch:
            fitting = self._fitting(batch)
            self._settle(batch[:fitting])
            del batch[:fitting]

    def _fitting(self, batch: list[_Pending]) -> int:
        """How many of the batch's first transactions fit into one block: at least one, as each has its own limit."""
        sizes = itertools.accumulate(len(data) for data, _ in batch)
        return max(1, sum(1 for size in sizes if size <= self.genesis.parameters.max_block))

    def _waiting(self, first: _Pending | None) -> tuple[list[_Pending], bool]:
        """``first`` and what is queued behind it; and whether None was there."""
        found = [first]
        while not self._queue.empty():
            found.append(self._queue.get())
        return [pending for pending in found if pending is not None], None in found

    def _settle(self, batch: list[_Pending]) -> None:
        try:
            with self._lock:
                outcomes = self._make_block([data for data, _ in batch])
        except BaseException as error:
            for _, future in batch:
                future.set_exception(error)
            if not isinstance(error, (SalusError, lmdb.Error)):
                raise
            return  # the clock, or the disk: nothing was written, and the next block may go better
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            future.set_result(outcome)

    def _make_block(self, transactions: list[bytes]) -> list[Outcome]:
        time = self._next_time()
        previous = self._newest().header
        block = Block(Height(previous.height + 1), time, tuple(transactions))
        with self._checking:
            final = self.app.finalize_block(block)
        header = Header(
            network_id(self.genesis),
            block.height,
            time,
            header_hash(previous),
            list_root(transactions),
            list_root(results_items(final.results)),
            final.root,
            self._member,
        )
        self._keep(self._sign(header), block.transactions, final)
        return [Outcome(block.height, result) for result in final.results]

    def _found(self) -> None:
        if self.app.info().root != EMPTY:
            raise NodeRefused("state-damaged", "the ledger has a state and no header; restore a backup")
        changes = self.app.init_chain()
        nothing = list_root([])
        root = self.app.info().root
        header = Header(network_id(self.genesis), 0, self.genesis.time, bytes(32), nothing, nothing, root, self._member)
        self._store.commit(self._sign(header), StoredBlock((), ()), changes)

    def _sign(self, header: Header) -> SignedHeader:
        return SignedHeader(header, self._key.sign(HEADER_TAG, header_hash(header)))

    def _next_time(self) -> Millis:
        last, now = self._newest().header.time, self._clock()
        if now < last - TOLERATED_LAG:
            raise NodeRefused("clock-behind", "this machine's clock runs behind the last block; set it right")
        return Millis(max(last + 1, now))


def _stopped() -> NodeRefused:
    return NodeRefused("stopped", "the engine has stopped")
