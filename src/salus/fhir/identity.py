"""Whether an incoming Patient is the one whose chart it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from salus.errors import FhirRefused
from salus.fhir.parsing import Resource


def require_same_patient(known: Resource, incoming: Resource) -> None:
    """Raise ``other-patient`` when birth date, family name, or the value of the *same* identifier system differs."""
    for name, mine, theirs in (
        ("birth date", [known.value.get("birthDate")], [incoming.value.get("birthDate")]),
        ("family name", list(_families(known.value)), list(_families(incoming.value))),
    ):
        known_values, values = [m for m in mine if m], [t for t in theirs if t]
        if known_values and values and not any(value in known_values for value in values):
            raise FhirRefused("other-patient", f"the file's patient has another {name}; nothing was imported")
    ours, others = dict(_identifiers(known.value)), dict(_identifiers(incoming.value))
    if any(system in others and others[system] != value for system, value in ours.items()):
        raise FhirRefused("other-patient", "the file's patient has another identifier; nothing was imported")


def _families(value: dict[str, Any]) -> Iterator[str]:
    for name in value.get("name", []):
        if isinstance(name, dict) and isinstance(name.get("family"), str):
            yield name["family"].casefold()


def _identifiers(value: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for identifier in value.get("identifier", []):
        if isinstance(identifier, dict) and identifier.get("system") and identifier.get("value"):
            yield str(identifier["system"]), str(identifier["value"])
