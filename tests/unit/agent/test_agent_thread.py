"""The thread, end to end at the agent: imported, granted, read, written, seen, taken back."""

from __future__ import annotations

import json

import pytest

from salus.agent.asking import entries_of
from salus.agent.own_sections import own_section
from salus.agent.services import charting, granting, inbox, licensing, proving, receipting, revoking, writing
from salus.agent.services.granting import Lasting
from salus.charts.sections import SectionKind
from salus.errors import SalusError
from salus.fhir.coverage import CoverageInfo
from salus.ledger.modules.licences.messages import LicenceStatus
from salus.warrants.link import Right
from world import CLEMENTE, DOCTOR, OTHER, PATIENT, World


def test_the_owner_gets_back_what_was_imported_byte_for_byte(world: World) -> None:
    expected = {json.dumps(entry["resource"]) for entry in json.loads(CLEMENTE)["entry"]}
    found = json.loads(charting.chart_bundle(charting.open_chart(world.agent, PATIENT, PATIENT)))["entry"]
    assert {json.dumps(entry["resource"]) for entry in found} == expected
    assert len(found) == len(expected)


def test_nobody_reads_without_a_grant(world: World) -> None:
    with pytest.raises(SalusError) as refused:
        charting.open_chart(world.agent, DOCTOR, PATIENT)
    assert refused.value.full_code == "agent/no-grant"


def test_a_reader_sees_what_was_granted_and_nothing_else(world: World) -> None:
    world.grant()
    chart = charting.open_chart(world.agent, DOCTOR, PATIENT)
    kinds = {version.section for version in chart.shown}
    assert SectionKind.RESULTS in kinds
    assert not kinds & {SectionKind.COVERAGE, SectionKind.DOCUMENTS, SectionKind.SENSITIVE}
    assert not [v for v in chart.shown if v.trouble]
    with pytest.raises(SalusError) as refused:
        charting.open_chart(world.agent, OTHER, PATIENT)
    assert refused.value.full_code == "agent/no-grant"


def test_a_chart_says_what_was_not_shared_where_it_would_have_stood(world: World) -> None:
    """FHIR-9: so that nobody takes for healthy whoever shares little."""

    def part(reader: str, title: str, **asked: tuple[str, ...]) -> list[str]:
        text = charting.chart_text(charting.open_chart(world.agent, reader, PATIENT, types=asked.get("types", ())))
        lines = text.partition(f"\n{title}\n")[2].partition("\n\n")[0].splitlines()
        return [line.strip() for line in lines]

    made = world.grant(sections=(SectionKind.VITALS,), lasting=Lasting(True, True))
    assert part(DOCTOR, "ALLERGIES AND INTOLERANCES") == ["NOT SHARED: problems"]
    assert part(DOCTOR, "VITAL SIGNS AND OBSERVATIONS")[-1] == "NOT SHARED BEYOND THIS: results"
    assert part(PATIENT, "ALLERGIES AND INTOLERANCES") == ["none recorded here"]
    world.grant(sections=(SectionKind.PROBLEMS,), lasting=Lasting(True, True))
    assert part(DOCTOR, "ALLERGIES AND INTOLERANCES") == ["none recorded here"]
    assert part(DOCTOR, "PROBLEMS", types=("Observation",)) == []
    revoking.revoke(world.agent, PATIENT, grant=made.grant)
    assert part(DOCTOR, "VITAL SIGNS AND OBSERVATIONS") == ["NOT SHARED: vitals, results"]
    world.grant(sections=(SectionKind.SUMMARY,), lasting=Lasting(True, False))
    assert part(DOCTOR, "IMMUNISATIONS") == ["NOT SHARED: summary"]  # what was there before the grant is none of the reader's


def test_every_reading_leaves_a_receipt_that_names_its_reader(world: World) -> None:
    world.grant()
    assert not [row for row in receipting.receipts(world.agent, PATIENT) if row.reader_name == DOCTOR]
    charting.open_chart(world.agent, DOCTOR, PATIENT, sections=(SectionKind.VITALS,))
    rows = [row for row in receipting.receipts(world.agent, PATIENT) if row.reader_name == DOCTOR]
    assert [(row.section, row.purpose, row.verified, row.trouble) for row in rows] == [("vitals", "TREAT", True, "")]


def test_after_revocation_the_vault_refuses_and_a_new_grant_works(world: World) -> None:
    made = world.grant()
    charting.open_chart(world.agent, DOCTOR, PATIENT)
    done = revoking.revoke(world.agent, PATIENT, grant=made.grant)
    assert done.refused_since_height > 0
    with pytest.raises(SalusError) as refused:
        charting.open_chart(world.agent, DOCTOR, PATIENT)
    assert refused.value.full_code == "warrants/revoked"
    assert [info.status for info in granting.access(world.agent, PATIENT)] == ["revoked"]
    assert [item.kind for item in inbox.collect(world.agent, DOCTOR)] == ["revocation"]
    world.grant()
    assert charting.open_chart(world.agent, DOCTOR, PATIENT).shown


def test_a_grant_ends_by_itself(world: World) -> None:
    world.grant(hours=1)
    assert [info.name for info in charting.patients(world.agent, DOCTOR)] == [PATIENT]
    world.clock.now += 2 * 3_600_000
    world.node.engine.newest_header(fresh=True)
    with pytest.raises(SalusError) as refused:
        charting.open_chart(world.agent, DOCTOR, PATIENT)
    assert refused.value.full_code == "warrants/expired"
    assert charting.patients(world.agent, DOCTOR) == ()
    assert [info.status for info in granting.access(world.agent, PATIENT)] == ["expired"]


def test_a_suspended_physician_is_refused_until_reinstated(world: World) -> None:
    world.grant()
    licensing.set_licence(world.agent, DOCTOR, LicenceStatus.SUSPENDED)
    with pytest.raises(SalusError) as refused:
        charting.open_chart(world.agent, DOCTOR, PATIENT)
    assert refused.value.full_code == "warrants/licence-not-active"
    licensing.set_licence(world.agent, DOCTOR, LicenceStatus.ACTIVE)
    assert charting.open_chart(world.agent, DOCTOR, PATIENT).shown
    assert [status for status, _, _ in licensing.show_licence(world.agent, DOCTOR).intervals] == ["active", "suspended", "active"]


def test_a_note_is_signed_read_amended_and_marked_as_an_error(world: World) -> None:
    world.may_write()
    first = writing.write_note(world.agent, DOCTOR, PATIENT, b"Feels well.", amends=None, entered_in_error=None)
    own = charting.open_chart(world.agent, PATIENT, PATIENT, types=("DocumentReference",))
    assert [v.header.entry.hex() for v in own.shown] == [first.entry]
    assert [v.trouble for v in own.shown] == [""]
    read = charting.open_chart(world.agent, DOCTOR, PATIENT)
    assert [v.header.entry.hex() for v in read.shown] == [first.entry]
    second = writing.write_note(world.agent, DOCTOR, PATIENT, b"Feels tired.", amends=first.entry, entered_in_error=None)
    own = charting.open_chart(world.agent, PATIENT, PATIENT, types=("DocumentReference",))
    assert [v.header.entry.hex() for v in own.shown] == [second.entry]
    identity = second.resources[0]
    writing.write_note(world.agent, DOCTOR, PATIENT, b"Wrong patient.", amends=None, entered_in_error=identity)
    versions = charting.history(world.agent, PATIENT, PATIENT, identity)
    assert [(v.status, v.reason) for v in versions] == [
        ("replaced", ""),
        ("entered-in-error", ""),
        ("entered-in-error", "Wrong patient."),
    ]
    assert [item.kind for item in inbox.collect(world.agent, PATIENT)] == ["entry"] * 3


def test_the_practice_keeps_its_own_copy_of_a_note(world: World) -> None:
    world.may_write()
    written = writing.write_note(world.agent, DOCTOR, PATIENT, b"Feels well.", amends=None, entered_in_error=None)
    kept = charting.open_chart(world.agent, "Practice", "Practice")
    assert [v.header.entry.hex() for v in kept.chart.versions] == [written.retained]
    origin = kept.chart.versions[0].header.origin
    assert origin is not None
    assert origin.entry.hex() == written.entry


def test_nobody_writes_without_the_right_or_a_licence(world: World) -> None:
    world.grant()
    for author, code in ((DOCTOR, "agent/no-append-right"), (PATIENT, "agent/no-licence")):
        with pytest.raises(SalusError) as refused:
            writing.write_note(world.agent, author, PATIENT, b"x", amends=None, entered_in_error=None)
        assert refused.value.full_code == code
    world.may_write()
    with pytest.raises(SalusError) as refused:
        writing.write_note(world.agent, DOCTOR, PATIENT, b"x", amends="ff" * 32, entered_in_error=None)
    assert refused.value.full_code == "agent/not-yours"


def test_a_note_sealed_while_its_author_was_suspended_is_marked_for_ever(world: World) -> None:
    world.may_write()
    writing.write_note(world.agent, DOCTOR, PATIENT, b"Licensed.", amends=None, entered_in_error=None)
    licensing.set_licence(world.agent, DOCTOR, LicenceStatus.SUSPENDED)
    writing.write_note(world.agent, DOCTOR, PATIENT, b"Not licensed now.", amends=None, entered_in_error=None)
    licensing.set_licence(world.agent, DOCTOR, LicenceStatus.ACTIVE)
    writing.write_note(world.agent, DOCTOR, PATIENT, b"Licensed again.", amends=None, entered_in_error=None)
    own = charting.open_chart(world.agent, PATIENT, PATIENT, types=("DocumentReference",))
    assert [v.trouble for v in own.shown] == ["", "warrants/licence-not-active", ""]
    assert "NOT VERIFIED" in charting.chart_text(own)


def test_a_revoked_writer_cannot_write(world: World) -> None:
    made = world.may_write()
    revoking.revoke(world.agent, PATIENT, reader=DOCTOR)
    assert [info.status for info in granting.access(world.agent, PATIENT, DOCTOR)] == ["revoked"]
    with pytest.raises(SalusError) as refused:
        writing.write_note(world.agent, DOCTOR, PATIENT, b"x", amends=None, entered_in_error=None)
    assert refused.value.full_code == "agent/no-append-right"
    with pytest.raises(SalusError) as missing:
        revoking.revoke(world.agent, PATIENT, grant=made.grant[:7])
    assert missing.value.full_code == "agent/no-such-grant"


def test_who_pays_is_at_the_desk_that_may_read_it_and_what_is_said_anew_replaces_it(world: World) -> None:
    """FHIR-11."""
    world.grant(sections=(SectionKind.COVERAGE,), lasting=Lasting(True, True))
    for number in ("A-17", "B-18"):
        world.clock.now += 1_000
        writing.say_coverage(world.agent, PATIENT, CoverageInfo(PATIENT, "Krankenkasse", number))
    inbox.collect(world.agent, DOCTOR)
    shown = charting.chart_text(charting.open_chart(world.agent, DOCTOR, PATIENT))
    assert "Krankenkasse   number B-18   active" in shown
    assert "A-17" not in shown


def test_the_patient_adds_what_only_the_patient_knows(world: World) -> None:
    allergy = {
        "resourceType": "AllergyIntolerance",
        "id": "mine",
        "code": {"text": "Penicillin"},
        "patient": {"reference": "Patient/x"},
    }
    written = writing.add_record(world.agent, PATIENT, json.dumps(allergy).encode())
    assert written.section == "problems"
    assert "Penicillin" in charting.chart_text(charting.open_chart(world.agent, PATIENT, PATIENT))
    with pytest.raises(SalusError) as refused:
        writing.add_record(world.agent, PATIENT, b'{"resourceType":"AllergyIntolerance","id":"bad"}')
    assert refused.value.full_code == "fhir/invalid"


def test_the_owner_verifies_everything_and_an_altered_blob_is_found(world: World) -> None:
    world.grant(rights=(Right.READ,))
    charting.open_chart(world.agent, DOCTOR, PATIENT)
    report = proving.verify_own(world.agent, PATIENT)
    assert report.troubles == ()
    assert report.resources >= len(json.loads(CLEMENTE)["entry"])
    section = own_section(world.agent, world.agent.wallet(PATIENT), SectionKind.VITALS)
    (entry, *_) = entries_of(world.agent, section.identity, [0])
    (blob,) = (world.home / "node" / "vault" / "blobs").rglob(entry.blob.hex())
    data = bytearray(blob.read_bytes())
    data[len(data) // 2] ^= 1
    blob.write_bytes(data)
    report = proving.verify_own(world.agent, PATIENT)
    assert [code for _, code in report.troubles] == ["agent/blob-missing"]
    chart = charting.open_chart(world.agent, PATIENT, PATIENT)
    assert len(chart.unread) == 1
    assert chart.shown
    assert "could not be read" in charting.chart_text(chart)
