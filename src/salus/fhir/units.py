"""Units and codes of what is measured: UCUM by a library, LOINC by its check digit.

What UCUM does not prove to be convertible is not converted. It defines the equivalent as a mole and leaves the valence out, while
1 meq/L of calcium is 0.5 mmol/L: equivalents are compared with equivalents alone, and arbitrary units with the very same ones.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from importlib import import_module
from typing import Any

from salus.errors import FhirRefused

UCUM, LOINC = "http://unitsofmeasure.org", "http://loinc.org"
MAX_UNIT = 64  # characters of a unit's code

_LOINC = re.compile(r"([0-9]{1,7})-([0-9])")
_REMARK = re.compile(r"\{[^{}]*\}")
#: What stands for a substance's valence, or for an agreed preparation; columns of mercury and of water are pressures, and pounds,
#: inches and their like are units as any other.
_OWN_KIND = re.compile(r"eq|osm|\[(?!Hg\]|H2O\]|[a-z]+_(?:av|i|us|br|ap|tr)\])[^\]]*\]")


def require_loinc(code: str) -> None:
    """Raise ``fhir/bad-loinc`` unless the code has LOINC's form and its check digit is right (the mod-10 algorithm of Luhn)."""
    found = _LOINC.fullmatch(code)
    if found is None or check_digit(found[1]) != int(found[2]):
        raise FhirRefused("bad-loinc", "a LOINC code has the form 2345-7, and a check digit that was misread here")


def check_digit(number: str) -> int:
    """The digit that the mod-10 algorithm gives for a number: each second one from the right counts twice."""
    doubled = [int(digit) * (2 - index % 2) for index, digit in enumerate(reversed(number))]
    return -sum(value // 10 + value % 10 for value in doubled) % 10


def require_unit(code: str) -> None:
    """Raise ``fhir/unknown-unit`` for what is no unit of UCUM: mEq/L, mmHg, or a word."""
    _parsed(code)


def convertible(one: str, other: str) -> bool:
    """Whether UCUM proves that a quantity in the one unit is so much in the other."""
    same_kind = _OWN_KIND.findall(_bare(one)) == _OWN_KIND.findall(_bare(other))
    if _bare(one) == _bare(other):
        return True
    sizes = [_size(code) for code in (one, other)]
    return same_kind and None not in sizes and sizes[0].dimensionality == sizes[1].dimensionality


def converted(value: Decimal, one: str, other: str) -> Decimal | None:
    """The quantity in the other unit; None where UCUM does not prove that it is one, or what it is."""
    if _bare(one) == _bare(other):
        return value
    if not convertible(one, other):
        return None
    registry = _registry()
    there = registry.Quantity(float(value), _size(one).units).to(_size(other).units).magnitude
    scaled = there * float(_size(one).magnitude) / float(_size(other).magnitude)
    return Decimal(f"{scaled:.12g}")


def _bare(code: str) -> str:
    """The code without what stands in braces, which means nothing to UCUM."""
    return _REMARK.sub("", code)


@lru_cache(maxsize=256)
def _parsed(code: str) -> Any:
    """The tree of the code."""
    if not 0 < len(code) <= MAX_UNIT or not code.isascii():
        raise FhirRefused("unknown-unit", "a unit is a code of UCUM")
    library = import_module("ucumvert")
    try:
        return library.get_ucum_parser().parse(code)
    except Exception as error:  # the library and its parser have no common kind of error
        raise FhirRefused("unknown-unit", "UCUM has no such unit: 10*9/L, mmol/L, meq/L, mm[Hg] are some") from error


@lru_cache(maxsize=256)
def _size(code: str) -> Any:
    """The unit as a quantity; None for what the library has no size of, such as [pH]."""
    require_unit(code)
    bare = _bare(code) or "1"
    try:
        found = _registry().from_ucum(bare)
    except import_module("lark.exceptions").LarkError:
        return None
    return found if hasattr(found, "dimensionality") else None


@lru_cache(maxsize=1)
def _registry() -> Any:
    """The library with its table: half a second, so that only who measures waits for it."""
    return import_module("ucumvert").PintUcumRegistry()
