"""Faults of a resource against FHIR R4: structure by fhirkit, and what it misses by the table of official definitions."""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import fhirkit

from salus.errors import FhirRefused
from salus.fhir.parsing import Resource

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_REFERENCE = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?$")
_SCRIPT = re.compile(r"<\s*(script|iframe|object|embed|form|link|style|base)\b|\son[a-z]+\s*=|javascript:", re.IGNORECASE)
_MOST = 200


@dataclass(frozen=True)
class Fault:
    """``severity`` and ``code`` are FHIR's; ``expression`` is a FHIRPath that points at the place; ``text`` names no data."""

    severity: str
    code: str
    expression: str
    text: str


class InvalidResource(FhirRefused):
    """An authored resource that is not valid; ``faults`` say where."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("invalid", f"{len(faults)} faults; the first at {_place(faults[0].expression)}: {faults[0].text}")
        self.faults = faults


def faults(resource: Resource) -> tuple[Fault, ...]:
    """What is wrong with the resource, at most 200 faults."""
    found = [*_structure(resource), *_walk(resource.value, resource.type, resource.type)]
    identity = resource.value.get("id")
    if isinstance(identity, str) and not _ID.fullmatch(identity):
        found.append(Fault("error", "value", f"{resource.type}.id", "an id is 1 to 64 of A-Z a-z 0-9 - ."))
    return tuple(dict.fromkeys(found))[:_MOST]


def require_valid(resource: Resource) -> None:
    """Raise `InvalidResource` unless an authored resource has no fault."""
    found = faults(resource)
    if found:
        raise InvalidResource(found)


def operation_outcome(found: tuple[Fault, ...]) -> dict[str, Any]:
    """The faults as a FHIR OperationOutcome."""
    issues = [{"severity": f.severity, "code": f.code, "diagnostics": f.text, "expression": [f.expression]} for f in found]
    return {"resourceType": "OperationOutcome", "issue": issues}


def outcome_bytes(found: tuple[Fault, ...]) -> bytes:
    """What is kept beside a source that has faults; empty where there are none."""
    return json.dumps(operation_outcome(found), separators=(",", ":")).encode() if found else b""


def read_outcome(data: bytes) -> tuple[Fault, ...]:
    """The faults that `outcome_bytes` wrote."""
    issues = json.loads(data)["issue"] if data else []
    return tuple(Fault(i["severity"], i["code"], i["expression"][0], i["diagnostics"]) for i in issues)


def _structure(resource: Resource) -> list[Fault]:
    try:
        issues = fhirkit.validate(resource.raw)
    except ValueError:
        return [Fault("error", "structure", resource.type, "the structure is not FHIR R4's")]
    codes = (("missing", "required"), ("unknown", "structure"))
    return [
        Fault("error", next((code for word, code in codes if word in issue.message), "value"), issue.path, _quiet(issue))
        for issue in issues
    ]


def _quiet(issue: fhirkit.Issue) -> str:
    """The message without the data that it repeats: in quotes, or before it says what that is not."""
    said = re.sub(r".*(?= is not )", "the value", issue.message, flags=re.DOTALL)
    return re.sub(r'"[^"]*"', "the value", said)


def _place(expression: str) -> str:
    """The expression as an error may have it: of what the resource names itself, only the names that FHIR R4 has."""
    parts = re.findall(r"([^.\[]*)((?:\[\d+\])?)(?:\.|$)", expression)
    return ".".join(f"{name}{index}" if name in _names() else "(no element of FHIR)" for name, index in parts if name or index)


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    types = _table()["types"]
    return frozenset(types) | frozenset(name for rows in types.values() for name in rows)


def _walk(value: dict[str, Any], path: str, kind: str) -> list[Fault]:
    """Check ``value`` of type or element ``kind`` at ``path`` against the table."""
    rows = _table()["types"].get(kind)
    found: list[Fault] = []
    if not value:
        return [Fault("error", "structure", path, "an object is not empty")]
    for name, held in value.items():
        row = rows.get(name) if rows else None
        if held == "" or (isinstance(held, str) and not held.strip()):
            found.append(Fault("error", "value", f"{path}.{name}", "a string is not blank"))
        if row is None:
            continue
        many = isinstance(held, list)
        if many == (row[2] == 1) and name != "resourceType":
            found.append(Fault("error", "structure", f"{path}.{name}", "a list where one is meant, or one for a list"))
        for index, item in enumerate(held if many else [held]):
            place = f"{path}.{name}[{index}]" if many else f"{path}.{name}"
            found += _item(item, place, row)
    return found


def _item(item: Any, place: str, row: list[Any]) -> list[Fault]:
    kinds, _, _, bound, targets = row
    found: list[Fault] = []
    codes = _codes(bound)
    if codes is not None:
        found += [f for code in _bound_codes(item, kinds) if code not in codes for f in [_unbound(place)]]
    if isinstance(item, dict):
        kind = item.get("resourceType") if kinds == ["Resource"] else kinds[0] if len(kinds) == 1 else None
        if kind == "Reference" and targets:
            found += _target(item, place, targets)
        if kind == "Narrative" and isinstance(item.get("div"), str) and _SCRIPT.search(item["div"]):
            found.append(Fault("error", "invariant", f"{place}.div", "a narrative has no active content"))
        if isinstance(kind, str):
            found += _walk(item, place, kind)
    return found


def _bound_codes(item: Any, kinds: list[str]) -> list[str]:
    if isinstance(item, str) and kinds == ["code"]:
        return [item]
    if isinstance(item, dict) and kinds == ["CodeableConcept"]:
        codings = item.get("coding")
        codes = [c.get("code") for c in codings if isinstance(c, dict)] if isinstance(codings, list) else []
        return [code for code in codes[:1] if isinstance(code, str)]
    return []


def _unbound(place: str) -> Fault:
    return Fault("error", "code-invalid", place, "the code is not in the required value set")


def _target(item: dict[str, Any], place: str, targets: list[str]) -> list[Fault]:
    match = _REFERENCE.search(str(item.get("reference", "")))
    if match is None or match.group(1) in targets or "Resource" in targets:
        return []
    return [Fault("error", "value", f"{place}.reference", "the reference is to a type that is not meant here")]


@lru_cache(maxsize=1)
def _table() -> dict[str, Any]:
    packed = (files("salus.fhir") / "tables" / "r4.json.gz").read_bytes()
    loaded: dict[str, Any] = json.loads(gzip.decompress(packed))
    return loaded


@lru_cache(maxsize=512)
def _codes(bound: str) -> frozenset[str] | None:
    listed = _table()["sets"].get(bound) if bound else None
    return None if listed is None else frozenset(listed)
