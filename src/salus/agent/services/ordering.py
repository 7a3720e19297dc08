"""The orderer's side: a test ordered from a laboratory, with who is responsible and who covers; cancelled; looked at."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated

import msgspec

from salus.agent.home import Agent
from salus.agent.known import licence_of
from salus.agent.services.acknowledging import keep_watched
from salus.agent.services.charting import born_of
from salus.agent.services.contacts import find_contact
from salus.agent.services.inspecting import (
    Standing,
    choose,
    describe_reports,
    own_licence,
    require_request,
    standing,
)
from salus.agent.services.people import own_card
from salus.agent.services.posting import keep_letter, send_letters
from salus.agent.services.submitting import submit
from salus.agent.verify import newest_header, record
from salus.agent.wallet import Wallet
from salus.codec import Record, decode, encode
from salus.crypto.hashing import tagged
from salus.crypto.keys import new_seed
from salus.crypto.signing import SigningKey, person_id
from salus.errors import AgentRefused, LedgerRefused, Malformed
from salus.exchange.cards import SignedCard
from salus.exchange.envelopes import MAX_ENVELOPE, LetterKind
from salus.exchange.ordering import MAX_LETTER, Category, OrderContent, OrderedLetter, OrderLetter
from salus.fhir.laboratory import ordered, ordered_words
from salus.fhir.order_tasks import ReportInfo
from salus.fhir.parsing import Resource, read_resources
from salus.fhir.validation import require_valid
from salus.ids import Bytes32, Count
from salus.ledger.modules.orders.messages import CancelOrder, PlaceOrder
from salus.ledger.modules.orders.state import DAY, Order, order_hash, order_id, order_key

REMEMBERED = 3_600_000  # ms for which a command that was cut off before it could tell is known, should it be given again


class OrderTerms(Record, frozen=True, tag="order-terms"):
    """``lasting``: until a final report is due (ms). ``responsible`` and ``cover`` are contacts; "" is the orderer.

    ``adds_to``: an order of one's own whose specimen is to be used, by its id; ``letter``: what a referral says.
    """

    cover: Annotated[str, msgspec.Meta(max_length=128)]
    responsible: Annotated[str, msgspec.Meta(max_length=128)] = ""
    lasting: Count = 7 * DAY
    born: Annotated[str, msgspec.Meta(max_length=10)] = ""
    number: Annotated[str, msgspec.Meta(max_length=64)] = ""
    category: Category = Category.LABORATORY
    confidential: bool = False
    adds_to: Annotated[str, msgspec.Meta(max_length=64)] = ""
    letter: Annotated[bytes, msgspec.Meta(max_length=MAX_LETTER)] = b""


class OrderJob(Record, frozen=True, tag="order-job"):
    """An order on its way, kept by the hash of the command that asked for it; ``done``: all that is left is to tell."""

    letter: OrderLetter
    control: Bytes32
    laboratory: SignedCard
    responsible: Bytes32
    cover: Bytes32
    deadline: Count
    begun: Count
    done: bool = False


class PlacedOrder(Record, frozen=True, tag="placed-order"):
    """What one has ordered, for whom and where. The keys that it is taken and withdrawn by are others' alone."""

    patient: SignedCard
    laboratory: SignedCard
    responsible: SignedCard
    cover: SignedCard
    content: OrderContent


@dataclass(frozen=True)
class OrderInfo:
    """An order as the ledger has it now. ``deadline_at``: when a final report is due; ``reason``: of the last rejection."""

    order: str
    patient: str
    born: str
    number: str
    what: str
    category: str
    confidential: bool
    orderer: str
    laboratory: str
    responsible: str
    cover: str
    status: str
    placed_at: int
    deadline_at: int
    reason: str
    letter: str
    reports: tuple[ReportInfo, ...]
    accession: str = ""
    held: bool = False


def create(agent: Agent, author: str, patient: str, laboratory: str, data: bytes, terms: OrderTerms) -> OrderInfo:
    """Order ``data`` (a FHIR ServiceRequest) from a laboratory: on the ledger, and by letters to all whom it concerns.

    The same command again after it was cut off completes what it began. ``no-licence``, ``bad-order``, what the ledger refuses.
    """
    wallet, card, lab = agent.wallet(author), find_contact(agent, patient), find_contact(agent, laboratory)
    people = person_id(card.card.key) + person_id(lab.card.key)
    command = tagged("salus/order-command/1", people, data, encode(terms))
    job = agent.store.find(OrderJob, wallet.person, command)
    if job is None:
        job = _plan(agent, wallet, card, lab, data, terms)
        with agent.store.writing():
            agent.store.put(wallet.person, command, job)
    job = _roll_forward(agent, wallet, command, job)
    send_letters(agent)
    found = _describe(agent, _placed(job))
    with agent.store.writing():
        agent.store.drop(OrderJob, wallet.person, command)
    return found


def resume_orders(agent: Agent) -> None:
    """Complete what earlier commands began; what the ledger refuses is given up, what is done is remembered for a while."""
    for wallet in agent.wallets():
        for command, job in agent.store.all(OrderJob, wallet.person):
            if job.done and agent.clock() - job.begun > REMEMBERED:
                with agent.store.writing():
                    agent.store.drop(OrderJob, wallet.person, command)
            with suppress(LedgerRefused):
                _roll_forward(agent, wallet, command, job)


def placed_orders(agent: Agent, author: str) -> tuple[OrderInfo, ...]:
    """Everything that one has ordered: what failed or was rejected first, then the latest."""
    wallet = agent.wallet(author)
    found = [_describe(agent, kept) for _, kept in agent.store.all(PlacedOrder, wallet.person)]
    return tuple(sorted(found, key=lambda info: (info.status not in ("failed", "rejected"), -info.placed_at)))


def cancel(agent: Agent, author: str, named: str) -> OrderInfo:
    """Take it back, before anything is reported."""
    wallet = agent.wallet(author)
    kept = _own(agent, wallet, named)
    submit(agent, [CancelOrder(kept.content.order)], [wallet.identity.classic])
    return _describe(agent, kept)


def info_of(
    content: OrderContent, there: Standing, names: tuple[str, str, str], *, accession: str = "", held: bool = False
) -> OrderInfo:
    """An order in plain values; ``names``: of laboratory, responsible and cover."""
    found = there.order
    return OrderInfo(
        content.order.hex(),
        content.patient,
        content.born,
        content.number,
        ordered_words(require_request(content)),
        content.category.value,
        content.confidential,
        content.orderer,
        *names,
        found.status.value,
        found.placed,
        found.deadline,
        found.reason.value if found.reason else "",
        content.letter.decode("utf-8", "replace"),
        describe_reports(there),
        accession,
        held,
    )


def _own(agent: Agent, wallet: Wallet, named: str) -> PlacedOrder:
    handle = choose(agent.store.ids(PlacedOrder, wallet.person), named)
    kept = agent.store.find(PlacedOrder, wallet.person, handle)
    if kept is None:
        raise AgentRefused("no-such-order", "no order of that id is kept here")
    return kept


def _plan(agent: Agent, wallet: Wallet, card: SignedCard, lab: SignedCard, data: bytes, terms: OrderTerms) -> OrderJob:
    licence = own_licence(agent, wallet)
    name, who = wallet.record.name, [_clinician(agent, wallet, one) for one in (terms.responsible, terms.cover)]
    now = max(newest_header(agent).time, agent.clock())
    bearer = new_seed()
    handle = order_id(agent.network_id, SigningKey(bearer).public)
    raw = ordered(_request(data), handle.hex(), name, now)
    born = terms.born or born_of(agent, name, card)
    if not born and not terms.number:
        raise AgentRefused("bad-order", "a laboratory matches two identifiers: say the date of birth, or a number")
    earlier = _own(agent, wallet, terms.adds_to).content if terms.adds_to else None
    content = OrderContent(
        handle,
        raw,
        person_id(card.card.key),
        card.card.name,
        born,
        terms.number,
        name,
        licence,
        terms.category,
        terms.confidential,
        earlier.order if earlier else bytes(32),
        terms.letter,
    )
    letter = OrderLetter(bearer, new_seed(), content, card, who[0][0], who[1][0])
    return _sound(OrderJob(letter, new_seed(), lab, who[0][1], who[1][1], now + terms.lasting, now))


def _clinician(agent: Agent, wallet: Wallet, name: str) -> tuple[SignedCard, bytes]:
    """Card and licence of who is responsible, or covers; ``no-licence`` where this home does not know the licence's id."""
    card = find_contact(agent, name) if name else own_card(agent, wallet.record.name)
    licence = licence_of(agent, person_id(card.card.key))
    if licence is None:
        raise AgentRefused(
            "no-licence", "the licence of who is responsible or covers is not known here: find them in the directory"
        )
    return card, licence


def _request(data: bytes) -> Resource:
    resources = read_resources(data)
    if len(resources) != 1 or resources[0].type != "ServiceRequest":
        raise AgentRefused("bad-order", "an order is one ServiceRequest")
    require_valid(resources[0])
    if not ordered_words(resources[0]):
        raise AgentRefused("bad-order", "nobody could read what it is: give the code a text or a display")
    return resources[0]


def _sound(job: OrderJob) -> OrderJob:
    """The job, where it is read back as it is written: what people typed may be too long, or no date."""
    try:
        return decode(encode(job), OrderJob, limit=MAX_ENVELOPE)
    except Malformed as error:
        raise AgentRefused(
            "bad-order", "a date of birth is written 1980-01-31, and a number has at most 64 characters"
        ) from error


def _roll_forward(agent: Agent, wallet: Wallet, command: bytes, job: OrderJob) -> OrderJob:
    """Place it unless the ledger has it; then keep the letters and what is remembered in one step."""
    if job.done:
        return job
    content = job.letter.content
    if record(agent, order_key(content.order), Order) is None:
        keys = SigningKey(job.letter.bearer).public, SigningKey(job.control).public
        hashed = order_hash(job.letter.salt, encode(content))
        action = PlaceOrder(content.licence, *keys, job.responsible, job.cover, hashed, job.deadline)
        try:
            submit(agent, [action], [wallet.identity.classic])
        except LedgerRefused:
            with agent.store.writing():
                agent.store.drop(OrderJob, wallet.person, command)
            raise
    done = msgspec.structs.replace(job, done=True)
    told = OrderedLetter(None, job.letter.salt, content, job.laboratory)
    clinicians = {person_id(card.card.key): card for card in (job.letter.responsible, job.letter.cover)}
    with agent.store.writing():
        keep_letter(agent, wallet, job.laboratory, LetterKind.ORDER, encode(job.letter))
        own = encode(msgspec.structs.replace(told, control=job.control))
        keep_letter(agent, wallet, job.letter.patient, LetterKind.ORDERED, own)
        for person, card in clinicians.items():
            if person != wallet.person:
                keep_letter(agent, wallet, card, LetterKind.ORDERED, encode(told))
            else:
                keep_watched(agent, wallet, told)
        agent.store.put(wallet.person, content.order, _placed(job))
        agent.store.put(wallet.person, command, done)
    return done


def _placed(job: OrderJob) -> PlacedOrder:
    letter = job.letter
    return PlacedOrder(letter.patient, job.laboratory, letter.responsible, letter.cover, letter.content)


def _describe(agent: Agent, kept: PlacedOrder) -> OrderInfo:
    names = (kept.laboratory.card.name, kept.responsible.card.name, kept.cover.card.name)
    return info_of(kept.content, standing(agent, kept.content.order), names)
