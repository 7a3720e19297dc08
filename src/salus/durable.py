"""Files that are there whole or not at all, also after a power cut."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write_atomically(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write ``data`` beside ``path``, make it durable, and move it into place: after a power cut the old or the new is there."""
    partial = _written_beside(path, data, mode)
    try:
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_new(path: Path, data: bytes, mode: int = 0o600) -> None:
    """The same for a file that must not be there yet: `FileExistsError` leaves what is there as it is."""
    partial = _written_beside(path, data, mode)
    try:
        os.link(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    sync_folder(path.parent)


def make_folder(folder: Path, mode: int = 0o700) -> None:
    """The folder, made where there is none, and those above it; their names are durable."""
    if not folder.is_dir():
        make_folder(folder.parent, mode)
        folder.mkdir(mode, exist_ok=True)
        sync_folder(folder.parent)


def write_flushed(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write ``data`` to a file that is not there yet, and flush it; its name is durable once its folder is flushed."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(path: Path) -> None:
    """Make a file's bytes durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _written_beside(path: Path, data: bytes, mode: int) -> Path:
    """A durable file of another name in the same folder; nothing where it cannot be written."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        write_flushed(partial, data, mode)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    return partial
