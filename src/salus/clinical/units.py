"""Quantities from one unit of UCUM into another, by a library that knows UCUM's grammar."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import Any

MAX_UNIT = 64


def convert(value: Any, unit: str, into: str) -> float | None:
    """``value`` of ``unit`` in ``into``; None for what is no number, no unit of UCUM, or of another kind."""
    if not 0 < len(unit) <= MAX_UNIT or isinstance(value, bool) or not isinstance(value, int | float):
        return None
    pint, ucumvert = import_module("pint"), import_module("ucumvert")
    try:
        one, target = _registry().from_ucum(unit), _registry().from_ucum(into)
        return float((one * value).to(target).magnitude) if isinstance(one, pint.Quantity) else None
    except (import_module("lark.exceptions").LarkError, ucumvert.InvalidUcumError, pint.PintError, ValueError, OverflowError):
        return None


@lru_cache(maxsize=1)
def _registry() -> Any:
    """Made when the first quantity is converted: it takes a second, so that only who measures waits for it."""
    return import_module("ucumvert").PintUcumRegistry()
