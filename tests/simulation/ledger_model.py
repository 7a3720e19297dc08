"""What the blocks say, read a second time: a small model of the ledger that shares no rule with the machine.

It takes the blocks one by one, verifies each signature with another library, works out for itself which key each action needs,
and keeps the little state that follows. `Broken` says which invariant a block breaks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from salus.codec import decode, encode
from salus.crypto.hashing import tagged
from salus.ledger.genesis import Genesis, member_id
from salus.ledger.header import SignedHeader
from salus.ledger.modules.directory.messages import PublishListing
from salus.ledger.modules.licences.messages import IssueLicence, LicenceStatus, SetLicenceStatus
from salus.ledger.modules.receipts.messages import AnchorReceipts
from salus.ledger.modules.revocations.messages import Revoke
from salus.ledger.modules.sections.messages import (
    AdmitWriter,
    AppendEntry,
    CreateSection,
    Entomb,
    Epoch,
    HandOver,
    RemoveWriter,
    Rewrite,
    Rotate,
)
from salus.ledger.tx import Action, Transaction
from salus.node.ledger_store import StoredBlock

LIMIT = 1 << 20


class Broken(AssertionError):
    """An invariant does not hold: ``invariant`` is its number, or a word."""

    def __init__(self, invariant: str, text: str) -> None:
        super().__init__(f"invariant {invariant}: {text}")
        self.invariant, self.text = invariant, text


@dataclass(frozen=True)
class At:
    """A block's height and its time in ms."""

    height: int
    time: int


@dataclass
class SealedEntry:
    """An entry as it is now: ``first`` when it came, ``sealed`` when its bytes of now were sealed."""

    number: int
    writer: bytes
    commitment: bytes
    first: At
    epoch: Epoch
    blob: bytes
    sealed: At
    erased: bool = False


@dataclass
class ModelSection:
    """A section: its owners' hashes, entries, writers {key: (limits, expiry, entries used, ended)}, epochs ever announced."""

    owner: bytes
    next_owner: bytes
    epochs: list[Epoch]
    schedule: tuple[Epoch, ...]
    made: At
    handed: At
    entries: list[SealedEntry] = field(default_factory=list)
    writers: dict[bytes, ModelWriter] = field(default_factory=dict)
    packages: list[tuple[Epoch, At]] = field(default_factory=list)

    def epoch_at(self, time: int) -> Epoch:
        """The epoch that is current."""
        begun = [epoch for epoch in self.epochs if epoch.activation <= time]
        return max(begun, key=lambda epoch: epoch.number)


@dataclass
class ModelWriter:
    """A writer's limits and what was used of them; times in ms."""

    entries: int
    size: int
    expires: int
    admitted: At
    used: int = 0
    used_size: int = 0
    removed: bool = False


class LedgerModel:
    """All that the blocks say."""

    def __init__(self, genesis: Genesis) -> None:
        self.genesis = genesis
        self.network = tagged("salus/network/1", encode(genesis))
        self.nodes = {member_id(member.authority): member.node for member in genesis.members}
        self.authorities = {member_id(member.authority): member.authority for member in genesis.members}
        self.height, self.newest = -1, At(0, 0)
        self.bodies: dict[bytes, int] = {}
        self.sections: dict[bytes, ModelSection] = {}
        self.revoked: dict[bytes, At] = {}
        self.licences: dict[bytes, tuple[bytes, bytes, LicenceStatus]] = {}  # id: issuer, holder, status
        self.anchors: dict[bytes, list[tuple[bytes, int, At]]] = {}
        self.buried: set[bytes] = set()

    def take(self, signed: SignedHeader, block: StoredBlock) -> None:
        """The next block."""
        header = signed.header
        if header.height != self.height + 1 or (header.height and header.time <= self.newest.time):
            raise Broken("4", f"block {header.height} does not follow {self.height} in height and time")
        digest = tagged("salus/header/1", encode(header))
        if not _verifies(self.nodes[header.proposer], "salus/header-signature/1", digest, signed.signature):
            raise Broken("1", f"block {header.height} is not signed by its member")
        self.height, self.newest = header.height, At(header.height, header.time)
        for data, result in zip(block.transactions, block.results, strict=True):
            if not result.refusal:
                self._apply(data, self.newest)

    def _apply(self, data: bytes, at: At) -> None:
        transaction = decode(data, Transaction, limit=LIMIT)
        body = transaction.body
        digest = tagged("salus/body/1", encode(body))
        if digest in self.bodies:
            raise Broken("4", f"a body was applied in block {self.bodies[digest]} and again in {at.height}")
        if body.network != self.network or not at.time < body.expires <= at.time + self.genesis.parameters.max_expiry:
            raise Broken("1", f"block {at.height} applies a body of another network or time")
        signed = {one.key for one in transaction.signatures if _verifies(one.key, "salus/tx-signature/1", digest, one.signature)}
        for key in (self.nodes[body.sponsor], *(key for action in body.actions for key in self._needs(action, at))):
            if key not in signed:
                raise Broken("1", f"block {at.height} lacks a valid signature by a key that its actions need")
        self.bodies[digest] = at.height
        for index, action in enumerate(body.actions):
            self._do(action, at, digest, index)

    def _needs(self, action: Action, at: At) -> Iterator[bytes]:
        """The keys that must have signed."""
        if isinstance(action, IssueLicence):
            yield self.authorities[action.issuer]
        elif isinstance(action, SetLicenceStatus):
            yield self.authorities[self.licences[action.licence][0]]
        elif isinstance(action, CreateSection | HandOver):
            yield action.owner
        elif isinstance(action, AppendEntry):
            yield action.writer
        elif isinstance(action, AdmitWriter | RemoveWriter | Rotate | Rewrite | Entomb):
            yield self.sections[action.section].owner
        elif isinstance(action, AnchorReceipts):
            yield self.nodes[action.vault]
        elif isinstance(action, PublishListing):
            yield action.holder

    def _do(self, action: Action, at: At, body: bytes, index: int) -> None:
        if isinstance(action, IssueLicence):
            identity = tagged("salus/licence/1", body, index.to_bytes(4, "big"))
            self.licences[identity] = (action.issuer, action.holder, LicenceStatus.ACTIVE)
        elif isinstance(action, SetLicenceStatus):
            issuer, holder, before = self.licences[action.licence]
            _require(before is not LicenceStatus.ENDED, "an ended licence moved on")
            self.licences[action.licence] = (issuer, holder, action.status)
        elif isinstance(action, CreateSection):
            identity = tagged("salus/section/1", self.network, action.owner, action.next_owner)
            _require(identity not in self.sections, "a section was made twice")
            section = ModelSection(action.owner, action.next_owner, list(action.schedule), action.schedule, at, at)
            section.packages = [(epoch, at) for epoch in action.schedule]
            self.sections[identity] = section
        elif isinstance(action, Revoke):
            revocation = tagged("salus/revocation/1", action.preimage)
            _require(revocation not in self.revoked, "a link was revoked twice")
            self.revoked[revocation] = at
        elif isinstance(action, AnchorReceipts):
            made = self.anchors.setdefault(action.vault, [])
            _require(action.number == len(made), "anchors are not numbered without gaps")
            made.append((action.root, action.sections, at))
        elif not isinstance(action, PublishListing):
            self._do_section(action, self.sections[action.section], at)

    def _do_section(self, action: Action, section: ModelSection, at: At) -> None:
        if isinstance(action, AppendEntry):
            current = section.epoch_at(at.time)
            _require(action.epoch == current.number, "an entry is sealed to an epoch that is not current")
            self._require_new(action.blob)
            if action.writer != section.owner:
                _spend(section, action, at)
            number = len(section.entries)
            entry = SealedEntry(number, action.writer, action.commitment, at, current, action.blob, at)
            section.entries.append(entry)
        elif isinstance(action, Rewrite):
            self._require_new(action.blob)
            entry = section.entries[action.number]
            _require(not entry.erased, "an erased entry was rewritten")
            _require(action.before == entry.blob, "a rewriting undoes another one")
            self.buried.add(entry.blob)
            section.entries[action.number] = replace(entry, blob=action.blob, sealed=at)
        elif isinstance(action, Entomb):
            entry = section.entries[action.number]
            _require(not entry.erased, "an entry was erased twice")
            self.buried.add(entry.blob)
            section.entries[action.number] = replace(entry, erased=True)
        elif isinstance(action, AdmitWriter):
            _require(action.writer not in section.writers, "a writer was admitted twice")
            section.writers[action.writer] = ModelWriter(action.entries, action.size, action.expires, at)
        elif isinstance(action, RemoveWriter):
            section.writers[action.writer].removed = True
        elif isinstance(action, HandOver):
            _require(tagged("salus/next-owner/1", action.owner) == section.next_owner, "a section went to another key")
            section.owner, section.next_owner, section.handed = action.owner, action.next_owner, at
        elif isinstance(action, Rotate):
            before = tagged("salus/schedule/1", *(encode(epoch) for epoch in section.schedule))
            _require(action.previous == before, "a rotation was made of another schedule than there was")
            section.schedule = action.schedule
            first, *following = action.schedule
            _require(first == section.epoch_at(at.time), "a schedule does not begin with the current epoch")
            section.epochs = [epoch for epoch in section.epochs if epoch.number <= first.number] + following
            section.packages += [(epoch, at) for epoch in following]

    def _require_new(self, blob: bytes) -> None:
        held = {entry.blob for one in self.sections.values() for entry in one.entries if not entry.erased}
        _require(blob not in held, "a blob stands in two places")
        _require(blob not in self.buried, "what was erased came back")


def _spend(section: ModelSection, action: AppendEntry, at: At) -> None:
    writer = section.writers.get(action.writer)
    if writer is None:
        raise Broken("1", "an entry by a key that is no writer")
    _require(not writer.removed and at.time < writer.expires, "an entry by a writer whose right has ended")
    _require(section.handed == section.made or writer.admitted.time > section.handed.time, "an entry by a former owner's writer")
    writer.used, writer.used_size = writer.used + 1, writer.used_size + action.size
    _require(writer.used <= writer.entries and writer.used_size <= writer.size, "an entry above a writer's limits")


def _require(holds: bool, text: str) -> None:
    if not holds:
        raise Broken("1", text)


def _verifies(key: bytes, tag: str, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, tagged(tag, message))
    except (InvalidSignature, ValueError):
        return False
    return True
