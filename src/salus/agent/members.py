"""Who the network's members are now, as the ledger has it: they come and go by votes."""

from __future__ import annotations

from salus.agent.home import Agent
from salus.agent.verify import record
from salus.errors import AgentRefused
from salus.ledger.modules.members.state import ROSTER, Member, Roster, member_key

_ANEW = 60_000  # ms that who is a member is remembered


def current_members(agent: Agent) -> tuple[bytes, ...]:
    """Their ids, the earliest first; as of a minute ago at most."""
    now = agent.clock()
    if agent.roster is None or not 0 <= now - agent.roster[0] < _ANEW:
        found = record(agent, ROSTER, Roster)
        agent.roster = (now, () if found is None else found.members)
    return agent.roster[1]


def node_key(agent: Agent, identity: bytes) -> bytes:
    """The key of the member's node; `AgentRefused` ``unknown-node`` for one that is no member, or was removed."""
    found = record(agent, member_key(identity), Member) if identity in current_members(agent) else None
    if found is None or found.removed:
        raise AgentRefused("unknown-node", "the node is not of a member of this network")
    return found.node
