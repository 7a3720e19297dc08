"""The letter of a grant, and another one where entries of a snapshot were sealed again: with the halves of what stands.

One device may erase while another one grants. Whoever grants writes the letter once the grant is noted for every device; whoever
erases looks for grants once the ledger has the erasure. So one of the two sees the other, and the newer letter wins.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import msgspec

from salus.agent.asking import entries_of
from salus.agent.given import Ending, GivenGrant, given_grants
from salus.agent.home import Agent
from salus.agent.own_sections import own_section
from salus.agent.sealed_reading import Reading, read_numbers
from salus.agent.services.manifest import sync
from salus.agent.services.posting import keep_letter
from salus.agent.services.sealing import Job
from salus.agent.verify import newest_header, records
from salus.agent.wallet import Name, Wallet
from salus.charts.grant import GrantedEntry, SectionGrant
from salus.charts.sections import SectionKind
from salus.codec import Record, encode
from salus.exchange.envelopes import LetterKind
from salus.ids import Bytes32
from salus.ledger.header import AnyHeader
from salus.ledger.modules.revocations.state import Revoked, revocation_key


class GrantJob(Record, frozen=True, tag="grant-job"):
    """A grant of ``name`` that has no letter yet. Kept by the id of the job that notes it for the other devices."""

    name: Name
    grant: Bytes32


def resume_grants(agent: Agent) -> None:
    """Write the letter of every grant that was noted. Whom the vault gives no half just now gets it by a later command."""
    for batch, job in agent.store.all(GrantJob, b""):
        if agent.store.find(Job, b"", batch) is not None:
            continue  # no other device knows of it yet: one that erases would send nothing
        wallet = agent.wallet(job.name)
        newest = newest_header(agent, fresh=True)
        given = agent.store.find(GivenGrant, wallet.person, job.grant)
        now = None if given is None else _as_it_stands(agent, wallet, given, newest)
        if given is not None and now is None:
            continue
        with agent.store.writing():
            if now is not None:
                _keep(agent, wallet, now)
            agent.store.drop(GrantJob, b"", batch)  # of a grant by keys from before a recovery nothing is left to be sent


def renew_snapshots(agent: Agent, name: str, rewritten: AbstractSet[tuple[SectionKind, int]]) -> bool:
    """Write to whoever holds a live snapshot of what was ``rewritten``, on the ledger already; False: not to all of them yet."""
    newest = newest_header(agent, fresh=True)
    wallet, whole = sync(agent, name), True
    for given, made in given_grants(agent, wallet):
        named = {(part.kind, entry.number) for part in made.sections for entry in part.entries}
        if not rewritten & named or made.patient != wallet.person:
            continue
        now = _as_it_stands(agent, wallet, given, newest)
        whole = whole and now is not None
        if now is not None and now != given:
            with agent.store.writing():
                _keep(agent, wallet, now)
    return whole


def _keep(agent: Agent, wallet: Wallet, given: GivenGrant) -> None:
    """The grant as it is now, and its letter, inside the caller's write transaction."""
    agent.store.put(wallet.person, given.made().grant, given)
    keep_letter(agent, wallet, given.reader, LetterKind.GRANT, given.grant)


def _as_it_stands(agent: Agent, wallet: Wallet, given: GivenGrant, newest: AnyHeader) -> GivenGrant | None:
    """The grant, with new halves where what it names was sealed again before block ``newest``; None: they cannot be had now.

    One that has ended stays as it is.
    """
    made, parts = given.made(), []
    if given.ending is not Ending.NOT or made.not_after <= newest.time:
        return given
    for part in made.sections:
        entries = _entries_now(agent, wallet, part) if part.entries else ()
        if entries is None:
            return None
        parts.append(msgspec.structs.replace(part, entries=entries))
    # Asked for after the halves were: what was sealed once the right had ended is nobody's to read.
    keys = [revocation_key(part.warrant.links[0].link.revocation) for part in parts]
    revoked, later = records(agent, keys, Revoked)
    sections = tuple(new if gone is None else old for new, old, gone in zip(parts, made.sections, revoked, strict=True))
    if sections == made.sections or made.not_after <= later.time:
        return given
    return msgspec.structs.replace(given, grant=encode(msgspec.structs.replace(made, height=newest.height, sections=sections)))


def _entries_now(agent: Agent, wallet: Wallet, part: SectionGrant) -> tuple[GrantedEntry, ...] | None:
    """The entries of a part, those that were sealed again with their new halves; None where one cannot be had now."""
    known = {entry.number: entry.blob for entry in part.entries}
    there = entries_of(agent, part.warrant.links[0].link.section, list(known))
    changed = [entry.number for entry in there if entry.blob != known[entry.number]]
    if not changed:
        return part.entries
    reading = Reading()
    read_numbers(agent, wallet, own_section(agent, wallet, part.kind), changed, reading)
    halves = {number: GrantedEntry(number, entry.blob, half) for (_, number), (half, entry) in reading.halves.items()}
    if set(changed) - set(halves):
        return None
    return tuple(halves.get(entry.number, entry) for entry in part.entries)
