"""State that the agent believes: proven under a header that it can follow from the last, never older than what it saw before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

from salus.agent.home import Agent
from salus.agent.nodes import PRUNED
from salus.codec import Record, decode
from salus.errors import AgentRefused, CryptoRefused, LedgerRefused, Malformed, NodeRefused, SalusError
from salus.ids import Count
from salus.ledger.header import AnyHeader, ProvenHeader, header_hash
from salus.ledger.trusting import Trusted, led, require_named, trusted_from
from salus.ledger.verifying import StateAnswer, require_proven

R = TypeVar("R", bound=Record)
T = TypeVar("T")

_LEAF = 262_144
_NO_LIE = ("checkpoint-needed", "no-archive")
_PAGE = 500


class CaughtNode(Record, frozen=True, tag="caught-node"):
    """A node that told what is not so: the code of what did not verify, and when (ms)."""

    code: str
    time: Count


def newest_header(agent: Agent, *, fresh: bool = False) -> AnyHeader:
    """The node's newest header, verified and pinned."""
    return _from_some_node(agent, lambda: _newest(agent, fresh=fresh))


def come_by(agent: Agent, height: int, known: bytes) -> None:
    """Follow the ledger to ``height``, where ``known`` is the header's hash as somebody has said it who is trusted.

    ``forked-node`` where every node shows another one: whoever has the keys of validators that left long ago could.
    """

    def come() -> None:
        signed = agent.network.header(height)
        if header_hash(signed.header) != known:
            raise AgentRefused("forked-node", "the node shows another ledger than the invitation speaks of")
        pin = agent.store.find(Trusted, b"", b"")
        if pin is None or pin.height < height:
            _accept(agent, signed)

    _from_some_node(agent, come)


def proven(agent: Agent, keys: Sequence[bytes]) -> tuple[list[StateAnswer], AnyHeader]:
    """The proven answers for ``keys``, and the newest header that they stand under."""
    return _from_some_node(agent, lambda: _proven(agent, keys))


def _from_some_node(agent: Agent, ask: Callable[[], T]) -> T:
    """What a node answers that verifies: one whose answer does not is noted and left for the next, as long as there is one."""
    nudged = False
    while True:
        try:
            return ask()
        except (AgentRefused, LedgerRefused, CryptoRefused, Malformed) as lie:
            if lie.code in _NO_LIE:
                raise
            if lie.code == "stale-node" and not nudged:  # one that follows may be a moment behind
                nudged = True
                with suppress(SalusError):
                    agent.network.header(None, fresh=True)
                continue
            caught = agent.turn_away()
            if not caught:
                raise
            with agent.store.writing():
                agent.store.put(b"", caught.encode("ascii"), CaughtNode(lie.full_code, agent.clock()))


def _newest(agent: Agent, *, fresh: bool) -> AnyHeader:
    signed = agent.network.header(None, fresh=fresh)
    _accept(agent, signed)
    return signed.header


def _proven(agent: Agent, keys: Sequence[bytes]) -> tuple[list[StateAnswer], AnyHeader]:
    answers: list[StateAnswer] = []
    for start in range(0, len(keys), _PAGE):
        page = keys[start : start + _PAGE]
        got = agent.network.states(page)
        require_asked(page, got)
        answers += got
    for header in dict.fromkeys(answer.header for answer in answers):
        _accept(agent, header)
    for answer in answers:
        require_proven(answer)
    return answers, (answers[-1].header.header if answers else _newest(agent, fresh=False))


def records(agent: Agent, keys: Sequence[bytes], shape: type[R]) -> tuple[list[R | None], AnyHeader]:
    """As `proven`, each value decoded as ``shape``; None where it is proven absent."""
    answers, header = proven(agent, keys)
    values = [None if a.value is None else decode(a.value, shape, limit=_LEAF) for a in answers]
    return values, header


def record(agent: Agent, key: bytes, shape: type[R]) -> R | None:
    """One proven record, or None."""
    return records(agent, [key], shape)[0][0]


def require_asked(keys: Sequence[bytes], answers: Sequence[StateAnswer]) -> None:
    """Raise `LedgerRefused` ``wrong-answer`` unless the node answered just what was asked."""
    if [answer.key for answer in answers] != list(keys):
        raise LedgerRefused("wrong-answer", "the node answered something else than was asked")


def _accept(agent: Agent, signed: ProvenHeader) -> None:
    if signed == agent.believed:  # a header is verified and pinned once, however many answers stand under it
        return
    pin = agent.store.find(Trusted, b"", b"")
    if pin is None or signed.header.height > pin.height:
        require_within_trust(agent, pin)
        going_by = trusted_from(agent.genesis) if pin is None else pin
        trusted, _ = led(agent.genesis, going_by, signed, partial(header_between, agent))
        keep_trusted(agent, trusted)
    else:
        require_named(agent.genesis, signed)
        require_not_behind(pin, signed.header)
    agent.believed = signed


def header_between(agent: Agent, height: int) -> ProvenHeader:
    """An old header, such as leads to a newer one; `AgentRefused` ``no-archive`` where no node of this home has it any more."""
    try:
        return agent.network.header(height)
    except NodeRefused as refused:
        if refused.full_code != PRUNED:
            raise
        raise AgentRefused(
            "no-archive",
            "what this home has seen, or was handed, is older than what its nodes keep: name a node that keeps all blocks, or "
            "get a checkpoint from when fewer validators had changed (salus node checkpoint), and take it in (salus node trust)",
        ) from refused


def keep_trusted(agent: Agent, trusted: Trusted) -> None:
    """Go by this header from now on."""
    with agent.store.writing():
        agent.store.put(b"", b"", trusted)


def require_within_trust(agent: Agent, pin: Trusted | None) -> None:
    """Raise ``checkpoint-needed`` where what was verified last is too old to go by.

    Validators that have left long ago could have lost their keys since, and whoever has those could show another ledger.
    """
    if pin is None or not pin.validators or agent.clock() - pin.time <= agent.genesis.parameters.trust_period:
        return
    raise AgentRefused(
        "checkpoint-needed",
        "this home has not looked at the ledger for so long that its validators may have changed: "
        "get a checkpoint from somebody whom you trust (salus node checkpoint), and take it in (salus node trust)",
    )


def require_not_behind(pin: Trusted | None, header: AnyHeader) -> None:
    """Raise ``stale-node`` for a header below the pinned one, ``forked-node`` for another at the same height."""
    if pin is None or header.height > pin.height:
        return
    if header.height < pin.height:
        raise AgentRefused("stale-node", "the node shows an older ledger than was seen before")
    if header_hash(header) != pin.hash:
        raise AgentRefused("forked-node", "the node shows another ledger than was seen before")
