"""The chart as text, the way a clinician wants to read it: who, allergies, problems, medication, results, visits, sources."""

from __future__ import annotations

import base64
import binascii
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from salus.charts.sections import SectionKind
from salus.fhir.parsing import Resource, instant

INCOMPLETE = "This chart may be incomplete."
_YEAR_MS = 31_556_952_000  # the Gregorian calendar's mean year


@dataclass(frozen=True)
class Item:
    """One version to show. ``trouble``: a code when something about it could not be verified; ``faults``: how many."""

    resource: Resource
    source: str
    section: SectionKind
    status: str
    author: str
    authored: int
    trouble: str
    faults: int


@dataclass(frozen=True)
class ChartView:
    """``as_of`` (ms) and ``height``: the moment shown; ``notes``: lines that the reader must see first."""

    items: tuple[Item, ...]
    as_of: int
    height: int
    notes: tuple[str, ...] = ()


def render(view: ChartView, width: int = 100) -> str:
    """The chart, at most ``width`` characters a line; no control character of the data gets through."""
    lines = [*_banner(view), *[f"! {note}" for note in view.notes]]
    for title, types, line in _PARTS:
        items = [item for item in view.items if item.resource.type in types]
        lines += ["", title, *_part(items, line, title)]
    lines += ["", *_sources(view), *_conflicts(view), *_troubles(view)]
    return "\n".join(_clean(line)[:width] for line in lines) + "\n"


def _banner(view: ChartView) -> list[str]:
    patient = next((item.resource.value for item in view.items if item.resource.type == "Patient"), {})
    name = _name(patient) or "(name not shared)"
    born = str(patient.get("birthDate", "unknown"))
    born_ms = instant(born)
    dead = patient.get("deceasedDateTime") or ("yes" if patient.get("deceasedBoolean") is True else "")
    until = instant(dead) or view.as_of
    age = f", {(until - born_ms) // _YEAR_MS} years" if born_ms is not None else ""
    who = f"{name}   born {born}{age}   {patient.get('gender', 'sex unknown')}"
    return [
        "=" * 60,
        who + (f"   DECEASED {dead}" if dead else ""),
        f"as of {_when(view.as_of)} (block {view.height}).  {INCOMPLETE}",
        "=" * 60,
    ]


def _part(items: Sequence[Item], line: Callable[[Item], str], title: str) -> list[str]:
    if not items:
        return ["  none recorded here"]
    if title in ("RESULTS", "VITAL SIGNS AND OBSERVATIONS"):
        return _latest(items)
    ordered = sorted(items, key=lambda item: (_inactive(item), -(_date_ms(item.resource.value) or 0)))
    return [f"  {line(item)}{_marks(item)}" for item in ordered]


def _latest(items: Sequence[Item]) -> list[str]:
    """One line a code: the newest value with unit, range and interpretation, then earlier values as a trend."""
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(_text(item.resource.value.get("code")), []).append(item)
    lines = []
    for code in sorted(groups):
        newest, *earlier = sorted(groups[code], key=lambda item: -(_date_ms(item.resource.value) or 0))
        trend = ", ".join(_value(item.resource.value) for item in earlier[:3])
        before = f"   before: {trend}" if trend else ""
        line = f"{code}: {_value(newest.resource.value)}{_range(newest.resource.value)}"
        lines.append(f"  {line}   {_date(newest.resource.value)}{before}{_marks(newest)}")
    return lines


def _allergy(item: Item) -> str:
    value = item.resource.value
    reactions = [_text(m) for r in value.get("reaction", []) for m in r.get("manifestation", [])]
    worst = f" [{value['criticality']} criticality]" if value.get("criticality") else ""
    return f"{_text(value.get('code'))}{worst}{': ' + ', '.join(reactions) if reactions else ''}   {_state(value)}"


def _problem(item: Item) -> str:
    value = item.resource.value
    return f"{_text(value.get('code'))}   {_state(value)}   since {_date(value)}"


def _medication(item: Item) -> str:
    value = item.resource.value
    doses = [str(d["text"]) for d in value.get("dosageInstruction", value.get("dosage", [])) if d.get("text")]
    name = _text(value.get("medicationCodeableConcept") or value.get("code") or value.get("medicationReference"))
    return f"{name}   {'; '.join(doses) or 'dosage not stated'}   {value.get('status', '')}   {_date(value)}"


def _event(item: Item) -> str:
    value = item.resource.value
    kind = value.get("vaccineCode") or value.get("code") or (value.get("type") or [None])
    why = ", ".join(_text(reason) for reason in value.get("reasonCode", []))
    named = _text(kind[0] if isinstance(kind, list) else kind)
    return f"{_date(value)}   {item.resource.type}: {named}{' for ' + why if why else ''}   {value.get('status', '')}"


def _document(item: Item) -> str:
    value = item.resource.value
    return f"{_date(value)}   {_text(value.get('type'))} by {item.author}: {_attached(value)}"


def _attached(value: dict[str, Any]) -> str:
    for content in value.get("content", []):
        attachment = content.get("attachment", {})
        if str(attachment.get("contentType", "")).startswith("text/plain") and attachment.get("data"):
            try:
                return base64.b64decode(str(attachment["data"])).decode("utf-8", "replace").replace("\n", " ")
            except binascii.Error:
                return "(attachment not readable)"
        return str(attachment.get("title") or attachment.get("contentType") or "(attachment)")
    return "(no content)"


_PARTS: tuple[tuple[str, tuple[str, ...], Callable[[Item], str]], ...] = (
    ("ALLERGIES AND INTOLERANCES", ("AllergyIntolerance",), _allergy),
    ("PROBLEMS", ("Condition",), _problem),
    ("MEDICATION", ("MedicationRequest", "MedicationStatement", "MedicationDispense", "MedicationAdministration"), _medication),
    ("VITAL SIGNS AND OBSERVATIONS", ("Observation",), _event),
    ("IMMUNISATIONS", ("Immunization",), _event),
    ("ENCOUNTERS AND PROCEDURES", ("Encounter", "Procedure", "DiagnosticReport", "ImagingStudy", "CarePlan"), _event),
    ("DOCUMENTS AND NOTES", ("DocumentReference", "Composition"), _document),
)


def _sources(view: ChartView) -> list[str]:
    counts: dict[str, int] = {}
    for item in view.items:
        counts[item.source] = counts.get(item.source, 0) + 1
    return ["SOURCES", *[f"  {source}: {count} resources" for source, count in sorted(counts.items())]]


def _conflicts(view: ChartView) -> list[str]:
    sides = [item for item in view.items if item.status == "conflict"]
    lines = [f"  {i.resource.identity}: {_summary(i)}   ({i.source}, {_when(i.authored)})" for i in sides]
    return ["", "CONFLICTS (both sides are shown; nobody has decided)", *lines] if lines else []


def _troubles(view: ChartView) -> list[str]:
    lines = [f"  {i.resource.identity}: {i.trouble}" for i in view.items if i.trouble]
    return ["", "NOT VERIFIED", *lines] if lines else []


def _summary(item: Item) -> str:
    value = item.resource.value
    named = _text(value.get("code") or value.get("medicationCodeableConcept") or value.get("type"))
    return f"{named} {_value(value)}".strip()


def _marks(item: Item) -> str:
    marks = [mark for mark, on in (("CONFLICT", item.status == "conflict"), ("NOT VERIFIED", item.trouble)) if on]
    marks += [f"{item.faults} faults"] if item.faults else []
    return f"   [{', '.join(marks)}]" if marks else ""


def _inactive(item: Item) -> bool:
    return _state(item.resource.value) in ("inactive", "resolved", "remission") or item.resource.value.get("status") in (
        "stopped",
        "completed",
        "cancelled",
    )


def _state(value: dict[str, Any]) -> str:
    codes = value.get("clinicalStatus", {}).get("coding", []) if isinstance(value.get("clinicalStatus"), dict) else []
    return str(codes[0].get("code", "")) if codes else ""


def _value(value: dict[str, Any]) -> str:
    quantity = value.get("valueQuantity")
    if isinstance(quantity, dict):
        number = quantity.get("value", "?")
        shown = f"{number:.2f}".rstrip("0").rstrip(".") if "." in str(number) and len(str(number)) > 8 else str(number)
        return f"{quantity.get('comparator', '')}{shown} {quantity.get('unit') or quantity.get('code') or '(no unit)'}"
    parts = [f"{_text(c.get('code'))} {_value(c)}" for c in value.get("component", []) if isinstance(c, dict)]
    if parts:
        return "; ".join(parts)
    for key in ("valueCodeableConcept", "valueString", "valueBoolean", "valueInteger", "valueDateTime"):
        if key in value:
            return _text(value[key])
    return "(no value)" if value.get("resourceType") == "Observation" else ""


def _range(value: dict[str, Any]) -> str:
    ranges = value.get("referenceRange", [])
    marks = [_text(mark) for mark in value.get("interpretation", [])]
    shown = ""
    if ranges:
        low, high = ranges[0].get("low", {}).get("value", ""), ranges[0].get("high", {}).get("value", "")
        shown = f" (range {ranges[0].get('text') or f'{low} to {high}'})"
    return shown + (f" [{', '.join(marks)}]" if marks else "")


def _text(concept: Any) -> str:
    if isinstance(concept, dict):
        codings = concept.get("coding") or [{}]
        first = codings[0] if isinstance(codings[0], dict) else {}
        named = concept.get("text") or first.get("display") or first.get("code") or concept.get("display")
        return str(named or "(not named)")
    return "(not named)" if concept is None else str(concept)


_DATES = ("effectiveDateTime", "onsetDateTime", "authoredOn", "occurrenceDateTime", "performedDateTime", "date", "started")


def _date(value: dict[str, Any]) -> str:
    period = value.get("period") or value.get("performedPeriod") or value.get("effectivePeriod") or {}
    held = next((value[key] for key in _DATES if key in value), period.get("start") if isinstance(period, dict) else None)
    text = str(held or value.get("recordedDate") or "date unknown")
    return text.replace("T", " ")


def _date_ms(value: dict[str, Any]) -> int | None:
    return instant(_date(value).replace(" ", "T"))


def _name(patient: dict[str, Any]) -> str:
    names = [name for name in patient.get("name", []) if isinstance(name, dict)]
    best = next((name for name in names if name.get("use") == "official"), names[0] if names else {})
    return " ".join([*map(str, best.get("given", [])), str(best.get("family", ""))]).strip()


def _when(moment: int) -> str:
    return datetime.fromtimestamp(moment / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _clean(line: str) -> str:
    return "".join(" " if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") else char for char in line)
