"""Faults say where a resource is wrong, and an error repeats nothing that the resource says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from salus.fhir.parsing import read_resource
from salus.fhir.validation import InvalidResource, require_valid

SAID = "Kreiger"
GOOD = {"resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/p"}}


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({SAID: 1}, "Condition.(no element of FHIR)"),
        ({"stage": [{SAID: 1}]}, "Condition.stage[0].(no element of FHIR)"),
        ({f"{SAID}.code[0]": ""}, "Condition.(no element of FHIR)"),
        ({"contained": [{"resourceType": SAID, "id": "1"}]}, "Condition.contained[0]"),
        ({"resourceType": SAID}, "(no element of FHIR)"),
        ({"onsetDateTime": SAID}, "Condition.onset"),
        ({"subject": SAID}, "Condition.subject"),
        ({"id": f"{SAID} !"}, "Condition.id"),
    ],
)
def test_an_error_names_the_place_and_nothing_that_the_resource_says(changed: dict[str, Any], place: str) -> None:
    """ERR-1: also where a name stands in the place of an element or of a type."""
    with pytest.raises(InvalidResource) as refused:
        require_valid(read_resource(json.dumps({**GOOD, **changed}).encode()))
    assert SAID not in str(refused.value)
    assert place in str(refused.value)
    assert all(SAID not in fault.text for fault in refused.value.faults)
