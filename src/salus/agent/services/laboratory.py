"""The laboratory's side until there is a result: orders taken in, accepted, rejected; specimens collected and rejected."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from salus.agent.home import Agent
from salus.agent.services.inspecting import (
    choose,
    is_licence_of,
    keeper_of,
    own_licence,
    require_genuine_order,
    standing,
)
from salus.agent.services.ordering import OrderInfo, info_of
from salus.agent.services.submitting import submit
from salus.agent.verify import newest_header
from salus.agent.wallet import Wallet
from salus.codec import Record, decode
from salus.crypto.keys import new_seed
from salus.crypto.signing import SigningKey, person_id
from salus.errors import AgentRefused, LedgerRefused, WarrantRefused
from salus.exchange.carding import require_card
from salus.exchange.cards import SignedCard
from salus.exchange.envelopes import Letter
from salus.exchange.ordering import OrderContent, OrderLetter
from salus.fhir.laboratory import ordered_words, specimen
from salus.fhir.parsing import Resource, read_resource
from salus.ids import Bytes32
from salus.ledger.modules.orders.messages import AcceptOrder, CollectSpecimen, Reason, RejectOrder, RejectSpecimen
from salus.ledger.modules.orders.state import OrderStatus, order_id, specimen_hash
from salus.ledger.tx import Action

MAX_BODY = 131_072
NOT_SAID = bytes(32)


class ReceivedOrder(Record, frozen=True, tag="received-order"):
    """An order that a laboratory was given, and by whom."""

    letter: OrderLetter
    orderer: SignedCard


class CollectedSpecimen(Record, frozen=True, tag="collected-specimen"):
    """A FHIR Specimen; the ledger has its hash with ``salt``."""

    salt: Bytes32
    specimen: bytes

    @property
    def resource(self) -> Resource:
        """The Specimen."""
        return read_resource(self.specimen)

    @property
    def accession(self) -> str:
        """The number under which the laboratory knows it."""
        return str(self.resource.value["accessionIdentifier"]["value"])


@dataclass(frozen=True)
class Presented:
    """Who has come, as the laboratory was told or shown: a name, with a date of birth (1980-01-31) or a number."""

    name: str
    born: str = ""
    number: str = ""


# --- letters


def take_order(agent: Agent, wallet: Wallet, letter: Letter) -> str:
    """Keep an order that came by letter, once the ledger was seen to have it just so; in words, what it is.

    ``order-altered``, ``bad-order``; ``wrong-sender`` where another than its orderer sent it, by another key, or to tell others.
    """
    sent = decode(letter.body, OrderLetter, limit=MAX_BODY)
    content = sent.content
    for card in (sent.patient, sent.responsible, sent.cover):
        require_card(card, agent.network_id)
    there, request = require_genuine_order(agent, sent.salt, content)
    order = there.order
    named = ((order.licence, letter.sender), (order.responsible, sent.responsible), (order.cover, sent.cover))
    right = order_id(agent.network_id, SigningKey(sent.bearer).public) == content.order
    if not right or content.person != person_id(sent.patient.card.key):
        raise WarrantRefused("wrong-sender", "the key or the patient is not of this order")
    if not all(is_licence_of(agent, licence, card) for licence, card in named):
        raise WarrantRefused("wrong-sender", "the order is not its sender's, or names others than the ledger does")
    keeper = keeper_of(agent, wallet)
    if agent.store.find(ReceivedOrder, keeper.person, content.order) is None:
        agent.store.put(keeper.person, content.order, ReceivedOrder(sent, letter.sender))
    return f"{letter.sender.card.name} orders {ordered_words(request)} for {content.patient}: order {content.order.hex()[:12]}"


# --- commands


def received_orders(agent: Agent, name: str) -> tuple[OrderInfo, ...]:
    """Every order that the laboratory was given, the one that is due first at the front."""
    keeper = keeper_of(agent, agent.wallet(name))
    found = [describe(agent, keeper, kept) for _, kept in agent.store.all(ReceivedOrder, keeper.person)]
    return tuple(sorted(found, key=lambda info: info.deadline_at))


def accept(agent: Agent, name: str, named: str) -> OrderInfo:
    """Take an order for the laboratory: returns only once the ledger proves that this laboratory has it.

    The winner who asks again is told so. ``not-accepted``; ``ledger/is-accepted`` and its like where another was first.
    """
    keeper, wallet, kept = kept_order(agent, name, named)
    handle = kept.letter.content.order
    if not _is_ours(agent, keeper, handle):
        action = AcceptOrder(handle, own_licence(agent, wallet), holder(keeper, handle).public)
        try:
            submit(agent, [action], [SigningKey(kept.letter.bearer), wallet.identity.classic])
        except LedgerRefused:
            if not _is_ours(agent, keeper, handle):
                raise
    newest_header(agent, fresh=True)
    if not _is_ours(agent, keeper, handle):
        raise AgentRefused("not-accepted", "the ledger does not say that this laboratory has the order")
    return describe(agent, keeper, kept)


def reject(agent: Agent, name: str, named: str, reason: Reason) -> OrderInfo:
    """The laboratory will not do it, and says why."""
    keeper, _, kept = kept_order(agent, name, named)
    handle = kept.letter.content.order
    key = holder(keeper, handle) if _is_ours(agent, keeper, handle) else SigningKey(kept.letter.bearer)
    submit(agent, [RejectOrder(handle, reason)], [key])
    return describe(agent, keeper, kept)


def collect(agent: Agent, name: str, named: str, who: Presented | None, kind: str = "", accession: str = "") -> OrderInfo:
    """A specimen of ``kind`` (in words) is there, under the number ``accession`` (one is made where none is said).

    ``wrong-patient`` unless name and date of birth, or name and number, are those of the order. Without ``who`` the specimen of
    the order that this one adds to is used (``no-earlier-specimen``). The same again after it was cut off completes it.
    """
    keeper, _, kept = kept_order(agent, name, named)
    content = kept.letter.content
    if who is not None:
        require_same(content, who)
    made = agent.store.find(CollectedSpecimen, keeper.person, content.order)
    there = standing(agent, content.order).order
    known = made is not None and specimen_hash(made.salt, made.specimen) == there.specimen
    if made is None or not known or accession not in ("", made.accession):
        made = _added(agent, keeper, content) if who is None else _specimen(agent, content, kind, accession)
        if there.status is OrderStatus.ACCEPTED:
            with agent.store.writing():
                agent.store.put(keeper.person, content.order, made)
        submit(agent, [CollectSpecimen(content.order, specimen_hash(made.salt, made.specimen))], [holder(keeper, content.order)])
    return describe(agent, keeper, kept)


def reject_specimen(agent: Agent, name: str, named: str, reason: Reason) -> OrderInfo:
    """The specimen is of no use: another one is to be collected."""
    return _act(agent, name, named, lambda handle: RejectSpecimen(handle, reason))


def require_same(content: OrderContent, who: Presented) -> None:
    """Raise ``wrong-patient`` unless two identifiers are those of the order, and none that was said is another's."""
    pairs = [(content.born, who.born.strip()), (content.number, who.number.strip())]
    matched = any(known and known == said for known, said in pairs)
    other = any(known and said and known != said for known, said in pairs)
    if _plain(content.patient) != _plain(who.name) or not matched or other:
        raise AgentRefused("wrong-patient", "name, and date of birth or number, are not those of the order: collect nothing")


# --- the parts


def kept_order(agent: Agent, name: str, named: str) -> tuple[Wallet, Wallet, ReceivedOrder]:
    """The keeper, who acts, and the order; ``no-such-order``, ``ambiguous-order``."""
    wallet = agent.wallet(name)
    keeper = keeper_of(agent, wallet)
    handle = choose(agent.store.ids(ReceivedOrder, keeper.person), named)
    kept = agent.store.find(ReceivedOrder, keeper.person, handle)
    if kept is None:
        raise AgentRefused("no-such-order", "no order of that id is kept here")
    return keeper, wallet, kept


def holder(keeper: Wallet, handle: bytes) -> SigningKey:
    """The key by which the laboratory holds an order."""
    return SigningKey(keeper.held_order_seed(handle))


def describe(agent: Agent, keeper: Wallet, kept: ReceivedOrder) -> OrderInfo:
    """The order as the ledger has it now."""
    letter, there = kept.letter, standing(agent, kept.letter.content.order)
    made = agent.store.find(CollectedSpecimen, keeper.person, letter.content.order)
    ours = there.order.holder == holder(keeper, letter.content.order).public
    names = (keeper.record.name, letter.responsible.card.name, letter.cover.card.name)
    accession = made.accession if made is not None and any(there.order.specimen) else ""
    return info_of(letter.content, there, names, accession=accession, held=ours)


def _is_ours(agent: Agent, keeper: Wallet, handle: bytes) -> bool:
    return standing(agent, handle).order.holder == holder(keeper, handle).public


def _act(agent: Agent, name: str, named: str, action: Callable[[bytes], Action]) -> OrderInfo:
    """Something that the laboratory does which has the order."""
    keeper, _, kept = kept_order(agent, name, named)
    handle = kept.letter.content.order
    submit(agent, [action(handle)], [holder(keeper, handle)])
    return describe(agent, keeper, kept)


def _specimen(agent: Agent, content: OrderContent, kind: str, accession: str) -> CollectedSpecimen:
    number = accession or new_seed().hex()[:10].upper()
    raw = specimen(content.order.hex(), number, kind or "not said", content.patient, agent.clock())
    return CollectedSpecimen(new_seed(), raw)


def _added(agent: Agent, keeper: Wallet, content: OrderContent) -> CollectedSpecimen:
    """The specimen of the order that this one adds to: of the same patient, who need not come again."""
    earlier = agent.store.find(ReceivedOrder, keeper.person, content.adds_to)
    made = agent.store.find(CollectedSpecimen, keeper.person, content.adds_to)
    if content.adds_to == NOT_SAID or earlier is None or made is None:
        raise AgentRefused("no-earlier-specimen", "the order adds to none of which this laboratory has a specimen")
    before = earlier.letter.content
    if before.person != content.person:
        raise AgentRefused("wrong-patient", "the specimen is another patient's")
    require_same(content, Presented(before.patient, before.born, before.number))
    kind = str(made.resource.value["type"]["text"])
    raw = specimen(content.order.hex(), made.accession, kind, content.patient, agent.clock())
    return CollectedSpecimen(new_seed(), raw)


def _plain(name: str) -> str:
    """A name as two people would spell it: without what differs in case, in spaces, or in how it is encoded."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
