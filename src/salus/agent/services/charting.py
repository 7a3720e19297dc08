"""Opening a chart: the owner's whole one, or what a reader was granted; folded, verified, and marked."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from salus.agent.asking import Page
from salus.agent.home import Agent
from salus.agent.opened_index import incomplete_batches
from salus.agent.own_sections import own_sections
from salus.agent.sealed_reading import Granted, Reader, Reading, read_all_own, read_snapshot, read_standing, read_types, run
from salus.agent.services.contacts import name_of
from salus.agent.services.holding import Held, held_parts
from salus.agent.services.received import AuthoredEntry, received_grants, slots_of
from salus.agent.services.staffing import employment
from salus.agent.verify import newest_header, record, records
from salus.agent.wallet import Wallet
from salus.charts.entry import EntryKind
from salus.charts.fold import Chart, Placed, Status, Version, fold
from salus.charts.grant import Grant, SectionGrant
from salus.charts.sections import SectionKind
from salus.crypto.signing import person_id
from salus.errors import AgentRefused, SalusError
from salus.exchange.cards import SignedCard
from salus.exchange.client import UNREACHED
from salus.exchange.prescribing import BORN
from salus.fhir.authoring import note_text
from salus.fhir.chart_text import ChartView, Item, render
from salus.fhir.parsing import Resource, as_bundle, instant, read_resource
from salus.fhir.validation import read_outcome
from salus.ledger.modules.sections.state import Section, section_key
from salus.warrants.link import Right

OWN_PROVENANCE = "urn:salus:provenance"  # full URL of what Salus itself notes about an import


@dataclass
class ChartResult:
    """A chart as it was opened. ``unread``: (section, entry number, code); ``more``: entries that came after the grant.

    ``opened``: the sections that the reader may read, whatever is in them; ``asked``: the sections and types that were asked for.
    """

    chart: Chart
    shown: list[Version]
    as_of: int
    height: int
    unread: list[tuple[SectionKind, int, str]]
    more: int = 0
    names: dict[bytes, str] = field(default_factory=dict)
    incomplete_batches: int = 0
    opened: frozenset[SectionKind] = frozenset(SectionKind)
    asked: tuple[tuple[SectionKind, ...], tuple[str, ...]] = ((), ())


def open_chart(
    agent: Agent,
    reader: str,
    patient: str,
    *,
    sections: Sequence[SectionKind] = (),
    types: Sequence[str] = (),
    since: int | None = None,
) -> ChartResult:
    """The chart of ``patient`` as ``reader`` may see it; ``no-grant`` where there is none, else what the vault refuses."""
    wallet = agent.wallet(reader)
    reading = Reading()
    more, opened = 0, frozenset(SectionKind)
    own = patient in (wallet.record.name, wallet.person.hex())
    if own:
        _read_own(agent, wallet, sections, types, reading)
    else:
        more, opened = _read_grants(agent, wallet, patient, sections, reading)
    header = newest_header(agent)
    chart = fold(reading.placed)
    shown = chart.current()
    if types or since is not None:
        shown = [version for version in shown if _wanted(version, types, since)]
    names = {author: name_of(agent, author) for author in dict.fromkeys(v.header.author for v in chart.versions)}
    incomplete = 0
    if own and not sections:
        incomplete = incomplete_batches(agent, wallet.person) if types else _incomplete(reading.placed)
    asked = (tuple(sections), tuple(types))
    return ChartResult(chart, shown, header.time, header.height, reading.unread, more, names, incomplete, opened, asked)


def resource_of(version: Version) -> Resource:
    """The version's resource, as it was received."""
    return read_resource(version.leaf.data, version.leaf.full_url)


def chart_bundle(result: ChartResult) -> bytes:
    """The shown resources as a FHIR Bundle, bytes as received, in ledger order."""
    return as_bundle((v.leaf.data, v.leaf.full_url) for v in result.shown if v.leaf.data and v.leaf.full_url != OWN_PROVENANCE)


def chart_text(result: ChartResult, width: int = 100) -> str:
    """The chart as text for a clinician."""
    notes = [f"{code}: entry {number} of {kind} could not be read" for kind, number, code in result.unread]
    if result.more:
        notes.append(f"{result.more} entries came after this grant was given")
    if result.incomplete_batches:
        notes.append(f"{result.incomplete_batches} imports are not complete yet")
    items = [_item(result, v) for v in result.shown if v.leaf.data and v.leaf.full_url != OWN_PROVENANCE]
    view = ChartView(tuple(items), result.as_of, result.height, tuple(notes), result.opened, *result.asked)
    return render(view, width)


def summary(result: ChartResult) -> dict[str, object]:
    """What `chart --json` says besides the resources: one row a shown version, and what could not be read."""
    rows = [
        {
            "resource": v.identity[1],
            "source": v.header.source,
            "author": result.names[v.header.author],
            "section": v.section.value,
            "entry": v.header.entry.hex(),
            "version": v.version.hex(),
            "status": v.status.value,
            "authored": v.header.authored,
            "height": v.height,
            "faults": len(read_outcome(v.leaf.faults)),
            "trouble": v.trouble,
        }
        for v in result.shown
        if v.leaf.data and v.leaf.full_url != OWN_PROVENANCE
    ]
    unread = [{"section": kind.value, "number": number, "code": code} for kind, number, code in result.unread]
    return {
        "as_of": result.as_of,
        "height": result.height,
        "more": result.more,
        "incomplete_batches": result.incomplete_batches,
        "opened": sorted(result.opened - {SectionKind.MANIFEST}),
        "unread": unread,
        "versions": rows,
    }


@dataclass(frozen=True)
class PatientInfo:
    """A patient who granted something to a professional. ``until`` in ms."""

    name: str
    person: str
    grants: int
    until: int


def patients(agent: Agent, professional: str) -> tuple[PatientInfo, ...]:
    """Whose charts a professional was granted, and until when; ended grants do not count."""
    wallet = agent.wallet(professional)
    now = newest_header(agent).time
    by_person: dict[bytes, list[Grant]] = {}
    job = employment(agent, wallet)
    for grant, _ in [*received_grants(agent, wallet), *(received_grants(agent, job.member) if job else [])]:
        if grant.not_after > now:
            by_person.setdefault(grant.patient, []).append(grant)
    return tuple(
        PatientInfo(name_of(agent, person), person.hex(), len(grants), max(g.not_after for g in grants))
        for person, grants in sorted(by_person.items())
    )


@dataclass(frozen=True)
class VersionInfo:
    """One version of a resource, as `history` shows it."""

    version: str
    identity: str
    source: str
    author: str
    entry: str
    kind: str
    status: str
    section: str
    authored: int
    height: int
    replaced_by: str
    trouble: str
    reason: str
    faults: tuple[dict[str, str], ...]


def history(agent: Agent, reader: str, patient: str, resource: str) -> tuple[VersionInfo, ...]:
    """Every version of ``resource`` ("Type/id", or an id), of all sources; ``no-such-resource`` when there is none."""
    result = open_chart(agent, reader, patient)
    versions = result.chart.history(resource)
    if not versions:
        raise AgentRefused("no-such-resource", "the chart that you may see has no such resource")
    return tuple(
        VersionInfo(
            v.version.hex(),
            v.identity[1],
            v.header.source,
            result.names[v.header.author],
            v.header.entry.hex(),
            v.header.kind.value,
            v.status.value,
            v.section.value,
            v.header.authored,
            v.height,
            v.replaced_by.hex(),
            v.trouble,
            note_text(v.leaf.data) if v.header.kind is EntryKind.ENTERED_IN_ERROR and v.leaf.data else "",
            tuple({"severity": f.severity, "expression": f.expression, "text": f.text} for f in read_outcome(v.leaf.faults)),
        )
        for v in versions
    )


def _read_own(agent: Agent, wallet: Wallet, sections: Sequence[SectionKind], types: Sequence[str], reading: Reading) -> None:
    wanted = [kind for kind in sections or SectionKind if kind is not SectionKind.MANIFEST]
    found = [section for section in own_sections(agent, wallet) if section.kind in wanted]
    if types:
        run(agent, [read_types(agent, wallet, section, types, reading) for section in found])
    else:
        read_all_own(agent, wallet, found, reading)


def _read_grants(
    agent: Agent, wallet: Wallet, patient: str, sections: Sequence[SectionKind], reading: Reading
) -> tuple[int, frozenset[SectionKind]]:
    """How much came after the grants, and which sections may be read by one that the vaults do not refuse."""
    held = held_parts(agent, wallet, patient, sections)
    if not held:
        raise AgentRefused("no-grant", "this patient has granted you nothing of that")
    tried = _Tried()
    kinds = dict.fromkeys(one.part.kind for one in reversed(held))
    run(agent, [_read_kind(agent, wallet, [o for o in reversed(held) if o.part.kind == k], reading, tried) for k in kinds])
    if tried.refusals and not tried.done:
        raise tried.refusals[0]
    reading.unread += [(*place, code) for place, code in tried.refused.items() if place not in tried.done]
    refused = {kind for kind, _ in tried.refused} - {kind for kind, _ in tried.done}
    whole = [one.part for one in held if one.part.history or not one.part.slot_key]  # not only what comes from now on
    readable = {part.kind for part in whole if Right.READ in part.warrant.links[-1].link.rights}
    return _more(agent, [one.part for one in held]), frozenset(readable - refused)


@dataclass
class _Tried:
    """(section, entry number) of what was opened, and of what was refused, with the code; and every refusal."""

    done: set[tuple[SectionKind, int]] = field(default_factory=set)
    refused: dict[tuple[SectionKind, int], str] = field(default_factory=dict)
    refusals: list[SalusError] = field(default_factory=list)


def _read_kind(agent: Agent, wallet: Wallet, held: Sequence[Held], reading: Reading, tried: _Tried) -> Reader:
    """Reads one section by each grant of it, the newest first: an older one opens what is left."""
    for one in held:
        kind = one.part.kind
        wanted = wanted_of(agent, wallet, one.part, frozenset(number for k, number in tried.done if k == kind))
        try:
            opened = yield from read_part(agent, one, wanted, reading)
        except SalusError as error:
            tried.refusals.append(error)
            tried.refused.update({(kind, number): error.full_code for number in wanted.numbers})
            continue
        tried.done.update((kind, number) for number in opened)


@dataclass(frozen=True)
class Wanted:
    """Of one part of a grant: (number, patient's half) of entries by name, and numbers that the epochs' keys open."""

    snapshot: list[tuple[int, bytes]]
    standing: list[int]

    @property
    def numbers(self) -> list[int]:
        """All of them."""
        return [*(number for number, _ in self.snapshot), *self.standing]


def wanted_of(agent: Agent, wallet: Wallet, part: SectionGrant, seen: frozenset[int]) -> Wanted:
    """What a part of a grant opens, without what was ``seen`` already; and what one wrote by it, and by no other grant."""
    link = part.warrant.links[-1].link
    authored = agent.store.all(AuthoredEntry, wallet.person + link.section) if part.writer_seed else []
    own = [(kept.number, kept.half) for _, kept in authored if kept.writer == link.writer]
    halves = [(entry.number, entry.half) for entry in part.entries] + own
    snapshot = [(number, half) for number, half in halves if number not in seen]
    if not part.slot_key:
        return Wanted(snapshot, [])
    section = record(agent, section_key(link.section), Section)
    named = {*seen, *(number for number, _ in snapshot)}
    return Wanted(snapshot, [n for n in range(link.entries[-1].first, section.count if section else 0) if n not in named])


def read_part(agent: Agent, held: Held, wanted: Wanted, reading: Reading) -> Generator[Page, None, list[int]]:
    """Reads it; the numbers that the grant opens."""
    part = held.part
    granted = Granted(part.kind, held.asking(), held.patient_ids)
    if wanted.snapshot or not part.slot_key:
        yield from read_snapshot(agent, granted, wanted.snapshot, reading)
    numbers = [number for number, _ in wanted.snapshot]
    if part.slot_key:
        slots = slots_of(agent, granted.asking.keeper, part)
        numbers += yield from read_standing(agent, granted, slots, wanted.standing, reading, history=part.history)
    return numbers


def _more(agent: Agent, parts: Sequence[SectionGrant]) -> int:
    newest: dict[bytes, int] = {}
    for part in parts:
        if not part.writer_seed and not part.slot_key:
            section = part.warrant.links[-1].link.section
            newest[section] = max(newest.get(section, 0), part.count)
    for part in parts:
        if part.slot_key:
            newest.pop(part.warrant.links[-1].link.section, None)
    found, _ = records(agent, [section_key(section) for section in newest], Section)
    return sum(max(0, s.count - seen) for s, seen in zip(found, newest.values(), strict=True) if s is not None)


def _wanted(version: Version, types: Sequence[str], since: int | None) -> bool:
    kind = version.identity[1].partition("/")[0]
    if types and kind not in types:
        return False
    if since is None or kind == "Patient":
        return True
    value = read_resource(version.leaf.data).value
    dates = [value.get(k) for k in ("effectiveDateTime", "onsetDateTime", "authoredOn", "date", "occurrenceDateTime")]
    period = value.get("period")
    dates.append(period.get("start") if isinstance(period, dict) else None)
    moments = [moment for moment in map(instant, dates) if moment is not None]
    return not moments or max(moments) >= since


def _incomplete(placed: Sequence[Placed]) -> int:
    seen: dict[bytes, tuple[int, dict[bytes, None]]] = {}
    for header in (one.opened.header for one in placed):
        seen.setdefault(header.batch, (header.batch_size, {}))[1][header.entry] = None
    return sum(1 for size, entries in seen.values() if len(entries) < size)


def _item(result: ChartResult, version: Version) -> Item:
    return Item(
        resource_of(version),
        version.header.source if version.header.licence == bytes(32) else result.names[version.header.author],
        version.section,
        Status(version.status).value,
        result.names[version.header.author],
        version.header.authored,
        version.trouble,
        len(read_outcome(version.leaf.faults)),
    )


def born_of(agent: Agent, author: str, card: SignedCard) -> str:
    """A patient's date of birth from the chart, where ``author`` may read it and it has but one; "" otherwise."""
    try:
        shown = open_chart(
            agent, author, person_id(card.card.key).hex(), sections=(SectionKind.SUMMARY,), types=("Patient",)
        ).shown
    except SalusError as error:
        if error.full_code in UNREACHED:
            raise
        return ""
    dates = {str(resource_of(version).value.get("birthDate", "")) for version in shown if not version.trouble}
    born = next(iter(dates)) if len(dates) == 1 else ""
    return born if re.match(BORN, born) else ""
