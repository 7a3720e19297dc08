"""Moving the people of a home to another node: their mailboxes first, then their cards and the list of nodes in one step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from salus.agent.home import Agent
from salus.agent.nodes import MAX_NODES
from salus.agent.services.people import housed
from salus.agent.store import Store
from salus.codec import Record
from salus.exchange.addressing import NodeAddress


class ChosenNodes(Record, frozen=True, tag="chosen-nodes"):
    """What ``nodes.toml`` is to say from now on; forgotten when it does."""

    nodes: Annotated[tuple[NodeAddress, ...], msgspec.Meta(min_length=1, max_length=MAX_NODES)]


def move_people(agent: Agent, nodes: Sequence[str]) -> None:
    """Open everybody's mailboxes anew; then, all or nothing, keep the new cards and that ``nodes`` were chosen."""
    moved = [(wallet, housed(agent, wallet)) for wallet in agent.wallets()]
    with agent.store.writing():
        for wallet, card in moved:
            agent.store.put(wallet.person, b"", card)
        agent.store.put(b"", b"", ChosenNodes(tuple(nodes)))


def chosen_nodes(store: Store) -> tuple[str, ...]:
    """The nodes that were chosen and are not in ``nodes.toml`` yet; none in general."""
    chosen = store.find(ChosenNodes, b"", b"")
    return () if chosen is None else chosen.nodes


def forget_chosen(store: Store) -> None:
    """They are in ``nodes.toml``."""
    with store.writing():
        store.drop(ChosenNodes, b"", b"")
