"""The prescriber's side: issuing, looking at what became of it, cancelling, stopping, freeing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Annotated

import msgspec

from salus.agent.home import Agent
from salus.agent.known import licence_of
from salus.agent.services.charting import born_of
from salus.agent.services.contacts import find_contact
from salus.agent.services.examining import choose, choose_fill, describe_fills, require_request, standing
from salus.agent.services.holding import shares
from salus.agent.services.posting import keep_letter, send_letters
from salus.agent.services.safety import Safety, at_signing, require_safe
from salus.agent.services.submitting import submit
from salus.agent.services.writing import NoteJob, plan_note, resume_notes
from salus.agent.verify import newest_header, record
from salus.agent.wallet import Wallet
from salus.charts.sections import SectionKind
from salus.clinical.checks import Check
from salus.codec import Record, decode, encode
from salus.crypto.hashing import tagged
from salus.crypto.keys import new_seed
from salus.crypto.signing import SigningKey, person_id
from salus.errors import AgentRefused, LedgerRefused, Malformed, NodeRefused, SalusError
from salus.exchange.cards import SignedCard
from salus.exchange.client import UNREACHED
from salus.exchange.envelopes import MAX_ENVELOPE, LetterKind
from salus.exchange.outage import sign_slips
from salus.exchange.prescribing import Content, FillSlip, PrescriptionCode, PrescriptionLetter, code_to_text
from salus.fhir.authoring import medication_words, prescribed
from salus.fhir.parsing import Resource, read_resources
from salus.fhir.tasks import NOT_SHARED, FillInfo
from salus.fhir.validation import require_valid
from salus.ids import Bytes32, Count
from salus.ledger.modules.prescriptions.messages import (
    MAX_FILLS,
    CancelPrescription,
    FreeFill,
    IssuePrescription,
    NewFill,
    StopPrescription,
)
from salus.ledger.modules.prescriptions.state import (
    DAY,
    NOBODY,
    FillStatus,
    Prescription,
    content_hash,
    prescription_id,
    prescription_key,
)
from salus.ledger.tx import Action

REMEMBERED = 3_600_000  # ms for which a command that was cut off before it could tell is known, should it be given again
MOST_PARTS = 4


class Terms(Record, frozen=True, tag="prescription-terms"):
    """Times in ms. ``parts``: fills with windows of their own, each opening ``interval`` after the one before.

    ``repeats``: further fills, at least ``interval`` after the one before was dispensed. ``lasting``: how long each stays open.
    """

    parts: Annotated[int, msgspec.Meta(ge=1, le=MOST_PARTS)] = 1
    repeats: Annotated[int, msgspec.Meta(ge=0, lt=MAX_FILLS)] = 0
    interval: Count = 28 * DAY
    lasting: Count = 90 * DAY
    controlled: bool = False
    substitution: bool = True
    born: Annotated[str, msgspec.Meta(max_length=10)] = ""
    override: Annotated[str, msgspec.Meta(max_length=32)] = ""
    renews: Bytes32 = NOBODY  # the handle of the prescription that this one follows


class IssueJob(Record, frozen=True, tag="issue-job"):
    """A prescription on its way, kept by the hash of the command that asked for it; ``done``: all that is left is to tell."""

    patient: SignedCard
    letter: PrescriptionLetter
    fills: Annotated[tuple[NewFill, ...], msgspec.Meta(min_length=1, max_length=MAX_FILLS)]
    terms: Terms
    pharmacy: SignedCard | None
    begun: Count
    done: bool = False
    charted: bool = False
    allergies: tuple[str, ...] = ()
    medication: tuple[str, ...] = ()
    checks: tuple[tuple[str, str, str, str], ...] = ()


class IssuedPrescription(Record, frozen=True, tag="issued-prescription"):
    """What one has prescribed, to whom, and how. The keys that it is used by are the patient's alone.

    ``told``: letters are on their way that it was stopped; ``heard``: no pharmacy has it any more that might not know that.
    """

    patient: SignedCard
    content: Content
    terms: Terms
    told: bool = False
    heard: bool = False


@dataclass(frozen=True)
class IssuedInfo:
    """A prescription that one has issued, as the ledger has it now; ``charted``: it was just written into the chart as well."""

    prescription: str
    patient: str
    drug: str
    dose: str
    issued_at: int
    stopped_at: int
    controlled: bool
    fills: tuple[FillInfo, ...]
    charted: bool = False
    safety: Safety | None = None


def issue(agent: Agent, author: str, patient: str, data: bytes, terms: Terms, to: str = "") -> IssuedInfo:
    """Prescribe ``data`` (a FHIR MedicationRequest): on the ledger, to the patient by letter, and into the chart where one may.

    ``to``: the code of the first fill goes to this pharmacy as well, as the patient wishes; who still may go to any other.
    The same command again after it was cut off completes what it began. ``no-licence``, ``bad-prescription``,
    ``prescription-too-large``, ``unsafe-prescription`` where a finding stands in the way and ``terms`` override none, and what
    the ledger refuses.
    """
    wallet, card = agent.wallet(author), find_contact(agent, patient)
    command = tagged("salus/issue-command/1", person_id(card.card.key), data, encode(terms), to.encode("utf-8"))
    job = agent.store.find(IssueJob, wallet.person, command)
    if job is None:
        job = _plan(agent, wallet, card, data, terms, find_contact(agent, to) if to else None)
        with agent.store.writing():
            agent.store.put(wallet.person, command, job)
    job = _roll_forward(agent, wallet, command, job)
    send_letters(agent)
    resume_notes(agent)
    found = _describe(agent, job.letter.content, job.patient, charted=job.charted)
    found = replace(found, safety=Safety(job.allergies, job.medication, tuple(Check(*row) for row in job.checks)))
    with agent.store.writing():
        agent.store.drop(IssueJob, wallet.person, command)
    return found


def resume_issues(agent: Agent) -> None:
    """Complete what earlier commands began; what the ledger refuses is given up, what is done is remembered for a while."""
    for wallet in agent.wallets():
        for command, job in agent.store.all(IssueJob, wallet.person):
            if job.done and agent.clock() - job.begun > REMEMBERED:
                with agent.store.writing():
                    agent.store.drop(IssueJob, wallet.person, command)
            with suppress(LedgerRefused):
                _roll_forward(agent, wallet, command, job)


def issued(agent: Agent, author: str) -> tuple[IssuedInfo, ...]:
    """Everything that one has prescribed, the latest first.

    What became of a fill is told of what was stopped or taken back, and where the patient lets one read the medications now.
    """
    wallet = agent.wallet(author)
    patients = dict[bytes, bool]()
    found = []
    for _, kept in agent.store.all(IssuedPrescription, wallet.person):
        info, patient = describe_issued(agent, kept), person_id(kept.patient.card.key)
        if not info.stopped_at:
            if patient not in patients:
                patients[patient] = shares(agent, wallet, patient.hex(), SectionKind.MEDICATIONS)
            if not patients[patient]:
                info = replace(info, fills=tuple(map(_untold, info.fills)))
        found.append(info)
    return tuple(sorted(found, key=lambda info: -info.issued_at))


def _untold(fill: FillInfo) -> FillInfo:
    """The fill without what became of it, unless it was taken back."""
    if fill.status == FillStatus.CANCELLED.value:
        return fill
    return FillInfo(fill.fill, NOT_SHARED, fill.opens, fill.closes, 0, 0, 0, False, "")


def cancel(agent: Agent, author: str, named: str) -> IssuedInfo:
    """Take it back, while nobody has taken it."""
    return _act(agent, author, named, CancelPrescription)


def stop(agent: Agent, author: str, named: str) -> IssuedInfo:
    """Stop it, whoever has it: nothing more may be dispensed."""
    return _act(agent, author, named, StopPrescription)


def free(agent: Agent, author: str, named: str, number: int | None) -> IssuedInfo:
    """Free a fill from a pharmacy that says nothing; the next one is shown that it may have been dispensed."""
    return _act(agent, author, named, lambda handle: FreeFill(handle, choose_fill(standing(agent, handle), number)))


def issue_again(agent: Agent, author: str, handle: bytes, since: int, override: str = "") -> IssuedInfo:
    """Issue the same once more, to the same patient, unless that was done at ``since`` (ms) or later.

    It is checked anew, and what was overridden before does not hold any more: ``unsafe-prescription`` without ``override``.
    """
    wallet = agent.wallet(author)
    kept = _issued(agent, wallet, handle)
    for _, other in agent.store.all(IssuedPrescription, wallet.person):
        if other.terms.renews == handle:
            info = _describe(agent, other.content, other.patient)
            if info.issued_at >= since:
                return info
    terms = msgspec.structs.replace(kept.terms, renews=handle, override=override)
    return issue(agent, author, person_id(kept.patient.card.key).hex(), kept.content.request, terms)


def describe_issued(agent: Agent, kept: IssuedPrescription) -> IssuedInfo:
    """What was prescribed, as the ledger has it now."""
    return _describe(agent, kept.content, kept.patient)


def find_issued(agent: Agent, author: str, named: str) -> tuple[Wallet, bytes, IssuedPrescription]:
    """Who has issued it, its handle, and what is remembered of it; `no-such-prescription`, `ambiguous-prescription`."""
    wallet = agent.wallet(author)
    handle = choose(agent.store.ids(IssuedPrescription, wallet.person), named)
    return wallet, handle, _issued(agent, wallet, handle)


def _issued(agent: Agent, wallet: Wallet, handle: bytes) -> IssuedPrescription:
    kept = agent.store.find(IssuedPrescription, wallet.person, handle)
    if kept is None:
        raise AgentRefused("no-such-prescription", "no prescription of that id is kept here")
    return kept


def _act(agent: Agent, author: str, named: str, action: Callable[[bytes], Action]) -> IssuedInfo:
    wallet, handle, kept = find_issued(agent, author, named)
    submit(agent, [action(handle)], [wallet.identity.classic])
    return describe_issued(agent, kept)


def _plan(agent: Agent, wallet: Wallet, card: SignedCard, data: bytes, terms: Terms, pharmacy: SignedCard | None) -> IssueJob:
    licence = licence_of(agent, wallet.person)
    if licence is None:
        raise AgentRefused("no-licence", "prescriptions are issued by licensed professionals")
    now = max(newest_header(agent).time, agent.clock())
    control = new_seed()
    handle = prescription_id(agent.network_id, SigningKey(control).public)
    name = wallet.record.name
    born = terms.born or born_of(agent, name, card)
    request = _request(data)
    renews = terms.renews.hex() if any(terms.renews) else ""
    safety = at_signing(agent, name, card, request, born, _others(agent, wallet, card), renews)
    raw = prescribed(require_safe(request, safety, terms.override), handle.hex(), name, now, renews)
    content = Content(handle, raw, card.card.name, born, name, licence, terms.substitution)
    require_request(content)
    count = terms.parts * (terms.repeats + 1)
    bearers, salt = tuple(new_seed() for _ in range(count)), new_seed()
    opens = [now + number * terms.interval if terms.parts > 1 else 0 for number in range(count)]
    fills = tuple(
        NewFill(SigningKey(seed).public, begin, max(begin, now) + terms.lasting)
        for seed, begin in zip(bearers, opens, strict=True)
    )
    there = (handle, content_hash(salt, encode(content)), licence)
    slips = sign_slips(wallet.identity.classic, agent.network_id, there, fills, controlled=terms.controlled)
    letter = PrescriptionLetter(control, bearers, salt, content, slips)
    code_to_text(_first_code(agent, letter, fills, terms))  # that there is room for it
    rows = tuple((check.what, check.result, check.text, check.code) for check in safety.checks)
    job = IssueJob(card, letter, fills, terms, pharmacy, now)
    return _sound(msgspec.structs.replace(job, allergies=safety.allergies, medication=safety.medication, checks=rows))


def _first_code(agent: Agent, letter: PrescriptionLetter, fills: tuple[NewFill, ...], terms: Terms) -> PrescriptionCode:
    slip = FillSlip(fills[0].opens, fills[0].closes, terms.controlled, letter.slips[0])
    return PrescriptionCode(agent.network_id, 0, letter.bearers[0], letter.salt, letter.content, slip, None, None)


def _others(agent: Agent, wallet: Wallet, card: SignedCard) -> list[Resource]:
    """What one has prescribed to the same patient before."""
    person = person_id(card.card.key)
    issued_before = [kept for _, kept in agent.store.all(IssuedPrescription, wallet.person)]
    return [require_request(kept.content) for kept in issued_before if person_id(kept.patient.card.key) == person]


def _request(data: bytes) -> Resource:
    resources = read_resources(data)
    if len(resources) != 1 or resources[0].type != "MedicationRequest":
        raise AgentRefused("bad-prescription", "a prescription is one MedicationRequest")
    require_valid(resources[0])
    if not medication_words(resources[0])[0]:
        raise AgentRefused("bad-prescription", "nobody could read what it is: give the medication a text or a display")
    return resources[0]


def _sound(job: IssueJob) -> IssueJob:
    """The job, where it is read back as it is written: what people typed may be too long, or no date."""
    try:
        return decode(encode(job), IssueJob, limit=MAX_ENVELOPE)
    except Malformed as error:
        text = "a date of birth is written 1980-01-31, and there are at most 13 fills"
        raise AgentRefused("bad-prescription", text) from error


def _roll_forward(agent: Agent, wallet: Wallet, command: bytes, job: IssueJob) -> IssueJob:
    """Issue it unless the ledger has it; then keep the letter, the note and what is remembered in one step."""
    if job.done:
        return job
    content = job.letter.content
    if record(agent, prescription_key(content.prescription), Prescription) is None:
        control, hashed = SigningKey(job.letter.control).public, content_hash(job.letter.salt, encode(content))
        interval = job.terms.interval if job.terms.repeats else 0
        action = IssuePrescription(content.licence, control, hashed, job.terms.controlled, interval, job.fills)
        try:
            submit(agent, [action], [wallet.identity.classic])
        except LedgerRefused:
            with agent.store.writing():
                agent.store.drop(IssueJob, wallet.person, command)
            raise
    note = _note(agent, wallet, job)
    done = msgspec.structs.replace(job, done=True, charted=note is not None)
    with agent.store.writing():
        keep_letter(agent, wallet, job.patient, LetterKind.PRESCRIPTION, encode(job.letter))
        if job.pharmacy is not None:
            ahead = _first_code(agent, job.letter, job.fills, job.terms)
            keep_letter(agent, wallet, job.pharmacy, LetterKind.FILL, encode(ahead))
        agent.store.put(wallet.person, content.prescription, IssuedPrescription(job.patient, content, job.terms))
        if note is not None:
            agent.store.put(wallet.person, note.entry, note)
        agent.store.put(wallet.person, command, done)
    return done


def _note(agent: Agent, wallet: Wallet, job: IssueJob) -> NoteJob | None:
    """The same as an entry of the chart; None where the prescriber may not write into it: nothing else hangs on that."""
    patient = person_id(job.patient.card.key).hex()
    try:
        return plan_note(agent, wallet.record.name, patient, job.letter.content.request)
    except SalusError as error:
        if isinstance(error, NodeRefused) or error.full_code in UNREACHED:
            raise
        return None


def _describe(agent: Agent, content: Content, patient: SignedCard, *, charted: bool = False) -> IssuedInfo:
    there = standing(agent, content.prescription)
    drug, dose = medication_words(require_request(content))
    return IssuedInfo(
        content.prescription.hex(),
        patient.card.name,
        drug,
        dose,
        there.prescription.issued,
        there.prescription.stopped,
        there.prescription.controlled,
        describe_fills(there),
        charted,
    )
