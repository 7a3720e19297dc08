"""Grants that somebody of this home was given, and what they wrote by them."""

from __future__ import annotations

from typing import Annotated

import msgspec

from salus.agent.home import Agent
from salus.agent.wallet import Wallet
from salus.charts.grant import Grant
from salus.charts.granting import MAX_GRANT, read_grant
from salus.codec import Record
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


class AuthoredEntry(Record, frozen=True, tag="authored-entry"):
    """An entry that one wrote into somebody's section: its number, and the patient's half to read it back."""

    number: Count
    half: Bytes32


def received_grants(agent: Agent, wallet: Wallet) -> list[tuple[Grant, SignedCard]]:
    """Every grant that the wallet holds, oldest first."""
    holder = wallet.identity.classic.public
    kept = [received for _, received in agent.store.all(ReceivedGrant, wallet.person)]
    grants = [(read_grant(r.grant, agent.network_id, wallet.person, holder), r.patient) for r in kept]
    return sorted(grants, key=lambda pair: (pair[0].as_of, pair[0].grant))


def grants_from(agent: Agent, wallet: Wallet, patient: str) -> list[tuple[Grant, SignedCard]]:
    """The grants of one patient, by name or person id."""
    return [
        (grant, card)
        for grant, card in received_grants(agent, wallet)
        if patient in (card.card.name, person_id(card.card.key).hex())
    ]
