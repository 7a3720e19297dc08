"""``node restore``: what is missing or damaged comes back from a backup; everything is verified before anything is put in place.

A restore is prepared in a folder beside the node's. Renaming that folder to ``node.restored`` decides: what happened before it
leaves the node as it was, what comes after is completed by the next command that opens the node, before it serves (`complete`).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import lmdb

from salus.codec import decode
from salus.crypto.keys import derive
from salus.crypto.signing import SigningKey
from salus.durable import sync_file, sync_folder
from salus.errors import NodeRefused, SalusError
from salus.ledger.genesis import MAX_GENESIS, Genesis, validators
from salus.ledger.header import ProvenHeader, header_hash
from salus.node.guests.book import close_invitations
from salus.node.identity import RESYNC, own_member, read_node_seed
from salus.node.mailbox.letters import raise_cursors
from salus.node.operating.backup import copy_blob, copy_file, unpack
from salus.node.operating.checking import Findings, check_guests, check_mailbox, check_receipts
from salus.node.operating.looking import anchored, looking, own_share, require_sound
from salus.node.operating.manifest import Manifest, fingerprint, read_manifest, require_files
from salus.node.operating.partials import filling
from salus.node.operating.placing import MERGED, READY, SINGLE, complete, next_aside, note_aside, sync_tree
from salus.node.replaying import Told
from salus.node.vault.blobs import Blobs
from salus.node.vault.bucketed import BucketBlobs
from salus.node.vault.lying import held_blobs

PREFIX = "node.restoring-"


@dataclass(frozen=True)
class Seen:
    """The highest header that somebody in this home has verified."""

    height: int
    hash: bytes


@dataclass(frozen=True)
class Restored:
    """Which parts came from the backup, how many blobs, how many are still missing, and where replaced parts lie now or ""."""

    parts: tuple[str, ...]
    blobs: int
    missing: int
    height: int
    aside: str


@dataclass(frozen=True)
class _Found:
    """A backup that was verified, the sound ledger on disk if there is one, and where the restore is prepared."""

    genesis: Genesis
    manifest: Manifest
    source: Path
    disk: ProvenHeader | None
    work: Path
    place: Path


def restore(home: Path, genesis: Genesis | None, backup: Path, seen: Seen | None, told: Told, *, replace: bool) -> Restored:
    """Put back from ``backup`` what the node of ``home`` lacks; all of it with ``replace``. The caller holds the node.

    ``seen`` is what the home's agent has verified: a ledger that ends before it is never put in place. Raises `NodeRefused`
    ``bad-backup``, ``wrong-backup``, ``stale-backup``, ``node-exists``, ``storage-failed``.
    """
    complete(home)
    node = home / "node"
    with filling(home, PREFIX) as work:
        source = backup
        if backup.is_file():
            source = work / "unpacked"
            source.mkdir()
            unpack(backup, source)
        genesis = genesis or _genesis_of(source)
        if (node / "node.key").exists():
            own_member(genesis, node)
        manifest = read_manifest(source, genesis, _own_key(node))
        require_files(source, manifest, told)
        place = work / "place"
        place.mkdir(mode=0o700)
        found = _Found(genesis, manifest, source, _sound(node / "ledger", genesis), work, place)
        whole = _stage_databases(found, node, seen, replace=replace)
        blobs, missing = _stage_blobs(found, node, told, from_disk="ledger" not in whole, replace=replace)
        single = _stage_files(found, home)
        if "ledger" in whole and validators(genesis):
            _leave_to_engine(place, whole)
        if not (whole or blobs or single):
            raise NodeRefused("node-exists", "the node is intact; nothing was restored (--replace moves it aside)")
        aside = next_aside(home)
        note_aside(place, aside)
        sync_tree(place)
        place.rename(home / READY)
        sync_folder(home)
        complete(home)
    height = max(manifest.height, found.disk.header.height if found.disk and "ledger" not in whole else 0)
    return Restored((*whole, *single), blobs, missing, height, aside if (home / aside).exists() else "")


def _leave_to_engine(place: Path, whole: list[str]) -> None:
    """Where members order together the ledger comes from the others' blocks, however old the backup is; never from a copy."""
    shutil.rmtree(place / "ledger")
    whole.remove("ledger")
    (place / RESYNC).touch(0o600)


def _own_key(node: Path) -> bytes | None:
    """The key of this node, where it has one: a member that came later does not stand in genesis."""
    if not (node / "node.key").exists():
        return None
    return SigningKey(derive(read_node_seed(node / "node.key"), "node")).public


def _genesis_of(source: Path) -> Genesis:
    try:
        return decode((source / "genesis.bin").read_bytes(), Genesis, limit=MAX_GENESIS)
    except (OSError, SalusError) as error:
        raise NodeRefused("bad-backup", "neither the home nor the backup has a genesis document") from error


def _sound(folder: Path, genesis: Genesis) -> ProvenHeader | None:
    try:
        with looking(folder) as ledger:
            return require_sound(genesis, ledger)
    except (SalusError, lmdb.Error):
        return None


def _stage_databases(found: _Found, node: Path, seen: Seen | None, *, replace: bool) -> list[str]:
    """Copy the databases that are to come from the backup, once they were found fit; their places."""
    newest = _copied_ledger(found)
    whole = []
    if replace or found.disk is None:
        require_fresh(found, newest, seen)
        whole.append("ledger")
    else:
        shutil.rmtree(found.place / "ledger")
        _require_older(found, node, newest)
    checks: tuple[tuple[str, str, Callable[[Findings], None]], ...] = (
        ("guests", "guests", lambda into: check_guests(into, node)),
        ("mailbox", "mailbox", lambda into: check_mailbox(into, node)),
        ("vault/receipts", "receipts", lambda into: check_receipts(into, node, found.genesis)),
    )
    for name, stored, look in checks:
        into = Findings()
        with into.of(name):
            look(into)
        older = stored == "guests" and not _listed(found, "guests/data.mdb")  # a backup from before there were guests
        if (replace or into.troubles) and not older:
            _copy_database(found, stored, name)
            whole.append(name)
    if "guests" in whole:
        close_invitations(found.place / "guests")
        (found.place / "guests" / "lock.mdb").unlink(missing_ok=True)
    if "mailbox" in whole:
        raise_cursors(found.place / "mailbox")
        (found.place / "mailbox" / "lock.mdb").unlink(missing_ok=True)
    return whole


def _copied_ledger(found: _Found) -> ProvenHeader:
    """The newest header of the backup's ledger, copied and found to be what the manifest says."""
    _copy_database(found, "ledger", "ledger")
    with looking(found.place / "ledger") as ledger:
        newest = require_sound(found.genesis, ledger)
    (found.place / "ledger" / "lock.mdb").unlink(missing_ok=True)
    if (newest.header.height, header_hash(newest.header).hex()) != (found.manifest.height, found.manifest.header):
        raise NodeRefused("bad-backup", "the backup's ledger is not the one that its manifest names")
    return newest


def _copy_database(found: _Found, stored: str, name: str) -> None:
    folder = found.place / name
    folder.mkdir(mode=0o700, parents=True)
    listed = {file.name: (file.size, file.sha256) for file in found.manifest.files}
    try:
        shutil.copyfile(found.source / stored / "data.mdb", folder / "data.mdb")
    except FileNotFoundError as error:
        raise NodeRefused("bad-backup", f"the backup has no {stored}") from error
    (folder / "data.mdb").chmod(0o600)
    sync_file(folder / "data.mdb")
    if fingerprint(folder / "data.mdb") != listed.get(f"{stored}/data.mdb"):
        raise NodeRefused("bad-backup", f"a file of the backup was altered or cut off, in {stored}")


def require_fresh(found: _Found, newest: ProvenHeader, seen: Seen | None) -> None:
    """Raise ``stale-backup`` when more of the ledger is known than the backup has, ``wrong-backup`` when it is another ledger."""
    known = [seen] if seen else []
    if found.disk is not None:
        known.append(Seen(found.disk.header.height, header_hash(found.disk.header)))
    for one in known:
        if newest.header.height < one.height and not validators(found.genesis):
            ends, reached = newest.header.height, one.height
            text = f"the backup ends with block {ends}, and block {reached} was seen here; blocks {ends + 1} to {reached}"
            raise NodeRefused("stale-backup", f"{text} would be lost, and the ledger would fork; restore a newer backup")
    with looking(found.place / "ledger") as ledger:
        for one in known:
            there = ledger.header(one.height)
            if there is None and (one.height > newest.header.height or one.height <= ledger.base()):
                continue  # others have it, where members order together; or it was let go of since
            if there is None or header_hash(there.header) != one.hash:
                raise NodeRefused("wrong-backup", "the backup is of another ledger than was seen here")
    (found.place / "ledger" / "lock.mdb").unlink(missing_ok=True)


def _require_older(found: _Found, node: Path, newest: ProvenHeader) -> None:
    """The ledger on disk is sound and stays: it must be the backup's own, and not end before it."""
    with looking(node / "ledger") as ledger:
        there, base = ledger.header(newest.header.height), ledger.base()
    if there is None and newest.header.height <= base:
        return  # let go of since: nothing is left to hold it against
    if there is None:
        raise NodeRefused("node-exists", "the ledger on disk is intact and older than the backup; --replace moves it aside")
    if header_hash(there.header) != header_hash(newest.header):
        raise NodeRefused("wrong-backup", "the backup is of another ledger than the one on disk")


def _stage_blobs(found: _Found, node: Path, told: Told, *, from_disk: bool, replace: bool) -> tuple[int, int]:
    """Copy what the ledger that will stand anchors, and the disk lacks or has altered; how many blobs, and how many stay lost.

    What lies in a bucket stays there: the bucket is listed, and what it has is not lost.
    """
    with looking(node / "ledger" if from_disk else found.place / "ledger") as ledger:
        keyed = node if (node / "node.key").exists() else found.source
        wanted, own = sorted(anchored(ledger)), own_share(found.genesis, keyed, ledger)
        mine = set(filter(own, wanted))
    if not from_disk:
        (found.place / "ledger" / "lock.mdb").unlink(missing_ok=True)
    held, offered = Blobs(node / "vault" / "blobs", reading=True), Blobs(found.source / "blobs", reading=True)
    elsewhere = _in_bucket(found, node)
    target, copied, missing = found.place / ("vault/blobs" if replace else MERGED), 0, 0
    target.mkdir(mode=0o700, parents=True)
    for number, blob in enumerate(wanted, 1):
        if replace or not _intact(held, blob):
            try:
                copy_blob(offered, blob, target)
                copied += 1
            except FileNotFoundError:
                missing += blob in mine and blob not in elsewhere
        told("blobs", number, len(wanted))
    return copied, missing


def _in_bucket(found: _Found, node: Path) -> Mapping[bytes, float]:
    """What the bucket has that the node's configuration names, or the backup's where the node has none; nothing without one."""
    with held_blobs(node, configured=None if (node / "config.toml").exists() else found.source) as blobs:
        if not isinstance(blobs, BucketBlobs):
            if found.manifest.bucket:
                raise NodeRefused("store-changed", "the backup leaves blobs in a bucket that config.toml does not name")
            return {}
        return blobs.stock()


def _intact(held: Blobs, blob: bytes) -> bool:
    try:
        return held.get(blob) is not None
    except SalusError:
        return False


def _stage_files(found: _Found, home: Path) -> list[str]:
    """Copy small files that the home lacks and the backup has; their names."""
    names = []
    for name, place in SINGLE.items():
        if (found.source / name).is_file() and not (home / place).exists() and _listed(found, name):
            copy_file(found.source / name, found.place / name)
            names.append(name)
    return names


def _listed(found: _Found, name: str) -> bool:
    return any(file.name == name for file in found.manifest.files)
