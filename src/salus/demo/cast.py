"""Who plays in the story, and what its scenes hand on to each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from salus.agent.home import Agent
from salus.agent.services import contacts, inbox, licensing, people
from salus.agent.store import Store
from salus.crypto.keys import derive, new_seed
from salus.exchange.cards import Role

PATIENT, PHYSICIAN, STRANGER = "Clemente", "Dr. Ada Reyes", "Dr. Sam Doe"
FAMILY, NURSE, PRACTICE = "Dr. Lea Berg", "Kim Roth", "Practice"
NOTE = "Seen today for a check-up. Feels well, blood pressure as before. Next visit in a year."
HOUR = 3_600_000


@dataclass
class Cast:
    """What the scenes hand on to each other."""

    home: Path
    agent: Agent
    record: bytes
    grant: str = ""
    note_entry: str = ""


@contextmanager
def neighbour(cast: Cast, name: str, role: Role) -> Iterator[Agent]:
    """Somebody with a home of their own on the same node, licensed by its member, who knows and is known here."""
    folder, key = cast.home / name, new_seed()
    folder.mkdir()
    store, index = Store(folder / "store.db", key), Store(folder / "index.db", derive(key, "index"), durable=False)
    try:
        other = Agent(store, index, cast.agent.network, cast.agent.genesis, cast.agent.clock)
        people.add_person(other, name, role, cold_dir=folder / "cold")
        card = people.own_card(other, name)
        contacts.add_contact(cast.agent, card)
        licensing.issue_licence(cast.agent, card, role)
        inbox.collect(other, name)
        yield other
    finally:
        store.close()
        index.close()
