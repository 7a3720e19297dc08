"""Proposals and votes. A decision has its effect once its time-lock has ended, so that everybody can see it come.

A proposal is accepted as soon as two thirds of those who are members then are for it, and refused as soon as that cannot be any
more. Votes of members that were removed do not count.
"""

from __future__ import annotations

from dataclasses import replace as moved

import msgspec

from salus.errors import LedgerRefused, SalusError
from salus.ids import VerifyKey
from salus.ledger.context import Context
from salus.ledger.module import Handler, Module
from salus.ledger.modules.governance.changing import change
from salus.ledger.modules.governance.messages import CastVote, Propose
from salus.ledger.modules.governance.queries import proposal, proposals_made
from salus.ledger.modules.governance.state import (
    MAX_OPEN,
    PROPOSALS,
    OpenProposals,
    Proposal,
    ProposalCount,
    Stage,
    open_key,
    proposal_key,
)
from salus.ledger.modules.members.queries import current_members, member
from salus.ledger.store import Overlay, Reader, load

CLOSE, EFFECT = "governance/close", "governance/effect"


def _proposer(reader: Reader, message: Propose) -> tuple[VerifyKey, ...]:
    return (VerifyKey(member(reader, message.proposer).authority),)


def _propose(context: Context, message: Propose) -> None:
    if _open(context, message.proposer) == MAX_OPEN:
        raise LedgerRefused("too-many-proposals", "this member has as many open proposals as it may have")
    change(moved(context, state=Overlay(context.state)), message.change)  # nobody needs to vote on what is impossible
    number, until = proposals_made(context.state) + 1, context.time + context.parameters.voting_period
    told = (message.proposer, message.change, message.document, context.time, until)
    context.put(PROPOSALS, ProposalCount(number))
    _count(context, message.proposer, 1)
    context.at(until, CLOSE, _subject(number))
    _settle(context, number, Proposal(*told, Stage.OPEN, 0, (message.proposer,), (), ""))


def _voter(reader: Reader, message: CastVote) -> tuple[VerifyKey, ...]:
    return (VerifyKey(member(reader, message.member).authority),)


def _vote(context: Context, message: CastVote) -> None:
    found = proposal(context.state, message.proposal)
    if message.member in (*found.yes, *found.no):
        raise LedgerRefused("voted-already", "this member has voted on the proposal")
    if found.stage is not Stage.OPEN:
        raise LedgerRefused("vote-closed", "the proposal is not open any more")
    side = {"yes": (*found.yes, message.member)} if message.favour else {"no": (*found.no, message.member)}
    _settle(context, message.proposal, msgspec.structs.replace(found, **side))


def _settle(context: Context, number: int, found: Proposal) -> None:
    """Keep the proposal, accepted or refused where that is decided now."""
    standing = current_members(context.state)
    against = [one for one in standing if one in found.no]
    if 3 * len([one for one in standing if one in found.yes]) >= 2 * len(standing):
        effect = context.time + context.parameters.time_lock
        found = msgspec.structs.replace(found, stage=Stage.ACCEPTED, effect=effect)
        context.at(effect, EFFECT, _subject(number))
    elif 3 * (len(standing) - len(against)) < 2 * len(standing):
        found = msgspec.structs.replace(found, stage=Stage.REFUSED)
    if found.stage is not Stage.OPEN:
        _count(context, found.proposer, -1)
    context.put(proposal_key(number), found)


def _subject(number: int) -> bytes:
    return number.to_bytes(8, "big")


def _close(context: Context, subject: bytes) -> None:
    number = int.from_bytes(subject, "big")
    found = proposal(context.state, number)
    if found.stage is Stage.OPEN:
        _count(context, found.proposer, -1)
        context.put(proposal_key(number), msgspec.structs.replace(found, stage=Stage.LAPSED))


def _effect(context: Context, subject: bytes) -> None:
    number = int.from_bytes(subject, "big")
    found, overlay = proposal(context.state, number), Overlay(context.state)
    try:
        change(moved(context, state=overlay), found.change)
    except SalusError as refusal:
        found = msgspec.structs.replace(found, stage=Stage.FAILED, failure=refusal.full_code)
    else:
        overlay.fold_into(context.state)
        found = msgspec.structs.replace(found, stage=Stage.DONE)
    context.put(proposal_key(number), found)


def _open(context: Context, proposer: bytes) -> int:
    found = load(context.state, open_key(proposer), OpenProposals)
    return 0 if found is None else found.count


def _count(context: Context, proposer: bytes, more: int) -> None:
    context.put(open_key(proposer), OpenProposals(_open(context, proposer) + more))


MODULE = Module(
    "governance",
    {Propose: Handler(_proposer, _propose), CastVote: Handler(_voter, _vote)},
    due={CLOSE: _close, EFFECT: _effect},
)
