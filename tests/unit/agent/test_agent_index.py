"""The index of opened entries: a type is found without a look at the rest, and what the chart says does not change by it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from salus.agent.given import GivenGrant, given_grants, grants_given_to
from salus.agent.home import Agent
from salus.agent.opened_index import Kept, KeptThrough, forget, looked_through, numbers_of
from salus.agent.own_sections import own_section
from salus.agent.services import charting, erasing, people, proving
from salus.agent.services.granting import access
from salus.agent.store import Store
from salus.charts.sections import SectionKind
from salus.crypto.keys import new_seed
from salus.crypto.signing import person_id
from salus.errors import AgentRefused, CryptoRefused
from salus.exchange.cards import Role
from world import DOCTOR, OTHER, PATIENT, Clock, World, bundle, opened, thread

PERSON = {"resourceType": "Patient", "id": "p", "name": [{"family": "Kreiger"}], "birthDate": "1980-01-01"}


def condition(name: str, **more: Any) -> dict[str, Any]:
    """A problem."""
    code = {"text": f"problem {name}"}
    return {"resourceType": "Condition", "id": name, "code": code, "subject": {"reference": "Patient/p"}, **more}


def observation(name: str) -> dict[str, Any]:
    """A finding."""
    code = {"text": f"finding {name}"}
    return {"resourceType": "Observation", "id": name, "status": "final", "code": code, "subject": {"reference": "Patient/p"}}


@contextmanager
def patient(tmp_path: Path) -> Iterator[World]:
    """A home with a patient whose record is empty."""
    with opened(tmp_path / "home", Clock()) as world:
        world.person(PATIENT)
        yield world


def shown(agent: Agent, *types: str) -> list[tuple[str, str, str]]:
    """What the chart shows of these types, of all without any: (identity, status, trouble)."""
    found = charting.open_chart(agent, PATIENT, PATIENT, types=types)
    return sorted((v.identity[1], v.status.value, v.trouble) for v in found.shown)


def of_type(agent: Agent, kind: str) -> list[tuple[str, str, str]]:
    """What the whole chart shows of a type."""
    return [row for row in shown(agent) if row[0].startswith(f"{kind}/")]


@contextmanager
def statements(store: Store) -> Iterator[list[str]]:
    """The SQL that is executed inside."""
    seen: list[str] = []
    store._db.exec_trace = lambda _cursor, sql, _bindings: bool(seen.append(sql)) or True
    try:
        yield seen
    finally:
        store._db.exec_trace = None


def test_a_type_shows_what_the_whole_chart_shows_of_it(tmp_path: Path) -> None:
    with thread(tmp_path / "home") as world:
        world.take_in(bundle(PERSON, condition("one")), other_patient_ok=True, source="Elsewhere")
        world.take_in(bundle(PERSON, condition("one", note=[{"text": "x"}])), other_patient_ok=True, source="Elsewhere", as_of=9)
        for kind in ("Condition", "Observation", "Immunization", "Basic"):
            assert shown(world.agent, kind) == of_type(world.agent, kind)
        both = sorted([*of_type(world.agent, "Condition"), *of_type(world.agent, "Immunization")])
        assert shown(world.agent, "Condition", "Immunization") == both


def test_an_entry_that_holds_nothing_of_the_type_is_not_opened(tmp_path: Path) -> None:
    with patient(tmp_path) as world:
        world.take_in(bundle(PERSON, condition("one"), observation("two")))
        shown(world.agent, "Condition")
        section = own_section(world.agent, world.agent.wallet(PATIENT), SectionKind.RESULTS)
        for blob in world.agent.index.ids(Kept, section.identity):
            kept = world.agent.index.find(Kept, section.identity, blob)
            assert kept is not None
            world.agent.index.put(section.identity, blob, msgspec.structs.replace(kept, half=new_seed()))
        conditions = charting.open_chart(world.agent, PATIENT, PATIENT, types=["Condition"])
        assert b"Condition" in charting.chart_bundle(conditions)
        observations = charting.open_chart(world.agent, PATIENT, PATIENT, types=["Observation"])
        assert [v.identity[1] for v in observations.shown] == ["Observation/two"]  # folded, and not opened yet
        with pytest.raises(CryptoRefused, match="crypto/cannot-open"):
            charting.chart_bundle(observations)


def test_what_came_since_is_found_by_its_type(tmp_path: Path) -> None:
    with patient(tmp_path) as world:
        world.take_in(bundle(PERSON, condition("one")))
        assert len(shown(world.agent, "Condition")) == 1
        world.take_in(bundle(condition("two")))
        assert [identity for identity, _, _ in shown(world.agent, "Condition")] == ["Condition/one", "Condition/two"]


def test_what_was_erased_is_not_found_by_its_type(tmp_path: Path) -> None:
    with patient(tmp_path) as world:
        world.take_in(bundle(PERSON, condition("one"), condition("two"), observation("three")))
        assert len(shown(world.agent, "Condition")) == 2
        erasing.erase(world.agent, PATIENT, "Condition/one")
        assert [identity for identity, _, _ in shown(world.agent, "Condition")] == ["Condition/two"]
        erasing.erase(world.agent, PATIENT, "Observation/three")
        assert shown(world.agent, "Observation") == []


def test_an_index_that_was_thrown_away_is_made_anew(tmp_path: Path) -> None:
    with patient(tmp_path) as world:
        world.take_in(bundle(PERSON, condition("one"), observation("two")))
        before = shown(world.agent, "Condition")
        world.agent.index.close()
        world.agent.index = Store(tmp_path / "other.db", new_seed(), durable=False)
        assert shown(world.agent, "Condition") == before
        proving.verify_own(world.agent, PATIENT)
        assert shown(world.agent, "Condition") == before


def test_a_section_that_is_forgotten_is_looked_through_again(tmp_path: Path) -> None:
    with patient(tmp_path) as world:
        world.take_in(bundle(PERSON, condition("one"), observation("two")))
        assert charting.open_chart(world.agent, PATIENT, PATIENT, types=["Condition"]).incomplete_batches == 0
        section = own_section(world.agent, world.agent.wallet(PATIENT), SectionKind.PROBLEMS).identity
        assert (looked_through(world.agent, section), numbers_of(world.agent, section, ["Condition"])) == (1, [0])
        forget(world.agent, section)
        assert (looked_through(world.agent, section), world.agent.index.ids(Kept, section)) == (0, [])
        again = charting.open_chart(world.agent, PATIENT, PATIENT, types=["Condition"])
        assert (len(again.shown), again.incomplete_batches, looked_through(world.agent, section)) == (1, 0, 1)


def test_what_cannot_be_read_is_told_with_every_type_and_tried_again(tmp_path: Path) -> None:
    with patient(tmp_path) as world:
        world.take_in(bundle(PERSON, condition("one"), observation("two")))
        wallet = world.agent.wallet(PATIENT)
        problems = own_section(world.agent, wallet, SectionKind.PROBLEMS).identity
        (blob,) = world.agent.index.ids(Kept, problems)
        path = world.home / "node" / "vault" / "blobs" / blob.hex()[:2] / blob.hex()
        data = path.read_bytes()
        path.unlink()
        forget(world.agent, problems)
        for kind in ("Condition", "Observation"):
            found = charting.open_chart(world.agent, PATIENT, PATIENT, types=[kind])
            assert found.unread == [(SectionKind.PROBLEMS, 0, "agent/blob-missing")]
            assert (looked_through(world.agent, problems), found.incomplete_batches) == (0, 1)
        path.write_bytes(data)
        healed = charting.open_chart(world.agent, PATIENT, PATIENT, types=["Condition"])
        assert (len(healed.shown), healed.unread, healed.incomplete_batches) == (1, [], 0)


def test_a_blob_that_is_lost_after_its_types_were_noted_is_told_once(tmp_path: Path) -> None:
    with patient(tmp_path) as world:
        world.take_in(bundle(PERSON, condition("one")))
        shown(world.agent, "Condition")
        problems = own_section(world.agent, world.agent.wallet(PATIENT), SectionKind.PROBLEMS).identity
        (blob,) = world.agent.index.ids(Kept, problems)
        (world.home / "node" / "vault" / "blobs" / blob.hex()[:2] / blob.hex()).unlink()
        forget(world.agent, problems, [blob])
        world.take_in(bundle(condition("two")))
        with world.agent.index.writing():
            world.agent.index.drop(KeptThrough, b"", problems)
        found = charting.open_chart(world.agent, PATIENT, PATIENT, types=["Condition"])
        assert found.unread == [(SectionKind.PROBLEMS, 0, "agent/blob-missing")]
        assert [v.identity[1] for v in found.shown] == ["Condition/two"]


def test_an_index_that_says_something_else_than_the_entry_is_refused(tmp_path: Path) -> None:
    with patient(tmp_path) as world:
        world.take_in(bundle(PERSON, condition("one")))
        section = own_section(world.agent, world.agent.wallet(PATIENT), SectionKind.PROBLEMS).identity
        (blob,) = world.agent.index.ids(Kept, section)
        kept = world.agent.index.find(Kept, section, blob)
        assert kept is not None
        world.agent.index.put(section, blob, msgspec.structs.replace(kept, versions=kept.versions[32:]))
        with pytest.raises(AgentRefused, match="agent/index-damaged"):
            shown(world.agent)
        other = msgspec.structs.replace(kept, identities=("Condition/two", *kept.identities[1:]))
        world.agent.index.put(section, blob, other)
        chart = charting.open_chart(world.agent, PATIENT, PATIENT)
        with pytest.raises(AgentRefused, match="agent/index-damaged"):
            charting.chart_bundle(chart)


@pytest.mark.parametrize("types", [(), ("Condition",)], ids=["whole", "a type"])
def test_a_chart_takes_as_many_statements_however_long_it_is(tmp_path: Path, types: tuple[str, ...]) -> None:
    """A warm chart: statements hang on the sections that exist, not on entries, resources or grants."""
    with patient(tmp_path) as world:
        counts = []
        for step in range(3):
            for number in range(4 * step + 1):  # each its own entry
                world.take_in(bundle(PERSON, condition(f"c{step}-{number}"), observation(f"o{step}-{number}")))
            charting.open_chart(world.agent, PATIENT, PATIENT, types=types)
            with statements(world.agent.index) as index, statements(world.agent.store) as store:
                assert charting.open_chart(world.agent, PATIENT, PATIENT, types=types).shown
            counts.append((len(index), len(store)))
        assert counts[0] == counts[1] == counts[2]


def test_the_grants_of_one_reader_are_found_without_the_others(tmp_path: Path) -> None:
    with thread(tmp_path / "home") as world:
        world.grant()
        world.grant(to=OTHER)
        wallet = world.agent.wallet(PATIENT)
        doctor = person_id(people.own_card(world.agent, DOCTOR).card.key)
        expected = [made.grant for _, made in given_grants(world.agent, wallet) if made.grantee == doctor]
        assert [made.grant for _, made in grants_given_to(world.agent, wallet, doctor)] == expected
        with statements(world.agent.store) as before:
            assert len(access(world.agent, PATIENT, DOCTOR)) == 1
        for _ in range(3):
            world.grant(to=OTHER)
        with statements(world.agent.store) as after:
            assert len(access(world.agent, PATIENT, DOCTOR)) == 1
        assert len(before) == len(after)


def test_grants_from_before_they_were_filed_are_found(tmp_path: Path) -> None:
    with thread(tmp_path / "home") as world:
        world.grant()
        wallet = world.agent.wallet(PATIENT)
        world.agent.store._db.execute("delete from abouts")
        doctor = person_id(people.own_card(world.agent, DOCTOR).card.key)
        assert len(grants_given_to(world.agent, wallet, doctor)) == 1
        world.grant()
        assert len(grants_given_to(world.agent, wallet, doctor)) == 2
        assert grants_given_to(world.agent, wallet, wallet.person) == []
        (first, *_) = world.agent.store.all(GivenGrant, wallet.person)
        with world.agent.store.writing():
            world.agent.store.drop(GivenGrant, wallet.person, first[0])
        assert len(grants_given_to(world.agent, wallet, doctor)) == 1


def test_another_persons_record_shows_nothing_in_the_index(tmp_path: Path) -> None:
    with patient(tmp_path) as world:
        world.person("Zoe", Role.PATIENT)
        world.take_in(bundle(PERSON, condition("one")))
        assert shown(world.agent, "Condition")
        assert charting.open_chart(world.agent, "Zoe", "Zoe", types=["Condition"]).shown == []
