"""One order, for whoever is concerned: in the words of the patient's, the orderer's or the laboratory's list, and in FHIR."""

from __future__ import annotations

from salus.agent.home import Agent
from salus.agent.own_results import OwnOrder
from salus.agent.services.inspecting import choose, describe_order, keeper_of, standing
from salus.agent.services.laboratory import ReceivedOrder, received_orders
from salus.agent.services.manifest import sync
from salus.agent.services.ordering import OrderInfo, PlacedOrder, placed_orders
from salus.agent.services.resulted import OwnOrderInfo, own_orders
from salus.exchange.ordering import OrderContent
from salus.fhir.order_tasks import task_of_order
from salus.fhir.parsing import as_bundle


def show(agent: Agent, name: str, named: str) -> OrderInfo | OwnOrderInfo:
    """One order that somebody has placed, was given, or is the patient of; ``no-such-order``, ``ambiguous-order``."""
    handle = _find(agent, name, named)[0].hex()
    listed = (placed_orders, received_orders, own_orders)
    return next(info for each in listed for info in each(agent, name) if info.order == handle)


def as_fhir(agent: Agent, name: str, named: str) -> bytes:
    """The same as a Bundle of its ServiceRequest and the Task of what has become of it."""
    handle, content = _find(agent, name, named)
    return as_bundle([(raw, "") for raw in (content.request, task_of_order(describe_order(handle, standing(agent, handle))))])


def _find(agent: Agent, name: str, named: str) -> tuple[bytes, OrderContent]:
    """What is kept of it here by somebody's name."""
    wallet = sync(agent, name)
    keeper = keeper_of(agent, wallet).person
    found = {handle: kept.content for handle, kept in agent.store.all(PlacedOrder, wallet.person)}
    found |= {handle: kept.letter.content for handle, kept in agent.store.all(ReceivedOrder, keeper)}
    for person in wallet.ids:
        found |= {handle: kept.letter.content for handle, kept in agent.store.all(OwnOrder, person)}
    handle = choose(list(found), named)
    return handle, found[handle]
