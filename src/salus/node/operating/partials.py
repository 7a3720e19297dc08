"""Folders that are being filled: known by their name and by a lock, so that what a killed command left is found and removed."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lmdb

from salus.durable import sync_folder
from salus.errors import NodeRefused, storage_failed

_LOCK = ".salus-lock"


@contextmanager
def filling(parent: Path, prefix: str) -> Iterator[Path]:
    """A new, empty, private folder in ``parent``; it is gone afterwards, unless the caller has moved it away.

    Those of the same ``prefix`` that no process holds any more are removed first. A disk that refuses, whatever refuses it
    inside, is `NodeRefused` ``storage-failed``.
    """
    with storage_refusals():
        tidy(parent, prefix)
        folder = parent / f"{prefix}{secrets.token_hex(4)}"
        folder.mkdir(mode=0o700)
        handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield folder
        finally:
            os.close(handle)
            shutil.rmtree(folder, ignore_errors=True)


def finish(folder: Path, target: Path) -> None:
    """Make the filled folder durable and give it its name, at once."""
    (folder / _LOCK).unlink()
    for place, _, _ in os.walk(folder, topdown=False):
        sync_folder(Path(place))
    folder.rename(target)
    sync_folder(target.parent)


def tidy(parent: Path, prefix: str) -> None:
    """Remove what killed commands left: folders of the prefix that have a lock which nobody holds."""
    for folder in parent.glob(f"{prefix}*"):
        try:
            handle = os.open(folder / _LOCK, os.O_RDWR)
        except OSError:
            continue  # not ours
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            continue  # another command is filling it
        finally:
            os.close(handle)


@contextmanager
def storage_refusals() -> Iterator[None]:
    """A disk that is full, read-only or broken is one clear line: `NodeRefused` ``storage-failed``."""
    try:
        with database_refusals():
            yield
    except OSError as error:
        raise storage_failed(error) from error


@contextmanager
def database_refusals() -> Iterator[None]:
    """The same for a database alone."""
    try:
        yield
    except lmdb.Error as error:
        full = any(os.strerror(code) in str(error) for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
        reason = "there is no room left" if full else "a database refuses"
        raise NodeRefused("storage-failed", f"the disk cannot be read or written: {reason}") from error
