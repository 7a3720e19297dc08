"""Replay a history in a process of its own, and print what it comes to: one line a block, ``height root results``.

``python tests/replay_history.py FILE KIND ORDER``: KIND is how the state is kept (``memory``, ``shuffled``: the same with every
insertion in an order by chance from the seed ORDER, and started anew now and then; ``database``: the node's LMDB). Zone, locale
and hash seed come from the environment, as in use; what the clock says is whatever it says.
"""

from __future__ import annotations

import locale
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from long_history import HistoryBlock, read
from salus.errors import SalusError
from salus.ids import Height, Millis
from salus.ledger.app import Application, results_items
from salus.ledger.genesis import Genesis
from salus.ledger.header import Header, SignedHeader, TxResult
from salus.ledger.listtree import list_root
from salus.ledger.machine import Block
from salus.ledger.store import MemoryStore, Reader
from salus.node.ledger_store import LedgerStore, StoredBlock

NONE = bytes(32)
Changes = dict[bytes, bytes | None]


class Keeper(Protocol):
    """Where the state is kept between blocks."""

    def keep(self, height: int, block: HistoryBlock, changes: Changes, results: tuple[TxResult, ...]) -> None:
        """Take the changes of one block."""

    def state(self, height: int) -> Reader | None:
        """The state to start anew from after this block; None: go on with the one that is there."""


class Memory:
    """A dictionary, filled in the order of the changes."""

    def __init__(self) -> None:
        self.store = MemoryStore()

    def keep(self, height: int, block: HistoryBlock, changes: Changes, results: tuple[TxResult, ...]) -> None:
        self.store.apply(changes)

    def state(self, height: int) -> Reader | None:
        return None if height else self.store


class Shuffled(Memory):
    """A dictionary, filled in another order each time; and made anew, in another order, every fiftieth block."""

    def __init__(self, order: int) -> None:
        super().__init__()
        self._chance = random.Random(order)

    def keep(self, height: int, block: HistoryBlock, changes: Changes, results: tuple[TxResult, ...]) -> None:
        self.store.apply(self._stirred(changes))

    def state(self, height: int) -> Reader | None:
        if height % 50:
            return None
        every: Changes = {key: self.store.get(key) for key in self.store.keys(b"", b"\xff" * 8)}
        self.store = MemoryStore()
        self.store.apply(self._stirred(every))
        return self.store

    def _stirred(self, changes: Changes) -> Changes:
        pairs = list(changes.items())
        self._chance.shuffle(pairs)
        return dict(pairs)


class Database:
    """The node's own database; the application starts anew from it every hundredth block."""

    def __init__(self, folder: Path) -> None:
        self.store = LedgerStore(folder)

    def keep(self, height: int, block: HistoryBlock, changes: Changes, results: tuple[TxResult, ...]) -> None:
        header = Header(NONE, height, block.time if block.results else 0, NONE, NONE, NONE, NONE, NONE)
        self.store.commit(SignedHeader(header, bytes(64)), StoredBlock(block.transactions, results), changes)

    def state(self, height: int) -> Reader | None:
        return None if height % 100 else self.store


def replay(path: Path, keeper: Keeper, look_ahead: bool, told: Callable[[str], None]) -> None:
    """Execute every block. With ``look_ahead``, every tenth is checked and proposed before, and executed twice."""
    history = read(path)
    genesis = next(history)
    assert isinstance(genesis, Genesis)
    app = Application(genesis, keeper.state(0) or MemoryStore(), 0)
    keeper.keep(0, HistoryBlock(0, (), b"", ()), app.init_chain(), ())
    app.committed()
    for height, written in enumerate(history, 1):
        assert isinstance(written, HistoryBlock)
        if look_ahead and height % 10 == 0:
            _look(app, written)
        final = app.finalize_block(Block(Height(height), Millis(written.time), written.transactions))
        keeper.keep(height, written, app.commit(), final.results)
        app.committed()
        told(f"{height} {final.root.hex()} {list_root(results_items(final.results)).hex()}")
        state = keeper.state(height)
        if state is not None:
            app = Application(genesis, state, height)


def _look(app: Application, written: HistoryBlock) -> None:
    for data in written.transactions:
        try:
            app.check_tx(data, written.time)
        except SalusError:
            continue
    app.prepare_proposal(list(written.transactions), written.time)
    app.finalize_block(Block(Height(app.info().height + 1), Millis(written.time), written.transactions))


def main() -> None:
    """Replay as the arguments say."""
    path, kind, order = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    time.tzset()
    try:
        locale.setlocale(locale.LC_ALL, "")
    except locale.Error:  # this machine has not the locale; the environment still names it
        locale.setlocale(locale.LC_ALL, "C")
    with tempfile.TemporaryDirectory() as folder:
        keeper = {"memory": lambda: Memory(), "shuffled": lambda: Shuffled(order), "database": lambda: Database(Path(folder))}[
            kind
        ]()
        replay(path, keeper, look_ahead=order % 2 == 1, told=lambda line: print(line, flush=True))


if __name__ == "__main__":
    main()
