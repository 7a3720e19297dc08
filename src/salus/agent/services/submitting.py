"""Submitting actions: one signed body, kept until it is committed or expired, and resent as it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import msgspec

from salus.agent.home import Agent
from salus.agent.members import current_members, node_key
from salus.agent.verify import newest_header
from salus.codec import Record, decode, encode
from salus.crypto.keys import fresh_nonce
from salus.crypto.signing import SigningKey
from salus.errors import AgentRefused, NodeRefused, SalusError
from salus.exchange.api import MAX_SUBMISSION, Submission
from salus.exchange.client import UNREACHED
from salus.ids import BodyHash
from salus.ledger.tx import RIGHTS_PROTECTING, SIGNATURE_TAG, Action, Body, Signature, Transaction, body_hash, protects_rights

#: Refusals that tell of another device, and are looked into by whoever asked.
_RACES = ("ledger/schedule-changed", "ledger/bad-schedule")
_EXPIRY = 300_000  # ms ahead; at most the network's max_expiry


@dataclass(frozen=True)
class Committed:
    """Where a body was committed."""

    body: BodyHash
    height: int


class Outgoing(Record, frozen=True, tag="outgoing"):
    """A submission that was signed and may not have arrived."""

    submission: Annotated[bytes, msgspec.Meta(max_length=MAX_SUBMISSION + 1024)]


@dataclass(frozen=True)
class Wanted:
    """Actions that apply together, by whom they are signed, and the blobs that they anchor: at most one patient's section."""

    actions: Sequence[Action]
    keys: Sequence[SigningKey]
    blobs: Sequence[bytes] = ()


def submit(agent: Agent, actions: Sequence[Action], keys: Sequence[SigningKey], blobs: Sequence[bytes] = ()) -> Committed:
    """Sign, keep, send. At most one patient's section a call: nothing on the ledger may link two.

    A node that does not take it is passed over, and the next one's member sponsors: no member keeps its people from going on,
    whatever reason it gives for not sponsoring a revocation, a rotation or a hand-over. When none takes it, the first reason.
    """
    (outcome,) = submit_all(agent, [Wanted(actions, keys, blobs)])
    if isinstance(outcome, SalusError):
        raise outcome
    return outcome


def submit_all(agent: Agent, wanted: Sequence[Wanted], keep: Callable[[], None] = lambda: None) -> list[Committed | SalusError]:
    """As `submit`, of several bodies at once: what became of each. ``keep`` writes what must be durable before any is sent."""
    submissions = [prepare(agent, one.actions, one.keys, one.blobs) for one in wanted]
    if not submissions:
        return []
    outcomes = send_all(agent, submissions, keep)
    return [_insisted(agent, *one) for one in zip(wanted, submissions, outcomes, strict=True)]


def _insisted(agent: Agent, wanted: Wanted, submission: Submission, outcome: Committed | SalusError) -> Committed | SalusError:
    """What becomes of it at the nodes that are left, where the one that was asked did not take it."""
    reasons: list[SalusError] = []
    sponsors: list[bytes] = []
    while isinstance(outcome, SalusError):
        reasons.append(outcome)
        if not _elsewhere(outcome, wanted.actions):
            return outcome
        body = _body(submission)
        sponsors.append(body.sponsor)
        if _sponsor(agent) in sponsors and not _passed_over(agent, sponsors):
            return reasons[0]
        known = agent.network.result(body_hash(body))
        _forget(agent, [body_hash(body)])
        if known.height and not known.refusal:  # the one that did not say so had it committed
            return Committed(body_hash(body), known.height)
        submission = prepare(agent, wanted.actions, wanted.keys, wanted.blobs)
        (outcome,) = send_all(agent, [submission])
    return outcome


def _passed_over(agent: Agent, sponsors: Sequence[bytes]) -> bool:
    """Leave the node in use for one whose member is not among the ``sponsors`` that were asked; whether there is one."""
    return agent.pass_over() and _sponsor(agent) not in sponsors


def prepare(agent: Agent, actions: Sequence[Action], keys: Sequence[SigningKey], blobs: Sequence[bytes] = ()) -> Submission:
    """The signed submission, not yet sent."""
    now = max(newest_header(agent).time, agent.clock())
    body = Body(agent.network_id, now + _EXPIRY, fresh_nonce(), _sponsor(agent), tuple(actions))
    digest = body_hash(body)
    unique = {key.public: key for key in keys}
    signed = tuple(Signature(public, unique[public].sign(SIGNATURE_TAG, digest)) for public in sorted(unique))
    if not signed:  # only the sponsor signs; a placeholder keeps the shape until it does
        signed = (Signature(_sponsor_key(agent), bytes(64)),)
    return Submission(encode(Transaction(body, signed)), tuple(blobs))


def send(agent: Agent, submission: Submission) -> Committed:
    """Keep the submission durably, send it, and forget it when the node has answered."""
    (outcome,) = send_all(agent, [submission])
    if isinstance(outcome, SalusError):
        raise outcome
    return outcome


def send_all(
    agent: Agent, submissions: Sequence[Submission], keep: Callable[[], None] = lambda: None
) -> list[Committed | SalusError]:
    """As `send`, of several at once: one durable step before, and one block for as many as a node takes together.

    While what an earlier command sent is undecided, nothing follows it but what protects rights: `AgentRefused` ``undecided``.
    """
    if agent.undecided and not all(protects_rights(_body(submission)) for submission in submissions):
        raise AgentRefused("undecided", "the network has not decided on what was sent before; until then nothing more is sent")
    with agent.store.writing():
        keep()
        for submission in submissions:
            agent.store.put(b"", body_hash(_body(submission)), Outgoing(encode(submission)))
    return _deliver(agent, submissions)


def resume_submissions(agent: Agent) -> int:
    """Resend what an earlier command left, as it was; how many were waiting. What has expired or is refused is forgotten."""
    waiting = agent.store.all(Outgoing, b"")
    for _, outgoing in waiting:
        submission = decode(outgoing.submission, Submission, limit=MAX_SUBMISSION + 1024)
        (outcome,) = _deliver(agent, [submission])
        if isinstance(outcome, AgentRefused):
            raise outcome  # of another refusal: its service looks at the state before it signs another
    agent.undecided = False
    return len(waiting)


def _deliver(agent: Agent, submissions: Sequence[Submission]) -> list[Committed | SalusError]:
    """What became of each at the node; what it has answered is forgotten, what it has not is sent again by a later command."""
    bodies = [body_hash(_body(submission)) for submission in submissions]
    answers = agent.at_once([partial(agent.network.submit, submission) for submission in submissions])
    told = list(zip(bodies, answers, strict=True))
    _forget(agent, [body for body, answer in told if not isinstance(answer, AgentRefused)])
    agent.undecided |= any(isinstance(answer, AgentRefused) and answer.code == "undecided" for answer in answers)
    return [answer if isinstance(answer, SalusError) else Committed(body, answer.height) for body, answer in told]


def _elsewhere(error: SalusError, actions: Sequence[Action]) -> bool:
    """Whether another member may take what this one refused: not what the ledger itself refuses, as far as that can be told."""
    if error.full_code in _RACES:
        return False
    refused_here = isinstance(error, NodeRefused) or error.full_code in ("ledger/quota-spent", *UNREACHED)
    return refused_here or all(isinstance(action, RIGHTS_PROTECTING) for action in actions)


def _forget(agent: Agent, bodies: Sequence[BodyHash]) -> None:
    """Not to be sent again; where a power cut undoes that, the same body is answered with what became of it."""
    with agent.store.tidying():
        for body in bodies:
            agent.store.drop(Outgoing, b"", body)


def _body(submission: Submission) -> Body:
    return decode(submission.transaction, Transaction, limit=1_048_576).body


def _sponsor(agent: Agent) -> bytes:
    sponsor = agent.network.status().member
    if sponsor not in current_members(agent):
        raise AgentRefused("unknown-node", "the node is not of a member of this network")
    return sponsor


def _sponsor_key(agent: Agent) -> bytes:
    return node_key(agent, _sponsor(agent))
