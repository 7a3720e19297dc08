"""Entries: signing, sealing and opening. Opening verifies everything that the blob itself can prove."""

from __future__ import annotations

import secrets
import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import msgspec

from salus.charts.entry import (
    ENTRY_TAG,
    MAX_BLOB,
    MAX_PLAIN,
    Blob,
    EntryHeader,
    Erased,
    Leaf,
    Opened,
    Sealed,
)
from salus.codec import decode, encode
from salus.crypto import aead, hpke
from salus.crypto.hashing import tagged, tagged_one
from salus.crypto.keys import derive
from salus.crypto.signing import HybridKey, HybridPublic, person_id, require_hybrid
from salus.errors import ChartRefused
from salus.ids import Hash, VersionId
from salus.ledger.listtree import list_root

#: Zstandard (RFC 8878): in the standard library from Python 3.14 on, its backport before.
zstd: Any = import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")

_kept = threading.local()
_SUITE = b"MLKEM768_X25519/HKDF_SHA256/AES_256_GCM/zstd"
_LENGTH = 8  # bytes of the length prefix inside the padding
_WINDOW_LOG = 27  # zstd's own default limit for decoders: 128 MiB
_SMALLEST = 1024
_LEVEL = 1  # zstd's default takes a fifth longer and saves a twentieth on records


def version_id(leaf: Leaf | Erased) -> VersionId:
    """The salted hash that names one version of one resource."""
    if isinstance(leaf, Erased):
        return VersionId(leaf.version)
    return VersionId(_hashed_leaf(encode(leaf)))


_hashed_leaf = tagged_one("salus/leaf/1")


def content_root(leaves: tuple[Leaf | Erased, ...]) -> Hash:
    """The root over the leaves' salted hashes, in order: one signature serves all, one leaf can be proven alone."""
    return list_root([version_id(leaf) for leaf in leaves])


def new_salt() -> bytes:
    """32 fresh random bytes for a leaf."""
    return secrets.token_bytes(32)


def sign_entry(author: HybridKey, header: EntryHeader, leaves: tuple[Leaf, ...]) -> Sealed:
    """The inside of an entry, signed by its author."""
    return Sealed(header, author.public, author.sign(ENTRY_TAG, encode(header)), new_salt(), leaves)


def commitment(inside: Sealed) -> Hash:
    """What the ledger keeps of the signed header: it tells nothing without the salt, and fits no other header."""
    return tagged("salus/entry-commitment/1", inside.salt, encode(inside.header))


def without(inside: Sealed, erased: frozenset[bytes]) -> Sealed:
    """The entry without the resources of these versions; author's signature, salt and neighbours stay as they were."""
    kept = [Erased(version_id(leaf)) if version_id(leaf) in erased else leaf for leaf in inside.leaves]
    return msgspec.structs.replace(inside, leaves=tuple(kept))


def seal(inside: Sealed, seal_key: bytes, epoch: int) -> tuple[bytes, bytes]:
    """(blob, patient's half): compressed, padded, encrypted under a fresh data key that is sealed to the epoch."""
    half = secrets.token_bytes(32)
    context = _context(inside.header.network, inside.header.section, epoch)
    plain = _pad(_compress(encode(inside)))
    blob = Blob(hpke.seal(seal_key, context, half), False, aead.seal(_data_key(half), context, plain))
    data = encode(blob)
    if len(data) > MAX_BLOB:
        raise ChartRefused("entry-too-large", "the entry is too large; split the batch")
    return data, half


def half_of(blob: bytes, seal_seed: bytes, network: bytes, section: bytes, epoch: int) -> bytes:
    """The patient's half, for who holds the epoch's read secret."""
    return hpke.open(seal_seed, _context(network, section, epoch), decode(blob, Blob, limit=MAX_BLOB).half)


def open_entry(blob: bytes, half: bytes, network: bytes, section: bytes, epoch: int) -> Opened:
    """The entry behind the patient's ``half``, verified: place, author's id, both signature halves, content root."""
    inside = decrypt(blob, half, network, section, epoch)
    require_place(inside.header, network, section)
    require_author(inside.header, inside.key)
    require_hybrid(inside.key, ENTRY_TAG, encode(inside.header), inside.signature)
    versions = tuple(version_id(leaf) for leaf in inside.leaves)
    require_content(inside.header, versions)
    return Opened.of(inside, versions)


def as_opened(inside: Sealed) -> Opened:
    """What one has signed or verified oneself just now, as opening it would give it."""
    return Opened.of(inside, tuple(version_id(leaf) for leaf in inside.leaves))


def decrypt(blob: bytes, half: bytes, network: bytes, section: bytes, epoch: int) -> Sealed:
    """What lies in the blob, of which nothing is verified yet but that it was sealed for this place: see `open_entry`."""
    box = decode(blob, Blob, limit=MAX_BLOB)
    if box.released:
        raise ChartRefused("not-released", "the entry needs a release half")
    plain = aead.open(_data_key(half), _context(network, section, epoch), box.ciphertext)
    return decode(_decompress(_unpad(plain)), Sealed, limit=MAX_PLAIN)


def require_committed(opened: Opened, committed: bytes) -> None:
    """Raise ``wrong-commitment`` unless the ledger was told of just this header when the entry was sealed first."""
    if commitment(opened.inside) != committed:
        raise ChartRefused("wrong-commitment", "the entry is not the one that the ledger took at that time")


def require_place(header: EntryHeader, network: bytes, section: bytes) -> None:
    """Raise ``wrong-section`` unless the author signed the entry for this network and section."""
    if (header.network, header.section) != (network, section):
        raise ChartRefused("wrong-section", "the entry was signed for another section or network")


def require_author(header: EntryHeader, key: HybridPublic) -> None:
    """Raise ``wrong-author`` unless ``key`` is the author's."""
    if header.author != person_id(key):
        raise ChartRefused("wrong-author", "the entry's key is not its author's")


def require_content(header: EntryHeader, versions: Sequence[bytes]) -> None:
    """Raise ``wrong-content`` unless the leaves, by their salted hashes, are those that were signed."""
    if list_root(versions) != header.content:
        raise ChartRefused("wrong-content", "the entry's resources are not those that were signed")


def padded_length(length: int) -> int:
    """Padmé (Nikitin et al., PETS 2019): at most 12 % more, and few lengths that differ. At least 1,024."""
    length = max(length, _SMALLEST)
    exponent = length.bit_length() - 1
    low_bits = exponent - exponent.bit_length()
    mask = (1 << low_bits) - 1
    return (length + mask) & ~mask


def _pad(data: bytes) -> bytes:
    framed = len(data).to_bytes(_LENGTH, "big") + data
    return framed + bytes(padded_length(len(framed)) - len(framed))


def _unpad(plain: bytes) -> bytes:
    end = _LENGTH + int.from_bytes(plain[:_LENGTH], "big")
    if len(plain) < _LENGTH or padded_length(end) != len(plain) or any(plain[end:]):
        raise ChartRefused("bad-padding", "the entry is not padded as it should be")
    return plain[_LENGTH:end]


def _compress(data: bytes) -> bytes:
    """One frame. Each thread keeps its compressor: to make one takes longer than to compress a short entry."""
    if not hasattr(_kept, "compressor"):
        _kept.compressor = zstd.ZstdCompressor(level=_LEVEL)
    frame: bytes = _kept.compressor.compress(data, mode=zstd.ZstdCompressor.FLUSH_FRAME)
    return frame


def _decompress(data: bytes) -> bytes:
    expander = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _WINDOW_LOG})
    try:
        plain: bytes = expander.decompress(data, max_length=MAX_PLAIN)
    except zstd.ZstdError as error:
        raise ChartRefused("bad-compression", "the entry does not decompress") from error
    if not expander.eof or expander.unused_data:
        raise ChartRefused("bad-compression", "the entry is larger than allowed, or has something behind it")
    return plain


def _data_key(half: bytes, release: bytes = b"") -> bytes:
    """The seam of version 1: data key = KDF(patient's half, optional release half)."""
    return derive(half, "entry-data-key", release)


def _context(network: bytes, section: bytes, epoch: int) -> bytes:
    return b"salus/entry-blob/1" + _SUITE + network + section + epoch.to_bytes(8, "big")
