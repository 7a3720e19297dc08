"""Two members on one ledger: the first one's node orders blocks, the second one's follows it over loopback HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from salus.agent.nodes import Nodes
from salus.codec import encode
from salus.homes import init_home, join_home, prepare_home
from salus.node.service import NodeService
from salus.own_node import open_node
from world import Clock, World, beside, opened, served

FIRST, SECOND = "City Hospital", "Valley Clinic"


@dataclass
class Members:
    """Both members' worlds, and where their nodes answer."""

    first: World
    second: World
    urls: tuple[str, str]

    def follow(self) -> None:
        """The second node takes every block, and both vaults what they lack."""
        self.second.node.engine.newest_header(fresh=True)
        for world in (self.second, self.first):
            replicate(world.node)


def replicate(node: NodeService) -> None:
    """Let the node look for what it lacks, now."""
    assert node.replicating is not None
    node.replicating.look()


@contextmanager
def two_members(folder: Path, configured: str = "") -> Iterator[Members]:
    """A network of two members under one clock; background looks are an hour apart, so that tests say when they happen.

    ``configured``: what the first one's ``config.toml`` says besides.
    """
    clock = Clock()
    one, two = folder / "first", folder / "second"
    genesis = init_home(one, None, FIRST, [prepare_home(two, None, SECOND)])
    with open_node(one) as founding, served(founding) as url:
        join_home(two, encode(genesis), url, "", str)
    with ExitStack() as stack:
        (one / "node" / "config.toml").write_text(f'guests = "open"\nfollow_seconds = 3600\n{configured}')
        first = stack.enter_context(opened(one, clock))
        url = stack.enter_context(served(first.node))
        (two / "node" / "config.toml").write_text(f'follow = "{url}"\nfollow_seconds = 3600\nguests = "open"\n')
        second = stack.enter_context(opened(two, clock))
        other = stack.enter_context(served(second.node))
        second.node.announce(other)
        second.node.engine.newest_header(fresh=True)  # with its address in it
        yield Members(first, second, (url, other))


@contextmanager
def many_members(folder: Path, count: int) -> Iterator[list[World]]:
    """The same of so many members, each of which knows where all others answer."""
    clock, homes = Clock(), [folder / str(number) for number in range(count)]
    others = [prepare_home(home, None, f"Member {number}") for number, home in enumerate(homes[1:], 2)]
    genesis, quiet = init_home(homes[0], None, FIRST, others), 'follow_seconds = 3600\nguests = "open"\n'
    with open_node(homes[0]) as founding, served(founding) as url:
        for home in homes[1:]:
            join_home(home, encode(genesis), url, "", str)
    with ExitStack() as stack:
        worlds, urls = list[World](), list[str]()
        for home in homes:
            follow = f'follow = "{urls[0]}"\n' if urls else ""
            (home / "node" / "config.toml").write_text(follow + quiet)
            worlds.append(stack.enter_context(opened(home, clock)))
            urls.append(stack.enter_context(served(worlds[-1].node)))
            worlds[-1].node.announce(urls[-1])
        for world in worlds:
            for other, url in zip(worlds, urls, strict=True):
                world.node.peers.know(other.node.status().member, url)
        yield worlds


@contextmanager
def guest(members: Members, folder: Path, *urls: str) -> Iterator[World]:
    """An agent-only home over these nodes, the one to be asked first in front."""
    with beside(members.first, folder) as made:
        nodes = Nodes(urls)
        made.agent.network, made.agent.turn_away, made.agent.pass_over = nodes, nodes.turn_away, nodes.pass_over
        try:
            yield made
        finally:
            nodes.close()
