"""Schedules and appointments on a ledger in memory: named people, calls for what each does, and a small model of it all."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from ledger_world import START, STEP, Ledger, licence_for, public
from prescriptions_world import founding
from salus.codec import decode
from salus.ledger.genesis import Genesis, LicenceRight
from salus.ledger.modules.licences.messages import LicenceStatus, SetLicenceStatus
from salus.ledger.modules.scheduling.messages import (
    DAY,
    HOUR,
    MINUTE,
    ArriveAppointment,
    BookAppointment,
    CancelAppointment,
    DeclineAppointment,
    DeclineReason,
    FulfilAppointment,
    HoldSlots,
    JoinWaiting,
    Kind,
    MissAppointment,
    MoveAppointment,
    OfferSlots,
    OpenSchedule,
    Override,
    PublishSlots,
    ReleaseSlots,
    ReviseSchedule,
    ShownSlot,
    Slot,
    TakeSlots,
)
from salus.ledger.modules.scheduling.queries import appointment
from salus.ledger.modules.scheduling.state import (
    KEPT,
    Appointment,
    Next,
    Seats,
    appointment_id,
    page_root,
    schedule_id,
    seats_key,
    shown,
    waiting_key,
)
from salus.ledger.store import load
from salus.ledger.tx import licence_id

DOCTOR, SURGEON = "doctor", "surgeon"
QUARTER = 15 * MINUTE
MORNING = START + DAY + 8 * HOUR

Choice = tuple[str, int]


def grid(begins: int, count: int, *, length: int = QUARTER, seats: int = 1, kind: Kind = Kind.VISIT) -> list[Slot]:
    """So many slots, one after the other."""
    return [Slot(begins + n * length, begins + (n + 1) * length, seats, kind) for n in range(count)]


@dataclass
class Scheduling(Ledger):
    """Two licensed people, desks and pages by name. Each call returns the refusal, "" when it was applied."""

    genesis: Genesis = field(default_factory=founding)
    licences: dict[str, bytes] = field(default_factory=dict)
    pages: dict[str, tuple[int, list[Slot]]] = field(default_factory=dict)
    names: dict[bytes, str] = field(default_factory=dict)  # of schedules
    desks: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in (DOCTOR, SURGEON):
            body = self.done(licence_for(name, LicenceRight.TREAT), by=["clinic authority"])
            self.licences[name] = licence_id(body, 0)

    def set_licence(self, name: str, status: LicenceStatus) -> None:
        """The licence is suspended, or active again."""
        self.done(SetLicenceStatus(self.licences[name], status), by=["clinic authority"])

    def at(self, name: str) -> bytes:
        """The handle of the schedule of that name."""
        return schedule_id(self.network, public(f"desk {name}"))

    def id(self, name: str) -> bytes:
        """The handle of the appointment of that name."""
        return appointment_id(self.network, public(f"patient {name}"))

    def opened(self, name: str, by: str = DOCTOR, *, lead: int = HOUR, horizon: int = 90 * DAY, hold: int = 10 * MINUTE) -> str:
        """A schedule under the licence."""
        refusal = self.do(OpenSchedule(self.licences[by], public(f"desk {name}"), lead, horizon, hold), by=[by])
        if not refusal:
            self.names[self.at(name)], self.desks[name] = name, f"desk {name}"
        return refusal

    def revise(self, name: str, desk: str, *, before: str = DOCTOR, by: str = DOCTOR, lead: int = HOUR) -> str:
        """Another desk key, and perhaps another licence."""
        message = ReviseSchedule(self.at(name), self.licences[by], public(desk), lead, 90 * DAY, 10 * MINUTE)
        refusal = self.do(message, by=sorted({before, by}))
        if not refusal:
            self.desks[name] = desk
        return refusal

    def publish(self, name: str, slots: list[Slot], begins: int = START, ends: int = START + 20 * DAY) -> str:
        """The page of that time."""
        message = PublishSlots(self.at(name), begins, ends, page_root(slots), len(slots))
        refusal = self.do(message, by=[self.desks[name]])
        if not refusal:
            self.pages[name] = (begins, slots)
        return refusal

    def show(self, choices: Sequence[Choice | ShownSlot]) -> tuple[ShownSlot, ...]:
        """Slots of the pages, by schedule and number."""
        return tuple(
            one if isinstance(one, ShownSlot) else shown(self.at(one[0]), *self.pages[one[0]], one[1]) for one in choices
        )

    def hold(self, name: str, *choices: Choice | ShownSlot, sponsor: str = "clinic") -> str:
        """Hold them all."""
        key = f"patient {name}"
        return self.do(HoldSlots(public(key), self.show(choices)), by=[key], sponsor=sponsor)

    def book(self, name: str) -> str:
        """What is held is wanted."""
        return self.do(BookAppointment(self.id(name)), by=[f"patient {name}"])

    def booked(self, name: str, *choices: Choice) -> None:
        """Hold and book."""
        assert self.hold(name, *choices) == self.book(name) == ""

    def move(self, name: str, *choices: Choice | ShownSlot) -> str:
        """These instead."""
        return self.do(MoveAppointment(self.id(name), self.show(choices)), by=[f"patient {name}"])

    def cancel(self, name: str) -> str:
        """Not wanted any more."""
        return self.do(CancelAppointment(self.id(name)), by=[f"patient {name}"])

    def wait(self, name: str, where: str, earliest: int = 0, latest: int = 0, *kinds: Kind, sponsor: str = "clinic") -> str:
        """Join the list."""
        key, last = f"patient {name}", latest or START + 15 * DAY
        message = JoinWaiting(public(key), self.at(where), earliest, last, kinds or (Kind.VISIT,))
        return self.do(message, by=[key], sponsor=sponsor)

    def take(self, name: str, *choices: Choice | ShownSlot, override: Override = Override.NONE) -> str:
        """The desk books."""
        slots = self.show(choices)
        desks = dict.fromkeys(self.desks[self.names[one.schedule]] for one in slots)
        return self.do(TakeSlots(public(f"patient {name}"), slots, override), by=list(desks))

    def offer(self, name: str, where: str, *choices: Choice | ShownSlot) -> str:
        """The practice offers these instead."""
        slots = self.show(choices)
        desks = dict.fromkeys((self.desks[where], *(self.desks[self.names[one.schedule]] for one in slots)))
        return self.do(OfferSlots(self.id(name), self.at(where), slots), by=list(desks))

    def decline(self, name: str, where: str, reason: DeclineReason = DeclineReason.CLOSED) -> str:
        """The practice cancels."""
        return self.do(DeclineAppointment(self.id(name), self.at(where), reason), by=[self.desks[where]])

    def arrive(self, name: str, where: str) -> str:
        """The patient is there."""
        return self.do(ArriveAppointment(self.id(name), self.at(where)), by=[self.desks[where]])

    def fulfil(self, name: str, where: str) -> str:
        """The patient was seen."""
        return self.do(FulfilAppointment(self.id(name), self.at(where)), by=[self.desks[where]])

    def miss(self, name: str, where: str) -> str:
        """The patient did not come."""
        return self.do(MissAppointment(self.id(name), self.at(where)), by=[self.desks[where]])

    def release(self, where: str, *choices: Choice | ShownSlot) -> str:
        """There is a seat."""
        return self.do(ReleaseSlots(self.at(where), self.show(choices)), by=[self.desks[where]])

    def appointment(self, name: str) -> Appointment:
        """As it stands."""
        return appointment(self.store, self.id(name))

    def status(self, name: str) -> str:
        """Its status."""
        return self.appointment(name).status.value

    def statuses(self, *names: str) -> list[str]:
        """Of several."""
        return [self.status(name) for name in names]

    def seats(self, where: str, start: int = 0, end: int = 1 << 62) -> list[tuple[int, bytes]]:
        """(start, appointment) of each seat that is taken there, in order."""
        first, last = seats_key(self.at(where), start), seats_key(self.at(where), end)
        found = [(int.from_bytes(key[-8:], "big"), self.store.get(key) or b"") for key in self.store.keys(first, last)]
        return [(when, seat.appointment) for when, leaf in found for seat in decode(leaf, Seats, limit=65_536).taken]

    def line(self, where: str) -> list[bytes]:
        """Who waits, in order."""
        keys = self.store.keys(waiting_key(self.at(where), 0), waiting_key(self.at(where), 1 << 63))
        return [one.appointment for one in (load(self.store, key, Next) for key in keys) if one]

    def pass_time(self, time: int) -> None:
        """A block after so many ms."""
        self.block(at=self.time + time)


# --- the model: no leaves, no tables, no index; what a person would write into a book


@dataclass
class Visit:
    """Somebody, in the book."""

    id: bytes
    word: str
    where: list[tuple[str, Slot, int]]  # schedule, slot, number of the page
    until: int = 0
    since: int = 0
    wants: tuple[str, int] | None = None  # schedule, latest start
    lapsed: int = 0


class Book:
    """Schedules with the same terms: an hour's lead, ten minutes' hold; and everybody in them."""

    def __init__(self, names: Sequence[str], slots: dict[str, list[Slot]]) -> None:
        self.pages, self.number = dict(slots), dict.fromkeys(names, 0)
        self.known = {(name, tuple(page)): 0 for name, page in slots.items()}  # a page that comes back is the same page
        self.visits: dict[str, Visit] = {}
        self.lines: dict[str, list[Visit]] = {name: [] for name in names}

    def look(self, now: int) -> None:
        """What time has done: in the order of what was due, then of what it is."""
        due = list[tuple[int, str, bytes, Visit]]()
        for visit in self.visits.values():
            if visit.word == "pending":
                due.append((visit.until, "lapse", visit.id, visit))
            if visit.word == "waitlist" and visit.wants:
                due.append((visit.wants[1], "close", visit.id, visit))
            if visit.word in ("booked", "arrived"):
                end = max(slot.end for _, slot, _ in visit.where)
                due.append((max(end, visit.since if visit.word == "arrived" else 0) + DAY, "close", visit.id, visit))
        for when, _, _, visit in sorted(due, key=lambda one: one[:3]):
            if when <= now:
                self._pass(visit, now)
        for name in [n for n, v in self.visits.items() if v.word in _OVER and now >= v.since + KEPT]:
            del self.visits[name]

    def _pass(self, visit: Visit, now: int) -> None:
        if visit.word == "arrived":
            visit.word, visit.since = "fulfilled", now
        elif visit.word == "pending" and visit.wants and visit.lapsed < 2 and now < visit.wants[1]:
            freed, visit.where = visit.where, []
            visit.word, visit.since, visit.lapsed = "waitlist", now, visit.lapsed + 1
            self.fall_free(freed, now)
            self.lines[visit.wants[0]].append(visit)
        else:
            self.end(visit, now)

    def end(self, visit: Visit, now: int, by: str = "") -> None:
        """It is cancelled."""
        if visit.word == "waitlist" and visit.wants:
            self.lines[visit.wants[0]].remove(visit)
        visit.word, visit.since = "cancelled", now
        self.fall_free([one for one in visit.where if one[0] != by], now)

    def fits(self, name: str, slot: Slot, own: Visit | None = None) -> bool:
        """Whether there is room for one more."""
        there = [
            other
            for visit in self.visits.values()
            if visit is not own and visit.word in ("pending", "booked", "arrived", "noshow", "fulfilled")
            for place, other, _ in visit.where
            if place == name and other.start < slot.end and slot.start < other.end
        ]
        same = [one for one in there if (one.start, one.end, one.kind) == (slot.start, slot.end, slot.kind)]
        return len(same) == len(there) and len(same) < slot.seats

    def fall_free(self, freed: Sequence[tuple[str, Slot, int]], now: int) -> None:
        """To whoever waits first."""
        for name, slot, page in freed:
            left = slot.start - HOUR - now
            if page != self.number[name] or left < 10 * MINUTE or not self.fits(name, slot):
                continue
            for visit in self.lines[name]:
                if visit.wants and slot.start <= visit.wants[1]:
                    self.lines[name].remove(visit)
                    visit.word, visit.where, visit.since = "pending", [(name, slot, page)], now
                    visit.until = now + min(max(left // 4, 10 * MINUTE), DAY)
                    break

    def seat(self, visit: Visit, wanted: Sequence[Choice], now: int) -> bool:
        """Whether all of them are to be had; then it has them, in place of what it had."""
        got = list[tuple[str, Slot, int]]()
        for name, index in wanted:
            slot = self.pages[name][index]
            again = any(one[0] == name and one[1].start < slot.end and slot.start < one[1].end for one in got)
            if again or slot.start < now + HOUR or not self.fits(name, slot, visit):
                return False
            got.append((name, slot, self.number[name]))
        visit.where = got
        return True


_OVER = ("cancelled", "noshow", "fulfilled")
JUMPS = (5 * MINUTE, 11 * MINUTE, 40 * MINUTE, 2 * HOUR)
ACTS = (
    *("hold", "hold", "hold", "book", "book", "book", "move", "move", "cancel", "wait", "wait", "take"),
    *("decline", "offer", "arrive", "fulfil", "miss", "publish", "swap"),
)


def history(seed: int, length: int, world: Scheduling | None = None) -> list[str]:
    """What the ledger did otherwise than the book in a history by chance; and where the two stood apart afterwards."""
    chance, ledger, wrong = random.Random(seed), world or Scheduling(), list[str]()
    names, book = list[str](), Book((), {})
    for step in range(length):
        if step % 120 == 0:
            names, book = _practice(chance, ledger, f"{seed} {step}")
        if chance.random() < 0.1:
            ledger.pass_time(chance.choice((*JUMPS, 22 * HOUR)) if step % 120 > 80 else chance.choice(JUMPS))
            book.look(ledger.time)
        book.look(ledger.time + STEP)  # of the block that comes
        act, done, refusal = _step(chance, ledger, book, names, f"{seed} {step}", ledger.time + STEP)
        if done != (refusal == ""):
            wrong.append(f"seed {seed} step {step}: {act} {'is' if not refusal else 'is not'} done ({refusal})")
        wrong += [f"seed {seed} step {step}: after {act}, {apart}" for apart in _apart(ledger, book, names)]
        if wrong:
            break
    return wrong


def _practice(chance: random.Random, ledger: Scheduling, tag: str) -> tuple[list[str], Book]:
    """Two people and a room of a day's hours; nobody waits yet."""
    names, day = [f"{who} {tag}" for who in ("a", "b", "room")], ledger.time + DAY
    slots = {name: grid(day, 6, seats=chance.choice((1, 1, 2))) for name in names}
    for name in names:
        assert ledger.opened(name) == ""
        assert ledger.publish(name, slots[name], day, day + 12 * HOUR) == ""
    return names, Book(names, slots)


def _apart(ledger: Scheduling, book: Book, names: Sequence[str]) -> list[str]:
    told = list[str]()
    for name, visit in book.visits.items():
        found = ledger.appointment(name)
        slots = [(one.schedule, one.slot) for one in found.slots]
        if (found.status.value, slots) != (visit.word, [(ledger.at(place), slot) for place, slot, _ in visit.where]):
            told.append(f"{name} is {found.status.value}, and not {visit.word}")
    for name in names:
        sitting = [v for v in book.visits.values() if v.word in ("pending", "booked", "arrived", "noshow", "fulfilled")]
        seats = sorted((slot.start, v.id) for v in sitting for place, slot, _ in v.where if place == name)
        if sorted(ledger.seats(name)) != seats:
            told.append("other seats are taken")
        if ledger.line(name) != [visit.id for visit in book.lines[name]]:
            told.append("others wait")
    return told


def _step(
    chance: random.Random, ledger: Scheduling, book: Book, names: Sequence[str], tag: str, now: int
) -> tuple[str, bool, str]:
    """What is done by chance, whether the book has it done, and the ledger's refusal."""
    act, where = chance.choice(ACTS), chance.choice(names)
    wanted = [(name, chance.randrange(6)) for name in names if name == where or chance.random() < 0.2]
    if act in ("hold", "take"):
        visit = Visit(ledger.id(tag), "pending" if act == "hold" else "booked", [], 0, now)
        done = book.seat(visit, wanted, now)
        if done:
            book.visits[tag] = visit
            visit.until = min(now + 10 * MINUTE, *(slot.start for _, slot, _ in visit.where)) if act == "hold" else 0
        return act, done, ledger.hold(tag, *wanted) if act == "hold" else ledger.take(tag, *wanted)
    if act == "wait":
        latest = book.pages[where][chance.randrange(6)].start
        done = latest > now
        if done:
            book.visits[tag] = Visit(ledger.id(tag), "waitlist", [], 0, now, (where, latest))
            book.lines[where].append(book.visits[tag])
        return act, done, ledger.wait(tag, where, 0, latest)
    if act == "publish":
        return (act, *_publish(chance, ledger, book, where, now)) if chance.random() < 0.2 else (act, True, "")
    if not book.visits:
        return act, True, ""
    live = [name for name, visit in sorted(book.visits.items()) if visit.word != "cancelled" or chance.random() < 0.02]
    name = chance.choice(live or sorted(book.visits))
    return act, *_moved(chance, ledger, book, act, name, wanted, now)


def _publish(chance: random.Random, ledger: Scheduling, book: Book, where: str, now: int) -> tuple[bool, str]:
    """Another grid over the same hours."""
    begins, old = ledger.pages[where]
    if begins + 12 * HOUR <= now:
        return True, ""
    length = chance.choice((QUARTER, 20 * MINUTE, 10 * MINUTE))
    slots = grid(old[0].start, 6, length=length, seats=chance.choice((1, 2)))
    book.pages[where], book.number[where] = slots, book.known.setdefault((where, tuple(slots)), len(book.known))
    return True, ledger.publish(where, slots, begins, begins + 12 * HOUR)


def _moved(
    chance: random.Random, ledger: Scheduling, book: Book, act: str, name: str, wanted: list[Choice], now: int
) -> tuple[bool, str]:
    visit = book.visits[name]
    desk = visit.where[0][0] if visit.where else wanted[0][0]
    begins = min((slot.start for _, slot, _ in visit.where), default=0)
    before = list(visit.where)
    if act == "book":
        done = visit.word == "pending"
        if done:
            visit.word, visit.since, visit.wants = "booked", now, None
        return done, ledger.book(name)
    if act == "cancel":
        done = visit.word in ("pending", "waitlist") or (visit.word == "booked" and now < begins)
        if done:
            book.end(visit, now)
        return done, ledger.cancel(name)
    if act == "decline":
        done = visit.word in ("pending", "booked")
        if done:
            book.end(visit, now, desk)
        return done, ledger.decline(name, desk)
    if act == "move":
        done = visit.word == "booked" and now < begins and book.seat(visit, wanted, now)
        if done:
            visit.since = now
            book.fall_free(before, now)
        return done, ledger.move(name, *wanted)
    if act == "swap":
        return _swap(chance, ledger, book, name, now)
    if act == "offer":
        done = visit.word == "booked" and book.seat(visit, wanted, now)
        if done:
            first = min(slot.start for _, slot, _ in visit.where)
            visit.word, visit.since, left = "pending", now, first - HOUR - now
            visit.until = now + min(max(left // 4, 10 * MINUTE), DAY) if left >= 10 * MINUTE else first
            book.fall_free([one for one in before if one[0] != desk], now)
        return done, ledger.offer(name, desk, *wanted)
    if act == "arrive":
        done = visit.word in ("booked", "noshow") and now >= begins - 12 * HOUR
        visit.word, visit.since = ("arrived", now) if done else (visit.word, visit.since)
        return done, ledger.arrive(name, desk)
    if act == "fulfil":
        done = visit.word == "arrived"
        visit.word, visit.since = ("fulfilled", now) if done else (visit.word, visit.since)
        return done, ledger.fulfil(name, desk)
    done = visit.word in ("booked", "arrived") and now >= begins
    visit.word, visit.since = ("noshow", now) if done else (visit.word, visit.since)
    return done, ledger.miss(name, desk)


def _swap(chance: random.Random, ledger: Scheduling, book: Book, name: str, now: int) -> tuple[bool, str]:
    """Two who have just one slot each want each other's: the one after the other, in one block."""
    others = [n for n, v in book.visits.items() if n != name and v.word == "booked" and len(v.where) == 1]
    mine = book.visits[name]
    if mine.word != "booked" or len(mine.where) != 1 or not others:
        return True, ""
    other = chance.choice(sorted(others))
    pair = [(name, mine.where[0]), (other, book.visits[other].where[0])]
    places = [(place, slot, book.pages[place].index(slot) if slot in book.pages[place] else -1) for _, (place, slot, _) in pair]
    if any(index < 0 for *_, index in places):
        return True, ""
    data, outcomes = list[bytes](), list[bool]()
    for (who, _), (place, _, index) in zip(pair, reversed(places), strict=True):
        visit = book.visits[who]
        before, begins = list(visit.where), min(slot.start for _, slot, _ in visit.where)
        done = now < begins and book.seat(visit, [(place, index)], now)
        if done:
            visit.since = now
            book.fall_free(before, now)
        outcomes.append(done)
        message = MoveAppointment(ledger.id(who), ledger.show([(place, index)]))
        data.append(ledger.tx(message, by=[f"patient {who}"]))
    results = ledger.block(*data)
    same = [result.refusal == "" for result in results] == outcomes
    return same, "" if same else "ledger/others-moved"


def main() -> None:
    """``python tests/scheduling_world.py [ACTIONS]``: one long history, by hand."""
    length = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    wrong = history(7, length)
    sys.stdout.write(f"{length} actions, illegal: {len(wrong)} {wrong}\n")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
