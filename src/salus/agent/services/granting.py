"""Granting: a snapshot of what is there, a standing right to read on, the right to append; and who can see what.

A grant goes into the grantee's mailbox, and into the manifest for the patient's other devices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from salus.agent.given import Ending, GivenGrant, given_grants, grants_given_to
from salus.agent.home import Agent
from salus.agent.own_sections import OwnSection, own_section
from salus.agent.sealed_reading import Reading, read_own
from salus.agent.services.contacts import find_contact
from salus.agent.services.licensing import RIGHTS
from salus.agent.services.manifest import plan_notes, sync
from salus.agent.services.posting import send_letters
from salus.agent.services.renewing import GrantJob, resume_grants
from salus.agent.services.rotating import keep_rotation, resume_rotations
from salus.agent.services.sealing import roll_forward, silent
from salus.agent.services.sectioning import ensure_section
from salus.agent.services.submitting import submit
from salus.agent.verify import newest_header, records
from salus.agent.wallet import Wallet
from salus.charts.grant import Grant, GrantedEntry, SectionGrant
from salus.charts.granting import Terms, root_warrant
from salus.charts.sections import SectionKind
from salus.codec import encode
from salus.crypto.keys import new_seed
from salus.crypto.signing import SigningKey, person_id
from salus.errors import AgentRefused, WarrantRefused, refusal
from salus.exchange.cards import SignedCard
from salus.fhir.authoring import consent
from salus.ledger.genesis import LicenceRight
from salus.ledger.modules.revocations.state import Revoked, revocation_id, revocation_key
from salus.ledger.modules.sections.messages import AdmitWriter
from salus.warrants.checking import NOBODY, OPEN_END, spans_of
from salus.warrants.link import Purpose, Right, Span

WRITER_ENTRIES = 200  # that one append grant may add to one section
WRITER_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class GrantInfo:
    """A grant as its patient sees it: ``status`` is active, expired or revoked; times in ms.

    ``standing``: the reader reads on; ``history``: and back to before the grant. ``entries``: how many there were then.
    """

    grant: str
    reader: str
    reader_name: str
    sections: tuple[str, ...]
    rights: tuple[str, ...]
    purposes: tuple[str, ...]
    since: int
    until: int
    entries: int
    status: str
    standing: bool
    history: bool


@dataclass(frozen=True)
class Lasting:
    """How a reading right lasts: as a snapshot, or ``standing``, and then with the ``history`` before the grant or without."""

    standing: bool = False
    history: bool = False


SNAPSHOT = Lasting()


def grant(
    agent: Agent,
    patient: str,
    reader: str,
    *,
    sections: Sequence[SectionKind],
    rights: Sequence[Right],
    purposes: Sequence[Purpose],
    until_ms: int,
    lasting: Lasting = SNAPSHOT,
) -> GrantInfo:
    """Give ``reader`` a snapshot of the sections or a standing right to read them, the right to append to them, or both."""
    wallet, signed = sync(agent, patient), find_contact(agent, reader)
    header = newest_header(agent, fresh=True)
    now = max(header.time, agent.clock())
    if not now < until_ms <= header.time + agent.genesis.parameters.max_warrant_window:
        raise AgentRefused("bad-end", "a grant ends in the future, within two years")
    holder = signed.card.key.ed25519
    licence = LicenceRight.TREAT if signed.card.role in RIGHTS else None
    terms = Terms(holder, tuple(rights), tuple(purposes), header.time, until_ms, licence)
    identity = new_seed()
    parts = [part for kind in sections if (part := _part(agent, wallet, kind, terms, identity, lasting)) is not None]
    if not parts:
        raise AgentRefused("nothing-to-grant", "there is nothing in these sections yet")
    words = consent(
        identity.hex()[:40],
        wallet.record.name,
        signed.card.name,
        [part.kind.value for part in parts],
        [purpose.value for purpose in purposes],
        (header.time, until_ms),
        [right.value for right in rights],
    )
    made = Grant(
        agent.network_id,
        identity,
        wallet.person,
        person_id(signed.card.key),
        tuple(sorted(rights)),
        tuple(sorted(purposes)),
        until_ms,
        header.time,
        header.height,
        tuple(parts),
        wallet.ids[1:],
        words,
    )
    _give(agent, wallet, made, signed)
    return info_of(made, signed, "active")


def _give(agent: Agent, wallet: Wallet, made: Grant, reader: SignedCard) -> None:
    """Keep the grant with all that is left to be done, in one step; then note it, rotate to it, write its letter, and send it."""
    given = GivenGrant(encode(made), reader, Ending.NOT)
    job = plan_notes(agent, wallet, [given])
    with agent.store.writing():
        agent.store.put(wallet.person, made.grant, given)
        agent.store.put(b"", job.batch, job)
        kinds = [part.kind for part in made.sections if part.slot_key]
        if kinds:
            keep_rotation(agent, wallet.record.name, kinds)
        agent.store.put(b"", job.batch, GrantJob(wallet.record.name, made.grant))
    roll_forward(agent, job, silent)
    resume_rotations(agent)
    resume_grants(agent)
    send_letters(agent)


def access(agent: Agent, patient: str, reader: str | None = None) -> tuple[GrantInfo, ...]:
    """Who can: every grant that was given, with its status proven by the ledger, newest first."""
    wallet = sync(agent, patient)
    if reader is None:
        given = given_grants(agent, wallet)
    else:
        given = grants_given_to(agent, wallet, person_id(find_contact(agent, reader).card.key))
    keys = [revocation_key(made.sections[0].warrant.links[-1].link.revocation) for _, made in given]
    revoked, header = records(agent, keys, Revoked)
    now = max(header.time, agent.clock())
    rows = [
        info_of(
            made,
            kept.reader,
            _status(made, kept, gone is not None, now),
        )
        for (kept, made), gone in zip(given, revoked, strict=True)
    ]
    return tuple(sorted(rows, key=lambda row: (-row.since, row.grant)))


def _part(
    agent: Agent, wallet: Wallet, kind: SectionKind, terms: Terms, identity: bytes, lasting: Lasting
) -> SectionGrant | None:
    """The grant of one section; None where there is nothing to read in it, now or later."""
    append, read = Right.APPEND in terms.rights, Right.READ in terms.rights
    standing = lasting.standing and read
    section = ensure_section(agent, wallet, kind) if append or standing else own_section(agent, wallet, kind)
    entries = _granted(agent, wallet, section) if read and section.exists and not standing else ()
    if not entries and not append and not standing:
        return None
    seed = wallet.writer_seed(section.identity, identity) if append else b""
    writer = SigningKey(seed).public if append else NOBODY
    if append:
        admit = AdmitWriter(section.identity, writer, WRITER_ENTRIES, WRITER_BYTES, terms.not_after)
        submit(agent, [admit], [section.keys.owner])
    first = 0 if lasting.history else section.count
    warrant = root_warrant(
        section.keys.owner,
        agent.network_id,
        section.identity,
        terms,
        (Span(first, OPEN_END),) if standing else spans_of(tuple(entry.number for entry in entries)),
        section.receipt_key,
        revocation_id(wallet.preimage(identity + section.identity)),
        writer,
    )
    slot_key = wallet.granted_slot(section.identity, identity) if standing else b""
    return SectionGrant(kind, warrant, entries, section.count, seed, slot_key, standing and lasting.history)


def _granted(agent: Agent, wallet: Wallet, section: OwnSection) -> tuple[GrantedEntry, ...]:
    """All of the section that can be read. What the vault refuses just now is raised: it must not narrow a grant unsaid."""
    reading = Reading()
    read_own(agent, wallet, section, reading)
    for _, _, code in reading.unread:
        if code.startswith(f"{WarrantRefused.codespace}/"):
            raise refusal(code, "the vault does not give out now what is to be granted; say it again")
    return tuple(GrantedEntry(number, entry.blob, half) for (_, number), (half, entry) in reading.halves.items())


def _status(made: Grant, kept: GivenGrant, gone: bool, now: int) -> str:
    if gone or kept.ending is not Ending.NOT:
        return "revoked"
    return "expired" if made.not_after <= now else "active"


def info_of(made: Grant, reader: SignedCard, status: str) -> GrantInfo:
    """The grant in plain values."""
    standing = any(part.slot_key for part in made.sections)
    return GrantInfo(
        made.grant.hex(),
        made.grantee.hex(),
        reader.card.name,
        tuple(part.kind.value for part in made.sections),
        tuple(right.value for right in made.rights),
        tuple(purpose.value for purpose in made.purposes),
        made.as_of,
        made.not_after,
        sum(part.count if part.slot_key else len(part.entries) for part in made.sections),
        status,
        standing,
        any(part.history for part in made.sections),
    )
