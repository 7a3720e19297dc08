"""What a record says of allergies, current medication and weight: read from its resources as FHIR R4 has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from salus.clinical.substances import Listed, listed, objects
from salus.clinical.units import convert, number
from salus.fhir.parsing import Resource, instant

DAY = 86_400_000
#: Of which types a record is asked for.
ALLERGIES = ("AllergyIntolerance",)
MEDICATION = ("MedicationRequest", "MedicationStatement", "MedicationDispense", "Medication")
WEIGHT = ("Observation",)
#: How long what was dispensed counts as taken, where nobody says for how many days it lasts.
SUPPLY = 90 * DAY
MOST_KILOGRAMS = 1000
_NONE_KNOWN = ("snomed:716186003", "snomed:409137002")  # no known allergy; no known drug allergy
_BODY_WEIGHT = ("29463-7", "3141-9")  # LOINC
_LOINC = "http://loinc.org"
_UCUM = "http://unitsofmeasure.org"
_PERIODS = {"d": 1.0, "wk": 7.0, "mo": 30.0, "a": 365.0, "h": 1 / 24, "min": 1 / 1440, "s": 1 / 86_400}


@dataclass(frozen=True)
class Weight:
    """A body weight in kg, and when it was taken (ms)."""

    kilograms: float
    taken: int


def allergies(resources: Iterable[Resource]) -> tuple[Listed, ...]:
    """Every allergy that is not refuted, resolved or entered in error. What says that there is none is not one."""
    found: list[Listed] = []
    for one in resources:
        value = one.value
        if one.type != "AllergyIntolerance" or _codes(value.get("verificationStatus")) & {"refuted", "entered-in-error"}:
            continue
        name = listed(value.get("code"))
        if not _codes(value.get("clinicalStatus")) & {"inactive", "resolved"} and not set(name.codes) & set(_NONE_KNOWN):
            found.append(name)
    return tuple(dict.fromkeys(found))


def medication(resources: Sequence[Resource], now: int) -> tuple[Listed, ...]:
    """Every medicine that is taken at ``now`` (ms), the newest first, each once."""
    medicines = {name: one for one in resources if one.type == "Medication" for name in (one.full_url, one.identity) if name}
    found: list[tuple[int, Listed]] = []
    for one in resources:
        begun = instant(one.value.get(_BEGUN.get(one.type, ""))) or 0
        if one.type in _BEGUN and _is_taken(one, begun, now):
            found.append((begun, named(one, medicines)))
    return tuple(dict.fromkeys(name for _, name in sorted(found, key=lambda pair: -pair[0])))


def named(one: Resource, medicines: dict[str, Resource] | None = None) -> Listed:
    """The medicine that a request, a statement or a dispense is about."""
    reference = one.value.get("medicationReference")
    if not isinstance(reference, dict):
        return listed(one.value.get("medicationCodeableConcept"))
    target = str(reference.get("reference", ""))
    held = [inner for inner in objects(one.value.get("contained")) if f"#{inner.get('id')}" == target]
    if held:
        return listed(held[0].get("code"))
    found = (medicines or {}).get(target)
    return listed(found.value.get("code")) if found else Listed(str(reference.get("display", "")))


def weight(resources: Iterable[Resource]) -> Weight | None:
    """The body weight that was taken last."""
    found: list[Weight] = []
    for one in resources:
        codings = objects(_inner(one.value, "code", "coding")) if one.type == "Observation" else []
        is_weight = any(coding.get("system") == _LOINC and coding.get("code") in _BODY_WEIGHT for coding in codings)
        quantity, taken = one.value.get("valueQuantity"), instant(one.value.get("effectiveDateTime"))
        wrong = one.value.get("status") in ("entered-in-error", "cancelled")
        if (
            is_weight
            and not wrong
            and isinstance(quantity, dict)
            and taken is not None
            and taken > 0
            and quantity.get("system") == _UCUM
        ):
            kilograms = convert(quantity.get("value"), str(quantity.get("code", "")), "kg")
            found += [Weight(kilograms, taken)] if kilograms and 0 < kilograms < MOST_KILOGRAMS else []
    return max(found, key=lambda one: one.taken, default=None)


_BEGUN = {"MedicationRequest": "authoredOn", "MedicationStatement": "dateAsserted", "MedicationDispense": "whenHandedOver"}
_TAKEN = {
    "MedicationRequest": ("active", "on-hold"),
    "MedicationStatement": ("active", "intended", "on-hold"),
    "MedicationDispense": ("completed", "in-progress"),
}


def _is_taken(one: Resource, begun: int, now: int) -> bool:
    """Whether its status says so and it has not ended; what says nothing of an end has none, but for what was dispensed."""
    if one.value.get("status") not in _TAKEN[one.type]:
        return False
    end = _end(one, begun)
    return end is None or end > now


def _end(one: Resource, begun: int) -> int | None:
    value = one.value
    if one.type == "MedicationDispense":
        lasts = _days(value.get("daysSupply"))
        return begun + (SUPPLY if lasts is None else lasts)
    if one.type == "MedicationStatement":
        return instant(_inner(value, "effectivePeriod", "end"))
    ends: list[int] = []
    lasts = _days(_inner(value, "dispenseRequest", "expectedSupplyDuration"))
    if lasts is not None:
        ends.append(begun + lasts)
    for dose in objects(value.get("dosageInstruction")):
        until, days = _inner(dose, "timing", "repeat", "boundsPeriod", "end"), _inner(dose, "timing", "repeat", "boundsDuration")
        ends += [end for end in (instant(until), None if _days(days) is None else begun + (_days(days) or 0)) if end is not None]
    return max(ends, default=None)


def _days(quantity: Any) -> int | None:
    """A duration in ms."""
    value, unit = number(_inner(quantity, "value")), _inner(quantity, "code")
    if value is None or not isinstance(unit, str) or unit not in _PERIODS:
        return None
    return int(value * _PERIODS[unit] * DAY)


def _inner(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _codes(concept: Any) -> set[str]:
    return {str(coding.get("code")) for coding in objects(_inner(concept, "coding"))}
