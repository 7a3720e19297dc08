"""Staff: who works for the organisation of this home, with which duties; and the end of it.

A grant to an organisation stays in the organisation's own agent. Its staff open through it: for each opening the organisation
passes its warrant on, to this person's key, for at most a shift, and no read secret leaves the agent. The person's name goes
with it, sealed for the patient, and so stands in each receipt. A dismissal ends all of it on the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec

from salus.agent.home import Agent
from salus.agent.services.licensing import organisation, organisation_id
from salus.agent.services.submitting import submit
from salus.agent.verify import newest_header, record
from salus.agent.wallet import Wallet
from salus.charts.grant import SectionGrant
from salus.charts.sections import SectionKind
from salus.codec import Record
from salus.errors import AgentRefused, LedgerRefused, WarrantRefused
from salus.exchange.cards import Duty
from salus.ids import Bytes32, Count
from salus.ledger.genesis import LicenceRight
from salus.ledger.modules.revocations.messages import Revoke
from salus.ledger.modules.revocations.state import Revoked, revocation_id, revocation_key
from salus.warrants.checking import warrant_id
from salus.warrants.delegating import Narrowing, delegated
from salus.warrants.link import Delegate, Warrant

SHIFT = 12 * 3_600_000  # ms that a warrant to staff holds at most


K = SectionKind
_CLINICAL = frozenset(SectionKind) - {K.COVERAGE, K.MANIFEST, K.RECORDS}

#: {duty: sections that it opens, as far as the patient granted them}. The organisation's own policy, after the principle that
#: staff see what their task needs (minimum necessary, 45 CFR 164.502(b); data minimisation, Article 5(1)(c) GDPR).
OPENS: dict[Duty, frozenset[SectionKind]] = {
    Duty.PHYSICIAN: _CLINICAL,
    Duty.NURSE: _CLINICAL - {K.SENSITIVE},
    Duty.PHARMACIST: frozenset({K.DEMOGRAPHICS, K.SUMMARY, K.MEDICATIONS, K.PROBLEMS}),
    Duty.TECHNICIAN: frozenset({K.DEMOGRAPHICS, K.VITALS}),
    Duty.RECEPTION: frozenset({K.DEMOGRAPHICS, K.COVERAGE}),
    Duty.LABORATORY: frozenset({K.DEMOGRAPHICS, K.RESULTS}),
}
#: Duties that only a licensed professional has.
LICENSED = frozenset({Duty.PHYSICIAN, Duty.NURSE, Duty.PHARMACIST, Duty.LABORATORY})


class Staff(Record, frozen=True, tag="staff"):
    """Somebody's employment: times in ms, ``dismissed`` 0 while it lasts."""

    person: Bytes32
    duties: Annotated[tuple[Duty, ...], msgspec.Meta(min_length=1, max_length=16)]
    since: Count
    dismissed: Count


class StaffLink(Record, frozen=True, tag="staff-link"):
    """A warrant that was passed on to somebody of the staff; ``label`` is what its revocation derives from."""

    person: Bytes32
    label: Bytes32
    warrant: Warrant


@dataclass(frozen=True)
class StaffInfo:
    """Somebody of the staff. Times in ms; ``dismissed`` 0: not dismissed. ``ended``: warrants revoked by the dismissal."""

    name: str
    person: str
    duties: tuple[str, ...]
    since: int
    dismissed: int
    ended: int = 0


@dataclass(frozen=True)
class Employment:
    """Whom somebody works for, and with which duties."""

    member: Wallet
    member_id: bytes
    duties: tuple[Duty, ...]


def add_staff(agent: Agent, name: str, duties: tuple[Duty, ...]) -> StaffInfo:
    """Take somebody of this home on, or change the duties."""
    member, wallet = _here(agent), agent.wallet(name)
    if wallet.person == member.person:
        raise AgentRefused("not-staff", "the organisation itself is no member of its staff")
    if not duties:
        raise AgentRefused("not-staff", "name at least one duty")
    known = agent.store.find(Staff, member.person, wallet.person)
    since = known.since if known is not None and not known.dismissed else agent.clock()
    staff = Staff(wallet.person, tuple(sorted(set(duties))), since, 0)
    with agent.store.writing():
        agent.store.put(member.person, wallet.person, staff)
    return _info(agent, staff)


def list_staff(agent: Agent) -> tuple[StaffInfo, ...]:
    """Everybody who works or has worked here."""
    return tuple(_info(agent, staff) for _, staff in agent.store.all(Staff, _here(agent).person))


def dismiss(agent: Agent, name: str) -> StaffInfo:
    """End somebody's employment: nothing is opened by it any more, here or with a warrant that was taken along."""
    member, wallet = _here(agent), agent.wallet(name)
    staff = agent.store.find(Staff, member.person, wallet.person)
    if staff is None or staff.dismissed:
        raise AgentRefused("not-staff", "nobody of that name works here")
    staff = msgspec.structs.replace(staff, dismissed=agent.clock())
    with agent.store.writing():
        agent.store.put(member.person, wallet.person, staff)
    ended = _end_links(agent, member, wallet.person)
    return _info(agent, staff, ended)


def resume_dismissals(agent: Agent) -> None:
    """Revoke what dismissed people still hold: what an earlier command began."""
    member = organisation(agent)
    if member is None:
        return
    for person, staff in agent.store.all(Staff, member.person):
        if staff.dismissed:
            _end_links(agent, member, person)


def employment(agent: Agent, wallet: Wallet) -> Employment | None:
    """Whom the wallet's person works for in this home; None for everybody else."""
    member = organisation(agent)
    staff = agent.store.find(Staff, member.person, wallet.person) if member else None
    if member is None or staff is None or staff.dismissed:
        return None
    return Employment(member, organisation_id(agent, member), staff.duties)


def _here(agent: Agent) -> Wallet:
    """The organisation of this home; ``not-an-organisation`` in any other."""
    found = organisation(agent)
    if found is None:
        raise AgentRefused("not-an-organisation", "this is no organisation's home: nobody works for it")
    return found


def may_open(job: Employment, kind: SectionKind) -> bool:
    """Whether any of the duties opens sections of this kind."""
    return any(kind in OPENS[duty] for duty in job.duties)


def staff_warrant(agent: Agent, wallet: Wallet, job: Employment, part: SectionGrant) -> Warrant:
    """The organisation's warrant, passed on to its staff for the rest of a shift; one that is good already is used again."""
    now = max(newest_header(agent).time, agent.clock())
    root = warrant_id(part.warrant)
    kept = agent.store.find(StaffLink, job.member.person, root + wallet.person)
    if kept is not None and now < kept.warrant.links[-1].link.not_after:
        return kept.warrant
    last = part.warrant.links[-1].link
    if now >= last.not_after:
        raise WarrantRefused("expired", "the warrant has expired")  # there is nothing that could be passed on
    licensed = any(duty in LICENSED and part.kind in OPENS[duty] for duty in job.duties)
    licence = last.licence or (LicenceRight.TREAT if licensed else None)
    narrowing = Narrowing(last.rights, last.entries, now, now + SHIFT, licence)
    label = warrant_id(part.warrant)[:16] + wallet.person[:8] + now.to_bytes(8, "big")
    revocation = revocation_id(job.member.preimage(label))
    name = Delegate(wallet.person, wallet.record.name)
    key = job.member.identity.classic
    warrant = delegated(part.warrant, key, wallet.identity.classic.public, name, narrowing, revocation)
    with agent.store.writing():
        agent.store.put(job.member.person, root + wallet.person, StaffLink(wallet.person, label, warrant))
    return warrant


def _end_links(agent: Agent, member: Wallet, person: bytes) -> int:
    """Revoke every link that the person holds and that is still good; how many."""
    now, ended = newest_header(agent).time, 0
    for key, link in agent.store.all(StaffLink, member.person):
        if link.person != person:
            continue
        preimage = member.preimage(link.label)
        good = now < link.warrant.links[-1].link.not_after
        if good and record(agent, revocation_key(revocation_id(preimage)), Revoked) is None:
            try:
                submit(agent, [Revoke(preimage)], [])
            except LedgerRefused as error:
                if error.code != "already-revoked":
                    raise
            ended += 1
        with agent.store.writing():
            agent.store.drop(StaffLink, member.person, key)
    return ended


def _info(agent: Agent, staff: Staff, ended: int = 0) -> StaffInfo:
    name = next((w.record.name for w in agent.wallets() if w.person == staff.person), staff.person.hex()[:12])
    return StaffInfo(name, staff.person.hex(), tuple(staff.duties), staff.since, staff.dismissed, ended)
