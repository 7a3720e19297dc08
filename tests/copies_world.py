"""Several members' nodes without agents, over loopback HTTP: the first one orders, and each vault keeps its share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from node_world import MEMBER, NODE_SEED, START, Clock, NodeWorld, key
from salus.crypto.hashing import tagged
from salus.crypto.keys import derive
from salus.crypto.signing import SigningKey
from salus.exchange.placing import responsible
from salus.ids import Millis
from salus.ledger.genesis import Genesis, GenesisMember, LicenceRight, Parameters, member_id
from salus.ledger.modules.governance.messages import CastVote, Change, Propose
from salus.ledger.modules.governance.queries import proposal, proposals_made
from salus.node.config import Config
from salus.node.giving import CLOCKS_APART
from salus.node.identity import Identity
from salus.node.peers import PeerClient
from salus.node.service import NodeService
from world import served

NOWHERE = "http://127.0.0.1:9"  # where nobody answers
LOCK = 1_000  # ms


@dataclass(frozen=True)
class Made:
    """A member's keys."""

    authority: SigningKey
    seed: bytes

    @property
    def member(self) -> bytes:
        """Its id."""
        return member_id(self.authority.public)

    @property
    def node(self) -> SigningKey:
        """Its node key."""
        return SigningKey(derive(self.seed, "node"))


def made(number: int) -> Made:
    """The member of that number, the same always."""
    if number == 0:
        return Made(key("authority"), NODE_SEED)
    return Made(key(f"authority {number}"), tagged("test/seed", f"node {number}".encode()))


class Copies(NodeWorld):
    """The first node's world, and all nodes and where they answer, in the order of the members."""

    nodes: list[NodeService]
    silent: set[bytes]

    @property
    def members(self) -> list[bytes]:
        """All members' ids."""
        return [made(number).member for number in range(len(self.nodes))]

    def keepers(self, blob: bytes) -> list[int]:
        """The numbers of the members that are to keep the blob, the one of most weight first."""
        members = self.nodes[0].vault._share.members()
        return [self.members.index(one) for one in responsible(members, blob, self.genesis.parameters.copies)]

    def holders(self, blob: bytes) -> list[int]:
        """The numbers of the members whose vaults have the blob in its place."""
        return [number for number, node in enumerate(self.nodes) if node.blobs.has(blob)]

    def silence(self, number: int) -> None:
        """Nobody reaches the member's node any more."""
        self.silent.add(made(number).member)

    def speak(self, number: int) -> None:
        """Everybody reaches it again."""
        self.silent.discard(made(number).member)

    def follow(self) -> None:
        """Every other node takes the blocks that there are."""
        for node in self.nodes[1:]:
            node.engine.newest_header(fresh=True)

    def look(self, *numbers: int) -> None:
        """These vaults, or all, look for what they lack and let go of what they need not keep."""
        self.follow()
        for number in numbers or range(len(self.nodes)):
            replicating = self.nodes[number].replicating
            assert replicating is not None
            replicating.look()

    def pass_expiry(self) -> None:
        """So much time passes, and a block is made, that nothing that was sent before can still be ordered."""
        self.clock.now += self.genesis.parameters.max_expiry + CLOCKS_APART + 1000
        self.revoke(tagged("test/passing", str(self.clock.now).encode()))

    def decide(self, change: Change) -> None:
        """All members vote for the change, and it has its effect."""
        self.submit(Propose(MEMBER, change, bytes(32)), keys=[key("authority")])
        state = self.nodes[0].engine.state
        number = proposals_made(state)
        for voter in range(1, len(self.nodes)):
            if proposal(state, number).effect == 0:
                self.submit(CastVote(made(voter).member, number, True), keys=[made(voter).authority])
        self.clock.now = proposal(state, number).effect
        self.fill(f"after change {number}")
        self.follow()


@contextmanager
def several(folder: Path, count: int, *, background: bool = False, **parameters: int) -> Iterator[Copies]:
    """A network of so many members under one clock. Looks happen when a test says so."""
    clock = Clock()
    everybody = [made(number) for number in range(count)]
    founders = tuple(GenesisMember(one.authority.public, one.node.public, tuple(LicenceRight)) for one in everybody)
    rules = replace(Parameters(), **{"voting_period": 10_000, "time_lock": LOCK, **parameters})
    genesis = Genesis(bytes(16), Millis(START), founders, rules)
    with ExitStack() as stack:
        nodes, urls = list[NodeService](), list[str]()
        for number, one in enumerate(everybody):
            follow = urls[0] if number else ""
            config = Config(anchor_seconds=86_400, follow_seconds=3600, guests="open", follow=follow)
            identity = Identity(genesis, one.member, one.seed)
            node = NodeService(folder / str(number), identity, config, clock, background=background)
            stack.callback(node.stop)
            nodes.append(node)
            urls.append(stack.enter_context(served(node)))
            node.announce(urls[-1])
        copies = Copies(folder / "0", clock, genesis, nodes[0])
        copies.nodes, copies.silent = nodes, set()
        nowhere = stack.enter_context(closing(PeerClient(NOWHERE)))
        for node in nodes:
            for one, url in zip(everybody, urls, strict=True):
                node.peers.know(one.member, url)
            reach(node, copies.silent, nowhere)
        yield copies


def reach(node: NodeService, silent: set[bytes], nowhere: PeerClient) -> None:
    """The node's way to the ``silent`` members leads nowhere from now on."""
    way = node.peers.of
    node.peers.of = lambda member: nowhere if member in silent else way(member)  # type: ignore[method-assign]
