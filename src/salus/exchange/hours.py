"""A practice's hours as people write them down, and the slots that follow from them: a pure function of file, days and zone.

Hours are told by the clock on the wall of one zone. A time that comes twice is the first of both, and one that is left out is as
far behind the gap as it says: so iCalendar has it (RFC 5545, section 3.3.5). In between time runs on: on the day of 25 hours an
open night has one slot more each hour, on that of 23 one less.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from dateutil.rrule import WEEKLY, rrule, rruleset, weekday

from salus.errors import AgentRefused
from salus.exchange.listings import Languages, Place, Specialties, Telecoms
from salus.ledger.modules.scheduling.messages import DAY, HOUR, MINUTE, MOST_ON_PAGE, MOST_SEATS, Kind, Slot

MAX_HOURS = 65_536  # bytes of a file
MAX_RULES = 128
MAX_DAYS = 512
MOST_IN_PERIOD = MOST_ON_PAGE - 1  # one place of a page is for what it is about

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Clock = Annotated[str, msgspec.Meta(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)\Z")]
Day = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")]
Weekday = Annotated[str, msgspec.Meta(pattern=r"^(mon|tue|wed|thu|fri|sat|sun)\Z")]
Span = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,5}[mhd]\Z")]

_UNITS = {"m": MINUTE, "h": HOUR, "d": DAY}
_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

T = TypeVar("T")


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the file, in which nothing stands that is not known."""


class Opening(_Part, frozen=True, kw_only=True):
    """From one time of a day to another; ``length`` of a slot and the ``buffer`` after it in minutes."""

    begin: Clock = msgspec.field(name="from")
    end: Clock = msgspec.field(name="to")
    length: Annotated[int, msgspec.Meta(ge=1, le=1440)]
    buffer: Annotated[int, msgspec.Meta(ge=0, le=720)] = 0
    seats: Annotated[int, msgspec.Meta(ge=1, le=MOST_SEATS)] = 1
    kind: Kind = Kind.VISIT


class Rule(Opening, frozen=True, kw_only=True):
    """Each of the ``days``, of every week or every so many weeks from ``since`` on, until and with ``until``."""

    days: Annotated[tuple[Weekday, ...], msgspec.Meta(min_length=1, max_length=7)]
    every: Annotated[int, msgspec.Meta(ge=1, le=52)] = 1
    since: Day | None = None
    until: Day | None = None


class Extra(Opening, frozen=True, kw_only=True):
    """Hours of one day beside the rules, closed or not."""

    day: Day


class Closed(_Part, frozen=True, kw_only=True):
    """Closed on ``day``, or from it until and with ``until``; where times are named, between these alone."""

    day: Day
    until: Day | None = None
    begin: Clock = msgspec.field(name="from", default="00:00")
    end: Clock = msgspec.field(name="to", default="24:00")


class Hours(_Part, frozen=True, kw_only=True):
    """What a practice's file says. Spans are written 30m, 2h, 90d; latitude and longitude in degrees (WGS 84).

    ``practitioner``: whose licence the schedule is of, where the file is not published by that person.
    """

    name: Name
    zone: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    practitioner: Annotated[str, msgspec.Meta(max_length=128)] = ""
    specialties: Specialties = ()
    languages: Languages = ()
    telecom: Telecoms = ()
    place: Place = ""
    latitude: Annotated[float, msgspec.Meta(ge=-90, le=90)] | None = None
    longitude: Annotated[float, msgspec.Meta(ge=-180, le=180)] | None = None
    lead: Span = "0m"
    horizon: Span = "90d"
    hold: Span = "10m"
    rules: Annotated[tuple[Rule, ...], msgspec.Meta(max_length=MAX_RULES)] = ()
    extra: Annotated[tuple[Extra, ...], msgspec.Meta(max_length=MAX_DAYS)] = ()
    closed: Annotated[tuple[Closed, ...], msgspec.Meta(max_length=MAX_DAYS)] = ()


@dataclass(frozen=True)
class Expanded:
    """Slots in order, none of which overlaps another; ``left_out``: how many were, as they overlapped an earlier one."""

    slots: tuple[Slot, ...]
    left_out: int


def read_hours(data: bytes) -> Hours:
    """The hours from JSON or TOML; `AgentRefused` ``bad-hours``, which says where the fault is."""
    try:
        if len(data) > MAX_HOURS:
            raise ValueError(f"a file of hours has at most {MAX_HOURS} bytes")
        plain: Any = msgspec.json.decode(data) if data.lstrip()[:1] == b"{" else tomllib.loads(data.decode("utf-8"))
        hours = msgspec.convert(plain, Hours)
        _require_sound(hours)
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:  # what decodes raises some kind of ValueError
        raise AgentRefused("bad-hours", f"these are no hours: {_said(error)}") from error
    return hours


def zone_of(name: str) -> ZoneInfo:
    """The zone of this name of the IANA time zone database; `ValueError` for any other."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("the zone is none of the IANA database, such as Europe/Zurich") from error


def span_ms(text: str) -> int:
    """A span of the file in ms."""
    return int(text[:-1]) * _UNITS[text[-1]]


def instant(zone: ZoneInfo, day: date, clock: str) -> int:
    """When the clock on the wall shows this time of that day, in ms."""
    hour, minute = map(int, clock.split(":"))
    at = datetime.combine(day + timedelta(days=hour // 24), time(hour % 24, minute), tzinfo=zone)
    return int(at.timestamp()) * 1000


def month_of(zone: ZoneInfo, moment: int) -> tuple[int, int]:
    """From when up to when (ms) the month of the zone lasts in which ``moment`` (ms) is: the period of one page."""
    first = datetime.fromtimestamp(moment / 1000, zone).date().replace(day=1)
    return instant(zone, first, "00:00"), instant(zone, (first + timedelta(days=31)).replace(day=1), "00:00")


def expand(hours: Hours, begins: int, ends: int) -> Expanded:
    """The slots that start from ``begins`` up to but without ``ends`` (ms), by time.

    Where two would overlap, the one that starts first counts; of two at once an extra one before a rule's, then the first named.
    `AgentRefused` ``too-many-slots`` where more than `MOST_IN_PERIOD` would.
    """
    zone = zone_of(hours.zone)
    days = [datetime.fromtimestamp(moment / 1000, zone).date() for moment in (begins, ends)]
    first, last = days[0] - timedelta(days=1), days[1] + timedelta(days=1)
    shut = [span for one in hours.closed for span in _closings(zone, one, first, last)]
    extra = [(_day(one.day), one, False) for one in hours.extra if first <= _day(one.day) <= last]
    regular = [(day, rule, True) for rule in hours.rules for day in _days(rule, first, last)]
    found = [slot for day, one, closes in (*extra, *regular) for slot in _of_day(zone, day, one, shut if closes else [])]
    return _apart([slot for slot in found if begins <= slot.start < ends])


def _apart(found: Sequence[Slot]) -> Expanded:
    kept = list[Slot]()
    for slot in sorted(found, key=lambda one: one.start):  # which keeps the file's order
        if not kept or kept[-1].end <= slot.start:
            kept.append(slot)
    if len(kept) > MOST_IN_PERIOD:
        raise AgentRefused("too-many-slots", f"a month has at most {MOST_IN_PERIOD} slots")
    return Expanded(tuple(kept), len(found) - len(kept))


def _of_day(zone: ZoneInfo, day: date, one: Opening, shut: Sequence[tuple[int, int]]) -> Iterator[Slot]:
    """The slots of one opening on one day: whole ones alone, and none that touches what is closed."""
    at, end = instant(zone, day, one.begin), instant(zone, day, one.end)
    while at + one.length * MINUTE <= end:
        slot = Slot(at, at + one.length * MINUTE, one.seats, one.kind)
        if not any(begins < slot.end and slot.start < ends for begins, ends in shut):
            yield slot
        at += (one.length + one.buffer) * MINUTE


def _days(rule: Rule, first: date, last: date) -> list[date]:
    """The rule's days from ``first`` to ``last``, counted by weeks from ``since``, or from a Monday that is the same for all."""
    since = _day(rule.since) if rule.since else date(2001, 1, 1)
    until = min(last, _day(rule.until)) if rule.until else last
    week = tuple(weekday(_WEEK.index(day)) for day in rule.days)
    found = rruleset()
    found.rrule(rrule(WEEKLY, interval=rule.every, byweekday=week, dtstart=_midnight(_nearest(since, rule.every, first))))
    return [at.date() for at in found.between(_midnight(max(first, since)), _midnight(until), inc=True)]


def _nearest(since: date, every: int, first: date) -> date:
    """A later day to count weeks from, that gives the same: no reader steps through years."""
    return since + timedelta(weeks=max(0, (first - since).days // 7 // every - 1) * every)


def _closings(zone: ZoneInfo, one: Closed, first: date, last: date) -> Iterator[tuple[int, int]]:
    day, until = max(first, _day(one.day)), min(last, _day(one.until or one.day))
    while day <= until:
        yield instant(zone, day, one.begin), instant(zone, day, one.end)
        day += timedelta(days=1)


def _require_sound(hours: Hours) -> None:
    """Raise `ValueError` for what each part for itself cannot say."""
    zone_of(hours.zone)
    for what, least, most in (("lead", 0, 90 * DAY), ("horizon", HOUR, 400 * DAY), ("hold", MINUTE, HOUR)):
        if not least <= span_ms(getattr(hours, what)) <= most:
            raise ValueError(f"{what} is too short or too long")
    if (hours.latitude is None) != (hours.longitude is None):
        raise ValueError("latitude and longitude are said together, or neither")
    times = [(one.begin, one.end) for one in (*hours.rules, *hours.extra)]
    for begin, end in (*times, *((one.begin, one.end) for one in hours.closed)):
        if begin >= end:
            raise ValueError(f"hours end after they begin, not from {begin} to {end}")
    for rule in hours.rules:
        _require_days(rule.since, rule.until)
    for closed in hours.closed:
        _require_days(closed.day, closed.until)
    for extra in hours.extra:
        _require_days(extra.day, None)


def _require_days(first: str | None, last: str | None) -> None:
    for text in filter(None, (first, last)):
        if not 2000 <= _day(text).year <= 2200:
            raise ValueError(f"{text} is too far away")
    if first and last and first > last:
        raise ValueError(f"{last} is before {first}")


@cache
def _day(text: str) -> date:
    return date.fromisoformat(text)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min)


def _said(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


def day_of(zone: str, moment: int) -> str:
    """The day of the zone in which ``moment`` (ms) is, as 2026-11-24."""
    return datetime.fromtimestamp(moment / 1000, zone_of(zone)).date().isoformat()


def local_time(zone: str, moment: int) -> str:
    """A time as people of the zone read it, with how far it is from UTC: 2026-11-24 09:20 +01:00."""
    at = datetime.fromtimestamp(moment / 1000, UTC).astimezone(zone_of(zone))
    offset = at.strftime("%z")
    return f"{at:%Y-%m-%d %H:%M} {offset[:3]}:{offset[3:5]}"
