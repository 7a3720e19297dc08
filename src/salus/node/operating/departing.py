"""``node leave`` and ``node upgrade``: how far what the members decide on has come for this node, as its own ledger has it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from salus.ids import MemberId
from salus.ledger.genesis import Genesis
from salus.ledger.machine import NEWEST_RULES
from salus.ledger.modules.governance.messages import RemoveMember
from salus.ledger.modules.governance.queries import planned_rules, proposal, proposals_made
from salus.ledger.modules.governance.state import Proposal, Stage
from salus.ledger.modules.members.queries import known_member
from salus.node.identity import own_member
from salus.node.operating.looking import Ledger, anchored, looking
from salus.node.vault.lying import held_blobs


@dataclass(frozen=True)
class Departure:
    """Whether the member is one no longer; else the proposal under way that it leaves, and its number, or None and 0.

    ``held``: of a member that has left, how many sealed blobs are here still, as others have not said yet that they keep them.
    """

    member: MemberId
    removed: bool
    number: int
    proposal: Proposal | None
    held: int


@dataclass(frozen=True)
class Rules:
    """The newest rules that were decided on, from which block on they hold, where the ledger is, and the newest known here."""

    version: int
    begins: int
    height: int
    known: int


def departure(node: Path, genesis: Genesis) -> Departure:
    """How far it is with the leaving of the member whose node lies in the folder, also while it is served."""
    with looking(node / "ledger") as ledger:
        own = own_member(genesis, node)
        if known_member(ledger, own).removed:
            with held_blobs(node) as blobs:
                return Departure(own, True, 0, None, sum(blobs.has(blob) for blob in anchored(ledger)))
        number, found = _proposed(ledger, own)
        return Departure(own, False, number, found, 0)


def rules(node: Path) -> Rules:
    """By which rules the network goes, or will go, as the node in the folder has it."""
    with looking(node / "ledger") as ledger:
        planned = planned_rules(ledger)
        return Rules(planned.version, planned.height, ledger.height(), NEWEST_RULES)


def _proposed(ledger: Ledger, member: bytes) -> tuple[int, Proposal | None]:
    """The newest proposal under way to remove the member."""
    for number in range(proposals_made(ledger), 0, -1):
        found = proposal(ledger, number)
        if found.change == RemoveMember(member) and found.stage in (Stage.OPEN, Stage.ACCEPTED):
            return number, found
    return 0, None
