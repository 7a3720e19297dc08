"""What bytes open: tried on all ciphertext of the world, without a vault, a warrant or a rule.

As ``reader_by_bytes`` does for one reader, with what many readers have in common computed once: a key opens the half of an entry
just when its public key is that of the entry's epoch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from probing.world import Place, Scene
from reader_by_bytes import SUITE, attempt
from salus.charts.entry import MAX_BLOB, Blob
from salus.charts.epochs import MAX_PACKAGE, KeyPackage
from salus.codec import decode
from salus.crypto import hpke
from salus.crypto.keys import derive
from salus.errors import SalusError
from salus.ledger.genesis import network_id


@dataclass(frozen=True)
class Given:
    """What one key gives: keys out of key packages, and entries whose half it is or whose half it opens."""

    keys: frozenset[bytes]
    entries: frozenset[tuple[str, int]]


class Ciphertext:
    """Everything that is sealed in a scene. What a key gives is looked at once, whoever has it."""

    def __init__(self, scene: Scene) -> None:
        self.places, self.network = scene.places, network_id(scene.identity.genesis)
        self.letters, self.receipts = scene.letters, scene.receipts
        read = [decode(data, KeyPackage, limit=MAX_PACKAGE) for place in scene.places for data in place.packages]
        self.packages = [(package, {slot.tag: slot.sealed for slot in package.slots}) for package in read]
        self.sealed_to = {package.seal_key: (package.section, package.epoch) for package in read}
        self.entries = [
            (place, number, self._context(place, number), decode(data, Blob, limit=MAX_BLOB))
            for place in scene.places
            for number, data in place.blobs.items()
        ]
        self._given: dict[bytes, Given] = {}

    def opened_by(self, keys: set[bytes]) -> set[tuple[str, int]]:
        """(place, number) of each entry that opens by these keys and whatever key packages give for them."""
        known, fresh = set[bytes](), set(keys)
        opened = set[tuple[str, int]]()
        while fresh:
            found = [self._of(key) for key in fresh]
            opened.update(*(given.entries for given in found))
            known |= fresh
            fresh = set[bytes]().union(*(given.keys for given in found)) - known
        return opened

    def letters_opened_by(self, seeds: set[bytes]) -> set[bytes]:
        """The mailboxes whose letter opens."""
        return {
            box for box, sealed in self.letters.items() if self._unseals(seeds, b"salus/letter/1" + self.network + box, sealed)
        }

    def receipts_opened_by(self, seeds: set[bytes]) -> set[bytes]:
        """The sections whose receipt opens."""
        context = b"salus/receipt/1" + self.network
        return {section for section, sealed in self.receipts.items() if self._unseals(seeds, context + section, sealed)}

    def _unseals(self, seeds: set[bytes], context: bytes, sealed: bytes) -> bool:
        for seed in seeds:
            try:
                hpke.open(seed, context, sealed)
            except SalusError:
                continue
            return True
        return False

    def _of(self, key: bytes) -> Given:
        known = self._given.get(key)
        if known is None:
            known = self._given[key] = Given(frozenset(self._halves(key)), frozenset(self._opened(key)))
        return known

    def _halves(self, key: bytes) -> Iterator[bytes]:
        """By its slots, and back by history."""
        back = derive(key, "previous")
        for package, slots in self.packages:
            context = b"salus/key-package/1" + package.section + package.epoch.to_bytes(8, "big")
            sealed = slots.get(derive(key, "slot-tag", context, length=16))
            for pair in (attempt(back, context, package.previous), attempt(key, context, sealed) if sealed else b""):
                if pair:
                    yield from (pair[:32], pair[32:])

    def _opened(self, key: bytes) -> Iterator[tuple[str, int]]:
        """As the patient's half of an entry, or as the read secret of its epoch."""
        data, epoch = derive(key, "entry-data-key", b""), self.sealed_to.get(hpke.public_key(key))
        for place, number, context, blob in self.entries:
            if epoch == (place.section, place.epochs[number]):
                half = hpke.open(key, context, blob.half)
                if attempt(derive(half, "entry-data-key", b""), context, blob.ciphertext):
                    yield place.name, number
            elif attempt(data, context, blob.ciphertext):
                yield place.name, number

    def _context(self, place: Place, number: int) -> bytes:
        return b"salus/entry-blob/1" + SUITE + self.network + place.section + place.epochs[number].to_bytes(8, "big")
