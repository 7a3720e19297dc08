"""The ledger's database (LMDB): state, blocks, headers and results, written together, one durable commit a block.

A chain begins with genesis, or with the state after a block: its base. Where the base is moved up, blocks below it go, a few with
each block that comes, and headers that lead nobody any more. Where the results of bodies stood stays for good, so that nobody is
told of a body that was applied that it is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec

from salus.codec import Record, decode, encode
from salus.ids import Count
from salus.ledger.header import ProvenHeader, SignedHeader, TxResult, decode_header
from salus.ledger.lightblock import Address
from salus.node.storage import open_database

_LIMIT = 64 * 1024 * 1024
BASE = b"base"  # beside the tables: the height with whose state the chain begins, where it was moved up
GOING = 10  # blocks below the base, and headers, that go with each block that comes


class StoredBlock(Record, frozen=True, tag="stored-block"):
    """The block's transactions and results, in order; ``misbehaving`` as of `salus.ledger.machine.Block`."""

    transactions: Annotated[tuple[bytes, ...], msgspec.Meta(max_length=65_536)]
    results: Annotated[tuple[TxResult, ...], msgspec.Meta(max_length=65_536)]
    misbehaving: Annotated[tuple[Address, ...], msgspec.Meta(max_length=1024)] = ()


class _Place(Record, frozen=True, tag="result-place"):
    height: Count
    index: Count


def at_height(height: int) -> bytes:
    """The key of a header or block."""
    return height.to_bytes(8, "big")


def as_header(data: bytes | None) -> ProvenHeader | None:
    """A header as it is kept."""
    return None if data is None else decode_header(data, _LIMIT)


def as_block(data: bytes | None) -> StoredBlock | None:
    """A block as it is kept."""
    return None if data is None else decode(data, StoredBlock, limit=_LIMIT)


def placed(body: bytes, data: bytes, block_at: Callable[[int], StoredBlock | None]) -> tuple[int, TxResult] | None:
    """(height, result) from the place that is kept for a body: only what was applied has one, also where its block is gone."""
    place = decode(data, _Place, limit=64)
    block = block_at(place.height)
    if block is None:
        return place.height, TxResult(body, "")
    return None if place.index >= len(block.results) else (place.height, block.results[place.index])


def begins(moved: bytes | None, lowest: bytes | None) -> int:
    """The height with whose state a chain begins: to which it was moved up, or else that of its lowest block; 0 for genesis."""
    return int.from_bytes(moved or lowest or b"", "big")


class LedgerStore:
    """Committed state as a `Reader`, and the chain. ``commits`` counts durable commits (each is at most two fsyncs)."""

    def __init__(self, folder: Path) -> None:
        self._env = open_database(folder, 4)
        self._state = self._env.open_db(b"state")
        self._blocks = self._env.open_db(b"blocks")
        self._headers = self._env.open_db(b"headers")
        self._results = self._env.open_db(b"results")
        self.commits = 0

    def get(self, key: bytes) -> bytes | None:
        """The committed value of the state's ``key``; nothing is ever kept under the empty one, which LMDB would not take."""
        return self._get(self._state, key) if key else None

    def values(self, keys: Iterable[bytes]) -> dict[bytes, bytes | None]:
        """What the state has under each of these keys, none of which is empty."""
        with self._env.begin(db=self._state) as txn:
            return {key: txn.get(key) for key in keys}

    def keys(self, first: bytes, last: bytes) -> Iterator[bytes]:
        """The state's keys in order, as of now."""
        found: list[bytes] = []
        with self._env.begin(db=self._state) as txn, txn.cursor() as cursor:
            if cursor.set_range(first) if first else cursor.first():
                for key in cursor.iternext(keys=True, values=False):
                    if key >= last:
                        break
                    found.append(key)
        return iter(found)

    def header(self, height: int) -> ProvenHeader | None:
        """The signed header at ``height``."""
        data = self._get(self._headers, at_height(height))
        return as_header(data)

    def newest(self) -> ProvenHeader | None:
        """The newest signed header."""
        with self._env.begin(db=self._headers) as txn, txn.cursor() as cursor:
            data = cursor.value() if cursor.last() else None
        return as_header(data)

    def block(self, height: int) -> StoredBlock | None:
        """The block at ``height``; of that at `base` nothing is known but its state."""
        data = self._get(self._blocks, at_height(height))
        return as_block(data)

    def result(self, body: bytes) -> tuple[int, TxResult] | None:
        """(height, result) of the body, when it was committed."""
        data = self._get(self._results, body)
        return None if data is None else placed(body, data, self.block)

    def height(self) -> int | None:
        """The height of the newest block; None before the first."""
        with self._env.begin(db=self._blocks) as txn, txn.cursor() as cursor:
            return int.from_bytes(cursor.key(), "big") if cursor.last() else None

    def base(self) -> int:
        """The height with whose state the chain here begins: 0 for genesis, or that of a snapshot."""
        with self._env.begin() as txn, txn.cursor(db=self._blocks) as cursor:
            return begins(txn.get(BASE), cursor.key() if cursor.first() else None)

    def lowest(self) -> int:
        """The height of the lowest block here; below `base` while earlier ones still go."""
        with self._env.begin(db=self._blocks) as txn, txn.cursor() as cursor:
            return begins(None, cursor.key() if cursor.first() else None)

    def move_base(self, height: int) -> None:
        """Have the chain begin with the state after the block at ``height``, whose snapshot is here; durable."""
        with self._env.begin(write=True) as txn:
            txn.put(BASE, at_height(height))

    @contextmanager
    def leaves(self) -> Iterator[Iterator[tuple[bytes, bytes]]]:
        """The state's keys with their values, in order, as they are when this is entered. For one thread at a time."""
        with self._env.begin(db=self._state, buffers=False) as txn, txn.cursor() as cursor:
            yield iter(cursor)

    def begin_at(self, height: int, state: Mapping[bytes, bytes]) -> None:
        """Have the chain begin with this state, after the block at ``height``, in place of all that is here; durable."""
        with self._env.begin(write=True) as txn:
            self._empty(txn)
            txn.put(at_height(height), encode(StoredBlock((), ())), db=self._blocks)
            with txn.cursor(db=self._state) as cursor:
                cursor.putmulti(state.items(), append=True)
        self.commits += 1

    def forget(self) -> None:
        """Have nothing here any more; durable."""
        with self._env.begin(write=True) as txn:
            self._empty(txn)

    def put_headers(self, headers: Iterable[ProvenHeader]) -> None:
        """Keep headers that came after their blocks."""
        with self._env.begin(write=True) as txn:
            for header in headers:
                txn.put(at_height(header.header.height), encode(header), db=self._headers)

    def commit(self, header: SignedHeader, block: StoredBlock, changes: dict[bytes, bytes | None]) -> None:
        """Write header, block, results and state together; durable when this returns."""
        self.commit_block(header.header.height, block, changes, (header,))

    def commit_block(
        self,
        height: int,
        block: StoredBlock,
        changes: dict[bytes, bytes | None],
        headers: Iterable[ProvenHeader] = (),
        since: int = 0,
    ) -> None:
        """As `commit`, of a block whose header may be still to come; ``headers`` are those that have come, of whatever height.

        With it go a few blocks below the base, and headers there whose time is before ``since`` (ms).
        """
        with self._env.begin(write=True) as txn:
            for header in headers:
                txn.put(at_height(header.header.height), encode(header), db=self._headers)
            txn.put(at_height(height), encode(block), db=self._blocks)
            applied = [(result.body, index) for index, result in enumerate(block.results) if not result.refusal]
            with txn.cursor(db=self._results) as cursor:
                cursor.putmulti([(body, encode(_Place(height, index))) for body, index in sorted(applied)])
            with txn.cursor(db=self._state) as cursor:
                cursor.putmulti([(key, value) for key, value in sorted(changes.items()) if value is not None])
            for key, value in changes.items():
                if value is None:
                    txn.delete(key, db=self._state)
            self._let_go(txn, since)
        self.commits += 1

    def _let_go(self, txn: Any, since: int) -> None:
        moved = txn.get(BASE)
        if moved is None:
            return
        with txn.cursor(db=self._blocks) as cursor:
            for _ in range(GOING):
                if not cursor.first() or cursor.key() >= moved:
                    break
                cursor.delete()
        with txn.cursor(db=self._headers) as cursor:
            for _ in range(GOING):
                if not cursor.first() or cursor.key() > moved or decode_header(cursor.value(), _LIMIT).header.time >= since:
                    break
                cursor.delete()

    def _empty(self, txn: Any) -> None:
        for database in (self._state, self._blocks, self._headers, self._results):
            txn.drop(database, delete=False)
        txn.delete(BASE)

    def close(self) -> None:
        """Close the database."""
        self._env.close()

    def _get(self, database: Any, key: bytes) -> bytes | None:
        with self._env.begin(db=database) as txn:
            value = txn.get(key)
        return None if value is None else bytes(value)
