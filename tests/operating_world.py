"""A home with a bare node in it, as an operator has it: filled, backed up, damaged, restored."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from node_world import NODE_SEED, START, Clock, NodeWorld, blob, founding, key, running
from salus.codec import encode
from salus.exchange.envelopes import Drop
from salus.exchange.posting import mailbox_id, sign_claim
from salus.node.operating.backup import Backup, back_up
from salus.node.operating.checking import check
from salus.node.operating.restore import Restored, Seen, restore

GENESIS = founding()
TOKEN = b"t" * 16
BOX = mailbox_id(key("box").public)


def silent(*_: object) -> None:
    """Nobody watches."""


def home_in(folder: Path, *, with_key: bool = True) -> Path:
    """A home whose node folder is empty but for its key."""
    home = folder / "home"
    (home / "node").mkdir(parents=True)
    (home / "genesis.bin").write_bytes(encode(GENESIS))
    if with_key:
        (home / "node" / "node.key").write_text(NODE_SEED.hex())
        (home / "node" / "node.key").chmod(0o600)
    return home


@contextmanager
def opened(home: Path) -> Iterator[NodeWorld]:
    """The node of the home, running in this process."""
    with running(home / "node", Clock(START)) as world:
        yield world


def filled(folder: Path) -> Path:
    """A home whose node holds two entries, a receipt, an anchor, and a letter."""
    home = home_in(folder)
    with opened(home) as world:
        world.fill("Ada", blob("one"), blob("two"))
        world.node.read(world.read(world.own("Ada"), "Ada"))
        world.node.open_mailbox(sign_claim(key("box"), world.network, world.node.status().member, TOKEN, 1))
        world.node.drop(letter(world, b"letter"))
    return home


def grown(home: Path, name: str = "three") -> None:
    """One entry, one reading and one letter more."""
    with opened(home) as world:
        world.submit(world.entry("Ada", blob(name)), keys=[key("Ada")], blobs=[blob(name)])
        world.node.read(world.read(world.own("Ada"), "Ada", (1,)))
        world.node.drop(letter(world, name.encode()))


def letter(world: NodeWorld, sealed: bytes) -> Drop:
    """A letter for the mailbox that `filled` opens."""
    return Drop(world.node.status().member, BOX, TOKEN, sealed)


def backed_up(home: Path, out: Path, **options: bool) -> Backup:
    """A backup of the home."""
    return back_up(home, GENESIS, out, START, silent, **options)


def restored(home: Path, backup: Path, seen: Seen | None = None, *, replace: bool = False) -> Restored:
    """The same, back in a home."""
    return restore(home, GENESIS, backup, seen, silent, replace=replace)


def troubles(home: Path) -> set[str]:
    """What `check` finds, but for the disk, which is the test's machine's own affair."""
    return {finding.code for finding in check(home, GENESIS, START) if finding.code and finding.what != "disk"}


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes, but LMDB's tables of readers."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name not in ("lock.mdb", "lock"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def child(script: str, *arguments: object) -> subprocess.Popen[bytes]:
    """Another process that runs a file of the tests."""
    paths = [str(Path(__file__).parent), *sys.path]
    return subprocess.Popen(
        [sys.executable, script, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
