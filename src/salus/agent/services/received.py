"""Grants that somebody of this home was given, and what they wrote by them."""

from __future__ import annotations

from typing import Annotated

import msgspec

from salus.agent.home import Agent
from salus.agent.wallet import Wallet
from salus.charts.grant import Grant, SectionGrant
from salus.charts.granting import MAX_GRANT, read_grant
from salus.codec import Record, decode
from salus.crypto.signing import person_id
from salus.exchange.cards import SignedCard
from salus.ids import Bytes32, Count


class ReceivedGrant(Record, frozen=True, tag="received-grant"):
    """A grant's bytes, and the card of the patient who sent it."""

    grant: bytes
    patient: SignedCard


class Delegated(Record, frozen=True, tag="delegated"):
    """The body of a DELEGATION letter: the grant as it is passed on, and the card of its patient."""

    grant: Annotated[bytes, msgspec.Meta(max_length=MAX_GRANT)]
    patient: SignedCard


class FormerSlot(Record, frozen=True, tag="former-slot"):
    """The slot key that a standing grant had in a section before it got another one: epochs of then open by it."""

    key: Bytes32


class AuthoredEntry(Record, frozen=True, tag="authored-entry"):
    """An entry that one wrote into somebody's section: its number, the patient's half to read it back, and the writer key."""

    number: Count
    half: Bytes32
    writer: Bytes32


def received_grants(agent: Agent, wallet: Wallet) -> list[tuple[Grant, SignedCard]]:
    """Every grant that the wallet holds, oldest first."""
    holder = wallet.identity.classic.public
    kept = [received for _, received in agent.store.all(ReceivedGrant, wallet.person)]
    grants = [(read_grant(r.grant, agent.network_id, wallet.person, holder), r.patient) for r in kept]
    return sorted(grants, key=lambda pair: (pair[0].as_of, pair[0].grant))


def keep_former_slots(agent: Agent, wallet: Wallet, renewed: Grant) -> None:
    """Keep the slot keys that a ``renewed`` grant had before, inside the caller's write transaction."""
    before = agent.store.find(ReceivedGrant, wallet.person, renewed.grant)
    if before is None:
        return
    now = {part.slot_key for part in renewed.sections}
    for part in decode(before.grant, Grant, limit=MAX_GRANT).sections:
        if part.slot_key and part.slot_key not in now:
            owner = wallet.person + part.warrant.links[-1].link.section
            agent.store.put(owner, part.slot_key, FormerSlot(part.slot_key))


def slots_of(agent: Agent, keeper: bytes, part: SectionGrant) -> tuple[bytes, ...]:
    """The slot keys that ``keeper`` (a person id) has in a section: the grant's, and those of before."""
    former = agent.store.all(FormerSlot, keeper + part.warrant.links[-1].link.section)
    return (part.slot_key, *(kept.key for _, kept in former))


def grants_from(agent: Agent, wallet: Wallet, patient: str) -> list[tuple[Grant, SignedCard]]:
    """The grants of one patient, by name or person id."""
    return [
        (grant, card)
        for grant, card in received_grants(agent, wallet)
        if patient in (card.card.name, person_id(card.card.key).hex())
    ]
