"""What somebody may use: grants of one's own, and those of the organisation that one works for, as far as one's duties go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from salus.agent.asking import Asking
from salus.agent.home import Agent
from salus.agent.services.received import grants_from
from salus.agent.services.staffing import Employment, employment, may_open, staff_warrant
from salus.agent.verify import records
from salus.agent.wallet import Wallet
from salus.charts.grant import Grant, SectionGrant
from salus.charts.sections import SectionKind
from salus.exchange.cards import SignedCard
from salus.ledger.modules.revocations.state import Revoked, revocation_key
from salus.warrants.link import Right, Warrant


@dataclass(frozen=True)
class Held:
    """One section of a grant that can be used, and by ``asking`` how; the warrant for staff is made when it is asked for."""

    grant: Grant
    patient: SignedCard
    part: SectionGrant
    asking: Callable[[], Asking]

    @property
    def patient_ids(self) -> tuple[bytes, ...]:
        """The ids under which the patient signs and has signed."""
        return (self.grant.patient, *self.grant.patient_ids)


def held_parts(agent: Agent, wallet: Wallet, patient: str, sections: Sequence[SectionKind] = ()) -> list[Held]:
    """Everything of the ``patient`` (a name or person id) that the wallet may use, oldest first; one's own grants last."""
    found: list[Held] = []
    job = employment(agent, wallet)
    if job is not None:
        for grant, card in grants_from(agent, job.member, patient):
            found += [
                Held(grant, card, part, _for_staff(agent, wallet, job, part))
                for part in grant.sections
                if may_open(job, part.kind)
            ]
    for grant, card in grants_from(agent, wallet, patient):
        found += [Held(grant, card, part, as_oneself(wallet, part)) for part in grant.sections]
    return [held for held in found if not sections or held.part.kind in sections]


def shares(agent: Agent, wallet: Wallet, patient: str, section: SectionKind) -> bool:
    """Whether the ``patient`` (a name or person id) lets the wallet read the section now, by a grant that was not taken back."""
    parts = [held.part for held in held_parts(agent, wallet, patient, (section,))]
    return any(Right.READ in part.warrant.links[-1].link.rights and not has_ended(agent, part.warrant) for part in parts)


def has_ended(agent: Agent, warrant: Warrant) -> bool:
    """Whether the ledger proves that the warrant was taken back, or has run out."""
    links = [signed.link for signed in warrant.links]
    gone, header = records(agent, [revocation_key(link.revocation) for link in links], Revoked)
    return any(gone) or min(link.not_after for link in links) <= header.time


def as_oneself(wallet: Wallet, part: SectionGrant) -> Callable[[], Asking]:
    """By a grant of one's own."""
    return lambda: Asking(wallet, wallet.identity.classic, part.warrant)


def _for_staff(agent: Agent, wallet: Wallet, job: Employment, part: SectionGrant) -> Callable[[], Asking]:
    def asking() -> Asking:
        warrant = staff_warrant(agent, wallet, job, part)
        return Asking(wallet, wallet.identity.classic, warrant, job.member_id, job.member.person)

    return asking
