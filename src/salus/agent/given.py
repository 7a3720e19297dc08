"""Grants that a principal of this home has given, and how far the end of each has come."""

from __future__ import annotations

from enum import StrEnum

from salus.agent.home import Agent
from salus.agent.wallet import Wallet
from salus.charts.grant import Grant
from salus.charts.granting import MAX_GRANT
from salus.codec import Record, decode
from salus.errors import AgentRefused
from salus.exchange.cards import SignedCard


class Ending(StrEnum):
    """How far the end of a grant has come. It only ever moves on."""

    NOT = "not"
    ASKED = "asked"  # every command goes on until it is done
    DONE = "done"


class GivenGrant(Record, frozen=True, tag="given-grant"):
    """A grant that was given, and how far its end has come; it is about its grantee."""

    grant: bytes
    reader: SignedCard
    ending: Ending

    @property
    def about(self) -> bytes:
        """The grantee's person id."""
        return self.made().grantee

    def made(self) -> Grant:
        """The grant."""
        return decode(self.grant, Grant, limit=MAX_GRANT)


def given_grant(agent: Agent, wallet: Wallet, identity: bytes) -> GivenGrant:
    """The grant of this id; ``no-such-grant`` otherwise."""
    given = agent.store.find(GivenGrant, wallet.person, identity)
    if given is None:
        raise AgentRefused("no-such-grant", "no such grant was given")
    return given


def given_grants(agent: Agent, wallet: Wallet) -> list[tuple[GivenGrant, Grant]]:
    """Every grant that was given."""
    return [(given, given.made()) for _, given in agent.store.all(GivenGrant, wallet.person)]


def grants_given_to(agent: Agent, wallet: Wallet, grantee: bytes) -> list[tuple[GivenGrant, Grant]]:
    """Every grant that was given to the grantee, found without a look at the others."""
    return [(given, given.made()) for _, given in agent.store.about(GivenGrant, wallet.person, grantee)]


def merge_given(agent: Agent, giver: bytes, given: GivenGrant) -> None:
    """Keep a grant that another device gave or changed, inside the caller's write transaction: an end never moves back."""
    identity = given.made().grant
    known = agent.store.find(GivenGrant, giver, identity)
    steps = list(Ending)
    if known is None or steps.index(given.ending) >= steps.index(known.ending):
        agent.store.put(giver, identity, given)
