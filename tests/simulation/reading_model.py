"""Who can open what: what each home's keys open of all ciphertext there is, against what its grants cover.

The model is told everything: every seed and every secret of every home. What a home opens is worked out from the bytes that its
stores hold, by all ways that there are: the half of an entry, an epoch's seed, a slot in a key package, history back from it.
What it may open is worked out from what people asked for, and from the blocks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from salus.agent.store import Store
from salus.agent.wallet import Wallet
from salus.charts.entry import Opened
from salus.charts.epochs import EpochKeys, open_previous, open_slot, read_package, seal_key_hash
from salus.charts.grant import Grant
from salus.charts.sealing import half_of, open_entry
from salus.charts.sections import SectionKind
from salus.crypto.keys import derive
from salus.errors import SalusError
from simulation.ledger_model import At, Broken, LedgerModel, SealedEntry

HOUR = 3_600_000
NONE = bytes(32)
_STRING = re.compile(rb"\xc4\x20(?=(.{32}))", re.DOTALL)


@dataclass(frozen=True)
class Asked:
    """What somebody asked for: who is to read which sections of whose, how, and until when (ms)."""

    patient: str
    reader: str
    kinds: tuple[SectionKind, ...]
    read: bool
    standing: bool
    history: bool
    until: int
    passed_on_by: str = ""


@dataclass
class Given:
    """A grant as it was found in the store of ``home``: asked for since ``start``, there at ``seen``, complete at ``done``."""

    home: str
    asked: Asked
    grant: Grant
    start: At
    seen: At
    done: At | None = None

    def revocation(self, section: bytes) -> bytes:
        """Which revocation ends it in a section."""
        links = (part.warrant.links[-1].link for part in self.grant.sections)
        return next((link.revocation for link in links if link.section == section), b"")


@dataclass
class Package:
    """A key package: its pair, the pair before that its history opens, and the slots that are somebody's: {key: with history}."""

    section: bytes
    number: int
    pair: EpochKeys
    before: EpochKeys | None
    data: bytes
    at: At
    slots: dict[bytes, bool] = field(default_factory=dict)


@dataclass
class Removal:
    """A device that is taken off, ``home``'s; its owner calls it ``label``. Since ``done`` nothing that is sealed opens on it."""

    home: str
    person: str
    label: str
    done: At | None = None


class ReadingModel:
    """``people`` is {home: its people's names}; ``blob_of`` gives a blob as the vault has it."""

    def __init__(self, ledger: LedgerModel, owners: dict[bytes, tuple[str, SectionKind]], people: dict[str, list[str]]) -> None:
        self.ledger, self.owners, self.people = ledger, owners, people
        self.persons: dict[bytes, str] = {}
        self.given: dict[bytes, Given] = {}
        self.removals: list[Removal] = []
        self.packages: dict[bytes, Package] = {}  # by hash of the public key
        self.opened: dict[bytes, tuple[bytes, Opened]] = {}  # {blob: (its half, its inside)}
        self._own_slots: dict[bytes, list[bytes]] = {}  # {reading secret: the slot keys that derive from it}
        self._secrets: dict[bytes, str] = {}  # seeds and reading secrets: {secret: whose}
        self._slots: dict[bytes, dict[bytes, None]] = {}  # {section: slot keys that there are}
        self._strings: dict[str, set[bytes]] = {}
        self._kept: dict[str, tuple[tuple[int, int], set[bytes]]] = {}
        self._learned = 0

    def learn_wallet(self, wallet: Wallet) -> None:
        """A wallet, as one of its devices has it."""
        name = wallet.record.name
        self.persons[wallet.person] = name
        self._secrets |= dict.fromkeys((wallet.record.seed, *wallet.record.readings), name)
        for reading in wallet.record.readings:
            if reading not in self._own_slots:
                sections = [section for section, (owner, _) in self.owners.items() if owner == name]
                slots = self._own_slots[reading] = [derive(reading, "slot", section) for section in sections]
                for section, slot in zip(sections, slots, strict=True):
                    self._know_slot(section, slot)

    def learn_grant(self, home: str, grant: Grant, asked: Asked, start: At) -> None:
        """A grant that somebody has given, or has changed."""
        self._learned += 1
        known = self.given.get(grant.grant)
        if known is None:
            self.given[grant.grant] = Given(home, asked, grant, start, self.ledger.newest)
        else:
            known.grant = grant
        for part in grant.sections:
            if part.slot_key:
                self._know_slot(part.warrant.links[-1].link.section, part.slot_key)

    def complete(self, home: str, at: At) -> None:
        """Whatever the home had begun is done."""
        for given in self.given.values():
            if given.home == home and given.done is None:
                given.done = at

    def learn_strings(self, home: str, *stores: Store) -> None:
        """What the home's stores hold now; what was there once stays known."""
        known = self._strings.setdefault(home, set())
        for store in stores:
            for (body,) in store._db.execute("select body from records"):
                known.update(found[1] for found in _STRING.finditer(body))

    def learn_package(self, section: bytes, number: int, data: bytes, at: At) -> None:
        """A key package that the ledger has announced; its owner must be able to open it."""
        read = read_package(data, section, number)
        for key in self._slots.get(section, {}):
            try:
                pair = open_slot(data, key, section, number)
            except SalusError:
                continue
            if pair.history != NONE:
                before = open_previous(data, pair.history, section, number) if number else None
                found = Package(section, number, pair, before, data, at)
                self._learned += 1
                self.packages[seal_key_hash(read.seal_key)] = found
                self._find_slots(found)
                return
        raise Broken("2", f"no device of its owner opens epoch {number} of a section")

    def learn_entry(self, section: bytes, entry: SealedEntry, data: bytes) -> None:
        """An entry's blob, opened by whoever owns it."""
        package = self.packages[entry.epoch.seal_key]
        network = self.ledger.network
        half = half_of(data, package.pair.seal_seed, network, section, entry.epoch.number)
        self.opened[entry.blob] = (half, open_entry(data, half, network, section, entry.epoch.number))

    def opens(self, home: str) -> set[tuple[bytes, int]]:
        """(section, number) of each entry whose bytes of now the home's keys open."""
        keys = self._all_keys(home)
        found = set()
        for section, entry in self.entries():
            half = self.opened[entry.blob][0]
            if half in keys or self.packages[entry.epoch.seal_key].pair.seal_seed in keys:
                found.add((section, entry.number))
        return found

    def require_no_more_than_granted(self, home: str) -> None:
        """Raise unless all that the home opens is its own, or covered by a grant."""
        for section, number in sorted(self.opens(home)):
            entry = self.ledger.sections[section].entries[number]
            if not self.may_open(home, section, entry):
                owner, kind = self.owners[section]
                raise Broken("2", f"{home} opens entry {number} of {owner}'s {kind.value}, which no grant covers")

    def may_open(self, home: str, section: bytes, entry: SealedEntry) -> bool:
        """Whether the home may hold a key to the entry as it is sealed now."""
        owner, kind = self.owners[section]
        people = self.people[home]
        if owner in people and all(
            removal.done is None or entry.first.height <= removal.done.height for removal in self.removals if removal.home == home
        ):
            return True
        if self.persons.get(self.opened[entry.blob][1].header.author) in people:
            return True
        return any(
            self._covers(given, section, kind, entry)
            for given in self.given.values()
            if given.asked.reader in people and given.asked.patient == owner
        )

    def must_open(self, given: Given, section: bytes, kind: SectionKind, entry: SealedEntry) -> bool:
        """Whether a live grant that has arrived has to open the entry."""
        asked = given.asked
        if kind not in asked.kinds or not asked.read or entry.erased:
            return False
        if not asked.standing:
            return entry.first.height <= given.start.height
        return asked.history or (given.done is not None and entry.first.height > given.done.height)

    def passed_on_and_rewritten(self, reader: str, patient: str) -> bool:
        """Whether a colleague's halves may be of before an erasure: only the patient's own grantees get new ones."""
        passed_on = any(
            g.asked.passed_on_by and (g.asked.reader, g.asked.patient) == (reader, patient) for g in self.given.values()
        )
        return passed_on and any(entry.sealed != entry.first for _, entry in self.entries())

    def live(self, given: Given, now: int) -> bool:
        """Whether a grant still holds, and every grant before it."""
        ends = [link.link.revocation for part in given.grant.sections for link in part.warrant.links]
        return given.grant.not_after > now and not any(end in self.ledger.revoked for end in ends)

    def entries(self) -> Iterator[tuple[bytes, SealedEntry]]:
        """Every entry that was not erased."""
        for identity, section in self.ledger.sections.items():
            for entry in section.entries:
                if not entry.erased:
                    yield identity, entry

    def _covers(self, given: Given, section: bytes, kind: SectionKind, entry: SealedEntry) -> bool:
        asked = given.asked
        if kind not in asked.kinds or not asked.read:
            return False
        ended = self.ledger.revoked.get(given.revocation(section))
        since = entry.first if asked.standing else entry.sealed  # what is sealed again stays in its epoch, under another half
        if ended is not None and since.height >= ended.height:
            return False
        if not asked.standing:
            in_time = entry.first.height <= given.seen.height and entry.sealed.time < asked.until
            return in_time and (not asked.passed_on_by or self.may_open(asked.passed_on_by, section, entry))
        after = asked.history or entry.first.height > given.start.height
        return after and entry.first.time < -(-asked.until // HOUR) * HOUR

    def _know_slot(self, section: bytes, key: bytes) -> None:
        self._learned += 1
        keys = self._slots.setdefault(section, {})
        if key not in keys:
            keys[key] = None
            for package in self.packages.values():
                if package.section == section:
                    self._find_slots(package, (key,))

    def _find_slots(self, package: Package, keys: Iterable[bytes] | None = None) -> None:
        for key in list(self._slots[package.section]) if keys is None else keys:
            try:
                pair = open_slot(package.data, key, package.section, package.number)
            except SalusError:
                continue
            package.slots[key] = pair.history != NONE

    def _all_keys(self, home: str) -> set[bytes]:
        """The home's keys, and all that key packages give for them."""
        strings = self._strings.get(home, set())
        state = (len(strings), self._learned)
        kept = self._kept.get(home)
        if kept is not None and kept[0] == state:
            return kept[1]
        keys = set(strings)
        for reading, slots in self._own_slots.items():
            if reading in strings:
                keys.update(slots)
        for secret, person in self._secrets.items():
            if secret in strings:
                for given in self.given.values():
                    if given.asked.patient == person:
                        sections = (part.warrant.links[-1].link.section for part in given.grant.sections)
                        keys.update(derive(secret, "granted-slot", section, given.grant.grant) for section in sections)
        for package in sorted(self.packages.values(), key=lambda one: -one.number):
            for key, history in package.slots.items():
                if key in keys:
                    keys.add(package.pair.seal_seed)
                    if history:
                        keys.add(package.pair.history)
            if package.pair.history in keys and package.before is not None:
                keys.update((package.before.seal_seed, package.before.history))
        self._kept[home] = (state, keys)
        return keys
