"""Contacts: the signed cards of others. One's own people count as contacts."""

from __future__ import annotations

from dataclasses import dataclass

from salus.agent.home import Agent
from salus.agent.services.people import own_card
from salus.codec import Record
from salus.crypto.signing import person_id
from salus.errors import AgentRefused
from salus.exchange.carding import card_hash, require_card
from salus.exchange.cards import SignedCard
from salus.ledger.genesis import member_id


@dataclass(frozen=True)
class ContactInfo:
    """Somebody to whom this home can write."""

    name: str
    role: str
    person: str
    card_hash: str


class Contact(Record, frozen=True, tag="contact"):
    """A card that was checked when it was added."""

    card: SignedCard


def add_contact(agent: Agent, signed: SignedCard) -> ContactInfo:
    """Keep a card, after checking it; a newer card of the same person replaces the older one.

    The card that everybody may have does not replace the one with the token.
    """
    card = require_card(signed, agent.network_id)
    person = person_id(card.key)
    known = agent.store.find(Contact, b"", person)
    if known is not None and known.card.card.issued > card.issued:
        raise AgentRefused("older-card", "a newer card of this person is known")
    if known is not None and known.card.card.issued == card.issued and card.token is None:
        return describe(known.card)
    with agent.store.writing():
        agent.store.put(b"", person, Contact(signed))
    return describe(signed)


def list_contacts(agent: Agent) -> tuple[ContactInfo, ...]:
    """Everybody to whom this home can write."""
    return tuple(describe(card) for card in _cards(agent))


def find_contact(agent: Agent, name: str) -> SignedCard:
    """The card of ``name`` (or of a person id); ``no-such-contact`` or ``ambiguous-name`` otherwise."""
    found = [card for card in _cards(agent) if name in (card.card.name, person_id(card.card.key).hex())]
    if not found:
        raise AgentRefused("no-such-contact", "no contact of that name; add the person's card first")
    if len(found) > 1:
        raise AgentRefused("ambiguous-name", "several contacts have that name; use the person id")
    return found[0]


def name_of(agent: Agent, person: bytes) -> str:
    """What this home calls the person, or its own member; the start of the id where nobody is known."""
    for wallet in agent.wallets():  # a card proves no membership, but one's own authority key does
        if member_id(wallet.authority.public) == person:
            return wallet.record.name
    return next((c.card.name for c in _cards(agent) if person_id(c.card.key) == person), person.hex()[:12])


def describe(signed: SignedCard) -> ContactInfo:
    """The card in plain values."""
    card = signed.card
    return ContactInfo(card.name, card.role.value, person_id(card.key).hex(), card_hash(signed).hex())


def _cards(agent: Agent) -> list[SignedCard]:
    own = [own_card(agent, wallet.record.name) for wallet in agent.wallets()]
    ids = [person_id(card.card.key) for card in own]
    added = [contact.card for _, contact in agent.store.all(Contact, b"")]
    return [*own, *[card for card in added if person_id(card.card.key) not in ids]]
