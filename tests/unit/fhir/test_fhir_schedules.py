"""Pages of schedules in FHIR, and back."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from node_world import code
from salus.exchange.schedules import Spot
from salus.fhir.parsing import read_resources
from salus.fhir.schedules import PageFacts, from_fhir, to_fhir
from salus.fhir.validation import faults
from salus.ledger.modules.scheduling.messages import HOUR, Kind, Slot

NOW = 1_795_766_400_000
SLOTS = tuple(Slot(NOW + number * HOUR, NOW + number * HOUR + HOUR // 2, number + 1, kind) for number, kind in enumerate(Kind))
FULL = PageFacts(
    "ab" * 32,
    "cd" * 32,
    "Dr. Reyes",
    "Sprechstunde",
    "Praxis am See",
    ("Kardiologie", "Innere Medizin"),
    ("de-CH", "fr"),
    ("tel:+41 44 000 00 00", "mailto:a@b.example", "https://praxis.example", "ask for Ada"),
    "Bahnhofstrasse 1, Zürich",
    Spot(47_376_900, -8_541_701),
    "Europe/Zurich",
    NOW,
    NOW + 24 * HOUR,
    SLOTS,
    (SLOTS[1].start,),
)
BARE = PageFacts("ab" * 32, "cd" * 32, "Dr. Reyes", "x", "", (), (), (), "", None, "UTC", NOW, NOW + 1000, ())


OWN = replace(FULL, practitioner="")


@pytest.mark.parametrize("facts", [FULL, BARE, OWN], ids=["full", "bare", "an organisation's own"])
def test_a_page_is_the_same_after_a_round_trip_through_fhir(facts: PageFacts) -> None:
    """SCH-52."""
    assert from_fhir(to_fhir(facts)) == facts


@pytest.mark.parametrize("facts", [FULL, OWN], ids=["full", "an organisation's own"])
def test_every_resource_is_valid_and_refers_to_one_that_is_there(facts: PageFacts) -> None:
    """SCH-52."""
    resources = read_resources(to_fhir(facts))
    assert [fault for resource in resources for fault in faults(resource)] == []
    known = {f"{one.type}/{one.value['id']}" for one in resources if one.type != "Slot"}
    assert set(_references([one.value for one in resources])) == known
    assert [one.value["status"] for one in resources if one.type == "Slot"] == ["free", "busy", "free", "free"]


def _references(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["reference"]] if isinstance(value.get("reference"), str) else []
        return own + [name for item in value.values() for name in _references(item)]
    return [name for item in value for name in _references(item)] if isinstance(value, list) else []


def test_what_is_no_schedule_is_refused() -> None:
    bundle = json.loads(to_fhir(FULL))
    without = [entry for entry in bundle["entry"] if entry["resource"]["resourceType"] != "Location"]
    assert code(lambda: from_fhir(json.dumps({**bundle, "entry": without}).encode())) == "fhir/no-schedule"
    bundle["entry"][-1]["resource"]["start"] = "soon"
    assert code(lambda: from_fhir(json.dumps(bundle).encode())) == "fhir/no-schedule"
