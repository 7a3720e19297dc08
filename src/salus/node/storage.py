"""Databases whose writes are there whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lmdb

from salus.durable import make_folder, sync_file, sync_folder
from salus.errors import NodeRefused

_MAP = 1 << 40  # address space, not disk: a map that grew later would cut off whoever reads meanwhile


def open_database(folder: Path, tables: int) -> lmdb.Environment:
    """The LMDB database in ``folder``, made where there is none: a write is durable when its transaction ends.

    `NodeRefused` ``state-damaged`` when what is there is no database of this kind.
    """
    make_folder(folder)
    if not (folder / "data.mdb").exists():
        _create(folder)
    with _undamaged(folder):
        opened = lmdb.open(str(folder), max_dbs=tables, map_size=_MAP, max_readers=64, metasync=True, sync=True)
    opened.reader_check()  # a reader that was killed would keep old pages for ever
    return opened


def _create(folder: Path) -> None:
    """An empty database in the folder, there whole or not at all: a half-made one would be taken for a damaged one."""
    partial = folder / ".new.mdb"
    partial.unlink(missing_ok=True)
    lmdb.open(str(partial), subdir=False, lock=False).close()
    sync_file(partial)
    partial.rename(folder / "data.mdb")
    sync_folder(folder)


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
