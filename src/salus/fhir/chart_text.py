"""The chart as text, the way a clinician wants to read it: who, allergies, problems, medication, results, visits, sources."""

from __future__ import annotations

import base64
import binascii
import re
import textwrap
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from salus.charts.sections import SectionKind
from salus.errors import FhirRefused
from salus.fhir import coverage
from salus.fhir.authoring import dispensed_of
from salus.fhir.parsing import Resource, instant
from salus.fhir.routing import sections_of

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
    """``as_of`` (ms) and ``height``: the moment shown; ``notes``: lines that the reader must see first.

    ``opened``: sections that the reader may read; ``sections`` and ``types``: what alone was asked for, nothing for everything.
    """

    items: tuple[Item, ...]
    as_of: int
    height: int
    notes: tuple[str, ...] = ()
    opened: frozenset[SectionKind] = frozenset(SectionKind)
    sections: tuple[SectionKind, ...] = ()
    types: tuple[str, ...] = ()


def render(view: ChartView, width: int = 100) -> str:
    """The chart, wrapped at ``width`` characters; nothing is cut off, and no control character of the data gets through."""
    lines = [*_banner(view), *[f"! {note}" for note in view.notes]]
    for title, types, line in _PARTS:
        asked = [name for name in types if not view.types or name in view.types]
        kinds = dict.fromkeys(kind for name in asked for kind in sections_of(name))
        wanted = [kind for kind in kinds if not view.sections or kind in view.sections]
        items = [item for item in view.items if item.resource.type in types]
        if wanted or items:
            lines += ["", title, *_part(items, line, title, [kind for kind in wanted if kind not in view.opened], wanted)]
    lines += ["", *_sources(view), *_conflicts(view), *_troubles(view)]
    return "\n".join(_wrapped(_clean(line), width) for line in lines) + "\n"


def _banner(view: ChartView) -> list[str]:
    patient = next((item.resource.value for item in view.items if item.resource.type == "Patient"), {})
    name = _name(patient) or ("(name not looked for)" if SectionKind.SUMMARY in view.opened else "(name not shared)")
    born = str(patient.get("birthDate", "unknown"))
    born_ms = instant(born)
    dead = str(patient.get("deceasedDateTime") or "") or ("yes" if patient.get("deceasedBoolean") is True else "")
    until = instant(dead) or view.as_of
    age = f", {(until - born_ms) // _YEAR_MS} years" if born_ms is not None else ""
    who = f"{name}   born {born}{age}   {patient.get('gender', 'sex unknown')}"
    return [
        "=" * 60,
        who + (f"   DECEASED {dead}" if dead else ""),
        f"as of {_when(view.as_of)} (block {view.height}).  {INCOMPLETE}",
        "=" * 60,
    ]


def _part(
    items: Sequence[Item],
    line: Callable[[Item], str],
    title: str,
    closed: Sequence[SectionKind],
    wanted: Sequence[SectionKind],
) -> list[str]:
    """What was found, and of which sections nothing is known because they are ``closed`` to the reader."""
    missing = [f"  NOT SHARED{' BEYOND THIS' if items else ''}: {', '.join(closed)}"] if closed else []
    if not items:
        return missing if len(closed) == len(wanted) else ["  none recorded here", *missing]
    if title == "VITAL SIGNS AND OBSERVATIONS":
        return [*_latest(items), *missing]
    ordered = sorted(items, key=lambda item: (_inactive(item), -(_date_ms(item.resource.value) or 0)))
    return [*(f"  {line(item)}{_marks(item)}" for item in ordered), *missing]


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
    reactions = [_text(m) for r in _objects(value, "reaction") for m in _objects(r, "manifestation")]
    worst = f" [{value['criticality']} criticality]" if value.get("criticality") else ""
    return f"{_text(value.get('code'))}{worst}{': ' + ', '.join(reactions) if reactions else ''}   {_state(value)}"


def _problem(item: Item) -> str:
    value = item.resource.value
    return f"{_text(value.get('code'))}   {_state(value)}   since {_date(value)}"


def _medication(item: Item) -> str:
    value = item.resource.value
    given = _objects(value, "dosageInstruction") or _objects(value, "dosage")
    doses = [str(dose["text"]) for dose in given if dose.get("text")]
    name = _text(value.get("medicationCodeableConcept") or value.get("code") or value.get("medicationReference"))
    if item.resource.type == "MedicationDispense":
        doses = [*doses, *_handed_over(item.resource)]
    return f"{name}   {'; '.join(doses) or 'dosage not stated'}   {value.get('status', '')}   {_date(value)}"


def _handed_over(dispense: Resource) -> list[str]:
    """What a pharmacy said of it; nothing of what was not dispensed here."""
    try:
        found = dispensed_of(dispense)
    except FhirRefused:
        return []
    said = (found.quantity, f"batch {found.batch}" if found.batch else "")
    return ["handed over", *filter(None, said), *(["in place of what was prescribed"] if found.substituted else [])]


def _event(item: Item) -> str:
    value = item.resource.value
    kind = value.get("vaccineCode") or value.get("code") or (value.get("type") or [None])
    why = ", ".join(_text(reason) for reason in _objects(value, "reasonCode"))
    named = _text(next(iter(kind), None) if isinstance(kind, list) else kind)
    return f"{_date(value)}   {item.resource.type}: {named}{' for ' + why if why else ''}   {value.get('status', '')}"


def _coverage(item: Item) -> str:
    try:
        return coverage.words(coverage.from_fhir(item.resource))
    except FhirRefused:
        return f"(not readable)   {item.resource.identity}"


def _document(item: Item) -> str:
    value = item.resource.value
    return f"{_date(value)}   {_text(value.get('type'))} by {item.author}: {_attached(value)}"


def _attached(value: dict[str, Any]) -> str:
    for content in _objects(value, "content"):
        attachment = _object(content, "attachment")
        if str(attachment.get("contentType", "")).startswith("text/plain") and attachment.get("data"):
            try:
                return base64.b64decode(str(attachment["data"])).decode("utf-8", "replace").replace("\n", " ")
            except (binascii.Error, ValueError):
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
    ("COVERAGE", ("Coverage",), _coverage),
    ("DOCUMENTS AND NOTES", ("DocumentReference", "Composition"), _document),
)


def _sources(view: ChartView) -> list[str]:
    counts: dict[str, int] = {}
    for item in view.items:
        counts[item.source] = counts.get(item.source, 0) + 1
    return ["SOURCES", *[f"  {source}: {count} resources" for source, count in sorted(counts.items())]] if counts else []


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
    codes = _objects(_object(value, "clinicalStatus"), "coding")
    return str(codes[0].get("code", "")) if codes else ""


def _value(value: dict[str, Any]) -> str:
    quantity = value.get("valueQuantity")
    if isinstance(quantity, dict):
        number = quantity.get("value", "?")
        long = isinstance(number, Decimal) and len(str(number)) > 8
        shown = f"{number:.2f}".rstrip("0").rstrip(".") if long else str(number)
        return f"{quantity.get('comparator', '')}{shown} {quantity.get('unit') or quantity.get('code') or '(no unit)'}"
    parts = [f"{_text(c.get('code'))} {_value(c)}" for c in _objects(value, "component")]
    if parts:
        return "; ".join(parts)
    for key in ("valueCodeableConcept", "valueString", "valueBoolean", "valueInteger", "valueDateTime"):
        if key in value:
            return _text(value[key])
    return "(no value)" if value.get("resourceType") == "Observation" else ""


def _range(value: dict[str, Any]) -> str:
    marks = [_text(mark) for mark in _objects(value, "interpretation")]
    shown = ""
    for held in _objects(value, "referenceRange")[:1]:
        low, high = _object(held, "low").get("value", ""), _object(held, "high").get("value", "")
        shown = f" (range {held.get('text') or f'{low} to {high}'})"
    return shown + (f" [{', '.join(marks)}]" if marks else "")


def _text(concept: Any) -> str:
    if isinstance(concept, dict):
        first = next(iter(_objects(concept, "coding")), {})
        named = concept.get("text") or first.get("display") or first.get("code") or concept.get("display")
        return str(named or "(not named)")
    return "(not named)" if concept is None else str(concept)


_DATES = (
    "effectiveDateTime",
    "onsetDateTime",
    "authoredOn",
    "occurrenceDateTime",
    "performedDateTime",
    "whenHandedOver",
    "date",
    "started",
)


def _written_date(value: dict[str, Any]) -> str:
    period = value.get("period") or value.get("performedPeriod") or value.get("effectivePeriod") or {}
    held = next((value[key] for key in _DATES if key in value), period.get("start") if isinstance(period, dict) else None)
    return str(held or value.get("recordedDate") or "date unknown")


def _date(value: dict[str, Any]) -> str:
    """The date as it was written; of a time, the minutes and the zone."""
    day, _, time = _written_date(value).partition("T")
    zone = re.search(r"(Z|[+-][0-9]{2}:[0-9]{2})$", time)
    return f"{day} {time[:5]} {zone[0] if zone else '(no zone)'}".replace(" Z", " UTC") if time else day


def _date_ms(value: dict[str, Any]) -> int | None:
    return instant(_written_date(value))


def _objects(value: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The objects in a list, whatever a faulty source has put there."""
    held = value.get(name)
    return [item for item in held if isinstance(item, dict)] if isinstance(held, list) else []


def _object(value: dict[str, Any], name: str) -> dict[str, Any]:
    held = value.get(name)
    return held if isinstance(held, dict) else {}


def _name(patient: dict[str, Any]) -> str:
    names = _objects(patient, "name")
    best = next((name for name in names if name.get("use") == "official"), names[0] if names else {})
    given = best.get("given")
    return " ".join([*map(str, given if isinstance(given, list) else []), str(best.get("family", ""))]).strip()


def _when(moment: int) -> str:
    return datetime.fromtimestamp(moment / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _wrapped(line: str, width: int) -> str:
    return "\n".join(textwrap.wrap(line, width, subsequent_indent=" " * 8, break_on_hyphens=False)) or line


def _clean(line: str) -> str:
    return "".join(" " if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") else char for char in line)
