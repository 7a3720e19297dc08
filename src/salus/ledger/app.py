"""The application behind an ABCI 2.0 shaped interface: whatever orders blocks drives it through these methods.

Nothing is durable before `commit`, which returns the changes for the engine to write in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from salus.codec import encode
from salus.errors import LedgerRefused, SalusError
from salus.ids import Hash, Height, Millis
from salus.ledger.genesis import Genesis
from salus.ledger.header import TxResult
from salus.ledger.machine import Block, Machine
from salus.ledger.merkle import StateProof, Tree
from salus.ledger.modules.directory.handlers import MODULE as DIRECTORY
from salus.ledger.modules.governance.handlers import MODULE as GOVERNANCE
from salus.ledger.modules.governance.queries import planned_rules
from salus.ledger.modules.licences.handlers import MODULE as LICENCES
from salus.ledger.modules.members.handlers import MODULE as MEMBERS
from salus.ledger.modules.members.state import SEATS, Seat
from salus.ledger.modules.orders.handlers import MODULE as ORDERS
from salus.ledger.modules.prescriptions.handlers import MODULE as PRESCRIPTIONS
from salus.ledger.modules.receipts.handlers import MODULE as RECEIPTS
from salus.ledger.modules.revocations.handlers import MODULE as REVOCATIONS
from salus.ledger.modules.scheduling.handlers import MODULE as SCHEDULING
from salus.ledger.modules.sections.handlers import MODULE as SECTIONS
from salus.ledger.store import Overlay, Reader, load

#: The one registry: each module may use what stands before it.
MODULES = (MEMBERS, LICENCES, SECTIONS, REVOCATIONS, RECEIPTS, DIRECTORY, GOVERNANCE, PRESCRIPTIONS, SCHEDULING, ORDERS)

_FIRST, _LAST = b"", b"\xff" * 8


@dataclass(frozen=True)
class Info:
    """The last committed pair; height 0 is genesis."""

    height: Height
    root: Hash


@dataclass(frozen=True)
class Finalized:
    """One result a transaction, in order, and the application hash after the block.

    ``seats``: (key, power) of validators that this block has changed, 0 for one that is none any more.
    """

    results: tuple[TxResult, ...]
    root: Hash
    seats: tuple[tuple[bytes, int], ...] = ()


@dataclass(frozen=True)
class View:
    """State as it was after some block, with its tree."""

    tree: Tree
    store: Reader
    undone: Mapping[bytes, bytes | None] = field(default_factory=dict)  # what keys had that have changed since

    @property
    def root(self) -> Hash:
        """The application hash."""
        return self.tree.root

    def query(self, key: bytes) -> tuple[bytes | None, StateProof]:
        """The value under ``key``, or None, with a proof under the root."""
        return self.undone[key] if key in self.undone else self.store.get(key), self.tree.prove(key)

    def before(self, former: Mapping[bytes, bytes | None]) -> View:
        """This view, as it goes on to be once other values are written to its store; ``former``: what their keys had."""
        return View(self.tree, self.store, former)


class Application:
    """The state machine over a store of committed state. The tree over it is kept in memory and rebuilt at the start."""

    def __init__(self, genesis: Genesis, store: Reader, height: int) -> None:
        self.machine = Machine(genesis, MODULES)
        self._store = store
        self._height = Height(height)
        self._tree = Tree.of((key, store.get(key) or b"") for key in store.keys(_FIRST, _LAST))
        self._candidate: tuple[Block, Overlay, Tree] | None = None
        self._proposed: tuple[Block, Overlay, tuple[TxResult, ...]] | None = None

    def info(self) -> Info:
        """The last committed height and root."""
        return Info(self._height, self._tree.root)

    def init_chain(self) -> dict[bytes, bytes | None]:
        """The changes that genesis makes to an empty store; the engine writes them, then calls `committed`."""
        overlay = Overlay(self._store)
        self.machine.found(overlay)
        self._tree = self._tree.changed(overlay.changes.items())
        return overlay.changes

    def check_tx(self, data: bytes, now: int) -> None:
        """Raise what would refuse the transaction if it were executed at block time ``now`` (ms) on the committed state."""
        self.machine.apply(Overlay(self._store), self._height + 1, now, data)

    def prepare_proposal(self, transactions: list[bytes], now: int, misbehaving: tuple[bytes, ...] = ()) -> tuple[bytes, ...]:
        """Those that apply one after the other, in order, within the block's size; the rest waits or is refused at check.

        What comes of them is remembered, in case that just this block is decided: it need not be executed again.
        """
        block = Block(Height(self._height + 1), Millis(now), (), misbehaving)
        overlay, chosen, room = Overlay(self._store), dict[bytes, TxResult](), self.machine.genesis.parameters.max_block
        self.machine.begin(overlay, block)
        for data in transactions:
            if len(data) > room:
                continue
            try:
                chosen[data] = TxResult(self.machine.apply(overlay, block.height, now, data), "")
            except SalusError:
                continue
            room -= len(data)
        self._proposed = (replace(block, transactions=tuple(chosen)), overlay, tuple(chosen.values()))
        return tuple(chosen)

    def process_proposal(self, transactions: tuple[bytes, ...]) -> None:
        """Raise `LedgerRefused` ``bad-proposal`` for a block that is too large; what is wrong in it becomes a result."""
        if sum(map(len, transactions)) > self.machine.genesis.parameters.max_block:
            raise LedgerRefused("bad-proposal", "the proposed block is too large")

    def finalize_block(self, block: Block) -> Finalized:
        """Execute the block on the committed state. May be repeated; nothing is kept but the newest candidate."""
        if block.height != self._height + 1:
            raise LedgerRefused("wrong-height", "the block does not follow the last one")
        overlay, results = self._executed(block)
        tree = self._tree.changed(overlay.changes.items())
        self._candidate = (block, overlay, tree)
        return Finalized(results, tree.root, self._changed_seats(overlay))

    def _executed(self, block: Block) -> tuple[Overlay, tuple[TxResult, ...]]:
        if self._proposed is not None and self._proposed[0] == block:
            return self._proposed[1:]
        overlay = Overlay(self._store)
        return overlay, self.machine.execute(overlay, block)

    def _changed_seats(self, overlay: Overlay) -> tuple[tuple[bytes, int], ...]:
        changed = [key for key in overlay.changes if key.startswith(SEATS)]
        before = {seat.key: seat.power for key in changed if (seat := load(self._store, key, Seat))}
        after = {seat.key: seat.power for key in changed if (seat := load(overlay, key, Seat))}
        return tuple(sorted((dict.fromkeys(before, 0) | after).items() - before.items()))

    def commit(self) -> dict[bytes, bytes | None]:
        """The changes of the finalized block, for the engine to make durable before it calls `committed`."""
        if self._candidate is None:
            raise LedgerRefused("nothing-finalized", "no block was finalized")
        return self._candidate[1].changes

    def committed(self) -> None:
        """The engine has made `commit`'s changes durable: the candidate becomes the state."""
        if self._candidate is not None:
            block, _, self._tree = self._candidate
            self._height, self._candidate, self._proposed = block.height, None, None

    def query(self, key: bytes) -> tuple[bytes | None, StateProof]:
        """The committed value under ``key``, or None, with a proof under the committed root."""
        return self.view().query(key)

    def rules(self) -> int:
        """The version of the rules by which the last committed block went."""
        planned = planned_rules(self._store)
        return planned.version if self._height >= planned.height else planned.version - 1

    def begun_rules(self, height: int) -> int:
        """The version of the rules that begin with the block at ``height``; 0 where none do."""
        planned = planned_rules(self._store)
        return planned.version if height == planned.height else 0

    def view(self) -> View:
        """The committed state; it goes on to be that of the newest block's store, so use `View.before` to keep it."""
        return View(self._tree, self._store)

    def begin_at(self, height: int, tree: Tree) -> None:
        """Go on from another state: its store has the one after the block at ``height`` now, over which ``tree`` stands."""
        self._height, self._tree, self._candidate, self._proposed = Height(height), tree, None, None


REFUSED = 1  # the code that a transaction's result has in CometBFT when it was refused, whatever the refusal


def results_coded(results: tuple[TxResult, ...]) -> list[tuple[int, bytes]]:
    """Code and data of each result, as CometBFT is told them."""
    return [(REFUSED if result.refusal else 0, encode(result)) for result in results]


def results_items(results: tuple[TxResult, ...]) -> list[bytes]:
    """What the header's results root stands over."""
    return [encode(result) for result in results]
