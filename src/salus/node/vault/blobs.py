"""Blobs by SHA-256 in a folder: written atomically, checked at every read."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from salus.crypto.hashing import sha256
from salus.durable import make_folder, sync_folder, write_atomically
from salus.errors import NodeRefused

_NAME = re.compile("[0-9a-f]{64}")
T = TypeVar("T")
DAMAGED = "node/blob-damaged"  # what a blob that is not what it was is refused with
SETTLED = 1024  # blobs whose places become durable together: 256 folders are flushed for them


class Blobs:
    """A folder of blobs, spread over 256 subfolders. `BucketBlobs` keeps the same promises where settled ones lie in a bucket."""

    audited = 16  # blobs that one look of the audit reads at most

    def __init__(self, folder: Path, *, reading: bool = False) -> None:
        self._folder = folder
        self._making, self._counting = threading.Lock(), threading.Lock()
        self._totals: tuple[int, int] | None = None
        self._settling, self._linked = threading.Lock(), dict[bytes, Path]()
        if not reading:
            make_folder(folder)

    def put(self, data: bytes) -> bool:
        """Keep ``data`` durably; whether it is new here."""
        blob = sha256(data)
        path = self._path(blob)
        if path.exists():
            return False
        self._make(path.parent)
        write_atomically(path, data)
        self._count(1, len(data))
        self._settled([blob])
        return True

    def link(self, path: Path, blob: bytes) -> None:
        """Have the durable file at ``path`` in its place as well; the place itself is durable once it is settled."""
        place = self._path(blob)
        self._make(place.parent)
        if not place.exists():
            place.hardlink_to(path)
            self._count(1, path.stat().st_size)

    def settle_later(self, linked: dict[bytes, Path]) -> None:
        """These blobs are to stay where they were linked from the paths: `settle` when there are enough of them."""
        with self._settling:
            self._linked |= linked
            enough = len(self._linked) >= SETTLED
        if enough:
            self.settle()

    def settle(self) -> None:
        """Make the places of what was linked durable, each folder once, and delete what it was linked from."""
        with self._settling:
            linked, self._linked = self._linked, {}
        for folder in sorted({self._path(blob).parent for blob in linked}):
            sync_folder(folder)
        for path in linked.values():
            path.unlink(missing_ok=True)
        self._settled(linked)

    def has(self, blob: bytes) -> bool:
        """Whether the blob is on disk."""
        return self._path(blob).exists()

    def is_elsewhere(self, blob: bytes) -> bool:
        """Whether the blob is here and does not lie on this disk."""
        return False

    def size(self, blob: bytes) -> int | None:
        """How many bytes the blob on disk has; None when it is not here."""
        path = self._path(blob)
        return path.stat().st_size if path.exists() else None

    def get(self, blob: bytes) -> bytes | None:
        """The blob; None when it is not here; `NodeRefused` ``blob-damaged`` when its bytes are not those of its name."""
        try:
            data = self._path(blob).read_bytes()
        except FileNotFoundError:
            return None
        require_intact(data, blob)
        return data

    def remove(self, blob: bytes) -> None:
        """Delete the blob, if it is here."""
        with self._settling:
            linked = self._linked.pop(blob, None)
        if linked is not None:
            linked.unlink(missing_ok=True)
        self._drop(blob)

    def stock(self) -> dict[bytes, float]:
        """Every blob that is kept, whole or damaged, and when it came, in seconds since the epoch: looked for where they lie.

        Files of other names are passed over.
        """
        return {blob: path.stat().st_mtime for blob, path in self._lying() if path.exists()}

    def totals(self) -> tuple[int, int]:
        """How many blobs are on disk and their bytes: looked at once, and counted on from there."""
        with self._counting:
            if self._totals is None:
                sizes = [path.stat().st_size for _, path in self._lying() if path.exists()]
                self._totals = (len(sizes), sum(sizes))
            return self._totals

    def where(self) -> str:
        """Where the blobs lie, in a line for people."""
        return "sealed blobs lie in the node's folder"

    def waiting(self) -> tuple[int, int]:
        """How many blobs, and bytes of them, wait in the folder to go elsewhere."""
        return 0, 0

    def require_room(self) -> None:
        """`NodeRefused` ``store-full`` where so much waits that nothing more is taken."""

    def require_reached(self, blobs: Iterable[bytes]) -> None:
        """Raise where some of the blobs lie where a moment ago nothing answered."""

    def each(self, act: Callable[[bytes], T], blobs: Iterable[bytes]) -> list[T]:
        """What ``act`` returns for each of the blobs, in order; several at once where that is worth it."""
        return [act(blob) for blob in blobs]

    def move(self) -> None:
        """What waits goes where it is to lie."""
        self.settle()

    def begin(self) -> None:
        """What lies here is this node's from now on; asks where blobs lie whatever must be known before anything else."""

    def start(self, seconds: float) -> None:
        """Begin to `move` in the background, every so many seconds."""

    def close(self) -> None:
        """Nothing is asked any more."""

    def _drop(self, blob: bytes) -> None:
        """Delete the blob in its place, if it is there."""
        path = self._path(blob)
        if path.exists():
            size = path.stat().st_size
            path.unlink(missing_ok=True)
            self._count(-1, -size)

    def _lying(self) -> Iterator[tuple[bytes, Path]]:
        for folder in sorted(self._folder.glob("[0-9a-f][0-9a-f]")):
            for path in sorted(folder.iterdir()):
                if _NAME.fullmatch(path.name) and path.name[:2] == folder.name:
                    yield bytes.fromhex(path.name), path

    def _settled(self, blobs: Iterable[bytes]) -> None:
        """These are durable in their places."""

    def _count(self, blobs: int, size: int) -> None:
        with self._counting:
            if self._totals is not None:
                self._totals = (self._totals[0] + blobs, self._totals[1] + size)

    def _make(self, folder: Path) -> None:
        """The subfolder, durable before anybody puts a blob into it."""
        with self._making:
            make_folder(folder)

    def _path(self, blob: bytes) -> Path:
        name = blob.hex()
        return self._folder / name[:2] / name


def require_intact(data: bytes, blob: bytes) -> None:
    """Raise `NodeRefused` ``blob-damaged`` unless ``data`` is the blob of this hash."""
    if sha256(data) != blob:
        raise NodeRefused("blob-damaged", "a sealed blob on disk is not what it was; restore it from a copy")
