"""A fill of a prescription as FHIR's Task, and back: what became of the order, for systems that know Tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from salus.errors import FhirRefused
from salus.fhir.authoring import PRESCRIPTION_SYSTEM, utc
from salus.fhir.parsing import Resource, instant, read_resource, to_json
from salus.fhir.validation import require_valid

STATUS_SYSTEM, SHARE_SYSTEM, FILL_SYSTEM = "urn:salus:fill-status", "urn:salus:share", "urn:salus:fill"
LICENCE_SYSTEM, DOUBT_SYSTEM = "urn:salus:licence", "urn:salus:doubt"
NOT_SHARED = "not-shared"  # in place of a status, for who may not be told it

#: What Task has no code of its own for is named beside it, as its business status.
_TASK_STATUS = {
    "ready": "ready",
    "accepted": "accepted",
    "on-hold": "on-hold",
    "completed": "completed",
    "stopped": "failed",
    "cancelled": "cancelled",
    "expired": "failed",
}


@dataclass(frozen=True)
class FillInfo:
    """A fill in plain values: ``fill`` counts from 1, times in ms (0: none), ``dispensed`` in thousandths.

    ``pharmacist`` is the licence of who acted last, or "". ``doubtful``: a pharmacy that said nothing may have dispensed it.
    """

    fill: int
    status: str
    opens: int
    closes: int
    until: int
    dispensed: int
    at: int
    doubtful: bool
    pharmacist: str


def task_of_fill(prescription: str, info: FillInfo, issued: int) -> bytes:
    """A valid Task that says all of the fill. ``prescription``: its handle in hexadecimal; ``issued`` in ms."""
    period = {**({"start": utc(info.opens)} if info.opens else {}), "end": utc(info.closes)}
    value: dict[str, Any] = {
        "resourceType": "Task",
        "id": f"fill-{prescription[:32]}-{info.fill}",
        "identifier": [
            {"system": PRESCRIPTION_SYSTEM, "value": prescription},
            {"system": FILL_SYSTEM, "value": str(info.fill)},
        ],
        "status": _TASK_STATUS[info.status],
        "businessStatus": _concept(STATUS_SYSTEM, info.status),
        "intent": "order",
        "code": {
            "coding": [
                {"system": "http://hl7.org/fhir/CodeSystem/task-code", "code": "fulfill", "display": "Fulfill the focal request"}
            ]
        },
        "focus": {"type": "MedicationRequest", "identifier": {"system": PRESCRIPTION_SYSTEM, "value": prescription}},
        "authoredOn": utc(issued),
        "restriction": {"period": period},
        "output": _outputs(info),
    }
    if info.until:
        value["executionPeriod"] = {"end": utc(info.until)}
    if info.pharmacist:
        value["owner"] = {"identifier": {"system": LICENCE_SYSTEM, "value": info.pharmacist}}
    raw = to_json({key: item for key, item in value.items() if item})
    require_valid(read_resource(raw))
    return raw


def fill_of_task(task: Resource) -> tuple[str, FillInfo]:
    """The handle and the fill that `task_of_fill` has written; `FhirRefused` ``not-a-fill`` for any other Task."""
    value = task.value
    try:
        handle, number = (one["value"] for one in value["identifier"])
        outputs = {one["type"]["coding"][0]["system"]: one for one in value.get("output", [])}
        period, share = value["restriction"]["period"], outputs.get(SHARE_SYSTEM, {})
        info = FillInfo(
            int(number),
            value["businessStatus"]["coding"][0]["code"],
            instant(period.get("start")) or 0,
            instant(period["end"]) or 0,
            instant(value.get("executionPeriod", {}).get("end")) or 0,
            share.get("valueInteger", 0),
            instant(outputs.get(STATUS_SYSTEM, {}).get("valueInstant")) or 0,
            outputs.get(DOUBT_SYSTEM, {}).get("valueBoolean", False),
            value.get("owner", {}).get("identifier", {}).get("value", ""),
        )
        if task.type != "Task" or _TASK_STATUS[info.status] != value["status"]:
            raise ValueError
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise FhirRefused("not-a-fill", "the resource is no Task of a fill of a prescription") from error
    return handle, info


def _outputs(info: FillInfo) -> list[dict[str, Any]]:
    """How much was handed over, when last, and whether that is in doubt."""
    said: list[tuple[str, str, str, object]] = [
        (SHARE_SYSTEM, "dispensed, in thousandths", "valueInteger", info.dispensed),
        (STATUS_SYSTEM, "last dispensed", "valueInstant", utc(info.at) if info.at else None),
        (DOUBT_SYSTEM, "may have been dispensed", "valueBoolean", info.doubtful),
    ]
    return [{"type": {**_concept(system, ""), "text": text}, kind: value} for system, text, kind, value in said if value]


def _concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, **({"code": code} if code else {})}]}
