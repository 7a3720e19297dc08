"""Granting and taking back. A grant goes into the grantee's mailbox; a revocation onto the ledger, for everybody to see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from salus.agent.home import Agent
from salus.agent.sealed_reading import Reading, read_own
from salus.agent.services.contacts import find_contact
from salus.agent.services.licensing import RIGHTS
from salus.agent.services.posting import keep_letter, send_letters
from salus.agent.services.sectioning import OwnSection, ensure_section, own_section
from salus.agent.services.submitting import submit
from salus.agent.verify import newest_header, record, records
from salus.agent.wallet import Wallet
from salus.charts.grant import Grant, GrantedEntry, SectionGrant
from salus.charts.granting import MAX_GRANT, Terms, root_warrant
from salus.charts.sections import SectionKind
from salus.codec import Record, decode, encode
from salus.crypto.keys import new_seed
from salus.crypto.signing import SigningKey, person_id
from salus.errors import AgentRefused, LedgerRefused
from salus.exchange.cards import SignedCard
from salus.exchange.envelopes import LetterKind
from salus.fhir.authoring import consent
from salus.ledger.genesis import LicenceRight
from salus.ledger.modules.revocations.messages import Revoke
from salus.ledger.modules.revocations.state import Revoked, revocation_id, revocation_key
from salus.ledger.modules.sections.messages import AdmitWriter, RemoveWriter
from salus.ledger.modules.sections.state import Writer, writer_key
from salus.ledger.tx import Action
from salus.warrants.checking import NOBODY
from salus.warrants.link import Purpose, Right

WRITER_ENTRIES = 200  # that one append grant may add to one section
WRITER_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class GrantInfo:
    """A grant as its patient sees it: ``status`` is active, expired or revoked; times in ms."""

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


@dataclass(frozen=True)
class RevokeInfo:
    """Since when honest vaults refuse. ``sealed_anew`` is empty for snapshots: nothing later was ever theirs to open."""

    grants: tuple[str, ...]
    refused_since_height: int
    refused_since_time: int
    sealed_anew: str


class Ending(StrEnum):
    """How far the end of a grant has come."""

    NOT = "not"
    ASKED = "asked"  # every command goes on until it is done
    DONE = "done"


class GivenGrant(Record, frozen=True, tag="given-grant"):
    """A grant that was given, and how far its end has come."""

    grant: bytes
    reader: SignedCard
    ending: Ending


def grant(
    agent: Agent,
    patient: str,
    reader: str,
    *,
    sections: Sequence[SectionKind],
    rights: Sequence[Right],
    purposes: Sequence[Purpose],
    until_ms: int,
) -> GrantInfo:
    """Give ``reader`` a snapshot of the sections, the right to append to them, or both."""
    wallet, signed = agent.wallet(patient), find_contact(agent, reader)
    header = newest_header(agent, fresh=True)
    now = max(header.time, agent.clock())
    if not now < until_ms <= header.time + agent.genesis.parameters.max_warrant_window:
        raise AgentRefused("bad-end", "a grant ends in the future, within two years")
    holder = signed.card.key.ed25519
    licence = LicenceRight.TREAT if signed.card.role in RIGHTS else None
    terms = Terms(holder, tuple(rights), tuple(purposes), header.time, until_ms, licence)
    identity = new_seed()
    parts = [part for kind in sections if (part := _part(agent, wallet, kind, terms, identity)) is not None]
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
    person = person_id(signed.card.key)
    made = Grant(
        agent.network_id,
        identity,
        wallet.person,
        person,
        tuple(sorted(rights)),
        tuple(sorted(purposes)),
        until_ms,
        header.time,
        header.height,
        tuple(parts),
        words,
    )
    with agent.store.writing():
        agent.store.put(wallet.person, identity, GivenGrant(encode(made), signed, Ending.NOT))
        keep_letter(agent, wallet, signed, LetterKind.GRANT, encode(made))
    send_letters(agent)
    return _info(made, signed, "active")


def access(agent: Agent, patient: str, reader: str | None = None) -> tuple[GrantInfo, ...]:
    """Who can: every grant that was given, with its status proven by the ledger, newest first."""
    wallet = agent.wallet(patient)
    given = [(g, decode(g.grant, Grant, limit=MAX_GRANT)) for _, g in agent.store.all(GivenGrant, wallet.person)]
    if reader is not None:
        person = person_id(find_contact(agent, reader).card.key)
        given = [(kept, made) for kept, made in given if made.grantee == person]
    keys = [revocation_key(made.sections[0].warrant.links[0].link.revocation) for _, made in given]
    revoked, header = records(agent, keys, Revoked)
    now = max(header.time, agent.clock())
    rows = [
        _info(
            made,
            kept.reader,
            _status(made, kept, gone is not None, now),
        )
        for (kept, made), gone in zip(given, revoked, strict=True)
    ]
    return tuple(sorted(rows, key=lambda row: (-row.since, row.grant)))


def revoke(agent: Agent, patient: str, grant: str | None = None, reader: str | None = None) -> RevokeInfo:
    """End one grant, or every grant of a reader. Kept before it begins, so that any later command completes it."""
    wallet = agent.wallet(patient)
    chosen = [info for info in access(agent, patient, reader) if grant is None or _names(grant, info.grant)]
    if not chosen:
        raise AgentRefused("no-such-grant", "no such grant was given")
    if grant is not None and len(chosen) > 1:
        raise AgentRefused("ambiguous-grant", "several grants begin like that; name more digits")
    for info in chosen:
        _end(agent, wallet, bytes.fromhex(info.grant))
    first = decode(_given(agent, wallet, bytes.fromhex(chosen[0].grant)).grant, Grant, limit=MAX_GRANT)
    keys = [revocation_key(part.warrant.links[0].link.revocation) for part in first.sections]
    found = [gone for gone in records(agent, keys, Revoked)[0] if gone is not None]
    last = max(found, key=lambda gone: gone.height)
    return RevokeInfo(tuple(info.grant for info in chosen), last.height, last.time, "")


def resume_revocations(agent: Agent) -> None:
    """Complete every revocation that an earlier command began."""
    for wallet in agent.wallets():
        for identity, given in agent.store.all(GivenGrant, wallet.person):
            if given.ending is Ending.ASKED:
                _end(agent, wallet, identity)


def _end(agent: Agent, wallet: Wallet, identity: bytes) -> None:
    given = _given(agent, wallet, identity)
    with agent.store.writing():
        agent.store.put(wallet.person, identity, msgspec.structs.replace(given, ending=Ending.ASKED))
    made = decode(given.grant, Grant, limit=MAX_GRANT)
    for part in made.sections:
        _end_part(agent, wallet, made.grant, part)
    with agent.store.writing():
        agent.store.put(wallet.person, identity, msgspec.structs.replace(given, ending=Ending.DONE))
        keep_letter(agent, wallet, given.reader, LetterKind.REVOCATION, identity)
    send_letters(agent)


def _end_part(agent: Agent, wallet: Wallet, identity: bytes, part: SectionGrant) -> None:
    """Revoke the warrant of one section, and remove its writer: two sections never share a transaction."""
    section = own_section(agent, wallet, part.kind)
    preimage = wallet.preimage(identity + section.identity)
    actions: list[Action] = []
    keys: list[SigningKey] = []
    if record(agent, revocation_key(revocation_id(preimage)), Revoked) is None:
        actions.append(Revoke(preimage))
    if part.writer_seed:
        writer = SigningKey(part.writer_seed).public
        allowed = record(agent, writer_key(section.identity, writer), Writer)
        if allowed is not None and not allowed.removed:
            actions.append(RemoveWriter(section.identity, writer))
            keys.append(section.keys.owner)
    if actions:
        try:
            submit(agent, actions, keys)
        except LedgerRefused as error:
            if error.code not in ("already-revoked", "writer-ended"):
                raise


def _part(agent: Agent, wallet: Wallet, kind: SectionKind, terms: Terms, identity: bytes) -> SectionGrant | None:
    """The grant of one section; None where there is nothing to read in it."""
    append = Right.APPEND in terms.rights
    section = ensure_section(agent, wallet, kind) if append else own_section(agent, wallet, kind)
    entries = _granted(agent, wallet, section) if Right.READ in terms.rights and section.exists else ()
    if not entries and not append:
        return None
    seed = wallet.writer_seed(section.identity, identity) if append else b""
    writer = SigningKey(seed).public if append else NOBODY
    if append:
        admit = AdmitWriter(section.identity, writer, WRITER_ENTRIES, WRITER_BYTES, terms.not_after)
        submit(agent, [admit], [section.keys.owner])
    warrant = root_warrant(
        section.keys.owner,
        agent.network_id,
        section.identity,
        terms,
        tuple(entry.number for entry in entries),
        section.receipt_key,
        revocation_id(wallet.preimage(identity + section.identity)),
        writer,
    )
    seal_key = section.seal_key if append else None
    return SectionGrant(kind, warrant, entries, section.count, seed, 0, seal_key)


def _granted(agent: Agent, wallet: Wallet, section: OwnSection) -> tuple[GrantedEntry, ...]:
    reading = Reading()
    read_own(agent, wallet, section, reading)
    return tuple(GrantedEntry(number, entry.blob, half) for (_, number), (half, entry) in reading.halves.items())


def _status(made: Grant, kept: GivenGrant, gone: bool, now: int) -> str:
    if gone or kept.ending is not Ending.NOT:
        return "revoked"
    return "expired" if made.not_after <= now else "active"


def _names(prefix: str, identity: str) -> bool:
    """Whether ``prefix`` is the id, or at least its first 8 digits."""
    return len(prefix) >= 8 and identity.startswith(prefix.lower())


def _given(agent: Agent, wallet: Wallet, identity: bytes) -> GivenGrant:
    given = agent.store.find(GivenGrant, wallet.person, identity)
    if given is None:
        raise AgentRefused("no-such-grant", "no such grant was given")
    return given


def _info(made: Grant, reader: SignedCard, status: str) -> GrantInfo:
    return GrantInfo(
        made.grant.hex(),
        made.grantee.hex(),
        reader.card.name,
        tuple(part.kind.value for part in made.sections),
        tuple(right.value for right in made.rights),
        tuple(purpose.value for purpose in made.purposes),
        made.as_of,
        made.not_after,
        sum(len(part.entries) for part in made.sections),
        status,
    )
