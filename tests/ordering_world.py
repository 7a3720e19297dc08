"""People around an order: patient, orderer and cover in one home; who is responsible and the laboratory in homes of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from salus.agent.services import acknowledging, inbox, laboratory, ordering, people, reporting
from salus.agent.services.acknowledging import AttendedInfo
from salus.agent.services.laboratory import Presented
from salus.agent.services.ordering import OrderInfo, OrderTerms
from salus.exchange.cards import Role
from salus.fhir.laboratory import INTERPRETATION, service_request
from salus.fhir.units import LOINC, UCUM
from salus.ledger.modules.orders.messages import ReportStatus
from world import DOCTOR, OTHER, PATIENT, Clock, World, beside, introduce, license_abroad, opened

LABORATORY, CHIEF = "Lab Nord", "Dr. Stein"
BORN, POTASSIUM = "1980-01-31", "2823-3"
FINAL, CORRECTED, PRELIMINARY = ReportStatus.FINAL, ReportStatus.CORRECTED, ReportStatus.PRELIMINARY
HERSELF = Presented(PATIENT, BORN)
TERMS = OrderTerms(cover=OTHER, responsible=CHIEF, born=BORN)


def quantity(value: float, unit: str = "mmol/L") -> dict[str, Any]:
    """A quantity with a unit of UCUM."""
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}


def observation(value: float, flag: str = "", code: str = POTASSIUM, unit: str = "mmol/L", **more: Any) -> dict[str, Any]:
    """One result, with the range of adults."""
    said = {"interpretation": [{"coding": [{"system": INTERPRETATION, "code": flag}]}]} if flag else {}
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code, "display": "Potassium"}]},
        "valueQuantity": quantity(value, unit),
        "referenceRange": [{"low": quantity(3.5, unit), "high": quantity(5.1, unit), "text": "adults"}],
        **said,
        **more,
    }


def result(*observations: dict[str, Any], **more: Any) -> bytes:
    """A report as a laboratory's machine would write it."""
    contained = [{"id": f"o{index}", **one} for index, one in enumerate(observations)]
    return json.dumps(
        {
            "resourceType": "DiagnosticReport",
            "status": "final",
            "code": {"text": "Electrolytes"},
            "contained": contained,
            "result": [{"reference": f"#{one['id']}"} for one in contained],
            **more,
        }
    ).encode()


NORMAL, HIGH = result(observation(4.1)), result(observation(6.9, "HH"))


@dataclass
class Ward:
    """``home`` has patient, orderer (`DOCTOR`) and cover (`OTHER`); ``ward`` is `CHIEF`'s, ``lab`` is `LABORATORY`'s."""

    home: World
    ward: World
    lab: World

    def create(self, terms: OrderTerms = TERMS) -> str:
        """Order a potassium; the handle."""
        data = service_request([POTASSIUM], "Potassium", PATIENT)
        return ordering.create(self.home.agent, DOCTOR, PATIENT, LABORATORY, data, terms).order

    def told(self) -> None:
        """Everybody reads the letters that have come."""
        for world, names in ((self.lab, (LABORATORY,)), (self.ward, (CHIEF,)), (self.home, (PATIENT, DOCTOR, OTHER))):
            for name in names:
                assert all(item.trouble == "" for item in inbox.collect(world.agent, name))

    def accept(self, handle: str) -> OrderInfo:
        """The laboratory takes it."""
        return laboratory.accept(self.lab.agent, LABORATORY, handle)

    def collect(self, handle: str, who: Presented = HERSELF, accession: str = "A-17") -> OrderInfo:
        """A specimen is taken."""
        return laboratory.collect(self.lab.agent, LABORATORY, handle, who, "serum", accession)

    def collected(self, terms: OrderTerms = TERMS) -> str:
        """An order of which the laboratory has a specimen, and all have read their letters."""
        handle = self.create(terms)
        self.told()
        self.accept(handle)
        self.collect(handle)
        return handle

    def report(self, handle: str, data: bytes = NORMAL, status: ReportStatus = FINAL, within: int = 0) -> OrderInfo:
        """The laboratory reports."""
        return reporting.report(self.lab.agent, LABORATORY, handle, data, status, within)

    def attended(self, name: str = CHIEF, *, everything: bool = False) -> tuple[AttendedInfo, ...]:
        """What a clinician is to look at."""
        world = self.ward if name == CHIEF else self.home
        return acknowledging.attended(world.agent, name, everything=everything)

    def later(self, ms: int) -> None:
        """Time goes by, and a block is made."""
        self.home.clock.now += ms
        for world in (self.home, self.ward, self.lab):
            world.agent.network.header(None, fresh=True)


@contextmanager
def ward(folder: Path) -> Iterator[Ward]:
    """Everybody is licensed by the one member."""
    with ExitStack() as stack:
        home = stack.enter_context(opened(folder / "home", Clock()))
        home.person(PATIENT)
        home.person(DOCTOR, Role.PHYSICIAN)
        home.person(OTHER, Role.PHYSICIAN)
        places = [stack.enter_context(beside(home, folder / name)) for name in ("ward", "lab")]
        for place, name, role in zip(places, (CHIEF, LABORATORY), (Role.PHYSICIAN, Role.LABORATORY), strict=True):
            people.add_person(place.agent, name, role, cold_dir=place.home)
            license_abroad(home, place, name, role)
        introduce(home, PATIENT, *places)
        yield Ward(home, *places)
