"""The patient's side: prescriptions taken in and taken over, shown as codes, and what was dispensed filed into the record."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import msgspec

from salus.agent.home import Agent
from salus.agent.own_prescriptions import OwnPrescription, Unnoted
from salus.agent.services.charting import open_chart
from salus.agent.services.contacts import find_contact
from salus.agent.services.copying import when_apart
from salus.agent.services.examining import (
    Genuine,
    Standing,
    choose,
    choose_fill,
    describe_fills,
    require_genuine,
    require_request,
    standing,
)
from salus.agent.services.manifest import plan_notes, sync
from salus.agent.services.posting import keep_letter, send_letters
from salus.agent.services.referring import refer
from salus.agent.services.safety import with_record
from salus.agent.services.sealing import Draft, Signing, plan_own, resume_jobs, roll_forward, silent
from salus.agent.services.submitting import submit
from salus.agent.verify import record
from salus.agent.wallet import Former, Wallet, prescription_seed
from salus.charts.entry import EntryKind, Leaf
from salus.charts.sealing import new_salt
from salus.charts.sections import SectionKind
from salus.clinical.overriding import Overridden, overridden
from salus.codec import Record, decode, encode
from salus.crypto.keys import derive
from salus.crypto.signing import SigningKey, person_id
from salus.errors import AgentRefused, CryptoRefused, LedgerRefused, SalusError, WarrantRefused
from salus.exchange.cards import SignedCard
from salus.exchange.envelopes import Letter, LetterKind
from salus.exchange.outage import require_slip_of
from salus.exchange.prescribing import DispensedNotice, FillSlip, PrescriptionCode, PrescriptionLetter
from salus.exchange.references import CardReference, reference_from_text
from salus.fhir.authoring import medication_dispense, medication_words
from salus.fhir.parsing import as_bundle
from salus.fhir.tasks import FillInfo, task_of_fill
from salus.ledger.genesis import LicenceRight
from salus.ledger.modules.licences.messages import LicenceStatus
from salus.ledger.modules.licences.state import Licence, licence_key, status_at
from salus.ledger.modules.prescriptions.messages import DeletePrescription, RotateFill, TakePrescription
from salus.ledger.modules.prescriptions.state import FillStatus, prescription_id

MAX_LETTER = 65_536
MOST_ROTATIONS = 64


class Dispensing(Record, frozen=True, tag="dispensing"):
    """What a pharmacy said that it handed over; ``filed``: it stands in the record."""

    notice: DispensedNotice
    pharmacist: SignedCard
    filed: bool


@dataclass(frozen=True)
class OwnInfo:
    """A prescription of one's own, as the ledger has it now; ``taken``: nobody but its owner steers it any more."""

    prescription: str
    prescriber: str
    drug: str
    dose: str
    substitution: bool
    issued_at: int
    stopped_at: int
    controlled: bool
    taken: bool
    fills: tuple[FillInfo, ...]
    overridden: tuple[Overridden, ...] = ()


# --- letters


def take_in(agent: Agent, wallet: Wallet, letter: Letter) -> str:
    """Keep a prescription that came by letter, once the ledger was seen to have it just so; in words, what it is.

    ``prescription-altered``, ``not-prescriber``, ``bad-prescription``; ``wrong-sender`` where another than its prescriber sent
    it, or other keys.
    """
    sent = decode(letter.body, PrescriptionLetter, limit=MAX_LETTER)
    found = require_genuine(agent, sent.salt, sent.content)
    sender = letter.sender.card
    if found.licence.holder != sender.key.ed25519 or found.licence.person != person_id(sender.key):
        raise WarrantRefused("wrong-sender", "the prescription is not its sender's")
    require_keys(agent, wallet, sent, found.standing)
    require_slips(agent, sent, found)
    handle = sent.content.prescription
    if agent.store.find(OwnPrescription, wallet.person, handle) is None:
        _keep(agent, wallet, handle, OwnPrescription(sent, agent.clock(), taken=False))
    return f"{sender.name} has prescribed {found.words[0] or 'something'}: prescription {handle.hex()[:12]}"


def _keep(agent: Agent, wallet: Wallet, handle: bytes, own: OwnPrescription) -> None:
    """Keep it, and that it is to be noted for a recovery, apart in time from what the ledger shows of it."""
    agent.store.put(wallet.person, handle, own)
    planned = [one.due for _, one in agent.store.all(Unnoted, wallet.person)]
    agent.store.put(wallet.person, handle, Unnoted(when_apart(agent, planned)))


def require_keys(agent: Agent, wallet: Wallet, sent: PrescriptionLetter, there: Standing) -> None:
    """Raise ``wrong-sender`` unless the seeds are those of the prescription's control key and of each fill."""
    handle = sent.content.prescription
    right = prescription_id(agent.network_id, SigningKey(sent.control).public) == handle
    if not right or len(sent.bearers) != len(there.fills):
        raise WarrantRefused("wrong-sender", "the keys are not of this prescription")
    for number in range(len(there.fills)):
        bearer(wallet.prescription_seed(handle), sent, there, number)


def require_slips(agent: Agent, sent: PrescriptionLetter, found: Genuine) -> None:
    """Raise ``wrong-sender`` unless the prescriber signed the slip of each fill, for when no node can be reached."""
    handle, there = sent.content.prescription, found.standing
    try:
        for signature, fill in zip(sent.slips, enumerate(there.fills), strict=True):
            require_slip_of(signature, found.licence.holder, agent.network_id, handle, there.prescription, fill)
    except (ValueError, CryptoRefused) as error:
        raise WarrantRefused("wrong-sender", "the slips are not of this prescription") from error


def take_notice(agent: Agent, wallet: Wallet, letter: Letter) -> str:
    """Keep what a pharmacy says that it handed over, as far as the ledger bears it out; in words, what it was."""
    notice = decode(letter.body, DispensedNotice, limit=MAX_LETTER)
    own = agent.store.find(OwnPrescription, wallet.person, notice.prescription)
    if own is None:
        raise WarrantRefused("wrong-sender", "the letter is about no prescription of the reader's")
    require_handed_over(agent, notice, person_id(letter.sender.card.key))
    key = notice.prescription + notice.fill.to_bytes(1, "big") + notice.at.to_bytes(8, "big")
    if agent.store.find(Dispensing, wallet.person, key) is None:
        agent.store.put(wallet.person, key, Dispensing(notice, letter.sender, filed=False))
    drug = notice.product or medication_words(require_request(own.letter.content))[0] or "what was prescribed"
    return f"{letter.sender.card.name} has handed over {drug}: prescription {notice.prescription.hex()[:12]}"


def require_handed_over(agent: Agent, notice: DispensedNotice, person: bytes) -> None:
    """Raise ``wrong-sender`` unless ``person`` may dispense and the ledger says of no less that it was dispensed, and until then.

    Of the last hand-over it names the pharmacist; of those before it only how much there was in all.
    """
    there = standing(agent, notice.prescription)
    licence = record(agent, licence_key(notice.licence), Licence)
    if notice.fill < len(there.fills) and licence is not None:
        one = there.fills[notice.fill]
        theirs = licence.person == person and LicenceRight.DISPENSE in licence.rights
        active = status_at(licence, notice.at) is LicenceStatus.ACTIVE
        within = there.prescription.issued <= notice.at <= one.at and notice.share <= one.dispensed
        if theirs and active and within and (notice.at < one.at or notice.licence == one.licence):
            return
    raise WarrantRefused("wrong-sender", "the ledger does not say that the sender has dispensed it")


def settle(agent: Agent, wallet: Wallet) -> None:
    """Take over the prescriptions that came, file what was dispensed, note what is due. What is done is not done again."""
    _go_on(agent, wallet)
    for handle, own in agent.store.all(OwnPrescription, wallet.person):
        if not own.taken:
            with suppress(LedgerRefused):  # such as that it is forgotten: nothing is left to be steered
                _take_over(agent, wallet, handle, own)
    if _plan_filing(agent, wallet):
        resume_jobs(agent)
    _note_due(agent, wallet)


def resume_prescribed(agent: Agent) -> None:
    """Settle what earlier commands left."""
    for wallet in agent.wallets():
        settle(agent, wallet)


def _take_over(agent: Agent, wallet: Wallet, handle: bytes, own: OwnPrescription) -> None:
    """A key of the own wallet in place of the one that the prescriber made, and knows."""
    mine, came = SigningKey(wallet.prescription_seed(handle)), SigningKey(own.letter.control)
    if standing(agent, handle).prescription.control == came.public:
        submit(agent, [TakePrescription(handle, mine.public)], [came])
    if standing(agent, handle).prescription.control == mine.public:
        with agent.store.writing():
            agent.store.put(wallet.person, handle, msgspec.structs.replace(own, taken=True))


def _note_due(agent: Agent, wallet: Wallet) -> None:
    """Note what is due for a recovery, all of it together, unless another device has."""
    now = agent.clock()
    if not any(one.due <= now for _, one in agent.store.all(Unnoted, wallet.person)):
        return
    try:
        wallet = sync(agent, wallet.record.name)
    except AgentRefused:  # this device was taken off
        return
    due = [handle for handle, one in agent.store.all(Unnoted, wallet.person) if one.due <= now]
    owns = [own for own in (agent.store.find(OwnPrescription, wallet.person, handle) for handle in due) if own is not None]
    noted = plan_notes(agent, wallet, owns) if owns else None
    with agent.store.writing():
        for handle in due:
            agent.store.drop(Unnoted, wallet.person, handle)
        if noted is not None:
            agent.store.put(b"", noted.batch, noted)
    if noted is not None:
        roll_forward(agent, noted, silent)


def _go_on(agent: Agent, wallet: Wallet) -> None:
    """Take over what an earlier wallet of the owner's had."""
    for former in wallet.record.former:
        for handle, own in agent.store.all(OwnPrescription, former.person):
            if agent.store.find(OwnPrescription, wallet.person, handle) is None:
                with suppress(LedgerRefused):
                    _recover(agent, wallet, former, handle, own)


def _recover(agent: Agent, wallet: Wallet, former: Former, handle: bytes, own: OwnPrescription) -> None:
    """What an earlier wallet steered goes on under this one, and every code that is open yet is another: a thief knows those."""
    old, new = prescription_seed(former.seed, handle), wallet.prescription_seed(handle)
    there = standing(agent, handle)
    before = next((key for key in map(SigningKey, (old, own.letter.control)) if key.public == there.prescription.control), None)
    fresh = [derive(new, "recovered", bytes([number])) for number in range(len(there.fills))]
    if before is not None:
        ready = [number for number, one in enumerate(there.fills) if one.status is FillStatus.READY]
        rotations = [RotateFill(handle, number, SigningKey(fresh[number]).public) for number in ready]
        submit(agent, [*rotations, TakePrescription(handle, SigningKey(new).public)], [before])
        there = standing(agent, handle)
    if there.prescription.control != SigningKey(new).public:
        return
    bearers = [
        fresh[number] if one.bearer == SigningKey(fresh[number]).public else bearer(old, own.letter, there, number)
        for number, one in enumerate(there.fills)
    ]
    letter = msgspec.structs.replace(own.letter, bearers=tuple(bearers))
    with agent.store.writing():
        _keep(agent, wallet, handle, msgspec.structs.replace(own, letter=letter, taken=True))


def _plan_filing(agent: Agent, wallet: Wallet) -> bool:
    """Each MedicationDispense signed and sealed as a job, kept in one step with its being filed; whether there was any."""
    waiting = [(key, kept) for key, kept in agent.store.all(Dispensing, wallet.person) if not kept.filed]
    filed = _filed(agent, wallet) if waiting else set()
    for key, kept in waiting:
        own = agent.store.find(OwnPrescription, wallet.person, kept.notice.prescription)
        if own is None:
            continue
        notice, request = kept.notice, require_request(own.letter.content)
        identity = f"dispense-{derive(key.ljust(48, b'0'), 'dispense').hex()[:24]}"
        if f"MedicationDispense/{identity}" in filed:  # by another device
            with agent.store.writing():
                agent.store.put(wallet.person, key, msgspec.structs.replace(kept, filed=True))
            continue
        raw = medication_dispense(
            identity, request, notice.prescription.hex(), notice.at, notice.quantity, notice.batch, notice.product
        )
        draft = Draft(SectionKind.MEDICATIONS, (Leaf(new_salt(), f"MedicationDispense/{identity}", "", raw, b""),), ())
        signing = Signing(EntryKind.RECORD, kept.pharmacist.card.name, agent.clock())
        job, _ = plan_own(agent, wallet, [draft], signing, silent)
        with agent.store.writing():
            agent.store.put(b"", job.batch, job)
            agent.store.put(wallet.person, key, msgspec.structs.replace(kept, filed=True))
    return bool(waiting)


def _filed(agent: Agent, wallet: Wallet) -> set[str]:
    """What was filed before, by whichever device of the owner."""
    name = wallet.record.name
    chart = open_chart(agent, name, name, sections=(SectionKind.MEDICATIONS,), types=("MedicationDispense",))
    return {version.identity[1] for version in chart.shown}


# --- commands


def own_prescriptions(agent: Agent, name: str) -> tuple[OwnInfo, ...]:
    """All that one was prescribed, the latest first."""
    wallet = _synced(agent, name)
    kept = agent.store.all(OwnPrescription, wallet.person)
    found = [_describe(agent, own, standing(agent, handle)) for handle, own in kept]
    return tuple(sorted(found, key=lambda info: -info.issued_at))


def show(agent: Agent, name: str, named: str) -> OwnInfo:
    """One of them."""
    _, handle, own = find_own(agent, name, named)
    return _describe(agent, own, standing(agent, handle))


def as_fhir(agent: Agent, name: str, named: str) -> bytes:
    """One of them as a Bundle of its MedicationRequest and a Task for each fill."""
    _, handle, own = find_own(agent, name, named)
    there = standing(agent, handle)
    tasks = [task_of_fill(handle.hex(), info, there.prescription.issued) for info in describe_fills(there)]
    return as_bundle([(raw, "") for raw in (own.letter.content.request, *tasks)])


def code(agent: Agent, name: str, named: str, number: int | None, *, record: bool = True) -> tuple[PrescriptionCode, int]:
    """What a pharmacy is shown for one fill, and the fill's number from 1; good until it is rotated.

    With ``record`` it carries a list of allergies and medication as of now. It leads to one's own card, so that the pharmacy
    can tell what was dispensed; where no member takes the card, it does not.
    """
    wallet, handle, own = find_own(agent, name, named)
    there = standing(agent, handle)
    fill = choose_fill(there, number)
    seed = bearer(wallet.prescription_seed(handle), own.letter, there, fill)
    sent, one = own.letter, there.fills[fill]
    slip = FillSlip(one.opens, one.closes, there.prescription.controlled, sent.slips[fill])
    made = PrescriptionCode(agent.network_id, fill, seed, sent.salt, sent.content, slip, _reference(agent, name), None)
    if record:
        others = [require_request(one.letter.content) for _, one in agent.store.all(OwnPrescription, wallet.person)]
        made = with_record(agent, name, made, others)
    return made, fill + 1


def send(agent: Agent, name: str, named: str, number: int | None, to: str, *, record: bool = True) -> int:
    """Send the code of a fill ahead to a pharmacy; the fill's number from 1."""
    made, fill = code(agent, name, named, number, record=record)
    card = find_contact(agent, to)
    with agent.store.writing():
        keep_letter(agent, agent.wallet(name), card, LetterKind.FILL, encode(made))
    send_letters(agent)
    return fill


def rotate(agent: Agent, name: str, named: str, number: int | None) -> OwnInfo:
    """Replace the code of a fill: what was shown or sent before opens nothing any more."""
    wallet, handle, own = find_own(agent, name, named)
    there = standing(agent, handle)
    fill = choose_fill(there, number)
    seed = bearer(wallet.prescription_seed(handle), own.letter, there, fill)
    following = SigningKey(_next_bearer(wallet.prescription_seed(handle), fill, SigningKey(seed).public))
    submit(agent, [RotateFill(handle, fill, following.public)], [_control(agent, wallet, handle, own)])
    return _describe(agent, own, standing(agent, handle))


def delete(agent: Agent, name: str, named: str) -> OwnInfo:
    """Give it up, while nobody works on it."""
    wallet, handle, own = find_own(agent, name, named)
    submit(agent, [DeletePrescription(handle)], [_control(agent, wallet, handle, own)])
    return _describe(agent, own, standing(agent, handle))


def bearer(control: bytes, letter: PrescriptionLetter, there: Standing, fill: int) -> bytes:
    """The seed of the key that the ledger has for a fill: the one that came, or one that ``control`` has put in its place.

    Each follows from the one before, so that no other device, and no restored one, is without it. ``wrong-sender`` where none is.
    """
    seed = letter.bearers[fill]
    for _ in range(MOST_ROTATIONS):
        public = SigningKey(seed).public
        if public == there.fills[fill].bearer:
            return seed
        seed = _next_bearer(control, fill, public)
    raise WarrantRefused("wrong-sender", "the keys are not of this prescription")


def _next_bearer(control: bytes, fill: int, before: bytes) -> bytes:
    return derive(control, "bearer", fill.to_bytes(1, "big"), before)


def _control(agent: Agent, wallet: Wallet, handle: bytes, own: OwnPrescription) -> SigningKey:
    """The key that steers the prescription now."""
    if not own.taken:
        with suppress(LedgerRefused):
            _take_over(agent, wallet, handle, own)
    return SigningKey(wallet.prescription_seed(handle))


def _synced(agent: Agent, name: str) -> Wallet:
    """The wallet with what other devices have noted, and what an earlier one had."""
    wallet = sync(agent, name)
    _go_on(agent, wallet)
    return wallet


def find_own(agent: Agent, name: str, named: str) -> tuple[Wallet, bytes, OwnPrescription]:
    """Whose it is, its handle, and what is kept of it; `no-such-prescription`, `ambiguous-prescription`."""
    wallet = _synced(agent, name)
    handle = choose(agent.store.ids(OwnPrescription, wallet.person), named)
    own = agent.store.find(OwnPrescription, wallet.person, handle)
    if own is None:
        raise AgentRefused("no-such-prescription", "no prescription of that id is kept here")
    return wallet, handle, own


def _reference(agent: Agent, name: str) -> CardReference | None:
    try:
        return reference_from_text(refer(agent, name).encode("ascii"))
    except SalusError:
        return None


def _describe(agent: Agent, own: OwnPrescription, there: Standing) -> OwnInfo:
    content = own.letter.content
    request = require_request(content)
    drug, dose = medication_words(request)
    return OwnInfo(
        content.prescription.hex(),
        content.prescriber,
        drug,
        dose,
        content.substitution,
        there.prescription.issued,
        there.prescription.stopped,
        there.prescription.controlled,
        own.taken,
        describe_fills(there),
        overridden(request),
    )
