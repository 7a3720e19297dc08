"""Snapshots on disk: a folder for each height, with the description last, so that one which is there is whole.

::

    FOLDER/0000000000001000/snapshot        the description
    FOLDER/0000000000001000/00000           the first chunk, and so on
"""

from __future__ import annotations

import logging
import re
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import lmdb

from salus.codec import encode
from salus.durable import make_folder, sync_folder, write_atomically, write_flushed
from salus.errors import LedgerRefused, SalusError
from salus.ledger.snapshot import (
    MAX_CHUNK,
    Restored,
    Snapshot,
    chunk_hash,
    cut,
    read_snapshot,
    require_chunk,
    restored,
    snapshot_hash,
)

KEPT = 2  # snapshots besides the one that the chain here begins with
_LOG = logging.getLogger("salus.node")
_DESCRIPTION = "snapshot"
_NAME = re.compile(r"\d{16}")
_ARRIVING = "arriving"

Leaves = Iterable[tuple[bytes, bytes]]


class Snapshots:
    """The snapshots in ``folder``. What is read may go meanwhile: then it is as if it had not been there.

    ``pruned``: that with which the chain begins moves up, so the next one after it is kept, too.
    """

    def __init__(self, folder: Path, *, pruned: bool = False) -> None:
        self._folder, self._pruned = folder, pruned

    def heights(self) -> list[int]:
        """Of which heights there are snapshots, the newest first."""
        names = [path.name for path in self._folder.glob("*") if (path / _DESCRIPTION).is_file()]
        return sorted((int(name) for name in names if _NAME.fullmatch(name)), reverse=True)

    def find(self, height: int) -> Snapshot | None:
        """The snapshot of this height; None where there is none, or it cannot be read."""
        try:
            return read_snapshot((self._at(height) / _DESCRIPTION).read_bytes())
        except (OSError, SalusError):
            return None

    def chunk(self, height: int, index: int) -> bytes | None:
        """A chunk; None where there is none of this number."""
        return _read(self._at(height) / f"{index:05d}") if 0 <= index < 100_000 else None

    def chunks(self, snapshot: Snapshot) -> Iterator[bytes]:
        """Every chunk of it, in order; what is missing comes as no bytes."""
        return (self.chunk(snapshot.height, index) or b"" for index in range(len(snapshot.chunks)))

    def base(self, height: int) -> Restored | None:
        """The state of this snapshot, verified; None where it is not here, or damaged."""
        snapshot = self.find(height)
        if snapshot is None:
            return None
        try:
            return restored(snapshot, self.chunks(snapshot))
        except LedgerRefused:
            return None

    def make(self, network: bytes, height: int, root: bytes, leaves: Leaves, *, base: int) -> Snapshot:
        """Write the snapshot of a state, and let the older ones go but that of ``base``. `OSError` leaves no part of one."""
        partial, hashes = self._begun(f".{height}"), list[bytes]()
        for index, data in enumerate(cut(leaves)):
            write_flushed(partial / f"{index:05d}", data)
            hashes.append(chunk_hash(data))
        made = Snapshot(network, height, root, tuple(hashes))
        self._finish(partial, made)
        self.forget_older(base)
        return made

    def forget_older(self, base: int) -> None:
        """Delete all but the newest ones, that of height ``base``, and, where it moves up, the next one."""
        kept = (base, self.after(base) if self._pruned else base)
        for height in self.heights()[KEPT:]:
            if height not in kept:
                self.forget(height)

    def after(self, base: int) -> int:
        """The height of the lowest snapshot above ``base``; ``base`` where there is none."""
        return min((height for height in self.heights() if height > base), default=base)

    def forget(self, height: int) -> None:
        """Delete the snapshot of this height."""
        shutil.rmtree(self._at(height), ignore_errors=True)

    def begin(self, snapshot: Snapshot) -> Arriving:
        """Take in a snapshot that others have, from its first chunk on."""
        return Arriving(snapshot, self._begun(_ARRIVING), self._finish)

    def _begun(self, name: str) -> Path:
        """An empty folder of this name."""
        partial = self._folder / name
        shutil.rmtree(partial, ignore_errors=True)
        make_folder(partial)
        return partial

    def _finish(self, partial: Path, snapshot: Snapshot) -> None:
        """Give the folder its place, durably."""
        write_atomically(partial / _DESCRIPTION, encode(snapshot))
        place = self._at(snapshot.height)
        shutil.rmtree(place, ignore_errors=True)
        partial.rename(place)
        sync_folder(self._folder)

    def _at(self, height: int) -> Path:
        return self._folder / f"{height:016d}"


class Arriving:
    """A snapshot whose chunks come in."""

    def __init__(self, snapshot: Snapshot, folder: Path, finish: Callable[[Path, Snapshot], None]) -> None:
        self.snapshot, self._folder, self._finish = snapshot, folder, finish
        self._missing = set(range(len(snapshot.chunks)))

    def take(self, index: int, data: bytes) -> bool:
        """Keep a chunk; whether all are here. `LedgerRefused` ``bad-chunk`` for any other bytes."""
        require_chunk(self.snapshot, index, data)
        if index in self._missing:
            write_flushed(self._folder / f"{index:05d}", data)
            self._missing.discard(index)
        return not self._missing

    def chunks(self) -> Iterator[bytes]:
        """All chunks in order."""
        return (_read(self._folder / f"{index:05d}") or b"" for index in range(len(self.snapshot.chunks)))

    def finish(self) -> None:
        """The snapshot is whole, and is kept."""
        self._finish(self._folder, self.snapshot)


class Making:
    """Makes snapshots beside everything else, one at a time; a height at which one is still being made is left out.

    ``then`` is called with the height of each that was made, beside everything else, too.
    """

    def __init__(
        self, snapshots: Snapshots, network: bytes, every: int, then: Callable[[int], object] = lambda height: None
    ) -> None:
        self._snapshots, self._network, self._every, self._then = snapshots, network, every, then
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    def offer(self, height: int, root: bytes, base: int, view: Callable[[], AbstractContextManager[Leaves]]) -> None:
        """The state after the block at ``height`` is what ``view`` shows, from the moment on at which it is called."""
        if not self._every or height % self._every or (self._thread is not None and self._thread.is_alive()):
            return
        opened = view()
        try:
            leaves = opened.__enter__()  # now, while no block is made
        except lmdb.Error as error:  # the block is durable, whatever becomes of a snapshot of it
            _LOG.warning("no snapshot of block %d (%s)", height, type(error).__name__)
            return
        self._thread = threading.Thread(
            target=self._make, args=(height, root, base, opened, leaves), name="snapshot", daemon=True
        )
        self._thread.start()

    def wait(self) -> None:
        """Until none is being made."""
        if self._thread is not None:
            self._thread.join()

    def stop(self) -> None:
        """Give up the one that is being made."""
        self._stopping.set()
        self.wait()

    def _wanted(self, leaves: Leaves) -> Leaves:
        for leaf in leaves:
            if self._stopping.is_set():
                raise InterruptedError("the node stops")
            yield leaf

    def _make(self, height: int, root: bytes, base: int, opened: AbstractContextManager[Leaves], leaves: Leaves) -> None:
        try:
            with ExitStack() as stack:
                stack.push(opened)
                made = self._snapshots.make(self._network, height, root, self._wanted(leaves), base=base)
            _LOG.info("snapshot of block %d: %d chunks, %s", height, len(made.chunks), snapshot_hash(made).hex()[:16])
            self._then(height)
        except (OSError, lmdb.Error, SalusError) as error:
            _LOG.warning("no snapshot of block %d, or none to begin with (%s)", height, type(error).__name__)


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(MAX_CHUNK + 1)
    except OSError:
        return None
