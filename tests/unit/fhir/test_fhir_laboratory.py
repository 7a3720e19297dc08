"""Units and codes of what is measured, and reports as plain values."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest

from ordering_world import POTASSIUM, observation, quantity, result
from salus.errors import FhirRefused
from salus.fhir import laboratory, units
from salus.fhir.parsing import read_resource

HANDLE = "ab" * 32
TUBE = read_resource(laboratory.specimen(HANDLE, "A-17", "serum", "Ana", 1_790_000_000_000))


def compiled(data: bytes, status: str = "final") -> list[Any]:
    """The report's resources, as they are read back."""
    bundle = laboratory.compiled(data, HANDLE, status, TUBE, "Lab Nord", 1_790_000_000_000)
    return laboratory.read_report(bundle, HANDLE)


@pytest.mark.parametrize("code", ["2823-3", "2951-2", "718-7", "4548-4", "34109-9", "59284-0", "8480-6", "1-8"])
def test_a_loinc_code_has_its_check_digit(code: str) -> None:
    """ORD-23: codes as the standard has them, and each with another last digit."""
    units.require_loinc(code)
    body, digit = code.split("-")
    for other in range(10):
        if other != int(digit):
            with pytest.raises(FhirRefused, match="fhir/bad-loinc"):
                units.require_loinc(f"{body}-{other}")


@pytest.mark.parametrize("code", ["", "2823", "2823-", "-3", "2823-33", "12345678-9", "٢823-3", "2823-3\n"])
def test_what_has_not_the_form_of_a_loinc_code_is_none(code: str) -> None:
    """ORD-23."""
    with pytest.raises(FhirRefused, match="fhir/bad-loinc"):
        units.require_loinc(code)


@pytest.mark.parametrize("code", ["mmol/L", "meq/L", "mg/dL", "10*9/L", "%", "mm[Hg]", "[pH]", "1", "{score}", "[IU]/L", "Cel"])
def test_a_unit_of_ucum_is_one(code: str) -> None:
    """ORD-23."""
    units.require_unit(code)


@pytest.mark.parametrize("code", ["mEq/L", "mmHg", "bogus", "", "mmol per L", "x" * 65, "µmol/L", "mmol/"])
def test_what_ucum_does_not_have_is_no_unit(code: str) -> None:
    """ORD-23."""
    with pytest.raises(FhirRefused, match="fhir/unknown-unit"):
        units.require_unit(code)


@pytest.mark.parametrize(
    ("value", "one", "other", "found"),
    [
        ("4.1", "mmol/L", "umol/L", "4100"),
        ("90", "mg/dL", "g/L", "0.9"),
        ("5", "10*9/L", "/uL", "5000"),
        ("37", "Cel", "K", "310.15"),
        ("7", "[pH]", "[pH]", "7"),
        ("5", "[IU]/L", "m[IU]/mL", "5"),
        ("4", "mmol/L{serum}", "mmol/L", "4"),
        ("4", "meq/L", "mmol/L", None),  # the valence is not known
        ("4", "mmol/L", "mg/dL", None),  # nor the substance
        ("1", "[IU]/L", "U/L", None),  # two kinds of units for enzymes
        ("7", "[pH]", "1", None),
        ("1", "[IU]/L", "[arb'U]/L", None),
    ],
)
def test_what_ucum_proves_is_converted_and_nothing_else(value: str, one: str, other: str, found: str | None) -> None:
    """ORD-31."""
    got = units.converted(Decimal(value), one, other)
    assert got == (None if found is None else Decimal(found))


def test_who_measures_nothing_does_not_wait_for_the_library() -> None:
    """Half a second, at each command."""
    program = (
        "import sys, salus.cli.app, salus.agent.services.resuming; print([m for m in ('pint', 'ucumvert') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_flag_is_the_laboratorys_or_else_the_ranges() -> None:
    """ORD-23."""
    rows = [observation(6.9, "HH"), observation(5.2), observation(3.4), observation(4.1), observation(6.9, "N")]
    assert [value.flag for value in laboratory.values(compiled(result(*rows)))] == ["HH", "H", "L", "N", "N"]


def test_a_value_is_read_as_it_was_written_whatever_kind_it_is() -> None:
    bare = {key: item for key, item in observation(1).items() if key not in ("valueQuantity", "referenceRange")}
    sure = {**bare, "valueQuantity": {**quantity(5), "comparator": "<"}, "referenceRange": [{"high": quantity(5)}]}
    pressure = {
        **bare,
        "code": {"coding": [{"system": units.LOINC, "code": "85354-9"}]},
        "component": [observation(120, code="8480-6", unit="mm[Hg]")],
    }
    pressure["component"] = [
        {key: item for key, item in part.items() if key in ("code", "valueQuantity")} for part in pressure["component"]
    ]
    rows = [
        sure,
        {**bare, "valueString": "none grew"},
        {**bare, "valueInteger": 3},
        {**bare, "valueCodeableConcept": {"coding": [{"display": "positive"}]}},
        {**bare, "dataAbsentReason": {"text": "haemolysed"}},
        pressure,
        bare,
    ]
    found = laboratory.values(compiled(result(*rows)))
    assert [one.value for one in found] == ["<5", "none grew", "3", "positive", "none: haemolysed", "120", ""]
    assert (found[0].number, found[0].high, found[2].number) == (None, "5", Decimal(3))


def test_a_correction_has_the_ids_of_what_it_corrects() -> None:
    """ORD-24: also where a code is measured twice."""
    rows = (observation(6.9), observation(4.1), observation(140, code="2951-2"))
    first = [one.identity for one in compiled(result(*rows))]
    assert first == [one.identity for one in compiled(result(*rows, status="amended"), "corrected")]
    assert len(dict.fromkeys(first)) == 5


@pytest.mark.parametrize(
    ("said", "status", "made"),
    [
        ("partial", "preliminary", "partial"),
        ("final", "preliminary", "preliminary"),
        ("appended", "corrected", "appended"),
        ("final", "corrected", "corrected"),
        ("entered-in-error", "final", "final"),
    ],
)
def test_a_reports_status_is_one_that_the_ledger_has_it_as(said: str, status: str, made: str) -> None:
    """ORD-23."""
    assert compiled(result(observation(4.1), status=said), status)[0].value["status"] == made


def test_a_report_is_read_from_a_bundle_as_well() -> None:
    report = json.loads(result(observation(4.1)))
    loose = [{**one, "id": "x"} for one in report.pop("contained")]
    report.pop("result")
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in (report, *loose)]}
    assert [value.code for value in laboratory.values(compiled(json.dumps(bundle).encode()))] == [POTASSIUM]


def test_what_is_ordered_names_its_tests_and_says_so_in_words() -> None:
    """ORD-20."""
    raw = laboratory.service_request([POTASSIUM, "2951-2"], "", "Ana")
    made = read_resource(laboratory.ordered(read_resource(raw), HANDLE, "Dr. Lind", 0))
    assert laboratory.named_order(made) == HANDLE
    assert laboratory.ordered_words(made) == "laboratory tests, 2951-2"
    with pytest.raises(FhirRefused, match="fhir/bad-loinc"):
        laboratory.service_request(["2823-4"], "", "Ana")


def test_a_report_of_another_order_or_of_two_is_none() -> None:
    """ORD-23."""
    bundle = laboratory.compiled(result(observation(4.1)), HANDLE, "final", TUBE, "Lab", 0)
    for data, handle in ((bundle, "cd" * 32), (bundle.replace(b'"Observation"', b'"DiagnosticReport"'), HANDLE)):
        with pytest.raises(FhirRefused, match="fhir/bad-report"):
            laboratory.read_report(data, handle)
