"""A child's dose: how much is prescribed for a day, by structured instructions, against the limit for its weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from salus.clinical.listing import Weight
from salus.clinical.substances import Substance
from salus.clinical.tables import table
from salus.clinical.units import convert, number
from salus.fhir.parsing import Resource

ADULT = 18  # years
UCUM = "http://unitsofmeasure.org"
#: (up to so many years, so many days that a weight holds): declared here; children grow out of a weight.
WEIGHT_HOLDS = ((1, 30), (5, 90), (12, 180), (ADULT, 365))
_PER_DAY = {"s": 86_400.0, "min": 1440.0, "h": 24.0, "d": 1.0, "wk": 1 / 7, "mo": 1 / 30, "a": 1 / 365}
_ROUNDING = 1.001  # a limit is not passed by what units leave of a division


@dataclass(frozen=True)
class Outcome:
    """``result`` as a check tells it, ``over``: the limit is passed."""

    result: str
    text: str
    over: bool = False


def child_dose(request: Resource, found: Sequence[Substance], born: str, weight: Weight | None, now: int) -> Outcome:
    """Whether what is prescribed for a day is within the limit for the weight, where all of that is known."""
    age = years(born, now)
    if age is None:
        return Outcome("not done", "because not shared: the date of birth")
    if age >= ADULT:
        return Outcome("not covered", "only children's doses are looked at here")
    limits = table("doses")
    if len(found) != 1 or found[0].name not in limits:
        names = " with ".join(one.name for one in found) or "what is prescribed"
        return Outcome("not covered", f"no limit of {names} for children is known here")
    limit = limits[found[0].name]
    if weight is None:
        return Outcome("not done", "because not shared: a weight")
    taken = datetime.fromtimestamp(weight.taken / 1000, UTC).date().isoformat()
    holds = next(days for upto, days in WEIGHT_HOLDS if age < upto)
    if not -1 <= (now - weight.taken) / 86_400_000 <= holds:
        return Outcome("not done", f"the weight is from {taken}: at this age it holds for {holds} days")
    daily = daily_milligrams(request)
    if daily is None:
        return Outcome("not covered", "the dose is said in words, or not as an amount of the substance and how often")
    most = min(limit["per_kg"] * weight.kilograms, limit["most"])
    said = f"{daily:.4g} mg a day of at most {most:.4g} mg for {weight.kilograms:.4g} kg (weight of {taken}; {limit['source']})"
    over = daily > most * _ROUNDING
    return Outcome("done", f"over the limit: {said}" if over else said, over)


def years(born: str, now: int) -> float | None:
    """The age at ``now`` (ms) in years, the youngest that a date of FHIR leaves open; None for no date."""
    try:
        begun = date.fromisoformat({4: f"{born}-12-31", 7: f"{born}-28", 10: born}.get(len(born), ""))
    except ValueError:
        return None
    return (datetime.fromtimestamp(now / 1000, UTC).date() - begun).days / 365.25


def daily_milligrams(request: Resource) -> float | None:
    """The most that is taken in a day, in mg; None where anything of it is not structured, or in another kind of unit."""
    doses = request.value.get("dosageInstruction", [])
    found = [_daily(dose) for dose in doses]
    return None if not found or None in found else sum(one for one in found if one is not None)


def _daily(dose: Any) -> float | None:
    match dose:
        case {"doseAndRate": [{"doseQuantity": dict(quantity)}]} | {"doseAndRate": [{"doseRange": {"high": dict(quantity)}}]}:
            amount = (
                convert(quantity.get("value"), str(quantity.get("code", "")), "mg") if quantity.get("system") == UCUM else None
            )
        case _:
            return None
    match dose:
        case {"timing": {"repeat": {"period": given, "periodUnit": str(each), **more}}}:
            period, often = number(given), number(more.get("frequencyMax", more.get("frequency", 1)))
            per_day = _PER_DAY.get(each)
        case _:
            return None
    if amount is None or per_day is None or often is None or period is None or period <= 0:
        return None
    return amount * often * per_day / period
