"""An organisation holds the grant, its staff opens by duty, delegates act elsewhere: each act has a person, each has an end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from salus.agent.asking import Asking
from salus.agent.sealed_reading import Granted, Reading, read_snapshot, run
from salus.agent.services import charting, delegating, granting, inbox, licensing, people, receipting, revoking, staffing, writing
from salus.agent.services.granting import Lasting
from salus.agent.services.received import received_grants
from salus.agent.services.staffing import StaffLink
from salus.charts.sections import SectionKind
from salus.errors import SalusError
from salus.exchange.cards import Duty, Role
from salus.ledger.modules.licences.messages import LicenceStatus
from salus.warrants.link import Purpose, Right
from world import DOCTOR, HOUR, OTHER, PATIENT, World, beside, bundle, introduce, license_abroad, thread

NURSE, DESK, PRACTICE = "Kim", "Lee", "Practice"
SECTIONS = (SectionKind.VITALS, SectionKind.COVERAGE)
REPORT = {"resourceType": "DocumentReference", "id": "report", "status": "current", "content": [{"attachment": {"title": "x"}}]}


@pytest.fixture
def practice(tmp_path: Path) -> Iterator[World]:
    """The practice has a nurse and a receptionist, and a standing grant of a patient to the practice itself."""
    with thread(tmp_path / "home") as made:
        made.person(NURSE, Role.NURSE)
        made.person(DESK)
        staffing.add_staff(made.agent, NURSE, (Duty.NURSE,))
        staffing.add_staff(made.agent, DESK, (Duty.RECEPTION,))
        made.grant(PRACTICE, sections=SECTIONS, lasting=Lasting(True, True))
        yield made


def code(act: Any) -> str:
    with pytest.raises(SalusError) as refused:
        act()
    return refused.value.full_code


def sections(world: World, reader: str) -> set[SectionKind]:
    chart = charting.open_chart(world.agent, reader, PATIENT)
    assert not chart.unread
    return {version.section for version in chart.shown}


def test_when_the_grant_has_ended_staff_is_told_so(practice: World) -> None:
    practice.clock.now += 73 * HOUR
    assert code(lambda: sections(practice, NURSE)) == "warrants/expired"


def test_staff_opens_what_its_duty_needs_and_stands_in_the_receipt(practice: World) -> None:
    assert sections(practice, NURSE) == {SectionKind.VITALS}
    assert sections(practice, DESK) == {SectionKind.COVERAGE}
    assert code(lambda: sections(practice, OTHER)) == "agent/no-grant"
    rows = [row for row in receipting.receipts(practice.agent, PATIENT) if row.on_behalf_of]
    assert {(row.reader_name, row.on_behalf_of) for row in rows} == {(NURSE, PRACTICE), (DESK, PRACTICE)}
    assert all(row.verified and not row.trouble for row in rows)
    assert {row.reader for row in rows} == {practice.agent.wallet(name).person.hex() for name in (NURSE, DESK)}
    assert [info.name for info in charting.patients(practice.agent, NURSE)] == [PATIENT]


def test_a_dismissed_employee_opens_nothing_more_not_even_with_what_was_taken_along(practice: World) -> None:
    sections(practice, NURSE)
    agent, wallet = practice.agent, practice.agent.wallet(NURSE)
    member = agent.wallet(PRACTICE)
    taken = [link for _, link in agent.store.all(StaffLink, member.person) if link.person == wallet.person]
    assert taken
    done = staffing.dismiss(agent, NURSE)
    assert done.ended == len(taken)
    assert code(lambda: sections(practice, NURSE)) == "agent/no-grant"
    for link in taken:
        asking = Asking(wallet, wallet.identity.classic, link.warrant)
        granted = Granted(SectionKind.VITALS, asking, ())
        assert (
            code(lambda granted=granted: run(agent, [read_snapshot(agent, granted, [(0, bytes(32))], Reading())]))
            == "warrants/revoked"
        )
    assert sections(practice, DESK) == {SectionKind.COVERAGE}
    assert [info.dismissed > 0 for info in staffing.list_staff(agent) if info.name == NURSE] == [True]
    assert code(lambda: staffing.dismiss(agent, NURSE)) == "agent/not-staff"


def test_a_warrant_to_staff_lasts_a_shift_and_asks_for_the_licence(practice: World) -> None:
    sections(practice, NURSE)
    licensing.set_licence(practice.agent, NURSE, LicenceStatus.SUSPENDED)
    assert code(lambda: sections(practice, NURSE)) == "warrants/licence-not-active"
    licensing.set_licence(practice.agent, NURSE, LicenceStatus.ACTIVE)
    member = practice.agent.wallet(PRACTICE)
    ends = [link.warrant.links[-1].link.not_after for _, link in practice.agent.store.all(StaffLink, member.person)]
    assert max(ends) <= practice.clock.now + staffing.SHIFT
    practice.clock.now += 13 * HOUR
    practice.node.engine.newest_header(fresh=True)
    assert SectionKind.VITALS in sections(practice, NURSE)


def test_staff_writes_for_the_organisation(practice: World) -> None:
    staffing.add_staff(practice.agent, DOCTOR, (Duty.PHYSICIAN,))
    practice.grant(PRACTICE, sections=(SectionKind.DOCUMENTS,), rights=(Right.APPEND,))
    written = writing.write_note(practice.agent, DOCTOR, PATIENT, b"Seen.", amends=None, entered_in_error=None)
    own = charting.open_chart(practice.agent, PATIENT, PATIENT, sections=(SectionKind.DOCUMENTS,))
    (version,) = own.shown
    assert version.header.entry.hex() == written.entry
    assert own.names[version.header.author] == DOCTOR
    assert version.trouble == ""
    assert version.header.on_behalf_of == version.header.retainer


def test_only_people_of_the_home_with_a_duty_are_staff(practice: World) -> None:
    assert code(lambda: staffing.add_staff(practice.agent, PRACTICE, (Duty.NURSE,))) == "agent/not-staff"
    assert code(lambda: staffing.add_staff(practice.agent, NURSE, ())) == "agent/not-staff"
    assert code(lambda: staffing.dismiss(practice.agent, OTHER)) == "agent/not-staff"


def test_a_locum_reads_a_snapshot_in_another_home_and_the_patient_sees_the_name(practice: World, tmp_path: Path) -> None:
    with beside(practice, tmp_path / "locum") as locum:
        people.add_person(locum.agent, "Dr. Locum", Role.PHYSICIAN, cold_dir=tmp_path / "locum" / "cold")
        license_abroad(practice, locum, "Dr. Locum", Role.PHYSICIAN)
        introduce(practice, PATIENT, locum)
        held = received_grants(practice.agent, practice.agent.wallet(PRACTICE))[0][0].grant.hex()
        made = delegating.delegate(practice.agent, PRACTICE, held, "Dr. Locum", practice.clock.now + 8 * HOUR)
        assert [item.kind for item in inbox.collect(locum.agent, "Dr. Locum")] == ["delegation"]
        assert sections(locum, "Dr. Locum") == {SectionKind.VITALS, SectionKind.COVERAGE}
        rows = [row for row in receipting.receipts(practice.agent, PATIENT) if row.reader_name == "Dr. Locum"]
        assert {row.on_behalf_of for row in rows} == {PRACTICE}
        assert [info.grant for info in granting.access(practice.agent, PRACTICE)] == [made.grant]
        revoking.revoke(practice.agent, PRACTICE, grant=made.grant)
        assert code(lambda: sections(locum, "Dr. Locum")) == "warrants/revoked"
        assert sections(practice, NURSE)


def test_the_end_of_the_patients_grant_ends_what_was_passed_on(practice: World, tmp_path: Path) -> None:
    with beside(practice, tmp_path / "locum") as locum:
        people.add_person(locum.agent, "Dr. Locum", Role.PHYSICIAN, cold_dir=tmp_path / "locum" / "cold")
        license_abroad(practice, locum, "Dr. Locum", Role.PHYSICIAN)
        held = received_grants(practice.agent, practice.agent.wallet(PRACTICE))[0][0].grant.hex()
        delegating.delegate(practice.agent, PRACTICE, held[:8], "Dr. Locum", practice.clock.now + 8 * HOUR)
        inbox.collect(locum.agent, "Dr. Locum")
        revoking.revoke(practice.agent, PATIENT, reader=PRACTICE)
        assert code(lambda: sections(locum, "Dr. Locum")) == "warrants/revoked"
        assert code(lambda: sections(practice, NURSE)) == "warrants/revoked"


def test_what_one_wrote_is_passed_on_only_as_far_as_the_grant_names_it(practice: World) -> None:
    """Writing lets its author read it back; it is no right to show it to others, and takes nothing from what is."""
    practice.take_in(bundle(REPORT), source="Clinic")
    documents = (SectionKind.DOCUMENTS,)
    both = practice.grant(DOCTOR, sections=documents, rights=(Right.READ, Right.APPEND))
    until = practice.clock.now + HOUR
    written = writing.write_note(practice.agent, DOCTOR, PATIENT, b"Seen.", amends=None, entered_in_error=None)
    delegating.delegate(practice.agent, DOCTOR, both.grant, OTHER, until)
    inbox.collect(practice.agent, OTHER)
    shown = {version.header.entry.hex() for version in charting.open_chart(practice.agent, OTHER, PATIENT).shown}
    assert shown
    assert written.entry not in shown
    alone = practice.grant(OTHER, sections=documents, rights=(Right.APPEND,))
    writing.write_note(practice.agent, OTHER, PATIENT, b"Mine.", amends=None, entered_in_error=None)
    assert code(lambda: delegating.delegate(practice.agent, OTHER, alone.grant, DOCTOR, until)) == "agent/nothing-to-grant"


def test_what_is_passed_on_has_an_end_and_a_grant(practice: World) -> None:
    until = practice.clock.now + HOUR
    assert code(lambda: delegating.delegate(practice.agent, PRACTICE, "ff" * 32, DOCTOR, until)) == "agent/no-such-grant"
    assert code(lambda: delegating.delegate(practice.agent, PRACTICE, "", DOCTOR, until)) == "agent/no-such-grant"
    held = received_grants(practice.agent, practice.agent.wallet(PRACTICE))[0][0].grant.hex()
    assert code(lambda: delegating.delegate(practice.agent, PRACTICE, held, DOCTOR, practice.clock.now - 1)) == "agent/bad-end"


def test_a_letter_that_passes_on_what_its_sender_does_not_hold_is_not_taken(practice: World, tmp_path: Path) -> None:
    with beside(practice, tmp_path / "thief") as thief:
        people.add_person(thief.agent, "Thief", Role.PATIENT, cold_dir=tmp_path / "thief" / "cold")
        introduce(practice, DOCTOR, thief)
        given = practice.grant(purposes=(Purpose.TREAT,))
        stolen = next(
            g for g, _ in received_grants(practice.agent, practice.agent.wallet(DOCTOR)) if g.grant.hex() == given.grant
        )
        delegation = delegating.Delegated(delegating.encode(stolen), people.own_card(practice.agent, PATIENT))
        with thief.agent.store.writing():
            delegating.keep_letter(
                thief.agent,
                thief.agent.wallet("Thief"),
                people.own_card(practice.agent, DOCTOR),
                delegating.LetterKind.DELEGATION,
                delegating.encode(delegation),
            )
        delegating.send_letters(thief.agent)
        assert [item.trouble for item in inbox.collect(practice.agent, DOCTOR)] == ["warrants/wrong-sender"]
