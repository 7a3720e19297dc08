"""Epochs of a section: their key pairs, and the key package that carries them to devices and standing grantees.

Pairs are random: two devices that rotate at once make different ones, and only the pair that the ledger takes is ever used.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Annotated

import msgspec

from salus.codec import Record, decode, encode
from salus.crypto import aead, hpke
from salus.crypto.hashing import tagged
from salus.crypto.hpke import SealingKey
from salus.crypto.keys import derive
from salus.errors import ChartRefused, CryptoRefused
from salus.ids import Bytes16, Bytes32, Count, Hash

MAX_SLOTS = 1024
MIN_SLOTS = 8  # nobody sees from a package whether a section has few readers or none
MAX_PACKAGE = 1_048_576
_PAIR = 64  # bytes: an epoch's seal seed and its history secret
_NO_HISTORY = bytes(32)


@dataclass(frozen=True)
class EpochKeys:
    """``seal_seed`` (the *read* secret) opens entries of the epoch; ``history`` opens the predecessor's pair."""

    seal_seed: bytes
    history: bytes


class Slot(Record, frozen=True, tag="slot"):
    """One device's or standing grantee's pair, under a slot key; found by ``tag``; the same size with or without history."""

    tag: Bytes16
    sealed: Annotated[bytes, msgspec.Meta(min_length=_PAIR + aead.OVERHEAD, max_length=_PAIR + aead.OVERHEAD)]


class KeyPackage(Record, frozen=True, tag="key-package-1"):
    """``previous``: the predecessor's pair under this epoch's history secret; ``recovery``: this pair for the cold seed."""

    section: Bytes32
    epoch: Count
    seal_key: SealingKey
    previous: Annotated[bytes, msgspec.Meta(min_length=_PAIR + aead.OVERHEAD, max_length=_PAIR + aead.OVERHEAD)]
    recovery: Annotated[bytes, msgspec.Meta(min_length=_PAIR + hpke.OVERHEAD, max_length=_PAIR + hpke.OVERHEAD)]
    slots: Annotated[tuple[Slot, ...], msgspec.Meta(max_length=MAX_SLOTS)]


def new_epoch_keys() -> EpochKeys:
    """A fresh pair from the operating system."""
    return EpochKeys(secrets.token_bytes(32), secrets.token_bytes(32))


def seal_key_hash(seal_key: bytes) -> Hash:
    """What the ledger's schedule names."""
    return tagged("salus/seal-key/1", seal_key)


def make_package(
    section: bytes,
    epoch: int,
    keys: EpochKeys,
    previous: EpochKeys | None,
    recovery_key: bytes,
    holders: tuple[tuple[bytes, bool], ...] = (),
) -> bytes:
    """The package's bytes. ``holders`` are (slot key, with history?); their number is hidden up to the next power of two.

    Eight slots at least, so that one reader, several, and none look alike.
    """
    context = _context(section, epoch)
    before = secrets.token_bytes(_PAIR) if previous is None else previous.seal_seed + previous.history
    slots = [_slot(key, context, keys.seal_seed + (keys.history if full else _NO_HISTORY)) for key, full in holders]
    while len(slots) < MIN_SLOTS or len(slots) & (len(slots) - 1):
        slots.append(_slot(secrets.token_bytes(32), context, secrets.token_bytes(_PAIR)))
    package = KeyPackage(
        section,
        epoch,
        hpke.public_key(keys.seal_seed),
        aead.seal(derive(keys.history, "previous"), context, before),
        hpke.seal(recovery_key, context, keys.seal_seed + keys.history),
        tuple(sorted(slots, key=lambda slot: slot.tag)),
    )
    return encode(package)


def open_slot(package: bytes, slot_key: bytes, section: bytes, epoch: int) -> EpochKeys:
    """The pair in the holder's slot (``history`` is 32 zero bytes where it was not given); ``no-slot`` otherwise."""
    read = read_package(package, section, epoch)
    tag = _slot_tag(slot_key, _context(section, epoch))
    for slot in read.slots:
        if slot.tag == tag:
            return _matching(read, aead.open(slot_key, _context(section, epoch), slot.sealed))
    raise ChartRefused("no-slot", "the key package holds nothing for this key")


def open_recovery(package: bytes, recovery_seed: bytes, section: bytes, epoch: int) -> EpochKeys:
    """The pair, with the cold seed's recovery key."""
    read = read_package(package, section, epoch)
    return _matching(read, hpke.open(recovery_seed, _context(section, epoch), read.recovery))


def open_previous(package: bytes, history: bytes, section: bytes, epoch: int) -> EpochKeys:
    """The predecessor's pair, with this epoch's history secret."""
    read = read_package(package, section, epoch)
    if history == _NO_HISTORY or epoch == 0:
        raise ChartRefused("no-history", "history was not given, or there is none")
    pair = aead.open(derive(history, "previous"), _context(section, epoch), read.previous)
    return EpochKeys(pair[:32], pair[32:])


def read_package(package: bytes, section: bytes, epoch: int) -> KeyPackage:
    """The package; raises ``wrong-package`` when it is another section's or epoch's."""
    read = decode(package, KeyPackage, limit=MAX_PACKAGE)
    if (read.section, read.epoch) != (section, epoch):
        raise ChartRefused("wrong-package", "the key package is another section's or epoch's")
    return read


def _matching(package: KeyPackage, pair: bytes) -> EpochKeys:
    if hpke.public_key(pair[:32]) != package.seal_key:
        raise CryptoRefused("cannot-open", "the pair is not the package's")
    return EpochKeys(pair[:32], pair[32:])


def _slot(key: bytes, context: bytes, pair: bytes) -> Slot:
    return Slot(_slot_tag(key, context), aead.seal(key, context, pair))


def _slot_tag(key: bytes, context: bytes) -> bytes:
    return derive(key, "slot-tag", context, length=16)


def _context(section: bytes, epoch: int) -> bytes:
    return b"salus/key-package/1" + section + epoch.to_bytes(8, "big")
