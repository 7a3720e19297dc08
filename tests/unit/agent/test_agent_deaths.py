"""Killed at any durable step: an act was not begun, or the next command completes it; nothing is lost, doubled or left open."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from deaths import Moments, Watched, WatchedStore, has_a_key, killed_everywhere, looked, require_settled, small, vital
from members_world import FIRST, SECOND
from salus import bootstrap, home_folder, homes, own_node
from salus.agent.nodes import read_nodes
from salus.agent.own_sections import own_section
from salus.agent.services import (
    charting,
    copying,
    delegating,
    erasing,
    granting,
    inbox,
    pairing,
    people,
    recovering,
    revoking,
    staffing,
    writing,
)
from salus.agent.services.granting import Lasting
from salus.agent.services.moving import chosen_nodes
from salus.agent.services.resuming import resume
from salus.agent.services.staffing import StaffLink
from salus.bootstrap import open_home
from salus.charts.sections import SectionKind
from salus.codec import encode
from salus.errors import SalusError
from salus.exchange.cards import Duty, Role
from salus.homes import init_guest, init_home, move_home, prepare_home
from salus.ledger.modules.revocations.state import revocation_key
from world import DOCTOR, HOUR, OTHER, PATIENT, World, beside, bundle, served

VITALS = (SectionKind.VITALS,)
ALWAYS = Lasting(True, True)
NOWHERE = "http://127.0.0.1:9"


def code(act: Any) -> str:
    with pytest.raises(SalusError) as refused:
        act()
    return refused.value.full_code


def seen(world: World, reader: str = PATIENT, kind: SectionKind = SectionKind.VITALS) -> list[str]:
    """Resources that the reader opens, each as often as it is there."""
    chart = charting.open_chart(world.agent, reader, PATIENT, sections=(kind,))
    assert not chart.unread
    assert chart.incomplete_batches == 0
    assert not [version for version in chart.shown if version.trouble]
    return sorted(v.identity[1] for v in chart.shown if not v.identity[1].startswith("Provenance/"))


def later(world: World) -> None:
    """Something new comes into the section, sealed by the patient."""
    world.take_in(bundle(vital("after")), source="Clinic")


def thorough(found: list[Any]) -> bool:
    """Whether to look at what follows as well: after the first of each outcome, and every fourth death."""
    return found[-1] not in found[:-1] or len(found) % 4 == 0


def status(world: World, grant: str) -> str:
    return next((info.status for info in granting.access(world.agent, PATIENT) if info.grant == grant), "")


BEFORE = ["Observation/v1", "Observation/v2"]
AFTER = ["Observation/after", *BEFORE]


def test_an_import_is_there_whole_or_not_begun(tmp_path: Path) -> None:
    began = []
    for world in killed_everywhere(tmp_path, lambda _: None, lambda world: world.take_in(SEVERAL, source="Clinic")):
        began.append(len(seen(world)) > len(BEFORE))
        again = world.take_in(SEVERAL, source="Clinic")
        assert (again.new, again.unchanged) == ((0, 3) if began[-1] else (3, 0))
        assert seen(world) == AFTER
        assert seen(world, kind=SectionKind.PROBLEMS) == ["Condition/c1", "Condition/c2"]
        assert seen(world, kind=SectionKind.MEDICATIONS) == ["MedicationStatement/m1"]
    assert len(began) > 8
    assert set(began) == {True, False}


SEVERAL = bundle(
    vital("after"),
    {"resourceType": "Condition", "id": "c2", "code": {"text": "Gout"}},
    {"resourceType": "MedicationStatement", "id": "m1", "status": "active", "medicationCodeableConcept": {"text": "Allopurinol"}},
)


def test_a_note_is_there_once_with_its_letter_and_its_copy_or_not_begun(tmp_path: Path) -> None:
    def act(world: World) -> None:
        writing.write_note(world.agent, DOCTOR, PATIENT, b"Feels well.", amends=None, entered_in_error=None)

    began = []
    for world in killed_everywhere(tmp_path, lambda world: world.may_write() and None, act):
        notes = seen(world, kind=SectionKind.DOCUMENTS)
        letters = {item.text for item in inbox.collect(world.agent, PATIENT) if item.kind == "entry"}
        copies = charting.open_chart(world.agent, "Practice", "Practice").chart.versions
        mine = seen(world, DOCTOR, SectionKind.DOCUMENTS)
        assert len(notes) == len(letters) == len(copies) == len(mine) <= 1
        began.append(len(notes))
        act(world)
        assert len(seen(world, kind=SectionKind.DOCUMENTS)) == len(notes) + 1
    assert set(began) == {0, 1}


def test_a_copy_that_waits_is_neither_lost_nor_doubled(tmp_path: Path) -> None:
    """At the first of two members: a note, and half a day later its copy."""
    init_home(tmp_path / "now" / "home", None, FIRST, [prepare_home(tmp_path / "second", None, SECOND)])

    def act(world: World) -> None:
        writing.write_note(world.agent, DOCTOR, PATIENT, b"Feels well.", amends=None, entered_in_error=None)
        world.clock.now += 12 * HOUR
        resume(world.agent)

    began = []
    for world in killed_everywhere(tmp_path, lambda world: world.may_write() and None, act):
        world.clock.now += 12 * HOUR
        resume(world.agent)
        section = own_section(world.agent, world.agent.wallet(FIRST), SectionKind.RECORDS)
        copies = charting.open_chart(world.agent, FIRST, FIRST).chart.versions
        notes = seen(world, kind=SectionKind.DOCUMENTS)
        assert copying.waiting(world.agent, FIRST).copies == 0
        assert len(notes) == len(copies) == (section.count if section.exists else 0) <= 1
        began.append(len(notes))
    assert len(began) > 8
    assert set(began) == {0, 1}


def test_a_standing_grant_is_given_whole_or_not_begun_and_ends_on_its_day(tmp_path: Path) -> None:
    """Also where its giver died: the end that it names was scheduled with it."""
    given = []

    def act(world: World) -> None:
        granting.grant(world.agent, PATIENT, DOCTOR, **terms(world, 30))

    for world in killed_everywhere(tmp_path, lambda _: None, act):
        infos = granting.access(world.agent, PATIENT)
        inbox.collect(world.agent, DOCTOR)
        given.append(len(infos))
        if infos:
            assert seen(world, DOCTOR) == BEFORE
        else:
            assert code(lambda world=world: seen(world, DOCTOR)) == "agent/no-grant"
        if not thorough(given):
            continue
        if not infos:
            infos = (world.grant(**terms(world, 30)),)
        world.clock.now += 31 * HOUR
        world.node.engine.newest_header(fresh=True)
        later(world)
        assert seen(world) == AFTER
        assert code(lambda world=world: seen(world, DOCTOR)) == "warrants/expired"
        assert not has_a_key(world, infos[0].grant)
    assert set(given) == {0, 1}


def terms(world: World, hours: int) -> dict[str, Any]:
    fixed = {"rights": (granting.Right.READ,), "purposes": (granting.Purpose.TREAT,), "lasting": ALWAYS, "sections": VITALS}
    return {**fixed, "until_ms": world.clock.now + hours * HOUR}


def test_a_standing_grant_that_is_taken_back_leaves_its_reader_no_key(tmp_path: Path) -> None:
    """And who stays reads on."""
    grants: list[str] = []

    def prepare(world: World) -> None:
        grants.extend(world.grant(to, lasting=ALWAYS, sections=VITALS).grant for to in (DOCTOR, OTHER))

    found = []
    for world in killed_everywhere(tmp_path, prepare, lambda world: revoking.revoke(world.agent, PATIENT, grant=grants[0])):
        found.append(status(world, grants[0]))
        assert has_a_key(world, grants[0]) == (found[-1] == "active")
        if not thorough(found):
            continue
        revoking.revoke(world.agent, PATIENT, grant=grants[0])
        later(world)
        assert seen(world) == seen(world, OTHER) == AFTER
        assert code(lambda world=world: seen(world, DOCTOR)) == "warrants/revoked"
        assert not has_a_key(world, grants[0])
        letters = [item for item in inbox.collect(world.agent, DOCTOR) if item.kind == "revocation"]
        assert 1 <= len(letters) <= 3  # one may come twice, and one for each time that it was said
    assert set(found) == {"active", "revoked"}
    assert len(found) > 10


def test_a_resource_is_erased_or_still_there_and_who_reads_it_gets_new_halves(tmp_path: Path) -> None:
    grants: list[str] = []

    def prepare(world: World) -> None:
        grants.append(world.grant(sections=VITALS).grant)

    found = []
    for world in killed_everywhere(tmp_path, prepare, lambda world: erasing.erase(world.agent, PATIENT, "Observation/v1")):
        found.append(seen(world))
        inbox.collect(world.agent, DOCTOR)
        assert seen(world, DOCTOR) == found[-1]
        if found[-1] == BEFORE:
            assert erasing.erase(world.agent, PATIENT, "Observation/v1").rewritten == 1
        else:
            assert code(lambda world=world: erasing.erase(world.agent, PATIENT, "Observation/v1")) == "agent/no-such-resource"
        inbox.collect(world.agent, DOCTOR)
        assert seen(world) == seen(world, DOCTOR) == BEFORE[1:]
        assert [info.grant for info in granting.access(world.agent, PATIENT)] == grants
    assert sorted(map(str, {tuple(ids) for ids in found})) == sorted(map(str, (tuple(BEFORE), tuple(BEFORE[1:]))))


def test_an_entry_is_erased_or_still_there(tmp_path: Path) -> None:
    def prepare(world: World) -> None:
        world.may_write()
        written.append(writing.write_note(world.agent, DOCTOR, PATIENT, b"Feels well.", amends=None, entered_in_error=None).entry)

    written: list[str] = []
    found = []
    for world in killed_everywhere(tmp_path, prepare, lambda world: erasing.erase(world.agent, PATIENT, written[0])):
        found.append(len(seen(world, kind=SectionKind.DOCUMENTS)))
        if found[-1]:
            assert erasing.erase(world.agent, PATIENT, written[0]).erased == 1
        assert seen(world, kind=SectionKind.DOCUMENTS) == []
        assert len(charting.open_chart(world.agent, "Practice", "Practice").chart.versions) == 1
    assert set(found) == {0, 1}


def test_a_recovery_is_whole_or_not_begun_and_just_one_cold_file_recovers_again(tmp_path: Path) -> None:
    grants: list[str] = []
    persons: list[str] = []

    def prepare(world: World) -> None:
        grants.append(world.grant(lasting=ALWAYS, sections=VITALS).grant)
        persons.append(world.agent.wallet(PATIENT).person.hex())

    def act(world: World) -> None:
        cold = people.read_cold((world.home / "cold" / f"{PATIENT}.cold").read_bytes())
        recovering.recover(world.agent, cold, cold_dir=world.home / "cold")

    found = []
    for world in killed_everywhere(tmp_path, prepare, act):
        found.append(world.agent.wallet(PATIENT).person.hex() != persons[0])
        if found[-1]:
            assert code(lambda world=world: act(world)) == "agent/cold-file-spent"
        else:
            assert seen(world, DOCTOR) == BEFORE
            act(world)
        assert code(lambda world=world: seen(world, DOCTOR)) == "warrants/refused"
        if not thorough(found):
            continue
        later(world)
        assert seen(world) == AFTER
        require_settled(world)
        colds = [people.read_cold(path.read_bytes()) for path in sorted((world.home / "cold").glob(f"{PATIENT}*"))]
        assert sum(1 for cold in colds if takes_over(world, cold)) == 1
    assert set(found) == {True, False}
    assert len(found) > 20


def takes_over(world: World, cold: Any) -> bool:
    """Whether the sections have committed to this cold seed."""
    with suppress(SalusError):
        return len(recovering._takeable(world.agent, cold)) >= 3
    return False


def test_a_device_is_prepared_or_not_and_one_whose_text_was_lost_is_taken_off_again(tmp_path: Path) -> None:
    found = []
    for world in killed_everywhere(tmp_path, lambda _: None, lambda world: pairing.add_device(world.agent, PATIENT, "phone")):
        labels = [info.label for info in pairing.list_devices(world.agent, PATIENT)]
        found.append(len(labels))
        if labels:
            assert labels == ["first device", "phone"]
            assert code(lambda world=world: pairing.add_device(world.agent, PATIENT, "phone")) == "agent/device-exists"
            if len(labels) in found[:-1]:
                continue
            pairing.remove_device(world.agent, PATIENT, "phone")
        made = pairing.add_device(world.agent, PATIENT, "phone")
        assert [info.label for info in pairing.list_devices(world.agent, PATIENT)] == ["first device", "phone"]
        if len(labels) in found[:-1]:
            continue
        with beside(world, world.home.parent / "phone") as phone:
            pairing.join(phone.agent, made.text, made.code)
            assert seen(phone) == BEFORE
            assert [info.label for info in pairing.list_devices(phone.agent, PATIENT)] == ["first device", "phone"]
    assert set(found) == {0, 2}


def test_a_device_that_was_taken_off_opens_nothing_that_follows(tmp_path: Path) -> None:
    def prepare(world: World) -> None:
        made = pairing.add_device(world.agent, PATIENT, "phone")
        with beside(world, world.home.parent / "phone") as phone:
            pairing.join(phone.agent, made.text, made.code)

    found = []
    for world in killed_everywhere(tmp_path, prepare, lambda world: pairing.remove_device(world.agent, PATIENT, "phone")):
        labels = [info.label for info in pairing.list_devices(world.agent, PATIENT)]
        found.append(len(labels))
        if "phone" in labels:
            pairing.remove_device(world.agent, PATIENT, "phone")
        if not thorough(found):
            continue
        later(world)
        assert seen(world) == AFTER
        with beside(world, world.home.parent / "phone") as phone:
            chart = charting.open_chart(phone.agent, PATIENT, PATIENT, sections=VITALS)
            assert {row[2] for row in chart.unread} == {"agent/no-epoch-key"}
            assert "Observation/after" not in [version.identity[1] for version in chart.shown]
            assert code(lambda phone=phone: granting.access(phone.agent, PATIENT)) == "agent/device-taken-off"
    assert set(found) == {1, 2}


def test_a_dismissal_ends_every_warrant_that_was_taken_along_or_was_not_begun(tmp_path: Path) -> None:
    taken: list[bytes] = []

    def prepare(world: World) -> None:
        world.person("Kim", Role.NURSE)
        staffing.add_staff(world.agent, "Kim", (Duty.NURSE,))
        world.grant("Practice", sections=(SectionKind.VITALS, SectionKind.PROBLEMS), lasting=ALWAYS)
        charting.open_chart(world.agent, "Kim", PATIENT)
        links = world.agent.store.all(StaffLink, world.agent.wallet("Practice").person)
        taken.extend(link.warrant.links[-1].link.revocation for _, link in links)
        assert len(taken) == 2

    found = []
    for world in killed_everywhere(tmp_path, prepare, lambda world: staffing.dismiss(world.agent, "Kim")):
        (info,) = staffing.list_staff(world.agent)
        found.append(bool(info.dismissed))
        if not info.dismissed:
            assert seen(world, "Kim") == BEFORE
            staffing.dismiss(world.agent, "Kim")
        assert code(lambda world=world: seen(world, "Kim")) == "agent/no-grant"
        assert all(world.node.engine.state.get(revocation_key(one)) for one in taken)
        assert seen(world, "Practice") == BEFORE
    assert set(found) == {True, False}


def test_a_grant_is_passed_on_whole_or_not(tmp_path: Path) -> None:
    grants: list[str] = []

    def prepare(world: World) -> None:
        grants.append(world.grant(sections=VITALS, lasting=ALWAYS).grant)

    def act(world: World) -> None:
        delegating.delegate(world.agent, DOCTOR, grants[0], OTHER, world.clock.now + HOUR)

    found = []
    for world in killed_everywhere(tmp_path, prepare, act):
        found.append(len(granting.access(world.agent, DOCTOR)))
        inbox.collect(world.agent, OTHER)
        if found[-1]:
            assert seen(world, OTHER) == BEFORE
        else:
            assert code(lambda world=world: seen(world, OTHER)) == "agent/no-grant"
            act(world)
            inbox.collect(world.agent, OTHER)
        if not thorough(found):
            continue
        assert len(granting.access(world.agent, DOCTOR)) == 1
        assert seen(world, OTHER) == BEFORE
        revoking.revoke(world.agent, PATIENT, grant=grants[0])
        assert code(lambda world=world: seen(world, OTHER)) == "warrants/revoked"
    assert set(found) == {0, 1}


def watch_stores(patch: pytest.MonkeyPatch) -> None:
    for room in (bootstrap, home_folder):
        patch.setattr(room, "Store", WatchedStore)


def test_a_move_to_another_node_is_whole_or_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = Moments(tmp_path / "now", tmp_path / "deaths")
    with ExitStack() as open_until_the_end:
        (tmp_path / "node" / "node").mkdir(parents=True)
        (tmp_path / "node" / "node" / "config.toml").write_text('guests = "open"\n')
        near = open_until_the_end.enter_context(small(tmp_path / "node"))
        first, second = (open_until_the_end.enter_context(served(Watched(near.node, moments.look))) for _ in range(2))
        home = tmp_path / "now" / "home"
        init_guest(home, [first, NOWHERE], encode(near.agent.genesis), None)
        with open_home(home) as agent:
            for name in ("Ana", "Ben"):
                people.add_person(agent, name, Role.PATIENT, cold_dir=tmp_path)
        begun = len(moments.folders)
        with monkeypatch.context() as patch:
            patch.setattr(WatchedStore, "look", staticmethod(moments.look))
            watch_stores(patch)
            patch.setattr(bootstrap, "write_atomically", looked(moments.look, bootstrap.write_atomically))
            move_home(home, second, str)
        found = []
        for left in moments.folders[begun:]:
            with open_home(left / "home") as agent:
                assert people.own_card(agent, "Ana").card.members == (near.node.status().member,)
                assert chosen_nodes(agent.store) == ()
            found.append(read_nodes(left / "home" / "agent" / "nodes.toml").nodes)
            move_home(left / "home", second, str)
            assert read_nodes(left / "home" / "agent" / "nodes.toml").nodes == (second, first, NOWHERE)
        assert set(found) == {(first, NOWHERE), (second, first, NOWHERE)}


def test_a_home_is_made_or_can_be_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = Moments(tmp_path / "now", tmp_path / "deaths")
    with monkeypatch.context() as patch:
        patch.setattr(WatchedStore, "look", staticmethod(moments.look))
        watch_stores(patch)
        for name in ("write_atomically", "write_cold", "write_store_key", "make_folder", "NodeService"):
            room = homes if hasattr(homes, name) else own_node
            patch.setattr(room, name, looked(moments.look, getattr(room, name)))
        init_home(tmp_path / "now", None)
    made = []
    for left in moments.folders:
        made.append((left / "genesis.bin").exists())
        if made[-1]:
            assert code(lambda left=left: init_home(left, None)) == "agent/home-exists"
        else:
            init_home(left, None)
        with open_home(left) as agent:
            assert [info.name for info in people.list_people(agent)] == ["Practice"]
            assert people.own_card(agent, "Practice").card.role is Role.MEMBER
    assert set(made) == {True, False}
    assert len(made) > 8
