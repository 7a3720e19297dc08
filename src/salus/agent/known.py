"""What this home knows of others without having to believe it: under which id a person's licence stands on the ledger."""

from __future__ import annotations

from salus.agent.home import Agent
from salus.codec import Record
from salus.ids import Bytes32, LicenceId


class KnownLicence(Record, frozen=True, tag="known-licence"):
    """A licence's id. What it is worth is proven by the ledger each time."""

    licence: Bytes32


def licence_of(agent: Agent, person: bytes) -> LicenceId | None:
    """The id of the person's licence, as far as this home knows."""
    known = agent.store.find(KnownLicence, b"", person)
    return None if known is None else LicenceId(known.licence)


def learn_licence(agent: Agent, person: bytes, licence: bytes) -> None:
    """Remember a licence id that somebody showed."""
    with agent.store.writing():
        agent.store.put(b"", person, KnownLicence(licence))
