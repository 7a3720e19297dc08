"""What speaks against a medicine, by a record and by the tables: each check says what it found, or why it was not done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from salus.clinical.doses import child_dose
from salus.clinical.listing import Weight, named
from salus.clinical.substances import Listed, Substance, recognise, says, substances
from salus.clinical.tables import table
from salus.fhir.parsing import Resource

DONE, NOT_DONE, NOT_COVERED = "done", "not done", "not covered"
ALLERGY, DUPLICATE, INTERACTION, DOSE = "ALGY", "DUPTHPY", "DRG", "DOSEH"  # of v3-ActCode
ALLERGIES, SAME, CLASS, INTERACTIONS, DOSES = "allergies", "same medicine", "same class", "interactions", "child's dose"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: ``result`` is ``done``, ``not done`` or ``not covered``; never silence.

    ``code`` is that of a finding that stands in the way, "" for any other.
    """

    what: str
    result: str
    text: str
    code: str = ""

    @property
    def blocks(self) -> bool:
        """Whether it takes an override."""
        return bool(self.code)


@dataclass(frozen=True)
class Shared:
    """One part of a record: its ``items``; ``missing`` says why there are none, or not all, "" where it is whole."""

    items: tuple[Listed, ...] = ()
    missing: str = ""


@dataclass(frozen=True)
class Known:
    """What is known of a patient at ``now`` (ms). ``born`` is a FHIR date, or ""."""

    now: int
    born: str = ""
    allergies: Shared = field(default_factory=Shared)
    medication: Shared = field(default_factory=Shared)
    weight: Weight | None = None


def look(request: Resource, known: Known) -> tuple[Check, ...]:
    """Every check of what ``request`` (a MedicationRequest) prescribes: at least one row of each."""
    new = named(request)
    found = recognise(new)
    dose = child_dose(request, found, known.born, known.weight, known.now)
    return (
        *_whole(ALLERGIES, "allergies", new, found, known.allergies, _allergies(new, found, known.allergies.items)),
        *_whole(SAME, "medicines", new, found, known.medication, _same(new, found, known.medication.items)),
        *_whole(CLASS, "medicines", new, found, known.medication, _class(found, known.medication.items)),
        *_interactions(new, found, known.medication),
        Check(DOSES, dose.result, dose.text, DOSE if dose.over else ""),
    )


def _whole(
    what: str, kind: str, new: Listed, found: Sequence[Substance], shared: Shared, findings: Iterator[Check]
) -> Iterator[Check]:
    """The findings, and what else is to be said: that nothing was found, what was not compared, and what was not shared."""
    told = list(findings)
    yield from told
    if shared.missing:
        yield Check(what, NOT_DONE, shared.missing)
    if not found:
        yield Check(what, NOT_COVERED, f"{new.words or 'what is prescribed'} is not in the table: compare it yourself")
        return
    strange = [one.words for one in shared.items if not recognise(one) and not (kind == "allergies" and _groups(one))]
    if strange:
        yield Check(what, NOT_COVERED, f"not compared, as not in the table: {', '.join(strange)}")
    if not told and (len(strange) < len(shared.items) or not (shared.items or shared.missing)):
        yield Check(what, DONE, _nothing(kind, len(shared.items), len(shared.items) - len(strange)))


def _nothing(kind: str, listed: int, compared: int) -> str:
    return f"nothing found among {compared} of {listed} {kind}" if listed else f"no {kind} are recorded"


def _allergies(new: Listed, found: Sequence[Substance], items: Sequence[Listed]) -> Iterator[Check]:
    for one in items:
        held = recognise(one)
        same = [substance.name for substance in found if substance in held]
        groups = _groups(one)
        against = {name: _members(name) & {substance.name for substance in found} for name in groups}
        hits = {name: drugs for name, drugs in against.items() if drugs}
        near = [
            (name, other)
            for name in groups
            for other in table("allergies")[name]["related"]
            if _members(other) & {substance.name for substance in found}
        ]
        shared = frozenset().union(*(s.classes for s in held)) & frozenset().union(*(s.classes for s in found))
        if same or one.is_same(new):
            yield Check(ALLERGIES, DONE, f"allergy to {one.words}: it is {', '.join(same) or new.words}", ALLERGY)
        elif hits:
            name, drugs = next(iter(hits.items()))
            source = table("allergies")[name]["source"]
            yield Check(
                ALLERGIES, DONE, f"allergy to {one.words}: {', '.join(sorted(drugs))} is of the {name} ({source})", ALLERGY
            )
        elif near:
            name, other = near[0]
            yield Check(ALLERGIES, DONE, f"allergy to {one.words}: {other} may react as {name} do")
        elif shared:
            yield Check(ALLERGIES, DONE, f"allergy to {one.words}: of the same class {', '.join(sorted(shared))}")


def _same(new: Listed, found: Sequence[Substance], items: Sequence[Listed]) -> Iterator[Check]:
    for one in items:
        held = recognise(one)
        same = [substance.name for substance in found if substance in held]
        if same or one.is_same(new):
            yield Check(SAME, DONE, f"{', '.join(same) or new.words} is taken already: {one.words}", DUPLICATE)


def _class(found: Sequence[Substance], items: Sequence[Listed]) -> Iterator[Check]:
    for one in items:
        for held in recognise(one):
            shared = [s for s in found if s.classes & held.classes and s != held]
            if shared and held not in found:
                group = ", ".join(sorted(shared[0].classes & held.classes))
                yield Check(CLASS, DONE, f"{shared[0].name} and {one.words} are of the same class {group}")


def _interactions(new: Listed, found: Sequence[Substance], shared: Shared) -> Iterator[Check]:
    unknown: list[str] = [] if found else [new.words or "what is prescribed"]
    told = False
    for one in shared.items:
        held = recognise(one)
        unknown += [] if held else [one.words]
        for mine in found:
            for other in held:
                for effect, severity, source in _pairs().get(frozenset((mine.name, other.name)), ()):
                    told = True
                    text = f"{mine.name} with {one.words}: {severity}, {effect} ({source})"
                    yield Check(INTERACTIONS, DONE, text, INTERACTION if severity == "contraindicated" else "")
    without = [one.name for one in found if one.name not in _interacting()]
    if shared.missing:
        yield Check(INTERACTIONS, NOT_DONE, shared.missing)
    if unknown or without:
        yield Check(INTERACTIONS, NOT_COVERED, f"interactions NOT checked for {', '.join([*without, *unknown])}")
    if not told and len(without) < len(found) and (shared.items or not shared.missing):
        compared = sum(1 for one in shared.items if recognise(one))
        yield Check(INTERACTIONS, DONE, f"by a short list: {_nothing('medicines', len(shared.items), compared)}")


def _groups(one: Listed) -> list[str]:
    """The classes that an allergy is to, by a code, by the word for the class, or by a substance of it."""
    held = {substance.name for substance in recognise(one)}
    return [
        name
        for name, row in table("allergies").items()
        if name != "version"
        and (
            {f"snomed:{code}" for code in row["snomed"]} & set(one.codes) or says(one.words, row["word"]) or _members(name) & held
        )
    ]


@lru_cache(maxsize=16)
def _members(name: str) -> frozenset[str]:
    begins = tuple(table("allergies")[name]["atc"])
    members = {one.name for one in substances().values() if any(code.startswith(begins) for code in one.atc)}
    return frozenset(members | ({"acetylsalicylic acid"} if name == "nsaids" else set()))


@lru_cache(maxsize=1)
def _pairs() -> dict[frozenset[str], list[tuple[str, str, str]]]:
    """By the names of two substances: (effect, severity, source) of each row that they are in."""
    rows = table("interactions")
    found: dict[frozenset[str], list[tuple[str, str, str]]] = {}
    for pair in rows["pair"]:
        left, right = (rows["groups"].get(name, [name]) for name in pair["of"])
        for one in left:
            for other in right:
                if one != other:
                    found.setdefault(frozenset((one, other)), []).append((pair["effect"], pair["severity"], pair["source"]))
    return found


@lru_cache(maxsize=1)
def _interacting() -> frozenset[str]:
    return frozenset().union(*_pairs())
