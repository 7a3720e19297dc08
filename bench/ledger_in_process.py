"""How much of what a ledger has to do is more than checking signatures: a node's whole work for durable blocks of 500 anchors.

Each anchor is a transaction of its own, of another section, with the signatures of its owner and its sponsor. Our side does
what the embedded engine does: check each, execute the block, hash the state, sign the header, write all of it durably. The
other side verifies the same signatures, and nothing else.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nacl.bindings

from bench.networks import BLOB, Owner, founding, owners, signed
from bench.ratios import Effort, Row, compare, timed
from salus.codec import decode
from salus.crypto.hashing import tagged
from salus.crypto.keys import derive
from salus.crypto.signing import SigningKey
from salus.home_folder import clock
from salus.ids import Height, Millis
from salus.ledger.app import Application, results_items
from salus.ledger.genesis import Genesis, member_id, network_id
from salus.ledger.header import HEADER_TAG, Header, SignedHeader, header_hash
from salus.ledger.listtree import list_root
from salus.ledger.machine import Block
from salus.ledger.tx import SIGNATURE_TAG, Transaction, body_hash
from salus.node.ledger_store import LedgerStore, StoredBlock

_SEED = tagged("bench/node")


@dataclass
class Ledger:
    """An application over a durable store, driven as an engine drives it."""

    genesis: Genesis
    store: LedgerStore
    node: SigningKey

    def __post_init__(self) -> None:
        self.app = Application(self.genesis, self.store, 0)
        self.time = self.genesis.time
        changes = self.app.init_chain()
        self._keep(0, StoredBlock((), ()), changes, bytes(32), self.app.info().root)

    def block(self, transactions: list[bytes]) -> None:
        """Check, execute and write a block; durable when this returns."""
        self.time = Millis(max(self.time + 1, clock()))
        for data in transactions:
            self.app.check_tx(data, self.time)
        height = self.app.info().height
        previous = self.store.header(height)
        assert previous is not None
        final = self.app.finalize_block(Block(Height(height + 1), self.time, tuple(transactions)))
        refused = [result.refusal for result in final.results if result.refusal]
        if refused:
            raise SystemExit(f"the ledger refused: {refused[0]}")
        block = StoredBlock(tuple(transactions), final.results)
        self._keep(height + 1, block, self.app.commit(), header_hash(previous.header), final.root)

    def _keep(self, height: int, block: StoredBlock, changes: dict[bytes, bytes | None], previous: bytes, state: bytes) -> None:
        lists = list_root(list(block.transactions)), list_root(results_items(block.results))
        proposer = member_id(self.genesis.members[0].authority)
        header = Header(network_id(self.genesis), height, self.time, previous, *lists, state, proposer)
        self.store.commit(SignedHeader(header, self.node.sign(HEADER_TAG, header_hash(header))), block, changes)
        self.app.committed()


def rows(effort: Effort) -> Iterator[Row]:
    """One row."""
    size = effort.of(500, 50)
    node = SigningKey(derive(_SEED, "node"))
    genesis = founding(_SEED)
    people = owners(genesis, size)
    with tempfile.TemporaryDirectory() as folder:
        store = LedgerStore(Path(folder))
        ledger = Ledger(genesis, store, node)
        for start in range(0, size, 50):
            create = people[start : start + 50]
            actions = [owner.creation(genesis.time) for owner in create]
            ledger.block([signed(genesis, actions, [node, *(owner.key for owner in create)])])
        blocks = _blocks(genesis, node, people, effort.rounds)
        checks = [_signatures(block) for block in blocks]
        ours = iter(blocks)
        theirs = iter(checks)
        yield compare(
            effort,
            f"ledger in process: durable blocks of {size} anchors, each check of a signature",
            "bare Ed25519 verification of the same",
            ">= 0.5",
            lambda: timed(lambda: ledger.block(next(ours))) / (2 * size),
            lambda: timed(lambda: _verify(next(theirs))) / (2 * size),
        )
        store.close()


def _blocks(genesis: Genesis, node: SigningKey, people: list[Owner], count: int) -> list[list[bytes]]:
    return [
        [
            signed(genesis, [owner.anchor(BLOB[:-8] + (number * len(people) + index).to_bytes(8, "big"))], [owner.key, node])
            for index, owner in enumerate(people)
        ]
        for number in range(count)
    ]


def _signatures(block: list[bytes]) -> list[tuple[bytes, bytes]]:
    """(signature and what it signs, key), as libsodium takes them."""
    found = []
    for data in block:
        transaction = decode(data, Transaction, limit=1 << 20)
        message = tagged(SIGNATURE_TAG, body_hash(transaction.body))
        found += [(one.signature + message, one.key) for one in transaction.signatures]
    return found


def _verify(signatures: list[tuple[bytes, bytes]]) -> None:
    for message, key in signatures:
        nacl.bindings.crypto_sign_open(message, key)
