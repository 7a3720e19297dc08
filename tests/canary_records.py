"""Resources whose every text is a canary: one for each field, named by its path. What must be a code or a date is one."""

from __future__ import annotations

import base64
import json
from typing import Any

from canaries import Book

FREE = "*"  # stands for a canary
ENCODED = "**"  # stands for a canary in base64
DIV = '<div xmlns="http://www.w3.org/1999/xhtml"><p>*</p></div>'

CODED: dict[str, Any] = {"coding": [{"system": "urn:oid:*", "code": "*", "display": "*", "version": "*"}], "text": "*"}
ADDRESS = dict.fromkeys(("text", "city", "district", "state", "postalCode", "country"), "*") | {"line": ["*", "*"]}
NAME = {"text": "*", "family": "*", "given": ["*", "*"], "prefix": ["*"], "suffix": ["*"]}
IDENTIFIER = {"system": "urn:oid:*", "value": "*", "type": CODED, "assigner": {"display": "*"}}
PERIOD = {"start": "2019-03-04", "end": "2019-03-05"}
NOTE = {"text": "*", "authorString": "*"}
WHO = {"display": "*"}
SUBJECT = {"reference": "Patient/*id", "display": "*"}

#: Each has text of every kind that its type has; ``*id`` is the patient's id.
TEMPLATES: tuple[dict[str, Any], ...] = (
    {
        "resourceType": "Patient",
        "id": "*id",
        "meta": {"source": "urn:*", "profile": ["urn:*"], "tag": [{"system": "urn:*", "code": "*", "display": "*"}]},
        "text": {"status": "generated", "div": DIV},
        "extension": [{"url": "urn:*", "valueString": "*"}],
        "identifier": [IDENTIFIER],
        "name": [NAME],
        "telecom": [{"system": "phone", "value": "*"}],
        "birthDate": "1743-08-27",
        "address": [ADDRESS],
        "maritalStatus": CODED,
        "contact": [{"name": NAME, "telecom": [{"value": "*"}], "address": ADDRESS}],
        "communication": [{"language": CODED}],
        "generalPractitioner": [WHO],
    },
    {
        "resourceType": "Condition",
        "code": CODED,
        "subject": SUBJECT,
        "bodySite": [CODED],
        "onsetString": "*",
        "recorder": WHO,
        "note": [NOTE],
        "evidence": [{"code": [CODED]}],
    },
    {
        "resourceType": "Observation",
        "status": "final",
        "code": CODED,
        "subject": SUBJECT,
        "valueString": "*",
        "interpretation": [CODED],
        "note": [NOTE],
        "performer": [WHO],
    },
    {
        "resourceType": "Observation",
        "status": "final",
        "category": [
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}
        ],
        "code": CODED,
        "valueQuantity": {"value": 71.40392817465, "unit": "*", "system": "urn:*", "code": "*"},
        "subject": SUBJECT,
    },
    {
        "resourceType": "AllergyIntolerance",
        "code": CODED,
        "patient": SUBJECT,
        "reaction": [{"substance": CODED, "manifestation": [CODED], "description": "*", "note": [NOTE]}],
    },
    {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": CODED,
        "subject": SUBJECT,
        "requester": WHO,
        "dosageInstruction": [{"text": "*", "patientInstruction": "*", "route": CODED}],
        "note": [NOTE],
    },
    {"resourceType": "Immunization", "status": "completed", "vaccineCode": CODED, "patient": SUBJECT, "lotNumber": "*"},
    {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"code": "AMB", "display": "*"},
        "type": [CODED],
        "subject": SUBJECT,
        "period": PERIOD,
        "reasonCode": [CODED],
        "location": [{"location": WHO}],
    },
    {"resourceType": "Procedure", "status": "completed", "code": CODED, "subject": SUBJECT, "outcome": CODED, "note": [NOTE]},
    {"resourceType": "Coverage", "status": "active", "beneficiary": SUBJECT, "payor": [WHO], "subscriberId": "*", "network": "*"},
    {"resourceType": "RelatedPerson", "patient": SUBJECT, "name": [NAME], "relationship": [CODED], "address": [ADDRESS]},
    {"resourceType": "Practitioner", "name": [NAME], "identifier": [IDENTIFIER], "qualification": [{"code": CODED}]},
    {"resourceType": "Organization", "name": "*", "alias": ["*"], "address": [ADDRESS], "identifier": [IDENTIFIER]},
    {
        "resourceType": "DocumentReference",
        "status": "current",
        "description": "*",
        "type": CODED,
        "author": [WHO],
        "content": [{"attachment": {"contentType": "text/plain", "title": "*", "url": "urn:*", "data": "**"}}],
    },
    {
        "resourceType": "Observation",
        "status": "final",
        "meta": {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]},
        "code": CODED,
        "subject": SUBJECT,
        "valueString": "*",
    },
    {
        "resourceType": "Condition",
        "clinicalStatus": "*",
        "code": "*",
        "*": "*",
        "subject": SUBJECT,
    },  # none of it is as it must be
)


class Filler:
    """Fills templates; ``about`` is how its canaries' names begin."""

    def __init__(self, book: Book, about: str) -> None:
        self._book, self._about, self._patient = book, about, book(f"{about}: Patient.id")

    def resources(self, templates: tuple[dict[str, Any], ...] = TEMPLATES) -> list[dict[str, Any]]:
        """One resource a template."""
        made: list[dict[str, Any]] = []
        for number, template in enumerate(templates):
            place = f"{self._about}: {template['resourceType']}[{number}]"
            resource = self._fill(template, place)
            resource.setdefault("id", self._book(f"{place}.id"))
            made.append(resource)
        self._book.other(f"{self._about}: Patient.birthDate", "1743-08-27")
        self._book.other(f"{self._about}: Observation.valueQuantity.value", "71.40392817465")
        return made

    def _fill(self, value: Any, place: str) -> Any:
        if isinstance(value, dict):
            return {self._text(key, f"{place} (a key)"): self._fill(held, f"{place}.{key}") for key, held in value.items()}
        if isinstance(value, list):
            return [self._fill(held, f"{place}[{index}]") for index, held in enumerate(value)]
        return self._text(value, place) if isinstance(value, str) else value

    def _text(self, text: str, place: str) -> str:
        if text == ENCODED:
            return base64.b64encode(self._book(place).encode()).decode()
        return text.replace("*id", self._patient).replace(FREE, self._book(place)) if FREE in text else text


def bundle(book: Book, about: str) -> dict[str, Any]:
    """A Bundle of one resource of each template."""
    entries = [
        {"fullUrl": f"urn:{book(f'{about}: fullUrl')}:{number}", "resource": resource}
        for number, resource in enumerate(Filler(book, about).resources())
    ]
    return {"resourceType": "Bundle", "id": book(f"{about}: Bundle.id"), "type": "collection", "entry": entries}


def lines(book: Book, about: str) -> bytes:
    """The same as NDJSON, of another patient's file of the same person: without the patient."""
    return b"".join(json.dumps(one).encode() + b"\n" for one in Filler(book, about).resources(TEMPLATES[1:]))
