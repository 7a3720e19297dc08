"""Parsing: what others wrote is kept as written; only what is no FHIR JSON is refused, with a code. (FHIR-1, FHIR-2, FHIR-3)"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import pytest

from salus.errors import SalusError
from salus.fhir.authoring import consent, note_from_text, note_text, provenance
from salus.fhir.identity import require_same_patient
from salus.fhir.parsing import as_bundle, instant, read_resource, read_resources, to_json
from salus.fhir.validation import faults, outcome_bytes, read_outcome, require_valid

PACKAGE = Path(str(files("salus.demo")))
SUPPLEMENTS = sorted((PACKAGE / "supplements").glob("*.json"))
PATIENT = '{"resourceType":"Patient","id":"p"}'


def refused(data: bytes) -> str:
    with pytest.raises(SalusError) as error:
        read_resources(data)
    return error.value.full_code


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "fhir/not-json"),
        (b"{", "fhir/not-json"),
        (b"\xff\xfe", "fhir/not-utf8"),
        (PATIENT.encode("utf-16"), "fhir/not-utf8"),
        (b'{"resourceType":"Patient","id":"a","id":"b"}', "fhir/duplicate-key"),
        (b'{"resourceType":"Observation","id":"a","valueQuantity":{"value":NaN}}', "fhir/not-json"),
        (b'{"resourceType":"Observation","id":"a","valueQuantity":{"value":Infinity}}', "fhir/not-json"),
        (b"[" * 5000 + b"]" * 5000, "fhir/too-deep"),
        (b'{"a":' * 5000, "fhir/too-deep"),
        (b"[]", "fhir/not-a-resource"),
        (b"1", "fhir/not-a-resource"),
        (b'{"id":"x"}', "fhir/not-a-resource"),
        (b'{"resourceType":5}', "fhir/not-a-resource"),
        (b'{"resourceType":"Bundle","entry":[{"resource":5}]}', "fhir/not-a-resource"),
    ],
)
def test_what_is_no_fhir_json_is_refused(data: bytes, code: str) -> None:
    assert refused(data) == code


def test_every_truncation_of_a_bundle_is_refused() -> None:
    data = (PACKAGE / "supplements" / "allergy_drug.json").read_bytes().rstrip()
    for length in range(len(data)):
        assert refused(data[:length]).startswith("fhir/")


@pytest.mark.parametrize("kind", ["collection", "searchset", "transaction", "document", "batch", "history"])
def test_bundles_of_any_type_and_single_resources_are_read(kind: str) -> None:
    bundle = f'{{"resourceType":"Bundle","type":"{kind}","entry":[{{"fullUrl":"urn:x","resource":{PATIENT}}}]}}'
    assert [(r.identity, r.full_url, r.raw) for r in read_resources(bundle.encode())] == [
        ("Patient/p", "urn:x", PATIENT.encode())
    ]
    assert [r.identity for r in read_resources(PATIENT.encode())] == ["Patient/p"]


def test_bytes_decimals_and_extensions_stay_as_written() -> None:
    raw = b'{"resourceType":"Observation","id":"o","extension":[{"url":"x","valueDecimal":1.50}],"valueQuantity":{"value":1E2}}'
    bundle = b'{ "resourceType":"Bundle", "entry":[ {"resource": ' + raw + b" } ] }"
    assert read_resources(bundle)[0].raw == raw
    value = read_resource(raw).value
    assert str(value["extension"][0]["valueDecimal"]) == "1.50"
    assert b"1.50" in to_json(value)
    assert raw in as_bundle([(raw, "")])


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970", 0),
        ("1970-01", 0),
        ("1970-01-02", 86_400_000),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01T00:00:01Z", 1000),
        ("1970-01-01T00:00:00.250Z", 250),
        ("yesterday", None),
        (5, None),
    ],
)
def test_dates_are_moments(text: object, ms: int | None) -> None:
    assert instant(text) == ms


@pytest.mark.parametrize("path", SUPPLEMENTS, ids=lambda path: path.stem)
def test_the_supplements_are_valid_but_for_the_faulty_one(path: Path) -> None:
    found = [fault for resource in read_resources(path.read_bytes()) for fault in faults(resource)]
    assert bool(found) == (path.stem == "faulty_export")


def test_faults_point_at_their_place_and_survive_as_an_operation_outcome() -> None:
    resources = {r.identity: r for r in read_resources((PACKAGE / "supplements" / "faulty_export.json").read_bytes())}
    expected = {
        "Observation/no-status": {"Observation.status"},
        "Observation/bad-status": {"Observation.status"},
        "Condition/wrong-type": {"Condition.code", "Condition.onsetDateTime"},
        "AllergyIntolerance/odd": {
            "AllergyIntolerance.patient",
            "AllergyIntolerance.reaction",
            "AllergyIntolerance.made-up",
        },
    }
    for identity, places in expected.items():
        found = faults(resources[identity])
        assert {fault.expression for fault in found} == places
        kept = outcome_bytes(found)
        assert json.loads(kept)["resourceType"] == "OperationOutcome"
        assert [fault.expression for fault in read_outcome(kept)] == [fault.expression for fault in found]
        with pytest.raises(SalusError) as error:
            require_valid(resources[identity])
        assert error.value.full_code == "fhir/invalid"
    assert outcome_bytes(()) == b""
    assert read_outcome(b"") == ()


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"birthDate": "1984-07-03"}, False),
        ({"name": [{"family": "Other"}]}, False),
        ({"name": [{"family": "Other"}, {"family": "Kreiger"}]}, True),
        ({"name": []}, True),
        ({"identifier": [{"system": "s", "value": "2"}]}, False),
        ({"identifier": [{"system": "t", "value": "2"}]}, True),
        ({"identifier": [{"value": "2"}, "odd"]}, True),
    ],
)
def test_a_patient_is_told_from_another(changes: dict[str, object], same: bool) -> None:
    mine = {
        "resourceType": "Patient",
        "id": "p",
        "birthDate": "1984-07-02",
        "name": [{"family": "Kreiger"}],
        "identifier": [{"system": "s", "value": "1"}],
    }
    known, incoming = (read_resource(json.dumps(value).encode()) for value in (mine, {**mine, **changes}))
    if same:
        require_same_patient(known, incoming)
        return
    with pytest.raises(SalusError) as error:
        require_same_patient(known, incoming)
    assert error.value.full_code == "fhir/other-patient"
    assert "Kreiger" not in str(error.value)


def test_what_salus_authors_is_valid_by_its_own_rules() -> None:
    made = [
        note_from_text("n", "Feels well.", "Dr. Reyes", 1_700_000_000_000),
        provenance("v", ["Observation/1"], "City Hospital", "ab" * 32, 1_700_000_000_000),
        consent("c", "Clemente", "Dr. Reyes", ["results"], ["TREAT"], (1_700_000_000_000, 1_700_100_000_000), ["read"]),
    ]
    for raw in made:
        assert faults(read_resource(raw)) == ()
    assert note_text(made[0]) == "Feels well."
    assert note_text(made[1]) == ""


@pytest.mark.parametrize("data", ["RmVl]HM", "é", "A"])
def test_a_note_of_another_writer_that_is_not_base64_has_no_text(data: str) -> None:
    attachment = {"contentType": "text/plain", "data": data}
    note = json.dumps({"resourceType": "DocumentReference", "id": "n", "content": [{"attachment": attachment}]})
    assert note_text(note.encode()) == ""


def test_one_resource_a_line_is_read_as_such() -> None:
    """NDJSON, as FHIR Bulk Data exports it: blank lines do no harm, and each line is kept as it was written."""
    lines = b'{"resourceType":"Patient","id":"p"}\n\n{"resourceType":"Observation","id":"1","x":1.00}\r\n'
    found = read_resources(lines)
    assert [resource.identity for resource in found] == ["Patient/p", "Observation/1"]
    assert found[1].raw == b'{"resourceType":"Observation","id":"1","x":1.00}'


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (b'{"resourceType":"Patient","resourceType":"x"}', "fhir/duplicate-key"),
        (b'{"id":"1"}', "fhir/not-a-resource"),
        (b'{"resourceType":"Patient",}', "fhir/not-json"),
        (b'{"resourceType":"\xff"}', "fhir/not-utf8"),
    ],
)
def test_a_bad_line_is_told_by_its_number_alone(bad: bytes, code: str) -> None:
    data = b'{"resourceType":"Patient","id":"secret"}\n' + bad + b"\n"
    with pytest.raises(SalusError) as error:
        read_resources(data)
    assert error.value.full_code == code
    assert error.value.text.startswith("line 2:")
    assert "secret" not in error.value.text
