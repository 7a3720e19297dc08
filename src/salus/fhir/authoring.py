"""Resources that Salus itself writes. Each is held to the standard: `require_valid` before it leaves."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from salus.fhir.parsing import read_resource
from salus.fhir.validation import require_valid

#: v3-ActReason, http://terminology.hl7.org/CodeSystem/v3-ActReason
_PURPOSE_SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-ActReason"


def utc(moment: int) -> str:
    """Milliseconds since the epoch as a FHIR instant in UTC."""
    return datetime.fromtimestamp(moment / 1000, UTC).isoformat(timespec="milliseconds")


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
