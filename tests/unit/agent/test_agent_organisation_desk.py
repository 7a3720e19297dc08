"""An organisation keeps hours and a desk of its own: nobody there need be a professional for people to be received."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from appointing_world import RIVAL, WHOLE
from hours_world import file, found
from node_world import code
from salus.agent.services import booking, charting, granting, inbox, licensing, linking, opening, people, reception, staffing
from salus.agent.services.booking import Visit
from salus.agent.services.received import received_grants
from salus.charts.sections import SectionKind
from salus.exchange.cards import Duty, Role
from salus.exchange.linking import Assurance
from salus.fhir.schedules import from_fhir
from salus.ledger.modules.licences.messages import LicenceStatus
from salus.ledger.modules.scheduling.messages import DeclineReason
from world import CLEMENTE, Clock, World, beside, introduce, license_abroad, opened

PRACTICE, DESK = "Practice", "Lee"
DETAILS = (SectionKind.COVERAGE, SectionKind.VITALS)
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


@dataclass
class Visited:
    """A patient of another home has booked at the practice, and lets it read the details until the visit is over."""

    home: World
    away: World

    def sections(self, reader: str) -> set[SectionKind]:
        chart = charting.open_chart(self.home.agent, reader, RIVAL)
        return {version.section for version in chart.shown}


@pytest.fixture
def visited(world: World, tmp_path: Path) -> Iterator[Visited]:
    with beside(world, tmp_path / "away") as away:
        people.add_person(away.agent, RIVAL, Role.PATIENT, cold_dir=away.home)
        introduce(world, PRACTICE, away)
        away.take_in(CLEMENTE, RIVAL)
        published(world)
        booking.book(away.agent, RIVAL, [found(away, limit=1).offers[0].info.slot], VISIT)
        inbox.collect(world.agent, PRACTICE)
        yield Visited(world, away)


def test_the_details_are_at_the_desk_by_a_consent_that_ends_with_the_visit(visited: Visited) -> None:
    """SCH-62, SCH-63, SCH-25."""
    home, away = visited.home, visited.away
    (comes,) = reception.day_list(home.agent, DESK, WHOLE)
    assert (comes.name, comes.reason, comes.shared) == (RIVAL, VISIT.reason, DETAILS)
    assert visited.sections(DESK) == {SectionKind.COVERAGE}
    assert visited.sections(PRACTICE) == set(DETAILS)
    handle = comes.appointment.appointment
    home.clock.now = comes.appointment.begins
    assert reception.check_in(home.agent, DESK, handle).appointment.status == "arrived"
    assert reception.done(home.agent, DESK, handle).appointment.status == "fulfilled"
    inbox.collect(away.agent, RIVAL)
    assert code(lambda: visited.sections(DESK)) == "warrants/revoked"


def test_the_practice_links_who_has_come_and_writes_as_itself(visited: Visited) -> None:
    """SCH-55, SCH-62."""
    introduce(visited.away, RIVAL, visited.home)
    linking.link(visited.home.agent, PRACTICE, RIVAL, "4711", Assurance.LEVEL3)
    (comes,) = reception.day_list(visited.home.agent, PRACTICE, WHOLE)
    reception.decline(visited.home.agent, PRACTICE, comes.appointment.appointment, DeclineReason.CLOSED, "A burst pipe.")
    told = [(item.sender, item.text) for item in inbox.collect(visited.away.agent, RIVAL)]
    assert [sender for sender, text in told if "4711" in text or "burst pipe" in text] == [PRACTICE, PRACTICE]


def test_a_practice_on_anothers_node_publishes_once_a_member_has_licensed_it(world: World, tmp_path: Path) -> None:
    """SCH-34."""
    with beside(world, tmp_path / "lake") as lake:
        people.add_person(lake.agent, "Lake", Role.ORGANISATION, cold_dir=lake.home)
        assert code(lambda: published(lake, "Lake")) == "agent/no-licence"
        license_abroad(world, lake, "Lake", Role.ORGANISATION)
        assert published(lake, "Lake").opened
        assert found(world, words=("lake",), limit=1).offers[0].info.organisation == "Lake"


def test_an_organisation_whose_licence_is_suspended_opens_no_schedule_and_nothing_of_it_is_free(world: World) -> None:
    """SCH-1, SCH-8, SCH-34."""
    published(world)
    licensing.set_licence(world.agent, PRACTICE, LicenceStatus.SUSPENDED)
    assert code(lambda: published(world, name="Labor")) == "ledger/not-licensed"
    assert not found(world).offers


def test_a_licence_to_keep_a_schedule_is_none_to_treat(visited: Visited) -> None:
    """SCH-34: it is asked of nobody whom a patient lets read."""
    (grant,) = granting.access(visited.away.agent, RIVAL)
    assert grant.status == "active"
    wallet = visited.home.agent.wallet(PRACTICE)
    parts = [part for given, _ in received_grants(visited.home.agent, wallet) for part in given.sections]
    assert {part.warrant.links[0].link.licence for part in parts} == {None}


def test_the_month_of_an_organisation_is_written_in_fhir_without_a_practitioner(world: World) -> None:
    """SCH-52."""
    info = published(world)
    raw = opening.in_fhir(world.agent, PRACTICE, "", info.until - 1)
    assert b"PractitionerRole" not in raw
    facts = from_fhir(raw)
    assert (facts.practitioner, facts.organisation, facts.service) == ("", PRACTICE, "Sprechstunde")
    assert facts.licence == licensing.show_licence(world.agent, PRACTICE).licence
