"""An organisation keeps hours and a desk of its own: nobody there need be a professional for people to be received."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from appointing_world import RIVAL, WHOLE
from hours_world import OPEN, file, found
from node_world import code
from salus.agent.services import booking, charting, inbox, licensing, linking, opening, people, reception, staffing
from salus.agent.services.booking import Visit
from salus.charts.sections import SectionKind
from salus.exchange.cards import Duty, Role
from salus.exchange.linking import Assurance
from salus.fhir.schedules import from_fhir
from salus.ledger.modules.licences.messages import LicenceStatus
from world import CLEMENTE, DOCTOR, Clock, World, beside, introduce, license_abroad, opened, silent

PRACTICE, DESK = "Practice", "Lee"
DETAILS = (SectionKind.DEMOGRAPHICS, SectionKind.COVERAGE, SectionKind.VITALS)
VISIT = Visit("a cough", "1980-01-31", "+41 44 000 00 00", DETAILS)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A member's home with a receptionist, and no professional."""
    with opened(tmp_path / "home", Clock()) as made:
        made.person(DESK)
        staffing.add_staff(made.agent, DESK, (Duty.RECEPTION,))
        yield made


def published(world: World, who: str = PRACTICE, **changed: Any) -> opening.OpeningInfo:
    return opening.publish(world.agent, who, file(**changed))


def test_a_member_publishes_hours_by_itself_and_is_found_by_its_own_name(world: World) -> None:
    """SCH-34, SCH-62."""
    assert published(world).opened
    shown = found(world, words=(PRACTICE.lower(), "kardio"), limit=1)
    first = shown.offers[0].info
    assert (first.practitioner, first.organisation, first.service, shown.dropped) == ("", PRACTICE, "Sprechstunde", 0)
    licence = licensing.show_licence(world.agent, world.agent.wallet(PRACTICE).person.hex())
    assert (licence.rights, licence.status) == (("schedule",), "active")
    assert not published(world, name="Labor").left_out
    assert licensing.show_licence(world.agent, licence.person).licence == licence.licence
