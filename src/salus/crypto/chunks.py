"""A file of any size sealed under a passphrase: a locked file key, then AES-256-GCM chunks that hold to their places.

``magic || be4(n) || locked || chunk || chunk ...`` with ``chunk = be4(n) || aead``. Each chunk's associated data are the hash
of all that stands before the first chunk, the chunk's index, and whether it is the last: what was cut off, moved, doubled,
appended or taken from another file does not open. Writing and reading need memory for one chunk.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from salus.crypto import aead
from salus.crypto.hashing import tagged
from salus.crypto.keys import new_seed
from salus.crypto.passphrase import Cost, lock, unlock
from salus.errors import CryptoRefused

MAX_CHUNK = 1_048_576  # bytes of plaintext
MAX_LOCKED = 1024


class Sink(Protocol):
    """Where bytes go."""

    def write(self, data: bytes, /) -> object:
        """Take all of ``data``."""


class Source(Protocol):
    """Where bytes come from."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; fewer only at the end."""


class ChunkWriter:
    """Seals what is written to it; the file is whole only after `finish`."""

    def __init__(self, sink: Sink, magic: bytes, passphrase: str, cost: Cost | None = None, size: int = MAX_CHUNK) -> None:
        self._key = new_seed()
        head = _head(magic, lock(passphrase, self._key, cost))
        self._sink, self._head, self._size = sink, head_hash(head), size
        self._index, self._held = 0, bytearray()
        sink.write(head)

    def write(self, data: bytes) -> None:
        """Take ``data``, and pass on every chunk that is full and not the last."""
        self._held += data
        while len(self._held) > self._size:
            self._seal(bytes(self._held[: self._size]), last=False)
            del self._held[: self._size]

    def finish(self) -> None:
        """Write what is left as the last chunk."""
        self._seal(bytes(self._held), last=True)
        self._held.clear()

    def _seal(self, plaintext: bytes, *, last: bool) -> None:
        sealed = aead.seal(self._key, chunk_place(self._head, self._index, last=last), plaintext)
        self._sink.write(len(sealed).to_bytes(4, "big") + sealed)
        self._index += 1


def read_chunks(source: Source, magic: bytes, passphrase: str) -> Iterator[bytes]:
    """The plaintext, chunk by chunk. Only when the iterator ends by itself is the file known to be whole.

    Raises `CryptoRefused`: ``not-this-file`` (another kind of file), ``cannot-open`` (wrong passphrase or altered head),
    ``cut-off``, ``wrong-chunk``; and `Malformed` for a head that `ChunkWriter` does not write, before any key is derived.
    """
    if source.read(len(magic)) != magic:
        raise CryptoRefused("not-this-file", "the file does not begin as a file of this kind")
    locked = _take(source, MAX_LOCKED)
    head = head_hash(_head(magic, locked))
    key = unlock(passphrase, locked)
    index = 0
    sealed: bytes | None = _take(source, MAX_CHUNK + aead.OVERHEAD)
    while sealed is not None:
        following = _take_next(source, MAX_CHUNK + aead.OVERHEAD)
        yield _open(key, head, index, sealed, last=following is None)
        index, sealed = index + 1, following


def head_hash(head: bytes) -> bytes:
    """What every chunk says of the file that it belongs to."""
    return tagged("salus/chunks-head/1", head)


def chunk_place(head: bytes, index: int, *, last: bool) -> bytes:
    """The associated data of a chunk: which file, which place, and whether anything follows."""
    return b"salus/chunk/1" + head + index.to_bytes(8, "big") + bytes([last])


def _head(magic: bytes, locked: bytes) -> bytes:
    return magic + len(locked).to_bytes(4, "big") + locked


def _open(key: bytes, head: bytes, index: int, sealed: bytes, *, last: bool) -> bytes:
    try:
        return aead.open(key, chunk_place(head, index, last=last), sealed)
    except CryptoRefused as error:
        if last and _opens(key, chunk_place(head, index, last=False), sealed):
            raise CryptoRefused("cut-off", "the file ends before its last chunk") from error
        raise CryptoRefused("wrong-chunk", "a chunk was altered, does not stand where it was, or is of another file") from error


def _opens(key: bytes, place: bytes, sealed: bytes) -> bool:
    try:
        aead.open(key, place, sealed)
    except CryptoRefused:
        return False
    return True


def _take(source: Source, limit: int) -> bytes:
    """The next bytes with their length in front."""
    taken = _take_next(source, limit)
    if taken is None:
        raise CryptoRefused("cut-off", "the file ends before its last chunk")
    return taken


def _take_next(source: Source, limit: int) -> bytes | None:
    """As `_take`; None where the file ends just here."""
    prefix = source.read(4)
    if not prefix:
        return None
    length = int.from_bytes(prefix, "big")
    if length > limit:
        raise CryptoRefused("wrong-chunk", "a chunk is larger than chunks may be")
    data = source.read(length)
    if len(prefix) != 4 or len(data) != length:
        raise CryptoRefused("cut-off", "the file ends in the middle of a chunk")
    return data
