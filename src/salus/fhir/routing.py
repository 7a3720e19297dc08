"""Which section a resource is sealed into: by type, category and label; and what is sensitive, with what hangs on it.

Sensitive are seeds by security label or by a code of ``tables/sensitive.json``; then what refers to a seed or is referred to
by one, one hop, never through a patient, practitioner, organisation, location, coverage or encounter; and whatever mentions
a seed's words: claims, plans, narratives. An encounter moves only for its own codes; where it merely refers to something
sensitive, a copy without these references stays in its own section, and the original is sealed among the sensitive ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from salus.charts.sections import SectionKind
from salus.fhir.parsing import Resource, read_resource, to_json

S = SectionKind

#: type -> section; what is not here goes to documents, which no default grant includes.
BY_TYPE: dict[str, SectionKind] = {
    **dict.fromkeys(("Patient", "Practitioner", "PractitionerRole", "Organization", "Location"), S.SUMMARY),
    **dict.fromkeys(("Immunization", "ImmunizationRecommendation"), S.SUMMARY),
    **dict.fromkeys(("RelatedPerson", "Person", "Account"), S.DEMOGRAPHICS),
    **dict.fromkeys(("Coverage", "Claim", "ClaimResponse", "ExplanationOfBenefit", "Invoice"), S.COVERAGE),
    **dict.fromkeys(
        ("Medication", "MedicationRequest", "MedicationStatement", "MedicationDispense", "MedicationAdministration"),
        S.MEDICATIONS,
    ),
    **dict.fromkeys(("AllergyIntolerance", "Condition", "Flag", "DetectedIssue", "FamilyMemberHistory"), S.PROBLEMS),
    **dict.fromkeys(("Observation", "DiagnosticReport", "Specimen"), S.RESULTS),
    **dict.fromkeys(("Encounter", "Procedure", "CarePlan", "CareTeam", "Goal", "ServiceRequest", "Appointment"), S.CARE),
    **dict.fromkeys(("ImagingStudy", "Device", "DeviceUseStatement", "EpisodeOfCare", "NutritionOrder", "Task"), S.CARE),
}
#: Not moved by a reference, and not a way to anything else.
HUBS = ("Patient", "Practitioner", "PractitionerRole", "Organization", "Location", "Coverage", "Encounter")


@dataclass(frozen=True)
class Placement:
    """``copy_of``: the identity whose original is sealed among the sensitive ones, when this is the copy without references."""

    section: SectionKind
    resource: Resource
    is_copy: bool = False


def route(resources: Sequence[Resource]) -> list[Placement]:
    """Each resource with its section, in the order given; an encounter's copy comes right before its original."""
    sensitive = _sensitive(resources)
    names = _names([resources[index] for index in sorted(sensitive)])
    placed: list[Placement] = []
    for index, resource in enumerate(resources):
        own = section_of(resource)
        if index in sensitive:
            placed.append(Placement(S.SENSITIVE, resource))
        elif resource.type in HUBS and any(reference in names for reference in references(resource.value)):
            placed.append(Placement(own, _without(resource, names), is_copy=True))
            placed.append(Placement(S.SENSITIVE, resource))
        else:
            placed.append(Placement(own, resource))
    return placed


def section_of(resource: Resource) -> SectionKind:
    """The section by type and category, when it is not sensitive."""
    if resource.type == "Observation" and "vital-signs" in _categories(resource.value):
        return S.VITALS
    return BY_TYPE.get(resource.type, S.DOCUMENTS)


def sections_of(name: str) -> tuple[SectionKind, ...]:
    """Where resources of this type are looked for, when they are not sensitive."""
    return (S.VITALS, S.RESULTS) if name == "Observation" else (BY_TYPE.get(name, S.DOCUMENTS),)


def is_seed(resource: Resource) -> bool:
    """Whether the resource itself is sensitive, by its label or by a code of its own."""
    labels = resource.value.get("meta", {})
    security = labels.get("security", []) if isinstance(labels, dict) else []
    marked = any(isinstance(c, dict) and c.get("code") in _sensitive_table()[0] for c in _list(security))
    sensitive = _sensitive_table()[1]
    return marked or any(coding in sensitive for coding, _ in _codings(resource.value))


def references(value: Any) -> Iterator[str]:
    """Every literal reference in ``value``, in no particular order."""
    for found in _objects(value):
        held = found.get("reference")
        if isinstance(held, str):
            yield held


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in ``value``, and ``value`` itself where it is one."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting += [inner for inner in one.values() if isinstance(inner, (dict, list))]
        elif isinstance(one, list):
            waiting += one


def _sensitive(resources: Sequence[Resource]) -> dict[int, None]:
    where = {name: index for index, resource in enumerate(resources) for name in _names([resource])}
    pointed = [[where[r] for r in references(resource.value) if r in where] for resource in resources]
    seeds = {index: None for index, resource in enumerate(resources) if is_seed(resource)}
    words = _words([resources[index] for index in seeds])
    found = dict(seeds)
    for index, resource in enumerate(resources):
        if resource.type not in HUBS and any(target in seeds for target in pointed[index]):
            found[index] = None
        if resource.type not in HUBS and _mentions(resource, words):
            found[index] = None
    for index in seeds:
        if resources[index].type not in HUBS:
            found.update((t, None) for t in pointed[index] if resources[t].type not in HUBS)
    return found


def _names(resources: Sequence[Resource]) -> dict[str, None]:
    """By which references these resources are meant."""
    names = [name for resource in resources for name in (resource.full_url, resource.identity) if name]
    return dict.fromkeys(names)


def _words(seeds: Sequence[Resource]) -> list[str]:
    """The words of the seeds' sensitive codes, lower case."""
    table = _sensitive_table()[1]
    words = [text.lower() for seed in seeds for coding, text in _codings(seed.value) if coding in table]
    return [word for word in dict.fromkeys(words) if len(word) > 5]


def _mentions(resource: Resource, words: list[str]) -> bool:
    text = json.dumps(resource.value, ensure_ascii=False, default=str).lower() if words else ""
    return any(json.dumps(word, ensure_ascii=False)[1:-1] in text for word in words)


def _codings(value: Any) -> Iterator[tuple[tuple[str, str], str]]:
    for found in _objects(value):
        system, code = found.get("system"), found.get("code")
        if isinstance(system, str) and isinstance(code, str):
            yield (system, code), str(found.get("display", ""))


def _categories(value: dict[str, Any]) -> list[str]:
    return [code for (_, code), _ in _codings(value.get("category"))]


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _without(resource: Resource, names: dict[str, None]) -> Resource:
    value = _pruned(resource.value, names)
    return read_resource(to_json(value), resource.full_url)


def _pruned(value: Any, names: dict[str, None]) -> Any:
    """``value`` without objects that refer to one of ``names``, and without what is empty then."""
    if isinstance(value, dict):
        kept = {key: _pruned(inner, names) for key, inner in value.items()}
        return {key: inner for key, inner in kept.items() if inner not in ({}, [], None) and not _refers(inner, names)}
    if isinstance(value, list):
        pruned = [_pruned(inner, names) for inner in value if not _refers(inner, names)]
        return [inner for inner in pruned if inner not in ({}, [])]
    return value


def _refers(value: Any, names: dict[str, None]) -> bool:
    return isinstance(value, dict) and value.get("reference") in names


@lru_cache(maxsize=1)
def _sensitive_table() -> tuple[frozenset[str], frozenset[tuple[str, str]]]:
    table = json.loads((files("salus.fhir") / "tables" / "sensitive.json").read_bytes())
    codes = frozenset((table["systems"][row["system"]], code) for row in table["codes"] for code in row["codes"])
    return frozenset(table["labels"]), codes
