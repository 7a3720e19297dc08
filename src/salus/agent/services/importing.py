"""Importing a record: validated whole, compared with the chart, routed, sealed as one batch. Twice is harmless."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from salus.agent.home import Agent
from salus.agent.services.charting import OWN_PROVENANCE, open_chart, resource_of
from salus.agent.services.sealing import Draft, Progress, Signing, seal_own
from salus.charts.entry import EntryKind, Leaf, Replaced
from salus.charts.fold import Chart, Plan, plan_import
from salus.charts.sealing import new_salt, version_id
from salus.charts.sections import SectionKind
from salus.crypto.hashing import sha256
from salus.errors import AgentRefused
from salus.fhir.authoring import provenance
from salus.fhir.identity import require_same_patient
from salus.fhir.parsing import Resource, read_resource, read_resources
from salus.fhir.routing import route
from salus.fhir.validation import faults, outcome_bytes

ENTRY_BYTES = 262_144  # of plain resources in one entry: few blobs a chart, small pieces to grant and erase
DEFAULT_SOURCE = "import"


@dataclass(frozen=True)
class ImportReport:
    """What an import did, in numbers of resources; ``entries`` sealed; ``sections`` {section: resources}."""

    new: int
    unchanged: int
    replaced: int
    older: int
    conflicts: int
    faulty: int
    entries: int
    sections: dict[str, int]


def import_files(
    agent: Agent,
    name: str,
    files: Sequence[tuple[str, bytes]],
    *,
    source: str | None,
    as_of: int | None,
    other_patient_ok: bool,
    progress: Progress,
) -> ImportReport:
    """Import every file as one batch. `FhirRefused` for what cannot be parsed or is another patient's: then nothing happens."""
    wallet = agent.wallet(name)
    source = source or DEFAULT_SOURCE
    hashed = [(data, sha256(data).hex()) for _, data in files]
    incoming = [(resource, digest) for data, digest in hashed for resource in read_resources(data)]
    if not incoming:
        raise AgentRefused("nothing-to-import", "the files hold no resource")
    chart = open_chart(agent, name, name).chart
    if not other_patient_ok:
        _require_one_patient(chart, [resource for resource, _ in incoming])
    plans = _plan(chart, f"{wallet.person.hex()}:{source}", [r for r, _ in incoming], as_of or 0)
    sealed = [
        (resource, digest, replaced)
        for (resource, digest), (plan, replaced) in zip(incoming, plans, strict=True)
        if plan in (Plan.NEW, Plan.REPLACE, Plan.CONFLICT)
    ]
    counts = {plan: sum(1 for found, _ in plans if found is plan) for plan in Plan}
    drafts = draft_entries(sealed, source, agent.clock())
    faulty = sum(1 for draft in drafts for leaf in draft.leaves if leaf.faults)
    if drafts:
        signing = Signing(EntryKind.RECORD, source, agent.clock(), as_of or 0)
        seal_own(agent, wallet, drafts, signing, progress)
    sections: dict[str, int] = {}
    for draft in drafts:
        own = sum(1 for leaf in draft.leaves if leaf.full_url != OWN_PROVENANCE)
        sections[draft.kind.value] = sections.get(draft.kind.value, 0) + own
    return ImportReport(
        counts[Plan.NEW],
        counts[Plan.KEEP],
        counts[Plan.REPLACE],
        counts[Plan.OLDER],
        counts[Plan.CONFLICT],
        faulty,
        len(drafts),
        sections,
    )


def draft_entries(resources: Sequence[tuple[Resource, str, tuple[bytes, ...]]], source: str, recorded: int) -> list[Draft]:
    """Entries for (resource, hash of its file, versions replaced), by section, split by size; each with its Provenance."""
    placements = route([resource for resource, _, _ in resources])
    by_raw = {(r.identity, r.raw): (digest, replaced) for r, digest, replaced in resources}
    copies: dict[str, bytes] = {}
    grouped: dict[SectionKind, list[tuple[Leaf, tuple[bytes, ...], str]]] = {}
    digest = ""
    replaced: tuple[bytes, ...] = ()
    for placement in sorted(placements, key=lambda p: p.section is SectionKind.SENSITIVE):
        resource = placement.resource
        digest, replaced = by_raw.get((resource.identity, resource.raw), (digest, ()))
        leaf = _leaf(resource)
        if placement.is_copy:
            copies[resource.identity] = version_id(leaf)
        elif resource.identity in copies and placement.section is SectionKind.SENSITIVE:
            replaced = (*replaced, copies[resource.identity])
        grouped.setdefault(placement.section, []).append((leaf, replaced, digest))
    return [_draft(kind, page, source, recorded) for kind, rows in grouped.items() for page in _pages(rows)]


_Row = tuple[Leaf, tuple[bytes, ...], str]


def _pages(rows: list[_Row]) -> list[list[_Row]]:
    pages: list[list[_Row]] = [[]]
    size = 0
    for row in rows:
        if pages[-1] and size + len(row[0].data) > ENTRY_BYTES:
            pages.append([])
            size = 0
        pages[-1].append(row)
        size += len(row[0].data)
    return pages


def _draft(kind: SectionKind, rows: list[_Row], source: str, recorded: int) -> Draft:
    leaves = [leaf for leaf, _, _ in rows]
    replaces = [Replaced(i, version) for i, (_, versions, _) in enumerate(rows) for version in versions]
    for digest in dict.fromkeys(digest for _, _, digest in rows):
        targets = [leaf.identity for leaf, _, of in rows if of == digest]
        identity = f"salus-{sha256(kind.value.encode() + new_salt()).hex()[:40]}"
        note = read_resource(provenance(identity, targets, source, digest, recorded), OWN_PROVENANCE)
        leaves.append(Leaf(new_salt(), note.identity, OWN_PROVENANCE, note.raw, b""))
    return Draft(kind, tuple(leaves), tuple(replaces))


def _leaf(resource: Resource) -> Leaf:
    return Leaf(new_salt(), resource.identity, resource.full_url, resource.raw, outcome_bytes(faults(resource)))


def _plan(chart: Chart, source: str, incoming: Sequence[Resource], as_of: int) -> list[tuple[Plan, tuple[bytes, ...]]]:
    plans: list[tuple[Plan, tuple[bytes, ...]]] = []
    seen: dict[str, bytes] = {}
    by_identity: dict[str, list[int]] = {}
    for index, version in enumerate(chart.versions):
        if version.identity[0] == source:
            by_identity.setdefault(version.identity[1], []).append(index)
    for resource in incoming:
        if seen.get(resource.identity) == resource.raw:
            plans.append((Plan.KEEP, ()))
            continue
        seen[resource.identity] = resource.raw
        known = [chart.versions[i] for i in by_identity.get(resource.identity, [])]
        dates = {v.version: resource_of(v).last_updated if v.leaf.data else None for v in known}
        plans.append(plan_import(known, resource.raw, resource.last_updated, as_of, dates))
    return plans


def _require_one_patient(chart: Chart, incoming: Sequence[Resource]) -> None:
    known = [resource_of(v) for v in chart.current() if v.identity[1].startswith("Patient/") and v.leaf.data]
    found = [resource for resource in incoming if resource.type == "Patient"]
    for other in found:
        for mine in [*known, *found[:1]]:
            require_same_patient(mine, other)
