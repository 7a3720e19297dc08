"""The laboratory's side once there is a result: reported, corrected, and told: to clinicians at once, to the patient as chosen.

What the patient has chosen is kept and followed here, by the laboratory's agent: nothing else holds it to that.
"""

from __future__ import annotations

from contextlib import suppress

import msgspec

from salus.agent.home import Agent
from salus.agent.services.inspecting import keeper_of, own_licence, standing
from salus.agent.services.laboratory import CollectedSpecimen, ReceivedOrder, describe, holder, kept_order
from salus.agent.services.ordering import OrderInfo
from salus.agent.services.posting import keep_letter, resume_letters
from salus.agent.services.submitting import submit
from salus.agent.verify import newest_header
from salus.agent.wallet import Wallet
from salus.codec import Record, decode, encode
from salus.crypto.hashing import tagged
from salus.crypto.keys import new_seed
from salus.crypto.signing import person_id
from salus.errors import AgentRefused, LedgerRefused, WarrantRefused
from salus.exchange.envelopes import Letter, LetterKind
from salus.exchange.ordering import MAX_REPORT, ReleasePreference, ReportContent, ResultLetter, Timing
from salus.fhir.laboratory import compiled, read_report, report_subject, values
from salus.ids import Bytes32, Count
from salus.ledger.modules.orders.messages import ReportResult, ReportStatus
from salus.ledger.modules.orders.state import DAY, DUE_LEAST, OrderStatus, report_hash
from salus.ledger.workflow import conflict

CRITICAL_WITHIN, WITHIN = 60 * 60_000, 7 * DAY  # until somebody is to have acknowledged a report (ms), where nothing is said
REMEMBERED = 3_600_000  # ms for which a command that was cut off before it could tell is known, should it be given again


class ReportJob(Record, frozen=True, tag="report-job"):
    """A report on its way to the ledger, kept by its order; ``command``: what asked for it; ``within``: ms until it is due."""

    command: Bytes32
    reporter: Bytes32
    status: ReportStatus
    salt: Bytes32
    content: ReportContent
    within: Count
    begun: Count
    done: bool = False


class SentReport(Record, frozen=True, tag="sent-report"):
    """A report that clinicians were told of."""

    reporter: Bytes32
    status: ReportStatus
    salt: Bytes32
    content: ReportContent


class Unreleased(Record, frozen=True, tag="unreleased"):
    """A report that the patient was not told of yet; gone when that is done."""

    since: Count


class PatientChoice(Record, frozen=True, tag="patient-choice"):
    """When the patient of an order wants its results."""

    timing: Timing


def take_preference(agent: Agent, wallet: Wallet, letter: Letter) -> str:
    """Keep when a patient wants results; ``wrong-sender`` where it is not the order's patient who says so."""
    sent = decode(letter.body, ReleasePreference, limit=256)
    keeper = keeper_of(agent, wallet)
    kept = agent.store.find(ReceivedOrder, keeper.person, sent.order)
    if kept is not None and kept.letter.content.person != person_id(letter.sender.card.key):
        raise WarrantRefused("wrong-sender", "the order is another patient's")
    agent.store.put(keeper.person, sent.order + person_id(letter.sender.card.key), PatientChoice(sent.timing))
    return f"{letter.sender.card.name} would have results {sent.timing.value}: order {sent.order.hex()[:12]}"


def report(agent: Agent, name: str, named: str, data: bytes, status: ReportStatus, within: int = 0) -> OrderInfo:
    """Report ``data`` (a DiagnosticReport with Observations), acknowledged ``within`` ms (0: an hour if critical, or a week).

    Clinicians are told at once. The same command again after it was cut off completes what it began; nothing is reported twice.
    ``wrong-patient``, ``wrong-specimen``; ``fhir/bad-report`` and its like; what the ledger refuses.
    """
    keeper, wallet, kept = kept_order(agent, name, named)
    handle = kept.letter.content.order
    command = tagged("salus/report-command/1", handle, data, status.value.encode(), within.to_bytes(8, "big"))
    job = agent.store.find(ReportJob, keeper.person, handle)
    if job is not None and job.command != command:  # another report was begun before this one
        _roll_forward(agent, keeper, handle, job)
        job = None
    if job is None:
        job = _plan(agent, keeper, wallet, kept, data, status, within, command)
        with agent.store.writing():
            agent.store.put(keeper.person, handle, job)
    _roll_forward(agent, keeper, handle, job)
    resume_letters(agent)
    info = describe(agent, keeper, kept)
    if len(info.reports) <= job.content.number:
        raise AgentRefused("not-reported", "the ledger does not say that it was reported")
    with agent.store.writing():
        agent.store.drop(ReportJob, keeper.person, handle)
    return info


def resume_reports(agent: Agent) -> None:
    """Complete what earlier commands began, and release to patients what is due to them by now."""
    for keeper in agent.wallets():
        for handle, job in agent.store.all(ReportJob, keeper.person):
            if job.done and agent.clock() - job.begun > REMEMBERED:
                with agent.store.writing():
                    agent.store.drop(ReportJob, keeper.person, handle)
            with suppress(LedgerRefused):
                _roll_forward(agent, keeper, handle, job)
        for key in agent.store.ids(Unreleased, keeper.person):
            with suppress(LedgerRefused):  # such as that it is forgotten
                _release(agent, keeper, key)


# --- the parts


def _plan(
    agent: Agent,
    keeper: Wallet,
    wallet: Wallet,
    kept: ReceivedOrder,
    data: bytes,
    status: ReportStatus,
    within: int,
    command: bytes,
) -> ReportJob:
    content = kept.letter.content
    there = standing(agent, content.order)
    made = agent.store.find(CollectedSpecimen, keeper.person, content.order)
    if made is None or not any(there.order.specimen):
        raise conflict(there.order.status if there.order.status is not OrderStatus.IN_PROGRESS else OrderStatus.ACCEPTED)
    whose, tube = report_subject(data)
    if whose and whose != content.patient:
        raise AgentRefused("wrong-patient", "the report says that it is another patient's")
    if tube and tube != made.accession:
        raise AgentRefused("wrong-specimen", "the report is of another specimen than this order's")
    now, handle = max(there.now, agent.clock()), content.order.hex()
    bundle = compiled(data, handle, status.value, made.resource, keeper.record.name, now)
    if len(bundle) > MAX_REPORT:
        raise AgentRefused("report-too-large", f"a report has at most {MAX_REPORT} bytes")
    critical = any(value.critical for value in values(read_report(bundle, handle)))
    told = ReportContent(content.order, there.order.reports, bundle, keeper.record.name, own_licence(agent, wallet))
    within = within or (CRITICAL_WITHIN if critical else WITHIN)
    return ReportJob(command, wallet.person, status, new_seed(), told, max(within, 2 * DUE_LEAST), agent.clock())


def _roll_forward(agent: Agent, keeper: Wallet, handle: bytes, job: ReportJob) -> None:
    """Put it on the ledger unless it is there; then keep all letters and that it is done in one step."""
    kept = agent.store.find(ReceivedOrder, keeper.person, handle)
    wallet = next((one for one in agent.wallets() if one.person == job.reporter), None)
    if job.done or kept is None or wallet is None:
        return
    hashed, number = report_hash(job.salt, encode(job.content)), job.content.number
    try:
        there = standing(agent, handle)
        if number >= len(there.reports) or there.reports[number].report != hashed:
            due = max(newest_header(agent).time, agent.clock()) + job.within
            action = ReportResult(handle, job.content.licence, hashed, job.status, number, due)
            submit(agent, [action], [holder(keeper, handle), wallet.identity.classic])
    except LedgerRefused:
        with agent.store.writing():
            agent.store.drop(ReportJob, keeper.person, handle)
        raise
    sent = SentReport(job.reporter, job.status, job.salt, job.content)
    letter = kept.letter
    clinicians = {person_id(card.card.key): card for card in (letter.responsible, letter.cover, kept.orderer)}
    told = encode(ResultLetter(letter.salt, letter.content, job.salt, job.content, letter.patient))
    with agent.store.writing():
        for card in clinicians.values():
            keep_letter(agent, wallet, card, LetterKind.RESULT, told)
        agent.store.put(keeper.person, _place(handle, number), sent)
        agent.store.put(keeper.person, _place(handle, number), Unreleased(agent.clock()))
        agent.store.put(keeper.person, handle, msgspec.structs.replace(job, done=True))
    _release(agent, keeper, _place(handle, number))


def _release(agent: Agent, keeper: Wallet, key: bytes) -> None:
    """Send it to the patient, where that is due: the letter and that it is released in one step."""
    kept = agent.store.find(ReceivedOrder, keeper.person, key[:-1])
    if kept is None or not _is_due(agent, keeper, kept, key[-1]):
        return
    sent = agent.store.find(SentReport, keeper.person, key)
    wallet = None if sent is None else next((one for one in agent.wallets() if one.person == sent.reporter), None)
    if sent is None or wallet is None:
        return
    letter = kept.letter
    told = ResultLetter(letter.salt, letter.content, sent.salt, sent.content, None)
    with agent.store.writing():
        keep_letter(agent, wallet, letter.patient, LetterKind.RESULT, encode(told))
        agent.store.drop(Unreleased, keeper.person, key)


def _is_due(agent: Agent, keeper: Wallet, kept: ReceivedOrder, number: int) -> bool:
    """Whether the patient is to have it: as chosen; and whoever has got an earlier report gets what corrects it."""
    content = kept.letter.content
    waiting = [agent.store.find(Unreleased, keeper.person, _place(content.order, before)) for before in range(number)]
    if None in waiting:
        return True
    choice = agent.store.find(PatientChoice, keeper.person, content.order + content.person)
    timing = choice.timing if choice else Timing.AT_ONCE
    if timing is Timing.AFTER_PHYSICIAN:
        return standing(agent, content.order).reports[number].attention == "acknowledged"
    return timing is Timing.AT_ONCE


def _place(handle: bytes, number: int) -> bytes:
    return handle + number.to_bytes(1, "big")
