"""The agent's store: records of its principals in one encrypted database (SQLite3 Multiple Ciphers).

One table holds canonical `Record` bytes by (shape's tag, owner, id), another one which of them are about what. The 32-byte
database key lies in ``agent.key`` (0600), or is locked there by a passphrase. A write transaction is durable when
`Store.writing` returns.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import apsw

from salus.codec import Record, decode, encode
from salus.crypto.keys import new_seed
from salus.crypto.passphrase import lock, unlock
from salus.durable import write_new
from salus.errors import AgentRefused


@runtime_checkable
class Filed(Protocol):
    """What shapes have that are found by what they are ``about`` as well: some bytes that are not empty."""

    @property
    def about(self) -> bytes:
        """What the record is filed under."""


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
        self._safety = "full" if durable else "normal"
        with _disk():
            self._db = apsw.Connection(str(path))
            try:
                self._begin(key)
            except apsw.Error:
                self._db.close(True)
                raise
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
        require_encrypted(path)

    def _begin(self, key: bytes) -> None:
        self._db.set_busy_timeout(10_000)
        self._db.pragma("key", f"raw:{key.hex()}")
        self._db.pragma("temp_store", "memory")
        try:
            self._db.pragma("journal_mode", "wal")
            self._db.pragma("synchronous", self._safety)
            self._db.execute(
                "create table if not exists records"
                " (tag text, owner blob, id blob, body blob not null, primary key (tag, owner, id)) without rowid"
            )
            self._db.execute(
                "create table if not exists abouts"
                " (tag text, owner blob, about blob, id blob, primary key (tag, owner, about, id)) without rowid"
            )
        except apsw.NotADBError as error:
            raise AgentRefused("wrong-store-key", "the agent's store does not open with this key") from error

    @contextmanager
    def writing(self) -> Iterator[None]:
        """All puts and drops inside apply together, durably, or not at all. `StoreFailed` when the disk refuses."""
        with self._together():
            yield

    @contextmanager
    def _together(self) -> Iterator[None]:
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

    @contextmanager
    def tidying(self) -> Iterator[None]:
        """As `writing`, of what may as well be done again: a power cut may undo it, whole, until something else is written."""
        self._db.pragma("synchronous", "normal")
        try:
            with self._together():
                yield
        finally:
            self._db.pragma("synchronous", self._safety)

    def put(self, owner: bytes, key: bytes, record: Record) -> None:
        """Keep ``record`` under (its tag, ``owner``, ``key``), replacing what was there."""
        tag = _tag(type(record))
        self._do("insert or replace into records values (?, ?, ?, ?)", (tag, owner, key, encode(record)))
        if _about(record):
            self._file(tag, owner, key, _about(record))

    def find(self, shape: type[R], owner: bytes, key: bytes) -> R | None:
        """The record, or None."""
        query = "select body from records where tag = ? and owner = ? and id = ?"
        rows = self._do(query, (_tag(shape), owner, key))
        return decode(rows[0][0], shape, limit=MAX_BODY) if rows else None

    def all(self, shape: type[R], owner: bytes) -> list[tuple[bytes, R]]:
        """Every (id, record) of ``owner``, in order of id."""
        query = "select id, body from records where tag = ? and owner = ? order by id"
        return [(key, decode(body, shape, limit=MAX_BODY)) for key, body in self._do(query, (_tag(shape), owner))]

    def some(self, shape: type[R], owner: bytes, keys: Sequence[bytes]) -> dict[bytes, R]:
        """Those records of ``owner`` that are there, by id: one statement for all, not one an id."""
        query = (
            "select records.id, body from json_each(?3) as wanted"
            " cross join records on tag = ?1 and owner = ?2 and records.id = unhex(wanted.value) order by wanted.key"
        )
        wanted = json.dumps([key.hex() for key in keys])
        return {key: decode(body, shape, limit=MAX_BODY) for key, body in self._do(query, (_tag(shape), owner, wanted))}

    def about(self, shape: type[R], owner: bytes, about: bytes) -> list[tuple[bytes, R]]:
        """Every (id, record) of ``owner`` that is about ``about``, in order of id, without a look at the others.

        They are filed as they are put; what was there before this was first asked is filed then.
        """
        tag = _tag(shape)
        filed = "select 1 from abouts where tag = ? and owner = ? and about = x'' and id = x''"
        if not self._do(filed, (tag, owner)):
            with self.writing():
                for key, record in self.all(shape, owner):
                    self._file(tag, owner, key, _about(record))
                self._file(tag, owner, b"", b"")
        query = (
            "select id, body from abouts join records using (tag, owner, id)"
            " where tag = ? and owner = ? and about = ? order by id"
        )
        rows = [(key, decode(body, shape, limit=MAX_BODY)) for key, body in self._do(query, (tag, owner, about))]
        return [(key, record) for key, record in rows if _about(record) == about]

    def _file(self, tag: str, owner: bytes, key: bytes, about: bytes) -> None:
        self._do("insert or ignore into abouts values (?, ?, ?, ?)", (tag, owner, about, key))

    def _do(self, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        with _disk():
            return list(self._db.execute(statement, values))

    def ids(self, shape: type[R], owner: bytes) -> list[bytes]:
        """Every id of ``owner``, in order."""
        query = "select id from records where tag = ? and owner = ? order by id"
        return [key for (key,) in self._do(query, (_tag(shape), owner))]

    def drop(self, shape: type[R], owner: bytes, key: bytes) -> None:
        """Forget the record, if it is there."""
        self._do("delete from records where tag = ? and owner = ? and id = ?", (_tag(shape), owner, key))

    def rows(self, owner: bytes) -> Iterator[Row]:
        """Every row whose owner begins with ``owner`` (of the home itself alone for b""), by tag, owner and id."""
        query = (
            "select tag, owner, id, body from records"
            " where owner = ?1 or (length(?1) > 0 and substr(owner, 1, length(?1)) = ?1) order by tag, owner, id"
        )
        with _disk():
            for tag, found, key, body in self._db.execute(query, (owner,)):
                yield Row(tag, found, key, body)

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


def _about(record: object) -> bytes:
    if not hasattr(type(record), "about"):  # a tenth of the time that asking the protocol takes
        return b""
    return record.about if isinstance(record, Filed) else b""
