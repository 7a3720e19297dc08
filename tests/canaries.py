"""Canaries: texts that nobody can guess, one for each field, and a search for them in whatever a node keeps, says or leaves.

All of one run begin with the same eight characters by chance, so one search finds any of them; which one it is, is told
afterwards. A text is found as it is, in either case, in UTF-16 and UTF-32, in hexadecimal, base64, base32 and as JSON's
escapes, in whatever opens as gzip, zlib, zstd, bz2 or xz, and as its plain SHA-256.
"""

from __future__ import annotations

import base64
import bz2
import hashlib
import lzma
import re
import secrets
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LETTERS = "abcdefghijklmnopqrstuvwxyz"
DIGITS = LETTERS + "0123456789"
MOST_OPENED = 64 * 1024 * 1024


def chance(length: int) -> str:
    """Small letters and digits, beginning with a letter."""
    return secrets.choice(LETTERS) + "".join(secrets.choice(DIGITS) for _ in range(length - 1))


@dataclass(frozen=True)
class Hit:
    """A canary in a container: which field's, in which form, and where."""

    field: str
    form: str
    container: str


@dataclass
class Book:
    """The canaries of one run, by field. ``others`` are texts that cannot be chosen freely: dates, numbers."""

    mark: str = field(default_factory=lambda: chance(8))
    fields: dict[str, str] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)

    def __call__(self, name: str) -> str:
        """The canary of the field ``name``: 20 letters and digits."""
        if name not in self.fields:
            self.fields[name] = f"{self.mark}{len(self.fields):04d}{chance(8)}"
        return self.fields[name]

    def other(self, name: str, text: str) -> str:
        """Note ``text`` as the canary of ``name``, and return it."""
        return self.others.setdefault(name, text)

    def typed(self, words: Iterable[str]) -> set[str]:
        """The fields whose canaries stand in ``words``."""
        said = "\0".join(words)
        return {name for name, text in [*self.fields.items(), *self.others.items()] if text in said}


class Search:
    """Looks for every canary of a book. ``seen`` counts containers and bytes, opened streams included."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self.containers = self.bytes = self.opened = 0
        self._needles = [(book.mark, number, form) for number, form in enumerate(_forms(book.mark))]
        for text in set(book.others.values()):
            self._needles += [(text, number, form) for number, form in enumerate(_forms(text))]
        hashed = [(name, hashlib.sha256(text.encode()).digest()[:12]) for name, text in book.fields.items()]
        self._digests = [(name, digest, digest.hex().encode()) for name, digest in hashed]

    def memory(self, data: bytes) -> list[Hit]:
        """Every canary in a process's memory, as it is or as Python keeps text."""
        self.containers += 1
        self.bytes += len(data)
        return list(dict.fromkeys(self._plain("memory", data, ("plain", "utf-16-le", "utf-32-le"))))

    def look(self, container: str, data: bytes, *, depth: int = 2) -> list[Hit]:
        """Every canary in ``data``; streams open as deep as ``depth`` says."""
        self.containers += 1
        self.bytes += len(data)
        found = dict.fromkeys(self._plain(container, data))
        if depth:
            for kind, inner in _opened(data):
                self.opened += 1
                found.update(dict.fromkeys(self.look(f"{container} ({kind})", inner, depth=depth - 1)))
        return list(found)

    def folder(self, folder: Path, leave_out: Callable[[str], bool] = lambda _: False, *, digests: bool = False) -> list[Hit]:
        """Every canary in the files below ``folder`` and in their names; with ``digests``, in the files its SHA-256 too."""
        found, whole = list[Hit](), bytearray()
        for path in sorted(folder.rglob("*")):
            name = str(path.relative_to(folder))
            if leave_out(name):
                continue
            found += self.look(f"the name of {folder.name}/{name}", name.encode(), depth=0)
            if path.is_file():
                found += self.look(f"{folder.name}/{name}", data := path.read_bytes())
                whole += data + b"\0"
        return found + (list(self._hashed(folder.name, bytes(whole))) if digests else [])

    def _plain(self, container: str, data: bytes, forms: tuple[str, ...] = ()) -> Iterator[Hit]:
        folded = data.lower()
        for text, number, (form, needle, fold) in self._needles:
            if forms and form not in forms:
                continue
            place = folded if fold else data
            at = place.find(needle)
            while at >= 0:
                yield Hit(self._field(text, number, place, at), form, container)
                at = place.find(needle, at + len(needle))

    def _field(self, text: str, number: int, place: bytes, at: int) -> str:
        """Whose canary it is that stands at ``at`` in the form of this number, as far as its whole text does."""
        known = self._book.fields if text == self._book.mark else self._book.others
        whole = (name for name, one in known.items() if place.startswith(_forms(one)[number][1], at))
        return next(whole, "a part of one")

    def _hashed(self, container: str, data: bytes) -> Iterator[Hit]:
        for name, digest, shown in self._digests:
            if digest in data or shown in data:
                yield Hit(name, "its SHA-256", container)


@lru_cache(maxsize=4096)
def _forms(text: str) -> tuple[tuple[str, bytes, bool], ...]:
    """How ``text`` may stand in bytes: the form's name, the bytes, and whether their case counts for nothing."""
    data = text.encode()
    made: list[tuple[str, bytes, bool]] = [("plain", data.lower(), True), ("hex", data.hex().encode(), True)]
    made += [(code, text.lower().encode(code), True) for code in ("utf-16-le", "utf-16-be", "utf-32-le")]
    made.append(("JSON's escapes", "".join(f"\\u{ord(char):04x}" for char in text).encode().lower(), True))
    made += [("base64", part, False) for part in _shifted(data, 3, 8, 6, base64.b64encode)]
    made += [("base32", part.lower(), True) for part in _shifted(data, 5, 8, 5, base64.b32encode)]
    return tuple(made)


def _shifted(data: bytes, turns: int, of: int, to: int, encode: Callable[[bytes], bytes]) -> Iterator[bytes]:
    """The characters of an encoding that are sure to stand where ``data`` does, whatever stands before and after it."""
    for before in range(turns):
        whole = encode(b"\0" * before + data)
        yield whole[-(-before * of // to) : (before + len(data)) * of // to]


_OPENERS: tuple[tuple[str, re.Pattern[bytes], Callable[[bytes], bytes]], ...] = (
    ("gzip", re.compile(rb"\x1f\x8b\x08"), lambda data: zlib.decompressobj(31).decompress(data, MOST_OPENED)),
    ("zlib", re.compile(rb"\x78[\x01\x5e\x9c\xda]"), lambda data: zlib.decompressobj(15).decompress(data, MOST_OPENED)),
    ("zstd", re.compile(rb"\x28\xb5\x2f\xfd"), lambda data: zstd.ZstdDecompressor().decompress(data, MOST_OPENED)),
    ("bz2", re.compile(rb"BZh[1-9]1AY&SY"), lambda data: bz2.BZ2Decompressor().decompress(data, MOST_OPENED)),
    ("xz", re.compile(rb"\xfd7zXZ\x00"), lambda data: lzma.LZMADecompressor().decompress(data, MOST_OPENED)),
)


def _opened(data: bytes) -> Iterator[tuple[str, bytes]]:
    """What opens as a compressed stream, wherever in ``data`` it begins."""
    for kind, magic, open_ in _OPENERS:
        for match in magic.finditer(data):
            try:
                inner = open_(data[match.start() :])
            except (zlib.error, zstd.ZstdError, lzma.LZMAError, OSError, EOFError, ValueError):
                continue
            if len(inner) > 8:
                yield kind, inner
