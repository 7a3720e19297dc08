"""Results as people read them on a terminal: in plain words, with the usual range and for whom, what is red first."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from salus.agent.services.acknowledging import AttendedInfo
from salus.agent.services.resulted import OwnResultInfo, Trend
from salus.cli import results
from salus.errors import Misused
from salus.fhir.laboratory import Value

HIGH = Value("2823-3", "Potassium", "6.9", "mmol/L", "3.5", "5.1", "adults", "HH", 0, Decimal("6.9"))
ROW = AttendedInfo(
    "ab" * 32,
    1,
    "Ana",
    "Electrolytes",
    "cover",
    "final",
    "climbed",
    500,
    1_000,
    2_000,
    red=True,
    released=True,
    laboratory="Lab",
    values=(HIGH,),
)
OWN = OwnResultInfo(
    "ab" * 32, 2, "Electrolytes", "Lab", "Dr. Lind", "final", 0, confidential=True, superseded=True, charted=False, values=(HIGH,)
)


def trend(*numbers: str) -> Trend:
    """Values of potassium."""
    points = tuple((index, Decimal(number), "") for index, number in enumerate(numbers))
    return Trend("2823-3", "Potassium", "mmol/L", points, ())


@pytest.mark.parametrize(
    ("low", "high", "population", "text"),
    [
        ("3.5", "5.1", "adults", "3.5 to 5.1 (adults)"),
        ("3.5", "", "", "3.5 or more (for whom is not said)"),
        ("", "5.1", "adults", "5.1 or less (adults)"),
        ("", "", "adults", "no range is given"),
    ],
)
def test_a_range_says_for_whom_it_is_or_that_this_is_not_said(low: str, high: str, population: str, text: str) -> None:
    """CLI-46."""
    assert text in results._own(replace(OWN, values=(replace(HIGH, low=low, high=high, population=population),)))


def test_a_result_is_told_in_words() -> None:
    """CLI-46."""
    text = results._own(OWN)
    for said in ("6.9 mmol/L", "FAR ABOVE: critical", "CONFIDENTIAL", "a later report has replaced it", "ordered by Dr. Lind"):
        assert said in text


def test_what_is_red_is_marked_and_says_what_to_do() -> None:
    """CLI-46."""
    text = results.attention(ROW)
    assert text.startswith("!!! Ana")
    for said in ("NOT ACKNOWLEDGED: it climbed", "you: cover", "was given it from here"):
        assert said in text
    overdue = replace(ROW, number=0, attention="", status="failed", released=False, values=(), duty="none")
    assert "it was due" in results.attention(overdue)
    assert "you:" not in results.attention(overdue)


@pytest.mark.parametrize(
    ("numbers", "bars"), [(("4",), "▁"), (("4", "4"), "▁▁"), (("4", "11", "7.5"), "▁█▅"), (("-3", "4"), "▁█")]
)
def test_a_trend_is_drawn_from_its_least_to_its_greatest(numbers: tuple[str, ...], bars: str) -> None:
    """ORD-31."""
    drawn = results._drawn(trend(*numbers))
    assert f"\n{bars}  " in drawn


def test_what_is_not_comparable_is_named() -> None:
    """ORD-31."""
    apart = replace(trend("4"), apart=(replace(HIGH, unit="meq/L"),))
    assert "6.9 meq/L is not comparable, and not drawn" in results._drawn(apart)


@pytest.mark.parametrize("text", ["genetics", "genetics=soon", "blood=at-once", ""])
def test_a_preference_names_a_category_and_a_time(text: str) -> None:
    with pytest.raises(Misused):
        results._choice(text)
    assert [one.value for one in results._choice("genetics=at-visit")] == ["genetics", "at-visit"]
