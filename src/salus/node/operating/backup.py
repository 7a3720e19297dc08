"""``node backup``: a consistent copy of a node, while it is served or idle.

The order is what makes it consistent. Mailboxes first: whatever a letter speaks of is on the ledger that is copied after it. Then
the ledger. Then the receipts: an anchor on the ledger covers receipts that were written before it, so the copy has them all; it
may have more, and remember an anchor that the copied ledger lacks, which a node that starts makes anew.
Blobs last: exactly those that the copied ledger anchors; they are never changed, only added, and deleted when they are erased.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import lmdb

from salus.crypto.keys import derive
from salus.crypto.signing import SigningKey
from salus.durable import sync_file, sync_folder
from salus.errors import NodeRefused
from salus.ledger.genesis import Genesis, network_id
from salus.ledger.header import ProvenHeader, header_hash
from salus.node.identity import PREPARED, own_member, read_node_seed
from salus.node.mailbox.letters import TABLES
from salus.node.operating.looking import anchored, looking, own_share, require_sound
from salus.node.operating.manifest import File, Manifest, fingerprint, write_manifest
from salus.node.operating.partials import filling, finish
from salus.node.replaying import Told
from salus.node.storage import open_reading
from salus.node.vault.blobs import DAMAGED, Blobs
from salus.node.vault.bucketed import BucketBlobs
from salus.node.vault.lying import held_blobs

PREFIX = ".salus-backup-"
#: Where a database lies in the node's folder and in a backup, and how many tables it has; in the order in which they are copied.
DATABASES = (
    ("guests", "guests", 2),
    ("mailbox", "mailbox", len(TABLES)),
    ("ledger", "ledger", 4),
    ("vault/receipts", "receipts", 5),
)


@dataclass(frozen=True)
class Backup:
    """Where it is, what is in it, its bytes, and how many sealed entries it lacks because the node had lost them."""

    place: Path
    manifest: Manifest
    size: int
    lost: int


def back_up(
    home: Path,
    genesis: Genesis,
    out: Path,
    now: int,
    told: Told,
    *,
    with_key: bool = False,
    incomplete: bool = False,
    with_bucket: bool = False,
) -> Backup:
    """Copy the node of ``home`` to ``out`` at ``now`` (ms).

    ``out`` becomes a folder; a single file when its name ends in ``.tar``; when it is a folder already, a new one inside it.
    What lies in a bucket is counted in the manifest and not copied, unless ``with_bucket``.
    ``incomplete`` leaves out sealed entries that the node has lost, which otherwise refuse: better than no backup at all.
    Raises `NodeRefused` ``backup-exists``, ``storage-failed``, ``blobs-lost``, or what is wrong with the node.
    """
    seed = read_node_seed(home / "node" / "node.key")
    own_member(genesis, home / "node")
    target = _target(out, now)
    with filling(target.parent, PREFIX) as partial:
        with held_blobs(home / "node") as held:
            newest, lost, left = _copy(home, genesis, partial, told, held, with_key=with_key, with_bucket=with_bucket)
            bucket = held.bucket.url if left and isinstance(held, BucketBlobs) else ""
        if lost and not incomplete:
            raise NodeRefused("blobs-lost", f"the node has lost {lost} sealed entries; restore them first, or say --incomplete")
        manifest = Manifest(
            "salus-backup-1",
            network_id(genesis).hex(),
            newest.header.height,
            header_hash(newest.header).hex(),
            now,
            tuple(_listed(partial)),
            bucket,
            left,
        )
        write_manifest(partial, manifest, SigningKey(derive(seed, "node")))
        if target.suffix == ".tar":
            _pack(partial, manifest, target)
        else:
            finish(partial, target)
    return Backup(target, manifest, sum(file.size for file in manifest.files), lost)


def _target(out: Path, now: int) -> Path:
    if out.is_dir():
        out = out / f"salus-{datetime.fromtimestamp(now / 1000, UTC):%Y%m%dT%H%M%SZ}"
    if out.exists():
        raise NodeRefused("backup-exists", "there is something of that name already; nothing was overwritten")
    if not out.parent.is_dir():
        raise NodeRefused("storage-failed", "the folder for the backup is not there")
    return out


def _copy(
    home: Path, genesis: Genesis, partial: Path, told: Told, held: Blobs, *, with_key: bool, with_bucket: bool
) -> tuple[ProvenHeader, int, int]:
    """Fill the partial folder; the newest header of the copied ledger, which was found sound, and how many blobs are lost.

    And how many were left in the bucket.
    """
    node = home / "node"
    for place, name, tables in DATABASES:
        copy_database(node / place, partial / name, tables)
    for path in (home / "genesis.bin", node / "config.toml", node / PREPARED, *([node / "node.key"] if with_key else [])):
        if path.exists():
            copy_file(path, partial / path.name)
    with looking(partial / "ledger") as copied:
        newest = require_sound(genesis, copied)
        wanted, own = sorted(anchored(copied)), own_share(genesis, node, copied)
        mine = set(filter(own, wanted))
    (partial / "ledger" / "lock.mdb").unlink(missing_ok=True)
    lost, left = [], 0
    for number, blob in enumerate(wanted, 1):
        if not with_bucket and held.is_elsewhere(blob):
            left += 1
        else:
            try:
                copy_blob(held, blob, partial / "blobs")
            except (FileNotFoundError, NodeRefused) as error:
                if isinstance(error, NodeRefused) and error.full_code != DAMAGED:
                    raise
                lost += [blob] if blob in mine else []  # the rest is in other members' vaults
        told("blobs", number, len(wanted))
    if lost:
        with looking(node / "ledger") as now:
            lost = sorted(set(lost) & set(anchored(now)))  # what was erased meanwhile is not missed
    return newest, len(lost), left


def copy_database(source: Path, folder: Path, tables: int) -> None:
    """A compacted copy in the new folder: what one read transaction sees, whoever writes meanwhile; durable."""
    folder.mkdir(mode=0o700)
    env: lmdb.Environment = open_reading(source, tables)
    try:
        env.copy(str(folder), compact=True)
    finally:
        env.close()
    (folder / "data.mdb").chmod(0o600)
    sync_file(folder / "data.mdb")


def copy_blob(held: Blobs, blob: bytes, folder: Path) -> None:
    """A blob's copy in a folder of blobs, checked and durable; `FileNotFoundError`, `NodeRefused` ``blob-damaged``."""
    data = held.get(blob)
    if data is None:
        raise FileNotFoundError
    place = folder / blob.hex()[:2]
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(place / blob.hex(), data)


def copy_file(source: Path, target: Path) -> None:
    """A small file's copy, private and durable."""
    _write(target, source.read_bytes())


def _write(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _listed(partial: Path) -> list[File]:
    """The files of the copy, hashed as they lie on the disk."""
    found = []
    for path in sorted(partial.rglob("*")):
        name = path.relative_to(partial).as_posix()
        if path.is_file() and not name.startswith("."):
            found.append(File(name, *fingerprint(path)))
    return found


def _pack(partial: Path, manifest: Manifest, target: Path) -> None:
    """All of it in one file, which is there whole or not at all."""
    packed = partial / ".packed"
    with os.fdopen(os.open(packed, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            for name in ("manifest.json", "manifest.sig", *(listed.name for listed in manifest.files)):
                archive.add(partial / name, name, recursive=False)
        file.flush()
        os.fsync(file.fileno())
    packed.rename(target)
    sync_folder(target.parent)


def unpack(archive: Path, folder: Path) -> None:
    """A packed backup's files in ``folder``; `NodeRefused` ``bad-backup`` when it is no such file."""
    try:
        with tarfile.open(archive, "r:") as packed:
            for member in packed:
                content = packed.extractfile(member) if member.isfile() else None
                path = (folder / member.name).resolve()
                if content is None or not path.is_relative_to(folder.resolve()):
                    raise NodeRefused("bad-backup", "the file holds something that no backup has")
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                with path.open("xb") as file:
                    shutil.copyfileobj(content, file)
    except (tarfile.TarError, EOFError, FileExistsError) as error:
        raise NodeRefused("bad-backup", "this is no backup, or it was cut off") from error
