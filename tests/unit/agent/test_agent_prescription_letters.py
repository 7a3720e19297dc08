"""Prescriptions by letter: whose they must be, on which devices they are, and between members."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from leaving_world import export, second_home, take_in
from post_world import two_members
from prescribing_world import ALL, DOSE, DRUG, PHARMACIST, RIVAL, Town, town
from salus.agent.home import Agent
from salus.agent.own_prescriptions import OwnPrescription, Unnoted
from salus.agent.own_sections import own_section
from salus.agent.services import (
    charting,
    contacts,
    dispensing,
    examining,
    inbox,
    licensing,
    pairing,
    people,
    prescribed,
    prescribing,
    recovering,
)
from salus.agent.services.people import read_cold
from salus.agent.services.posting import keep_letter, send_letters
from salus.agent.services.prescribing import IssuedPrescription, Terms
from salus.charts.sections import SectionKind
from salus.codec import encode
from salus.crypto.signing import SigningKey
from salus.errors import AgentRefused
from salus.exchange.cards import Role
from salus.exchange.envelopes import LetterKind
from salus.exchange.prescribing import DispensedNotice, PrescriptionLetter, code_from_text, code_to_text
from salus.fhir.authoring import medication_request
from salus.ledger.modules.prescriptions.messages import Rest
from world import DOCTOR, HOUR, PATIENT, World, beside, introduce


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Town]:
    with town(tmp_path) as made:
        yield made


def post(world: World, sender: str, kind: LetterKind, body: bytes, to: str = PATIENT) -> None:
    """A letter as whoever wrote it wanted it."""
    with world.agent.store.writing():
        keep_letter(world.agent, world.agent.wallet(sender), contacts.find_contact(world.agent, to), kind, body)
    send_letters(world.agent)


def troubles(place: Town, name: str = PATIENT) -> list[str]:
    """What was wrong with the letters that came."""
    return [item.trouble for item in inbox.collect(place.home.agent, name)]


def sent(place: Town) -> PrescriptionLetter:
    """A prescription's letter as it came."""
    person = place.home.agent.wallet(PATIENT).person
    own = place.home.agent.store.find(OwnPrescription, person, bytes.fromhex(place.issue()))
    assert own is not None
    return own.letter


def test_a_prescription_that_another_sends_is_not_taken_in(place: Town) -> None:
    """RX-24."""
    introduce(place.home, PATIENT, place.near)
    post(place.near, PHARMACIST, LetterKind.PRESCRIPTION, encode(sent(place)))
    assert troubles(place) == ["warrants/wrong-sender"]


def test_keys_of_another_prescription_are_not_taken_in(place: Town) -> None:
    """RX-24."""
    letter = sent(place)
    for wrong in (
        replace(letter, control=bytes(32)),
        replace(letter, bearers=(bytes(32),)),
        replace(letter, bearers=letter.bearers * 2),
    ):
        post(place.home, DOCTOR, LetterKind.PRESCRIPTION, encode(wrong))
        assert troubles(place) == ["warrants/wrong-sender"]


def test_a_prescription_that_was_never_issued_is_not_taken_in(place: Town) -> None:
    """RX-21."""
    letter = sent(place)
    other = replace(letter.content, prescription=bytes(32))
    post(place.home, DOCTOR, LetterKind.PRESCRIPTION, encode(replace(letter, content=other)))
    assert troubles(place) == ["ledger/no-such-prescription"]


def test_a_letter_that_brings_another_dose_is_not_taken_in(place: Town) -> None:
    """RX-21."""
    letter = sent(place)
    other = replace(letter.content, request=letter.content.request.replace(b"one three", b"ten three"))
    post(place.home, DOCTOR, LetterKind.PRESCRIPTION, encode(replace(letter, content=other)))
    assert troubles(place) == ["agent/prescription-altered"]


def licence_id(place: Town, name: str) -> bytes:
    """The id of a licence."""
    return bytes.fromhex(licensing.show_licence(place.home.agent, name).licence)


def test_what_another_says_was_dispensed_is_not_believed(place: Town) -> None:
    """RX-27."""
    handle = bytes.fromhex(place.taken())
    at = place.dispense(handle.hex()).state.at
    inbox.collect(place.home.agent, PATIENT)
    introduce(place.home, PATIENT, place.far)
    for licence, moment in ((PHARMACIST, at), (RIVAL, at), (RIVAL, at + 1), (RIVAL, 1), (DOCTOR, at - 1)):
        notice = DispensedNotice(handle, 0, licence_id(place, licence), 1000, moment, "", "", "")
        post(place.far, RIVAL, LetterKind.DISPENSED, encode(notice))
        assert troubles(place) == ["warrants/wrong-sender"]
    post(
        place.home,
        DOCTOR,
        LetterKind.DISPENSED,
        encode(DispensedNotice(handle, 0, licence_id(place, DOCTOR), 1, at - 1, "", "", "")),
    )
    assert troubles(place) == ["warrants/wrong-sender"]


def test_more_than_was_dispensed_or_another_prescription_is_not_believed(place: Town) -> None:
    """RX-27."""
    handle = bytes.fromhex(place.taken())
    at = place.dispense(handle.hex(), dispensing.Supply(400)).state.at
    inbox.collect(place.home.agent, PATIENT)
    introduce(place.home, PATIENT, place.near)
    licence = licence_id(place, PHARMACIST)
    for named, fill, share in ((handle, 0, 401), (handle, 1, 1), (bytes(32), 0, 1)):
        post(place.near, PHARMACIST, LetterKind.DISPENSED, encode(DispensedNotice(named, fill, licence, share, at, "", "", "")))
        assert troubles(place) == ["warrants/wrong-sender"]


def test_parts_from_two_pharmacies_are_both_filed_whenever_the_letters_are_read(place: Town) -> None:
    """RX-27."""
    handle = place.taken()
    place.dispense(handle, dispensing.Supply(400, Rest.FREE))
    dispensing.accept(place.far.agent, RIVAL, handle, None)
    dispensing.dispense(place.far.agent, RIVAL, handle, None, ALL)
    assert troubles(place) == ["", ""]
    assert len(charting.open_chart(place.home.agent, PATIENT, PATIENT, types=("MedicationDispense",)).shown) == 2


def test_no_node_and_no_prescriber_keeps_a_key_of_the_patients(place: Town) -> None:
    """RX-24."""
    handle = bytes.fromhex(place.issue())
    doctor = place.home.agent.wallet(DOCTOR)
    kept = place.home.agent.store.find(IssuedPrescription, doctor.person, handle)
    assert kept is not None
    assert place.home.agent.store.all(prescribing.IssueJob, doctor.person) == []


# --- devices, homes, members


def test_another_device_shows_what_came_before_and_after_it(place: Town, tmp_path: Path) -> None:
    """RX-25."""
    before = place.issue()
    with beside(place.home, tmp_path / "phone") as phone:
        made = pairing.add_device(place.home.agent, PATIENT, "phone")
        pairing.join(phone.agent, made.text, made.code)
        after = place.issue(drug="Ibuprofen 400 mg")
        inbox.collect(phone.agent, PATIENT)
        prescribed.rotate(place.home.agent, PATIENT, before, None)
        assert {info.prescription for info in prescribed.own_prescriptions(phone.agent, PATIENT)} == {before, after}
        for handle in (before, after):
            here, there = (prescribed.code(agent, PATIENT, handle, None)[0] for agent in (place.home.agent, phone.agent))
            assert here.bearer == there.bearer


def test_two_devices_file_what_was_dispensed_once(place: Town, tmp_path: Path) -> None:
    """RX-27."""
    with beside(place.home, tmp_path / "phone") as phone:
        made = pairing.add_device(place.home.agent, PATIENT, "phone")
        pairing.join(phone.agent, made.text, made.code)
        place.dispense(place.taken())
        for agent in (phone.agent, place.home.agent):
            inbox.collect(agent, PATIENT)
        assert len(charting.open_chart(phone.agent, PATIENT, PATIENT, types=("MedicationDispense",)).shown) == 1


def test_a_restored_home_steers_its_prescriptions(place: Town, tmp_path: Path) -> None:
    """RX-24, RX-25."""
    handle = place.issue()
    prescribed.rotate(place.home.agent, PATIENT, handle, None)
    data = export(place.home.agent)
    with second_home(place.home, tmp_path / "restored") as agent:
        take_in(agent, data)
        assert prescribed.code(agent, PATIENT, handle, None)[0].bearer == place.code(handle).bearer
        assert prescribed.delete(agent, PATIENT, handle).fills[0].status == "cancelled"


def test_after_a_theft_prescriptions_go_on_under_the_new_wallet_and_by_other_codes(place: Town) -> None:
    """RX-25."""
    handles = [place.issue(), place.taken(drug="Ibuprofen 400 mg")]
    prescribed.rotate(place.home.agent, PATIENT, handles[0], None)
    stolen, thief = place.code(handles[0]), place.home.agent.wallet(PATIENT).prescription_seed(bytes.fromhex(handles[0]))
    (cold,) = (place.home.home / "cold").glob(f"{PATIENT}*.cold")
    recovering.recover(place.home.agent, read_cold(cold.read_bytes()), cold_dir=place.home.home / "cold")
    prescribed.resume_prescribed(place.home.agent)
    assert {info.prescription for info in prescribed.own_prescriptions(place.home.agent, PATIENT)} == set(handles)
    for handle in map(bytes.fromhex, handles):
        there = examining.standing(place.home.agent, handle).prescription
        mine = place.home.agent.wallet(PATIENT).prescription_seed(handle)
        assert mine != thief
        assert there.control == SigningKey(mine).public
    with pytest.raises(AgentRefused, match="code-replaced"):
        dispensing.open_code(place.near.agent, PHARMACIST, stolen)
    dispensing.open_code(place.near.agent, PHARMACIST, place.code(handles[0]))
    assert dispensing.accept(place.near.agent, PHARMACIST, handles[0], None).held
    prescribed.rotate(place.home.agent, PATIENT, place.issue(), None)


def test_after_a_theft_a_new_home_finds_prescriptions_by_the_cold_file_alone(place: Town, tmp_path: Path) -> None:
    """WAL-3, RX-47: also those that the stolen wallet had had from one before it."""
    ready, thefts = place.issue(), tmp_path / "cold"
    handles, stolen = {ready, place.taken(drug="Ibuprofen 400 mg")}, place.code(ready).bearer
    (cold,) = (place.home.home / "cold").glob(f"{PATIENT}*.cold")
    for folder in ("new", "newer"):
        with beside(place.home, tmp_path / folder) as new:
            recovering.recover(new.agent, read_cold(cold.read_bytes()), cold_dir=thefts / folder)
            assert {info.prescription for info in prescribed.own_prescriptions(new.agent, PATIENT)} == handles
            assert prescribed.code(new.agent, PATIENT, ready, None)[0].bearer != stolen
            prescribed.resume_prescribed(new.agent)
            assert not new.agent.store.all(Unnoted, new.agent.wallet(PATIENT).person)
            (cold,) = (thefts / folder).glob("*.cold")


def test_a_prescription_is_noted_once_and_apart_from_its_coming_where_others_keep_the_ledger_too(tmp_path: Path) -> None:
    """RX-47."""

    def noted(agent: Agent, name: str) -> int:
        return own_section(agent, agent.wallet(name), SectionKind.MANIFEST).count

    with two_members(tmp_path) as two, beside(two.far, tmp_path / "phone") as phone:
        two.near.person(DOCTOR, Role.PHYSICIAN)
        introduce(two.far, "Ben", two.near)
        made = pairing.add_device(two.far.agent, "Ben", "phone")
        pairing.join(phone.agent, made.text, made.code)
        for drug in (DRUG, "Ibuprofen 400 mg"):
            prescribing.issue(two.near.agent, DOCTOR, "Ben", medication_request(drug, DOSE, "Ben"), Terms())
        for agent in (two.far.agent, phone.agent):
            inbox.collect(agent, "Ben")
        before = noted(two.far.agent, "Ben")
        two.far.clock.now += 13 * HOUR
        for agent in (two.far.agent, phone.agent):
            prescribed.resume_prescribed(agent)
        assert noted(two.far.agent, "Ben") == before + 1  # both, and by one of the devices


def test_prescribed_at_one_member_and_dispensed_at_another(tmp_path: Path) -> None:
    with two_members(tmp_path) as two:
        two.near.person(DOCTOR, Role.PHYSICIAN)
        introduce(two.far, "Ben", two.near)
        people.add_person(two.far.agent, PHARMACIST, Role.PHARMACIST, cold_dir=tmp_path)
        licensing.issue_licence(two.far.agent, people.own_card(two.far.agent, PHARMACIST), Role.PHARMACIST)
        data = medication_request(DRUG, DOSE, "Ben")
        handle = prescribing.issue(two.near.agent, DOCTOR, "Ben", data, Terms()).prescription
        assert [item.trouble for item in inbox.collect(two.far.agent, "Ben")] == [""]
        code, _ = prescribed.code(two.far.agent, "Ben", handle, None)
        dispensing.open_code(two.far.agent, PHARMACIST, code_from_text(code_to_text(code).encode()))
        assert dispensing.accept(two.far.agent, PHARMACIST, handle, None).held
        assert dispensing.dispense(two.far.agent, PHARMACIST, handle, None, ALL).told
        assert [item.trouble for item in inbox.collect(two.far.agent, "Ben")] == [""]
        assert prescribed.show(two.far.agent, "Ben", handle).fills[0].status == "completed"
        assert prescribing.issued(two.near.agent, DOCTOR)[0].fills[0].status == "not-shared"


def test_a_prescription_goes_ahead_to_the_pharmacy_that_the_patient_wishes(place: Town) -> None:
    """RX-26."""
    data = medication_request(DRUG, DOSE, PATIENT)
    made = prescribing.issue(place.home.agent, DOCTOR, PATIENT, data, Terms(), PHARMACIST)
    (item,) = inbox.collect(place.near.agent, PHARMACIST)
    assert (item.kind, item.trouble) == ("fill", "")
    assert place.accept(made.prescription).held
