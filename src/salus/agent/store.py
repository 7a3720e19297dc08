"""The agent's store: records of its principals in one encrypted database (SQLite3 Multiple Ciphers).

One table holds canonical `Record` bytes by (shape's tag, owner, id). The 32-byte database key lies in ``agent.key`` (0600),
or is locked there by a passphrase. A write transaction is durable when `Store.writing` returns.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import apsw

from salus.codec import Record, decode, encode
from salus.crypto.keys import new_seed
from salus.crypto.passphrase import lock, unlock
from salus.durable import write_new
from salus.errors import AgentRefused

R = TypeVar("R", bound=Record)

MAX_BODY = 64 * 1024 * 1024
_PLAIN_KEY = b"salus-agent-key-1\n"


#: What SQLite says of the disk, and the same as the operating system would say it.
_DISK: tuple[tuple[type[apsw.Error], int], ...] = (
    (apsw.FullError, errno.ENOSPC),
    (apsw.ReadOnlyError, errno.EROFS),
    (apsw.IOError, errno.EIO),
    (apsw.CantOpenError, errno.EIO),
    (apsw.CorruptError, errno.EIO),
)


class StoreFailed(OSError):
    """The disk refuses the store: it is full, read-only or broken, as ``errno`` says. No refusal of a node's or a service's."""


@dataclass(frozen=True)
class Row:
    """A record as it lies in the store: ``body`` is its canonical bytes."""

    tag: str
    owner: bytes
    key: bytes
    body: bytes


class Store:
    """Records by shape, owner (bytes, b"" for the home itself) and id (bytes).

    Of one that is not ``durable`` a power cut may take the last writes, each whole, and nothing else.
    """

    def __init__(self, path: Path, key: bytes, *, durable: bool = True) -> None:
        require_ciphers()
        with _disk():
            self._db = apsw.Connection(str(path))
            try:
                self._begin(key, durable)
            except apsw.Error:
                self._db.close(True)
                raise
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
        require_encrypted(path)

    def _begin(self, key: bytes, durable: bool) -> None:
        self._db.pragma("key", f"raw:{key.hex()}")
        self._db.pragma("temp_store", "memory")
        try:
            self._db.pragma("journal_mode", "wal")
            self._db.pragma("synchronous", "full" if durable else "normal")
            self._db.execute(
                "create table if not exists records"
                " (tag text, owner blob, id blob, body blob not null, primary key (tag, owner, id)) without rowid"
            )
        except apsw.NotADBError as error:
            raise AgentRefused("wrong-store-key", "the agent's store does not open with this key") from error
        self._db.set_busy_timeout(10_000)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """All puts and drops inside apply together, durably, or not at all. `StoreFailed` when the disk refuses."""
        refused: list[StoreFailed] = []
        try:
            with _disk(), self._db:
                try:
                    yield
                except StoreFailed as error:
                    refused.append(error)
                    raise
        except apsw.SQLError as error:  # nothing to be undone: SQLite has done so by itself when the disk refused
            raise refused[0] if refused else error from None

    def put(self, owner: bytes, key: bytes, record: Record) -> None:
        """Keep ``record`` under (its tag, ``owner``, ``key``), replacing what was there."""
        row = (_tag(type(record)), owner, key, encode(record))
        with _disk():
            self._db.execute("insert or replace into records values (?, ?, ?, ?)", row)

    def find(self, shape: type[R], owner: bytes, key: bytes) -> R | None:
        """The record, or None."""
        query = "select body from records where tag = ? and owner = ? and id = ?"
        with _disk():
            for (body,) in self._db.execute(query, (_tag(shape), owner, key)):
                return decode(body, shape, limit=MAX_BODY)
        return None

    def all(self, shape: type[R], owner: bytes) -> list[tuple[bytes, R]]:
        """Every (id, record) of ``owner``, in order of id."""
        query = "select id, body from records where tag = ? and owner = ? order by id"
        with _disk():
            rows = self._db.execute(query, (_tag(shape), owner))
            return [(key, decode(body, shape, limit=MAX_BODY)) for key, body in rows]

    def ids(self, shape: type[R], owner: bytes) -> list[bytes]:
        """Every id of ``owner``, in order."""
        rows = self._db.execute("select id from records where tag = ? and owner = ? order by id", (_tag(shape), owner))
        return [key for (key,) in rows]

    def drop(self, shape: type[R], owner: bytes, key: bytes) -> None:
        """Forget the record, if it is there."""
        with _disk():
            self._db.execute("delete from records where tag = ? and owner = ? and id = ?", (_tag(shape), owner, key))

    def rows(self, owner: bytes) -> Iterator[Row]:
        """Every row whose owner begins with ``owner`` (of the home itself alone for b""), by tag, owner and id."""
        query = (
            "select tag, owner, id, body from records"
            " where owner = ?1 or (length(?1) > 0 and substr(owner, 1, length(?1)) = ?1) order by tag, owner, id"
        )
        with _disk():
            for tag, found, key, body in self._db.execute(query, (owner,)):
                yield Row(tag, found, key, body)

    def put_row(self, row: Row, shape: type[Record]) -> None:
        """Keep ``row``, whose body must be a ``shape`` in canonical bytes, replacing what was there."""
        self.put(row.owner, row.key, decode(row.body, shape, limit=MAX_BODY))

    def close(self) -> None:
        """Close the database."""
        with _disk():
            self._db.close()


@contextmanager
def _disk() -> Iterator[None]:
    """What the disk refuses inside is `StoreFailed`."""
    try:
        yield
    except tuple(kind for kind, _ in _DISK) as error:
        code = next(code for kind, code in _DISK if isinstance(error, kind))
        raise StoreFailed(code, os.strerror(code)) from error


def require_ciphers() -> None:
    """Raise `AgentRefused` ``no-encryption`` unless the SQLite in use is the encrypting one."""
    if not hasattr(apsw, "mc_version"):
        raise AgentRefused("no-encryption", "the installed apsw cannot encrypt; install apsw-sqlite3mc alone")


def require_encrypted(path: Path) -> None:
    """Raise `AgentRefused` ``not-encrypted`` when the file starts like a plain database."""
    with path.open("rb") as file:
        if file.read(15) == b"SQLite format 3":
            raise AgentRefused("not-encrypted", "the agent's store is not encrypted")


def read_store_key(path: Path, ask: Callable[[], str]) -> bytes:
    """The database key from ``agent.key``; ``ask`` is called for the passphrase only where one was set."""
    data = path.read_bytes()
    if not data.startswith(_PLAIN_KEY):
        return unlock(ask(), data)
    try:
        key = bytes.fromhex(data[len(_PLAIN_KEY) :].decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != 32:
        raise AgentRefused("bad-store-key", "agent.key does not hold a key")
    return key


def write_store_key(path: Path, passphrase: str | None) -> bytes:
    """Make a fresh key and write it to ``path`` (0600), locked when a passphrase is given. The file must not exist."""
    key = new_seed()
    data = lock(passphrase, key) if passphrase else _PLAIN_KEY + key.hex().encode("ascii") + b"\n"
    write_new(path, data)
    return key


def _tag(shape: type[Record]) -> str:
    return str(shape.__struct_config__.tag)
