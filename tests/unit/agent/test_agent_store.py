"""The agent's store: encrypted at rest, opened by its key alone, refused where encryption is missing."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import apsw
import pytest

from salus.agent.services.received import AuthoredEntry
from salus.agent.store import Store, StoreFailed, read_store_key, require_ciphers, write_store_key
from salus.crypto.keys import new_seed
from salus.errors import SalusError


def refused(act: object, *args: object) -> str:
    with pytest.raises(SalusError) as error:
        act(*args)  # type-checked by the tests that use it
    return error.value.full_code


def test_records_are_kept_encrypted_and_open_with_their_key_alone(tmp_path: Path) -> None:
    key = new_seed()
    store = Store(tmp_path / "db", key)
    kept = AuthoredEntry(7, b"never in the clear" + bytes(14), bytes(32))
    with store.writing():
        store.put(b"owner", b"id", kept)
    store.close()
    assert b"never in the clear" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert refused(Store, tmp_path / "db", new_seed()) == "agent/wrong-store-key"
    store = Store(tmp_path / "db", key)
    assert store.find(AuthoredEntry, b"owner", b"id") == kept
    assert store.find(AuthoredEntry, b"other", b"id") is None
    with store.writing():
        store.drop(AuthoredEntry, b"owner", b"id")
    assert store.all(AuthoredEntry, b"owner") == []
    store.close()


def test_what_a_write_began_and_did_not_end_vanishes(tmp_path: Path) -> None:
    store = Store(tmp_path / "db", new_seed())

    def half() -> None:
        with store.writing():
            store.put(b"", b"id", AuthoredEntry(1, bytes(32), bytes(32)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half()
    assert store.all(AuthoredEntry, b"") == []
    store.close()


def test_a_plain_database_and_a_missing_cipher_refuse_to_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = sqlite3.connect(tmp_path / "plain")
    plain.execute("create table records (tag text)")
    plain.commit()
    plain.close()
    assert refused(Store, tmp_path / "plain", new_seed()) == "agent/wrong-store-key"
    monkeypatch.delattr(apsw, "mc_version")
    assert refused(require_ciphers) == "agent/no-encryption"


@pytest.mark.parametrize("data", [b"salus-agent-key-1\nxyz\n", b"salus-agent-key-1\nabcd\n"])
def test_a_damaged_key_file_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "key").write_bytes(data)
    assert refused(read_store_key, tmp_path / "key", str) == "agent/bad-store-key"


def test_a_key_is_written_once(tmp_path: Path) -> None:
    key = write_store_key(tmp_path / "key", None)
    assert read_store_key(tmp_path / "key", str) == key
    with pytest.raises(FileExistsError):
        write_store_key(tmp_path / "key", None)


def test_a_full_disk_is_an_error_of_the_disk_and_what_was_kept_stays(tmp_path: Path) -> None:
    store = Store(tmp_path / "db", new_seed())
    with store.writing():
        store.put(b"owner", b"id", AuthoredEntry(7, bytes(32), bytes(32)))
    store._db.pragma("max_page_count", store._db.pragma("page_count"))

    def fill() -> None:
        with store.writing():
            for number in range(1000):
                store.put(b"owner", number.to_bytes(2, "big"), AuthoredEntry(number, bytes(32), bytes(32)))

    with pytest.raises(StoreFailed) as full:
        fill()
    assert full.value.errno == errno.ENOSPC
    assert [key for key, _ in store.all(AuthoredEntry, b"owner")] == [b"id"]
    store._db.pragma("max_page_count", 1_000_000)
    with store.writing():
        store.put(b"owner", b"more", AuthoredEntry(8, bytes(32), bytes(32)))
    store._db.pragma("query_only", 1)
    with pytest.raises(StoreFailed) as locked, store.writing():
        store.drop(AuthoredEntry, b"owner", b"id")
    assert locked.value.errno == errno.EROFS
    store.close()


def test_what_is_no_database_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "db").mkdir()
    with pytest.raises(StoreFailed):
        Store(tmp_path / "db", new_seed())
