"""A member's copies of what its staff wrote: kept until they are due, then signed, sealed and submitted together.

Apart in time from the notes that they are copies of, so that a ledger with several members does not show which belongs to which.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from salus.agent.home import Agent
from salus.agent.members import current_members
from salus.agent.services.licensing import organisation_id
from salus.agent.services.sealing import Draft, Job, JobEntry, Signing, plan_own, silent
from salus.agent.wallet import Wallet
from salus.charts.entry import EntryKind, Leaf, Origin, Sealed
from salus.charts.sections import SectionKind
from salus.codec import Record
from salus.crypto.keys import new_seed
from salus.ids import Bytes32, Count


class WaitingCopy(Record, frozen=True, tag="waiting-copy"):
    """A copy that is not signed yet, kept under its keeper's person id and ``entry``, the id that its entry will have.

    ``due``: ms; 0 while the note that it is of is still on its way.
    """

    keeper: Bytes32
    entry: Bytes32
    due: Count
    origin: Origin
    leaf: Leaf


@dataclass(frozen=True)
class WaitingInfo:
    """How many copies wait, and when (ms) the last of them is due; 0 where none does."""

    copies: int
    until: int


def new_copy(keeper: Wallet, original: Sealed, leaf: Leaf) -> WaitingCopy:
    """The copy that ``keeper`` is to have of the original, not due yet."""
    header = original.header
    origin = Origin(header.section, header.entry, header.content, header.retain_until)
    return WaitingCopy(keeper.person, new_seed(), 0, origin, leaf)


def keep_copy(agent: Agent, copy: WaitingCopy) -> None:
    """Keep the copy until it is due; call this with the end of what it is a copy of, in one store transaction."""
    due = when_apart(agent, [one.due for _, one in agent.store.all(WaitingCopy, copy.keeper)])
    agent.store.put(copy.keeper, copy.entry, msgspec.structs.replace(copy, due=due))


def seal_due(agent: Agent) -> None:
    """Sign and seal what is due, of each organisation as one job, and keep that in place of the copies. It is not sent yet."""
    for wallet in agent.wallets():
        now = agent.clock()
        due = [copy for copy in _waiting(agent, wallet) if copy.due <= now]
        if due:
            job = _sealed(agent, wallet, due)
            with agent.store.writing():
                agent.store.put(b"", job.batch, job)
                for copy in due:
                    agent.store.drop(WaitingCopy, copy.keeper, copy.entry)


def waiting(agent: Agent, name: str) -> WaitingInfo:
    """What the organisation's own records still lack."""
    found = [copy.due for copy in _waiting(agent, agent.wallet(name))]
    return WaitingInfo(len(found), max(found, default=0))


def when_apart(agent: Agent, planned: Iterable[int]) -> int:
    """When (ms) something of now is due that is to stand apart from what it came of.

    With what is ``planned`` already, else at random; at once on a ledger of one member.
    """
    now = agent.clock()
    if len(current_members(agent)) == 1:
        return now
    earliest, latest = agent.outbox.window(now)
    return min((due for due in planned if earliest <= due <= latest), default=earliest + secrets.randbelow(latest - earliest + 1))


def _waiting(agent: Agent, wallet: Wallet) -> list[WaitingCopy]:
    """The wallet's copies, also those from before a recovery, in the order of their random ids: none of what happened."""
    found = [copy for person in wallet.ids for _, copy in agent.store.all(WaitingCopy, person)]
    return sorted(found, key=lambda copy: copy.entry)


def _sealed(agent: Agent, wallet: Wallet, due: list[WaitingCopy]) -> Job:
    """One job of all these copies. Each is an entry and a batch of its own, as each is of another note and has its own end."""
    source = organisation_id(agent, wallet).hex()
    entries: list[JobEntry] = []
    for copy in due:
        signing = Signing(EntryKind.RETAINED, source, agent.clock(), origin=copy.origin)
        job, _ = plan_own(agent, wallet, [Draft(SectionKind.RECORDS, (copy.leaf,), (), copy.entry)], signing, silent)
        entries += job.entries
    return Job(wallet.record.name, new_seed(), tuple(entries))
