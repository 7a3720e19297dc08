"""The patient's side: what was ordered, results as they come, filed into the record; trends; when results are to come.

What is confidential is kept in the wallet's own store and never filed: whoever was granted the chart, or acts for the patient by
a grant, neither finds it there nor is told of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from salus.agent.home import Agent
from salus.agent.own_results import OwnOrder, OwnResult, Unfiled, result_key
from salus.agent.services.charting import open_chart, resource_of
from salus.agent.services.importing import draft_entries
from salus.agent.services.inspecting import (
    choose,
    report_resources,
    require_genuine_order,
    require_genuine_report,
    require_request,
    standing,
)
from salus.agent.services.manifest import sync
from salus.agent.services.posting import keep_letter, send_letters
from salus.agent.services.sealing import Signing, plan_own, resume_jobs, silent
from salus.agent.services.submitting import submit
from salus.agent.wallet import Wallet
from salus.charts.entry import EntryKind
from salus.codec import Record, decode, encode
from salus.crypto.hashing import sha256
from salus.crypto.signing import SigningKey
from salus.errors import AgentRefused, FhirRefused, WarrantRefused
from salus.exchange.carding import require_card
from salus.exchange.envelopes import MAX_ENVELOPE, Letter, LetterKind
from salus.exchange.ordering import Category, OrderedLetter, ReleasePreference, ResultLetter, Timing
from salus.fhir.laboratory import Value, ordered_words, values
from salus.fhir.units import converted
from salus.fhir.validation import faults
from salus.ledger.modules.orders.messages import WithdrawOrder
from salus.ledger.modules.orders.state import OrderStatus

_OPEN = (OrderStatus.REQUESTED, OrderStatus.ACCEPTED, OrderStatus.IN_PROGRESS, OrderStatus.FAILED)


class ReleaseChoice(Record, frozen=True, tag="release-choice"):
    """When results of one category are to come; kept by the category's name."""

    timing: Timing


@dataclass(frozen=True)
class OwnOrderInfo:
    """An order of one's own, as the ledger has it now. Times in ms."""

    order: str
    orderer: str
    what: str
    category: str
    confidential: bool
    laboratory: str
    status: str
    placed_at: int


@dataclass(frozen=True)
class OwnResultInfo:
    """A report of one's own; ``number`` counts from 1. ``superseded``: a later one is here. ``charted``: it is in the record."""

    order: str
    number: int
    what: str
    laboratory: str
    orderer: str
    status: str
    at: int
    confidential: bool
    superseded: bool
    charted: bool
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Trend:
    """One code over time, in the ``unit`` of the newest value; ``apart``: values that UCUM does not prove to be comparable."""

    code: str
    name: str
    unit: str
    points: tuple[tuple[int, Decimal, str], ...]  # (ms, value, flag)
    apart: tuple[Value, ...]


# --- letters


def take_ordered(agent: Agent, wallet: Wallet, letter: Letter) -> str:
    """Keep an order of one's own, once the ledger was seen to have it so, and tell the laboratory when results are to come."""
    sent = decode(letter.body, OrderedLetter, limit=MAX_ENVELOPE)
    require_card(sent.laboratory, agent.network_id)
    there, request = require_genuine_order(agent, sent.salt, sent.content)
    _require_own(wallet, sent.content.person)
    if sent.control is None or SigningKey(sent.control).public != there.order.control:
        raise WarrantRefused("wrong-sender", "the key is not of this order")
    handle = sent.content.order
    if agent.store.find(OwnOrder, wallet.person, handle) is None:
        agent.store.put(wallet.person, handle, OwnOrder(sent, agent.clock()))
        chosen = _chosen(agent, wallet)[sent.content.category]
        if chosen is not Timing.AT_ONCE:
            _tell(agent, wallet, sent, chosen)
    return f"{letter.sender.card.name} has ordered {ordered_words(request)}: order {handle.hex()[:12]}"


def take_result(agent: Agent, wallet: Wallet, letter: Letter) -> str:
    """Keep a report of one's own, once the ledger was seen to have it so, whoever brings it; in words, what it is."""
    sent = decode(letter.body, ResultLetter, limit=MAX_ENVELOPE)
    there, _ = require_genuine_report(agent, sent)
    _require_own(wallet, sent.order.person)
    key = result_key(sent)
    if agent.store.find(OwnResult, wallet.person, key) is None:
        agent.store.put(wallet.person, key, OwnResult(sent, agent.clock()))
        if not sent.order.confidential:
            agent.store.put(wallet.person, key, Unfiled(agent.clock()))
    status = there.reports[sent.report.number].status.value
    return f"{sent.report.laboratory} has a result for you ({status}): order {sent.order.order.hex()[:12]}"


def settle_results(agent: Agent, wallet: Wallet) -> None:
    """File what came into the record, once. What is done is not done again."""
    for key in agent.store.ids(Unfiled, wallet.person):
        kept = agent.store.find(OwnResult, wallet.person, key)
        if kept is not None:
            _file(agent, wallet, key, kept)


def resume_results(agent: Agent) -> None:
    """Settle what earlier commands left."""
    for wallet in agent.wallets():
        settle_results(agent, wallet)


# --- commands


def own_orders(agent: Agent, name: str) -> tuple[OwnOrderInfo, ...]:
    """All that one was ordered, the latest first."""
    wallet = sync(agent, name)
    found = []
    for person in wallet.ids:
        for handle, kept in agent.store.all(OwnOrder, person):
            content, order = kept.letter.content, standing(agent, handle).order
            what = ordered_words(require_request(content))
            words = (content.orderer, what, content.category.value, content.confidential, kept.letter.laboratory.card.name)
            found.append(OwnOrderInfo(handle.hex(), *words, order.status.value, order.placed))
    return tuple(sorted(found, key=lambda info: -info.placed_at))


def own_results(agent: Agent, name: str) -> tuple[OwnResultInfo, ...]:
    """All that one was reported, the latest first; nobody but the wallet's owner is shown it by this."""
    wallet = sync(agent, name)
    kept = [one for person in wallet.ids for _, one in agent.store.all(OwnResult, person)]
    last = {one.letter.order.order: one.letter.report.number for one in kept}
    unfiled = {key for person in wallet.ids for key in agent.store.ids(Unfiled, person)}
    found = [_describe(one, last[one.letter.order.order], unfiled) for one in kept]
    return tuple(sorted(found, key=lambda info: (-info.at, -info.number)))


def trend(agent: Agent, name: str, code: str) -> Trend:
    """One LOINC code over time: from the record, and from what is confidential. ``no-such-result`` where there is none."""
    wallet = sync(agent, name)
    chart = open_chart(agent, name, name, types=("Observation",)).shown
    charted = [resource_of(version) for version in chart if not version.trouble and version.leaf.data]
    found = [one for one in charted if not faults(one)]
    for info in own_results(agent, wallet.record.name):
        if info.confidential and not info.superseded:
            found += report_resources(_letter(agent, wallet, info))
    named = sorted((value for value in values(found) if value.code == code), key=lambda value: value.at)
    numbers = [value for value in named if value.number is not None]
    if not numbers:
        raise AgentRefused("no-such-result", "there is no value of that code")
    unit, points, apart = numbers[-1].unit, [], []
    for value in numbers:
        same = _converted(value, unit)
        if same is None:
            apart.append(value)
        else:
            points.append((value.at, same, value.flag))
    return Trend(code, numbers[-1].name, unit, tuple(points), (*apart, *(value for value in named if value.number is None)))


def withdraw(agent: Agent, name: str, named: str) -> OwnOrderInfo:
    """Do without what was ordered, before a specimen is there."""
    wallet = sync(agent, name)
    handle = choose(agent.store.ids(OwnOrder, wallet.person), named)
    kept = agent.store.find(OwnOrder, wallet.person, handle)
    if kept is None or kept.letter.control is None:
        raise AgentRefused("no-such-order", "no order of that id is kept here")
    submit(agent, [WithdrawOrder(handle)], [SigningKey(kept.letter.control)])
    return next(info for info in own_orders(agent, name) if info.order == handle.hex())


def preferences(agent: Agent, name: str, chosen: Mapping[Category, Timing]) -> dict[str, str]:
    """When results come, by category; what is ``chosen`` anew is told to the laboratory of each order that is open."""
    wallet = sync(agent, name)
    orders = [kept.letter for _, kept in agent.store.all(OwnOrder, wallet.person)] if chosen else []
    open_ones = [one for one in orders if one.content.category in chosen and _is_open(agent, one)]
    with agent.store.writing():
        for category, timing in chosen.items():
            agent.store.put(wallet.person, category.value.encode(), ReleaseChoice(timing))
        for one in open_ones:
            _tell(agent, wallet, one, chosen[one.content.category])
    if open_ones:
        send_letters(agent)
    return {category.value: timing.value for category, timing in _chosen(agent, wallet).items()}


# --- the parts


def _require_own(wallet: Wallet, person: bytes) -> None:
    """A letter about another patient is not taken in."""
    if person not in wallet.ids:
        raise WarrantRefused("wrong-sender", "the letter is about another patient")


def _chosen(agent: Agent, wallet: Wallet) -> dict[Category, Timing]:
    found = {category: agent.store.find(ReleaseChoice, wallet.person, category.value.encode()) for category in Category}
    return {category: kept.timing if kept else Timing.AT_ONCE for category, kept in found.items()}


def _tell(agent: Agent, wallet: Wallet, ordered: OrderedLetter, timing: Timing) -> None:
    """Keep the letter that tells the laboratory, inside the caller's write transaction."""
    body = encode(ReleasePreference(ordered.content.order, timing))
    keep_letter(agent, wallet, ordered.laboratory, LetterKind.RELEASE, body)


def _is_open(agent: Agent, ordered: OrderedLetter) -> bool:
    there = standing(agent, ordered.content.order)
    return there.order.status in _OPEN or any(one.attention == "awaited" for one in there.reports)


def _file(agent: Agent, wallet: Wallet, key: bytes, kept: OwnResult) -> None:
    """Sign and seal it as a job, kept in one step with its being filed; it replaces what was filed of the same order before."""
    letter, name, source = kept.letter, wallet.record.name, kept.letter.report.laboratory
    versions = open_chart(agent, name, name, types=("DiagnosticReport", "Observation", "Specimen")).chart.current()
    by_identity: dict[str, list[bytes]] = {}
    for version in versions:
        if version.header.author in wallet.ids and version.header.source == source:
            by_identity.setdefault(version.identity[1], []).append(version.version)
    here = {version.leaf.data for version in versions if version.leaf.data}
    resources, digest = report_resources(letter), sha256(letter.report.report).hex()
    fresh = [one for one in resources if one.raw not in here]  # what another device has filed is not filed again
    jobs = []
    if fresh and not _is_later_filed(agent, wallet, letter):
        rows = [(one, digest, tuple(by_identity.get(one.identity, ()))) for one in fresh]
        drafts = draft_entries(rows, source, agent.clock())
        job, _ = plan_own(agent, wallet, drafts, Signing(EntryKind.RECORD, source, agent.clock()), silent)
        jobs.append(job)
    with agent.store.writing():
        for job in jobs:
            agent.store.put(b"", job.batch, job)
        agent.store.drop(Unfiled, wallet.person, key)
    resume_jobs(agent)


def _is_later_filed(agent: Agent, wallet: Wallet, letter: ResultLetter) -> bool:
    """Whether a later report of the order was filed: what it corrects does not come back over it."""
    unfiled = agent.store.ids(Unfiled, wallet.person)
    later = [key for key in agent.store.ids(OwnResult, wallet.person) if key[:-1] == letter.order.order and key not in unfiled]
    return any(key[-1] > letter.report.number for key in later)


def _converted(value: Value, unit: str) -> Decimal | None:
    """The value in the unit, where UCUM proves it; None for what others have written in units of their own."""
    if value.number is None:
        return None
    try:
        return converted(value.number, value.unit, unit)
    except FhirRefused:
        return value.number if value.unit == unit else None


def _letter(agent: Agent, wallet: Wallet, info: OwnResultInfo) -> ResultLetter:
    key = bytes.fromhex(info.order) + (info.number - 1).to_bytes(1, "big")
    return next(kept.letter for person in wallet.ids if (kept := agent.store.find(OwnResult, person, key)) is not None)


def _describe(kept: OwnResult, last: int, unfiled: set[bytes]) -> OwnResultInfo:
    key = result_key(kept.letter)
    letter, resources = kept.letter, report_resources(kept.letter)
    found: Sequence[Value] = values(resources)
    head = resources[0].value
    what = str(head.get("code", {}).get("text", "")) or ordered_words(require_request(letter.order))
    return OwnResultInfo(
        letter.order.order.hex(),
        letter.report.number + 1,
        what,
        letter.report.laboratory,
        letter.order.orderer,
        str(head.get("status", "")),
        kept.came,
        letter.order.confidential,
        letter.report.number < last,
        not letter.order.confidential and key not in unfiled,
        tuple(found),
    )
