"""Beginning again with others' blocks, where members order together: what this node has of ledger and engine goes aside.

What the validator's keys have signed stays: whoever forgets that could sign two blocks of one height.
"""

from __future__ import annotations

from pathlib import Path

from salus.durable import make_folder, sync_folder, write_atomically
from salus.node.comet.signing import numbers
from salus.node.identity import RESYNC
from salus.node.operating.placing import next_aside

ALL = b"all"  # in the mark of a node that begins again: every block is wanted, and no snapshot


def set_aside(home: Path, *, every_block: bool = False) -> tuple[str, bool]:
    """Move the ledger and the engine's blocks aside: where to, and whether it is known what the validator has signed.

    ``every_block``: the node is to take all from genesis on, and not to begin with a snapshot.

    The caller holds the node. May be repeated after a power cut.
    """
    node, name = home / "node", next_aside(home)
    aside = home / name
    write_atomically(node / RESYNC, ALL if every_block else b"")
    make_folder(aside)
    if (node / "ledger").exists():
        (node / "ledger").rename(aside / "ledger")
    data = node / "comet" / "data"
    make_folder(aside / "comet")
    for path in sorted(data.glob("*")) if data.exists() else ():
        if not path.name.startswith("signed-"):
            path.rename(aside / "comet" / path.name)
    for folder in (aside, node, home):
        sync_folder(folder)
    return name, bool(numbers(node / "comet"))


def wants_every_block(node: Path) -> bool:
    """Whether the node in this folder was told to begin again with genesis."""
    mark = node / RESYNC
    return mark.exists() and mark.read_bytes() == ALL
