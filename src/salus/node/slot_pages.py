"""The pages of schedules that a node keeps beside its listings, with an index of slots. None is served that does not stand."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heapreplace

from salus.codec import decode, encode
from salus.errors import NodeRefused
from salus.exchange.schedules import (
    MAX_PAGE,
    About,
    FoundSlot,
    FoundSlots,
    SchedulePage,
    Showing,
    SignedAbout,
    SlotSearch,
    Wish,
    described,
    free_seats,
    require_page,
    root_of,
    wanted,
)
from salus.ids import NetworkId
from salus.ledger.modules.licences.messages import LicenceStatus
from salus.ledger.modules.licences.state import Licence, licence_key, status_at
from salus.ledger.modules.scheduling.messages import Slot
from salus.ledger.modules.scheduling.state import Period, Schedule, Seats, period_key, schedule_key, seats_range
from salus.ledger.store import Reader, load
from salus.node.engine import Engine
from salus.node.tables import Tables

PAGES = "pages"
MOST_LOOKED_AT = 20_000  # slots of one search: whoever looks for what is rare says more of it
_ALL, _PAGE = (b"scheduling/", b"scheduling0"), b"/page/"
_LONG = len(period_key(bytes(32), 0))


class _Kept:
    """A page in the index."""

    def __init__(self, page: SchedulePage) -> None:
        self.about, self.slots, self.root, self.ends = page.about.about, page.slots, root_of(page), page.ends
        self.described, self.starts = described(page.about.about), [slot.start for slot in page.slots]


_Row = tuple[int, bytes, int, _Kept]  # start, the page's key (no two have the same), index, page


class SlotPages:
    """Pages by where their leaf stands on the ledger. ``tables`` has the table `PAGES`."""

    def __init__(self, tables: Tables, network: NetworkId, engine: Engine) -> None:
        self._tables, self._network, self._engine = tables, network, engine
        self._lock, self._noting = threading.Lock(), threading.Lock()
        stored = tables.range(PAGES, b"", b"\xff" * _LONG, 1 << 62)
        self._kept = {key: _Kept(_stored(value)) for key, value in stored}
        self._lacking, self._noted, self._scanned = set[bytes](), set(self._kept), 0

    def notice(self, changed: Iterable[bytes]) -> None:
        """Take from a block's changes which pages stand now and which do not any more; neither waits nor raises."""
        pages = {key for key in changed if len(key) == _LONG and key.startswith(_ALL[0]) and key[-14:-8] == _PAGE}
        with self._noting:
            self._noted |= pages

    def put(self, page: SchedulePage) -> None:
        """Keep a page, durably, in place of what it replaces.

        Raises unless it verifies, the ledger has its root (``page-not-anchored``), and its schedule is of an active licence of
        whoever has signed it (``schedule-unlicensed``).
        """
        if len(encode(page)) > MAX_PAGE:
            raise NodeRefused("page-too-large", "the page is too large")
        about, kept = require_page(page, self._network), _Kept(page)
        key = period_key(about.schedule, page.begins)
        with self._lock:
            if not self._stands(key, kept):
                raise NodeRefused("page-not-anchored", "the ledger does not have this page")
            if self._schedule(about) is None:
                raise NodeRefused("schedule-unlicensed", "the schedule is not of an active licence of whoever has signed it")
            with self._tables.writing() as write:
                write.put(PAGES, key, encode(page))
            self._kept[key] = kept
            self._lacking.discard(key)

    def page(self, root: bytes) -> SchedulePage:
        """The page that stands on the ledger by this root; `NodeRefused` ``no-such-page`` where none is here."""
        with self._lock:
            self._catch_up()
            key = next((key for key, kept in self._kept.items() if kept.root == root), b"")
            value = self._tables.get(PAGES, key) if key else None
        if value is None:
            raise NodeRefused("no-such-page", "no page of this root is kept here")
        return _stored(value)

    def lacking(self) -> list[bytes]:
        """The roots of pages that stand on the ledger, are not over, and are not here."""
        with self._lock:
            self._catch_up()
            found = [load(self._engine.state, key, Period) for key in sorted(self._lacking)]
        now = self._engine.newest_header().header.time
        return [one.root for one in found if one is not None and one.ends > now]

    def search(self, search: SlotSearch) -> FoundSlots:
        """The first slots that are wanted and can be taken now."""
        with self._lock:
            self._catch_up()
            pages = list(self._kept.items())
        begins = max(search.begins, self._engine.newest_header().header.time)
        wish = Wish(search)
        rows = [
            (kept.starts[at], key, at, kept)
            for key, kept in pages
            if (at := bisect_left(kept.starts, begins)) < len(kept.starts)
            and kept.starts[at] < search.ends
            and wish.suits(kept.described)
        ]
        found, more = self._free(_in_order(rows), search)
        return self._answer(found, more=more)

    def _free(self, rows: Iterator[_Row], search: SlotSearch) -> tuple[list[tuple[bytes, int]], bool]:
        """Where the first free slots stand, and whether it was given up before the time was over."""
        found, open_from = list[tuple[bytes, int]](), dict[bytes, tuple[int, int]]()
        for looked, (start, key, index, kept) in enumerate(rows):
            if start >= search.ends:
                break
            if len(found) == search.limit or looked == MOST_LOOKED_AT:
                return found, True
            if key not in open_from:
                open_from[key] = self._takable(key, kept)
            earliest, latest = open_from[key]
            slot = kept.slots[index]
            if earliest <= start <= latest and wanted(slot, search) and self._has_room(kept.about.schedule, slot):
                found.append((key, index))
        return found, False

    def _answer(self, found: list[tuple[bytes, int]], *, more: bool) -> FoundSlots:
        abouts, slots, pages = list[SignedAbout](), list[FoundSlot](), dict[bytes, Showing]()
        for key, index in found:
            if key not in pages:
                value = self._tables.get(PAGES, key)
                if value is None:
                    continue
                pages[key] = Showing(_stored(value))
            page = pages[key].page
            if index >= len(page.slots):
                continue  # it was replaced meanwhile; what it says else the reader holds against the ledger
            if page.about not in abouts:
                abouts.append(page.about)
            slots.append(pages[key].found(index, abouts.index(page.about)))
        return FoundSlots(tuple(abouts), tuple(slots), more)

    def _takable(self, key: bytes, kept: _Kept) -> tuple[int, int]:
        """Between which starts (ms) slots of the page can be taken now; (1, 0): none."""
        schedule = self._schedule(kept.about) if self._stands(key, kept) else None
        now = self._engine.newest_header().header.time
        return (1, 0) if schedule is None else (now + max(schedule.lead, 1), now + schedule.horizon)

    def _has_room(self, schedule: bytes, slot: Slot) -> bool:
        state, taken = self._engine.state, []
        for key in state.keys(*seats_range(schedule, slot.start, slot.end)):
            seats, start = load(state, key, Seats), int.from_bytes(key[-8:], "big")
            taken += [(start, seat.end, seat.kind) for seat in seats.taken] if seats else []
        return free_seats(slot, taken) > 0

    def _stands(self, key: bytes, kept: _Kept) -> bool:
        found = load(self._engine.state, key, Period)
        return found == Period(kept.ends, kept.root, len(kept.slots) + 1)

    def _schedule(self, about: About) -> Schedule | None:
        """The schedule, where it is of an active licence of whoever has signed what it is about."""
        state: Reader = self._engine.state
        schedule = load(state, schedule_key(about.schedule), Schedule)
        licence = load(state, licence_key(about.licence), Licence)
        if schedule is None or licence is None or schedule.licence != about.licence:
            return None
        theirs = licence.holder == about.card.card.key.ed25519
        active = status_at(licence, self._engine.newest_header().header.time) is LicenceStatus.ACTIVE
        return schedule if theirs and active else None

    def _catch_up(self) -> None:
        """Let go of pages that were replaced, and note those that came."""
        if not self._scanned:  # at the start, and until there is a ledger: it may come whole, as a snapshot
            self._scanned = self._engine.newest_header().header.height
            self.notice(self._engine.state.keys(*_ALL))
        with self._noting:
            noted, self._noted = self._noted, set()
        gone = set[bytes]()
        for key in noted:
            kept = self._kept.get(key)
            if kept is not None and not self._stands(key, kept):
                gone.add(key)
            if (kept is None or key in gone) and self._engine.state.get(key) is not None:
                self._lacking.add(key)
            else:
                self._lacking.discard(key)
        if gone:
            with self._tables.writing() as write:
                for key in gone:
                    write.drop(PAGES, key)
            for key in gone:
                del self._kept[key]


def _in_order(rows: list[_Row]) -> Iterator[_Row]:
    """The slots of all pages from these on, by start: no more of them is looked at than is asked for."""
    heapify(rows)
    while rows:
        yield rows[0]
        _, key, index, kept = rows[0]
        if index + 1 < len(kept.starts):
            heapreplace(rows, (kept.starts[index + 1], key, index + 1, kept))
        else:
            heappop(rows)


def _stored(value: bytes) -> SchedulePage:
    return decode(value, SchedulePage, limit=MAX_PAGE)
