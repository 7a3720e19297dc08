"""Resources that Salus itself writes. Each is held to the standard: `require_valid` before it leaves."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from salus.errors import FhirRefused
from salus.fhir.parsing import EPOCH, Resource, instant, read_resource, to_json
from salus.fhir.validation import require_valid

#: v3-ActReason, http://terminology.hl7.org/CodeSystem/v3-ActReason
_PURPOSE_SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-ActReason"


def utc(moment: int) -> str:
    """Milliseconds since the epoch as a FHIR instant in UTC."""
    return (EPOCH + timedelta(milliseconds=moment)).isoformat(timespec="milliseconds")


def note_from_text(identity: str, text: str, author: str, authored: int) -> bytes:
    """A DocumentReference with the note as plain text; LOINC 34109-9 is "Note"."""
    return _valid(
        {
            "resourceType": "DocumentReference",
            "id": identity,
            "status": "current",
            "type": {"coding": [{"system": "http://loinc.org", "code": "34109-9", "display": "Note"}]},
            "date": utc(authored),
            "author": [{"display": author}],
            "content": [
                {
                    "attachment": {
                        "contentType": "text/plain; charset=utf-8",
                        "data": base64.b64encode(text.encode("utf-8")).decode("ascii"),
                        "title": "Note",
                    }
                }
            ],
        }
    )


def note_text(data: bytes) -> str:
    """The text of what `note_from_text` made; empty for any other resource, whatever another writer put into it."""
    match read_resource(data).value:
        case {"content": [{"attachment": {"data": str(text)}}]}:
            try:
                return base64.b64decode(text).decode("utf-8", "replace")
            except ValueError:  # not base64
                return ""
        case _:
            return ""


def consent(
    identity: str,
    patient: str,
    reader: str,
    sections: Sequence[str],
    purposes: Sequence[str],
    period: tuple[int, int],
    actions: Sequence[str],
) -> bytes:
    """A FHIR Consent that says in words what a grant allows: ``period`` is (from, until) in ms."""
    return _valid(
        {
            "resourceType": "Consent",
            "id": identity,
            "status": "active",
            "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
            "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0", "display": "Consent Document"}]}],
            "patient": {"display": patient},
            "dateTime": utc(period[0]),
            "policyRule": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTIN"}]},
            "provision": {
                "type": "permit",
                "period": {"start": utc(period[0]), "end": utc(period[1])},
                "actor": [
                    {
                        "role": {
                            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]
                        },
                        "reference": {"display": reader},
                    }
                ],
                "action": [{"text": action} for action in actions],
                "purpose": [{"system": _PURPOSE_SYSTEM, "code": purpose} for purpose in purposes],
                "class": [{"system": "urn:salus:section", "code": section} for section in sections],
            },
        }
    )


#: The identifier by which a MedicationRequest names its prescription on the ledger, and a MedicationDispense what it was for.
PRESCRIPTION_SYSTEM = "urn:salus:prescription"


def medication_request(drug: str, dose: str, patient: str) -> bytes:
    """A MedicationRequest in words: what, and how to take it."""
    return _valid(
        {
            "resourceType": "MedicationRequest",
            "status": "active",
            "intent": "order",
            "medicationCodeableConcept": {"text": drug},
            "subject": {"display": patient},
            "dosageInstruction": [{"text": dose}],
        }
    )


def prescribed(request: Resource, handle: str, author: str, authored: int, renews: str = "") -> bytes:
    """The MedicationRequest as it is signed: active, an order, by whom and when, and its first identifier is the handle.

    ``renews``: the handle of the prescription that it follows.
    """
    others = [one for one in request.value.get("identifier", []) if one.get("system") != PRESCRIPTION_SYSTEM]
    changed = {
        "id": f"rx-{handle[:32]}",
        "identifier": [{"system": PRESCRIPTION_SYSTEM, "value": handle}, *others],
        "status": "active",
        "intent": "order",
        "authoredOn": utc(authored),
        "requester": {"display": author},
        **({"priorPrescription": _prescription(renews)} if renews else {}),
    }
    value = {key: item for key, item in request.value.items() if key not in ("meta", "text", "encounter", *changed)}
    raw = to_json({"resourceType": "MedicationRequest", **changed, **value})
    require_valid(read_resource(raw))
    return raw


def _prescription(handle: str) -> dict[str, object]:
    """A reference to a prescription by its handle."""
    return {"identifier": {"system": PRESCRIPTION_SYSTEM, "value": handle}}


def medication_dispense(
    identity: str, request: Resource, handle: str, handed_over: int, quantity: str, batch: str, product: str = ""
) -> bytes:
    """A MedicationDispense of what ``request`` orders, or of ``product`` in its place. ``handed_over``: ms; the rest in words."""
    medication = {key: item for key, item in request.value.items() if key.startswith("medication")}
    if product:
        medication = {"medicationCodeableConcept": {"text": product}, "substitution": {"wasSubstituted": True}}
    words = [word for word in (f"quantity: {quantity}" if quantity else "", f"batch: {batch}" if batch else "") if word]
    value = {
        "resourceType": "MedicationDispense",
        "id": identity,
        "status": "completed",
        **medication,
        "subject": request.value["subject"],
        "authorizingPrescription": [_prescription(handle)],
        "whenHandedOver": utc(handed_over),
        **({"note": [{"text": word} for word in words]} if words else {}),
    }
    raw = to_json(value)
    require_valid(read_resource(raw))
    return raw


@dataclass(frozen=True)
class Dispensed:
    """What was handed over, when (ms), and of which prescription (hexadecimal); ``substituted``: another than was prescribed."""

    prescription: str
    product: str
    handed_over: int
    quantity: str
    batch: str
    substituted: bool


def dispensed_of(dispense: Resource) -> Dispensed:
    """What `medication_dispense` has written; `FhirRefused` ``not-a-dispense`` for what somebody else has."""
    value = dispense.value
    try:
        (prescription,) = (one["identifier"] for one in value["authorizingPrescription"])
        noted = dict(one["text"].split(": ", 1) for one in value.get("note", []))
        moment = instant(value["whenHandedOver"])
        if dispense.type != "MedicationDispense" or prescription["system"] != PRESCRIPTION_SYSTEM or moment is None:
            raise ValueError
        return Dispensed(
            prescription["value"],
            medication_words(dispense)[0],
            moment,
            noted.get("quantity", ""),
            noted.get("batch", ""),
            value.get("substitution", {}).get("wasSubstituted", False),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FhirRefused("not-a-dispense", "the resource is nothing that was handed over for a prescription here") from error


def named_prescription(request: Resource) -> str:
    """The handle that the first identifier names; "" for another resource."""
    match request.value:
        case {"identifier": [{"system": system, "value": str(handle)}, *_]} if system == PRESCRIPTION_SYSTEM:
            return handle
        case _:
            return ""


def medication_words(request: Resource) -> tuple[str, str]:
    """What is prescribed and how it is taken, in the resource's own words; "" where it has none."""
    match request.value:
        case (
            {"medicationCodeableConcept": {"text": str(drug)}}
            | {"medicationCodeableConcept": {"coding": [{"display": str(drug)}, *_]}}
            | {"medicationReference": {"display": str(drug)}}
        ):
            pass
        case _:
            drug = ""
    doses = request.value.get("dosageInstruction", [])
    return drug, "; ".join(dose["text"] for dose in doses if isinstance(dose.get("text"), str))


def provenance(identity: str, targets: Sequence[str], source: str, digest: str, recorded: int) -> bytes:
    """Where imported resources came from: ``digest`` is the hexadecimal SHA-256 of the original file."""
    return _valid(
        {
            "resourceType": "Provenance",
            "id": identity,
            "target": [{"reference": target} for target in targets],
            "recorded": utc(recorded),
            "agent": [{"who": {"display": source}}],
            "entity": [
                {
                    "role": "source",
                    "what": {"identifier": {"system": "urn:ietf:rfc:6920", "value": f"ni:///sha-256;{digest}"}},
                }
            ],
        }
    )


def _valid(value: dict[str, Any]) -> bytes:
    raw = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    require_valid(read_resource(raw))
    return raw
