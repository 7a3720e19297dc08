"""What a power cut leaves of a disk: made from the log that the shim wrote of every change to it.

Of a file is there what was flushed; of what was not, nothing (*dropped*), a first part that ends within a write, at a sector
(*torn*), or any of its sectors (*reordered*). A name is there when its folder was flushed after it was made, moved or removed; of
names that were not, none, the first, or any. Each file and each folder fares for itself. *Kept*: all of it, as kill -9 leaves it.
"""

from __future__ import annotations

import itertools
import json
import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SECTOR = 512
KINDS = ("dropped", "torn", "reordered", "kept")
CREATED, EMPTIED, DURABLE = 1, 2, 4
_HEAD = struct.Struct("=cbHiQII")


@dataclass(frozen=True)
class Entry:
    """One change, as the shim wrote it down."""

    kind: str
    flags: int
    file: int
    offset: int
    first: bytes
    second: bytes


def read_log(path: Path) -> Iterator[Entry]:
    """The entries in order; a last one that was cut off is left out."""
    with path.open("rb") as file:
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            kind, flags, _, descriptor, offset, one, two = _HEAD.unpack(head)
            first, second = file.read(one), file.read(two)
            if len(second) < two:
                return
            yield Entry(kind.decode(), flags, descriptor, offset, first, second)


@dataclass
class Pending:
    """A write (``size`` None) or a change of the file's size that is not flushed, unless it was made ``sure`` by itself."""

    offset: int
    data: bytes
    size: int | None = None
    sure: bool = False


@dataclass
class File:
    """``flushed``: what is surely there."""

    flushed: bytearray = field(default_factory=bytearray)
    pending: list[Pending] = field(default_factory=list)

    def flush(self) -> None:
        """All that is pending is there for good."""
        for change in self.pending:
            _apply(self.flushed, change)
        self.pending.clear()

    def after(self, kind: str, chance: random.Random) -> bytes:
        """What a power cut leaves."""
        content, kept = bytearray(self.flushed), chance.randint(0, len(self.pending))
        for number, change in enumerate(self.pending):
            if change.sure or kind == "kept" or (kind == "torn" and number < kept):
                _apply(content, change)
            elif kind == "torn" and number == kept and change.size is None:
                parts = _parts(change)
                for part in parts[: chance.randrange(len(parts))]:
                    _apply(content, part)
            elif kind == "reordered":
                for part in _parts(change):
                    if chance.random() < 0.5:
                        _apply(content, part)
        return bytes(content)


@dataclass
class Folder:
    """``flushed``: names that are surely there; ``now``: as processes see them; ``pending``: what leads there.

    Each pending change is a list of (name, node or None) that are set together.
    """

    flushed: dict[str, Any] = field(default_factory=dict)
    now: dict[str, Any] = field(default_factory=dict)
    pending: list[list[tuple[str, Any]]] = field(default_factory=list)

    def change(self, *names: tuple[str, Any]) -> None:
        """Set or remove names, at once."""
        self.pending.append(list(names))
        _set(self.now, names)

    def flush(self) -> None:
        """All names are there for good."""
        self.flushed = dict(self.now)
        self.pending.clear()

    def after(self, kind: str, chance: random.Random) -> dict[str, Any]:
        """What a power cut leaves."""
        names, kept = dict(self.flushed), chance.randint(0, len(self.pending))
        for number, change in enumerate(self.pending):
            any_of_them = kind == "reordered" and chance.random() < 0.5
            if kind == "kept" or any_of_them or (kind == "torn" and number < kept):
                _set(names, change)
        return names


class Disk:
    """The disk below ``root``, as the log builds it up. ``flushes(path)``: whether flushing there does anything; a control."""

    def __init__(self, root: str, flushes: Callable[[str], bool] = lambda _: True) -> None:
        self.root, self.flushes = root, flushes
        self.folder, self.opened = Folder(), dict[int, tuple[Any, bool, str]]()

    def do(self, entry: Entry) -> None:
        """One change more."""
        if entry.kind == "O":
            self._open(entry)
        elif entry.kind in "WT":
            node, sure, _ = self.opened[entry.file]
            size = entry.offset if entry.kind == "T" else None
            node.pending.append(Pending(entry.offset, entry.first, size, sure))
        elif entry.kind in "SD":
            node, _, path = self.opened[entry.file]
            if self.flushes(path):
                node.flush()
        elif entry.kind == "M" and entry.first.decode() != self.root:
            self._change(entry.first, Folder())
        elif entry.kind in "UX":
            self._change(entry.first, None)
        elif entry.kind in "RL":
            self._name(entry)

    def write(self, target: Path, kind: str, chance: random.Random) -> None:
        """The disk after a power cut, in the folder ``target``."""
        _write(self.folder, target, kind, chance)

    def _open(self, entry: Entry) -> None:
        path = entry.first.decode()
        if entry.flags & CREATED:
            self._change(entry.first, File())
        node = self._find(path)
        if entry.flags & EMPTIED and not entry.flags & CREATED:
            node.pending.append(Pending(0, b"", 0))
        self.opened[entry.file] = (node, bool(entry.flags & DURABLE) and self.flushes(path), path)

    def _name(self, entry: Entry) -> None:
        (old, old_name), (new, new_name) = self._place(entry.first), self._place(entry.second)
        node = old.now[old_name]
        if entry.kind == "L":
            new.change((new_name, node))
        elif old is new:
            old.change((old_name, None), (new_name, node))
        else:  # each folder is flushed for itself
            new.change((new_name, node))
            old.change((old_name, None))

    def _change(self, path: bytes, node: Any) -> None:
        folder, name = self._place(path)
        folder.change((name, node))

    def _place(self, path: bytes) -> tuple[Folder, str]:
        above, _, name = path.decode().rstrip("/").rpartition("/")
        return self._find(above), name

    def _find(self, path: str) -> Any:
        node: Any = self.folder
        for name in path[len(self.root) :].split("/"):
            node = node.now[name] if name not in ("", ".") else node
        return node


def notes(entries: list[Entry], before: int) -> list[dict[str, Any]]:
    """What was acknowledged before the entry of this number."""
    return [json.loads(entry.first) for entry in entries[:before] if entry.kind == "K"]


def _parts(change: Pending) -> list[Pending]:
    """The change, sector by sector; of a change of size, itself."""
    if change.size is not None:
        return [change]
    cuts = [0, *range(SECTOR - change.offset % SECTOR, len(change.data), SECTOR), len(change.data)]
    return [Pending(change.offset + a, change.data[a:b]) for a, b in itertools.pairwise(cuts)] or [change]


def _apply(content: bytearray, change: Pending) -> None:
    size = change.size if change.size is not None else max(len(content), change.offset + len(change.data))
    del content[size:]
    content.extend(bytes(size - len(content)))
    if change.size is None:
        content[change.offset : change.offset + len(change.data)] = change.data


def _set(names: dict[str, Any], change: Any) -> None:
    for name, node in change:
        if node is None:
            names.pop(name, None)
        else:
            names[name] = node


def _write(folder: Folder, target: Path, kind: str, chance: random.Random) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for name, node in sorted(folder.after(kind, chance).items()):
        if isinstance(node, Folder):
            _write(node, target / name, kind, chance)
        else:
            (target / name).write_bytes(node.after(kind, chance))
            (target / name).chmod(0o600)
