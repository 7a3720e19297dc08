"""Blobs that arrive with a transaction: there before it is ordered, gone if it is refused, also after a crash."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from salus.crypto.hashing import sha256
from salus.durable import make_folder, write_atomically
from salus.errors import NodeRefused
from salus.ledger.modules.sections.messages import AppendEntry, CreateSection, Rewrite, Rotate
from salus.ledger.tx import Body
from salus.node.vault.blobs import Blobs


class Arriving:
    """``folder`` remembers which blobs are new with which body until it is known what became of it."""

    def __init__(self, blobs: Blobs, folder: Path) -> None:
        self._blobs, self._folder = blobs, folder
        self._waiting, self._under_way = threading.Condition(), set[bytes]()

    @contextmanager
    def alone(self, names: set[bytes]) -> Iterator[None]:
        """Inside, no other submission has one of ``names`` (body, blobs): or what one is refused, another would lose."""
        with self._waiting:
            self._waiting.wait_for(lambda: self._under_way.isdisjoint(names))
            self._under_way |= names
        try:
            yield
        finally:
            with self._waiting:
                self._under_way -= names
                self._waiting.notify_all()

    def mark(self, body: bytes, blobs: list[bytes]) -> None:
        """Remember which blobs are new with this body, so that a crash leaves none behind for ever."""
        if blobs:
            make_folder(self._folder)
            write_atomically(self._folder / body.hex(), b"".join(blobs))

    def unmark(self, body: bytes, delete: list[bytes]) -> None:
        """What became of the body is known: ``delete`` these blobs of it."""
        for blob in delete:
            self._blobs.remove(blob)
        (self._folder / body.hex()).unlink(missing_ok=True)

    def sweep(self, committed: Callable[[bytes], bool]) -> None:
        """Delete the blobs of bodies that were never committed; their agent sends the same body with its blobs again."""
        for partial in self._folder.glob(".*"):
            partial.unlink()
        for marker in sorted(self._folder.glob("[0-9a-f]*")):
            data = marker.read_bytes()
            blobs = [data[i : i + 32] for i in range(0, len(data), 32)]
            self._blobs.tidy(blobs)
            self.unmark(bytes.fromhex(marker.name), [] if committed(bytes.fromhex(marker.name)) else blobs)


def require_blobs(body: Body, given: tuple[bytes, ...], held: Blobs) -> None:
    """Raise unless every blob that the body anchors is given or held, in its stated size, and nothing else is given."""
    sizes: dict[bytes, int | None] = {sha256(data): len(data) for data in given}
    wanted = anchored(body)
    if any(blob not in wanted for blob in sizes):
        raise NodeRefused("blob-unanchored", "a blob was sent that the transaction does not anchor")
    for blob, stated in wanted.items():
        size = sizes.get(blob, held.size(blob))
        if size is None:
            raise NodeRefused("blob-missing", "the transaction anchors a blob that was not sent")
        if stated - {size}:
            raise NodeRefused("blob-size", "a blob is not of the size that the transaction states")


def anchored(body: Body) -> dict[bytes, set[int]]:
    """The blobs that the body anchors, each with the sizes that it states for it: none for a key package."""
    found: dict[bytes, set[int]] = {}
    for action in body.actions:
        if isinstance(action, AppendEntry | Rewrite):
            found.setdefault(action.blob, set()).add(action.size)
        elif isinstance(action, CreateSection | Rotate):
            for epoch in action.schedule:
                found.setdefault(epoch.package, set())
    return found
