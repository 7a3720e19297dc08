"""What lies in the bucket, as this node knows it: so that nobody has to ask the bucket whether a blob is there, or list it.

An object is noted before it is written and until it is deleted; so whatever may be in the bucket stands here.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from salus.node.tables import Tables

_TABLES = ("there", "open", "about")
_GOING, _LEAVING = b"g", b"l"
_PAGE = 4096
_END = b"\xff" * 33


class Stored:
    """A database in ``folder``. ``there``: blobs that were written, by size; ``open``: those that go there or are to leave.

    With ``reading``, where there is no database yet, nothing lies in the bucket.
    """

    def __init__(self, folder: Path, *, reading: bool = False) -> None:
        here = (folder / "data.mdb").exists()
        self._tables = None if reading and not here else Tables(folder, _TABLES, reading=reading)
        self._counting = threading.Lock()
        self._count, self._bytes = 0, 0
        for _, size in self.sizes():
            self._count, self._bytes = self._count + 1, self._bytes + size

    @property
    def url(self) -> str:
        """The bucket that this is about; "" before it was first looked through."""
        found = self._get("about", b"url")
        return "" if found is None else found.decode()

    def size(self, blob: bytes) -> int | None:
        """The bytes of a blob that lies in the bucket; None when it does not."""
        found = self._get("there", blob)
        return None if found is None else int.from_bytes(found, "big")

    def is_open(self, blob: bytes) -> bool:
        """Whether the blob goes to the bucket or is to leave it: it may lie there."""
        return self._get("open", blob) is not None

    def totals(self) -> tuple[int, int]:
        """How many blobs lie in the bucket, and their bytes."""
        with self._counting:
            return self._count, self._bytes

    def sizes(self) -> Iterator[tuple[bytes, int]]:
        """Every blob that lies in the bucket, with its size."""
        return ((blob, int.from_bytes(size, "big")) for blob, size in self._all("there"))

    def go(self, blobs: Iterable[bytes]) -> None:
        """Note, before it is done, that these are written."""
        with self._writable().writing() as write:
            for blob in blobs:
                write.put("open", blob, _GOING)

    def going(self) -> Iterator[bytes]:
        """Those that were noted as being written, and are not known to have arrived."""
        return (blob for blob, what in self._all("open") if what == _GOING)

    def leaving(self) -> Iterator[bytes]:
        """Those that are to be deleted."""
        return (blob for blob, what in self._all("open") if what == _LEAVING)

    def arrived(self, sizes: Mapping[bytes, int]) -> list[bytes]:
        """They were written; which of them stay: what was to leave meanwhile still is."""
        staying = []
        with self._counting, self._writable().writing() as write:
            for blob, size in sizes.items():
                if write.get("open", blob) != _LEAVING:
                    self._take_off(write.get("there", blob))
                    write.put("there", blob, size.to_bytes(8, "big"))
                    write.drop("open", blob)
                    self._count, self._bytes = self._count + 1, self._bytes + size
                    staying.append(blob)
        return staying

    def leave(self, blob: bytes) -> None:
        """It is to be deleted, if it may be in the bucket."""
        if self.size(blob) is None and not self.is_open(blob):
            return
        with self._counting, self._writable().writing() as write:
            self._take_off(write.get("there", blob))
            write.drop("there", blob)
            write.put("open", blob, _LEAVING)

    def left(self, blobs: Iterable[bytes]) -> None:
        """They are not in the bucket, whatever was noted of them."""
        with self._counting, self._writable().writing() as write:
            for blob in blobs:
                self._take_off(write.get("there", blob))
                write.drop("there", blob)
                write.drop("open", blob)

    def is_about(self, url: str) -> None:
        """What stands here is of this bucket."""
        with self._writable().writing() as write:
            write.put("about", b"url", url.encode())

    def close(self) -> None:
        """Close the database."""
        if self._tables is not None:
            self._tables.close()

    def _take_off(self, there: bytes | None) -> None:
        if there is not None:
            self._count, self._bytes = self._count - 1, self._bytes - int.from_bytes(there, "big")

    def _get(self, table: str, key: bytes) -> bytes | None:
        return None if self._tables is None else self._tables.get(table, key)

    def _all(self, table: str) -> Iterator[tuple[bytes, bytes]]:
        """All of a table, a page at a time; what changes meanwhile may be in it or not."""
        first, page = b"", [(b"", b"")]
        while self._tables is not None and page:
            page = self._tables.range(table, first, _END, _PAGE)
            yield from page
            first = page[-1][0] + b"\x00" if page else _END

    def _writable(self) -> Tables:
        if self._tables is None:
            raise ValueError("there is no database to write to")
        return self._tables
