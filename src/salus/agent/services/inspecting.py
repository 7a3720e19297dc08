"""What the ledger proves of an order and its reports, and whether what somebody shows is what was ordered, or reported."""

from __future__ import annotations

from dataclasses import dataclass

from salus.agent.home import Agent
from salus.agent.known import licence_of
from salus.agent.services.licensing import organisation
from salus.agent.verify import newest_header, proven, record
from salus.agent.wallet import Wallet
from salus.codec import decode, encode
from salus.crypto.signing import person_id
from salus.errors import AgentRefused, FhirRefused, LedgerRefused
from salus.exchange.cards import Role, SignedCard
from salus.exchange.ordering import OrderContent, ResultLetter
from salus.fhir.laboratory import named_order, read_report
from salus.fhir.order_tasks import OrderState, ReportInfo
from salus.fhir.parsing import Resource, read_resource
from salus.fhir.validation import require_valid
from salus.ledger.modules.licences.state import Licence, licence_key
from salus.ledger.modules.orders.state import Order, Report, order_hash, order_key, report_hash, report_key

_LEAF = 4096


@dataclass(frozen=True)
class Standing:
    """An order and its reports as they are proven, all under one header, whose block time is ``now`` (ms)."""

    order: Order
    reports: tuple[Report, ...]
    now: int


def standing(agent: Agent, handle: bytes) -> Standing:
    """The order, proven; `LedgerRefused` ``no-such-order`` where it is proven that there is none.

    A node that follows may be a block behind whoever told of it: it is asked once more.
    """
    known = record(agent, order_key(handle), Order)
    if known is None:
        newest_header(agent, fresh=True)
        known = record(agent, order_key(handle), Order)
    if known is None:
        raise LedgerRefused("no-such-order", "no order of this id")
    count = known.reports + 1  # one may have come since
    keys = [order_key(handle), *(report_key(handle, number) for number in range(min(count, 256)))]
    answers, header = proven(agent, keys)
    found = decode(answers[0].value or b"", Order, limit=_LEAF)
    reports = tuple(decode(answer.value, Report, limit=_LEAF) for answer in answers[1:] if answer.value is not None)
    return Standing(found, reports, header.time)


def require_genuine_order(agent: Agent, salt: bytes, content: OrderContent) -> tuple[Standing, Resource]:
    """What was ordered, where the ledger proves that just this was.

    ``order-altered`` where the orderer signed something else, ``bad-order`` where what was signed is no valid order.
    """
    there = standing(agent, content.order)
    if order_hash(salt, encode(content)) != there.order.content or content.licence != there.order.licence:
        raise AgentRefused("order-altered", "this is not what the orderer signed")
    return there, require_request(content)


def require_request(content: OrderContent) -> Resource:
    """The ServiceRequest; ``bad-order`` unless it is valid and names the handle as its first identifier."""
    try:
        request = read_resource(content.request)
        require_valid(request)
    except FhirRefused as error:
        raise AgentRefused("bad-order", "what was ordered is not valid FHIR") from error
    if request.type != "ServiceRequest" or named_order(request) != content.order.hex():
        raise AgentRefused("bad-order", "what was ordered does not name this order")
    return request


def require_genuine_report(agent: Agent, letter: ResultLetter) -> tuple[Standing, list[Resource]]:
    """What was reported, where the ledger proves that just this was, of just this order: whoever brings it.

    ``order-altered``, ``bad-order``; ``report-altered`` and ``bad-report`` likewise.
    """
    there, _ = require_genuine_order(agent, letter.order_salt, letter.order)
    content = letter.report
    leaf = there.reports[content.number] if content.number < len(there.reports) else None
    same = leaf is not None and report_hash(letter.report_salt, encode(content)) == leaf.report
    if leaf is None or not same or (content.licence, content.order) != (leaf.licence, letter.order.order):
        raise AgentRefused("report-altered", "this is not what the laboratory has signed for this order")
    return there, report_resources(letter)


def report_resources(letter: ResultLetter) -> list[Resource]:
    """The resources of a report; ``bad-report`` where they are not as a report has them."""
    try:
        return read_report(letter.report.report, letter.order.order.hex())
    except FhirRefused as error:
        raise AgentRefused("bad-report", "what was reported is not valid") from error


def is_licence_of(agent: Agent, licence: bytes, card: SignedCard) -> bool:
    """Whether the ledger has the licence for just the person, and the key, of the card."""
    found = record(agent, licence_key(licence), Licence)
    key = card.card.key
    return found is not None and (found.person, found.holder) == (person_id(key), key.ed25519)


def own_licence(agent: Agent, wallet: Wallet) -> bytes:
    """The id of one's own licence; ``no-licence`` where there is none."""
    found = licence_of(agent, wallet.person)
    if found is None:
        raise AgentRefused("no-licence", "orders and reports are made by licensed professionals")
    return found


def keeper_of(agent: Agent, wallet: Wallet) -> Wallet:
    """Whose a laboratory's orders are: the laboratory's, so that a colleague of the same home goes on; one's own for others."""
    return (organisation(agent) or wallet) if wallet.record.role is Role.LABORATORY else wallet


def describe_reports(there: Standing) -> tuple[ReportInfo, ...]:
    """The reports in plain values."""
    return tuple(
        ReportInfo(
            number + 1,
            one.status.value,
            one.at,
            one.due,
            one.attention.value,
            one.climbed,
            one.by.hex() if any(one.by) else "",
            one.seen,
        )
        for number, one in enumerate(there.reports)
    )


def describe_order(handle: bytes, there: Standing) -> OrderState:
    """The order and its reports in plain values."""
    order = there.order
    return OrderState(
        handle.hex(),
        order.status.value,
        order.placed,
        order.deadline,
        order.licence.hex(),
        order.responsible.hex(),
        order.cover.hex(),
        order.laboratory.hex() if any(order.laboratory) else "",
        order.specimen.hex() if any(order.specimen) else "",
        order.reason.value if order.reason else "",
        describe_reports(there),
    )


def choose(handles: list[bytes], named: str) -> bytes:
    """The one handle that ``named`` is, or begins (at least 8 digits); ``no-such-order``, ``ambiguous-order``."""
    found = [handle for handle in dict.fromkeys(handles) if len(named) >= 8 and handle.hex().startswith(named.lower())]
    if not found:
        raise AgentRefused("no-such-order", "no order of that id is kept here; give at least its first 8 digits")
    if len(found) > 1:
        raise AgentRefused("ambiguous-order", "several orders begin so; give more digits")
    return found[0]
