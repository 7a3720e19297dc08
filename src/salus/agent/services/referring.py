"""References: a person's own card put where others find it by a short line or code, and the cards of others found so."""

from __future__ import annotations

from salus.agent.home import Agent
from salus.agent.services.contacts import ContactInfo, add_contact
from salus.agent.services.people import own_card, public_card
from salus.codec import Record
from salus.crypto.hashing import sha256
from salus.crypto.keys import new_seed
from salus.errors import SalusError, WarrantRefused
from salus.exchange.references import (
    CardReference,
    Sealed,
    open_card,
    reference_from_text,
    reference_to_text,
    seal_card,
    sign_deposit,
)
from salus.ids import Bytes32, Count


class ShownCard(Record, frozen=True, tag="shown-card"):
    """A card as it was sealed for references, so that each showing gives the same one; ``issued`` is the own card's (ms)."""

    issued: Count
    key: Bytes32
    sealed: Sealed


def refer(agent: Agent, name: str) -> str:
    """A line that leads to the card of somebody of this home: it opens the lane of strangers alone, whoever comes to see it.

    It is put at each member that keeps the mailbox; raises what refuses it where none takes it.
    """
    wallet, card = agent.wallet(name), own_card(agent, name).card
    shown = _shown(agent, name)
    members, refused = list[bytes](), dict[bytes, SalusError]()
    for member in card.members:
        try:
            agent.network.put_card(sign_deposit(wallet.mailbox, agent.network_id, member, shown.issued, shown.sealed))
            members.append(member)
        except SalusError as error:
            refused[member] = error
    if not members:
        raise refused[card.members[0]]
    return reference_to_text(CardReference(agent.network_id, tuple(members), sha256(shown.sealed), shown.key))


def add_referred(agent: Agent, line: bytes) -> ContactInfo:
    """Take in the card that a reference leads to, from the first member that has just this one.

    ``wrong-network``; ``card-altered`` where a member gave out another one, and none this one.
    """
    reference = reference_from_text(line)
    if reference.network != agent.network_id:
        raise WarrantRefused("wrong-network", "the reference is for another network")
    refused: list[SalusError] = []
    for member in reference.members:
        try:
            signed = open_card(reference, agent.network.card(member, reference.card).sealed)
        except SalusError as error:
            refused.append(error)
        else:
            return add_contact(agent, signed)
    raise next((error for error in refused if error.code == "card-altered"), refused[0])


def _shown(agent: Agent, name: str) -> ShownCard:
    wallet, issued = agent.wallet(name), own_card(agent, name).card.issued
    shown = agent.store.find(ShownCard, wallet.person, b"")
    if shown is None or shown.issued != issued:
        key = new_seed()
        shown = ShownCard(issued, key, seal_card(key, public_card(agent, name)))
        with agent.store.writing():
            agent.store.put(wallet.person, b"", shown)
    return shown
