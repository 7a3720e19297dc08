"""Checkpoints: what a home that slept too long goes by, from somebody else than the node that it asks."""

from __future__ import annotations

from salus.agent.home import Agent
from salus.agent.store import Store
from salus.agent.verify import newest_header, require_not_behind
from salus.errors import AgentRefused
from salus.ids import Millis
from salus.ledger.genesis import Genesis
from salus.ledger.header import ProvenHeader
from salus.ledger.trusting import Trusted, followed, require_named, trusted_from


def checkpoint(agent: Agent) -> ProvenHeader:
    """The newest header, verified by this home."""
    newest_header(agent)
    assert agent.believed is not None
    return agent.believed


def take_checkpoint(store: Store, genesis: Genesis, now: Millis, signed: ProvenHeader) -> Trusted:
    """Go by a checkpoint; what this home goes by then. Only what it went by before proves it: no node is asked.

    Raises as `salus.ledger.trusting.followed`; ``stale-checkpoint`` for one that is itself too old to go by, and ``stale-node``
    or ``forked-node`` for one that is not above what was verified before.
    """
    if now - signed.header.time > genesis.parameters.trust_period:
        raise AgentRefused("stale-checkpoint", "the checkpoint is too old itself; get a newer one")
    pin = store.find(Trusted, b"", b"")
    if pin is not None and signed.header.height <= pin.height:
        require_named(genesis, signed)
        require_not_behind(pin, signed.header)
        return pin
    trusted = followed(genesis, trusted_from(genesis) if pin is None else pin, signed)
    with store.writing():
        store.put(b"", b"", trusted)
    return trusted
