"""A chain that this node keeps: state, blocks and headers, read by everybody and added to by an engine."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from salus.errors import Malformed, NodeRefused
from salus.ids import Height
from salus.ledger.app import Application, Finalized
from salus.ledger.genesis import Genesis
from salus.ledger.header import ProvenHeader, SignedHeader
from salus.ledger.store import Reader
from salus.ledger.verifying import StateAnswer
from salus.node.engine import Committed, Outcome
from salus.node.ledger_store import LedgerStore, StoredBlock
from salus.node.replaying import replay, require_signed, require_state


class Chain:
    """What engines have in common. Every public method may be called from any thread; ``_lock`` holds while a block is made."""

    def __init__(self, genesis: Genesis, store: LedgerStore, committed: Committed | None) -> None:
        self.genesis, self._store, self._told = genesis, store, committed
        self._lock = threading.RLock()
        height = store.height()
        self._empty = height is None
        self.app = Application(genesis, store, height or 0)
        self._require_sound()

    def header(self, height: int) -> ProvenHeader:
        """The header at ``height``; `NodeRefused` ``no-such-height`` or ``pruned`` otherwise."""
        found = self._store.header(height)
        if found is None:
            self._require_kept(height)
            raise NodeRefused("no-such-height", "no block of this height")
        return found

    def block(self, height: int) -> StoredBlock:
        """The block at ``height``; `NodeRefused` ``no-such-height`` or ``pruned`` otherwise."""
        self._require_kept(height)
        found = self._store.block(height)
        if found is None:
            raise NodeRefused("no-such-height", "no block of this height")
        return found

    def base(self) -> int:
        """The height with whose state the chain here begins; 0 where it has all."""
        return self._store.base()

    def _require_kept(self, height: int) -> None:
        """Raise `NodeRefused` ``pruned`` for a height that the chain here does not go down to."""
        if height <= self._store.base() > 0:
            raise NodeRefused("pruned", "this node does not have what is as old as this; ask one that keeps all")

    def result(self, body: bytes) -> Outcome | None:
        """What became of a committed body."""
        found = self._store.result(body)
        return None if found is None else Outcome(Height(found[0]), found[1])

    def states(self, keys: Sequence[bytes]) -> tuple[StateAnswer, ...]:
        """State by key with proofs, all under one header."""
        with self._lock:
            header = self._newest()
            answers = [(key, *self.app.query(key)) for key in keys]
            return tuple(StateAnswer(header, key, value, proof) for key, value, proof in answers)

    def _require_sound(self) -> None:
        """Raise unless the newest header is signed and stands over this state."""
        try:
            newest = self._store.newest()
        except Malformed as error:
            raise NodeRefused("state-damaged", "the newest header cannot be read; restore a backup") from error
        if newest is None and not self._empty:
            raise NodeRefused("state-damaged", "the ledger has blocks and no header; restore a backup")
        if newest is not None:
            require_signed(self.genesis, newest)
            require_state(newest, self.app)

    @property
    def state(self) -> Reader:
        """The committed state."""
        return self._store

    def verify_chain(self) -> int:
        """Check every header, link, block and result, replay all from genesis, and compare the state; the height reached.

        Raises `NodeRefused` ``chain-damaged`` naming the first height that does not check, or ``state-damaged``.
        """
        with self._lock:
            height = self.app.info().height
            require_state(self._newest(), Application(self.genesis, self._store, height))
        return replay(self.genesis, self._store, height)

    def _newest(self) -> ProvenHeader:
        return self.header(self.app.info().height)

    def _keep(self, header: SignedHeader, transactions: tuple[bytes, ...], final: Finalized) -> None:
        """Make the block that was finalized durable, and tell of it."""
        changes = self.app.commit()
        self._store.commit(header, StoredBlock(transactions, final.results), changes)
        self.app.committed()
        if self._told is not None:
            self._told(final.results, changes)
