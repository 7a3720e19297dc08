"""Disks that can lose what was not made durable, and machines that stop at any write.

What a program has not made durable is gone after a power cut: a file without fsync is empty, a name in a folder that was not
synced is not there, a database that was opened without its syncs is what it was when it was opened. The real files are used;
only `os.fsync` is watched instead of waited for.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from salus.agent.store import Store
from salus.node.ledger_store import LedgerStore
from salus.node.tables import Tables

DATABASES = ("data.mdb", "lock.mdb")


class Stopped(BaseException):
    """The machine stops here, as by kill -9 or a power cut: nothing catches it, nothing is tidied up."""


class Disk:
    """What is durable of the files under watched folders."""

    def __init__(self) -> None:
        self._files: set[int] = set()
        self._names: dict[int, set[str]] = {}

    def all_durable(self, folder: Path) -> None:
        """Everything under ``folder`` has been there for long."""
        for path in [folder, *folder.rglob("*")]:
            self._sync(path)

    def fsync(self, handle: int) -> None:
        """What stands for `os.fsync`."""
        self._sync(Path(f"/proc/self/fd/{handle}").readlink())

    def cut(self, folder: Path) -> None:
        """The power fails: files under ``folder`` keep what is durable. Databases are `Databases`' business."""
        for path in sorted(folder.rglob("*")):
            if path.name in DATABASES or not path.is_file():
                continue
            if path.name not in self._names.get(path.parent.stat().st_ino, set()):
                path.unlink()
            elif path.stat().st_ino not in self._files:
                path.write_bytes(b"")

    def _sync(self, path: Path) -> None:
        if path.is_dir():
            self._names[path.stat().st_ino] = {child.name for child in path.iterdir()}
        elif path.exists():
            self._files.add(path.stat().st_ino)


class Databases:
    """Copies of those databases that were opened without their syncs, to go back to when the power fails."""

    def __init__(self) -> None:
        self._copies: dict[Path, bytes] = {}

    def opened(self, durable: bool, path: Path) -> None:
        """A database was opened."""
        self._copies.pop(path, None)
        if not durable:
            self._copies[path] = path.read_bytes()

    def cut(self) -> None:
        """Once they are closed: what was written since is lost."""
        for path, data in self._copies.items():
            for beside in path.parent.glob(f"{path.name}-*"):
                beside.unlink()
            path.write_bytes(data)


class Points:
    """Every durable write of the product's own rooms, counted; the machine can be stopped at one of them.

    ``who`` is "node" or a home's name. A point lies before, and another one after each write.
    """

    def __init__(self) -> None:
        self.armed: dict[str, int] = {}
        self.owners: dict[int, str] = {}

    def own(self, database: Any, who: str) -> None:
        """The database is of ``who``'s machine."""
        self.owners[id(database)] = who

    def pass_by(self, who: str) -> None:
        """One more point; raises `Stopped` at the one that was armed."""
        left = self.armed.get(who)
        if left is not None:
            self.armed[who] = left - 1
            if left <= 1:
                del self.armed[who]
                raise Stopped(who)

    def at(self, database: Any) -> None:
        """A point of a database."""
        self.pass_by(self.owners.get(id(database), ""))


@contextmanager
def watched(disk: Disk, points: Points, machines: Sequence[str]) -> Iterator[None]:
    """Inside, durable writes are watched by ``disk``, and counted by ``points`` for whose folder they are in, of ``machines``."""
    commit = LedgerStore.commit

    def counted_fsync(handle: int) -> None:
        parts = Path(f"/proc/self/fd/{handle}").readlink().parts
        points.pass_by(next((machine for machine in machines if machine in parts), ""))
        disk.fsync(handle)

    def counted_commit(self: LedgerStore, *given: Any) -> None:
        points.at(self)
        commit(self, *given)
        points.at(self)

    with ExitStack() as stack:
        for place, name, put in (
            (os, "fsync", counted_fsync),
            (LedgerStore, "commit", counted_commit),
            (Tables, "writing", _counted(Tables.writing, points)),
            (Store, "writing", _counted(Store.writing, points)),
        ):
            stack.enter_context(mock.patch.object(place, name, put))
        yield


def _counted(writing: Callable[[Any], AbstractContextManager[Any]], points: Points) -> Callable[[Any], Any]:
    @contextmanager
    def counted(self: Any) -> Iterator[Any]:
        with writing(self) as write:
            yield write
            points.at(self)
        points.at(self)

    return counted


def copied(source: Path, target: Path) -> None:
    """A folder as it is, fast: databases are closed."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("lock.mdb"))
