"""Standing access: it goes on, it ends by itself on the day, it is taken back; and keys, not only vaults, see to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from salus.agent.home import Agent
from salus.agent.own_sections import own_section
from salus.agent.services import charting, granting, inbox, receipting, revoking, writing
from salus.agent.services.granting import Lasting
from salus.agent.services.resuming import resume
from salus.agent.services.rotating import full_hour, rotate
from salus.agent.services.sealing import Job
from salus.agent.store import Store
from salus.charts.sections import SectionKind
from salus.errors import AgentRefused, SalusError, WarrantRefused
from salus.ids import Millis
from salus.node.operating.looking import packages
from salus.warrants.link import Right
from world import DOCTOR, HOUR, OTHER, PATIENT, World, bundle, thread

ALWAYS, FROM_NOW_ON = Lasting(True, True), Lasting(True, False)


@pytest.fixture
def near(tmp_path: Path) -> Iterator[World]:
    with thread(tmp_path / "home") as made:
        yield made


def observation(number: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": number,
        "status": "final",
        "category": [
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}
        ],
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4", "display": "Heart rate"}]},
        "subject": {"reference": "Patient/p"},
    }


def later(world: World, number: str) -> None:
    """One more reading comes in from a clinic."""
    world.take_in(bundle(observation(number)), source="Clinic")


def ids(agent: Agent, reader: str = DOCTOR) -> set[str]:
    chart = charting.open_chart(agent, reader, PATIENT, sections=(SectionKind.VITALS,))
    assert not chart.unread
    return {version.identity[1].partition("/")[2] for version in chart.shown if version.identity[1].startswith("Observation/")}


def code(act: Any) -> str:
    with pytest.raises(SalusError) as refused:
        act()
    return refused.value.full_code


def standing(world: World, lasting: Lasting = ALWAYS, to: str = DOCTOR, **options: Any) -> granting.GrantInfo:
    return world.grant(to, lasting=lasting, sections=(SectionKind.VITALS,), **options)


def test_a_standing_reader_reads_on_and_back(world: World) -> None:
    made = standing(world)
    assert (made.standing, made.history, made.status) == (True, True, "active")
    before = ids(world.agent)
    assert len(before) > 10
    later(world, "new-1")
    assert ids(world.agent) == before | {"new-1"}
    rotate(world.agent, PATIENT, SectionKind.VITALS)
    later(world, "new-2")
    assert ids(world.agent) == before | {"new-1", "new-2"}
    assert ids(world.agent, PATIENT) == before | {"new-1", "new-2"}


def test_from_now_on_shows_nothing_of_before(world: World) -> None:
    standing(world, FROM_NOW_ON)
    assert ids(world.agent) == set()
    later(world, "new-1")
    assert ids(world.agent) == {"new-1"}
    rotate(world.agent, PATIENT, SectionKind.VITALS)
    later(world, "new-2")
    assert ids(world.agent) == {"new-1", "new-2"}


def test_it_ends_by_itself_on_the_day_while_everything_of_the_patient_is_off(near: World) -> None:
    """The schedule names the end; nobody has to be awake."""
    near.may_write(OTHER)
    standing(near, hours=30)
    own = own_section(near.agent, near.agent.wallet(PATIENT), SectionKind.VITALS)
    (end,) = [epoch.activation for epoch in own.schedule if epoch.activation > near.clock.now]
    assert end == full_hour(near.clock.now + 30 * HOUR) or end == full_hour(near.clock.now + 30 * HOUR - 1000)
    near.clock.now += 31 * HOUR
    assert code(lambda: ids(near.agent)) == "warrants/expired"
    assert granting.access(near.agent, PATIENT, DOCTOR)[0].status == "expired"
    later(near, "after")
    assert "after" in ids(near.agent, PATIENT)


def test_taking_back_says_both_facts_and_rotates_in_the_same_block(world: World) -> None:
    made = standing(world)
    before = own_section(world.agent, world.agent.wallet(PATIENT), SectionKind.VITALS).epoch.number
    done = revoking.revoke(world.agent, PATIENT, grant=made.grant)
    assert done.refused_since_height == done.sealed_anew_since_height > 0
    assert own_section(world.agent, world.agent.wallet(PATIENT), SectionKind.VITALS).epoch.number == before + 1
    assert code(lambda: ids(world.agent)) == "warrants/revoked"
    assert granting.access(world.agent, PATIENT)[0].status == "revoked"


def test_taking_back_needs_no_key_package_that_other_vaults_keep(near: World) -> None:
    """MEM-26."""
    made = standing(near)
    for package in set(packages(near.node.engine.state)):
        near.node.blobs.remove(package)
    assert revoking.revoke(near.agent, PATIENT, grant=made.grant).sealed_anew_since_height > 0


def test_a_snapshot_that_is_taken_back_rotates_nothing(near: World) -> None:
    made = near.grant()
    done = revoking.revoke(near.agent, PATIENT, grant=made.grant)
    assert (done.sealed_anew_since_height, done.sealed_anew_since_time) == (0, 0)
    assert own_section(near.agent, near.agent.wallet(PATIENT), SectionKind.VITALS).epoch.number == 0


@pytest.mark.parametrize(
    ("after", "off"), [(5 * HOUR, 0), (60_000, -90_000), (-60_000, 90_000)], ids=["right", "behind", "ahead"]
)
def test_on_a_ledger_that_rests_one_can_take_back_when_the_hour_strikes(near: World, after: int, off: int) -> None:
    """Nobody has made a block since a planned end: neither a clock that is right nor one that is wrong is kept from it."""
    standing(near, hours=3)
    other = standing(near, to=OTHER, hours=300)
    own = own_section(near.agent, near.agent.wallet(PATIENT), SectionKind.VITALS)
    end = min(epoch.activation for epoch in own.schedule if epoch.activation > near.clock.now)
    near.clock.now = end + after
    near.agent.clock = lambda: Millis(near.clock() + off)
    revoking.revoke(near.agent, PATIENT, grant=other.grant)
    later(near, "after")
    assert code(lambda: ids(near.agent, OTHER)) == "warrants/revoked"


def test_who_stays_reads_on_when_another_leaves(near: World) -> None:
    first, _ = standing(near), standing(near, to=OTHER)
    revoking.revoke(near.agent, PATIENT, grant=first.grant)
    later(near, "new")
    assert "new" in ids(near.agent, OTHER)
    assert code(lambda: ids(near.agent)) == "warrants/revoked"


def test_a_section_that_is_empty_can_be_granted_for_what_will_come(near: World) -> None:
    near.grant(sections=(SectionKind.SENSITIVE,), lasting=ALWAYS)
    chart = charting.open_chart(near.agent, DOCTOR, PATIENT)
    assert (chart.shown, chart.unread, chart.more) == ([], [], 0)


def test_an_author_seals_again_when_the_epoch_closes_under_the_note(world: World) -> None:
    world.may_write()
    first = writing.write_note(world.agent, DOCTOR, PATIENT, b"One.", amends=None, entered_in_error=None)
    rotate(world.agent, PATIENT, SectionKind.DOCUMENTS)
    second = writing.write_note(world.agent, DOCTOR, PATIENT, b"Two.", amends=None, entered_in_error=None)
    chart = charting.open_chart(world.agent, PATIENT, PATIENT, sections=(SectionKind.DOCUMENTS,))
    assert [version.header.entry.hex() for version in chart.shown] == [first.entry, second.entry]
    assert not any(version.trouble for version in chart.shown)


def test_a_standing_right_and_the_right_to_append_go_together(near: World) -> None:
    near.grant(sections=(SectionKind.DOCUMENTS,), rights=(Right.READ, Right.APPEND), lasting=ALWAYS)
    near.grant(OTHER, sections=(SectionKind.DOCUMENTS,), rights=(Right.APPEND,))
    writing.write_note(near.agent, OTHER, PATIENT, b"From the other.", amends=None, entered_in_error=None)
    writing.write_note(near.agent, DOCTOR, PATIENT, b"Mine.", amends=None, entered_in_error=None)
    notes = charting.open_chart(near.agent, DOCTOR, PATIENT, sections=(SectionKind.DOCUMENTS,)).shown
    assert len(notes) == 2
    assert len(charting.open_chart(near.agent, OTHER, PATIENT).shown) == 1


def test_a_sponsor_whose_quota_is_spent_keeps_nobody_from_taking_back(near: World) -> None:
    """The reserve is for that; what is left of ordinary work waits, and holds up no right."""
    standing(near)
    near.grant(sections=(SectionKind.VITALS,))
    standing(near, to=OTHER)
    machine = near.node.engine.app.machine
    rules = machine.genesis
    machine.genesis = replace(rules, parameters=replace(rules.parameters, quota=0))
    for reader in (DOCTOR, OTHER):
        resume(near.agent)
        revoking.revoke(near.agent, PATIENT, reader=reader)
        assert code(partial(ids, near.agent, reader)) == "warrants/revoked"
    machine.genesis = rules
    resume(near.agent)
    assert {info.status for info in granting.access(near.agent, PATIENT)} == {"revoked"}
    assert near.agent.store.all(Job, b"") == []


def test_what_is_not_there_cannot_be_rotated(near: World) -> None:
    assert code(lambda: rotate(near.agent, PATIENT, SectionKind.SENSITIVE)) == "ledger/no-such-section"


def test_two_rights_to_append_to_one_section_do_not_get_in_each_others_way(near: World) -> None:
    """What was written by the first grant is none of the second one's to ask for."""
    near.may_write()
    writing.write_note(near.agent, DOCTOR, PATIENT, b"First.", amends=None, entered_in_error=None)
    near.may_write()
    writing.write_note(near.agent, DOCTOR, PATIENT, b"Second.", amends=None, entered_in_error=None)
    chart = charting.open_chart(near.agent, DOCTOR, PATIENT)
    assert (len(chart.shown), chart.unread) == (2, [])


def test_each_reading_by_a_standing_right_leaves_its_receipt(near: World) -> None:
    standing(near)
    ids(near.agent)
    rows = [row for row in receipting.receipts(near.agent, PATIENT) if row.reader_name == DOCTOR]
    assert rows
    assert all(row.verified and not row.trouble for row in rows)


def test_the_grant_says_in_json_that_it_stands(near: World) -> None:
    standing(near)
    assert [item.kind for item in inbox.collect(near.agent, DOCTOR)] == []
    assert json.dumps([info.standing for info in granting.access(near.agent, PATIENT)]) == "[true]"


def test_what_the_vault_refuses_just_now_does_not_narrow_a_grant_unsaid(near: World, tmp_path: Path) -> None:
    """A command that slept for hours asks by a warrant that has ended: it must not give less than was said."""

    def refuse(_: object) -> object:
        raise WarrantRefused("expired", "the warrant has expired")

    real, near.agent.index = near.node.vault.serve, Store(tmp_path / "index.db", bytes(32))  # nothing is known by heart
    near.node.vault.serve = refuse
    assert code(near.grant) == "warrants/expired"
    assert granting.access(near.agent, PATIENT) == ()
    near.node.vault.serve = real
    assert near.grant().entries > 0
    near.agent.index.close()


@pytest.mark.parametrize("end", ["passed", "revoked"])
def test_a_note_that_never_arrived_keeps_its_author_from_nothing_once_its_grant_has_ended(
    near: World, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """ENT-32."""
    made = near.grant(hours=1, sections=(SectionKind.DOCUMENTS,), rights=(Right.READ, Right.APPEND), lasting=ALWAYS)

    def cut(_: object) -> None:
        raise AgentRefused("node-unreachable", "cut")

    with monkeypatch.context() as patched:
        patched.setattr(near.agent.network, "submit", cut)
        with pytest.raises(AgentRefused):
            writing.write_note(near.agent, DOCTOR, PATIENT, b"Never arrived.", amends=None, entered_in_error=None)
    doctor = near.agent.wallet(DOCTOR).person
    assert len(near.agent.store.all(writing.NoteJob, doctor)) == 1
    if end == "passed":
        near.clock.now += 2 * HOUR
        near.node.engine.newest_header(fresh=True)
    else:
        revoking.revoke(near.agent, PATIENT, grant=made.grant)
    resume(near.agent)
    assert near.agent.store.all(writing.NoteJob, doctor) == []


def test_who_was_let_in_from_now_on_and_then_with_the_history_reads_the_history(near: World) -> None:
    """The keys that are known from the first grant do not lead back; those of the second one do."""
    rights: dict[str, Any] = {"sections": (SectionKind.VITALS,), "rights": (Right.READ,)}
    near.grant(lasting=FROM_NOW_ON, **rights)
    near.take_in(bundle(observation("later")))
    charting.open_chart(near.agent, DOCTOR, PATIENT)
    near.grant(lasting=ALWAYS, **rights)
    chart = charting.open_chart(near.agent, DOCTOR, PATIENT)
    assert chart.unread == []
    assert {version.number for version in chart.shown} >= {0, 1}
