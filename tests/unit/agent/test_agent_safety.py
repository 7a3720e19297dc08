"""Safety where the plaintext is: what a prescriber is told before signing, and a pharmacist before handing over."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from prescribing_world import DRUG, PHARMACIST, Town, town
from salus.agent.services import charting, dispensing, inbox, prescribed, prescribing
from salus.agent.services.dispensing import OpenedInfo
from salus.agent.services.prescribing import IssuedInfo, Terms
from salus.agent.services.safety import LASTING, Safety, UnsafePrescription
from salus.charts.sections import SectionKind
from salus.errors import SalusError
from salus.exchange.prescribing import MAX_TEXT, code_to_text
from salus.fhir.authoring import medication_request
from salus.warrants.link import Right
from world import CLEMENTE, DOCTOR, PATIENT, bundle, introduce

ALLERGY = (files("salus.demo") / "supplements" / "allergy_drug.json").read_bytes()
LISTS = (SectionKind.PROBLEMS, SectionKind.MEDICATIONS, SectionKind.SUMMARY, SectionKind.VITALS)
UCUM = "http://unitsofmeasure.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Town]:
    with town(tmp_path) as made:
        yield made


@pytest.fixture
def ill(place: Town) -> Town:
    """Clemente's imported record, with an allergy to penicillin, shared with the prescriber."""
    place.home.take_in(CLEMENTE)
    place.home.take_in(ALLERGY)
    place.home.grant(DOCTOR, sections=LISTS)
    return place


def takes(place: Town, identity: str, words: str, code: str = "", **more: Any) -> None:
    """A medicine in the patient's record."""
    coding = {"coding": [{"system": RXNORM, "code": code, "display": words}]} if code else {}
    request = {"resourceType": "MedicationRequest", "id": identity, "status": "active", "intent": "order", **more}
    place.home.take_in(
        bundle({**request, "subject": {"display": PATIENT}, "medicationCodeableConcept": {"text": words, **coding}})
    )


def share(place: Town) -> None:
    """The prescriber may read the lists, as they are now."""
    place.home.grant(DOCTOR, sections=LISTS)


def issue(place: Town, drug: str, terms: Terms = Terms()) -> IssuedInfo:  # noqa: B008
    data = medication_request(drug, "as told", PATIENT)
    made = prescribing.issue(place.home.agent, DOCTOR, PATIENT, data, terms)
    inbox.collect(place.home.agent, PATIENT)
    return made


def stopped(place: Town, drug: str) -> Safety:
    """What stands in the way of a medicine."""
    with pytest.raises(UnsafePrescription) as caught:
        issue(place, drug)
    assert caught.value.full_code == "agent/unsafe-prescription"
    return caught.value.safety


def rows(safety: Safety | OpenedInfo | None, what: str) -> list[tuple[str, str, str]]:
    assert safety is not None
    return [(check.result, check.text, check.code) for check in safety.checks if check.what == what]


def opened(place: Town, handle: str, **options: Any) -> OpenedInfo:
    code, _ = prescribed.code(place.home.agent, PATIENT, handle, None, **options)
    return dispensing.open_code(place.near.agent, PHARMACIST, code)


# --- at signing


def test_an_allergy_by_class_stops_a_prescription_and_its_text_names_nothing(ill: Town) -> None:
    """RX-50, RX-56."""
    safety = stopped(ill, DRUG)
    ((result, text, code),) = [row for row in rows(safety, "allergies") if row[2]]
    assert (result, code) == ("done", "ALGY")
    assert "amoxicillin is of the penicillins" in text
    assert safety.allergies == ("Penicillin G",)
    assert prescribing.issued(ill.home.agent, DOCTOR) == ()
    assert "enicillin" not in str(UnsafePrescription(safety))


def test_an_override_stays_in_what_was_signed_by_codes_alone(ill: Town) -> None:
    """RX-56."""
    made = issue(ill, DRUG, Terms(override="allergy-doubtful"))
    (own,) = prescribed.own_prescriptions(ill.home.agent, PATIENT)
    assert [(one.finding, one.reason) for one in own.overridden] == [("ALGY", "allergy-doubtful")]
    code, _ = prescribed.code(ill.home.agent, PATIENT, made.prescription, None, record=False)
    assert b"Penicillin" not in code.content.request
    seen = dispensing.open_code(ill.near.agent, PHARMACIST, code)
    assert rows(seen, "overridden") == [("done", "by the prescriber: an allergy: allergy doubtful", "")]


def test_an_override_of_no_known_reason_is_refused(ill: Town) -> None:
    with pytest.raises(ValueError, match="because"):
        issue(ill, DRUG, Terms(override="because"))


def test_what_is_not_shared_is_said_to_be_so(place: Town) -> None:
    """RX-50."""
    place.home.take_in(ALLERGY)
    takes(place, "running", "Simvastatin 10 MG", "36567")
    place.home.grant(DOCTOR, sections=(SectionKind.MEDICATIONS,))
    made = issue(place, DRUG)
    assert rows(made.safety, "allergies") == [("not done", "because not shared", "")]
    assert rows(made.safety, "same medicine") == [("done", "nothing found among 1 of 1 medicines", "")]


def test_what_came_after_the_grant_is_said_to_be_missing(ill: Town) -> None:
    """RX-50."""
    takes(ill, "first", "Simvastatin 10 MG", "36567")
    share(ill)
    takes(ill, "second", "Digoxin 0.125 MG Oral Tablet", "197604")
    made = issue(ill, "Paracetamol 500 mg")
    assert ("not done", "entries came after the grant: they are not shared", "") in rows(made.safety, "same medicine")


def test_a_medicine_that_is_taken_already_stops_a_prescription(ill: Town) -> None:
    """RX-52."""
    takes(ill, "running", "Simvastatin 10 MG", "36567")
    share(ill)
    assert "DUPTHPY" in {check.code for check in stopped(ill, "Zocor (simvastatin) 20 mg").checks}


def test_what_the_same_prescriber_issued_before_counts_without_any_grant(place: Town) -> None:
    """RX-52."""
    issue(place, DRUG)
    assert stopped(place, "Amoxicillin 500 mg").medication == (DRUG,)
    prescribing.cancel(place.home.agent, DOCTOR, prescribing.issued(place.home.agent, DOCTOR)[0].prescription)
    assert issue(place, "Amoxicillin 500 mg").safety is not None


def test_what_is_in_the_chart_of_a_cancelled_prescription_does_not_count(place: Town) -> None:
    """RX-52."""
    place.home.grant(DOCTOR, sections=(SectionKind.MEDICATIONS,), rights=(Right.READ, Right.APPEND))
    first = issue(place, DRUG)
    assert first.charted
    assert stopped(place, DRUG).medication == (DRUG,)
    prescribing.cancel(place.home.agent, DOCTOR, first.prescription)
    assert rows(issue(place, DRUG).safety, "same medicine")[-1] == ("done", "no medicines are recorded", "")


def test_a_renewal_is_checked_anew_and_is_no_duplicate_of_what_it_follows(ill: Town) -> None:
    """RX-52, RX-56."""
    first = issue(ill, "Paracetamol 500 mg")
    again = prescribing.issue_again(ill.home.agent, DOCTOR, bytes.fromhex(first.prescription), 0)
    third = prescribing.issue_again(ill.home.agent, DOCTOR, bytes.fromhex(again.prescription), 0)
    inbox.collect(ill.home.agent, PATIENT)
    assert not [check for check in opened(ill, third.prescription).checks if check.blocks]
    doubted = issue(ill, DRUG, Terms(override="allergy-doubtful"))
    with pytest.raises(UnsafePrescription):
        prescribing.issue_again(ill.home.agent, DOCTOR, bytes.fromhex(doubted.prescription), 0)
    handle = bytes.fromhex(doubted.prescription)
    renewed = prescribing.issue_again(ill.home.agent, DOCTOR, handle, 0, "no-alternative").prescription
    inbox.collect(ill.home.agent, PATIENT)
    assert [one.reason for one in prescribed.show(ill.home.agent, PATIENT, renewed).overridden] == ["no-alternative"]


def weighs(place: Town, kilograms: float) -> None:
    """A weight of yesterday in the patient's record."""
    vital = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}
    place.home.take_in(
        bundle(
            {
                "resourceType": "Observation",
                "id": "weight",
                "status": "final",
                "category": [{"coding": [vital]}],
                "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
                "subject": {"display": PATIENT},
                "effectiveDateTime": datetime.fromtimestamp(place.home.clock.now / 1000 - 86_400, UTC).isoformat(),
                "valueQuantity": {"value": kilograms, "unit": "kg", "system": UCUM, "code": "kg"},
            }
        )
    )


def dosed(milligrams: int) -> bytes:
    """Paracetamol, so much four times a day."""
    dose = {
        "timing": {"repeat": {"frequency": 4, "period": 1, "periodUnit": "d"}},
        "doseAndRate": [{"doseQuantity": {"value": milligrams, "unit": "mg", "system": UCUM, "code": "mg"}}],
    }
    return json.dumps({**json.loads(medication_request("Paracetamol", "x", PATIENT)), "dosageInstruction": [dose]}).encode()


def test_a_childs_dose_over_the_limit_for_its_weight_stops_a_prescription_and_is_told_at_the_pharmacy(place: Town) -> None:
    """RX-55, RX-57, RX-58."""
    weighs(place, 18.4)
    place.home.grant(DOCTOR, sections=(SectionKind.VITALS,))
    child = Terms(born="2020-05-01")
    with pytest.raises(UnsafePrescription) as caught:
        prescribing.issue(place.home.agent, DOCTOR, PATIENT, dosed(300), child)
    assert [check.code for check in caught.value.safety.checks if check.blocks] == ["DOSEH"]
    made = prescribing.issue(place.home.agent, DOCTOR, PATIENT, dosed(270), child)
    inbox.collect(place.home.agent, PATIENT)
    ((result, text, _),) = rows(opened(place, made.prescription), "child's dose")
    assert (result, "1080 mg a day of at most 1104 mg for 18.4 kg" in text) == ("done", True)


# --- at dispensing


def test_the_pharmacist_sees_allergies_and_medication_and_what_speaks_against(ill: Town) -> None:
    """RX-58."""
    takes(ill, "running", "Warfarin Sodium 5 MG Oral Tablet", "855332")
    made = issue(ill, "Naproxen 220 mg")
    seen = opened(ill, made.prescription)
    assert (seen.allergies, seen.medication) == (("Penicillin G",), ("Warfarin Sodium 5 MG Oral Tablet",))
    assert rows(seen, "allergies") == [("done", "nothing found among 1 of 1 allergies", "")]
    ((_, text, code),) = rows(seen, "interactions")
    assert (text.split(",")[0], code) == ("naproxen with Warfarin Sodium 5 MG Oral Tablet: serious", "")


def test_the_prescription_itself_is_not_a_medicine_that_is_taken_already(place: Town) -> None:
    """RX-58."""
    place.home.grant(DOCTOR, sections=(SectionKind.MEDICATIONS,), rights=(Right.APPEND,))
    assert opened(place, issue(place, DRUG).prescription).medication == ()


def test_another_prescription_of_the_same_is_a_duplicate_at_the_pharmacy(place: Town) -> None:
    """RX-58."""
    issue(place, DRUG)
    second = issue(place, "Amoxicillin 500 mg", Terms(override="continues-therapy"))
    assert ("done", f"amoxicillin is taken already: {DRUG}", "DUPTHPY") in rows(
        opened(place, second.prescription), "same medicine"
    )


def test_a_patient_may_show_nothing_of_the_record(ill: Town) -> None:
    """RX-58."""
    seen = opened(ill, issue(ill, "Paracetamol 500 mg").prescription, record=False)
    assert (seen.allergies, seen.medication) == ((), ())
    assert rows(seen, "allergies") == [("not done", "because not shared", "")]


def test_a_list_is_gone_by_for_72_hours_and_then_forgotten(ill: Town) -> None:
    """RX-58."""
    handle = issue(ill, "Paracetamol 500 mg").prescription
    code, _ = prescribed.code(ill.home.agent, PATIENT, handle, None)
    dispensing.open_code(ill.near.agent, PHARMACIST, code)
    ill.near.clock.now += LASTING - 1000
    assert dispensing.look_again(ill.near.agent, PHARMACIST, handle, None).allergies == ("Penicillin G",)
    ill.near.clock.now += 2000
    late = dispensing.open_code(ill.near.agent, PHARMACIST, code)
    ((result, text, _),) = rows(late, "allergies")
    assert (result, text[:17], late.allergies) == ("not done", "the list is from ", ())
    dispensing.resume_dispensing(ill.near.agent)
    ((_, kept),) = ill.near.agent.store.all(dispensing.OpenedFill, ill.near.agent.wallet(PHARMACIST).person)
    assert kept.code.record is None


def test_a_list_from_the_future_is_not_gone_by(ill: Town) -> None:
    """RX-58."""
    code, _ = prescribed.code(ill.home.agent, PATIENT, issue(ill, "Paracetamol 500 mg").prescription, None)
    assert code.record is not None
    later = replace(code, record=replace(code.record, at=code.record.at + LASTING))
    assert dispensing.open_code(ill.near.agent, PHARMACIST, later).allergies == ()


def test_a_list_with_times_that_no_calendar_has_is_not_gone_by(ill: Town) -> None:
    """RX-58: whoever makes a code may put any number into it."""
    handle = issue(ill, "Paracetamol 500 mg", Terms(born="2020-05-01")).prescription
    code, _ = prescribed.code(ill.home.agent, PATIENT, handle, None)
    assert code.record is not None
    for record in (replace(code.record, at=2**53 - 1), replace(code.record, weight=18_000, weighed=2**53 - 1)):
        seen = dispensing.open_code(ill.near.agent, PHARMACIST, replace(code, record=record))
        assert rows(seen, "child's dose") == [("not done", "because not shared: a weight", "")]


def test_a_long_list_is_cut_so_that_a_camera_reads_the_code_and_the_pharmacist_is_told(ill: Town) -> None:
    """RX-58."""
    words = [secrets.token_hex(30) for _ in range(60)]
    requests = [
        {"resourceType": "MedicationStatement", "id": f"m{number}", "status": "active", "subject": {"display": PATIENT}}
        for number in range(60)
    ]
    ill.home.take_in(
        bundle(*({**one, "medicationCodeableConcept": {"text": text}} for one, text in zip(requests, words, strict=True)))
    )
    code, _ = prescribed.code(ill.home.agent, PATIENT, issue(ill, "Paracetamol 500 mg").prescription, None)
    assert len(code_to_text(code)) <= MAX_TEXT
    seen = dispensing.open_code(ill.near.agent, PHARMACIST, code)
    assert seen.allergies == ("Penicillin G",)
    assert 0 < len(seen.medication) < 48
    more = 60 - len(seen.medication)
    assert ("not done", f"{more} more had no room in the code, or could not be read", "") in rows(seen, "same medicine")


def test_a_code_without_a_readable_record_is_shown_all_the_same(ill: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    handle = issue(ill, "Paracetamol 500 mg").prescription

    def fails(*_: Any, **__: Any) -> None:
        raise SalusError("down")

    monkeypatch.setattr("salus.agent.services.safety.open_chart", fails)
    code, _ = prescribed.code(ill.home.agent, PATIENT, handle, None)
    assert code.record is None


def test_a_code_that_was_sent_ahead_is_looked_at_with_its_list(ill: Town) -> None:
    """RX-26, RX-58."""
    handle = issue(ill, "Paracetamol 500 mg").prescription
    introduce(ill.near, PHARMACIST, ill.home)
    prescribed.send(ill.home.agent, PATIENT, handle, None, PHARMACIST)
    inbox.collect(ill.near.agent, PHARMACIST)
    assert dispensing.look_again(ill.near.agent, PHARMACIST, handle, None).allergies == ("Penicillin G",)


def test_what_is_kept_as_sensitive_is_in_no_list(ill: Town) -> None:
    """RX-58."""
    label = {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "PSY"}]}
    takes(ill, "hidden", "Lithium 300 mg", meta=label)
    assert charting.open_chart(ill.home.agent, PATIENT, PATIENT, sections=(SectionKind.SENSITIVE,)).shown
    assert opened(ill, issue(ill, "Paracetamol 500 mg").prescription).medication == ()
