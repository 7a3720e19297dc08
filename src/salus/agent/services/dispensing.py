"""The pharmacy's side: a code examined, its fill held, dispensed, undone, handed back; and the patient told of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Annotated

import msgspec

from salus.agent.home import Agent
from salus.agent.known import know_prescriber, licence_of
from salus.agent.services.examining import (
    Genuine,
    Standing,
    choose,
    describe_fills,
    require_genuine,
    require_network,
    require_request,
    standing,
)
from salus.agent.services.licensing import organisation
from salus.agent.services.posting import keep_letter, resume_letters
from salus.agent.services.proving import prove_fill
from salus.agent.services.safety import at_dispensing, forgotten, of_code
from salus.agent.services.submitting import submit
from salus.agent.verify import newest_header
from salus.agent.wallet import Wallet
from salus.clinical.checks import Check
from salus.codec import Record, decode, encode
from salus.crypto.signing import SigningKey
from salus.errors import AgentRefused, LedgerRefused, Malformed, SalusError
from salus.exchange.carding import require_card
from salus.exchange.cards import Role, SignedCard
from salus.exchange.envelopes import Letter, LetterKind
from salus.exchange.prescribing import DispensedNotice, PrescriptionCode
from salus.exchange.references import open_card
from salus.fhir.authoring import medication_words
from salus.fhir.tasks import FillInfo
from salus.ids import Bytes32, Count
from salus.ledger.modules.prescriptions.messages import (
    WHOLE,
    AcceptFill,
    AcknowledgeStop,
    CloseFill,
    DispenseFill,
    Identified,
    Reason,
    Rest,
    ReturnFill,
    UndoFill,
)
from salus.ledger.modules.prescriptions.state import DAY, Fill, FillStatus
from salus.ledger.tx import Action
from salus.ledger.workflow import conflict

HELD = 7 * DAY  # that a pharmacy holds a fill, from when it accepts it
REMEMBERED = 3_600_000  # ms for which a command that was cut off before it could tell is known, should it be given again
MAX_CODE = 32_768

Words = Annotated[str, msgspec.Meta(max_length=64)]


class OpenedFill(Record, frozen=True, tag="opened-fill"):
    """A code that was shown to the pharmacy, or sent ahead; ``held``: the pharmacy had the fill when it last looked.

    ``dispensed``: thousandths of the fill, by whomever, when it last looked.
    """

    code: PrescriptionCode
    held: bool = False
    dispensed: Annotated[int, msgspec.Meta(ge=0, le=WHOLE)] = 0


class Supply(Record, frozen=True, tag="supply"):
    """What is handed over, as a pharmacist says it; ``share`` 0: all that is left of the fill.

    ``product``: what is handed over in place of what was prescribed, or "".
    """

    share: Annotated[int, msgspec.Meta(ge=0, le=WHOLE)] = 0
    rest: Rest = Rest.KEEP
    identified: Identified = Identified.NOT
    quantity: Words = ""
    batch: Words = ""
    product: Annotated[str, msgspec.Meta(max_length=128)] = ""


class DispenseJob(Record, frozen=True, tag="dispense-job"):
    """A hand-over on its way to the ledger, where ``before`` was dispensed; ``done``: only to be told."""

    pharmacist: Bytes32
    licence: Bytes32
    supply: Supply
    share: Annotated[int, msgspec.Meta(ge=1, le=WHOLE)]
    before: Annotated[int, msgspec.Meta(ge=0, lt=WHOLE)]
    begun: Count
    done: bool = False
    told: bool = False


@dataclass(frozen=True)
class OpenedInfo:
    """A fill as a pharmacist sees it. ``held``: this pharmacy has it; ``told``: a letter to the patient is on its way."""

    prescription: str
    fill: int
    patient: str
    born: str
    prescriber: str
    drug: str
    dose: str
    substitution: bool
    controlled: bool
    issued_at: int
    stopped_at: int
    held: bool
    state: FillInfo
    checks: tuple[Check, ...] = ()
    allergies: tuple[str, ...] = ()
    medication: tuple[str, ...] = ()
    told: bool = False


def open_code(agent: Agent, name: str, code: PrescriptionCode) -> OpenedInfo:
    """What a code is for, and each check of it; kept, so that it can be accepted. Each refusal says which check failed.

    ``wrong-network``, ``prescription-altered``, ``not-prescriber``, ``bad-prescription``, ``code-replaced``.
    """
    keeper = keeper_named(agent, name)
    found, one = _examined(agent, code)
    with agent.store.writing():
        keep_code(agent, keeper, code, one.dispensed)
    return _looked_at(agent, keeper, code, found, one)


def look_again(agent: Agent, name: str, named: str, number: int | None) -> OpenedInfo:
    """The same for a code that was opened here before, or sent ahead."""
    keeper, _, code = kept_code(agent, name, named, number)
    found, one = _examined(agent, code, held_by=holder_key(keeper, code).public)
    return _looked_at(agent, keeper, code, found, one)


def take_code(agent: Agent, wallet: Wallet, letter: Letter) -> str:
    """Keep a code that a patient has sent ahead, once it was examined; in words, what it is for."""
    code = decode(letter.body, PrescriptionCode, limit=MAX_CODE)
    found, one = _examined(agent, code)
    keep_code(agent, keeper_of(agent, wallet), code, one.dispensed)
    handle = code.content.prescription.hex()[:12]
    return f"{letter.sender.card.name} sends a prescription ahead, {found.words[0]}: prescription {handle}, fill {code.fill + 1}"


def opened(agent: Agent, name: str) -> tuple[OpenedInfo, ...]:
    """Every fill whose code the pharmacy was shown, as the ledger has it now."""
    keeper = keeper_named(agent, name)
    kept = [found.code for _, found in agent.store.all(OpenedFill, keeper.person)]
    return tuple(_describe(keeper, code, standing(agent, code.content.prescription)) for code in kept)


def accept(agent: Agent, name: str, named: str, number: int | None, *, lasting: int = HELD) -> OpenedInfo:
    """Take a fill for the pharmacy: returns only once the ledger proves that this pharmacy has it. Nothing leaves before that.

    The winner who asks again is told so. ``not-accepted``; ``ledger/is-accepted`` and its like where another was first.
    """
    keeper, wallet, code = kept_code(agent, name, named, number)
    found, one = _examined(agent, code, held_by=holder_key(keeper, code).public)
    if one.status is not FillStatus.ACCEPTED or one.holder != holder_key(keeper, code).public:
        licence = own_licence(agent, wallet)
        until = max(found.standing.now, agent.clock()) + lasting
        action = AcceptFill(code.content.prescription, code.fill, licence, holder_key(keeper, code).public, until)
        try:
            submit(agent, [action], [SigningKey(code.bearer), wallet.identity.classic])
        except LedgerRefused:
            if not _is_ours(agent, keeper, code):
                raise
    info = _require_ours(agent, keeper, code)
    with agent.store.writing():
        agent.store.put(keeper.person, place_of(code), OpenedFill(code, held=True, dispensed=info.state.dispensed))
    return info


def dispense(agent: Agent, name: str, named: str, number: int | None, supply: Supply) -> OpenedInfo:
    """Say what was handed over; the patient is told by letter, where the code leads to a card.

    The same command again after it was cut off completes what it began, and hands nothing over twice.
    """
    require_supply(supply)
    keeper, wallet, code = kept_code(agent, name, named, number)
    place = place_of(code)
    if supply.product and not code.content.substitution:
        raise AgentRefused("no-substitution", "the prescriber allows no other product")
    job = agent.store.find(DispenseJob, keeper.person, place)
    if job is not None and job.supply != supply:  # another hand-over was begun before this one
        _roll_forward(agent, keeper, place, job)
        job = None
    if job is None:
        job = _plan(agent, wallet, code, supply)
        with agent.store.writing():
            agent.store.put(keeper.person, place, job)
    job = _roll_forward(agent, keeper, place, job)
    resume_letters(agent)
    info = _describe(keeper, code, standing(agent, code.content.prescription), told=job.told)
    if info.state.dispensed < job.before + job.share:
        raise AgentRefused("not-dispensed", "the ledger does not say that it was dispensed")
    with agent.store.writing():
        agent.store.drop(DispenseJob, keeper.person, place)
        keep_code(agent, keeper, code, info.state.dispensed)
    return info


def require_supply(supply: Supply) -> None:
    """Raise ``bad-supply`` for what could not be read back: words that are too long, or more than a fill."""
    try:
        decode(encode(supply), Supply, limit=4096)
    except Malformed as error:
        raise AgentRefused(
            "bad-supply", "quantity and batch have at most 64 characters, a product 128, a share at most 1,000"
        ) from error


def resume_dispensing(agent: Agent) -> None:
    """Complete what earlier commands began; what the ledger refuses is given up, what is done is remembered for a while.

    Lists of records that came with codes are forgotten when they are too old.
    """
    for keeper in agent.wallets():
        for place, kept in agent.store.all(OpenedFill, keeper.person):
            if (bare := forgotten(kept.code, agent.clock())) != kept.code:
                with agent.store.writing():
                    agent.store.put(keeper.person, place, msgspec.structs.replace(kept, code=bare))
        for place, job in agent.store.all(DispenseJob, keeper.person):
            if job.done and agent.clock() - job.begun > REMEMBERED:
                with agent.store.writing():
                    agent.store.drop(DispenseJob, keeper.person, place)
            with suppress(LedgerRefused):
                _roll_forward(agent, keeper, place, job)


def undo(agent: Agent, name: str, named: str, number: int | None) -> OpenedInfo:
    """What was dispensed last was never collected."""
    return _act(agent, name, named, number, UndoFill)


def close(agent: Agent, name: str, named: str, number: int | None) -> tuple[OpenedInfo, bytes]:
    """What was dispensed was collected, and is undone no more; and a proof file of that, for whoever pays."""
    info = _act(agent, name, named, number, CloseFill)
    return info, prove_fill(agent, bytes.fromhex(info.prescription), info.fill - 1)


def give_back(agent: Agent, name: str, named: str, number: int | None, reason: Reason) -> OpenedInfo:
    """Hand a fill back: any pharmacy may have it again."""
    return _act(agent, name, named, number, lambda handle, fill: ReturnFill(handle, fill, reason))


def acknowledge(agent: Agent, name: str, named: str, number: int | None) -> OpenedInfo:
    """Say that one has seen that it was stopped."""
    return _act(agent, name, named, number, AcknowledgeStop)


# --- the parts


def _examined(agent: Agent, code: PrescriptionCode, held_by: bytes = b"") -> tuple[Genuine, Fill]:
    """What the code is for, once all was looked at. A fill ``held_by`` us is ours, whatever its code is now."""
    require_network(agent, code.network)
    found = require_genuine(agent, code.salt, code.content)
    if code.fill >= len(found.standing.fills):
        raise LedgerRefused("no-such-fill", "the prescription has no fill of this number")
    one = found.standing.fills[code.fill]
    if one.bearer != SigningKey(code.bearer).public and one.holder != held_by:
        raise AgentRefused("code-replaced", "the patient has replaced this code by another one")
    know_prescriber(agent, code.content.licence, found.licence, found.standing.now)
    return found, one


def _looked_at(agent: Agent, keeper: Wallet, code: PrescriptionCode, found: Genuine, one: Fill) -> OpenedInfo:
    """The fill with every check of the code, and of what it is for."""
    now = max(found.standing.now, agent.clock())
    safety = at_dispensing(found.request, code.content.born, code.record, now)
    info = _describe(keeper, code, found.standing, (*of_code(found, one), *safety.checks))
    return replace(info, allergies=safety.allergies, medication=safety.medication)


def _plan(agent: Agent, wallet: Wallet, code: PrescriptionCode, supply: Supply) -> DispenseJob:
    one = standing(agent, code.content.prescription).fills[code.fill]
    if one.status is not FillStatus.ACCEPTED:
        raise conflict(one.status)
    before = one.dispensed
    share = supply.share or WHOLE - before
    if not 0 < share <= WHOLE - before:
        raise LedgerRefused("too-much", "more than was ordered")
    return DispenseJob(wallet.person, own_licence(agent, wallet), supply, share, before, agent.clock())


def _roll_forward(agent: Agent, keeper: Wallet, place: bytes, job: DispenseJob) -> DispenseJob:
    """Put it on the ledger unless it is there; then keep the letter to the patient and that it is done in one step."""
    kept = agent.store.find(OpenedFill, keeper.person, place)
    wallet = next((one for one in agent.wallets() if one.person == job.pharmacist), None)
    if job.done or kept is None or wallet is None:
        return job
    code, supply = kept.code, job.supply
    try:
        one = standing(agent, code.content.prescription).fills[code.fill]
        if one.dispensed != job.before + job.share:
            action = DispenseFill(code.content.prescription, code.fill, job.licence, job.share, supply.rest, supply.identified)
            submit(agent, [action], [holder_key(keeper, code), wallet.identity.classic])
            one = standing(agent, code.content.prescription).fills[code.fill]
    except LedgerRefused:
        with agent.store.writing():
            agent.store.drop(DispenseJob, keeper.person, place)
        raise
    card = patient_card(agent, code)
    done = msgspec.structs.replace(job, done=True, told=card is not None)
    said = (supply.quantity, supply.batch, supply.product)
    notice = DispensedNotice(code.content.prescription, code.fill, job.licence, job.share, one.at, *said)
    with agent.store.writing():
        if card is not None:
            keep_letter(agent, wallet, card, LetterKind.DISPENSED, encode(notice))
        agent.store.put(keeper.person, place, done)
    return done


def patient_card(agent: Agent, code: PrescriptionCode) -> SignedCard | None:
    """The card that the code leads to, for one letter; None where it leads to none: nothing else hangs on that."""
    if code.patient is None:
        return None
    for member in code.patient.members:
        with suppress(SalusError):
            signed = open_card(code.patient, agent.network.card(member, code.patient.card).sealed)
            require_card(signed, agent.network_id)
            return signed
    return None


def _act(agent: Agent, name: str, named: str, number: int | None, action: Callable[[bytes, int], Action]) -> OpenedInfo:
    """Something that the pharmacy does which has the fill."""
    keeper, _, code = kept_code(agent, name, named, number)
    submit(agent, [action(code.content.prescription, code.fill)], [holder_key(keeper, code)])
    info = _describe(keeper, code, standing(agent, code.content.prescription))
    with agent.store.writing():
        keep_code(agent, keeper, code, info.state.dispensed)
    return info


def as_it_is(agent: Agent, name: str, named: str, number: int | None) -> OpenedInfo:
    """A fill whose code was opened here, as the ledger has it now, without any check."""
    keeper, _, code = kept_code(agent, name, named, number)
    return _describe(keeper, code, standing(agent, code.content.prescription))


def kept_code(agent: Agent, name: str, named: str, number: int | None) -> tuple[Wallet, Wallet, PrescriptionCode]:
    """The keeper, who acts, and the code; without a ``number`` the prescription's only fill here.

    ``no-such-prescription``, ``ambiguous-prescription``.
    """
    keeper = keeper_named(agent, name)
    kept = [found.code for _, found in agent.store.all(OpenedFill, keeper.person)]
    handle = choose(sorted({code.content.prescription for code in kept}), named)
    found = [c for c in kept if c.content.prescription == handle and number in (None, c.fill + 1)]
    if not found:
        raise AgentRefused("no-such-prescription", "no code of this fill was opened here")
    if len(found) > 1:
        raise AgentRefused("ambiguous-prescription", "several fills of it were opened here; name one with --fill")
    return keeper, agent.wallet(name), found[0]


def keeper_named(agent: Agent, name: str) -> Wallet:
    """Whose the fills are: the pharmacy's, so that a colleague of the same home finishes; one's own for anybody else."""
    return keeper_of(agent, agent.wallet(name))


def keep_code(agent: Agent, keeper: Wallet, code: PrescriptionCode, dispensed: int | None = None) -> None:
    """The code in place of an earlier one of the same fill; what is known of the fill is not forgotten.

    ``dispensed``: what the ledger says of it, where that was asked.
    """
    known = agent.store.find(OpenedFill, keeper.person, place_of(code)) or OpenedFill(code)
    said = known.dispensed if dispensed is None else dispensed
    agent.store.put(keeper.person, place_of(code), OpenedFill(code, known.held, said))


def keeper_of(agent: Agent, wallet: Wallet) -> Wallet:
    """Whose the fills are that somebody accepts: the organisation's, where a pharmacist acts for one."""
    return (organisation(agent) or wallet) if wallet.record.role is Role.PHARMACIST else wallet


def holder_key(keeper: Wallet, code: PrescriptionCode) -> SigningKey:
    """The key by which the keeper holds the fill."""
    return SigningKey(keeper.held_seed(code.content.prescription, code.fill))


def _is_ours(agent: Agent, keeper: Wallet, code: PrescriptionCode) -> bool:
    one = standing(agent, code.content.prescription).fills[code.fill]
    return one.status is FillStatus.ACCEPTED and one.holder == holder_key(keeper, code).public


def _require_ours(agent: Agent, keeper: Wallet, code: PrescriptionCode) -> OpenedInfo:
    """The fill, where it is proven that this pharmacy has it; ``not-accepted`` otherwise: nothing may be handed over."""
    newest_header(agent, fresh=True)
    there = standing(agent, code.content.prescription)
    one = there.fills[code.fill]
    if one.status is not FillStatus.ACCEPTED or one.holder != holder_key(keeper, code).public:
        raise AgentRefused("not-accepted", "the ledger does not say that this pharmacy has it: hand nothing over")
    return _describe(keeper, code, there)


def own_licence(agent: Agent, wallet: Wallet) -> bytes:
    """The id of the pharmacist's licence; ``no-licence``."""
    licence = licence_of(agent, wallet.person)
    if licence is None:
        raise AgentRefused("no-licence", "prescriptions are dispensed by licensed professionals")
    return licence


def place_of(code: PrescriptionCode) -> bytes:
    """Where the pharmacy keeps what it knows of a code's fill."""
    return code.content.prescription + code.fill.to_bytes(1, "big")


def _describe(
    keeper: Wallet, code: PrescriptionCode, there: Standing, checks: tuple[Check, ...] = (), *, told: bool = False
) -> OpenedInfo:
    content, one = code.content, there.fills[code.fill]
    drug, dose = medication_words(require_request(content))
    return OpenedInfo(
        content.prescription.hex(),
        code.fill + 1,
        content.patient,
        content.born,
        content.prescriber,
        drug,
        dose,
        content.substitution,
        there.prescription.controlled,
        there.prescription.issued,
        there.prescription.stopped,
        one.status in (FillStatus.ACCEPTED, FillStatus.ON_HOLD) and one.holder == holder_key(keeper, code).public,
        describe_fills(there)[code.fill],
        checks,
        told=told,
    )
