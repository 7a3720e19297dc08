"""``node scrub``: every blob is read and compared with its name, every block is executed again from genesis."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from salus.errors import NodeRefused
from salus.ledger.genesis import Genesis
from salus.node.operating.checking import Findings
from salus.node.operating.looking import Ledger, anchored, looking, own_share, require_sound
from salus.node.replaying import Told, replay
from salus.node.snapshots import Snapshots
from salus.node.vault.arriving import arrived
from salus.node.vault.blobs import DAMAGED, Blobs
from salus.node.vault.lying import held_blobs

_REMEDY = "restore a backup, or serve the node: it gets from other members' vaults what they have"
_TOGETHER = 64  # blobs that are read one after the other, or at once where each is a request
YOUNG = 3600  # seconds: a blob that came within them may belong to a submission that is under way


@dataclass(frozen=True)
class Scrubbed:
    """Blobs by hash: altered, not on disk, and on disk without anything that anchors them; how many were deleted."""

    findings: Findings
    height: int
    blobs: int
    damaged: tuple[bytes, ...]
    missing: tuple[bytes, ...]
    orphaned: tuple[bytes, ...]
    deleted: int


def scrub(home: Path, genesis: Genesis, told: Told, *, delete_orphans: bool = False) -> Scrubbed:
    """Go through the node of ``home``. With ``delete_orphans`` the caller holds the node, so that nobody submits meanwhile.

    Raises `NodeRefused` ``state-damaged`` when the ledger cannot be read at all.
    """
    with held_blobs(home / "node", reading=not delete_orphans) as blobs:
        return _scrub(home / "node", genesis, told, blobs, delete_orphans=delete_orphans)


def _scrub(node: Path, genesis: Genesis, told: Told, blobs: Blobs, *, delete_orphans: bool) -> Scrubbed:
    found = Findings()
    with looking(node / "ledger") as ledger:
        newest = require_sound(genesis, ledger)
        with found.of("chain"):
            begins = ledger.base()
            base = Snapshots(node / "snapshots").base(begins) if begins else None
            replay(genesis, ledger, min(ledger.height(), newest.header.height), told, base=base)
            found.well("chain", f"all blocks from {begins} up to {newest.header.height} give the state that their headers name")
        present = blobs.stock()
        damaged = _damaged(blobs, list(present), told)
        own = own_share(genesis, node, ledger)
        missing = [blob for blob in anchored(ledger) if own(blob) and blob not in present]
        with ledger.later() as now:
            wanted = anchored(now)
            missing = [blob for blob in missing if blob in wanted and _is_missing(blobs, blob)]
        orphaned = [] if found.troubles else _orphaned(node, ledger, present)
        hurt = [blob for blob in damaged if blob in wanted and own(blob)]
    with found.of("blobs"):
        if hurt or missing:
            raise NodeRefused("blobs-lost", f"{len(hurt)} blobs are altered and {len(missing)} missing; {_REMEDY}")
        found.well("blobs", f"{sum(map(own, wanted))} blobs are what they were")
    found.well("orphans", f"{len(orphaned)} blobs that nothing anchors")
    if delete_orphans:
        for blob in orphaned:
            blobs.remove(blob)
        blobs.move()
    deleted = len(orphaned) if delete_orphans else 0
    return Scrubbed(found, newest.header.height, len(present), tuple(damaged), tuple(missing), tuple(orphaned), deleted)


def _damaged(blobs: Blobs, present: Sequence[bytes], told: Told) -> list[bytes]:
    found = list[bytes]()
    for first in range(0, len(present), _TOGETHER):
        portion = present[first : first + _TOGETHER]
        whole = blobs.each(lambda blob: _is_whole(blobs, blob), portion)
        found += [blob for blob, well in zip(portion, whole, strict=True) if not well]
        told("blobs", first + len(portion), len(present))
    return found


def _is_whole(blobs: Blobs, blob: bytes) -> bool:
    """Whether it is what it was, if it is still there."""
    try:
        blobs.get(blob)
    except NodeRefused as error:
        if error.full_code != DAMAGED:
            raise
        return False
    return True


def _is_missing(blobs: Blobs, blob: bytes) -> bool:
    """Whether it is still not there: it may have come, or moved, since all was looked at."""
    return _is_whole(blobs, blob) and blobs.get(blob) is None


def _orphaned(node: Path, ledger: Ledger, present: Mapping[bytes, float]) -> list[bytes]:
    """What nothing anchors, is older than an hour, and does not belong to a submission under way."""
    arriving = {blob for _, _, blob in arrived(node / "vault" / "arriving")}
    with ledger.later() as now:
        wanted = anchored(now)
    old = time.time() - YOUNG
    return [blob for blob, came in present.items() if blob not in wanted and blob not in arriving and came < old]
