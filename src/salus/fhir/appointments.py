"""An appointment in FHIR R4 and back. Statuses are FHIR's own; what it has no element for stands in extensions of Salus' own.

Who comes and why is the patient's and the practice's to know, and goes in where one of them writes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from salus.errors import FhirRefused
from salus.fhir.authoring import utc
from salus.fhir.parsing import moment_of, read_resource, to_json
from salus.fhir.schedules import KIND_SYSTEM, SCHEDULE_SYSTEM, TIMEZONE
from salus.fhir.validation import require_valid

APPOINTMENT_SYSTEM, DECLINE_SYSTEM = "urn:salus:appointment", "urn:salus:decline-reason"
UNTIL, OVERRIDE, ORGANISATION, PLACE, TELECOM = (
    f"urn:salus:{word}" for word in ("until", "override", "organisation", "place", "telecom")
)


@dataclass(frozen=True)
class PlaceInfo:
    """Where an appointment is, and with whom; times in ms, to be told by the clocks of ``zone``."""

    schedule: str
    begins: int
    ends: int
    kind: str
    practitioner: str
    organisation: str
    service: str
    place: str
    zone: str
    telecom: tuple[str, ...]


@dataclass(frozen=True)
class AppointmentInfo:
    """An appointment as the ledger has it. ``until`` (ms): by when it is booked, where it is only held or offered; else 0.

    ``reason``: the code with which a practice has cancelled; ``override``: with which a desk has taken it, else "none".
    """

    appointment: str
    status: str
    begins: int
    ends: int
    until: int
    since: int
    reason: str
    override: str
    places: tuple[PlaceInfo, ...]


def to_fhir(info: AppointmentInfo, patient: str, reason: str = "") -> bytes:
    """A valid Appointment of ``patient``; ``reason`` in words, or ""."""
    extension: list[dict[str, Any]] = [{"url": OVERRIDE, "valueCode": info.override}]
    extension += [{"url": UNTIL, "valueInstant": utc(info.until)}] if info.until else []
    value: dict[str, Any] = {
        "resourceType": "Appointment",
        "id": info.appointment,
        "meta": {"lastUpdated": utc(info.since)},
        "extension": extension,
        "identifier": [{"system": APPOINTMENT_SYSTEM, "value": info.appointment}],
        "status": info.status,
        **({"cancelationReason": _coded(DECLINE_SYSTEM, info.reason)} if info.reason else {}),
        **({"reasonCode": [{"text": reason}]} if reason else {}),
        **({"start": utc(info.begins), "end": utc(info.ends)} if info.places else {}),
        "participant": [
            {"actor": {"type": "Patient", "display": patient}, "status": _agrees(info.status)},
            *map(_participant, info.places),
        ],
    }
    raw = to_json(value)
    require_valid(read_resource(raw))
    return raw


def from_fhir(data: bytes) -> tuple[AppointmentInfo, str, str]:
    """What `to_fhir` wrote, the patient, the reason; `FhirRefused` ``no-appointment`` for what is no such Appointment."""
    value = read_resource(data).value
    try:
        patient, *others = value["participant"]
        places = tuple(map(_read_place, others))
        info = AppointmentInfo(
            next(str(one["value"]) for one in value["identifier"] if one["system"] == APPOINTMENT_SYSTEM),
            value["status"],
            moment_of(value["start"]) if places else 0,
            moment_of(value["end"]) if places else 0,
            next((moment_of(one["valueInstant"]) for one in value["extension"] if one["url"] == UNTIL), 0),
            moment_of(value["meta"]["lastUpdated"]),
            value["cancelationReason"]["coding"][0]["code"] if "cancelationReason" in value else "",
            next(one["valueCode"] for one in value["extension"] if one["url"] == OVERRIDE),
            places,
        )
        return info, patient["actor"]["display"], value["reasonCode"][0]["text"] if "reasonCode" in value else ""
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, StopIteration) as error:
        raise FhirRefused("no-appointment", "this is no appointment as it is written here") from error


def _participant(at: PlaceInfo) -> dict[str, Any]:
    texts = ((ORGANISATION, at.organisation), (PLACE, at.place), *((TELECOM, one) for one in at.telecom))
    return {
        "extension": [
            {"url": KIND_SYSTEM, "valueCode": at.kind},
            {"url": TIMEZONE, "valueCode": at.zone},
            *({"url": url, "valueString": text} for url, text in texts if text),
        ],
        **({"type": [{"text": at.service}]} if at.service else {}),
        "actor": {
            "type": "HealthcareService" if at.organisation and not at.practitioner else "PractitionerRole",
            "identifier": {"system": SCHEDULE_SYSTEM, "value": at.schedule},
            **({"display": at.practitioner} if at.practitioner else {}),
        },
        "status": "accepted",
        "period": {"start": utc(at.begins), "end": utc(at.ends)},
    }


def _read_place(value: dict[str, Any]) -> PlaceInfo:
    def text(url: str) -> tuple[str, ...]:
        return tuple(str(one.get("valueString", one.get("valueCode"))) for one in value["extension"] if one["url"] == url)

    actor, period = value["actor"], value["period"]
    return PlaceInfo(
        actor["identifier"]["value"],
        moment_of(period["start"]),
        moment_of(period["end"]),
        text(KIND_SYSTEM)[0],
        actor.get("display", ""),
        "".join(text(ORGANISATION)),
        value["type"][0]["text"] if "type" in value else "",
        "".join(text(PLACE)),
        text(TIMEZONE)[0],
        text(TELECOM),
    )


def _agrees(status: str) -> str:
    return {"pending": "needs-action", "waitlist": "needs-action", "cancelled": "declined"}.get(status, "accepted")


def _coded(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}
