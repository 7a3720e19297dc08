"""A ledger whose members vote: named members, and calls for "propose this" and "all of these vote"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ledger_world import START, Ledger, public, signed, some
from salus.codec import encode
from salus.ids import Millis
from salus.ledger.genesis import Genesis, GenesisMember, LicenceRight, Parameters, ValidatingMember, member_id
from salus.ledger.lightblock import address
from salus.ledger.modules.governance.messages import CastVote, Change, Propose
from salus.ledger.modules.governance.queries import proposal, proposals_made
from salus.ledger.modules.governance.state import Proposal, Stage
from salus.ledger.tx import Action

VOTING, LOCK = 60_000, 10_000  # ms


def identity(name: str) -> bytes:
    """The member of that name."""
    return member_id(public(f"{name} authority"))


def peer(name: str) -> bytes:
    """The id of the member's engine."""
    return some(f"{name} peer")[:20]


def council(*names: str, validating: bool = True) -> Genesis:
    """The genesis document of these members."""
    rights = (LicenceRight.TREAT,)
    members = [
        ValidatingMember(public(f"{name} authority"), public(f"{name} node"), rights, public(f"{name} validator"), peer(name))
        if validating
        else GenesisMember(public(f"{name} authority"), public(f"{name} node"), rights)
        for name in names
    ]
    return Genesis(bytes(16), Millis(START), tuple(members), Parameters(voting_period=VOTING, time_lock=LOCK))


@dataclass
class Council(Ledger):
    """Four members that validate, called a to d, unless another genesis document is given. Whoever acts sponsors it."""

    genesis: Genesis = field(default_factory=lambda: council(*"abcd"))

    def act(self, name: str, *actions: Action, by: Sequence[str] | None = None) -> str:
        """The refusal of what ``name`` sponsors and signs with its authority key (or ``by``); "" when it was applied."""
        keys = [f"{name} authority"] if by is None else by
        return self.run(encode(signed(self.body(*actions, sponsor=identity(name)), f"{name} node", *keys)))

    def propose(self, change: Change, name: str = "a") -> str:
        """The refusal of a proposal by ``name``."""
        return self.act(name, Propose(identity(name), change, bytes(32)))

    def vote(self, name: str, number: int = 0, *, favour: bool = True) -> str:
        """The refusal of a vote on the proposal of that number, or the newest."""
        return self.act(name, CastVote(identity(name), number or proposals_made(self.store), favour))

    def newest(self) -> Proposal:
        """The newest proposal."""
        return proposal(self.store, proposals_made(self.store))

    def wait(self, ms: int = LOCK) -> None:
        """An empty block, so much later."""
        self.block(at=self.time + ms)

    def decide(self, change: Change, voters: str = "abc") -> Proposal:
        """Have the change proposed by the first of ``voters``, voted for by the others, and come into effect."""
        assert self.propose(change, voters[0]) == ""
        for name in voters[1:]:
            assert self.newest().stage is not Stage.OPEN or self.vote(name) == ""
        self.wait()
        return self.newest()

    def validator(self, name: str) -> bytes:
        """The address of the member's validator."""
        return address(public(f"{name} validator"))
