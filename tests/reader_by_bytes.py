"""What one reader's bytes open, and nothing else: tried from outside, without a vault, a warrant or a rule.

``python reader_by_bytes.py STORE KEY PERSON NODE``: an agent's store and its key, the reader's id, and a copy of a node's whole
folder. Every 32-byte string in any of those records is tried as every kind of key on every blob, and so is every
secret that key packages give for it. Prints ``section number`` of each entry that opened, one a line.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import apsw

from salus.charts.entry import MAX_BLOB, Blob
from salus.charts.epochs import MAX_PACKAGE, KeyPackage
from salus.codec import decode
from salus.crypto import aead, hpke
from salus.crypto.keys import derive
from salus.errors import SalusError
from salus.ledger.modules.sections.state import Entry
from salus.node.ledger_store import LedgerStore
from salus.node.vault.blobs import Blobs

SUITE = b"MLKEM768_X25519/HKDF_SHA256/AES_256_GCM/zstd"


def strings(body: bytes) -> Iterator[bytes]:
    """Every string of 32 bytes in MessagePack's one form of it."""
    at = body.find(b"\xc4\x20")
    while at >= 0:
        yield body[at + 2 : at + 34]
        at = body.find(b"\xc4\x20", at + 1)


def keys_of(store: Path, key: str, person: bytes) -> set[bytes]:
    """Every 32-byte string that a record of this person holds, in the store or inside what it holds."""
    database = apsw.Connection(str(store), flags=apsw.SQLITE_OPEN_READONLY)
    database.pragma("key", f"raw:{key}")
    rows = database.execute("select owner, id, body from records")
    return {found for owner, identity, body in rows if person in (owner[:32], identity) for found in strings(bytes(body))}


def attempt(key: bytes, context: bytes, sealed: bytes) -> bytes:
    """The plaintext, or nothing."""
    try:
        return aead.open(key, context, sealed)
    except SalusError:
        return b""


def through(packages: list[KeyPackage], keys: set[bytes]) -> set[bytes]:
    """The keys, and all that key packages give for them, by slots and back by history, until nothing new comes."""
    known, fresh = set(keys), set(keys)
    while fresh:
        given: set[bytes] = set()
        for package in packages:
            context = b"salus/key-package/1" + package.section + package.epoch.to_bytes(8, "big")
            slots = {slot.tag: slot.sealed for slot in package.slots}
            for key in fresh:
                tried = attempt(derive(key, "previous"), context, package.previous)
                sealed = slots.get(derive(key, "slot-tag", context, length=16))
                pairs = [tried, attempt(key, context, sealed) if sealed else b""]
                given |= {half for pair in pairs if pair for half in (pair[:32], pair[32:])}
        fresh = given - known
        known |= fresh
    return known


def opens(blob: Blob, key: bytes, context: bytes) -> bool:
    """Whether the key opens the entry: as its patient's half, or as its epoch's read secret."""
    if attempt(derive(key, "entry-data-key", b""), context, blob.ciphertext):
        return True
    try:
        hpke.open(key, context, blob.half)
    except SalusError:
        return False
    return True


def main(store: str, key: str, person: str, node: str) -> None:
    """Print what opens."""
    ledger, blobs = LedgerStore(Path(node) / "ledger"), Blobs(Path(node) / "vault" / "blobs")
    newest = ledger.newest()
    assert newest is not None
    network, packages, entries = newest.header.network, [], []
    for leaf in ledger.keys(b"sections/", b"sections0"):
        value = ledger.get(leaf) or b""
        if b"/entry/" in leaf[41:]:
            entries.append((leaf[9:41], decode(value, Entry, limit=4096)))
    for path in sorted((Path(node) / "vault" / "blobs").rglob("*")):
        if path.is_file():
            try:
                packages.append(decode(path.read_bytes(), KeyPackage, limit=MAX_PACKAGE))
            except SalusError:
                continue  # a sealed entry
    keys = through(packages, keys_of(Path(store), key, bytes.fromhex(person)))
    for section, entry in entries:
        data = blobs.get(entry.blob)
        if data is None:
            continue
        context = b"salus/entry-blob/1" + SUITE + network + section + entry.epoch.to_bytes(8, "big")
        blob = decode(data, Blob, limit=MAX_BLOB)
        if any(opens(blob, one, context) for one in keys):
            print(section.hex(), entry.number)


if __name__ == "__main__":
    main(*sys.argv[1:])
