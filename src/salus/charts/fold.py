"""The fold: from entries to a chart. Pure; ledger order only sorts.

Identity is (source, ``Type/id``): two systems that both number ``Observation/1`` do not collide. Only a named replaced
version supersedes; whatever else overlaps is a conflict that shows both sides. Nothing that was withdrawn comes back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from salus.charts.entry import EntryHeader, EntryKind, Leaf, Opened
from salus.charts.sections import SectionKind

NOBODY = bytes(32)

Identity = tuple[str, str]  # source key, "Type/id"


class Status(StrEnum):
    """How a version stands in the chart."""

    CURRENT = "current"
    CONFLICT = "conflict"
    REPLACED = "replaced"
    WITHDRAWN = "withdrawn"
    ENTERED_IN_ERROR = "entered-in-error"


@dataclass(frozen=True)
class Placed:
    """An opened entry and where the ledger has it. ``trouble``: a full code when something about it could not be verified."""

    kind: SectionKind
    number: int
    height: int
    time: int
    opened: Opened
    trouble: str = ""


class Version(msgspec.Struct, frozen=True, gc=False):
    """One version of one resource: leaf ``index`` of the entry."""

    version: bytes
    identity: Identity
    opened: Opened
    index: int
    header: EntryHeader
    section: SectionKind
    number: int
    height: int
    time: int
    trouble: str
    status: Status
    replaced_by: bytes = b""

    @property
    def leaf(self) -> Leaf:
        """The resource; what was verified before is opened now."""
        leaf = self.opened.leaves[self.index]
        assert isinstance(leaf, Leaf)
        return leaf


@dataclass
class Chart:
    """All versions, in ledger order."""

    versions: list[Version] = field(default_factory=list)

    def current(self) -> list[Version]:
        """What stands: current versions, and each side of a conflict."""
        standing = (Status.CURRENT, Status.CONFLICT)  # looked up once: charts are long
        return [version for version in self.versions if version.status in standing]

    def history(self, resource: str) -> list[Version]:
        """Every version of ``resource`` ("Type/id" or a bare id), of all sources, in ledger order."""
        return [v for v in self.versions if resource in (v.identity[1], v.identity[1].partition("/")[2])]


def source_key(header: EntryHeader) -> str:
    """Under which source the entry's resources are known: the member's id, or the importing wallet and the declared name."""
    return header.source if header.licence != NOBODY else f"{header.author.hex()}:{header.source}"


def fold(entries: Iterable[Placed]) -> Chart:
    """The chart of ``entries``."""
    ordered = sorted(entries, key=lambda placed: (placed.time, placed.height, placed.kind, placed.number))
    versions: dict[bytes, Version] = {}
    for placed in ordered:
        for version in _versions(placed):
            versions.setdefault(version.version, version)
    for placed in ordered:
        for identity, replacing, replaced in _replacements(placed):
            target, by = versions.get(replaced), placed.opened.header
            if target is not None and replacing != replaced and may_replace(by, identity, target):
                versions[replaced] = msgspec.structs.replace(target, status=_ended(by.kind), replaced_by=replacing)
    return Chart(_mark_conflicts(list(versions.values())))


def may_replace(by: EntryHeader, identity: str, target: Version) -> bool:
    """Who may supersede what: the same identity of the same source; an error only by its own author.

    ``identity`` is that of the leaf which supersedes, "" where it was erased. What it once superseded stays superseded: its
    identity is gone with it, its source and its author are not.
    """
    source, resource = target.identity
    if source_key(by) != source or identity not in ("", resource):
        return False
    if by.kind is EntryKind.ENTERED_IN_ERROR or target.header.licence != NOBODY:
        return by.author == target.header.author
    return True


def _versions(placed: Placed) -> Iterable[Version]:
    header = placed.opened.header
    ended = {EntryKind.WITHDRAWAL: Status.WITHDRAWN, EntryKind.ENTERED_IN_ERROR: Status.ENTERED_IN_ERROR}
    source, status = source_key(header), ended.get(header.kind, Status.CURRENT)
    opened = placed.opened
    for index, (identity, version) in enumerate(zip(opened.outline.identities, opened.versions, strict=True)):
        if not identity:
            continue
        yield Version(
            version,
            (source, identity),
            opened,
            index,
            header,
            placed.kind,
            placed.number,
            placed.height,
            placed.time,
            placed.trouble,
            status,
        )


def _replacements(placed: Placed) -> Iterable[tuple[str, bytes, bytes]]:
    """The identity of each leaf that replaces another version, its own version, and the one that it replaces."""
    opened = placed.opened
    for named in opened.header.replaces:
        if named.leaf < len(opened.versions):
            yield opened.outline.identities[named.leaf], opened.versions[named.leaf], named.version


def _ended(kind: EntryKind) -> Status:
    if kind is EntryKind.WITHDRAWAL:
        return Status.WITHDRAWN
    return Status.ENTERED_IN_ERROR if kind is EntryKind.ENTERED_IN_ERROR else Status.REPLACED


def _mark_conflicts(versions: list[Version]) -> list[Version]:
    heads: dict[Identity, Version] = {}
    rivals: dict[Identity, list[Version]] = {}
    current = Status.CURRENT
    for version in versions:
        if version.status is current and heads.setdefault(version.identity, version) is not version:
            rivals.setdefault(version.identity, []).append(version)
    marks: dict[bytes, Status] = {}
    for identity, others in rivals.items():
        first = heads[identity]
        differing = [rival for rival in others if rival.leaf.data != first.leaf.data]
        for rival in others:
            marks[rival.version] = Status.CONFLICT if rival in differing else Status.REPLACED
        if differing:
            marks[first.version] = Status.CONFLICT
    if not marks:
        return versions
    return [msgspec.structs.replace(v, status=marks[v.version]) if v.version in marks else v for v in versions]


class Plan(StrEnum):
    """What an import does with an incoming resource."""

    NEW = "new"
    KEEP = "unchanged"
    REPLACE = "replaced"
    OLDER = "older"
    CONFLICT = "conflict"


def plan_import(
    known: list[Version], data: bytes, updated: int | None, as_of: int, head_updated: dict[bytes, int | None]
) -> tuple[Plan, tuple[bytes, ...]]:
    """What becomes of incoming ``data`` of an identity whose versions are ``known``; and which versions it replaces.

    ``updated`` is its ``meta.lastUpdated`` in ms, ``as_of`` the import's (0: not given); ``head_updated`` {version: the same
    of each known one}. Nothing older or equal changes anything; without either date, a difference is a conflict.
    """
    if not known:
        return Plan.NEW, ()
    if any(version.leaf.data == data for version in known):
        return Plan.KEEP, ()
    heads = [version for version in known if version.status in (Status.CURRENT, Status.CONFLICT)]
    ages = [_compare(updated, as_of, head_updated.get(head.version), head.header.as_of) for head in heads]
    if not heads or any(age < 0 for age in ages):
        return Plan.OLDER, ()
    if all(age > 0 for age in ages):
        return Plan.REPLACE, tuple(head.version for head in heads)
    return Plan.CONFLICT, ()


def _compare(updated: int | None, as_of: int, known_updated: int | None, known_as_of: int) -> int:
    """Above 0: the incoming one is newer; below: older; 0: nobody can say."""
    if updated is not None and known_updated is not None and updated != known_updated:
        return 1 if updated > known_updated else -1
    if as_of and known_as_of and as_of != known_as_of:
        return 1 if as_of > known_as_of else -1
    return 1 if as_of and not known_as_of else 0
