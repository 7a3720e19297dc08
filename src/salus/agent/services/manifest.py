"""The manifest: what a wallet notes in a section of its own, for its owner's other devices and for its recovery.

Which grants were given, which devices there are, what was booked and prescribed, confidential results that came before a device
did, and the wallet itself. Only the owner's devices open it. Every command that acts on grants, keys or appointments reads
what other devices have noted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from salus.agent.given import GivenGrant, merge_given
from salus.agent.home import Agent
from salus.agent.own_appointments import OwnAppointment
from salus.agent.own_prescriptions import OwnPrescription, Unnoted
from salus.agent.own_results import OwnResult, result_key
from salus.agent.own_sections import own_section
from salus.agent.sealed_reading import NO_KEY, Reading, read_own
from salus.agent.services.sealing import Draft, Job, Signing, plan_own, silent
from salus.agent.wallet import MAX_FORMER, Former, Name, PrincipalRecord, Wallet
from salus.charts.entry import EntryKind, Erased, Leaf
from salus.charts.sealing import new_salt
from salus.charts.sections import SectionKind
from salus.codec import Record, decode, encode
from salus.crypto import hpke
from salus.crypto.hpke import SealingKey
from salus.crypto.signing import SigningKey
from salus.errors import AgentRefused, CryptoRefused
from salus.ids import Bytes32, Count
from salus.ledger.modules.scheduling.state import appointment_id

_LIMIT = 2 * 1024 * 1024


class WalletNote(Record, frozen=True, tag="wallet-note"):
    """The wallet as it is: what a device that was set up by a short code, or a recovery, needs to know."""

    principal: PrincipalRecord


class DeviceNote(Record, frozen=True, tag="device-note"):
    """A device of the owner's; ``key`` is what a new reading secret is sealed to. Taken off is taken off for good."""

    device: Bytes32
    label: Name
    key: SealingKey
    removed: bool


class ReadingNote(Record, frozen=True, tag="reading-note"):
    """A new reading secret, sealed to each device that stays."""

    boxes: Annotated[tuple[Annotated[bytes, msgspec.Meta(max_length=2048)], ...], msgspec.Meta(max_length=64)]


class ThisDevice(Record, frozen=True, tag="this-device"):
    """Which of the devices this home is, and the seed of its key."""

    device: Bytes32
    seed: Bytes32


class Seen(Record, frozen=True, tag="manifest-seen"):
    """How many entries of the manifest were taken in."""

    count: Count


Note = WalletNote | GivenGrant | DeviceNote | ReadingNote | OwnAppointment | OwnPrescription | OwnResult


class ManifestEntry(Record, frozen=True, tag="manifest-entry"):
    """One leaf of a manifest entry."""

    note: Note


def plan_notes(agent: Agent, wallet: Wallet, notes: Sequence[Note]) -> Job:
    """The notes signed and sealed, as a job that the caller keeps and rolls forward. The first takes the wallet with it."""
    all_notes = list(notes)
    if not own_section(agent, wallet, SectionKind.MANIFEST).exists:
        all_notes.insert(0, WalletNote(wallet.record))
    leaves = tuple(Leaf(new_salt(), f"Basic/{_tag(note)}", "", encode(ManifestEntry(note)), b"") for note in all_notes)
    signing = Signing(EntryKind.MANIFEST, "manifest", agent.clock())
    job, _ = plan_own(agent, wallet, [Draft(SectionKind.MANIFEST, leaves, ())], signing, silent)
    return job


def sync(agent: Agent, name: str) -> Wallet:
    """Take in what other devices have noted; the wallet as it is then. ``device-taken-off`` or ``no-epoch-key`` otherwise."""
    wallet = agent.wallet(name)
    section = own_section(agent, wallet, SectionKind.MANIFEST)
    while (seen := _seen(agent, wallet)) < section.count:
        reading = Reading()
        read_own(agent, wallet, section, reading, seen)
        locked = [number for _, number, code in reading.unread if code == NO_KEY]
        upto = min(locked, default=section.count)
        if upto == seen:
            raise AgentRefused("no-epoch-key", "this device has no key to the wallet's own notes; was it taken off?")
        with agent.store.writing():
            for placed in reading.placed:
                header = placed.opened.header
                if placed.number < upto and not placed.trouble and header.kind is EntryKind.MANIFEST:
                    notes = [_note(leaf) for leaf in placed.opened.leaves if not isinstance(leaf, Erased)]
                    _take_in(agent, wallet, notes) if header.author == wallet.person else _take_former(agent, wallet, notes)
            agent.store.put(wallet.person, b"", Seen(upto))
        wallet = agent.wallet(name)
        section = own_section(agent, wallet, SectionKind.MANIFEST)
    require_not_taken_off(agent, wallet)
    return wallet


def require_not_taken_off(agent: Agent, wallet: Wallet) -> None:
    """Raise ``device-taken-off`` on a device that another one has taken off."""
    this = agent.store.find(ThisDevice, wallet.person, b"")
    note = None if this is None else agent.store.find(DeviceNote, wallet.person, this.device)
    if note is not None and note.removed:
        raise AgentRefused("device-taken-off", "this device was taken off by another one of its owner's")


def devices(agent: Agent, wallet: Wallet) -> list[DeviceNote]:
    """The devices that are noted, oldest first, without those that were taken off."""
    return [note for _, note in agent.store.all(DeviceNote, wallet.person) if not note.removed]


def seal_reading(agent: Agent, wallet: Wallet, reading: bytes, staying: Sequence[DeviceNote]) -> ReadingNote:
    """A new reading secret, for each device that stays."""
    return ReadingNote(tuple(hpke.seal(note.key, _info(agent, wallet), reading) for note in staying))


def _note(leaf: Leaf) -> Note:
    return decode(leaf.data, ManifestEntry, limit=_LIMIT).note


def _take_in(agent: Agent, wallet: Wallet, notes: Sequence[Note]) -> None:
    for note in notes:
        if isinstance(note, GivenGrant):
            merge_given(agent, wallet.person, note)
        elif isinstance(note, DeviceNote):
            known = agent.store.find(DeviceNote, wallet.person, note.device)
            if known is None or not known.removed:
                agent.store.put(wallet.person, note.device, note)
        elif isinstance(note, ReadingNote):
            _take_reading(agent, wallet, note)
        elif isinstance(note, OwnAppointment):
            _take_appointment(agent, wallet.person, note)
        elif isinstance(note, OwnPrescription):
            _take_prescription(agent, wallet.person, note)
            agent.store.drop(Unnoted, wallet.person, note.letter.content.prescription)
        elif isinstance(note, OwnResult):
            agent.store.put(wallet.person, result_key(note.letter), note)
        elif not wallet.record.recovery:
            fields = ("recovery", "commitments", "taken", "former")
            learned = {field: getattr(note.principal, field) for field in fields}
            _put(agent, msgspec.structs.replace(_record(agent, wallet), **learned))


def _take_former(agent: Agent, wallet: Wallet, notes: Sequence[Note]) -> None:
    """Of what was noted before a recovery: the seed that opens old receipts, grants, appointments and prescriptions."""
    for note in notes:
        if isinstance(note, GivenGrant):
            merge_given(agent, wallet.record.former[0].person, note)
        elif isinstance(note, OwnAppointment):
            _take_appointment(agent, wallet.record.former[0].person, note)
        elif isinstance(note, OwnPrescription):
            _take_prescription(agent, wallet.record.former[0].person, note)
        elif isinstance(note, WalletNote):
            before = Wallet(note.principal)
            record = _record(agent, wallet)
            former = tuple(Former(f.person, note.principal.seed) if f.person == before.person else f for f in record.former)
            _put(agent, msgspec.structs.replace(record, former=former))


def _take_appointment(agent: Agent, person: bytes, note: OwnAppointment) -> None:
    """Keep it, unless this device is about to change it, or knows more of it: what it has been told, it has been told."""
    handle = appointment_id(agent.network_id, SigningKey(note.patient).public)
    known = agent.store.find(OwnAppointment, person, handle)
    if known is None:
        agent.store.put(person, handle, note)
    elif known.told:
        agent.store.put(person, handle, msgspec.structs.replace(note, seen=known.seen))


def _take_prescription(agent: Agent, person: bytes, note: OwnPrescription) -> None:
    handle = note.letter.content.prescription
    if agent.store.find(OwnPrescription, person, handle) is None:
        agent.store.put(person, handle, note)


def _take_reading(agent: Agent, wallet: Wallet, note: ReadingNote) -> None:
    this = agent.store.find(ThisDevice, wallet.person, b"")
    if this is None:
        return
    for box in note.boxes:
        try:
            reading = hpke.open(this.seed, _info(agent, wallet), box)
        except CryptoRefused:
            continue
        _put(agent, with_reading(_record(agent, wallet), reading))


def with_reading(record: PrincipalRecord, reading: bytes) -> PrincipalRecord:
    """The wallet with a new reading secret before those that it had."""
    if reading == record.readings[0]:
        return record
    return msgspec.structs.replace(record, readings=(reading, *record.readings)[:MAX_FORMER])


def _record(agent: Agent, wallet: Wallet) -> PrincipalRecord:
    return agent.wallet(wallet.record.name).record


def _put(agent: Agent, record: PrincipalRecord) -> None:
    agent.store.put(b"", record.name.encode("utf-8"), record)


def _seen(agent: Agent, wallet: Wallet) -> int:
    seen = agent.store.find(Seen, wallet.person, b"")
    return 0 if seen is None else seen.count


def _info(agent: Agent, wallet: Wallet) -> bytes:
    return b"salus/device-reading/1" + agent.network_id + wallet.person


def _tag(note: Note) -> str:
    return str(type(note).__struct_config__.tag)
