"""Blobs that arrive with a transaction: there before it is ordered, gone if it is refused, also after a crash."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from pathlib import Path

from salus.crypto.hashing import sha256
from salus.durable import make_folder, sync_folder, write_flushed
from salus.errors import NodeRefused
from salus.ledger.modules.sections.messages import AppendEntry, CreateSection, Epoch, Rewrite, Rotate
from salus.ledger.modules.sections.state import epoch_key
from salus.ledger.store import Reader, load
from salus.ledger.tx import Body
from salus.node.vault.blobs import Blobs

_NAME = re.compile(r"([0-9a-f]{64})\.([0-9a-f]{64})")


class Arriving:
    """``folder`` holds the blobs that are new with a body, one file each, flushed with one flush of the folder.

    From there each is linked into its place, and read there at once. The links are flushed later, many together: until then
    the files here are what outlives a power cut, and `sweep` links them anew.
    """

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

    def bring(self, body: bytes, given: tuple[bytes, ...]) -> list[bytes]:
        """Keep durably those of ``given`` that are not here, as new with this body; which they are. All of them, or `OSError`."""
        fresh = {blob: data for blob, data in ((sha256(data), data) for data in given) if not self._blobs.has(blob)}
        if fresh:
            make_folder(self._folder)
        try:
            for blob, data in fresh.items():
                write_flushed(self._path(body, blob), data)
            if fresh:
                sync_folder(self._folder)
            for blob in fresh:
                self._blobs.link(self._path(body, blob), blob)
        except OSError:
            self.withdraw(body, list(fresh))
            raise
        return list(fresh)

    def keep(self, body: bytes, fresh: list[bytes]) -> None:
        """The body was applied: what was new with it stays."""
        self._blobs.settle_later({blob: self._path(body, blob) for blob in fresh})

    def withdraw(self, body: bytes, fresh: list[bytes]) -> None:
        """The body was refused: what was new with it goes."""
        for blob in fresh:
            self._blobs.remove(blob)
            self._path(body, blob).unlink(missing_ok=True)

    def sweep(self, committed: Callable[[bytes], bool], undecided: float = 0.0, standing: Container[bytes] = frozenset()) -> None:
        """At the start: what came with committed bodies is in its place for good; the rest goes, and its agent sends it again.

        Where others order, what was handed to them may still come into a block: it stays for so many seconds (``undecided``).
        Where the chain begins with a snapshot, what became of earlier bodies is not known: ``standing`` are the blobs that the
        ledger anchors.
        """
        for path, body, blob in arrived(self._folder):
            if committed(body) or blob in standing:
                self._blobs.link(path, blob)
                self.keep(body, [blob])
            elif time.time() - path.stat().st_mtime < undecided:
                self._blobs.link(path, blob)
            else:
                self.withdraw(body, [blob])
        self._blobs.settle()

    def _path(self, body: bytes, blob: bytes) -> Path:
        return self._folder / f"{body.hex()}.{blob.hex()}"


def arrived(folder: Path) -> list[tuple[Path, bytes, bytes]]:
    """(file, body, blob) of what lies in the folder; files of other names are passed over."""
    found = [(path, match) for path in sorted(folder.glob("*")) if (match := _NAME.fullmatch(path.name))]
    return [(path, bytes.fromhex(match[1]), bytes.fromhex(match[2])) for path, match in found]


def require_blobs(body: Body, given: tuple[bytes, ...], blobs: Blobs | None, state: Reader) -> None:
    """Raise unless every blob that the body anchors is given or held, in its stated size, and nothing else is given.

    Where ``blobs`` is None, the body's sponsor is another member and has them: what is given is looked at alone. What the
    ``state`` has already is no new anchor: those who are to keep it were seen to have it.
    """
    sizes: dict[bytes, int | None] = {sha256(data): len(data) for data in given}
    wanted = anchored(body)
    if any(blob not in wanted for blob in sizes):
        raise NodeRefused("blob-unanchored", "a blob was sent that the transaction does not anchor")
    for blob, stated in wanted.items():
        size = sizes.get(blob, blobs.size(blob) if blobs is not None else None)
        if size is None and (blobs is None or blob in _named_again(state, body)):
            continue
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


def _named_again(state: Reader, body: Body) -> list[bytes]:
    """Key packages in the body's schedules that the ledger names for the same epochs."""
    epochs = [(action.section, epoch) for action in body.actions if isinstance(action, Rotate) for epoch in action.schedule]
    return [epoch.package for section, epoch in epochs if load(state, epoch_key(section, epoch.number), Epoch) == epoch]


def held(body: Body, blobs: Blobs) -> dict[bytes, bytes]:
    """Those of the blobs that the body anchors that are here."""
    return {blob: data for blob in anchored(body) if (data := blobs.get(blob)) is not None}
