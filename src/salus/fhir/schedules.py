"""The page of a schedule in FHIR R4 and back: a Bundle of Location, HealthcareService, PractitionerRole, Schedule and Slots.

A schedule that is an organisation's own has no PractitionerRole: its HealthcareService has the licence.

What FHIR has no element for stands in extensions and systems of Salus' own (``urn:salus:``): seats, kind, handle and licence.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from salus.errors import FhirRefused
from salus.exchange.schedules import SchedulePage, Spot, names_of
from salus.fhir.authoring import utc
from salus.fhir.parsing import as_bundle, moment_of, read_resource, read_resources, to_json
from salus.fhir.validation import require_valid
from salus.ledger.modules.scheduling.messages import Kind, Slot

SCHEDULE_SYSTEM, LICENCE_SYSTEM, KIND_SYSTEM = "urn:salus:schedule", "urn:salus:licence", "urn:salus:slot-kind"
SEATS = "urn:salus:seats"
TIMEZONE = "http://hl7.org/fhir/StructureDefinition/timezone"  # FHIR's own extension
_DEGREE = 1_000_000


@dataclass(frozen=True)
class PageFacts:
    """What a page says to people, in plain values, without what proves it. Times in ms; ``taken``: starts of busy slots.

    ``practitioner``: "" where the schedule is the organisation's own.
    """

    schedule: str
    licence: str
    practitioner: str
    service: str
    organisation: str
    specialties: tuple[str, ...]
    languages: tuple[str, ...]
    telecom: tuple[str, ...]
    place: str
    spot: Spot | None
    zone: str
    begins: int
    ends: int
    slots: tuple[Slot, ...]
    taken: tuple[int, ...] = ()


def facts_of(page: SchedulePage, taken: Collection[int] = ()) -> PageFacts:
    """What the page says; ``taken``: the starts of slots in which no seat is free."""
    about = page.about.about
    practitioner, organisation = names_of(about)
    busy = tuple(slot.start for slot in page.slots if slot.start in taken)
    return PageFacts(
        about.schedule.hex(),
        about.licence.hex(),
        practitioner,
        about.service,
        organisation,
        about.specialties,
        about.languages,
        about.telecom,
        about.place,
        about.spot,
        about.zone,
        page.begins,
        page.ends,
        page.slots,
        busy,
    )


def to_fhir(facts: PageFacts) -> bytes:
    """A Bundle (collection) of valid resources, each named by the schedule's handle."""
    short = facts.schedule[:32]
    ids = {kind: f"{kind.lower()}-{short}" for kind in ("Location", "HealthcareService", "PractitionerRole", "Schedule")}
    refs = {kind: {"reference": f"{kind}/{identity}"} for kind, identity in ids.items()}
    handle = {"system": SCHEDULE_SYSTEM, "value": facts.schedule}
    specialty = [{"text": text} for text in facts.specialties]
    telecom = [{"system": _contact_system(text), "value": text} for text in facts.telecom]
    languages = [{"coding": [{"system": "urn:ietf:bcp:47", "code": code}]} for code in facts.languages]
    organisation = {"display": facts.organisation}
    licence = [{"system": LICENCE_SYSTEM, "value": facts.licence}]
    own = not facts.practitioner
    role: dict[str, Any] = {
        "resourceType": "PractitionerRole",
        "id": ids["PractitionerRole"],
        "identifier": licence,
        "active": True,
        "practitioner": {"display": facts.practitioner},
        **({"organization": organisation} if facts.organisation else {}),
        "specialty": specialty,
        "location": [refs["Location"]],
        "healthcareService": [refs["HealthcareService"]],
        "telecom": telecom,
    }
    values: list[dict[str, Any]] = [
        {
            "resourceType": "Location",
            "id": ids["Location"],
            "status": "active",
            "name": facts.organisation or facts.practitioner,
            "mode": "instance",
            **({"address": {"text": facts.place}} if facts.place else {}),
            **({"position": _position(facts.spot)} if facts.spot else {}),
        },
        {
            "resourceType": "HealthcareService",
            "id": ids["HealthcareService"],
            **({"identifier": licence, "providedBy": organisation} if own else {}),
            "active": True,
            "name": facts.service,
            "location": [refs["Location"]],
            "specialty": specialty,
            "telecom": telecom,
            "communication": languages,
        },
        *([] if own else [role]),
        {
            "resourceType": "Schedule",
            "id": ids["Schedule"],
            "extension": [{"url": TIMEZONE, "valueCode": facts.zone}],
            "identifier": [handle],
            "active": True,
            "specialty": specialty,
            "actor": [*([] if own else [refs["PractitionerRole"]]), refs["HealthcareService"], refs["Location"]],
            "planningHorizon": {"start": utc(facts.begins), "end": utc(facts.ends)},
        },
    ]
    values += [_slot(slot, short, refs["Schedule"], busy=slot.start in facts.taken) for slot in facts.slots]
    raws = [to_json({key: item for key, item in value.items() if item != []}) for value in values]
    for raw in raws:
        require_valid(read_resource(raw))
    return as_bundle((raw, "") for raw in raws)


def from_fhir(data: bytes) -> PageFacts:
    """What `to_fhir` wrote; `FhirRefused` ``no-schedule`` for what is no such Bundle."""
    found: dict[str, list[dict[str, Any]]] = {}
    for resource in read_resources(data):
        found.setdefault(resource.type, []).append(resource.value)
    try:
        (schedule,), (service,), (location,) = found["Schedule"], found["HealthcareService"], found["Location"]
        role = found["PractitionerRole"][0] if "PractitionerRole" in found else None
        horizon, position = schedule["planningHorizon"], location.get("position")
        slots = [(_read_slot(value), value["status"]) for value in found.get("Slot", [])]
        return PageFacts(
            _identifier(schedule, SCHEDULE_SYSTEM),
            _identifier(role or service, LICENCE_SYSTEM),
            role["practitioner"]["display"] if role else "",
            service["name"],
            role.get("organization", {}).get("display", "") if role else service["providedBy"]["display"],
            tuple(one["text"] for one in service.get("specialty", [])),
            tuple(one["coding"][0]["code"] for one in service.get("communication", [])),
            tuple(one["value"] for one in service.get("telecom", [])),
            location.get("address", {}).get("text", ""),
            None if position is None else Spot(*(round(float(position[way]) * _DEGREE) for way in ("latitude", "longitude"))),
            next(one["valueCode"] for one in schedule["extension"] if one["url"] == TIMEZONE),
            moment_of(horizon["start"]),
            moment_of(horizon["end"]),
            tuple(slot for slot, _ in slots),
            tuple(slot.start for slot, status in slots if status == "busy"),
        )
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, StopIteration) as error:
        raise FhirRefused("no-schedule", "this is no schedule as it is written here") from error


def _slot(slot: Slot, short: str, schedule: dict[str, str], *, busy: bool) -> dict[str, Any]:
    return {
        "resourceType": "Slot",
        "id": f"slot-{short[:24]}-{slot.start}",
        "extension": [{"url": SEATS, "valuePositiveInt": slot.seats}],
        "serviceCategory": [{"coding": [{"system": KIND_SYSTEM, "code": slot.kind.value}]}],
        "schedule": schedule,
        "status": "busy" if busy else "free",
        "start": utc(slot.start),
        "end": utc(slot.end),
    }


def _read_slot(value: dict[str, Any]) -> Slot:
    seats = next(one["valuePositiveInt"] for one in value["extension"] if one["url"] == SEATS)
    kinds = [code["code"] for one in value["serviceCategory"] for code in one["coding"] if code["system"] == KIND_SYSTEM]
    return Slot(moment_of(value["start"]), moment_of(value["end"]), int(seats), Kind(kinds[0]))


def _position(spot: Spot) -> dict[str, float]:
    return {"longitude": spot.longitude / _DEGREE, "latitude": spot.latitude / _DEGREE}


def _contact_system(text: str) -> str:
    scheme = text.partition(":")[0]
    return {"tel": "phone", "mailto": "email", "https": "url", "http": "url"}.get(scheme, "other")


def _identifier(value: dict[str, Any], system: str) -> str:
    return next(str(one["value"]) for one in value["identifier"] if one["system"] == system)
