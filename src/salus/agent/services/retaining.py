"""What is retained: a member's own copies, and, for a patient, who keeps what of the chart and until when."""

from __future__ import annotations

from dataclasses import dataclass

from salus.agent.home import Agent
from salus.agent.services.charting import open_chart
from salus.agent.services.contacts import name_of
from salus.agent.services.licensing import organisation_id
from salus.charts.entry import EntryKind
from salus.charts.fold import NOBODY, Version
from salus.exchange.cards import Role
from salus.fhir.parsing import read_resource


@dataclass(frozen=True)
class RetainedInfo:
    """One retained entry: times in ms, ids in hexadecimal.

    ``entry`` and ``section`` are the entry that is listed: an organisation's copy in its records, or the patient's own entry.
    ``author`` signed the entry; ``written_by`` is who the resource says wrote it: of a copy, another than who signed.
    ``origin_section`` and ``origin_entry`` are what a copy is of; empty for a patient's own entry.
    """

    retainer: str
    retainer_name: str
    section: str
    entry: str
    resources: tuple[str, ...]
    author: str
    author_name: str
    written_by: str
    authored: int
    until: int
    origin_section: str
    origin_entry: str
    trouble: str


def retained(agent: Agent, name: str) -> tuple[RetainedInfo, ...]:
    """For an organisation: each copy in its records. For a patient: each entry that somebody retains a copy of.

    What ends first comes first.
    """
    wallet = agent.wallet(name)
    result = open_chart(agent, name, name)
    entries: dict[bytes, list[Version]] = {}
    for version in result.chart.versions:
        entries.setdefault(version.header.entry, []).append(version)
    keeps = wallet.record.role in (Role.MEMBER, Role.ORGANISATION)
    member = organisation_id(agent, wallet) if keeps else NOBODY
    rows = [_info(agent, member, versions, result.names[versions[0].header.author]) for versions in entries.values()]
    return tuple(sorted((row for row in rows if row is not None), key=lambda row: (row.until, row.entry)))


def _info(agent: Agent, member: bytes, versions: list[Version], author: str) -> RetainedInfo | None:
    """The entry of these versions, if it is one that is retained."""
    header = versions[0].header
    copied = header.origin if member != NOBODY and header.kind is EntryKind.RETAINED else None
    retainer, until = (member, copied.retain_until) if copied else (header.retainer, header.retain_until)
    if retainer == NOBODY or (member != NOBODY and copied is None):
        return None
    return RetainedInfo(
        retainer.hex(),
        name_of(agent, retainer),
        versions[0].section.value,
        header.entry.hex(),
        tuple(version.identity[1] for version in versions),
        header.author.hex(),
        author,
        ", ".join(name for version in versions for name in _authors(version)),
        header.authored,
        until,
        copied.section.hex() if copied else "",
        copied.entry.hex() if copied else "",
        versions[0].trouble,
    )


def _authors(version: Version) -> list[str]:
    """Whom the resource itself names as its authors."""
    found = read_resource(version.leaf.data).value.get("author") if version.leaf.data else None
    people = found if isinstance(found, list) else []
    return [person["display"] for person in people if isinstance(person, dict) and isinstance(person.get("display"), str)]
