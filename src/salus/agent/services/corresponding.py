"""Words about a prescription: a pharmacist's question, a patient's wish for another one, the answer, and that it was stopped."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import msgspec

from salus.agent.home import Agent
from salus.agent.own_prescriptions import OwnPrescription
from salus.agent.services.dispensing import OpenedFill, kept_code, own_licence
from salus.agent.services.examining import require_request, standing
from salus.agent.services.licensing import organisation
from salus.agent.services.listing import card_of
from salus.agent.services.posting import keep_letter, send_letters
from salus.agent.services.prescribed import find_own
from salus.agent.services.prescribing import IssuedInfo, IssuedPrescription, describe_issued, find_issued, issue_again
from salus.agent.services.prescribing import stop as stop_prescription
from salus.agent.verify import newest_header, record
from salus.agent.wallet import Wallet
from salus.codec import Record, decode, encode
from salus.crypto.signing import person_id
from salus.errors import AgentRefused, Malformed, WarrantRefused
from salus.exchange.cards import SignedCard
from salus.exchange.envelopes import Letter, LetterKind
from salus.exchange.prescribing import About, PrescriptionNote
from salus.fhir.authoring import medication_words
from salus.ids import Count
from salus.ledger.genesis import LicenceRight
from salus.ledger.modules.licences.messages import LicenceStatus
from salus.ledger.modules.licences.state import Licence, licence_key, status_at
from salus.ledger.modules.prescriptions.state import NOBODY

MAX_NOTE = 8_192
MOST_OPEN = 64  # questions about one prescription that wait for an answer


class OpenQuestion(Record, frozen=True, tag="open-question"):
    """A question that waits for its answer; ``came`` in ms. Kept by the prescription's handle and the asker's id."""

    note: PrescriptionNote
    asker: SignedCard
    came: Count


@dataclass(frozen=True)
class QuestionInfo:
    """A question in plain values; ``about`` is ``question`` or ``renewal``."""

    prescription: str
    about: str
    asker: str
    person: str
    text: str
    sent: int


@dataclass(frozen=True)
class Answered:
    """Who was answered; ``renewed``: the prescription that was issued anew, if any."""

    prescription: str
    told: tuple[str, ...]
    renewed: str


@dataclass(frozen=True)
class Stopped:
    """A prescription that was stopped; ``told``: to whom a letter is on its way; ``untold``: how many could not be reached."""

    prescription: IssuedInfo
    told: tuple[str, ...]
    untold: int


# --- writing


def ask(agent: Agent, name: str, named: str, number: int | None, text: str) -> str:
    """A pharmacist asks the prescriber about a fill whose code was opened here; the prescriber's name.

    ``cannot-reach`` where the prescriber is neither a contact nor in the directory.
    """
    _, wallet, code = kept_code(agent, name, named, number)
    licence = record(agent, licence_key(code.content.licence), Licence)
    if licence is None:
        raise AgentRefused("not-prescriber", "whoever issued it had no right to prescribe it")
    card = card_of(agent, licence.person)
    own = own_licence(agent, wallet)
    _send(agent, wallet, [card], PrescriptionNote(code.content.prescription, About.QUESTION, own, text))
    return card.card.name


def renew(agent: Agent, name: str, named: str, text: str) -> str:
    """A patient asks the prescriber for another one; the prescriber's name. ``cannot-reach``."""
    wallet, handle, own = find_own(agent, name, named)
    licence = record(agent, licence_key(own.letter.content.licence), Licence)
    if licence is None:
        raise AgentRefused("not-prescriber", "whoever issued it had no right to prescribe it")
    card = card_of(agent, licence.person)
    _send(agent, wallet, [card], PrescriptionNote(handle, About.RENEWAL, NOBODY, text))
    return card.card.name


def answer(agent: Agent, author: str, named: str, text: str, *, again: bool, override: str = "") -> Answered:
    """Answer all who have asked about a prescription; ``again``: by issuing the same once more, to the same patient.

    ``nobody-asked`` where no question is open, ``unsafe-prescription`` where something speaks against it and no ``override``.
    """
    wallet, handle, kept = find_issued(agent, author, named)
    waiting = _waiting(agent, wallet, handle)
    if not waiting:
        raise AgentRefused("nobody-asked", "nobody waits for an answer about this prescription")
    since = min(question.came for _, question in waiting)
    renewed = issue_again(agent, author, handle, since, override).prescription if again else ""
    note = PrescriptionNote(handle, About.ANSWER, kept.content.licence, text or ("It was prescribed again." if again else ""))
    _require_sayable(note)
    with agent.store.writing():
        for key, question in waiting:
            keep_letter(agent, wallet, question.asker, LetterKind.PRESCRIPTION_NOTE, encode(note))
            agent.store.drop(OpenQuestion, wallet.person, key)
    send_letters(agent)
    return Answered(handle.hex(), tuple(question.asker.card.name for _, question in waiting), renewed)


def stop(agent: Agent, author: str, named: str, text: str = "") -> Stopped:
    """Stop a prescription, whoever has it, and tell its patient and each pharmacist who has or had it, by urgent letter.

    The ledger stops it whether or not a letter arrives; a pharmacist whose card nobody knows is counted in ``untold``.
    """
    wallet, handle, kept = find_issued(agent, author, named)
    note = PrescriptionNote(handle, About.STOPPED, kept.content.licence, text)
    _require_sayable(note)
    if kept.told or not standing(agent, handle).prescription.stopped:  # else a command before was cut off before it told anybody
        stop_prescription(agent, author, named)
    there = standing(agent, handle)
    licences = {fill.licence for fill in there.fills if fill.licence != NOBODY}
    cards = [card for card in (pharmacist_card(agent, licence) for licence in sorted(licences)) if card is not None]
    with agent.store.writing():
        for card in (kept.patient, *cards):
            keep_letter(agent, wallet, card, LetterKind.PRESCRIPTION_NOTE, encode(note))
        agent.store.put(wallet.person, handle, msgspec.structs.replace(kept, told=True))
    send_letters(agent)
    told = tuple(card.card.name for card in (kept.patient, *cards))
    return Stopped(describe_issued(agent, kept), told, len(licences) - len(cards))


def questions(agent: Agent, author: str) -> tuple[QuestionInfo, ...]:
    """Everything that waits for an answer, the oldest first."""
    wallet = agent.wallet(author)
    found = [_question_info(question) for _, question in agent.store.all(OpenQuestion, wallet.person)]
    return tuple(sorted(found, key=lambda info: info.sent))


# --- reading


def take_note(agent: Agent, wallet: Wallet, letter: Letter) -> str:
    """Keep what was said of a prescription; in words, what it is. ``wrong-sender`` where the sender has no part in it."""
    note = decode(letter.body, PrescriptionNote, limit=MAX_NOTE)
    sender = letter.sender.card
    person = person_id(sender.key)
    about, name = f"prescription {note.prescription.hex()[:12]}", sender.name
    said = f": {note.text}" if note.text else ""
    if note.about in (About.QUESTION, About.RENEWAL):
        kept = agent.store.find(IssuedPrescription, wallet.person, note.prescription)
        if kept is None:
            raise WarrantRefused("wrong-sender", "the letter is about no prescription of the reader's")
        drug = medication_words(require_request(kept.content))[0]
        if note.about is About.RENEWAL:
            _require(person == person_id(kept.patient.card.key))
            words = f"{name} asks for {drug} again, {about}{said}"
        else:
            _require(_may_dispense(agent, note.licence, person))
            words = f"{name} asks about {drug} for {kept.patient.card.name}, {about}{said}"
        _keep_question(agent, wallet, note, letter)
        return words
    drug = known_drug(agent, wallet, note.prescription)
    licence = record(agent, licence_key(standing(agent, note.prescription).prescription.licence), Licence)
    _require(licence is not None and licence.person == person)
    if note.about is About.STOPPED:
        _require(bool(standing(agent, note.prescription).prescription.stopped))
        return f"URGENT: {name} has stopped {drug}, {about}: hand nothing over, take no more of it until you have asked{said}"
    return f"{name} answers about {drug}, {about}{said}"


def known_drug(agent: Agent, wallet: Wallet, handle: bytes) -> str:
    """What the prescription is of, which is the reader's own, or was opened at the reader's pharmacy; ``wrong-sender``."""
    own = agent.store.find(OwnPrescription, wallet.person, handle)
    if own is not None:
        return medication_words(require_request(own.letter.content))[0]
    keepers = {wallet.person} | ({practice.person} if (practice := organisation(agent)) else set())
    for keeper in keepers:
        for _, opened in agent.store.all(OpenedFill, keeper):
            if opened.code.content.prescription == handle:
                return medication_words(require_request(opened.code.content))[0]
    raise WarrantRefused("wrong-sender", "the letter is about no prescription of the reader's")


def _keep_question(agent: Agent, wallet: Wallet, note: PrescriptionNote, letter: Letter) -> None:
    """The newest question of each asker waits; one prescription has no more than `MOST_OPEN`."""
    key = note.prescription + person_id(letter.sender.card.key)
    waiting = _waiting(agent, wallet, note.prescription)
    if len(waiting) < MOST_OPEN or key in (one for one, _ in waiting):
        agent.store.put(wallet.person, key, OpenQuestion(note, letter.sender, agent.clock()))


def _require(theirs: bool) -> None:
    if not theirs:
        raise WarrantRefused("wrong-sender", "the sender has no part in this prescription")


def _may_dispense(agent: Agent, identity: bytes, person: bytes) -> bool:
    licence = record(agent, licence_key(identity), Licence)
    if licence is None or licence.person != person or LicenceRight.DISPENSE not in licence.rights:
        return False
    return status_at(licence, newest_header(agent).time) is LicenceStatus.ACTIVE


# --- the parts


def _waiting(agent: Agent, wallet: Wallet, handle: bytes) -> list[tuple[bytes, OpenQuestion]]:
    return [(key, kept) for key, kept in agent.store.all(OpenQuestion, wallet.person) if kept.note.prescription == handle]


def _question_info(kept: OpenQuestion) -> QuestionInfo:
    card, note = kept.asker.card, kept.note
    return QuestionInfo(note.prescription.hex(), note.about.value, card.name, person_id(card.key).hex(), note.text, kept.came)


def _send(agent: Agent, wallet: Wallet, cards: list[SignedCard], note: PrescriptionNote) -> None:
    _require_sayable(note)
    with agent.store.writing():
        for card in cards:
            keep_letter(agent, wallet, card, LetterKind.PRESCRIPTION_NOTE, encode(note))
    send_letters(agent)


def _require_sayable(note: PrescriptionNote) -> None:
    """Raise ``words-too-long`` for what could not be read back."""
    try:
        decode(encode(note), PrescriptionNote, limit=MAX_NOTE)
    except Malformed as error:
        raise AgentRefused("words-too-long", "a word about a prescription has at most 1,000 characters") from error


def pharmacist_card(agent: Agent, identity: bytes) -> SignedCard | None:
    """The card of whoever holds the licence; None where it is not known, and not in the directory."""
    licence = record(agent, licence_key(identity), Licence)
    with suppress(AgentRefused):
        return card_of(agent, licence.person) if licence is not None else None
    return None
