"""Blobs that lie in a bucket once they are settled: the folder is where they arrive, and wait for the bucket.

Nothing leaves the disk before the bucket has said that it is durable there. What is deleted is noted first, is neither served nor
counted from then on, and leaves the bucket as soon as that answers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TypeVar

import lmdb

from salus.errors import NodeRefused, SalusError
from salus.node.vault.blobs import Blobs, require_intact
from salus.node.vault.bucket import Bucket
from salus.node.vault.stored import Stored

T = TypeVar("T")

AT_ONCE = 8  # requests that write, and as many that read
_PORTION, _PORTION_BYTES = 64, 32 * 1024 * 1024  # blobs that are on their way together
_DELETED = 250  # objects that one request deletes at most
_NOTED = 4096  # blobs that are noted in one durable write


class BucketBlobs(Blobs):
    """``folder`` is the buffer, of ``room`` bytes; ``index`` the folder of `Stored`. With ``reading``, nothing is changed.

    `get` asks the bucket for what is not in the buffer, and raises as `Bucket` does where it does not answer; `stock` lists it.
    All else is answered from the disk. A reader alone (``reading``) takes the bucket's word where it differs from the index.
    """

    audited = 1  # each costs a request, and its bytes

    def __init__(self, folder: Path, index: Path, bucket: Bucket, room: int, *, reading: bool = False) -> None:
        super().__init__(folder, reading=reading)
        self.bucket, self._stored, self._room, self._reading = bucket, Stored(index, reading=reading), room, reading
        self._due, self._moving, self._round = dict[bytes, None](), threading.Lock(), threading.Lock()
        self._writers = ThreadPoolExecutor(AT_ONCE, "to-bucket")
        self._readers = ThreadPoolExecutor(AT_ONCE, "of-bucket")
        self._wake, self._stopping, self._thread = threading.Event(), threading.Event(), threading.Thread()

    def has(self, blob: bytes) -> bool:
        """Whether the blob is here, by the disk's word; for one who reads alone, whether it may still be."""
        return super().has(blob) or self._stored.size(blob) is not None or (self._reading and self._stored.is_open(blob))

    def is_elsewhere(self, blob: bytes) -> bool:
        """Whether the blob lies in the bucket alone, by the disk's word."""
        return not super().has(blob) and self._stored.size(blob) is not None

    def size(self, blob: bytes) -> int | None:
        """How many bytes the blob has, by the disk's word; None when it is not here."""
        here = super().size(blob)
        return self._stored.size(blob) if here is None else here

    def get(self, blob: bytes) -> bytes | None:
        """The blob, from the buffer or the bucket; raises as `Blobs.get` and `Bucket.get`."""
        data = super().get(blob)
        size = self._stored.size(blob)
        if data is not None or (size is None and not self._reading):
            return data
        data = self.bucket.get(blob, None if self._reading else size)
        if data is not None:
            require_intact(data, blob)
        elif not self._reading:
            self._lost(blob)
        return data

    def remove(self, blob: bytes) -> None:
        """Delete the blob, if it is here: it is gone for all who ask, and leaves the bucket as soon as that answers."""
        with self._moving:
            self._due.pop(blob, None)
            self._stored.leave(blob)
            super().remove(blob)
        self._wake.set()

    def stock(self) -> dict[bytes, float]:
        """What is in the buffer and in the bucket, which is listed; a node knows it from then on.

        `NodeRefused` ``store-changed`` where the bucket is another one than before, and lacks what that one had.
        """
        listed = {blob: (size, came) for blob, size, came in self.bucket.listed()}
        waiting = super().stock()
        if not self._reading:
            self._know({blob: size for blob, (size, _) in listed.items()}, waiting)
        return {blob: came for blob, (_, came) in listed.items()} | waiting

    def totals(self) -> tuple[int, int]:
        """How many blobs are here, and their bytes; one that is just moving may be counted twice."""
        (waiting, size), (there, stored) = super().totals(), self._stored.totals()
        return waiting + there, size + stored

    def where(self) -> str:
        """How many lie in the bucket, by the disk's word, and how many wait for it."""
        return f"{self._stored.totals()[0]} sealed blobs lie in {self.bucket.url}, and {self.waiting()[0]} wait here to go there"

    def waiting(self) -> tuple[int, int]:
        """How many blobs, and bytes of them, wait in the buffer."""
        return super().totals()

    def require_room(self) -> None:
        """`NodeRefused` ``store-full`` where the buffer is full."""
        if self.waiting()[1] > self._room:
            raise NodeRefused("store-full", "as many blobs wait for this vault's bucket as its disk may hold")

    def require_reached(self, blobs: Iterable[bytes]) -> None:
        """As `Bucket.require_answering`, where some of the blobs lie in the bucket alone."""
        if any(self.is_elsewhere(blob) for blob in blobs):
            self.bucket.require_answering()

    def each(self, act: Callable[[bytes], T], blobs: Iterable[bytes]) -> list[T]:
        """Several at once, as each may be a request."""
        return list(self._readers.map(act, blobs))

    def begin(self) -> None:
        """Know the bucket, and take up what waits for it: also what a folder held before there was a bucket.

        The bucket is asked only where it is another one than the disk knows, or the first; raises as `stock` and `Bucket` do.
        """
        self.bucket.connect()
        if self._stored.url != self.bucket.url:
            self.stock()
        self._settled(super().stock())

    def start(self, seconds: float) -> None:
        """A thread that moves every ``seconds``, and as soon as something is to be deleted."""
        self._thread = threading.Thread(target=self._run, args=[seconds], name="to-bucket", daemon=True)
        self._thread.start()

    def move(self) -> None:
        """One round: settle, delete in the bucket what is to leave it, then write there what waits. Raises as `Bucket` does."""
        with self._round:
            self.settle()
            while leaving := list(islice(self._stored.leaving(), _DELETED)):
                self.bucket.delete(leaving)
                self._stored.left(leaving)
            while portion := self._portion():
                self._carry(portion)
            self._look_for_lost()

    def close(self) -> None:
        """End the thread; what waits stays in the buffer."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        self._writers.shutdown()
        self._readers.shutdown()
        self._stored.close()

    def _run(self, seconds: float) -> None:
        while not self._stopping.is_set():
            self._wake.wait(seconds)
            self._wake.clear()
            try:
                self.move()
            except (SalusError, OSError, lmdb.Error):
                self._stopping.wait(seconds)  # the bucket or the disk: it may do better next time

    def _settled(self, blobs: Iterable[bytes]) -> None:
        with self._moving:
            self._due |= dict.fromkeys(blobs)

    def _portion(self) -> dict[bytes, bytes]:
        """The next few that wait, whole; what is damaged stays where it is, and is found by whoever reads it."""
        found, size = dict[bytes, bytes](), 0
        while self._due and not self._stopping.is_set() and len(found) < _PORTION and size < _PORTION_BYTES:
            with self._moving:
                blob = next(iter(self._due), b"")
                self._due.pop(blob, None)
            try:
                data = super().get(blob) if blob else None
            except NodeRefused:
                continue
            if data is not None:
                found[blob], size = data, size + len(data)
        return found

    def _carry(self, portion: dict[bytes, bytes]) -> None:
        """Write them to the bucket, note those that arrived, and only then take them from the disk; the rest waits again."""
        self._stored.go(portion)
        failures = dict(zip(portion, self._writers.map(self._sent, portion.values(), portion), strict=True))
        with self._moving:
            done = {blob: len(portion[blob]) for blob, failure in failures.items() if failure is None}
            for blob in self._stored.arrived(done):
                self._drop(blob)
            self._due |= {blob: None for blob, failure in failures.items() if failure is not None}
        for failure in failures.values():
            if failure is not None:
                raise failure

    def _sent(self, data: bytes, blob: bytes) -> SalusError | None:
        try:
            self.bucket.put(blob, data)
        except SalusError as error:
            return error
        return None

    def _look_for_lost(self) -> None:
        """What went to the bucket when the node was stopped, and is not on the disk: the bucket says whether it arrived."""
        for blob in [blob for blob in self._stored.going() if not super(BucketBlobs, self).has(blob)]:
            data = self.bucket.get(blob)
            with self._moving:
                if data is None:
                    self._stored.left([blob])
                else:
                    self._stored.arrived({blob: len(data)})

    def _know(self, listed: Mapping[bytes, int], waiting: Container[bytes]) -> None:
        lacking = [blob for blob, _ in self._stored.sizes() if blob not in listed]
        if self._stored.url not in ("", self.bucket.url) and any(blob not in waiting for blob in lacking):
            raise NodeRefused("store-changed", "config.toml names a bucket that lacks what this vault had in another one")
        with self._moving:
            self._stored.left(lacking)
            rest = iter(listed.items())
            while portion := dict(islice(rest, _NOTED)):
                self._stored.arrived(portion)
            self._stored.is_about(self.bucket.url)

    def _lost(self, blob: bytes) -> None:
        """The bucket has it no longer: nobody shall take it for kept."""
        with self._moving:
            self._stored.left([blob])
