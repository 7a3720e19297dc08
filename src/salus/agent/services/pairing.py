"""Several devices of one owner: set up by a short code, listed, and taken off.

All devices hold the wallet's seed: each can grant, revoke and rotate. What they do not keep for ever is the *reading* secret,
which opens the owner's slot in key packages. Taking a device off replaces it: the new one is sealed to each device that stays,
and every section rotates. What is sealed from then on, the device that was taken off does not open. It could still sign as the
owner, for everybody to see; after a theft the cold seed ends that (`recovering`).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from itertools import accumulate
from typing import Annotated

import msgspec

from salus.agent.home import Agent
from salus.agent.own_appointments import kept
from salus.agent.own_prescriptions import OwnPrescription
from salus.agent.own_results import OwnResult
from salus.agent.own_sections import own_sections
from salus.agent.services.manifest import DeviceNote, ThisDevice, devices, plan_notes, seal_reading, sync, with_reading
from salus.agent.services.people import PersonInfo, keep_person, require_free
from salus.agent.services.posting import send_letters
from salus.agent.services.rotating import keep_rotation, resume_rotations
from salus.agent.services.sealing import roll_forward, silent
from salus.agent.verify import newest_header
from salus.agent.wallet import MAX_FORMER, Commitment, Name, PrincipalRecord, Taken, Wallet
from salus.charts.sections import SectionKind
from salus.codec import Record, decode, encode
from salus.crypto import hpke
from salus.crypto.keys import new_seed
from salus.crypto.passphrase import lock, unlock
from salus.errors import AgentRefused, Malformed
from salus.exchange.armour import from_line, to_line
from salus.exchange.cards import Role
from salus.ids import Bytes32

ARMOUR = "salus-device-1:"
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that look alike
_CODE = 12  # letters: 59 bits, behind Argon2id
_FIRST = "first device"
_ROOM = 1_048_576  # bytes of confidential results that a new device is given


class Pairing(Record, frozen=True, tag="pairing-1"):
    """What a new device needs to begin; the rest is in the manifest."""

    network: Bytes32
    name: Name
    role: Role
    seed: Bytes32
    readings: Annotated[tuple[Bytes32, ...], msgspec.Meta(min_length=1, max_length=MAX_FORMER)]
    device: ThisDevice
    manifest: Commitment
    taken: Annotated[tuple[Taken, ...], msgspec.Meta(max_length=1)]


@dataclass(frozen=True)
class PairingInfo:
    """A new device's line of text, and the ``code`` that opens it, to be told by another way."""

    label: str
    device: str
    text: str
    code: str


@dataclass(frozen=True)
class DeviceInfo:
    """A device; ``this`` when it is the one that is asked."""

    label: str
    device: str
    this: bool


def add_device(agent: Agent, name: str, label: str) -> PairingInfo:
    """Prepare another device. ``device-exists`` where one has that label."""
    wallet = sync(agent, name)
    if label in [note.label for note in devices(agent, wallet)] or label == _FIRST:
        raise AgentRefused("device-exists", "a device of that label exists")
    known = agent.store.find(ThisDevice, wallet.person, b"")
    this = known or ThisDevice(new_seed(), new_seed())
    device = ThisDevice(new_seed(), new_seed())
    fresh = [] if known else [_noted(this, _FIRST)]
    notes = [*fresh, _noted(device, label)]
    prescriptions = [own for _, own in agent.store.all(OwnPrescription, wallet.person)]  # whose letters are gone
    by_desks = [own for own in kept(agent, wallet).values() if own.told and own.letter is None]  # others are noted
    job = plan_notes(agent, wallet, [*notes, *by_desks, *prescriptions, *_confidential(agent, wallet)])
    with agent.store.writing():
        agent.store.put(b"", job.batch, job)
        agent.store.put(wallet.person, b"", this)
        for note in notes:
            agent.store.put(wallet.person, note.device, note)
    roll_forward(agent, job, silent)
    kind, record = SectionKind.MANIFEST, wallet.record
    manifest = Commitment(kind, wallet.next_owner(kind))
    taken = tuple(one for one in record.taken if one.kind is kind)
    pairing = Pairing(agent.network_id, record.name, record.role, record.seed, record.readings[:4], device, manifest, taken)
    code = "".join(secrets.choice(_LETTERS) for _ in range(_CODE))
    text = to_line(ARMOUR, lock(code, encode(pairing))).strip()
    return PairingInfo(label, device.device.hex(), text, code)


def join(agent: Agent, text: str, code: str) -> PersonInfo:
    """Become another device of the wallet that ``text`` brings. ``bad-pairing`` for another text, or another code's.

    ``stale-node`` where the node at hand does not have yet what the first device has noted for this one.
    """
    pairing = _read(text, code)
    if pairing.network != agent.network_id:
        raise AgentRefused("wrong-network", "the device is of another network")
    require_free(agent, pairing.name)
    newest_header(agent, fresh=True)  # a node that follows looks for what was noted just now
    record = PrincipalRecord(pairing.name, pairing.role, pairing.seed, b"", (pairing.manifest,), pairing.readings, pairing.taken)
    wallet = Wallet(record)
    with agent.store.writing():
        agent.store.put(b"", record.name.encode("utf-8"), record)
        agent.store.put(wallet.person, b"", pairing.device)
    wallet = sync(agent, pairing.name)
    if not wallet.record.recovery:
        with agent.store.writing():
            agent.store.drop(PrincipalRecord, b"", record.name.encode("utf-8"))
            agent.store.drop(ThisDevice, wallet.person, b"")
        raise AgentRefused("stale-node", "the node does not have yet what the first device has noted; try again in a moment")
    wallet = keep_person(agent, wallet.record)
    return PersonInfo(pairing.name, pairing.role.value, wallet.person.hex())


def list_devices(agent: Agent, name: str) -> tuple[DeviceInfo, ...]:
    """The devices that hold the wallet; none while there is only one."""
    wallet = sync(agent, name)
    this = agent.store.find(ThisDevice, wallet.person, b"")
    return tuple(
        DeviceInfo(note.label, note.device.hex(), this is not None and this.device == note.device)
        for note in sorted(devices(agent, wallet), key=lambda note: (note.label != _FIRST, note.label))
    )


def remove_device(agent: Agent, name: str, label: str) -> DeviceInfo:
    """Take a device off: nothing that is sealed from now on opens on it."""
    wallet = sync(agent, name)
    this = agent.store.find(ThisDevice, wallet.person, b"")
    known = devices(agent, wallet)
    leaving = next((note for note in known if label in (note.label, note.device.hex())), None)
    if leaving is None or this is None:
        raise AgentRefused("no-such-device", "no device of that label")
    if leaving.device == this.device:
        raise AgentRefused("this-device", "a device is taken off by another one")
    reading, gone = new_seed(), msgspec.structs.replace(leaving, removed=True)
    staying = [note for note in known if note.device != leaving.device]
    job = plan_notes(agent, wallet, [gone, seal_reading(agent, wallet, reading, staying)])
    kinds = [section.kind for section in own_sections(agent, wallet)]
    kinds.sort(key=lambda kind: kind is not SectionKind.MANIFEST)
    with agent.store.writing():
        agent.store.put(b"", job.batch, job)
        agent.store.put(wallet.person, gone.device, gone)
        agent.store.put(b"", name.encode("utf-8"), with_reading(wallet.record, reading))
        keep_rotation(agent, name, kinds)
    roll_forward(agent, job, silent)
    resume_rotations(agent)
    send_letters(agent)
    return DeviceInfo(leaving.label, leaving.device.hex(), False)


def _confidential(agent: Agent, wallet: Wallet) -> list[OwnResult]:
    """Results that are in no chart: the newest, as many as an entry has room for."""
    own = [one for _, one in agent.store.all(OwnResult, wallet.person) if one.letter.order.confidential]
    own.sort(key=lambda one: -one.came)
    sizes = accumulate(len(encode(one)) for one in own)
    return [one for one, upto in zip(own, sizes, strict=True) if upto <= _ROOM]


def _noted(device: ThisDevice, label: str) -> DeviceNote:
    return DeviceNote(device.device, label, hpke.public_key(device.seed), False)


def _read(text: str, code: str) -> Pairing:
    try:
        data = from_line(ARMOUR, text.encode("utf-8"), 4096)
    except (Malformed, UnicodeEncodeError) as error:
        raise AgentRefused("bad-pairing", "this is not a device's text") from error
    return decode(unlock(code.strip().lower(), data), Pairing, limit=4096)
