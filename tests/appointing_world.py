"""People around appointments: patient and physician with hours in one home, another patient in one of its own, on one node."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from hours_world import found, published
from salus.agent.services import booking, inbox, people, reception
from salus.agent.services.booking import OwnInfo, Visit
from salus.agent.services.desk import DeskInfo
from salus.exchange.cards import Role
from salus.ledger.modules.scheduling.messages import DAY, HOUR
from world import DOCTOR, PATIENT, Clock, World, beside, introduce, opened

RIVAL = "Rita"
WHOLE = (0, 1 << 52)
PLAIN = Visit("a cough", "1980-01-31", "+41 44 000 00 00")


@dataclass
class Practice:
    """``home`` is the patient's and the physician's, ``away`` is that of `RIVAL`."""

    home: World
    away: World

    def slots(self, world: World | None = None, **changed: object) -> list[str]:
        """The free slots as a wallet finds them."""
        return [offer.info.slot for offer in found(world or self.home, limit=50, **changed).offers]

    def booked(self, slot: str, visit: Visit = PLAIN, *, by: World | None = None) -> OwnInfo:
        """Held, booked, and known at the desk."""
        world, name = (by, RIVAL) if by is not None else (self.home, PATIENT)
        made = booking.book(world.agent, name, [slot], visit)
        inbox.collect(self.home.agent, DOCTOR)
        return made

    def desk(self) -> list[DeskInfo]:
        """Everybody at the desk, whenever they come."""
        return list(reception.day_list(self.home.agent, DOCTOR, WHOLE))

    def own(self, *, by: World | None = None) -> list[OwnInfo]:
        """What the patient has."""
        world, name = (by, RIVAL) if by is not None else (self.home, PATIENT)
        return list(booking.own_appointments(world.agent, name))

    def read(self, *, by: World | None = None) -> list[str]:
        """What the patient is told."""
        world, name = (by, RIVAL) if by is not None else (self.home, PATIENT)
        return [item.text for item in inbox.collect(world.agent, name) if item.kind == "appointment"]

    def pass_until(self, time: int) -> None:
        """It is then; a block is made by whatever comes next."""
        for world in (self.home, self.away):
            world.clock.now = max(world.clock.now, time)
        self.home.node.engine.newest_header()


@contextmanager
def practice(folder: Path) -> Iterator[Practice]:
    """The physician has published hours; the rival knows nobody."""
    with ExitStack() as stack:
        home = stack.enter_context(opened(folder / "home", Clock()))
        home.person(PATIENT)
        home.person(DOCTOR, Role.PHYSICIAN)
        away = stack.enter_context(beside(home, folder / "away"))
        people.add_person(away.agent, RIVAL, Role.PATIENT, cold_dir=away.home)
        introduce(home, DOCTOR, away)
        published(home)
        yield Practice(home, away)


__all__ = ["DAY", "DOCTOR", "HOUR", "PATIENT", "PLAIN", "RIVAL", "WHOLE", "Practice", "practice"]
