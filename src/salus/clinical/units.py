"""Quantities of a record from one unit of UCUM into another."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from salus.errors import FhirRefused
from salus.fhir.units import converted

MOST = 1e12  # what a quantity of a record may be, either way


def number(value: Any) -> float | None:
    """A number as a resource has it, whole or decimal; None for anything else, and for what no quantity of a record is."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not -MOST < value < MOST:
        return None
    return float(value)


def convert(value: Any, unit: str, into: str) -> float | None:
    """``value`` of ``unit`` in ``into``; None for what is no number, no unit of UCUM, or of another kind."""
    amount = number(value)
    if amount is None:
        return None
    try:
        found = converted(Decimal(str(amount)), unit, into)
    except FhirRefused:
        return None
    return None if found is None else float(found)
