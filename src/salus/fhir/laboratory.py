"""Orders, specimens and reports in FHIR R4: made, held to what a result must say, and read as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from salus.errors import FhirRefused
from salus.fhir.authoring import utc
from salus.fhir.parsing import Resource, instant, read_resource, read_resources, to_json
from salus.fhir.units import LOINC, UCUM, require_loinc, require_unit
from salus.fhir.validation import require_valid

#: The identifier by which a ServiceRequest and a DiagnosticReport name their order on the ledger, and a specimen its number.
ORDER_SYSTEM, ACCESSION_SYSTEM = "urn:salus:order", "urn:salus:accession"
#: v3-ObservationInterpretation, http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation
INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
CRITICAL = ("HH", "LL", "AA")
#: What a report on the ledger may be in a DiagnosticReport: new content is appended, wrong content corrected or amended.
STATUSES = {
    "preliminary": ("preliminary", "partial"),
    "final": ("final",),
    "corrected": ("corrected", "amended", "appended"),
}
MAX_OBSERVATIONS = 200


@dataclass(frozen=True)
class Value:
    """One result: ``value`` in words with ``unit``, ``number`` where it is one; the range that it is held against, and for whom.

    ``flag``: N, H, L, HH, LL and the like, as the laboratory says, or as the range does where it says nothing. ``at``: ms, or 0.
    """

    code: str
    name: str
    value: str
    unit: str
    low: str
    high: str
    population: str
    flag: str
    at: int = 0
    number: Decimal | None = None

    @property
    def critical(self) -> bool:
        """Whether somebody has to act at once."""
        return self.flag in CRITICAL


def service_request(codes: Sequence[str], words: str, patient: str) -> bytes:
    """What is ordered: tests by their LOINC codes, or anything in words; ``fhir/bad-loinc``."""
    for code in codes:
        require_loinc(code)
    value = {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "code": {"text": words or "laboratory tests", **({"coding": [_loinc(codes[0])]} if codes else {})},
        **({"orderDetail": [{"coding": [_loinc(code)]} for code in codes[1:]]} if codes[1:] else {}),
        "subject": {"display": patient},
    }
    return _valid(value)


def ordered(request: Resource, handle: str, author: str, authored: int) -> bytes:
    """The ServiceRequest as it is signed: active, an order, by whom and when, and its first identifier is the handle."""
    others = [one for one in request.value.get("identifier", []) if one.get("system") != ORDER_SYSTEM]
    changed = {
        "id": f"order-{handle[:32]}",
        "identifier": [{"system": ORDER_SYSTEM, "value": handle}, *others],
        "status": "active",
        "intent": "order",
        "authoredOn": utc(authored),
        "requester": {"display": author},
    }
    kept = {key: item for key, item in request.value.items() if key not in ("meta", "text", "encounter", *changed)}
    return _valid({"resourceType": "ServiceRequest", **changed, **kept})


def specimen(handle: str, accession: str, kind: str, patient: str, collected: int) -> bytes:
    """A Specimen: ``kind`` in words, the number under which the laboratory knows it, when it was collected (ms)."""
    return _valid(
        {
            "resourceType": "Specimen",
            "id": f"specimen-{handle[:32]}",
            "identifier": [{"system": ORDER_SYSTEM, "value": handle}],
            "accessionIdentifier": {"system": ACCESSION_SYSTEM, "value": accession},
            "status": "available",
            "type": {"text": kind},
            "subject": {"display": patient},
            "collection": {"collectedDateTime": utc(collected)},
        }
    )


def named_order(resource: Resource) -> str:
    """The handle that the first identifier names; "" for another resource."""
    match resource.value:
        case {"identifier": [{"system": system, "value": str(handle)}, *_]} if system == ORDER_SYSTEM:
            return handle
        case _:
            return ""


def ordered_words(request: Resource) -> str:
    """What is ordered, in the resource's own words; "" where it has none."""
    concepts = [request.value.get("code", {}), *request.value.get("orderDetail", [])]
    return ", ".join(filter(None, map(_words, concepts)))


def compiled(data: bytes, handle: str, status: str, tube: Resource, laboratory: str, issued: int) -> bytes:
    """The report as a Bundle: DiagnosticReport, its Observations, the Specimen; named by the order, valid, and checked.

    ``data`` is a Bundle of them, or a DiagnosticReport that contains its Observations. A correction has the ids of what it
    corrects. ``fhir/bad-report``, ``fhir/bad-loinc``, ``fhir/no-unit``, ``fhir/unknown-unit``, ``fhir/invalid``.
    """
    report, observations = _parts(data)
    said = str(report.get("status", ""))
    subject, date = tube.value["subject"], utc(issued)
    named: dict[str, int] = {}
    results = [_observation(one, handle, subject, status, date, named) for one in observations]
    made = {
        **{key: item for key, item in report.items() if key not in ("contained", "meta", "text", "encounter", "presentedForm")},
        "id": f"result-{handle[:32]}",
        "identifier": [{"system": ORDER_SYSTEM, "value": handle}],
        "basedOn": [{"identifier": {"system": ORDER_SYSTEM, "value": handle}}],
        "status": said if said in STATUSES[status] else STATUSES[status][0],
        "subject": subject,
        "issued": date,
        "performer": [{"display": laboratory}],
        "specimen": [{"reference": f"Specimen/{tube.id}"}],
        "result": [{"reference": f"Observation/{one['id']}"} for one in results],
    }
    entries = [made, *results, tube.value]
    bundle = to_json({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in entries]})
    read_report(bundle, handle)
    return bundle


def report_subject(data: bytes) -> tuple[str, str]:
    """Whose report a laboratory's file says that it is, and of which specimen; "" for what it does not say."""
    report, _ = _parts(data)
    subject = report.get("subject", {}).get("display", "")
    found = [one for one in read_resources(data) if one.type == "Specimen"]
    tubes = [one.value for one in found] + [one for one in report.get("contained", []) if one.get("resourceType") == "Specimen"]
    return str(subject), next((str(one.get("accessionIdentifier", {}).get("value", "")) for one in tubes), "")


def read_report(data: bytes, handle: str) -> list[Resource]:
    """The resources of a report that `compiled` wrote, each valid and checked; the DiagnosticReport is the first."""
    found = read_resources(data)
    reports = [one for one in found if one.type == "DiagnosticReport"]
    results = [one for one in found if one.type == "Observation"]
    if len(reports) != 1 or reports[0] is not found[0] or named_order(found[0]) != handle:
        raise FhirRefused("bad-report", "a report is one DiagnosticReport that names its order")
    if not results or len(results) > MAX_OBSERVATIONS or len(found) > len(results) + 2:
        raise FhirRefused("bad-report", f"a report has 1 to {MAX_OBSERVATIONS} observations")
    for one in found:
        require_valid(one)
    for one in results:
        for measured in (one.value, *one.value.get("component", [])):
            _require_sound(measured)
    return found


def values(resources: Sequence[Resource]) -> tuple[Value, ...]:
    """Every result in the Observations among the resources, components each by themselves."""
    found: list[Value] = []
    for one in resources:
        if one.type == "Observation":
            at = instant(one.value.get("effectiveDateTime")) or instant(one.value.get("issued")) or 0
            parts = [part for part in one.value.get("component", []) if isinstance(part, dict)]
            measured = [*([one.value] if not parts or any(key.startswith("value") for key in one.value) else []), *parts]
            found += [_value(part, at) for part in measured]
    return tuple(found)


def _parts(data: bytes) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The DiagnosticReport, and its Observations, wherever they stand."""
    found = read_resources(data)
    for one in found:
        require_valid(one)
    reports = [one.value for one in found if one.type == "DiagnosticReport"]
    if len(reports) != 1:
        raise FhirRefused("bad-report", "a report is one DiagnosticReport with its Observations")
    contained = [one for one in reports[0].get("contained", []) if isinstance(one, dict)]
    loose = [one.value for one in found if one.type == "Observation"]
    return reports[0], [*loose, *[one for one in contained if one.get("resourceType") == "Observation"]]


def _observation(
    value: dict[str, Any], handle: str, subject: Any, status: str, date: str, named: dict[str, int]
) -> dict[str, Any]:
    """An Observation under an id that is the same each time that this order's result of this code is reported."""
    code = _code(value) or "other"
    named[code] = named.get(code, 0) + 1
    times = {} if "effectiveDateTime" in value or "effectivePeriod" in value else {"effectiveDateTime": date}
    return {
        **{key: item for key, item in value.items() if key not in ("meta", "text", "encounter", "specimen")},
        **times,
        "id": f"{handle[:24]}-{code}" + (f"-{named[code]}" if named[code] > 1 else ""),
        "status": value.get("status") if value.get("status") in STATUSES[status] else STATUSES[status][0],
        "subject": subject,
    }


def _require_sound(measured: dict[str, Any]) -> None:
    """Raise for a code that was misread, and for a quantity that says no unit, or one that UCUM does not have."""
    codings = [one for one in measured.get("code", {}).get("coding", []) if one.get("system") == LOINC]
    for coding in codings:
        require_loinc(str(coding.get("code", "")))
    if not codings and not _words(measured.get("code", {})):
        raise FhirRefused("bad-report", "a result says what was measured")
    quantities = [item for key, item in measured.items() if key == "valueQuantity"]
    ranges = [one for one in measured.get("referenceRange", []) if isinstance(one, dict)]
    quantities += [one[bound] for one in ranges for bound in ("low", "high") if bound in one and quantities]
    for quantity in quantities:
        if "value" not in quantity:
            raise FhirRefused("bad-report", "a quantity has a value")
        if quantity.get("system") != UCUM or not quantity.get("code"):
            raise FhirRefused("no-unit", "a quantity has a unit, by its code in UCUM")
        require_unit(str(quantity["code"]))
    if len({str(quantity["code"]) for quantity in quantities}) > 1:
        raise FhirRefused("unknown-unit", "a result and its range are in one unit")


def _value(measured: dict[str, Any], at: int) -> Value:
    """One result, from an Observation or a component of it, whoever wrote it."""
    number, text, unit = _measured(measured)
    low, high, population = _range(measured)
    said = [
        str(coding.get("code", ""))
        for concept in measured.get("interpretation", [])
        for coding in concept.get("coding", [])
        if coding.get("system") == INTERPRETATION
    ]
    flag = next((code for code in said if code in CRITICAL), said[0] if said else _flag(number, low, high))
    name = _words(measured.get("code", {})) or _code(measured)
    return Value(_code(measured), name, text, unit, _said(low), _said(high), population, flag, at, number)


def _measured(measured: dict[str, Any]) -> tuple[Decimal | None, str, str]:
    match measured:
        case {"valueQuantity": {"value": value, **quantity}}:
            sign = str(quantity.get("comparator", ""))
            number = _decimal(value) if not sign else None
            return number, f"{sign}{value}", str(quantity.get("code") or quantity.get("unit", ""))
        case {"valueString": str(text)} | {"valueCodeableConcept": {"text": str(text)}}:
            return None, text, ""
        case {"valueCodeableConcept": {"coding": [{"display": str(text)}, *_]}}:
            return None, text, ""
        case {"valueInteger": int(whole)}:
            return Decimal(whole), str(whole), ""
        case {"dataAbsentReason": dict(reason)}:
            return None, f"none: {_words(reason) or 'no reason is given'}", ""
        case _:
            return None, "", ""


def _range(measured: dict[str, Any]) -> tuple[Decimal | None, Decimal | None, str]:
    """Low, high, and for whom: in words of the range, or of what it applies to."""
    ranges = measured.get("referenceRange") or [{}]
    one = ranges[0]
    whom = [_words(concept) for concept in one.get("appliesTo", [])]
    population = ", ".join(filter(None, [*whom, str(one.get("text", ""))]))
    return _decimal(one.get("low", {}).get("value")), _decimal(one.get("high", {}).get("value")), population


def _said(bound: Decimal | None) -> str:
    return "" if bound is None else str(bound)


def _flag(number: Decimal | None, low: Decimal | None, high: Decimal | None) -> str:
    if number is None or low is high is None:
        return ""
    return "L" if low is not None and number < low else "H" if high is not None and number > high else "N"


def _decimal(value: Any) -> Decimal | None:
    try:
        return None if value is None or isinstance(value, bool) else Decimal(str(value))
    except InvalidOperation:
        return None


def _code(measured: dict[str, Any]) -> str:
    codings = measured.get("code", {}).get("coding", [])
    return next((str(one.get("code", "")) for one in codings if one.get("system") == LOINC), "")


def _words(concept: dict[str, Any]) -> str:
    match concept:
        case {"text": str(text)} | {"coding": [{"display": str(text)}, *_]}:
            return text
        case {"coding": [{"code": str(code)}, *_]}:
            return code
        case _:
            return ""


def _loinc(code: str) -> dict[str, str]:
    return {"system": LOINC, "code": code}


def _valid(value: dict[str, Any]) -> bytes:
    raw = to_json(value)
    require_valid(read_resource(raw))
    return raw
