"""Writing: what only the patient knows, and what a professional notes, amends, or marks as entered in error."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import msgspec

from salus.agent.asking import Asking
from salus.agent.epoch_pairs import seal_key_for
from salus.agent.home import Agent
from salus.agent.known import licence_of
from salus.agent.own_sections import present
from salus.agent.services.charting import open_chart
from salus.agent.services.copying import WaitingCopy, keep_copy, new_copy, seal_due
from salus.agent.services.holding import Held, has_ended, held_parts
from salus.agent.services.importing import draft_entries, import_files
from salus.agent.services.licensing import organisation, organisation_id
from salus.agent.services.posting import keep_letter, send_letters
from salus.agent.services.received import AuthoredEntry
from salus.agent.services.sealing import Draft, Signing, resume_jobs, seal_own, sign_draft, silent
from salus.agent.services.submitting import submit
from salus.agent.services.waiting import may_wait
from salus.agent.verify import newest_header, record, records
from salus.agent.wallet import Wallet
from salus.charts.entry import MAX_BLOB, EntryKind, Leaf, Replaced, Sealed
from salus.charts.fold import NOBODY, Version
from salus.charts.sealing import commitment, new_salt, open_entry, seal
from salus.charts.sections import SectionKind
from salus.codec import Record, encode
from salus.crypto.hashing import sha256
from salus.crypto.keys import new_seed
from salus.crypto.signing import SigningKey
from salus.errors import AgentRefused, ChartRefused, LedgerRefused, WarrantRefused
from salus.exchange.cards import SignedCard
from salus.exchange.envelopes import EntryNotice, LetterKind
from salus.fhir.authoring import note_from_text
from salus.fhir.coverage import CoverageInfo, to_fhir
from salus.fhir.parsing import Resource, read_resource, read_resources, to_json
from salus.fhir.routing import route
from salus.fhir.validation import require_valid
from salus.ids import Bytes32, Count
from salus.ledger.modules.licences.state import Licence, licence_key
from salus.ledger.modules.revocations.state import Revoked, revocation_key
from salus.ledger.modules.sections.messages import AppendEntry
from salus.ledger.modules.sections.state import Place, Section, blob_key, current_epoch, section_key
from salus.warrants.checking import warrant_id
from salus.warrants.link import Warrant

OWN_SOURCE = "patient"
_COPY_ROOM = 262_144  # bytes by which a copy may be larger than its note: a few more in the header, then padding
_ATTEMPTS = 5  # epochs that may close under a note while it is sealed again
RETAINED_YEARS_MS = 10 * 31_556_952_000  # ten years, as section 630f BGB (Germany) asks; a member's policy may be longer


@dataclass(frozen=True)
class Written:
    """What was sealed: the entry, its section, and the identities in it; ``retained`` is the member's own entry, if any."""

    entry: str
    section: str
    resources: tuple[str, ...]
    retained: str


class NoteJob(Record, frozen=True, tag="note-job"):
    """A signed note on its way into a patient's section, and the member's ``copy``, which is sealed later.

    ``warrant`` and ``on_behalf_of`` let the author look up where to seal to, should the epoch close before the note arrives.
    """

    section: Bytes32
    warrant: Warrant
    on_behalf_of: Bytes32
    writer_seed: Bytes32
    epoch: Count
    blob: bytes
    half: Bytes32
    commitment: Bytes32
    entry: Bytes32
    patient: SignedCard
    copy: WaitingCopy | None


def add_record(agent: Agent, name: str, data: bytes) -> Written:
    """Add what only the patient knows, in FHIR, held to the standard: `InvalidResource` says where it is not."""
    wallet = agent.wallet(name)
    resources = read_resources(data)
    for resource in resources:
        require_valid(resource)
    digest = sha256(data).hex()
    drafts = draft_entries([(resource, digest, ()) for resource in resources], OWN_SOURCE, agent.clock())
    signing = Signing(EntryKind.RECORD, OWN_SOURCE, agent.clock())
    sealed = seal_own(agent, wallet, drafts, signing, silent)
    return Written(sealed[0].header.entry.hex(), drafts[0].kind.value, tuple(resource.identity for resource in resources), "")


def say_coverage(agent: Agent, name: str, info: CoverageInfo) -> None:
    """Add who pays for the patient's care; what was said of the same payer before is replaced. ``fhir/invalid``."""
    data = [("coverage.json", to_fhir(info))]
    import_files(agent, name, data, source=OWN_SOURCE, as_of=agent.clock(), other_patient_ok=True, progress=silent)


def write_note(
    agent: Agent, author: str, patient: str, data: bytes, *, amends: str | None, entered_in_error: str | None
) -> Written:
    """A signed note into the patient's chart: FHIR, or plain text. ``amends`` and ``entered_in_error`` name an entry or resource.

    Needs an append grant for the section that it belongs to (``no-append-right``) and a licence (``no-licence``).
    """
    wallet = agent.wallet(author)
    job, written = _plan_note(agent, wallet, patient, data, amends, entered_in_error)
    with agent.store.writing():
        agent.store.put(wallet.person, job.entry, job)
    _complete(agent, wallet, job)
    return written


def plan_note(agent: Agent, author: str, patient: str, data: bytes) -> NoteJob:
    """As `write_note`, of a new note: the job alone, for the caller to keep by its ``entry``; `resume_notes` completes it."""
    job, _ = _plan_note(agent, agent.wallet(author), patient, data, None, None)
    return job


def _plan_note(
    agent: Agent, wallet: Wallet, patient: str, data: bytes, amends: str | None, entered_in_error: str | None
) -> tuple[NoteJob, Written]:
    licence = licence_of(agent, wallet.person)
    if licence is None:
        raise AgentRefused("no-licence", "notes are written by licensed professionals")
    older = _older(agent, wallet, patient, amends or entered_in_error)
    kind = _kind(amends, entered_in_error)
    given = data.strip() or kind is not EntryKind.ENTERED_IN_ERROR
    resource = _note(data, wallet.record.name, newest_header(agent).time, older[0] if amends else None) if given else None
    leaf, section = _leaf(resource, older)
    held = _append_part(agent, wallet, patient, section)
    asking = held.asking()
    member = organisation(agent)
    member_of = _issuer(agent, licence)
    replaces = tuple(Replaced(0, version.version) for version in older)
    now = agent.clock()
    signing = Signing(
        kind,
        member_of.hex(),
        now,
        0,
        licence,
        member_of,
        warrant_id(asking.warrant),
        None,
        organisation_id(agent, member) if member else NOBODY,
        now + RETAINED_YEARS_MS if member else 0,
    )
    inside = sign_draft(agent, wallet, asking.section, Draft(section, (leaf,), replaces), signing, new_seed(), 1)
    job = _plan(agent, held, asking, inside)
    retained = ""
    if member:
        require_room(job.blob)
        copy = new_copy(member, inside, leaf)
        job, retained = msgspec.structs.replace(job, copy=copy), copy.entry.hex()
    return job, Written(inside.header.entry.hex(), section.value, (leaf.identity,), retained)


def require_room(blob: bytes) -> None:
    """Raise ``entry-too-large`` for a note that is sealed, but whose copy might not be."""
    if len(blob) > MAX_BLOB - _COPY_ROOM:
        raise ChartRefused("entry-too-large", "the note is too large for a copy of it to be kept")


def _issuer(agent: Agent, licence: bytes) -> bytes:
    """The member that licenses the author, and so stands behind the note as its source."""
    found = record(agent, licence_key(licence), Licence)
    if found is None:
        raise AgentRefused("no-licence", "notes are written by licensed professionals")
    return found.issuer


def resume_notes(agent: Agent) -> None:
    """Complete every note that an earlier command signed; one that the ledger refuses, or whose grant has ended, is given up.

    One that the vault refuses for another reason waits; it keeps its author from nothing else.
    """
    for wallet in agent.wallets():
        for _, job in agent.store.all(NoteJob, wallet.person):
            with suppress(LedgerRefused, WarrantRefused):
                _complete(agent, wallet, job)


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
        resources = [read_resource(to_json(value))]
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


def _older(agent: Agent, wallet: Wallet, patient: str, named: str | None) -> list[Version]:
    """The author's own current versions in the named entry, or of the named resource."""
    if named is None:
        return []
    chart = open_chart(agent, wallet.record.name, patient).chart
    found = [
        version
        for version in chart.current()
        if version.header.author == wallet.person and named in (version.header.entry.hex(), version.identity[1])
    ]
    if not found:
        raise AgentRefused("not-yours", "you have written no such note, or it was replaced")
    return found[:1]


def _append_part(agent: Agent, wallet: Wallet, patient: str, section: SectionKind) -> Held:
    now = max(newest_header(agent).time, agent.clock())
    for held in reversed(held_parts(agent, wallet, patient, (section,))):
        revocation = revocation_key(held.part.warrant.links[0].link.revocation)
        if held.part.writer_seed and held.grant.not_after > now and record(agent, revocation, Revoked) is None:
            return held
    raise AgentRefused("no-append-right", f"the patient has not let you write into {section.value}")


def _plan(agent: Agent, held: Held, asking: Asking, inside: Sealed) -> NoteJob:
    """The note sealed to the section's epoch of now, as a job that says all that is left to be done."""
    epoch, blob, half = _sealed(agent, asking, inside)
    return NoteJob(
        asking.section,
        asking.warrant,
        asking.on_behalf_of,
        held.part.writer_seed,
        epoch,
        blob,
        half,
        commitment(inside),
        inside.header.entry,
        held.patient,
        None,
    )


def _sealed(agent: Agent, asking: Asking, inside: Sealed, attempt: int = 0) -> tuple[int, bytes, bytes]:
    """(epoch, blob, patient's half) of the note, sealed to the epoch that is current. ``attempt``: see `present`."""
    now = present(agent, attempt)
    (section,), header = records(agent, [section_key(asking.section)], Section)
    if section is None:
        raise LedgerRefused("no-such-section", "the ledger has no section of a grant")
    epoch = current_epoch(section.schedule, max(header.time, now))
    return epoch.number, *seal(inside, seal_key_for(agent, asking, epoch), epoch.number)


def _complete(agent: Agent, wallet: Wallet, job: NoteJob) -> None:
    """Append the note unless the ledger has it; then keep its number, the letter and the retained copy in one step.

    The copy's delay begins only then: a note that had to wait itself is not followed by its copy at once.
    """
    job, place = _anchor(agent, wallet, job)
    with agent.store.writing():
        authored = AuthoredEntry(place.number, job.half, SigningKey(job.writer_seed).public)
        agent.store.put(wallet.person + job.section, place.number.to_bytes(8, "big"), authored)
        keep_letter(agent, wallet, job.patient, LetterKind.ENTRY, encode(EntryNotice(job.section, job.entry)))
        if job.copy is not None:
            keep_copy(agent, job.copy)
        agent.store.drop(NoteJob, wallet.person, job.entry)
    send_letters(agent)
    with may_wait():  # the note is where it belongs
        seal_due(agent)
        resume_jobs(agent)


def _anchor(agent: Agent, wallet: Wallet, job: NoteJob) -> tuple[NoteJob, Place]:
    """The note's place on the ledger, appended if need be; sealed again where its epoch has closed."""
    for attempt in range(1, _ATTEMPTS + 1):
        digest = sha256(job.blob)
        place = record(agent, blob_key(job.section, digest), Place)
        if place is not None:
            return job, place
        writer = SigningKey(job.writer_seed)
        action = AppendEntry(job.section, job.epoch, writer.public, digest, len(job.blob), job.commitment)
        try:
            submit(agent, [action], [writer], [job.blob])
        except LedgerRefused as error:
            if error.code == "epoch-closed" and not has_ended(agent, job.warrant):
                job = _sealed_again(agent, wallet, job, attempt)
                continue
            with agent.store.writing():
                agent.store.drop(NoteJob, wallet.person, job.entry)
            raise
    raise AgentRefused("section-busy", "the section's keys change all the time; try again")


def _sealed_again(agent: Agent, wallet: Wallet, job: NoteJob, attempt: int) -> NoteJob:
    """The same signed note under the keys of now; kept before it is sent."""
    inside = open_entry(job.blob, job.half, agent.network_id, job.section, job.epoch).inside
    asking = Asking(wallet, wallet.identity.classic, job.warrant, job.on_behalf_of)
    epoch, blob, half = _sealed(agent, asking, inside, attempt)
    job = msgspec.structs.replace(job, epoch=epoch, blob=blob, half=half)
    with agent.store.writing():
        agent.store.put(wallet.person, job.entry, job)
    return job
