"""Taking back: a link's secret goes onto the ledger for all to see, and what was read on goes on under new keys."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from salus.agent.given import Ending, GivenGrant, given_grant
from salus.agent.home import Agent
from salus.agent.own_sections import OwnSection
from salus.agent.services.granting import access
from salus.agent.services.manifest import plan_notes, sync
from salus.agent.services.posting import keep_letter, send_letters
from salus.agent.services.rotating import Due, rotate
from salus.agent.services.sealing import roll_forward, silent
from salus.agent.services.submitting import submit
from salus.agent.services.waiting import may_wait
from salus.agent.verify import record, records
from salus.agent.wallet import Wallet
from salus.charts.grant import SectionGrant
from salus.crypto.signing import SigningKey
from salus.errors import AgentRefused, LedgerRefused
from salus.exchange.envelopes import LetterKind
from salus.ledger.modules.revocations.messages import Revoke
from salus.ledger.modules.revocations.state import Revoked, revocation_id, revocation_key
from salus.ledger.modules.sections.messages import RemoveWriter
from salus.ledger.modules.sections.state import Writer, writer_key
from salus.ledger.tx import Action


@dataclass(frozen=True)
class RevokeInfo:
    """Two facts: since when honest vaults refuse, and since when what comes is sealed to keys that the reader never had.

    Both are a block and its time (ms). Of a snapshot ``sealed_anew`` is 0: nothing later was ever the reader's to open.
    """

    grants: tuple[str, ...]
    refused_since_height: int
    refused_since_time: int
    sealed_anew_since_height: int
    sealed_anew_since_time: int


def revoke(agent: Agent, patient: str, grant: str | None = None, reader: str | None = None) -> RevokeInfo:
    """End one grant, or every grant of a reader. Kept before it begins, so that any later command completes it."""
    chosen = [info for info in access(agent, patient, reader) if grant is None or _names(grant, info.grant)]
    if not chosen:
        raise AgentRefused("no-such-grant", "no such grant was given")
    if grant is not None and len(chosen) > 1:
        raise AgentRefused("ambiguous-grant", "several grants begin like that; name more digits")
    wallet = agent.wallet(patient)
    for info in chosen:
        _end(agent, wallet, bytes.fromhex(info.grant))
    grants = [given_grant(agent, wallet, bytes.fromhex(info.grant)).made() for info in chosen]
    parts = [part for made in grants for part in made.sections]
    found, _ = records(agent, [revocation_key(part.warrant.links[-1].link.revocation) for part in parts], Revoked)
    gone = [(part, revoked) for part, revoked in zip(parts, found, strict=True) if revoked is not None]
    if len(gone) < len(parts):
        raise AgentRefused("not-revoked", "the ledger does not have the revocation; the next command tries again")
    refused = max((revoked for _, revoked in gone), key=lambda revoked: revoked.height)
    anew = max((r for part, r in gone if part.slot_key), key=lambda revoked: revoked.height, default=Revoked(0, 0))
    ids = tuple(info.grant for info in chosen)
    return RevokeInfo(ids, refused.height, refused.time, anew.height, anew.time)


def resume_revocations(agent: Agent) -> None:
    """Complete every revocation that an earlier command began."""
    for wallet in agent.wallets():
        for identity, given in agent.store.all(GivenGrant, wallet.person):
            if given.ending is Ending.ASKED:
                _end(agent, wallet, identity)


def _end(agent: Agent, wallet: Wallet, identity: bytes) -> None:
    given = given_grant(agent, wallet, identity)
    with agent.store.writing():
        agent.store.put(wallet.person, identity, msgspec.structs.replace(given, ending=Ending.ASKED))
    for part in given.made().sections:
        end_part(agent, wallet, identity, part)
    with may_wait():
        _note_end(agent, wallet, identity, given)


def _note_end(agent: Agent, wallet: Wallet, identity: bytes, given: GivenGrant) -> None:
    """Tell one's other devices and the reader that the grant has ended: ordinary work, which no right waits for."""
    done = msgspec.structs.replace(given, ending=Ending.DONE)
    job = plan_notes(agent, sync(agent, wallet.record.name), [done])
    with agent.store.writing():
        agent.store.put(wallet.person, identity, done)
        agent.store.put(b"", job.batch, job)
        keep_letter(agent, wallet, given.reader, LetterKind.REVOCATION, identity)
    with may_wait():  # the end itself needs no invitation and is on the ledger; the note of it does
        roll_forward(agent, job, silent)
    send_letters(agent)


def end_part(agent: Agent, wallet: Wallet, identity: bytes, part: SectionGrant) -> None:
    """Revoke the warrant of one section, remove its writer, and rotate where it was read on, all in one transaction.

    Two sections never share a transaction.
    """

    def due(wallet: Wallet, _: OwnSection) -> Due:
        return _still_due(agent, wallet, identity, part)

    actions, keys = _still_due(agent, wallet, identity, part)
    if not actions:
        return
    try:
        if part.slot_key:
            rotate(agent, wallet.record.name, part.kind, leaving=identity, due=due)
        else:
            submit(agent, actions, keys)
    except LedgerRefused as error:
        if error.code not in ("already-revoked", "writer-ended"):
            raise


def _still_due(agent: Agent, wallet: Wallet, identity: bytes, part: SectionGrant) -> Due:
    """What the ledger does not have yet of the end of a grant in one section: one's own, or one that was passed on."""
    section = part.warrant.links[-1].link.section
    preimage = wallet.preimage(identity + section)
    actions: list[Action] = []
    keys: list[SigningKey] = []
    if record(agent, revocation_key(revocation_id(preimage)), Revoked) is None:
        actions.append(Revoke(preimage))
    if part.writer_seed:
        writer = SigningKey(part.writer_seed).public
        allowed = record(agent, writer_key(section, writer), Writer)
        if allowed is not None and not allowed.removed:
            actions.append(RemoveWriter(section, writer))
            keys.append(wallet.section(part.kind, agent.network_id).owner)
    return actions, keys


def _names(prefix: str, identity: str) -> bool:
    """Whether ``prefix`` is the id, or at least its first 8 digits."""
    return len(prefix) >= 8 and identity.startswith(prefix.lower())
