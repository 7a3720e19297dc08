"""Grants: warrants, keys, and the words of the consent, as one bundle that is sealed into the grantee's mailbox."""

from __future__ import annotations

from typing import Annotated

import msgspec

from salus.charts.sections import SectionKind
from salus.codec import Record
from salus.ids import Bytes32, Count
from salus.warrants.link import Purpose, Right, Warrant


class GrantedEntry(Record, frozen=True, tag="granted-entry"):
    """One named entry: its number, blob hash, and the patient's half of its data key (never the data key)."""

    number: Count
    blob: Bytes32
    half: Bytes32


class SectionGrant(Record, frozen=True, tag="section-grant"):
    """What is granted of one section. ``writer_seed`` (append only, else empty) is the seed of its ledger writer key.

    ``slot_key`` (standing only, else empty) finds and opens the grantee's slot in key packages; ``history``: the slots carry
    the way back to earlier epochs. ``count``: entries in the section at the grant's as-of.
    """

    kind: SectionKind
    warrant: Warrant
    entries: Annotated[tuple[GrantedEntry, ...], msgspec.Meta(max_length=4096)]
    count: Count
    writer_seed: Annotated[bytes, msgspec.Meta(max_length=32)]
    slot_key: Annotated[bytes, msgspec.Meta(max_length=32)]
    history: bool


class Grant(Record, frozen=True, tag="grant-1"):
    """A snapshot, standing or append grant. ``consent`` is a FHIR Consent; ``as_of``/``height`` say which moment it shows.

    ``patient_ids`` are the ids under which the patient signed before a recovery: what they signed is the patient's own.
    """

    network: Bytes32
    grant: Bytes32
    patient: Bytes32
    grantee: Bytes32
    rights: Annotated[tuple[Right, ...], msgspec.Meta(min_length=1, max_length=2)]
    purposes: Annotated[tuple[Purpose, ...], msgspec.Meta(min_length=1, max_length=7)]
    not_after: Count
    as_of: Count
    height: Count
    sections: Annotated[tuple[SectionGrant, ...], msgspec.Meta(min_length=1, max_length=16)]
    patient_ids: Annotated[tuple[Bytes32, ...], msgspec.Meta(max_length=64)]
    consent: Annotated[bytes, msgspec.Meta(max_length=65_536)]
