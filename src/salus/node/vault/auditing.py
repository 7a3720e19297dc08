"""Looking at what a vault holds while it is served: a little each time, round and round, so that rot is found and mended."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from salus.errors import NodeRefused, SalusError
from salus.node.operating.looking import blob_at, section_keys
from salus.node.vault.blobs import DAMAGED, Blobs
from salus.node.vault.sharing import Share

_KEYS, _BYTES = 4096, 8 * 1024 * 1024  # that one look goes through at most


class Auditing:
    """Goes through what the ledger anchors and this vault is to keep. Every method may be called from any thread."""

    def __init__(self, share: Share, blobs: Blobs) -> None:
        self._share, self._blobs, self._next = share, blobs, b""
        self._lock, self._altered = threading.Lock(), set[bytes]()

    def look(self) -> set[bytes]:
        """Read the next few blobs; which of them are missing or altered."""
        found, looked, size, members = set[bytes](), 0, 0, self._share.members()
        for number, key in enumerate(section_keys(self._share.state, self._next)):
            blob = blob_at(self._share.state, key)
            if blob is not None and self._share.own in self._share.keepers(blob, members):
                try:
                    read = self._read(blob)
                except SalusError:
                    return found  # where they lie does not answer: nothing is known of this one, and it is looked at next time
                looked, size = looked + 1, size + (read or 0)
                if read is None:
                    found.add(blob)
            self._next = key + b"\x00"
            if number >= _KEYS or looked >= self._blobs.audited or size >= _BYTES:
                return found
        self._next = b""
        return found

    def altered(self, blob: bytes) -> None:
        """The blob on this disk was found not to be what it was."""
        with self._lock:
            self._altered.add(blob)

    def has(self, blob: bytes) -> bool:
        """Whether the blob is here, and was not found to be altered."""
        return blob not in self._altered and self._blobs.has(blob)

    def make_room(self, blobs: Iterable[bytes]) -> None:
        """Delete those of the blobs that were found to be altered: whole ones are about to come."""
        with self._lock:
            altered = self._altered.intersection(blobs)
            self._altered -= altered
        for blob in altered:
            self._blobs.remove(blob)

    def _read(self, blob: bytes) -> int | None:
        try:
            data = self._blobs.get(blob)
        except NodeRefused as error:
            if error.full_code != DAMAGED:
                raise
            self.altered(blob)
            return None
        return None if data is None else len(data)
