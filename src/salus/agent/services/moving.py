"""Moving the people of a home to another node: their mailboxes first, then their cards and the list of nodes in one step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from salus.agent.home import Agent
from salus.agent.nodes import MAX_NODES, Url
from salus.agent.services.inbox import Cursor
from salus.agent.services.people import OwnCard, open_mailbox
from salus.agent.store import Store
from salus.codec import Record


class ChosenNodes(Record, frozen=True, tag="chosen-nodes"):
    """What ``nodes.toml`` is to say from now on; forgotten when it does."""

    nodes: Annotated[tuple[Url, ...], msgspec.Meta(min_length=1, max_length=MAX_NODES)]


def move_people(agent: Agent, nodes: Sequence[str]) -> None:
    """Open everybody's mailbox at the node in use; then, all or nothing, keep the new cards and that ``nodes`` were chosen.

    How far a mailbox was read is forgotten where it lies at another member's from now on: it counts its own letters.
    """
    moved = [(wallet, open_mailbox(agent, wallet)) for wallet in agent.wallets()]
    with agent.store.writing():
        for wallet, card in moved:
            before = agent.store.find(OwnCard, wallet.person, b"")
            if before is not None and before.node != card.node:
                agent.store.drop(Cursor, wallet.person, b"")
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
