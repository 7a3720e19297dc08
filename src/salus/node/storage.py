"""Files and databases that are there whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lmdb

from salus.errors import NodeRefused

_MAP = 1 << 40  # address space, not disk: a map that grew later would cut off whoever reads meanwhile


def write_atomically(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write ``data`` beside ``path``, make it durable, and move it into place: after a power cut the old or the new is there."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def open_database(folder: Path, tables: int) -> lmdb.Environment:
    """The LMDB database in ``folder``, made where there is none: a write is durable when its transaction ends.

    `NodeRefused` ``state-damaged`` when what is there is no database of this kind.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _undamaged(folder):
        opened = lmdb.open(str(folder), max_dbs=tables, map_size=_MAP, max_readers=64, metasync=True, sync=True)
    opened.reader_check()  # a reader that was killed would keep old pages for ever
    return opened


def open_reading(folder: Path, tables: int) -> lmdb.Environment:
    """The LMDB database in ``folder``, to be read alone, also while another process writes it.

    `NodeRefused` ``state-damaged`` when it is not there, or is no database of this kind.
    """
    if not (folder / "data.mdb").is_file():
        raise NodeRefused("state-damaged", f"the database of the node's {folder.name} is missing; restore a backup")
    with _undamaged(folder):
        opened = lmdb.open(str(folder), max_dbs=tables, map_size=_MAP, max_readers=64, readonly=True, create=False)
    opened.reader_check()
    return opened


@contextmanager
def _undamaged(folder: Path) -> Iterator[None]:
    try:
        yield
    except (lmdb.InvalidError, lmdb.CorruptedError, lmdb.VersionMismatchError) as error:
        raise NodeRefused("state-damaged", f"the database of the node's {folder.name} is damaged; restore a backup") from error


def sync_file(path: Path) -> None:
    """Make a file's bytes durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
