"""What others may read of the proposals."""

from __future__ import annotations

from salus.errors import LedgerRefused
from salus.ledger.modules.governance.state import PROPOSALS, RULES, Proposal, ProposalCount, Rules, proposal_key
from salus.ledger.store import Reader, load

FIRST_RULES = 1


def proposal(reader: Reader, number: int) -> Proposal:
    """The proposal; `LedgerRefused` ``no-such-proposal`` otherwise."""
    found = load(reader, proposal_key(number), Proposal)
    if found is None:
        raise LedgerRefused("no-such-proposal", "no proposal of this number")
    return found


def proposals_made(reader: Reader) -> int:
    """How many proposals were ever made: the number of the newest."""
    found = load(reader, PROPOSALS, ProposalCount)
    return 0 if found is None else found.count


def planned_rules(reader: Reader) -> Rules:
    """The newest rules that were decided on, whether or not their height has come."""
    return load(reader, RULES, Rules) or Rules(0, FIRST_RULES)
