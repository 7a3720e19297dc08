"""A backup's table of contents: every file with its size and hash, signed by the node."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from salus.crypto.signing import SigningKey, require_signature
from salus.errors import CryptoRefused, NodeRefused
from salus.ids import VerifyKey
from salus.ledger.genesis import Genesis, network_id

MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
_TAG = "salus/backup-manifest/1"
_MOST = 1 << 30  # bytes of a manifest
_CHUNK = 1 << 20

Hex32 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Name = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^(genesis\.bin|config\.toml|node\.key|prepared|(ledger|receipts|mailbox|guests)/data\.mdb|blobs/[0-9a-f]{2}/[0-9a-f]{64})\Z"
    ),
]


class File(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A file of a backup: its name, bytes, and SHA-256."""

    name: Name
    size: Annotated[int, msgspec.Meta(ge=0)]
    sha256: Hex32


class Manifest(msgspec.Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """``height`` and ``header`` are those of the newest block; ``time`` is the backup's, in ms.

    ``bucket``: where ``in_bucket`` of the blobs lie that the ledger anchors; they are not in the backup.
    """

    format: Literal["salus-backup-1"]
    network: Hex32
    height: Annotated[int, msgspec.Meta(ge=0)]
    header: Hex32
    time: Annotated[int, msgspec.Meta(ge=0)]
    files: tuple[File, ...]
    bucket: Annotated[str, msgspec.Meta(max_length=255)] = ""
    in_bucket: Annotated[int, msgspec.Meta(ge=0)] = 0


def fingerprint(path: Path) -> tuple[int, str]:
    """A file's bytes and SHA-256, read piece by piece."""
    size, digest = 0, hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            size += len(piece)
            digest.update(piece)
    return size, digest.hexdigest()


def write_manifest(folder: Path, manifest: Manifest, key: SigningKey) -> None:
    """Write the table and its signature."""
    data = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    for name, content in ((MANIFEST, data), (SIGNATURE, key.sign(_TAG, data).hex().encode("ascii") + b"\n")):
        with (folder / name).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())


def read_manifest(folder: Path, genesis: Genesis, own: bytes | None = None) -> Manifest:
    """The table; `NodeRefused` ``bad-backup`` unless a node of genesis signed it, or the one with the key ``own``."""
    try:
        with (folder / MANIFEST).open("rb") as file:
            data = file.read(_MOST)
        signature = bytes.fromhex((folder / SIGNATURE).read_text("ascii").strip())
        found = msgspec.json.decode(data, type=Manifest)
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise NodeRefused("bad-backup", "no readable manifest; name the folder or file that was backed up to") from error
    if found.network != network_id(genesis).hex():
        raise NodeRefused("wrong-backup", "the backup is of another network")
    keys = [*(member.node for member in genesis.members), *([own] if own else [])]
    if not any(_signed(key, data, signature) for key in keys):
        raise NodeRefused("bad-backup", "no node of this network signed the backup's manifest")
    return found


def require_files(folder: Path, manifest: Manifest, told: Callable[[str, int, int], None]) -> None:
    """Raise `NodeRefused` ``bad-backup`` unless every file is there, with just its bytes."""
    if len({file.name for file in manifest.files}) != len(manifest.files):
        raise NodeRefused("bad-backup", "the manifest names a file twice")
    for number, file in enumerate(manifest.files, 1):
        try:
            found = fingerprint(folder / file.name)
        except FileNotFoundError as error:
            raise NodeRefused("bad-backup", f"the backup lacks {file.name.partition('/')[0]}") from error
        if found != (file.size, file.sha256):
            raise NodeRefused("bad-backup", f"a file of the backup was altered or cut off, in {file.name.partition('/')[0]}")
        told("backup", number, len(manifest.files))


def _signed(node: bytes, data: bytes, signature: bytes) -> bool:
    try:
        require_signature(VerifyKey(node), _TAG, data, signature)
    except CryptoRefused:
        return False
    return True
