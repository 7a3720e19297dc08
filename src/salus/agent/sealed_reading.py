"""Fetching sealed entries and opening them: the owner's way, and the ways of whoever holds a grant.

Whatever does not verify is kept and marked; nothing is hidden. The owner's opened entries are kept in the agent's encrypted
index, which can be thrown away at any time; a reader's are fetched anew at every reading, so that each leaves its receipt.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from salus.agent.asking import (
    Asking,
    Page,
    as_owner,
    ask,
    entries_of,
    pages_of,
    require_answered,
    require_blob,
    waves,
)
from salus.agent.epoch_pairs import PairFinder, own_pairs
from salus.agent.home import Agent
from salus.agent.opened_index import Opening, look_through, looked_through, numbers_of, recall, remember
from salus.agent.own_sections import OwnSection
from salus.agent.verify import record, records
from salus.agent.wallet import Wallet
from salus.charts.entry import Opened
from salus.charts.epochs import EpochKeys
from salus.charts.fold import NOBODY, Placed
from salus.charts.sealing import half_of, open_entry, require_committed
from salus.charts.sections import SectionKind
from salus.errors import AgentRefused, ChartRefused, LedgerRefused, SalusError
from salus.ledger.modules.licences.messages import LicenceStatus
from salus.ledger.modules.licences.state import Licence, licence_key, status_at
from salus.ledger.modules.sections.state import Entry, Section, section_key

NO_KEY = "agent/no-epoch-key"  # the code of an entry that was sealed after this device was taken off


@dataclass
class Reading:
    """What a reading gave: entries that opened, and (section, number, code) of each that did not."""

    placed: list[Placed] = field(default_factory=list)
    halves: dict[tuple[SectionKind, int], tuple[bytes, Entry]] = field(default_factory=dict)
    unread: list[tuple[SectionKind, int, str]] = field(default_factory=list)


Reader = Generator[Page, None, None]  # what reads one section: yields a page that it needs, and goes on when it was asked for


def run(agent: Agent, readers: Iterable[Generator[Page, None, object]]) -> None:
    """Let each of the readers read. What they need at the same time is asked for at once, each page by itself."""
    waiting = list(readers)
    while waiting:
        needed = [(reader, page) for reader in waiting if (page := next(reader, None)) is not None]
        for wave in waves([page for _, page in needed]):
            ask(agent, wave)
        waiting = [reader for reader, _ in needed]


def read_own(agent: Agent, wallet: Wallet, section: OwnSection, reading: Reading, first: int = 0) -> None:
    """Read all of one's own section from entry ``first`` on into ``reading``."""
    run(agent, [_read_own(agent, wallet, section, range(first, section.count), reading)])


def read_numbers(agent: Agent, wallet: Wallet, section: OwnSection, numbers: Sequence[int], reading: Reading) -> None:
    """Read the entries of these numbers of one's own section into ``reading``."""
    run(agent, [_read_own(agent, wallet, section, numbers, reading)])


def read_all_own(agent: Agent, wallet: Wallet, sections: Iterable[OwnSection], reading: Reading) -> None:
    """Read all of several own sections into ``reading``."""
    run(agent, [_read_own(agent, wallet, section, range(section.count), reading) for section in sections])


def read_types(agent: Agent, wallet: Wallet, section: OwnSection, types: Sequence[str], reading: Reading) -> Reader:
    """Reads those entries of one's own section that hold resources of ``types``: what is new is looked through first."""
    first, unread = looked_through(agent, section.identity), dict[int, None]()
    if first < section.count:
        new = Reading()
        yield from _read_own(agent, wallet, section, range(first, section.count), new)
        reading.unread += new.unread
        unread = {number: None for _, number, _ in new.unread}
        look_through(agent, wallet.person, section.identity, new.placed, min(unread, default=section.count))
    numbers = [number for number in numbers_of(agent, section.identity, types) if number not in unread]
    yield from _read_own(agent, wallet, section, numbers, reading)


def _read_own(agent: Agent, wallet: Wallet, section: OwnSection, numbers: Sequence[int], reading: Reading) -> Reader:
    entries = entries_of(agent, section.identity, numbers)
    found = recall(agent, section.identity, entries)
    absent = [entry for entry in entries if entry.number not in found]
    if absent:
        yield from _fetch_own(agent, wallet, section, absent, reading, found)
    there = [(entry, found[entry.number][1]) for entry in entries if entry.number in found]
    for (entry, opened), trouble in zip(there, author_troubles(agent, there, wallet.ids), strict=True):
        reading.placed.append(Placed(section.kind, entry.number, entry.height, entry.time, opened, trouble))
        reading.halves[(section.kind, entry.number)] = (found[entry.number][0], entry)


def _fetch_own(
    agent: Agent,
    wallet: Wallet,
    section: OwnSection,
    absent: Sequence[Entry],
    reading: Reading,
    found: dict[int, tuple[bytes, Opened]],
) -> Reader:
    """Fetches what the index does not have; a page that the vault refuses is marked, and the rest goes on."""
    pairs = own_pairs(agent, wallet, section, {entry.epoch for entry in absent})
    reading.unread += [(section.kind, entry.number, NO_KEY) for entry in absent if entry.epoch not in pairs]
    for page in pages_of(as_owner(agent, wallet, section), [entry for entry in absent if entry.epoch in pairs]):
        yield page
        try:
            require_answered(agent, page)
        except AgentRefused:
            raise
        except SalusError as error:
            reading.unread += [(section.kind, entry.number, error.full_code) for entry in page.entries]
            continue
        openings = _open_page(agent, section, page.entries, page.blobs, pairs, reading)
        remember(agent, openings.values())
        found |= {number: (one.half, one.opened) for number, one in openings.items()}


def _open_page(
    agent: Agent,
    section: OwnSection,
    page: Sequence[Entry],
    blobs: Sequence[bytes],
    pairs: Mapping[int, EpochKeys],
    reading: Reading,
) -> dict[int, Opening]:
    """{number: entry} of what verifies; what does not is marked."""
    found = {}
    for entry, blob in zip(page, blobs, strict=True):
        try:
            require_blob(blob, entry)
            half = half_of(blob, pairs[entry.epoch].seal_seed, agent.network_id, section.identity, entry.epoch)
            opened = open_entry(blob, half, agent.network_id, section.identity, entry.epoch)
            require_committed(opened, entry.commitment)
        except SalusError as error:
            reading.unread.append((section.kind, entry.number, error.full_code))
            continue
        found[entry.number] = Opening(section.identity, blob, half, opened)
    return found


@dataclass(frozen=True)
class Granted:
    """What a reader was granted of one section: who asks, which section it is, and under which ids the patient signs."""

    kind: SectionKind
    asking: Asking
    patient: tuple[bytes, ...]


def read_snapshot(agent: Agent, granted: Granted, wanted: Sequence[tuple[int, bytes]], reading: Reading) -> Reader:
    """Reads the ``wanted`` (number, patient's half) of a granted section; raises what the vault refuses."""
    halves = dict(wanted)
    entries = entries_of(agent, granted.asking.section, [number for number, _ in wanted])
    yield from _read(agent, granted, entries, lambda entry, blob: halves[entry.number], reading)


def read_standing(
    agent: Agent, granted: Granted, slot_keys: tuple[bytes, ...], numbers: Iterable[int], reading: Reading, *, history: bool
) -> Generator[Page, None, list[int]]:
    """Reads entries of a section that was granted standing, by the epochs' keys; the numbers that the grant opens.

    Without ``history``, what was sealed to epochs before the grant is none of the reader's, and is left out.
    """
    asking = granted.asking
    entries = entries_of(agent, asking.section, list(numbers))
    newest = newest_epoch(agent, asking.section)
    pairs = PairFinder(agent, asking, slot_keys, newest, history).find({entry.epoch for entry in entries})
    if not history:
        entries = [entry for entry in entries if entry.epoch in pairs]

    def half(entry: Entry, blob: bytes) -> bytes:
        if entry.epoch not in pairs:
            raise ChartRefused("no-slot", "the key package holds nothing for this key")
        return half_of(blob, pairs[entry.epoch].seal_seed, agent.network_id, asking.section, entry.epoch)

    yield from _read(agent, granted, entries, half, reading)
    return [entry.number for entry in entries]


def newest_epoch(agent: Agent, section: bytes) -> int:
    """The number of the last epoch that the section's schedule names."""
    found = record(agent, section_key(section), Section)
    if found is None:
        raise LedgerRefused("no-such-section", "the ledger has no section of a grant")
    return found.schedule[-1].number


def _read(
    agent: Agent, granted: Granted, entries: Sequence[Entry], half: Callable[[Entry, bytes], bytes], reading: Reading
) -> Reader:
    for page in pages_of(granted.asking, entries):
        yield page
        require_answered(agent, page)
        there: list[tuple[Entry, Opened]] = []
        for entry, blob in zip(page.entries, page.blobs, strict=True):
            try:
                require_blob(blob, entry)
                found = half(entry, blob)
                opened = open_entry(blob, found, agent.network_id, granted.asking.section, entry.epoch)
                require_committed(opened, entry.commitment)
            except SalusError as error:
                reading.unread.append((granted.kind, entry.number, error.full_code))
                continue
            there.append((entry, opened))
            reading.halves[(granted.kind, entry.number)] = (found, entry)
        for (entry, opened), trouble in zip(there, author_troubles(agent, there, granted.patient), strict=True):
            reading.placed.append(Placed(granted.kind, entry.number, entry.height, entry.time, opened, trouble))


def author_troubles(agent: Agent, there: Sequence[tuple[Entry, Opened]], patient: tuple[bytes, ...]) -> list[str]:
    """Of each entry, why its author's standing could not be verified, as a full code; empty where it was. One question for all.

    The ``patient`` (by any id) needs no licence; everybody else one that was active when the ledger took the entry.
    """
    named = list(dict.fromkeys(opened.header.licence for _, opened in there if opened.header.licence != NOBODY))
    found, _ = records(agent, [licence_key(licence) for licence in named], Licence) if named else ([], None)
    licences = dict(zip(named, found, strict=True))
    return [_author_trouble(opened, entry, licences.get(opened.header.licence), patient) for entry, opened in there]


def _author_trouble(opened: Opened, entry: Entry, licence: Licence | None, patient: tuple[bytes, ...]) -> str:
    header = opened.header
    if header.licence == NOBODY:
        return "" if header.author in patient else "charts/unlicensed-author"
    if licence is None or (licence.person, licence.holder) != (header.author, opened.key.ed25519):
        return "charts/not-the-licensed"
    if header.on_behalf_of != licence.issuer or header.source != licence.issuer.hex():
        return "charts/not-the-licensed"
    active = status_at(licence, entry.time) is LicenceStatus.ACTIVE
    return "" if active else "warrants/licence-not-active"
