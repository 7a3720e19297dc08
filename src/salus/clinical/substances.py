"""Which substances words and codes mean: by an ingredient's code where there is one, and by its names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from salus.clinical.tables import table

#: The systems whose codes are kept, by the short word that stands before a code: ``rxnorm:723``.
SYSTEMS = {
    "http://www.nlm.nih.gov/research/umls/rxnorm": "rxnorm",
    "http://snomed.info/sct": "snomed",
    "http://www.whocc.no/atc": "atc",
}


MAX_WORDS = 200  # of a medicine or an allergy


@dataclass(frozen=True)
class Listed:
    """A medicine or an allergy as a record names it: ``words``, and codes such as ``rxnorm:723``."""

    words: str
    codes: tuple[str, ...] = ()

    def is_same(self, other: Listed) -> bool:
        """Whether both name the same by a code or by the whole of their words, known or not."""
        return bool(set(self.codes) & set(other.codes)) or plain(self.words) == plain(other.words) != ""


@dataclass(frozen=True)
class Substance:
    """A row of the table: its name, and ATC codes of seven characters."""

    name: str
    atc: tuple[str, ...]

    @property
    def classes(self) -> frozenset[str]:
        """The ATC groups of the fourth level that it is in."""
        return frozenset(code[:5] for code in self.atc)


def listed(concept: Any) -> Listed:
    """A CodeableConcept in its own words: its text, or else its first display; all displays count for recognising it."""
    value = concept if isinstance(concept, dict) else {}
    codings = objects(value.get("coding"))
    displays = [one["display"] for one in codings if isinstance(one.get("display"), str)]
    text = value.get("text")
    words = list(dict.fromkeys([*([text] if isinstance(text, str) else []), *displays]))
    known = [(SYSTEMS.get(str(one.get("system"))), one.get("code")) for one in codings]
    codes = tuple(f"{system}:{code}" for system, code in known if system and isinstance(code, str))
    return Listed(" / ".join(words)[:MAX_WORDS], tuple(dict.fromkeys(codes)))


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list, where it is one: what was imported is kept as it was written, whatever its shape."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def recognise(one: Listed) -> tuple[Substance, ...]:
    """The substances that it is or holds, in the table's order; none where it is not known here."""
    by_code, by_name = _index()
    found = {name for code in one.codes for name in by_code.get(code, ())}
    words = f" {plain(one.words)} "
    found |= {name for spelling, name in by_name if f" {spelling} " in words}
    return tuple(substance for name, substance in substances().items() if name in found)


def says(words: str, names: Iterable[str]) -> bool:
    """Whether one of ``names`` stands in ``words`` as a whole word."""
    return any(f" {plain(name)} " in f" {plain(words)} " for name in names)


def plain(words: str) -> str:
    """Letters of whatever script and digits, without case and accents, and single blanks between them."""
    bare = "".join(sign for sign in unicodedata.normalize("NFKD", words) if not unicodedata.combining(sign)).casefold()
    return " ".join(re.findall(r"[^\W_]+", bare))


@lru_cache(maxsize=1)
def substances() -> dict[str, Substance]:
    """All that the table has, by name."""
    return {name: Substance(name, tuple(row.get("atc", ()))) for name, row in table("substances").items()}


@lru_cache(maxsize=1)
def _index() -> tuple[dict[str, list[str]], list[tuple[str, str]]]:
    by_code: dict[str, list[str]] = {}
    by_name: list[tuple[str, str]] = []
    for name, row in table("substances").items():
        codes = [f"rxnorm:{code}" for code in row.get("rxnorm", ())] + [f"atc:{code}" for code in row.get("atc", ())]
        for code in codes:
            by_code.setdefault(code, []).append(name)
        by_name += [(plain(spelling), name) for spelling in (name, *row.get("also", ()))]
    return by_code, by_name
