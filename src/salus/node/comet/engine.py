"""The engine of a network that several members order: CometBFT decides on blocks, and this node executes each of them.

A header at height n stands over the state *before* its block, that after block n - 1. So what a block wrote is proven by the
header of the next one, which CometBFT makes at once where the state has changed; whoever reads waits for it.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from contextlib import suppress

import lmdb
import msgspec

from salus.codec import decode
from salus.errors import Malformed, NodeRefused, SalusError, refusal
from salus.exchange.peering import Question
from salus.ids import Millis
from salus.ledger.app import Finalized, View
from salus.ledger.genesis import Genesis, network_id
from salus.ledger.header import ProvenHeader
from salus.ledger.lightblock import CommittedHeader
from salus.ledger.machine import Block
from salus.ledger.modules.members.queries import peer_is_member
from salus.ledger.snapshot import Restored
from salus.ledger.trusting import Trusted, require_named, trusted_from, trusting
from salus.ledger.tx import Transaction, body_hash
from salus.ledger.verifying import StateAnswer
from salus.node.chain import Chain
from salus.node.comet.abci_pb2 import Request, Response
from salus.node.comet.application import AbciApplication
from salus.node.comet.joining import Handing, followed_from
from salus.node.comet.runtime import LocalRuntime
from salus.node.comet.server import Answer
from salus.node.comet.sharing import SHARING_NONE, SharingSnapshots
from salus.node.engine import Committed, Outcome
from salus.node.ledger_store import LedgerStore, StoredBlock
from salus.node.operating.partials import database_refusals
from salus.node.replaying import replay

PEER_ID = re.compile("[0-9a-f]{40}")
_LOG = logging.getLogger("salus.node")
NOT_ORDERED, ENGINE_STOPPED = "node/not-ordered", "node/engine-stopped"
ORDERED = 10.0  # seconds within which a transaction is in a block, or its sender is told that nobody knows
PROVEN = 5.0  # seconds that a reading waits for the header over what was written last
BEGUN_AGAIN = 15.0  # seconds that a node which is started again waits for its engine, before it goes on without
FOUNDED = 120.0  # seconds within which the members of a new network have come together
JOINED = 3600.0  # seconds within which one that begins with what the others have has a header of its own
BEGUN = 2_000  # ms: behind a header that is younger than this, others are under way
_FRESH = 0.5  # seconds that is waited for them
_AGAIN = 0.1  # seconds until the engine is asked again that did not answer
_POLL = 0.02  # seconds between two looks for a header that must be there any moment
_IDLE = 1.0  # seconds between two looks where none is expected
SILENT = 15  # times in a row that an engine which has answered does not, after which it is taken to have failed


class CometEngine(Chain):
    """Every public method may be called from any thread.

    ``runtime`` is CometBFT's process; ``failed`` is told when this node must not go on; ``clock`` gives ms since the epoch;
    ``handing``: the snapshots that it hands over and begins with.
    """

    def __init__(
        self,
        genesis: Genesis,
        store: LedgerStore,
        runtime: LocalRuntime,
        clock: Callable[[], Millis],
        failed: Callable[[], None],
        committed: Committed | None = None,
        handing: Handing | None = None,
    ) -> None:
        super().__init__(genesis, store, committed)
        self.runtime, self._clock, self._told_of_failure = runtime, clock, failed
        self._came = threading.Condition(self._lock)  # a block was committed, or a header has come
        self._waiting = dict[bytes, Future[Outcome]]()
        self._stopping, self.failure = threading.Event(), ""
        if self._empty:
            self._store.commit_block(0, StoredBlock((), ()), self.app.init_chain())
        self._shown: ProvenHeader | None = store.newest()
        self._trusted: Trusted = trusted_from(genesis) if self._shown is None else trusting(self._shown)
        self._unkept = dict[int, CommittedHeader]()  # written with the next block, which flushes anyway
        self._answered = False  # whether the engine has shown a header since the start
        self._view, self._earlier = self.app.view(), dict[int, View]()
        last = self._shown.header.time if self._shown is not None else 0
        self._handing, self._start = handing, handing.start if handing is not None else None
        self._trusted = self._start or self._trusted
        self._sharing = SharingSnapshots(network_id(genesis), handing.snapshots, self) if handing is not None else SHARING_NONE
        application = AbciApplication(genesis, self.app, self, clock, self._lets_in, last, self._sharing)
        self._server = runtime.listen(self._answer(application), self._fail)
        self._following = threading.Thread(target=self._follow, name="headers", daemon=True)
        try:
            self._server.start()
            self.runtime.start()
            self._following.start()
            self._come_together()
        except BaseException:
            self.stop()
            raise

    def submit(self, data: bytes, blobs: tuple[bytes, ...] = ()) -> Outcome:
        """Have the transaction ordered; returns once its block was executed and is durable here.

        Raises what the application refuses, and `NodeRefused` ``not-ordered`` while nobody knows what becomes of it.
        """
        identity = body_hash(decode(data, Transaction, limit=self.genesis.parameters.max_transaction).body)
        with self._lock:
            future = self._waiting.setdefault(identity, Future())
        deadline = time.monotonic() + ORDERED
        try:
            refused = self._hand_in(data, deadline)
            if refused and not future.done():
                raise refusal(refused, "the ledger refuses the transaction")
            return future.result(max(0.0, deadline - time.monotonic()))
        except TooLate as error:
            raise NodeRefused("not-ordered", "the network has not ordered the transaction yet, and may still do so") from error
        finally:
            with self._lock:
                self._waiting.pop(identity, None)

    def _hand_in(self, data: bytes, deadline: float) -> str:
        """As `LocalRuntime.broadcast`, as soon as the engine answers."""
        while True:
            try:
                return self.runtime.broadcast(data)
            except NodeRefused as error:
                if error.code != "engine-unreachable":
                    raise
                if self._stopping.wait(_AGAIN) or time.monotonic() > deadline:
                    raise TooLate from error

    def newest_header(self, *, fresh: bool = False) -> ProvenHeader:
        """The newest header here; ``fresh`` waits a moment for the next one where others may be ahead."""
        with self._came:
            newest = self._newest()
            if fresh and self._clock() - newest.header.time < BEGUN:
                self._came.wait_for(lambda: self._newest().header.height > newest.header.height, _FRESH)
            return self._newest()

    def header(self, height: int) -> ProvenHeader:
        """The header at ``height``, asked of CometBFT where it is not kept here yet; otherwise refused as by `Chain.header`."""
        with self._lock:
            known = self._unkept.get(height) or self._store.header(height)
        if known is not None:
            return known
        self._require_kept(height)
        if not 0 < height <= self._newest().header.height:
            raise NodeRefused("no-such-height", "no block of this height")
        found = self.runtime.header(height)
        require_named(self.genesis, found)
        return found

    def states(self, keys: Sequence[bytes]) -> tuple[StateAnswer, ...]:
        """State by key with proofs, all under one header, and no older than what was committed when this was called.

        While no next block comes, what the last one wrote cannot be proven yet: then the state before it. `NodeRefused`
        ``not-proven`` where that is not known either.
        """
        with self._came:
            asked = self.app.info().height
            self._came.wait_for(lambda: self._proven(asked) is not None, PROVEN)
            view = self._proven(asked) or self._proven(0)
            if view is None:
                raise NodeRefused("not-proven", "the network has not signed yet what this node has executed")
            header = self._newest()
            return tuple(StateAnswer(header, key, *view.query(key)) for key in keys)

    def verify_chain(self) -> int:
        """As `Chain.verify_chain`, up to the newest header that has come."""
        with self._came:
            self._came.wait_for(lambda: self._newest().header.height >= self.app.info().height, PROVEN)
            self._keep_headers()
            height = min(self.app.info().height, self._newest().header.height)
            base = self._handing.state_at(self._store.base()) if self._handing is not None else None
        return replay(self.genesis, self._store, height, base=base)

    def begin_again(self, why: str) -> None:
        """Let node and engine end, to be begun again by whoever serves them."""
        _LOG.warning("%s", why)
        self._fail(NodeRefused("engine-stopped", why))

    @property
    def waiting(self) -> int:
        """How many transactions wait here for their block."""
        return len(self._waiting)

    def stop(self) -> None:
        """End CometBFT, then the socket, and close."""
        self._stopping.set()
        with self._came:
            self._came.notify_all()
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(NodeRefused("not-ordered", "the node stops before it knows what becomes of this"))
        self.runtime.stop()
        self._server.stop()
        if self._following.is_alive():
            self._following.join()
        if self._handing is not None:
            self._handing.making.stop()
        with suppress(lmdb.Error):  # the engine tells of them again
            self._keep_headers()
        self._store.close()

    def keep(self, block: Block, final: Finalized) -> int:
        """Make the finalized block durable, tell of it, and let go who waited for it; the lowest block that is still here."""
        changes = self.app.commit()
        before = self._view.before(self._store.values(changes))
        stored = StoredBlock(block.transactions, final.results, block.misbehaving)
        with database_refusals():
            since = block.time - self.genesis.parameters.trust_period  # no wallet goes by an older header
            self._store.commit_block(block.height, stored, changes, self._unkept.values(), since)
        self._unkept.clear()
        self.app.committed()
        self._view, self._earlier = self.app.view(), {block.height - 1: before}
        if self._handing is not None:
            self._handing.making.offer(block.height, final.root, self._store.base(), self._store.leaves)
        if self._told is not None:
            self._told(final.results, changes)
        for result in final.results:
            waiting = self._waiting.get(result.body)
            if waiting is not None and not waiting.done():
                waiting.set_result(Outcome(block.height, result))
        self._came.notify_all()
        return self._store.lowest()

    def begin_at(self, found: Restored) -> None:
        """Go on from a snapshot's state, in place of genesis."""
        self._store.begin_at(found.snapshot.height, found.state)
        self.app.begin_at(found.snapshot.height, found.tree)
        self._view, self._earlier = self.app.view(), {}

    def executed(self) -> int:
        """The height of the last block that was executed here."""
        return self.app.info().height

    def shown(self) -> int:
        """The height of the newest header here; 0 where there is none yet."""
        return 0 if self._shown is None else self._shown.header.height

    def told(self, question: Question, height: int, page: int) -> bytes:
        """What another member's node wants to know that begins with a snapshot, as JSON."""
        if question == Question.SNAPSHOTS:
            return msgspec.json.encode(self._sharing.heights())
        return self.runtime.told(question, height, page)

    def dropped(self, data: bytes, refusal: SalusError) -> None:
        """Tell who waits that another transaction of the last block has made this one impossible."""
        try:
            body = decode(data, Transaction, limit=self.genesis.parameters.max_transaction).body
        except Malformed:
            return  # nobody here has handed that in
        waiting = self._waiting.get(body_hash(body))
        if waiting is not None and not waiting.done():
            waiting.set_exception(refusal)

    def _lets_in(self, peer: str) -> bool:
        """Whether an engine of this id is a member's: configured here, or admitted by votes."""
        if self.runtime.names(peer):
            return True
        return PEER_ID.fullmatch(peer) is not None and peer_is_member(self._store, bytes.fromhex(peer))

    def _keep_headers(self) -> None:
        self._store.put_headers(self._unkept.values())
        self._unkept.clear()

    def _require_sound(self) -> None:
        """Nothing: at the start CometBFT holds height and hash of this state against its own, and ends where they differ."""

    def _newest(self) -> ProvenHeader:
        if self._shown is None:
            raise NodeRefused("not-proven", "the network has not signed its first block yet")
        return self._shown

    def _proven(self, least: int) -> View | None:
        """The state that the newest header stands over, where it is known and no older than that after block ``least``."""
        if self._shown is None:
            return None
        over, height = self._shown.header.height - 1, self.app.info().height
        if self._shown.header.state == self._view.root:
            return self._view  # also where later blocks changed nothing
        return self._earlier.get(over) if least <= over < height else None

    def _answer(self, application: AbciApplication) -> Answer:
        def answer(request: Request) -> Response:
            with self._lock:
                return application.answer(request)

        return answer

    def _fail(self, error: BaseException) -> None:
        with self._came:
            if not self.failure:  # what follows from the first is no other cause
                self.failure = error.full_code if isinstance(error, SalusError) else "node/unexpected"
            self._came.notify_all()
        self._told_of_failure()

    def _come_together(self) -> None:
        with self._came:
            before = self._shown
            patience = FOUNDED if self._start is None else JOINED
            self._came.wait_for(lambda: self._answered or self.failure, patience if before is None else BEGUN_AGAIN)
            if self.failure:
                code = "engine-stopped" if self.failure == ENGINE_STOPPED else "node-failed"
                raise NodeRefused(code, f"it has failed before the members came together ({self.failure})")
            self._newest()

    def _follow(self) -> None:
        """Keep the newest header, as soon as it is there; and see whether the engine still does its work."""
        silent = 0
        while not self._stopping.is_set():
            try:
                self._take_up_to(self.runtime.header(None))
                silent = 0
            except SalusError as error:
                silent += self._answered and error.code == "engine-unreachable"
                if self._shown is not None:  # while the members come together there is none
                    _LOG.warning("no header from the engine (%s)", error.full_code)
                self._stopping.wait(_IDLE)
            if not self._stopping.is_set() and self._ended(silent):
                return
            with self._came:
                expected = self._shown is None or self._shown.header.state != self._view.root
                if not expected and not self._stopping.is_set():
                    self._came.wait(_IDLE)
            self._stopping.wait(_POLL)

    def _take_up_to(self, newest: CommittedHeader) -> None:
        """Keep a header and those before it that are not here yet, the oldest first."""
        first = (self._shown.header.height if self._shown is not None else self._store.base()) + 1
        for height in range(first, newest.header.height):
            if self._stopping.is_set():
                return
            self._take(self.runtime.header(height))
        self._take(newest)

    def _ended(self, silent: int) -> bool:
        """Whether the engine has ended, or was ``silent`` for too long; this node then does not go on."""
        try:
            self.runtime.require_alive()
            if silent > SILENT:
                raise NodeRefused("engine-stopped", "the engine runs, and does not answer any more")
        except NodeRefused as ended:
            _LOG.error("%s", ended.text)
            self._fail(ended)
            return True
        return False

    def _take(self, signed: CommittedHeader) -> None:
        """Check a header, and show it where it is newer."""
        height = signed.header.height
        first = self._shown is None
        newer = self._shown is None or height > self._shown.header.height
        if newer:
            self._trusted = self._followed(signed)
        with self._came:
            self._answered = True
            if newer:
                self._unkept[height] = self._shown = signed
            if newer and first:
                self._keep_headers()  # the node stands on its own from here on, also when it is started again
            self._came.notify_all()

    def _followed(self, signed: CommittedHeader) -> Trusted:
        """What to go by from a newer header on."""
        return followed_from(self.genesis, self._start, self._trusted, self._shown, signed, self.runtime.header)
