"""Leaving with everything: a person's wallet, records, sealed entries and chart in one file under a passphrase.

Not in it: the store's key, the wallets of others in this home, the cold seed.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from salus import __version__
from salus.agent.asking import as_owner, entries_of, fetch_entries, require_blob
from salus.agent.epoch_pairs import own_pairs
from salus.agent.export_file import ExportEntry, ExportHead, ExportRow, ExportWriter
from salus.agent.home import Agent
from salus.agent.known import KnownLicence
from salus.agent.own_sections import OwnSection, own_sections
from salus.agent.services.charting import OWN_PROVENANCE, ChartResult, chart_bundle, open_chart
from salus.agent.services.contacts import Contact, find_contact
from salus.agent.services.manifest import sync
from salus.agent.services.merging import NAMED, RULES, Scope
from salus.agent.services.people import OwnCard
from salus.agent.store import MAX_BODY
from salus.agent.wallet import Wallet
from salus.codec import Record, decode, encode
from salus.crypto.chunks import Sink
from salus.crypto.passphrase import Cost
from salus.crypto.signing import person_id
from salus.errors import AgentRefused
from salus.exchange.cards import Role, SignedCard
from salus.ledger.trusting import Trusted


@dataclass(frozen=True)
class ExportInfo:
    """What an export holds: times in ms. ``unread`` entries are not in its Bundle, ``missing`` ones not sealed in it."""

    name: str
    person: str
    network: str
    made: int
    height: int
    as_of: int
    records: int
    entries: int
    resources: int
    unread: int
    missing: int


def export_person(agent: Agent, name: str, sink: Sink, passphrase: str, cost: Cost | None = None) -> ExportInfo:
    """Write everything of ``name`` into ``sink``, sealed. The sink's file is whole when this returns."""
    wallet = sync(agent, name)
    chart = open_chart(agent, name, name)
    bundle = chart_bundle(chart)
    sections = own_sections(agent, wallet)
    for section in sections:
        own_pairs(agent, wallet, section, range(section.schedule[-1].number + 1))  # kept: so that they travel
    made = agent.clock()
    writer = ExportWriter(sink, normal(passphrase), cost)
    card = agent.store.find(OwnCard, wallet.person, b"")
    member = agent.network.status().member if card is None else card.card.card.members[0]
    genesis = encode(agent.genesis)
    writer.put(ExportHead(agent.network_id, genesis, wallet.person, name, member, made, chart.height, chart.as_of, __version__))
    for row in _rows(agent, wallet):
        writer.put(row)
    missing = _put_entries(agent, wallet, sections, writer)
    writer.put_bundle(bundle)
    writer.finish()
    return ExportInfo(
        name,
        wallet.person.hex(),
        agent.network_id.hex(),
        made,
        chart.height,
        chart.as_of,
        writer.count.rows,
        writer.count.entries,
        _resources(chart),
        len(chart.unread),
        missing,
    )


def plain_bundle(agent: Agent, name: str) -> tuple[bytes, ExportInfo]:
    """The chart of ``name`` as a FHIR Bundle that nothing protects: for a system that is not Salus, on explicit wish."""
    wallet = agent.wallet(name)
    chart = open_chart(agent, name, name)
    return chart_bundle(chart), ExportInfo(
        name,
        wallet.person.hex(),
        agent.network_id.hex(),
        agent.clock(),
        chart.height,
        chart.as_of,
        0,
        0,
        _resources(chart),
        len(chart.unread),
        0,
    )


def normal(passphrase: str) -> str:
    """The passphrase in Unicode's NFC: keyboards of other systems spell the same letters in other bytes."""
    return unicodedata.normalize("NFC", passphrase)


def cards_in(value: object) -> Iterator[SignedCard]:
    """Every card that a record holds, at any depth."""
    if isinstance(value, SignedCard):
        yield value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from cards_in(getattr(value, name))
    elif isinstance(value, tuple):
        for item in value:
            yield from cards_in(item)


def _rows(agent: Agent, wallet: Wallet) -> Iterator[ExportRow]:
    """The principal first, then what is the person's, then what of the home's concerns the person."""
    yield _row(b"", wallet.record.name.encode("utf-8"), wallet.record)
    cards: dict[bytes, SignedCard] = {}
    for row in (row for person in wallet.ids for row in agent.store.rows(person)):
        rule = RULES.get(row.tag)
        if rule is None:
            raise AgentRefused("newer-version", "the store holds a record that a newer version wrote")
        if rule.scope is Scope.PERSON:
            kept = decode(row.body, rule.shape, limit=MAX_BODY)
            cards.update((person_id(card.card.key), card) for card in cards_in(kept))
            yield ExportRow(row.tag, row.owner, row.key, row.body)
    yield from _home_rows(agent, wallet, cards)


def _home_rows(agent: Agent, wallet: Wallet, cards: dict[bytes, SignedCard]) -> Iterator[ExportRow]:
    """Contacts and licences whom the person's records name: the address book of a home that others share stays there."""
    if all(other.person == wallet.person or other.record.role is Role.MEMBER for other in agent.wallets()):
        cards = {**cards, **{person: kept.card for person, kept in agent.store.all(Contact, b"")}}
    for person, card in sorted(cards.items()):
        if person != wallet.person:
            yield _row(b"", person, Contact(_newest(agent, person, card)))
    for person in sorted({*cards, wallet.person}):
        licence = agent.store.find(KnownLicence, b"", person)
        if licence is not None:
            yield _row(b"", person, licence)
    for shape in NAMED:
        for key, job in agent.store.all(shape, b""):
            if job.name == wallet.record.name:
                yield _row(b"", key, job)
    pin = agent.store.find(Trusted, b"", b"")
    if pin is not None:
        yield _row(b"", b"", pin)


def _newest(agent: Agent, person: bytes, card: SignedCard) -> SignedCard:
    """The newest card of the person that the home has."""
    try:
        known = find_contact(agent, person.hex())
    except AgentRefused:
        return card
    return max(card, known, key=lambda signed: signed.card.issued)


def _put_entries(agent: Agent, wallet: Wallet, sections: Sequence[OwnSection], writer: ExportWriter) -> int:
    """Write the sealed entries of the person's own sections as the vault has them; how many it does not have just so."""
    missing = 0
    for section in sections:
        entries = entries_of(agent, section.identity, range(section.count))
        for page, blobs in fetch_entries(agent, as_owner(agent, wallet, section), entries):
            for entry, blob in zip(page, blobs, strict=True):
                try:
                    require_blob(blob, entry)
                except AgentRefused:
                    missing += 1
                    continue
                writer.put(ExportEntry(section.kind, section.identity, entry.number, entry.epoch, blob))
    return missing


def _resources(chart: ChartResult) -> int:
    """How many resources the chart's Bundle has."""
    return sum(1 for version in chart.shown if version.leaf.data and version.leaf.full_url != OWN_PROVENANCE)


def _row(owner: bytes, key: bytes, record: Record) -> ExportRow:
    return ExportRow(str(type(record).__struct_config__.tag), owner, key, encode(record))
