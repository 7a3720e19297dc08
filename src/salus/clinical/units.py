"""Quantities from one unit of UCUM into another, by a library that knows UCUM's grammar."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from importlib import import_module
from typing import Any

MAX_UNIT = 64
MOST = 1e12  # what a quantity of a record may be, either way


def number(value: Any) -> float | None:
    """A number as a resource has it, whole or decimal; None for anything else, and for what no quantity of a record is."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not -MOST < value < MOST:
        return None
    return float(value)


def convert(value: Any, unit: str, into: str) -> float | None:
    """``value`` of ``unit`` in ``into``; None for what is no number, no unit of UCUM, or of another kind."""
    amount = number(value)
    if amount is None or not 0 < len(unit) <= MAX_UNIT:
        return None
    pint, ucumvert = import_module("pint"), import_module("ucumvert")
    try:
        one, target = _registry().from_ucum(unit), _registry().from_ucum(into)
        return float((one * amount).to(target).magnitude) if isinstance(one, pint.Quantity) else None
    except (import_module("lark.exceptions").LarkError, ucumvert.InvalidUcumError, pint.PintError, ValueError):
        return None


@lru_cache(maxsize=1)
def _registry() -> Any:
    """Made when the first quantity is converted: it takes a second, so that only who measures waits for it."""
    return import_module("ucumvert").PintUcumRegistry()
