"""Writing: what only the patient knows, and what a professional notes, amends, or marks as entered in error."""

from __future__ import annotations

import json
from dataclasses import dataclass

from salus.agent.home import Agent
from salus.agent.known import licence_of
from salus.agent.services.charting import open_chart
from salus.agent.services.importing import draft_entries
from salus.agent.services.inbox import EntryNotice
from salus.agent.services.licensing import member_wallet
from salus.agent.services.posting import post
from salus.agent.services.received import AuthoredEntry, grants_from
from salus.agent.services.sealing import Draft, Signing, seal_own, sign_draft
from salus.agent.services.submitting import submit
from salus.agent.verify import newest_header, record
from salus.agent.wallet import Wallet
from salus.charts.entry import EntryKind, Leaf, Origin, Replaced, Sealed
from salus.charts.fold import Version
from salus.charts.grant import SectionGrant
from salus.charts.sealing import new_salt, seal
from salus.charts.sections import SectionKind
from salus.codec import encode
from salus.crypto.hashing import sha256
from salus.crypto.keys import new_seed
from salus.crypto.signing import SigningKey
from salus.errors import AgentRefused
from salus.exchange.cards import SignedCard
from salus.exchange.envelopes import LetterKind
from salus.fhir.authoring import note_from_text
from salus.fhir.parsing import Resource, read_resource, read_resources
from salus.fhir.routing import route
from salus.fhir.validation import require_valid
from salus.ledger.genesis import member_id
from salus.ledger.modules.sections.messages import AppendEntry
from salus.ledger.modules.sections.state import Place, blob_key
from salus.warrants.checking import warrant_id

OWN_SOURCE = "patient"
RETAINED_YEARS_MS = 10 * 31_556_952_000  # ten years, as section 630f BGB (Germany) asks; a member's policy may be longer


@dataclass(frozen=True)
class Written:
    """What was sealed: the entry, its section, and the identities in it; ``retained`` is the member's own entry, if any."""

    entry: str
    section: str
    resources: tuple[str, ...]
    retained: str


def add_record(agent: Agent, name: str, data: bytes) -> Written:
    """Add what only the patient knows, in FHIR, held to the standard: `InvalidResource` says where it is not."""
    wallet = agent.wallet(name)
    resources = read_resources(data)
    for resource in resources:
        require_valid(resource)
    digest = sha256(data).hex()
    drafts = draft_entries([(resource, digest, ()) for resource in resources], OWN_SOURCE, agent.clock())
    signing = Signing(EntryKind.RECORD, OWN_SOURCE, agent.clock())
    sealed = seal_own(agent, wallet, drafts, signing, lambda step, done, total: None)
    return Written(sealed[0].header.entry.hex(), drafts[0].kind.value, tuple(resource.identity for resource in resources), "")


def write_note(
    agent: Agent, author: str, patient: str, data: bytes, *, amends: str | None, entered_in_error: str | None
) -> Written:
    """A signed note into the patient's chart: FHIR, or plain text. ``amends`` and ``entered_in_error`` name an entry or resource.

    Needs an append grant for the section that it belongs to (``no-append-right``) and a licence (``no-licence``).
    """
    wallet = agent.wallet(author)
    licence = licence_of(agent, wallet.person)
    if licence is None:
        raise AgentRefused("no-licence", "notes are written by licensed professionals")
    older = _older(agent, author, patient, amends or entered_in_error)
    kind = _kind(amends, entered_in_error)
    given = data.strip() or kind is not EntryKind.ENTERED_IN_ERROR
    resource = _note(data, wallet.record.name, newest_header(agent).time, older[0] if amends else None) if given else None
    leaf, section = _leaf(resource, older)
    part, card = _append_part(agent, wallet, patient, section)
    member = member_wallet(agent)
    member_of = member_id(member.authority.public)
    replaces = tuple(Replaced(0, version.version) for version in older)
    now = agent.clock()
    signing = Signing(
        kind,
        member_of.hex(),
        now,
        0,
        licence,
        member_of,
        warrant_id(part.warrant),
        None,
        member_of,
        now + RETAINED_YEARS_MS,
    )
    inside = _append(agent, wallet, part, Draft(section, (leaf,), replaces), signing)
    post(agent, wallet, card, LetterKind.ENTRY, encode(EntryNotice(inside.header.section, inside.header.entry)))
    retained = _retain(agent, member, inside)
    return Written(inside.header.entry.hex(), section.value, (leaf.identity,), retained.header.entry.hex())


def _note(data: bytes, author: str, now: int, amended: Version | None) -> Resource:
    """The note as a valid resource; an amendment keeps the identity of what it amends."""
    identity = amended.identity[1].partition("/")[2] if amended else f"note-{new_seed().hex()[:24]}"
    if not data.lstrip().startswith(b"{"):
        try:
            text = data.decode("utf-8").strip()
        except UnicodeDecodeError as error:
            raise AgentRefused("bad-note", "a note is FHIR JSON or UTF-8 text") from error
        if not text or "\x00" in text:
            raise AgentRefused("bad-note", "the note is empty, or has characters that cannot be shown")
        return read_resource(note_from_text(identity, text, author, now))
    resources = read_resources(data)
    if len(resources) != 1:
        raise AgentRefused("bad-note", "a note is one resource")
    value = resources[0].value
    if "id" not in value:
        value = {"resourceType": value["resourceType"], "id": identity, **value}
        raw = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str).encode()
        resources = [read_resource(raw)]
    require_valid(resources[0])
    if amended and resources[0].identity != amended.identity[1]:
        raise AgentRefused("bad-note", "an amendment has the type and id of what it amends")
    return resources[0]


def _leaf(resource: Resource | None, older: list[Version]) -> tuple[Leaf, SectionKind]:
    """The leaf and its section. It has the identity of what it replaces; an error's mark may do without a reason."""
    if older:
        data, url = (resource.raw, resource.full_url) if resource else (b"", "")
        return Leaf(new_salt(), older[0].identity[1], url, data, b""), older[0].section
    if resource is None:
        raise AgentRefused("bad-note", "there is nothing to write")
    return Leaf(new_salt(), resource.identity, resource.full_url, resource.raw, b""), route([resource])[0].section


def _kind(amends: str | None, entered_in_error: str | None) -> EntryKind:
    if amends and entered_in_error:
        raise AgentRefused("bad-note", "a note amends, or marks as entered in error, not both")
    if entered_in_error:
        return EntryKind.ENTERED_IN_ERROR
    return EntryKind.AMENDMENT if amends else EntryKind.NOTE


def _older(agent: Agent, author: str, patient: str, named: str | None) -> list[Version]:
    """The author's own current versions in the named entry, or of the named resource."""
    if named is None:
        return []
    person = agent.wallet(author).person
    chart = open_chart(agent, author, patient).chart
    found = [
        version
        for version in chart.current()
        if version.header.author == person and named in (version.header.entry.hex(), version.identity[1])
    ]
    if not found:
        raise AgentRefused("not-yours", "you have written no such note, or it was replaced")
    return found[:1]


def _append_part(agent: Agent, wallet: Wallet, patient: str, section: SectionKind) -> tuple[SectionGrant, SignedCard]:
    now = max(newest_header(agent).time, agent.clock())
    for grant, card in reversed(grants_from(agent, wallet, patient)):
        for part in grant.sections:
            if part.kind == section and part.writer_seed and grant.not_after > now:
                return part, card
    raise AgentRefused("no-append-right", f"the patient has not let you write into {section.value}")


def _append(agent: Agent, wallet: Wallet, part: SectionGrant, draft: Draft, signing: Signing) -> Sealed:
    section = part.warrant.links[0].link.section
    if part.seal_key is None:
        raise AgentRefused("no-append-right", "the grant does not say where to seal to")
    inside = sign_draft(agent, wallet, section, draft, signing, new_seed(), 1)
    blob, half = seal(inside, part.seal_key, part.epoch)
    writer = SigningKey(part.writer_seed)
    submit(agent, [AppendEntry(section, part.epoch, writer.public, sha256(blob), len(blob))], [writer], [blob])
    place = record(agent, blob_key(section, sha256(blob)), Place)
    if place is None:
        raise AgentRefused("not-anchored", "the ledger does not show the entry that it accepted")
    with agent.store.writing():
        agent.store.put(wallet.person + section, place.number.to_bytes(8, "big"), AuthoredEntry(place.number, half))
    return inside


def _retain(agent: Agent, member: Wallet, original: Sealed) -> Sealed:
    """The member's own copy of what was authored, signed anew over its records section, the original, and the end date."""
    header = original.header
    origin = Origin(header.section, header.entry, header.content, header.retain_until)
    leaves = original.leaves
    draft = Draft(SectionKind.RECORDS, leaves, ())
    signing = Signing(EntryKind.RETAINED, member_id(member.authority.public).hex(), agent.clock(), origin=origin)
    return seal_own(agent, member, [draft], signing, lambda step, done, total: None)[0]
