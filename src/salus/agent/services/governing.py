"""What the members decide together: who is one, what each may license, whose votes weigh what; proposed, voted on, and shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from salus.agent.home import Agent
from salus.agent.members import current_members
from salus.agent.services.licensing import member_wallet
from salus.agent.services.submitting import prepare, send
from salus.agent.verify import record, records
from salus.errors import AgentRefused
from salus.ledger.genesis import GenesisMember, ValidatingMember, member_id
from salus.ledger.modules.governance.messages import (
    AdmitMember,
    CastVote,
    Change,
    Propose,
    RemoveMember,
    SetPower,
    SetRights,
    UndoLicences,
    Upgrade,
)
from salus.ledger.modules.governance.state import PROPOSALS, Proposal, ProposalCount, proposal_key
from salus.ledger.modules.members.messages import RenewValidator
from salus.ledger.modules.members.state import (
    NO_KEY,
    NO_PEER,
    Member,
    Misbehaviour,
    Seat,
    member_key,
    misbehaviour_key,
    seat_key,
)

SHOWN = 100  # of all proposals, so many of the newest are shown


@dataclass(frozen=True)
class MemberInfo:
    """A member: ``power`` is what its validator's vote weighs, 0 without a seat; ``caught`` when it lost one (ms), or 0."""

    member: str
    node: str
    rights: tuple[str, ...]
    power: int
    caught: int


@dataclass(frozen=True)
class ProposalInfo:
    """A proposal. ``what`` says in words what it changes; times in ms, ``effect`` 0 until it is accepted."""

    number: int
    what: str
    stage: str
    proposer: str
    document: str
    opened: int
    until: int
    effect: int
    yes: tuple[str, ...]
    no: tuple[str, ...]
    failure: str


def show_members(agent: Agent) -> list[MemberInfo]:
    """Everybody who is a member now."""
    agent.roster = None
    ids = current_members(agent)
    found, _ = records(agent, [member_key(identity) for identity in ids], Member)
    seats, _ = records(agent, [seat_key(identity) for identity in ids], Seat)
    caught, _ = records(agent, [misbehaviour_key(identity) for identity in ids], Misbehaviour)
    return [
        MemberInfo(identity.hex(), one.node.hex(), tuple(one.rights), seat.power if seat else 0, bad.time if bad else 0)
        for identity, one, seat, bad in zip(ids, found, seats, caught, strict=True)
        if one is not None
    ]


def find_member(agent: Agent, named: str) -> bytes:
    """The member whose id begins so; ``no-such-member``, and ``ambiguous-member`` where several do."""
    found = [identity for identity in current_members(agent) if named and identity.hex().startswith(named.lower())]
    if len(found) > 1:
        raise AgentRefused("ambiguous-member", "several members' ids begin so; name more digits")
    if not found:
        raise AgentRefused("no-such-member", "no member's id begins so (salus members list)")
    return found[0]


def admission(prepared: GenesisMember | ValidatingMember, rights: tuple[Any, ...] | None) -> AdmitMember:
    """The admission of a member as it has prepared itself; with ``rights`` in place of those that it named."""
    engine = (prepared.validator, prepared.peer) if isinstance(prepared, ValidatingMember) else (NO_KEY, NO_PEER)
    return AdmitMember(prepared.authority, prepared.node, prepared.rights if rights is None else rights, *engine)


def propose(agent: Agent, change: Change, document: bytes = bytes(32)) -> ProposalInfo:
    """Propose a change for this home's member, which is for it; ``document``: the SHA-256 of what explains it."""
    wallet = member_wallet(agent)
    before = _made(agent)
    send(agent, prepare(agent, [Propose(member_id(wallet.authority.public), change, document)], [wallet.authority]))
    found = _shown(agent, before + 1, _made(agent))
    return next(one for one in found if one.proposer == member_id(wallet.authority.public).hex() and one.what == describe(change))


def vote(agent: Agent, number: int, *, favour: bool) -> ProposalInfo:
    """Vote on a proposal for this home's member."""
    wallet = member_wallet(agent)
    send(agent, prepare(agent, [CastVote(member_id(wallet.authority.public), number, favour)], [wallet.authority]))
    return _shown(agent, number, number)[0]


def renew_validator(agent: Agent, key: bytes) -> None:
    """Let this home's member vote with another key of its validator."""
    wallet = member_wallet(agent)
    send(agent, prepare(agent, [RenewValidator(member_id(wallet.authority.public), key)], [wallet.authority]))


def show_proposals(agent: Agent) -> list[ProposalInfo]:
    """The newest proposals, the newest first."""
    newest = _made(agent)
    return _shown(agent, max(1, newest - SHOWN + 1), newest)[::-1]


def describe(change: Change) -> str:
    """What the change does, in words."""
    return _WORDS[type(change)](change)


def _made(agent: Agent) -> int:
    found = record(agent, PROPOSALS, ProposalCount)
    return 0 if found is None else found.count


def _shown(agent: Agent, first: int, last: int) -> list[ProposalInfo]:
    numbers = range(first, last + 1)
    found, _ = records(agent, [proposal_key(number) for number in numbers], Proposal)
    return [
        ProposalInfo(
            number,
            describe(one.change),
            one.stage.value,
            one.proposer.hex(),
            one.document.hex() if any(one.document) else "",
            one.opened,
            one.until,
            one.effect,
            tuple(voter.hex() for voter in one.yes),
            tuple(voter.hex() for voter in one.no),
            one.failure,
        )
        for number, one in zip(numbers, found, strict=True)
        if one is not None
    ]


def _rights(rights: tuple[Any, ...]) -> str:
    return ", ".join(rights) or "nothing"


_WORDS: Mapping[type, Callable[[Any], str]] = {
    AdmitMember: lambda c: f"admit member {member_id(c.authority).hex()}, who may license: {_rights(c.rights)}",
    RemoveMember: lambda c: f"remove member {c.member.hex()}",
    SetRights: lambda c: f"let member {c.member.hex()} license: {_rights(c.rights)}",
    SetPower: lambda c: (
        f"give the validator of member {c.member.hex()} the power {c.power}"
        if c.power
        else f"take its seat from the validator of member {c.member.hex()}"
    ),
    UndoLicences: lambda c: f"undo every licence that member {c.issuer.hex()} issued in block {c.height} or later",
    Upgrade: lambda c: f"go by rules of version {c.version} from block {c.height} on",
}
