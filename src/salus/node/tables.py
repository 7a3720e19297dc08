"""A small durable database of named tables (LMDB), for what a node keeps beside the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lmdb

from salus.errors import NodeRefused
from salus.node.storage import open_database, open_reading


class Tables:
    """``names`` are the tables. Keys are at most 511 bytes. A write is durable when `writing` returns.

    With ``reading``, the database must be there, and may be another process's: nothing of it is written.
    """

    def __init__(self, folder: Path, names: tuple[str, ...], *, reading: bool = False) -> None:
        self._env = open_reading(folder, len(names)) if reading else open_database(folder, len(names))
        try:
            self._tables = {name: self._env.open_db(name.encode("ascii"), create=not reading) for name in names}
        except lmdb.NotFoundError as error:
            self._env.close()
            raise NodeRefused("state-damaged", f"the database of the node's {folder.name} lacks a table") from error

    @contextmanager
    def writing(self) -> Iterator[Write]:
        """All changes inside apply together, durably, or not at all."""
        with self._env.begin(write=True) as txn:
            yield Write(txn, self._tables)

    def get(self, table: str, key: bytes) -> bytes | None:
        """The value, or None."""
        with self._env.begin(db=self._tables[table]) as txn:
            value = txn.get(key)
        return None if value is None else bytes(value)

    def range(self, table: str, first: bytes, last: bytes, most: int) -> list[tuple[bytes, bytes]]:
        """At most ``most`` (key, value) pairs from ``first`` up to but without ``last``, in order."""
        found: list[tuple[bytes, bytes]] = []
        with self._env.begin(db=self._tables[table]) as txn, txn.cursor() as cursor:
            if cursor.set_range(first):
                for key, value in cursor:
                    if key >= last or len(found) == most:
                        break
                    found.append((bytes(key), bytes(value)))
        return found

    def size(self, table: str) -> int:
        """How many keys the table has; at once, whatever their number."""
        with self._env.begin(db=self._tables[table]) as txn:
            return int(txn.stat(self._tables[table])["entries"])

    def close(self) -> None:
        """Close the database."""
        self._env.close()


class Write:
    """One write transaction over the tables."""

    def __init__(self, txn: lmdb.Transaction, tables: dict[str, Any]) -> None:
        self._txn, self._tables = txn, tables

    def get(self, table: str, key: bytes) -> bytes | None:
        """The value as it stands in this transaction."""
        value = self._txn.get(key, db=self._tables[table])
        return None if value is None else bytes(value)

    def put(self, table: str, key: bytes, value: bytes) -> None:
        """Set a value."""
        self._txn.put(key, value, db=self._tables[table])

    def drop(self, table: str, key: bytes) -> None:
        """Remove a key."""
        self._txn.delete(key, db=self._tables[table])
