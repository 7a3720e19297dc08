"""What a ledger on disk must pass: its newest header is signed, its state is that header's, its chain replays from genesis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from salus.errors import CryptoRefused, LedgerRefused, NodeRefused, SalusError
from salus.ids import Height, Millis
from salus.ledger.app import Application, Finalized, results_coded, results_items
from salus.ledger.genesis import Genesis, validators
from salus.ledger.header import AnyHeader, ProvenHeader, TxResult
from salus.ledger.lightblock import CometHeader, CommittedHeader, results_hash, transactions_hash, validators_hash
from salus.ledger.listtree import list_root
from salus.ledger.machine import Block
from salus.ledger.modules.members.queries import seated
from salus.ledger.store import MemoryStore
from salus.ledger.trusting import require_named
from salus.ledger.verifying import require_next
from salus.node.ledger_store import StoredBlock

Told = Callable[[str, int, int], None]


class Chain(Protocol):
    """A chain as a database holds it: None for what is not there."""

    def header(self, height: int) -> ProvenHeader | None:
        """The signed header at ``height``."""

    def block(self, height: int) -> StoredBlock | None:
        """The block at ``height``."""

    def result(self, body: bytes) -> tuple[int, TxResult] | None:
        """(height, result) of a committed body."""


def replay(genesis: Genesis, chain: Chain, height: int, told: Told = lambda *_: None) -> int:
    """Check every header, link, block and result up to ``height`` by executing all of it from genesis; ``height``.

    Raises `NodeRefused` ``chain-damaged`` naming the first height that does not check. ``told`` hears of the progress.
    """
    verify = _verify_voted if validators(genesis) else _verify
    memory = MemoryStore()
    app = Application(genesis, memory, 0)
    memory.apply(app.init_chain())
    previous: ProvenHeader | None = None
    for number in range(height + 1):
        try:
            previous = verify(genesis, chain, app, memory, number, previous)
        except SalusError as error:
            raise NodeRefused("chain-damaged", f"block {number} does not check ({error.full_code})") from error
        told("blocks", number, height)
    return height


def _verify(
    genesis: Genesis, chain: Chain, app: Application, memory: MemoryStore, height: int, previous: ProvenHeader | None
) -> ProvenHeader:
    """The header at ``height``, once it was found to stand over its block, replayed on ``app``, and the results kept."""
    signed, block = chain.header(height), chain.block(height)
    if signed is None or block is None:
        raise NodeRefused("no-such-height", "no block of this height")
    require_next(genesis, previous, signed)
    if previous is None:
        require_same_roots(signed.header, block, (), app.info().root)
        return signed
    final = app.finalize_block(Block(Height(height), Millis(signed.header.time), block.transactions))
    require_same_roots(signed.header, block, final.results, final.root)
    _advance(chain, app, memory, height, final)
    return signed


def _verify_voted(
    genesis: Genesis, chain: Chain, app: Application, memory: MemoryStore, height: int, previous: ProvenHeader | None
) -> ProvenHeader | None:
    """As `_verify`, of a header that was voted for: it stands over its block, and over results and state of the one before."""
    if height == 0:
        return None
    signed, block, before = chain.header(height), chain.block(height), chain.block(height - 1)
    if signed is None or block is None or before is None:
        raise NodeRefused("no-such-height", "no block of this height")
    require_next(genesis, previous, signed)
    header = signed.header
    found = (transactions_hash(block.transactions), results_hash(results_coded(before.results)), app.info().root)
    if found != (header.transactions, header.results, header.state):
        raise LedgerRefused("wrong-root", "the header does not stand over this block and the state before it")
    if isinstance(header, CometHeader) and header.next_validators != validators_hash(seated(memory)):
        raise LedgerRefused("wrong-validators", "the header does not name those as next validators whom the state does")
    final = app.finalize_block(Block(Height(height), Millis(header.time), block.transactions, block.misbehaving))
    if final.results != block.results:
        raise LedgerRefused("wrong-root", "the results that are kept are not those of the block")
    _advance(chain, app, memory, height, final)
    return signed


def _advance(chain: Chain, app: Application, memory: MemoryStore, height: int, final: Finalized) -> None:
    """Take the block's changes, once its results are found where they stand."""
    for result in final.results:
        if not result.refusal and chain.result(result.body) != (height, result):
            raise LedgerRefused("wrong-root", "a result is not found where its block stands")
    memory.apply(app.commit())
    app.committed()


def require_state(newest: ProvenHeader, app: Application) -> None:
    """Raise `NodeRefused` ``state-damaged`` unless the state that ``app`` stands on is that of the newest header.

    A header that was voted for stands over the state before its block: it says nothing of a state that is newer.
    """
    if isinstance(newest, CommittedHeader) and newest.header.height != app.info().height + 1:
        return
    if newest.header.state != app.info().root:
        raise NodeRefused("state-damaged", "the state does not match its newest header; restore a backup")


def require_signed(genesis: Genesis, newest: ProvenHeader) -> None:
    """Raise unless a member of this network signed the newest header; a bad signature is ``state-damaged``."""
    try:
        require_named(genesis, newest)
    except CryptoRefused as error:
        raise NodeRefused("state-damaged", "the newest header is not signed by its member; restore a backup") from error


def require_same_roots(header: AnyHeader, block: StoredBlock, results: tuple[TxResult, ...], root: bytes) -> None:
    """Raise `LedgerRefused` ``wrong-root`` unless the header stands over just this block, these results and this state."""
    found = (list_root(list(block.transactions)), list_root(results_items(results)), root, results)
    if found != (header.transactions, header.results, header.state, block.results):
        raise LedgerRefused("wrong-root", "the header does not stand over this block")
