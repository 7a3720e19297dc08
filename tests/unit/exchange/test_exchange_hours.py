"""Hours as people write them, and the slots that follow: weeks, exceptions, and the two odd days of a year in several zones."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hours_world import OPEN, file
from node_world import code
from salus.exchange.hours import MAX_HOURS, Hours, day_of, expand, instant, local_time, month_of, read_hours, span_ms
from salus.ledger.modules.scheduling.messages import DAY, HOUR, MINUTE, Kind

TOML = b"""
name = "Sprechstunde"
zone = "Europe/Zurich"
specialties = ["Kardiologie"]
[[rules]]
days = ["mon", "wed"]
from = "08:00"
to = "10:00"
length = 30
buffer = 10
[[closed]]
day = "2026-12-24"
until = "2026-12-31"
[[extra]]
day = "2026-12-05"
from = "09:00"
to = "10:00"
length = 30
kind = "video"
seats = 2
"""
NIGHT = {"days": ["sun"], "from": "00:00", "to": "06:00", "length": 60}


def starts(hours: Hours, first: str, days: int = 1) -> list[str]:
    """When its slots of so many days begin, by the wall's clock with its distance from UTC."""
    zone, day = ZoneInfo(hours.zone), date.fromisoformat(first)
    begins, ends = (instant(zone, one, "00:00") for one in (day, day + timedelta(days=days)))
    return [local_time(hours.zone, slot.start)[11:] for slot in expand(hours, begins, ends).slots]


def of(**changed: Any) -> Hours:
    return read_hours(file(**changed))


def test_weekly_hours_give_whole_slots_with_buffers_between() -> None:
    """SCH-40."""
    assert starts(read_hours(TOML), "2026-11-30") == ["08:00 +01:00", "08:40 +01:00", "09:20 +01:00"]
    assert starts(read_hours(TOML), "2026-12-01") == []


def test_exceptions_close_and_open_days() -> None:
    """SCH-40."""
    hours = read_hours(TOML)
    assert starts(hours, "2026-12-24", 8) == []
    assert starts(hours, "2026-12-05") == ["09:00 +01:00", "09:30 +01:00"]
    (slot, _) = expand(hours, instant(ZoneInfo("Europe/Zurich"), date(2026, 12, 5), "00:00"), 1_796_460_000_000).slots
    assert (slot.seats, slot.kind) == (2, Kind.VIDEO)


def test_an_afternoon_is_closed_by_itself() -> None:
    hours = of(closed=[{"day": "2026-12-01", "from": "10:15", "to": "24:00"}])
    assert starts(hours, "2026-12-01") == ["09:00 +01:00", "09:30 +01:00"]


def test_every_other_week_is_counted_from_its_first_day_and_ends_with_its_last() -> None:
    rule = {**OPEN, "days": ["tue"], "every": 2, "since": "2026-12-01", "until": "2027-01-12", "to": "09:30"}
    hours = of(rules=[rule])
    days = [day for day in range(60) if starts(hours, str(date(2026, 11, 24) + timedelta(days=day)))]
    assert days == [7, 21, 35, 49]


@pytest.mark.parametrize(
    ("zone", "missing", "twice", "hours"),
    [
        ("Europe/Zurich", "2026-03-29", "2026-10-25", 1),
        ("America/New_York", "2026-03-08", "2026-11-01", 1),
        ("Australia/Lord_Howe", "2026-10-04", "2026-04-05", 0.5),
        ("Pacific/Auckland", "2026-09-27", "2026-04-05", 1),
        ("Asia/Kolkata", "2026-03-29", "2026-10-25", 0),
    ],
)
def test_an_open_night_is_as_long_as_it_is(zone: str, missing: str, twice: str, hours: float) -> None:
    """SCH-41."""
    night = of(zone=zone, rules=[{**NIGHT, "length": 30}])
    assert len(starts(night, "2026-06-07")) == 12
    assert len(starts(night, missing)) == 12 - 2 * hours
    assert len(starts(night, twice)) == 12 + 2 * hours


def test_no_slot_begins_in_the_hour_that_is_missing() -> None:
    """SCH-41."""
    assert starts(of(rules=[NIGHT]), "2026-03-29") == [f"0{hour}:00 +0{1 if hour < 2 else 2}:00" for hour in (0, 1, 3, 4, 5)]


def test_the_hour_that_comes_twice_is_open_twice() -> None:
    """SCH-41."""
    shown = ["00:00 +02:00", "01:00 +02:00", "02:00 +02:00", "02:00 +01:00", "03:00 +01:00", "04:00 +01:00", "05:00 +01:00"]
    assert starts(of(rules=[NIGHT]), "2026-10-25") == shown


def test_hours_that_begin_in_the_gap_begin_as_far_behind_it_and_those_within_it_are_none() -> None:
    """SCH-41."""
    begins = of(rules=[{**NIGHT, "from": "02:30", "to": "05:00", "length": 30}])
    assert starts(begins, "2026-03-29")[0] == "03:30 +02:00"
    assert starts(of(rules=[{**NIGHT, "from": "02:30", "to": "03:00", "length": 30}]), "2026-03-29") == []


def test_a_day_without_midnight_has_its_hours() -> None:
    """SCH-41."""
    night = of(zone="America/Sao_Paulo", rules=[{**NIGHT, "to": "03:00"}])
    assert starts(night, "2018-11-04") == ["01:00 -02:00", "02:00 -02:00"]


def test_a_month_is_the_zones_own() -> None:
    zone = ZoneInfo("Europe/Zurich")
    begins, ends = month_of(zone, int(datetime(2026, 9, 30, 22, 30, tzinfo=UTC).timestamp()) * 1000)
    assert (day_of("Europe/Zurich", begins), ends - begins) == ("2026-10-01", 31 * DAY + HOUR)
    assert month_of(zone, ends - 1) == (begins, ends)


def test_of_two_that_overlap_the_first_counts_and_the_other_is_said_to_be_left_out() -> None:
    """SCH-42."""
    hours = of(rules=[OPEN, {**OPEN, "from": "10:15", "to": "11:15", "kind": "phone"}])
    zone = ZoneInfo(hours.zone)
    found = expand(hours, instant(zone, date(2026, 12, 1), "00:00"), instant(zone, date(2026, 12, 2), "00:00"))
    assert ([slot.kind for slot in found.slots], found.left_out) == ([Kind.VISIT] * 4, 2)


def test_a_month_of_more_slots_than_a_page_has_is_refused() -> None:
    hours = of(rules=[{**OPEN, "days": [*OPEN["days"], "sat", "sun"], "from": "00:00", "to": "24:00", "length": 5}])
    assert code(lambda: expand(hours, *month_of(ZoneInfo(hours.zone), 1_795_766_400_000))) == "agent/too-many-slots"


def test_spans_are_minutes_hours_and_days() -> None:
    assert [span_ms(text) for text in ("30m", "2h", "90d")] == [30 * MINUTE, 2 * HOUR, 90 * DAY]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff",
        b"[" * 2000,
        b"{" + b" " * MAX_HOURS + b"}",
        file(zone="Mars/Olympus"),
        file(zone="../etc/passwd"),
        file(colour="red"),
        file(latitude=None),
        file(latitude=91),
        file(lead="91d"),
        file(horizon="5m"),
        file(hold="2h"),
        file(languages=["German"]),
        file(rules=[{**OPEN, "from": "11:00", "to": "09:00"}]),
        file(rules=[{**OPEN, "length": 0}]),
        file(rules=[{**OPEN, "length": "30"}]),
        file(rules=[{**OPEN, "seats": 65}]),
        file(rules=[{**OPEN, "days": []}]),
        file(rules=[{**OPEN, "days": ["monday"]}]),
        file(rules=[{**OPEN, "kind": "fax"}]),
        file(rules=[{**OPEN, "from": "9:00"}]),
        file(rules=[{**OPEN, "since": "2026-13-01"}]),
        file(rules=[{**OPEN, "since": "2026-12-02", "until": "2026-12-01"}]),
        file(rules=[{**OPEN, "since": "1026-12-02"}]),
        file(rules=[OPEN] * 129),
        file(closed=[{"day": "2026-02-30"}]),
        file(extra=[{"day": "2026-12-01", "from": "09:00", "to": "09:00", "length": 30}]),
    ],
)
def test_what_are_no_hours_is_refused(data: bytes) -> None:
    """SCH-43."""
    assert code(lambda: read_hours(data)) == "agent/bad-hours"


def test_a_refusal_says_where_the_fault_is() -> None:
    with pytest.raises(Exception, match=r"rules\[0\]\.length"):
        read_hours(file(rules=[{**OPEN, "length": 0}]))


CLOCK = st.integers(0, 96).map(lambda quarter: f"{quarter // 4:02}:{quarter % 4 * 15:02}")
ZONES = st.sampled_from(
    ["Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC", "Africa/Casablanca"]
)
RULE = st.fixed_dictionaries(
    {
        "days": st.lists(st.sampled_from(["mon", "tue", "wed", "thu", "fri", "sat", "sun"]), min_size=1, max_size=7),
        "from": CLOCK,
        "to": CLOCK,
        "length": st.integers(5, 240),
        "buffer": st.integers(0, 60),
        "every": st.integers(1, 4),
    }
).filter(lambda rule: rule["from"] < rule["to"])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    rules=st.lists(RULE, min_size=1, max_size=3),
    zone=ZONES,
    closed=st.lists(st.integers(1, 31).map(lambda day: {"day": f"2026-03-{day:02}"}), max_size=4),
    moment=st.sampled_from([datetime(2026, month, 15, tzinfo=UTC) for month in (3, 4, 10, 11)]),
)
def test_slots_lie_apart_in_their_month_in_hours_and_on_open_days(
    rules: list[dict[str, Any]], zone: str, closed: list[dict[str, str]], moment: datetime
) -> None:
    """SCH-40, SCH-42."""
    hours = read_hours(json.dumps({"name": "x", "zone": zone, "rules": rules, "closed": closed}).encode())
    begins, ends = month_of(ZoneInfo(zone), int(moment.timestamp()) * 1000)
    found = expand(hours, begins, ends)
    assert all(one.end <= other.start for one, other in zip(found.slots, found.slots[1:], strict=False))
    assert all(begins <= slot.start < ends for slot in found.slots)
    shut = {one["day"] for one in closed}
    for slot in found.slots:
        day = date.fromisoformat(day_of(zone, slot.start))
        assert str(day) not in shut
        assert any(
            instant(ZoneInfo(zone), day, rule.begin) <= slot.start
            and slot.end <= instant(ZoneInfo(zone), day, rule.end)
            and slot.end - slot.start == rule.length * MINUTE
            for rule in hours.rules
        )


@settings(max_examples=40, deadline=None, derandomize=True)
@given(rule=RULE, zone=ZONES)
def test_an_ordinary_day_has_as_many_slots_as_fit(rule: dict[str, Any], zone: str) -> None:
    """SCH-40."""
    rule = {**rule, "days": ["wed"], "every": 1}
    hours = read_hours(json.dumps({"name": "x", "zone": zone, "rules": [rule]}).encode())
    begin, end = (int(rule[key][:2]) * 60 + int(rule[key][3:]) for key in ("from", "to"))
    fit = max(0, (end - begin + rule["buffer"]) // (rule["length"] + rule["buffer"]))
    assert len(starts(hours, "2026-06-10")) == fit
