"""What a node keeps on disk beside the ledger: files that are whole or not there, blobs by hash, and a strict configuration."""

from __future__ import annotations

import resource
import shutil
from pathlib import Path

import lmdb
import pytest

from node_world import blob, code
from salus.crypto.hashing import sha256
from salus.durable import write_atomically, write_new
from salus.errors import NodeRefused
from salus.node.config import Config, read_config
from salus.node.storage import open_database
from salus.node.vault.blobs import Blobs


def test_a_file_is_replaced_as_a_whole_and_is_private(tmp_path: Path) -> None:
    """API-48."""
    path = tmp_path / "file"
    write_atomically(path, b"old")
    write_atomically(path, b"new and longer")
    assert path.read_bytes() == b"new and longer"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_file_that_cannot_be_written_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    """API-48."""
    path = tmp_path / "file"
    write_atomically(path, b"old")
    allowed = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, allowed[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_atomically(path, bytes(2_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, allowed)
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_file_is_not_moved_over_a_folder(tmp_path: Path) -> None:
    """API-48."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomically(tmp_path / "folder", b"x")
    assert [each.name for each in tmp_path.iterdir()] == ["folder"]


def test_a_database_that_could_not_be_made_is_made_when_there_is_room(tmp_path: Path) -> None:
    """API-45. Of a half-made one nothing is left, or it would be taken for a damaged one."""
    open_database(tmp_path / "other", 1).close()
    (tmp_path / "new").mkdir()
    shutil.copy(tmp_path / "other" / "lock.mdb", tmp_path / "new")  # there already: it is the data that finds no room
    allowed = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, allowed[1]))
    try:
        with pytest.raises((OSError, lmdb.Error)):
            open_database(tmp_path / "new", 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, allowed)
    open_database(tmp_path / "new", 1).close()


def test_a_file_that_must_be_new_is_whole_or_not_there(tmp_path: Path) -> None:
    write_new(tmp_path / "file", b"first")
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "file", b"second")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("file", b"first")]


def test_a_blob_is_kept_by_its_hash_once(tmp_path: Path) -> None:
    """API-23."""
    blobs, data = Blobs(tmp_path), blob("one")
    name = sha256(data)
    assert (blobs.has(name), blobs.size(name), blobs.get(name)) == (False, None, None)
    assert blobs.put(data)
    assert not blobs.put(data)
    assert (blobs.has(name), blobs.size(name), blobs.get(name)) == (True, len(data), data)
    assert Blobs(tmp_path).get(name) == data
    blobs.remove(name)
    blobs.remove(name)
    assert blobs.get(name) is None


@pytest.mark.parametrize("harm", [lambda d: d[:-1], lambda d: d + b"x", lambda d: b"", lambda d: bytes([d[0] ^ 1]) + d[1:]])
def test_a_blob_that_is_not_what_it_was_is_not_given_out(tmp_path: Path, harm) -> None:
    """API-23."""
    blobs, data = Blobs(tmp_path), blob("one")
    blobs.put(data)
    name = sha256(data)
    (tmp_path / name.hex()[:2] / name.hex()).write_bytes(harm(data))
    assert code(lambda: blobs.get(name)) == "node/blob-damaged"


def test_without_a_file_the_configuration_is_the_default_and_loopback(tmp_path: Path) -> None:
    """API-50, API-51."""
    found = read_config(tmp_path / "config.toml")
    assert found == Config()
    assert (found.host, found.port) == ("127.0.0.1", 0)


def test_a_configuration_is_read(tmp_path: Path) -> None:
    """API-51."""
    (tmp_path / "config.toml").write_text('host = "::1"\nport = 8443\nanchor_seconds = 5\nmailbox_letters = 7\n')
    assert read_config(tmp_path / "config.toml") == Config("::1", 8443, 5, 7)


WRONG = {
    "a misspelt key": b"prot = 80\n",
    "a key too many": b"port = 80\nadmin = true\n",
    "a table": b"[node]\nport = 80\n",
    "text for a number": b'port = "80"\n',
    "a fraction": b"port = 80.5\n",
    "a number for text": b"host = 1\n",
    "too large": b"port = 65536\n",
    "too small": b"anchor_seconds = 0\n",
    "too many letters": b"mailbox_letters = 1000001\n",
    "a name too long": b'host = "' + b"h" * 256 + b'"\n',
    "a key twice": b"port = 80\nport = 81\n",
    "no TOML": b"port: 80\n",
    "no UTF-8": b'host = "\xff"\n',
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_configuration_does_not_start(tmp_path: Path, what: str) -> None:
    """API-51."""
    (tmp_path / "config.toml").write_bytes(WRONG[what])
    with pytest.raises(NodeRefused) as refused:
        read_config(tmp_path / "config.toml")
    assert refused.value.full_code == "node/bad-config"
    assert str(tmp_path) not in str(refused.value)
    assert "\n" not in str(refused.value)
