"""Who pays for somebody's care, as FHIR's Coverage, and back: what a patient shows at a desk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from salus.crypto.hashing import sha256
from salus.errors import FhirRefused
from salus.fhir.parsing import Resource, read_resource, to_json
from salus.fhir.validation import require_valid

#: http://terminology.hl7.org/CodeSystem/coverage-class
_CLASS = "http://terminology.hl7.org/CodeSystem/coverage-class"


@dataclass(frozen=True)
class CoverageInfo:
    """``payer`` is a name, ``number`` what the payer knows the patient by; ``begins``, ``ends`` are FHIR's dates; "" for none."""

    patient: str
    payer: str
    number: str
    plan: str = ""
    begins: str = ""
    ends: str = ""
    status: str = "active"


def to_fhir(info: CoverageInfo) -> bytes:
    """A valid Coverage, under an id that is the same each time that this payer is named; ``fhir/invalid`` for what is no date."""
    period = {name: date for name, date in (("start", info.begins), ("end", info.ends)) if date}
    value: dict[str, Any] = {
        "resourceType": "Coverage",
        "id": f"coverage-{sha256(info.payer.encode()).hex()[:32]}",
        "status": info.status,
        **({"subscriberId": info.number} if info.number else {}),
        "beneficiary": {"display": info.patient},
        **({"period": period} if period else {}),
        "payor": [{"display": info.payer}],
        **({"class": [{"type": {"coding": [{"system": _CLASS, "code": "plan"}]}, "value": info.plan}]} if info.plan else {}),
    }
    raw = to_json(value)
    require_valid(read_resource(raw))
    return raw


def from_fhir(resource: Resource) -> CoverageInfo:
    """What a Coverage says, whoever wrote it; "" for what it does not say. ``fhir/no-coverage`` where it says no payer."""
    value = resource.value
    try:
        period, classes = value.get("period", {}), value.get("class", [])
        plans = [str(one["value"]) for one in classes for code in one["type"]["coding"] if code["code"] == "plan"]
        payer = value["payor"][0]
        named = payer.get("display") or payer.get("reference") or payer.get("identifier", {}).get("value")
        numbers = [value.get("subscriberId"), *(one.get("value") for one in value.get("identifier", []))]
        if resource.type != "Coverage" or not named:
            raise ValueError
        return CoverageInfo(
            str(value["beneficiary"].get("display", "")),
            str(named),
            str(next(filter(None, numbers), "")),
            "".join(plans[:1]),
            str(period.get("start", "")),
            str(period.get("end", "")),
            str(value["status"]),
        )
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise FhirRefused("no-coverage", "this is no Coverage that names who pays") from error


def words(info: CoverageInfo) -> str:
    """In a line, for people."""
    said = (("number", info.number), ("plan", info.plan), ("from", info.begins), ("until", info.ends))
    return "   ".join([info.payer, *(f"{name} {value}" for name, value in said if value), info.status])
