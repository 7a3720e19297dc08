"""Clinical rules: what speaks against a medicine by the tables, and what is said where they know nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import pytest

from salus.clinical import listing
from salus.clinical.checks import ALLERGIES, CLASS, DOSES, INTERACTIONS, SAME, Check, Known, Shared, look
from salus.clinical.doses import child_dose, years
from salus.clinical.listing import DAY, SUPPLY, Weight
from salus.clinical.overriding import KINDS, Override, overridden, with_overrides
from salus.clinical.substances import Listed, listed, recognise, substances
from salus.clinical.tables import table
from salus.clinical.units import convert
from salus.fhir.parsing import Resource, read_resource, read_resources
from salus.fhir.validation import require_valid

NOW = int(datetime(2026, 11, 26, tzinfo=UTC).timestamp() * 1000)
RXNORM, SNOMED, UCUM = "http://www.nlm.nih.gov/research/umls/rxnorm", "http://snomed.info/sct", "http://unitsofmeasure.org"
CHILD = "2020-05-01"


def resource(kind: str, **fields: Any) -> Resource:
    return read_resource(json.dumps({"resourceType": kind, **fields}).encode())


def request(words: str, **fields: Any) -> Resource:
    given = {"status": "active", "intent": "order", "subject": {"display": "Ana"}, **fields}
    return resource("MedicationRequest", medicationCodeableConcept={"text": words}, **given)


def dosed(words: str, milligrams: float, **repeat: Any) -> Resource:
    dose = {"doseAndRate": [{"doseQuantity": {"value": milligrams, "system": UCUM, "code": "mg"}}]}
    return request(
        words, dosageInstruction=[{**dose, "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d", **repeat}}}]
    )


def known(allergies: str = "", medication: str = "", **more: Any) -> Known:
    """By words, several parted by a semicolon."""
    lists = [Shared(tuple(Listed(one) for one in words.split("; ") if one)) for words in (allergies, medication)]
    return Known(NOW, allergies=lists[0], medication=lists[1], **more)


def told(what: str, new: Resource, by: Known) -> list[Check]:
    return [check for check in look(new, by) if check.what == what]


def blocking(what: str, new: Resource, by: Known) -> set[str]:
    return {check.code for check in told(what, new, by) if check.blocks}


# --- which substance it is


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("Amoxicillin 250 MG / Clavulanate 125 MG Oral Tablet", ["amoxicillin", "clavulanic acid"]),
        ("Warfarin Sodium 5 MG Oral Tablet", ["warfarin"]),
        ("Simvistatin 10 MG", ["simvastatin"]),
        ("Lasix 40mg", ["furosemide"]),
        ("Vitamin B 12 5 MG/ML Injectable Solution", ["cyanocobalamin"]),
        ("Acetaminophen 325 MG / HYDROcodone Bitartrate 7.5 MG", ["hydrocodone", "paracetamol"]),
        ("medroxyprogesterone", []),
        ("PARACÉTAMOL 500", ["paracetamol"]),
        ("Latex allergy", []),
        ("", []),
    ],
)
def test_substances_are_recognised_by_whole_names(words: str, names: list[str]) -> None:
    """RX-51."""
    assert [one.name for one in recognise(Listed(words)) if one.name != "medroxyprogesterone"] == names


def test_substances_are_recognised_by_code_whatever_the_words_say() -> None:
    """RX-51."""
    concept = {
        "coding": [{"system": RXNORM, "code": "7980"}, {"system": "urn:own", "code": "1"}, {"system": RXNORM}],
        "text": "X",
    }
    one = listed(concept)
    assert one == Listed("X", ("rxnorm:7980",))
    assert [found.name for found in recognise(one)] == ["benzylpenicillin"]
    assert [found.name for found in recognise(Listed("", ("atc:J01CA04",)))] == ["amoxicillin"]
    assert listed(None) == Listed("")


def test_every_name_of_the_rules_stands_in_the_table_of_substances() -> None:
    """RX-51: a rule about a name that nothing is recognised by would never speak."""
    rules = table("interactions")
    named = {name for group in rules["groups"].values() for name in group}
    named |= {name for pair in rules["pair"] for name in pair["of"] if name not in rules["groups"]}
    named |= set(table("doses")) - {"version"}
    assert named - set(substances()) == set()


def test_each_row_of_the_rules_names_its_source() -> None:
    rows = [*table("interactions")["pair"]]
    rows += [row for name in ("allergies", "doses") for key, row in table(name).items() if key != "version"]
    assert all(row["source"] for row in rows)
    assert {row["severity"] for row in table("interactions")["pair"]} == {"contraindicated", "serious"}


# --- allergies


@pytest.mark.parametrize(
    ("allergy", "drug", "codes"),
    [
        ("Penicillin G", "Amoxicillin 250 mg", {"ALGY"}),
        ("Allergy to penicillin", "Flucloxacillin", {"ALGY"}),
        ("Amoxicillin", "amoxicillin / clavulanate", {"ALGY"}),
        ("Penicillin V", "Cefalexin", set()),
        ("Sulfonamide", "Sulfamethoxazole / Trimethoprim", {"ALGY"}),
        ("Aspirin", "Ibuprofen 400 mg", {"ALGY"}),
        ("Ibuprofen", "Aspirin 100 mg", {"ALGY"}),
        ("Simvastatin", "Atorvastatin", set()),
        ("Kräutertee", "kräutertee", {"ALGY"}),
        ("House dust mite allergy", "Amoxicillin", set()),
    ],
)
def test_an_allergy_speaks_against_its_substance_and_its_class(allergy: str, drug: str, codes: set[str]) -> None:
    """RX-53."""
    assert blocking(ALLERGIES, request(drug), known(allergy)) == codes


def test_an_allergy_by_a_code_of_its_class_alone_speaks_against_the_class() -> None:
    """RX-53."""
    by = Known(NOW, allergies=Shared((Listed("Allergie", ("snomed:91936005",)),)))
    assert blocking(ALLERGIES, request("Ampicillin"), by) == {"ALGY"}


@pytest.mark.parametrize(("allergy", "drug"), [("Penicillin V", "Cefalexin"), ("Simvastatin", "Atorvastatin")])
def test_what_is_only_related_is_shown_and_does_not_stand_in_the_way(allergy: str, drug: str) -> None:
    """RX-53."""
    (check,) = told(ALLERGIES, request(drug), known(allergy))
    assert (check.result, check.blocks, allergy in check.text) == ("done", False, True)


# --- medicines


def test_the_same_substance_and_the_same_words_are_duplicates() -> None:
    """RX-52."""
    assert blocking(SAME, request("Paracetamol 500 mg"), known("", "Tylenol (acetaminophen)")) == {"DUPTHPY"}
    assert blocking(SAME, request("Wundertee"), known("", "wundertee")) == {"DUPTHPY"}
    assert blocking(SAME, request("Ibuprofen"), known("", "Paracetamol")) == set()


def test_two_names_in_another_script_are_two_medicines() -> None:
    one, other = Listed("Аспирин"), Listed("Парацетамол")
    assert one.is_same(Listed("аспирин"))
    assert not one.is_same(other)
    assert not Listed("").is_same(Listed("-"))


def test_a_medicine_of_the_same_class_is_shown() -> None:
    """RX-53."""
    (check,) = told(CLASS, request("Naproxen"), known("", "Ibuprofen 400 mg; Simvastatin"))
    assert (check.blocks, check.text) == (False, "naproxen and Ibuprofen 400 mg are of the same class M01AE")


@pytest.mark.parametrize(
    ("new", "running", "codes", "word"),
    [
        ("Clarithromycin", "Simvastatin 10 MG", {"DRG"}, "rhabdomyolysis"),
        ("Sildenafil", "Nitroglycerin", {"DRG"}, "blood pressure"),
        ("Tramadol", "Phenelzine", {"DRG"}, "serotonin"),
        ("Naproxen", "Warfarin Sodium 5 MG", set(), "bleeding"),
        ("Simvastatin", "Verapamil", set(), "rhabdomyolysis"),
    ],
)
def test_interactions_of_the_list_are_found_either_way_round(new: str, running: str, codes: set[str], word: str) -> None:
    """RX-54."""
    for one, other in ((new, running), (running, new)):
        assert blocking(INTERACTIONS, request(one), known("", other)) == codes
        assert any(word in check.text for check in told(INTERACTIONS, request(one), known("", other)))


def test_what_has_no_row_is_said_to_be_not_checked_by_name() -> None:
    """RX-54."""
    checks = told(INTERACTIONS, request("Cetirizine"), known("", "Wundertee; Warfarin"))
    assert [(check.result, check.text) for check in checks] == [
        ("not covered", "interactions NOT checked for cetirizine, Wundertee")
    ]


def test_an_unknown_medicine_is_named_as_not_covered_by_each_check() -> None:
    """RX-50, RX-51."""
    checks = look(request("Wundertee"), known("Penicillin G", "Warfarin", born="1980-01-31"))
    assert {check.what: check.result for check in checks} == dict.fromkeys(
        (ALLERGIES, SAME, CLASS, INTERACTIONS, DOSES), "not covered"
    )
    assert all("Wundertee" in check.text for check in checks if check.what != DOSES)


@pytest.mark.parametrize("drug", ["Amoxicillin", "Warfarin", "Wundertee", "Paracetamol / Ibuprofen"])
@pytest.mark.parametrize("missing", ["", "because not shared"])
@pytest.mark.parametrize("items", ["", "Penicillin; Warfarin; Wundertee; Latex"])
def test_every_check_says_something_whatever_is_known(drug: str, missing: str, items: str) -> None:
    """RX-50."""
    shared = Shared(tuple(Listed(one) for one in items.split("; ") if one), missing)
    checks = look(request(drug), Known(NOW, "", shared, shared))
    assert {check.what for check in checks} == {ALLERGIES, SAME, CLASS, INTERACTIONS, DOSES}
    for what in (ALLERGIES, SAME, CLASS, INTERACTIONS):
        results = {check.result for check in checks if check.what == what}
        assert not missing or "not done" in results
        assert missing or items or drug != "Warfarin" or results == {"done"}
    assert all(check.text for check in checks)


def test_what_is_not_compared_is_named() -> None:
    """RX-51."""
    checks = told(ALLERGIES, request("Amoxicillin"), known("Latex; Simvastatin"))
    assert [(check.result, check.text) for check in checks] == [
        ("not covered", "not compared, as not in the table: Latex"),
        ("done", "nothing found among 1 of 2 allergies"),
    ]


# --- a child's dose


def dose(new: Resource, kilograms: float = 20, days: int = 1, born: str = CHILD) -> tuple[str, str]:
    by = known(born=born, weight=Weight(kilograms, NOW - days * DAY))
    (check,) = told(DOSES, new, by)
    return check.result, check.code


@pytest.mark.parametrize(
    ("new", "code"),
    [
        (dosed("Paracetamol", 300, frequency=4), ""),  # 60 mg/kg
        (dosed("Paracetamol", 301, frequency=4), "DOSEH"),
        (dosed("Ibuprofen", 100.5, frequency=1, period=6.0, periodUnit="h"), ""),
        (dosed("Ibuprofen", 250, frequency=1, period=6, periodUnit="h"), "DOSEH"),
        (dosed("Amoxicillin", 600, frequency=3), ""),
        (dosed("Amoxicillin", 600, frequency=2, frequencyMax=4), "DOSEH"),
    ],
)
def test_a_childs_dose_is_held_against_the_limit_for_its_weight(new: Resource, code: str) -> None:
    """RX-55."""
    assert dose(new) == ("done", code)


def test_a_heavy_childs_dose_is_held_against_the_most_of_all() -> None:
    """RX-55."""
    assert dose(dosed("Amoxicillin", 1001, frequency=3), 60) == ("done", "DOSEH")


@pytest.mark.parametrize(
    ("born", "days", "result"),
    [
     ("2026-06-01", 30, "done"), ("2026-06-01", 31, "not done"), ("2023-01-01", 90, "done"), ("2023-01-01", 91, "not done"),
     (CHILD, 180, "done"), (CHILD, 181, "not done"), ("2010-01-01", 365, "done"), ("2010-01-01", 366, "not done"),
     (CHILD, -2, "not done")],
)  # fmt: skip
def test_an_old_weight_counts_as_missing_and_its_date_is_said(born: str, days: int, result: str) -> None:
    """RX-55."""
    by = known(born=born, weight=Weight(20, NOW - days * DAY))
    (check,) = told(DOSES, dosed("Paracetamol", 100), by)
    taken = datetime.fromtimestamp((NOW - days * DAY) / 1000, UTC).date().isoformat()
    assert (check.result, taken in check.text) == (result, True)


@pytest.mark.parametrize(
    ("new", "result"),
    [
        (request("Paracetamol", dosageInstruction=[{"text": "one in the morning"}]), "not covered"),
        (request("Paracetamol"), "not covered"),
        (dosed("Paracetamol", 100, period=0), "not covered"),
        (dosed("Paracetamol", 100, periodUnit="x"), "not covered"),
        (request("Paracetamol", dosageInstruction=[{"doseAndRate": [{"doseQuantity": {"value": 5, "system": UCUM, "code": "mL"}}],
                                                    "timing": {"repeat": {"period": 1, "periodUnit": "d"}}}]), "not covered"),
        (request("Paracetamol", dosageInstruction=[{"doseAndRate": [{"doseQuantity": {"value": 1}}]}]), "not covered"),
        (dosed("Paracetamol / Ibuprofen", 100), "not covered"),
        (dosed("Warfarin", 1), "not covered"),
    ],
)  # fmt: skip
def test_a_dose_in_words_or_of_what_has_no_limit_is_not_covered(new: Resource, result: str) -> None:
    """RX-55."""
    assert dose(new) == (result, "")


def test_without_birth_or_weight_it_is_not_done_and_an_adults_dose_is_not_covered() -> None:
    """RX-55."""
    new = dosed("Paracetamol", 100)
    found = recognise(Listed("paracetamol"))
    assert child_dose(new, found, "", None, NOW).text == "because not shared: the date of birth"
    assert child_dose(new, found, CHILD, None, NOW).text == "because not shared: a weight"
    assert child_dose(new, found, "1980", None, NOW).result == "not covered"


def test_an_age_is_the_youngest_that_a_date_leaves_open() -> None:
    assert [years(born, NOW) is None for born in ("", "x", "2020-13", "20200101")] == [True] * 4
    assert (years("2020", NOW) or 0) < (years("2020-06", NOW) or 0) < (years("2020-01-01", NOW) or 0)


def test_units_are_converted_by_ucum_and_nothing_else_is() -> None:
    """RX-55."""
    assert convert(2, "g", "mg") == 2000
    assert convert(70, "[lb_av]", "kg") == pytest.approx(31.75, abs=0.01)
    wrong = [("1", "mg"), (True, "mg"), (1, ""), (1, "x" * 65), (1, "mL"), (1, "{tablet}"), (1, "Mg!"), (1, "Cel"), (1, "%")]
    assert [convert(value, unit, "mg") for value, unit in wrong] == [None] * len(wrong)


# --- what a record says


def allergy(status: str = "active", **fields: Any) -> Resource:
    return resource(
        "AllergyIntolerance", clinicalStatus={"coding": [{"code": status}]}, **{"code": {"text": "Aspirin"}, **fields}
    )


def test_allergies_that_are_over_refuted_or_none_are_not_listed() -> None:
    """RX-53."""
    none = {"coding": [{"system": SNOMED, "code": "716186003"}], "text": "No known allergy"}
    refuted = {"coding": [{"code": "refuted"}]}
    others = [allergy("resolved"), allergy("inactive"), allergy(verificationStatus=refuted), allergy(code=none)]
    assert listing.allergies(others) == ()
    assert listing.allergies([allergy(), allergy(), *others]) == (Listed("Aspirin"),)


def at(days: int) -> str:
    return datetime.fromtimestamp((NOW + days * DAY) / 1000, UTC).isoformat()


def dispense(handed: int, **fields: Any) -> Resource:
    text = {"medicationCodeableConcept": {"text": "A"}}
    return resource("MedicationDispense", status="completed", whenHandedOver=at(handed), **text, **fields)


def statement(status: str = "active", end: int | None = None) -> Resource:
    period = {} if end is None else {"effectivePeriod": {"end": at(end)}}
    return resource("MedicationStatement", status=status, medicationCodeableConcept={"text": "A"}, **period)


SUPPLIED = {"expectedSupplyDuration": {"value": 2, "code": "wk"}}
BOUNDED = [{"timing": {"repeat": {"boundsDuration": {"value": 10, "code": "d"}}}}]


@pytest.mark.parametrize(
    ("one", "taken"),
    [
        (request("A"), True),
        (request("A", status="stopped"), False),
        (request("A", status="on-hold"), True),
        (request("A", authoredOn=at(-13), dispenseRequest=SUPPLIED), True),
        (request("A", authoredOn=at(-15), dispenseRequest=SUPPLIED), False),
        (request("A", authoredOn=at(-9), dosageInstruction=BOUNDED), True),
        (request("A", authoredOn=at(-11), dosageInstruction=BOUNDED), False),
        (request("A", dosageInstruction=[{"timing": {"repeat": {"boundsPeriod": {"end": at(-1)}}}}]), False),
        (statement(), True),
        (statement("completed"), False),
        (statement(end=1), True),
        (statement(end=-1), False),
        (dispense(-89), True),
        (dispense(-91), False),
        (dispense(-20, daysSupply={"value": 30, "code": "d"}), True),
        (dispense(-31, daysSupply={"value": 30, "code": "d"}), False),
        (resource("Condition", code={"text": "A"}), False),
    ],
)
def test_a_medicine_is_current_until_its_end(one: Resource, taken: bool) -> None:
    """RX-52."""
    assert SUPPLY == 90 * DAY
    assert listing.medication([one], NOW) == ((Listed("A"),) if taken else ())


def test_a_medicine_is_found_where_it_is_referred_to() -> None:
    """RX-52."""
    other = resource("Medication", id="m1", code={"text": "Warfarin"})
    inner = {"contained": [{"resourceType": "Medication", "id": "m", "code": {"text": "Digoxin"}}]}
    given = [
        resource("MedicationRequest", status="active", medicationReference={"reference": "Medication/m1"}),
        resource("MedicationRequest", status="active", medicationReference={"reference": "#m"}, **inner),
        resource("MedicationRequest", status="active", medicationReference={"reference": "Medication/x", "display": "Elsewhere"}),
    ]
    assert {one.words for one in listing.medication([other, *given], NOW)} == {"Warfarin", "Digoxin", "Elsewhere"}


def weighed(value: Any, unit: str, days: int, **fields: Any) -> Resource:
    code = {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]}
    quantity = {"value": value, "system": UCUM, "code": unit}
    return resource("Observation", **{"code": code, "effectiveDateTime": at(days), "valueQuantity": quantity, **fields})


def test_the_weight_is_the_last_that_can_be_read() -> None:
    """RX-55."""
    wrong = [
        weighed(9, "kg", -1, status="entered-in-error"),
        weighed(9, "cm", -1),
        weighed("9", "kg", -1),
        weighed(9, "kg", -1, code={}),
    ]
    assert listing.weight(wrong) is None
    assert listing.weight([weighed(12.5, "kg", -30), weighed(13_000, "g", -2), *wrong]) == Weight(13, NOW - 2 * DAY)


@pytest.mark.parametrize(
    "wrong", [None, 1, "x", True, [], {}, [1], [None], [[]], ["x"], [{}], {"coding": 1}, {"coding": [1]}, [{"value": 1e300}]]
)
def test_whatever_was_imported_is_read_without_a_fault(wrong: Any) -> None:
    """RX-51: what others wrote is kept as it was written."""
    kinds = ("AllergyIntolerance", "MedicationRequest", "MedicationStatement", "MedicationDispense", "Medication", "Observation")
    names = "code medicationCodeableConcept medicationReference dosageInstruction dispenseRequest effectivePeriod daysSupply"
    names += (
        " status clinicalStatus verificationStatus valueQuantity effectiveDateTime authoredOn whenHandedOver timing doseAndRate"
    )
    for kind in kinds:
        good = {"status": "active", "effectiveDateTime": at(-1), "medicationCodeableConcept": {"text": "A"}}
        found = [resource(kind, **{**good, name: wrong}) for name in names.split()]
        found += [resource(kind, **good, dosageInstruction=[{"timing": {"repeat": wrong}}], dispenseRequest={"x": wrong})]
        assert len([*listing.allergies(found), *listing.medication(found, NOW), listing.weight(found)]) < 20


def test_a_real_records_weight_and_medicines_are_read() -> None:
    """RX-52, RX-55: as a synthetic patient's export has them, which was not made for this."""
    record = read_resources((files("salus.demo") / "patients" / "Clemente_Kreiger.json").read_bytes())
    found = listing.weight(record)
    assert found is not None
    assert round(found.kilograms, 1) == 86.8
    assert (listing.allergies(record), listing.medication(record, NOW)) == ((), ())
    assert listing.weight(record[::-1]) == found


# --- what is overridden


def test_an_override_stays_in_the_request_as_valid_fhir_by_codes_alone() -> None:
    """RX-56."""
    found = look(request("Amoxicillin"), known("Penicillin G", "Amoxicillin 500"))
    made = with_overrides(request("Amoxicillin"), found, Override.DOUBTFUL.value)
    require_valid(made)
    assert [(one.finding, one.reason) for one in overridden(made)] == [
        ("ALGY", "allergy-doubtful"),
        ("DUPTHPY", "allergy-doubtful"),
    ]
    assert b"Penicillin" not in made.raw
    assert all(kind in KINDS for kind in ("ALGY", "DUPTHPY", "DRG", "DOSEH"))


def test_an_override_that_a_request_brings_along_is_taken_out() -> None:
    """RX-56."""
    found = look(request("Amoxicillin"), known("Penicillin G"))
    foreign = {"contained": [{"resourceType": "Medication", "id": "m"}], "detectedIssue": [{"reference": "DetectedIssue/1"}]}
    made = with_overrides(request("Amoxicillin", **foreign), found, "no-alternative")
    again = with_overrides(made, (), "")
    assert overridden(again) == ()
    assert {name: again.value[name] for name in foreign} == foreign


def test_what_only_looks_like_an_override_is_none() -> None:
    strange = {"resourceType": "DetectedIssue", "id": "overridden-algy", "status": "final"}
    assert overridden(request("A", contained=[strange])) == ()
