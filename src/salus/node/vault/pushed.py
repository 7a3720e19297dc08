"""Copies of blobs that other members' nodes have pushed here before the ledger anchors them: durable, and for a while alone.

A member cannot fill this disk: what it pushes and nobody anchors is bounded in bytes, and goes after a time.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from salus.crypto.hashing import sha256
from salus.durable import make_folder, sync_folder, write_flushed
from salus.errors import NodeRefused
from salus.ids import Millis
from salus.node.vault.blobs import Blobs

MAX_PUSHED = 256 * 1024 * 1024  # bytes of one member's that wait here
_LEAST = 4096  # bytes that a blob counts for at least, as it takes so many of the disk: this bounds how many there are
_NAME = re.compile(r"([0-9a-f]{64})\.([0-9a-f]{64})")


class PushedBlobs:
    """``folder`` holds a file for each, named by the member and the blob; ``clock`` gives ms since the epoch.

    What nothing has anchored in a block ``patience`` ms after it came is deleted, counted anew from a start of the node on: no
    transaction that anchors it can still be ordered then. Every method may be called from any thread.
    """

    def __init__(self, blobs: Blobs, folder: Path, patience: int, clock: Callable[[], Millis]) -> None:
        self._blobs, self._folder, self._patience, self._clock = blobs, folder, patience, clock
        self._lock, self._writing = threading.Lock(), set[tuple[bytes, bytes]]()
        self._held = dict[bytes, dict[bytes, tuple[int, int]]]()  # by blob and member: what it counts for, and when it came
        self._counted = Counter[bytes]()  # bytes by member
        for path in sorted(folder.glob("*")):
            if match := _NAME.fullmatch(path.name):
                member, blob, size = bytes.fromhex(match[1]), bytes.fromhex(match[2]), _counts(path.stat().st_size)
                self._counted[member] += size
                self._held.setdefault(blob, {})[member] = (size, clock())

    def take(self, member: bytes, given: Mapping[bytes, bytes]) -> None:
        """Keep ``given`` durably for the member; `NodeRefused` ``push-full``, and none of it, where that is more than it may."""
        with self._lock:
            here = {blob for blob in given if member in self._held.get(blob, ()) or (member, blob) in self._writing}
            fresh = {blob: data for blob, data in given.items() if blob not in here}
            size = sum(_counts(len(data)) for data in fresh.values())
            if self._counted[member] + size > MAX_PUSHED:
                raise NodeRefused("push-full", "this member's node has pushed as much as may wait here for its transactions")
            self._counted[member] += size
            self._writing |= {(member, blob) for blob in fresh}
        written = False
        try:
            self._write(member, fresh)
            written = True
        finally:
            with self._lock:
                self._writing -= {(member, blob) for blob in fresh}
                if written:
                    for blob, data in fresh.items():
                        self._held.setdefault(blob, {})[member] = (_counts(len(data)), self._clock())
                else:
                    self._counted[member] -= size

    def has(self, blob: bytes) -> bool:
        """Whether the blob waits here, whole."""
        return any(self._whole(member, blob) for member in self._members(blob))

    def adopt(self, blobs: Iterable[bytes]) -> set[bytes]:
        """The ledger anchors these: those that wait here, whole, are in their places from now on; which they are."""
        found = set[bytes]()
        for blob in blobs:
            for member in self._members(blob):
                if blob not in found and self._whole(member, blob):
                    self._blobs.link(self._path(member, blob), blob)
                    self._blobs.settle_later({blob: self._path(member, blob)})  # and the file goes when that is done
                    found.add(blob)
                    self._discount(member, blob)
                else:
                    self._discount(member, blob)
                    self._path(member, blob).unlink(missing_ok=True)
        return found

    def expire(self, time: int) -> None:
        """Delete what has waited too long at the newest block's ``time``: by the blocks, as what is anchored is never deleted."""
        with self._lock:
            last = time - self._patience
            late = [(member, blob) for blob, by in self._held.items() for member, (_, came) in by.items() if came < last]
        for member, blob in late:
            self._discount(member, blob)
            self._path(member, blob).unlink(missing_ok=True)

    def waiting(self) -> tuple[int, int]:
        """How many blobs wait here, and the bytes that they count for."""
        with self._lock:
            return len(self._held), sum(self._counted.values())

    def _members(self, blob: bytes) -> list[bytes]:
        with self._lock:
            return sorted(self._held.get(blob, ()))

    def _discount(self, member: bytes, blob: bytes) -> None:
        with self._lock:
            by = self._held.get(blob, {})
            self._counted[member] -= by.pop(member, (0, 0))[0]
            if not by:
                self._held.pop(blob, None)

    def _write(self, member: bytes, fresh: Mapping[bytes, bytes]) -> None:
        if not fresh:
            return
        make_folder(self._folder)
        for blob, data in fresh.items():
            if not self._whole(member, blob):  # adopted once, and its place is not settled yet
                self._path(member, blob).unlink(missing_ok=True)
                write_flushed(self._path(member, blob), data)
        sync_folder(self._folder)

    def _whole(self, member: bytes, blob: bytes) -> bool:
        try:
            return sha256(self._path(member, blob).read_bytes()) == blob
        except OSError:
            return False

    def _path(self, member: bytes, blob: bytes) -> Path:
        return self._folder / f"{member.hex()}.{blob.hex()}"


def _counts(size: int) -> int:
    return max(size, _LEAST)
