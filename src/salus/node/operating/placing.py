"""The last step of a restore: by renaming alone, and completed by whichever command comes next when it was interrupted."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from salus.durable import sync_folder
from salus.node.identity import PREPARED, RESYNC

READY = "node.restored"
MERGED = "blobs"  # blobs that join those on the disk, one by one
#: Folders of the node that are replaced as a whole.
AS_WHOLE = ("ledger", "mailbox", "guests", "vault/receipts", "vault/blobs")
#: Single files by their names in a backup, and where in the home they go if there is none.
SINGLE = {
    "genesis.bin": "genesis.bin",
    "config.toml": "node/config.toml",
    "node.key": "node/node.key",
    PREPARED: f"node/{PREPARED}",
    RESYNC: f"node/{RESYNC}",
}

_ASIDE = "aside"
_REPLACED = "node.replaced-"


def complete(home: Path) -> None:
    """Put in place what a restore has decided, and move aside what was there. Does nothing where nothing is waiting.

    The caller holds the node. Whatever is interrupted here goes on when it is called again.
    """
    ready, node = home / READY, home / "node"
    if not ready.is_dir():
        return
    note = ready / _ASIDE
    aside = home / (note.read_text("ascii") if note.exists() else next_aside(home))
    for name in AS_WHOLE:
        if (ready / name).is_dir():
            _move(ready / name, node / name, aside / name)
    for path in sorted((ready / MERGED).glob("*/*")):
        blob = path.relative_to(ready / MERGED)
        _move(path, node / "vault" / "blobs" / blob, aside / "vault" / "blobs" / blob)
    for single, place in SINGLE.items():
        if (ready / single).exists() and not (home / place).exists():
            (ready / single).rename(home / place)
    sync_tree(node)
    sync_folder(home)
    shutil.rmtree(ready)


def _move(new: Path, place: Path, aside: Path) -> None:
    """``new`` into ``place``; what was there goes to ``aside``."""
    if place.exists():
        aside.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.rename(aside)
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new.rename(place)


def next_aside(home: Path) -> str:
    """The name of a folder in ``home`` for what is replaced, which no folder has yet."""
    numbers = [int(found[1]) for path in home.iterdir() if (found := re.fullmatch(rf"{_REPLACED}(\d+)", path.name))]
    return f"{_REPLACED}{max(numbers, default=0) + 1}"


def note_aside(place: Path, aside: str) -> None:
    """Remember the name with what is to be put in place."""
    (place / _ASIDE).write_text(aside, "ascii")


def sync_tree(folder: Path) -> None:
    """Make the names in ``folder``, and in the folders in it, durable; and its small files."""
    for place, _, names in os.walk(folder, topdown=False):
        if _ASIDE in names:
            handle = os.open(Path(place) / _ASIDE, os.O_RDONLY)
            os.fsync(handle)
            os.close(handle)
        sync_folder(Path(place))
