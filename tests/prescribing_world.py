"""People around a prescription: patient and prescriber in one home, two pharmacies in homes of their own on the same node."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from salus.agent.services import dispensing, inbox, people, prescribed, prescribing
from salus.agent.services.dispensing import OpenedInfo, Supply
from salus.agent.services.prescribing import Terms
from salus.exchange.cards import Role
from salus.exchange.prescribing import PrescriptionCode, code_from_text, code_to_text
from salus.fhir.authoring import medication_request
from world import DOCTOR, PATIENT, Clock, World, beside, introduce, license_abroad, opened

PHARMACIST, RIVAL = "Ph. Abel", "Ph. Rival"
DRUG, DOSE = "Amoxicillin 250 mg, 30 capsules", "one three times a day"
PLAIN, ALL = Terms(), Supply()


@dataclass
class Town:
    """``home`` is the patient's and the prescriber's, ``near`` and ``far`` are the pharmacies of `PHARMACIST` and `RIVAL`."""

    home: World
    near: World
    far: World

    def issue(self, terms: Terms = PLAIN, drug: str = DRUG) -> str:
        """Prescribe, and collect the letter; the handle."""
        data = medication_request(drug, DOSE, PATIENT)
        made = prescribing.issue(self.home.agent, DOCTOR, PATIENT, data, terms)
        inbox.collect(self.home.agent, PATIENT)
        return made.prescription

    def code(self, handle: str, number: int | None = None) -> PrescriptionCode:
        """The code as it is read back from what the patient shows."""
        code, _ = prescribed.code(self.home.agent, PATIENT, handle, number)
        return code_from_text(code_to_text(code).encode())

    def open(self, handle: str, number: int | None = None) -> None:
        """Show the code at both pharmacies."""
        code = self.code(handle, number)
        for place, name in ((self.near, PHARMACIST), (self.far, RIVAL)):
            dispensing.open_code(place.agent, name, code)

    def accept(self, handle: str, number: int | None = None) -> OpenedInfo:
        """The near pharmacy takes it."""
        return dispensing.accept(self.near.agent, PHARMACIST, handle, number)

    def dispense(self, handle: str, supply: Supply = ALL, number: int | None = None) -> OpenedInfo:
        """The near pharmacy hands it over."""
        return dispensing.dispense(self.near.agent, PHARMACIST, handle, number, supply)

    def taken(self, terms: Terms = PLAIN, drug: str = DRUG) -> str:
        """A prescription that the near pharmacy has taken, and the far one has seen."""
        handle = self.issue(terms, drug)
        self.open(handle, 1)
        self.accept(handle, 1)
        return handle

    def statuses(self, handle: str) -> list[str]:
        """Of all fills, as the patient sees them."""
        return [fill.status for fill in prescribed.show(self.home.agent, PATIENT, handle).fills]


@contextmanager
def town(folder: Path) -> Iterator[Town]:
    """Everybody is licensed by the one member."""
    with ExitStack() as stack:
        home = stack.enter_context(opened(folder / "home", Clock()))
        home.person(PATIENT)
        home.person(DOCTOR, Role.PHYSICIAN)
        places = [stack.enter_context(beside(home, folder / name)) for name in ("near", "far")]
        for place, name in zip(places, (PHARMACIST, RIVAL), strict=True):
            _settle_in(home, place, name)
        yield Town(home, *places)


def _settle_in(home: World, place: World, name: str) -> None:
    """A pharmacist in a home of its own, licensed, and known to the patient's home."""
    people.add_person(place.agent, name, Role.PHARMACIST, cold_dir=place.home)
    license_abroad(home, place, name, Role.PHARMACIST)
    introduce(place, name, home)
