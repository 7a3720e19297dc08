"""The agent's half of a home folder, opened: its store, its network, its principals. Services take an `Agent` and act."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from salus.agent.at_once import AtOnce, one_by_one
from salus.agent.network import Network
from salus.agent.outbox import Outbox
from salus.agent.store import Store
from salus.agent.wallet import PrincipalRecord, Wallet
from salus.errors import AgentRefused
from salus.ids import Millis, NetworkId
from salus.ledger.genesis import Genesis, network_id
from salus.ledger.header import ProvenHeader


@dataclass
class Agent:
    """``genesis`` is the agent's own copy, the root of all that it verifies; ``clock`` gives ms since the epoch.

    ``turn_away`` leaves a node that was caught for another: its address, or "" where there is no other. ``pass_over`` leaves
    one that does not do what was asked, for as long as there is another: whether there is; it may be asked again later.
    ``outbox``: how long what is not urgent waits. ``at_once``: how several questions are put to the network. ``believed``: the
    header that was verified and pinned last. ``undecided``: whether the network has not decided yet on something that was sent.
    ``outage``: no node answered when the home was opened. ``roster``: when it was asked who the members are (ms), and who they
    are.
    """

    store: Store
    index: Store
    network: Network
    genesis: Genesis
    clock: Callable[[], Millis]
    turn_away: Callable[[], str] = str
    pass_over: Callable[[], bool] = bool
    outbox: Outbox = field(default_factory=Outbox)
    at_once: AtOnce = one_by_one
    believed: ProvenHeader | None = field(default=None, repr=False)
    undecided: bool = False
    outage: bool = False
    roster: tuple[Millis, tuple[bytes, ...]] | None = field(default=None, repr=False)
    _wallets: dict[PrincipalRecord, Wallet] = field(default_factory=dict, repr=False)  # deriving the keys takes its time

    @property
    def network_id(self) -> NetworkId:
        """The network that everything here is bound to."""
        return network_id(self.genesis)

    def wallet(self, name: str) -> Wallet:
        """The wallet of the principal that this home calls ``name``; `AgentRefused` ``no-such-person`` otherwise."""
        record = self.store.find(PrincipalRecord, b"", name.encode("utf-8"))
        if record is None:
            raise AgentRefused("no-such-person", "this home holds no wallet of that name")
        return self._wallet(record)

    def wallets(self) -> list[Wallet]:
        """All principals of this home, by name."""
        return [self._wallet(record) for _, record in self.store.all(PrincipalRecord, b"")]

    def _wallet(self, record: PrincipalRecord) -> Wallet:
        known = self._wallets.get(record)
        if known is None:
            known = self._wallets[record] = Wallet(record)
        return known
