"""What this home knows of others without having to believe it: under which id a person's licence stands on the ledger."""

from __future__ import annotations

from salus.agent.home import Agent
from salus.codec import Record
from salus.ids import Bytes32, Count, LicenceId
from salus.ledger.modules.licences.state import Licence


class KnownLicence(Record, frozen=True, tag="known-licence"):
    """A licence's id. What it is worth is proven by the ledger each time."""

    licence: Bytes32


class KnownPrescriber(Record, frozen=True, tag="known-prescriber"):
    """A prescriber's licence as it was proven last, under a header of time ``seen`` (ms); kept by the licence's id.

    It is gone by only while no node can be reached.
    """

    licence: Licence
    seen: Count


def licence_of(agent: Agent, person: bytes) -> LicenceId | None:
    """The id of the person's licence, as far as this home knows."""
    known = agent.store.find(KnownLicence, b"", person)
    return None if known is None else LicenceId(known.licence)


def learn_licence(agent: Agent, person: bytes, licence: bytes) -> None:
    """Remember a licence id that somebody showed."""
    with agent.store.writing():
        agent.store.put(b"", person, KnownLicence(licence))


def know_prescriber(agent: Agent, identity: bytes, licence: Licence, seen: int) -> None:
    """Remember a prescriber's licence that was just proven."""
    with agent.store.writing():
        agent.store.put(b"", identity, KnownPrescriber(licence, seen))
