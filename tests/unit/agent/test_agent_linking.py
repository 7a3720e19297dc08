"""Links of a practice's own numbers with wallets: told to the patient, undone, merged by people alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from node_world import code
from salus.agent.services import inbox, linking, people
from salus.agent.services.linking import LinkInfo, OwnLink
from salus.exchange.cards import Role
from salus.exchange.linking import Assurance
from world import DOCTOR, PATIENT, Clock, World, beside, introduce, opened

TWIN = " ".join(reversed(PATIENT.casefold().split()))
BORN = "1955-03-02"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A practice's home, and patients who live elsewhere."""
    with opened(tmp_path / "home", Clock()) as practice, beside(practice, tmp_path / "away") as away:
        practice.person(DOCTOR, Role.PHYSICIAN)
        for name in (PATIENT, TWIN):
            people.add_person(away.agent, name, Role.PATIENT, cold_dir=away.home)
            introduce(away, name, practice)
        practice.extra["away"] = away
        yield practice


def link(world: World, number: str, patient: str = PATIENT, *, merge: bool = False, born: str = BORN) -> LinkInfo:
    return linking.link(world.agent, DOCTOR, patient, number, Assurance.LEVEL3, born, merge=merge)


def told(world: World, patient: str = PATIENT) -> list[str]:
    """What the patient's letters say."""
    return [item.text for item in inbox.collect(world.extra["away"].agent, patient)]


def own(world: World, patient: str = PATIENT) -> list[tuple[str, ...]]:
    return [info.numbers for info in linking.own_links(world.extra["away"].agent, patient)]


def test_a_link_stands_on_both_sides(world: World) -> None:
    """SCH-55."""
    info = link(world, "4711")
    assert (info.name, info.numbers, info.assurance, info.born) == (PATIENT, ("4711",), "level3", BORN)
    (text,) = told(world)
    assert "4711 (an official document was seen)" in text
    assert own(world) == [("4711",)]
    person = bytes.fromhex(info.person)
    assert linking.number_of(world.agent, world.agent.wallet(DOCTOR), person) == "4711"


def test_a_link_is_taken_back_and_the_patient_is_told(world: World) -> None:
    """SCH-56."""
    link(world, "4711")
    told(world)
    assert linking.unlink(world.agent, DOCTOR, "4711").name == PATIENT
    assert linking.links(world.agent, DOCTOR) == ()
    assert "ended" in told(world)[0]
    assert own(world) == []
    assert code(lambda: linking.unlink(world.agent, DOCTOR, PATIENT)) == "agent/not-linked"


def test_neither_a_number_nor_a_person_is_linked_twice_by_mistake(world: World) -> None:
    """SCH-57."""
    link(world, "4711")
    assert code(lambda: link(world, "4711", TWIN)) == "agent/already-linked"
    assert code(lambda: link(world, "4712")) == "agent/already-linked"
    assert link(world, "4711").numbers == ("4711",)


def test_two_numbers_of_one_person_are_merged(world: World) -> None:
    """SCH-57."""
    link(world, "4711")
    assert link(world, "4712", merge=True).numbers == ("4712", "4711")
    told(world)
    assert own(world) == [("4712", "4711")]
    assert linking.unlink(world.agent, DOCTOR, "4711").numbers == ("4712", "4711")


def test_who_may_be_the_same_person_is_proposed_and_merged_by_people_alone(world: World) -> None:
    """SCH-57."""
    link(world, "4711")
    info = link(world, "4712", TWIN)
    assert info.proposed == ("4711",)
    assert [one.proposed for one in linking.links(world.agent, DOCTOR)] == [("4712",), ("4711",)]
    merged = link(world, "4712", merge=True)
    assert merged.numbers == ("4712", "4711")
    assert [one.name for one in linking.links(world.agent, DOCTOR)] == [PATIENT]
    assert "ended" in told(world, TWIN)[-1]


@pytest.mark.parametrize(("one", "other"), [("", ""), ("1955", "1955"), ("1955-03-03", BORN)])
def test_nobody_is_proposed_whose_date_of_birth_is_another_or_not_known(world: World, one: str, other: str) -> None:
    """SCH-57."""
    link(world, "4711", born=one)
    assert link(world, "4712", TWIN, born=other).proposed == ()


@pytest.mark.parametrize(("number", "born"), [("4711\n", ""), ("x" * 65, ""), ("4711", "2.3.1955")])
def test_what_is_no_number_or_no_date_is_refused(world: World, number: str, born: str) -> None:
    assert code(lambda: link(world, number, born=born)) == "agent/bad-link"


def test_a_patient_links_nobody(world: World) -> None:
    world.person("Patient Here")
    refused = code(lambda: linking.link(world.agent, "Patient Here", PATIENT, "1", Assurance.LEVEL1))
    assert refused == "agent/not-a-practice"


def test_what_a_practice_says_of_its_number_is_kept_once_for_each_practice(world: World) -> None:
    link(world, "4711")
    link(world, "4711")
    told(world)
    away = world.extra["away"].agent
    assert len(away.store.all(OwnLink, away.wallet(PATIENT).person)) == 1
