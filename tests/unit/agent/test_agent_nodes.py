"""A home on other people's nodes: one that is gone, one that lies, one that is behind; the next one is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from salus.agent.home import Agent
from salus.agent.nodes import Nodes, nodes_file, read_nodes
from salus.agent.services import charting, people
from salus.agent.verify import CaughtNode, newest_header
from salus.bootstrap import open_home
from salus.codec import encode
from salus.crypto.keys import new_seed
from salus.crypto.signing import SigningKey
from salus.errors import NodeRefused, SalusError
from salus.exchange.addressing import pinned, split_pin
from salus.exchange.cards import Role
from salus.homes import init_guest, move_home
from salus.ledger.header import HEADER_TAG, SignedHeader, header_hash
from salus.node.config import Config
from salus.node.identity import read_node_seed
from salus.node.tls import Ending, ending
from world import CLEMENTE, HOUR, World, beside, guest_of, served, thread

NOWHERE = "http://127.0.0.1:9"
ANA = "Ana"


class Lying:
    """A node whose answers to some calls are changed on the way out."""

    def __init__(self, node: Any, **changes: Callable[[Any], Any]) -> None:
        self.node, self.changes = node, changes

    def __getattr__(self, name: str) -> Any:
        real, change = getattr(self.node, name), self.changes.get(name)
        return real if change is None else lambda *args, **options: change(real(*args, **options))


def forged(signed: SignedHeader) -> SignedHeader:
    return SignedHeader(signed.header, SigningKey(new_seed()).sign(HEADER_TAG, header_hash(signed.header)))


def unproven(answers: Any) -> Any:
    return tuple(msgspec.structs.replace(a, value=None if a.value else b"x") for a in answers)


def elsewhere(genesis: Any) -> Any:
    return msgspec.structs.replace(genesis, salt=bytes(16))


@pytest.fixture
def near(tmp_path: Path) -> Iterator[World]:
    with thread(tmp_path / "home") as made:
        yield made


def in_tls(near: World) -> Ending:
    """How the node answers in TLS by its generated key."""
    node = near.home / "node"
    found = ending(Config(tls="generated"), node, read_node_seed(node / "node.key"), near.clock.now)
    assert found is not None
    return found


@contextmanager
def home(near: World, folder: Path, *urls: str) -> Iterator[World]:
    """An agent-only home over these nodes, with Ana in it."""
    with beside(near, folder) as made:
        nodes = Nodes(urls, guest=guest_of(near.node))
        made.agent.network, made.agent.turn_away = nodes, nodes.turn_away
        try:
            yield made
        finally:
            nodes.close()


def caught(agent: Agent) -> list[str]:
    return [note.code for _, note in agent.store.all(CaughtNode, b"")]


def test_a_node_that_is_gone_is_left_for_the_next(near: World, tmp_path: Path) -> None:
    with served(near.node) as url, home(near, tmp_path / "ana", NOWHERE, url) as ana:
        people.add_person(ana.agent, ANA, Role.PATIENT, cold_dir=tmp_path)
        ana.take_in(CLEMENTE, ANA)
        assert charting.open_chart(ana.agent, ANA, ANA).shown
        assert caught(ana.agent) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"header": forged}, "crypto/bad-signature"),
        ({"states": unproven}, "ledger/"),
        ({"states": lambda answers: answers[::-1] + answers[:1]}, "ledger/wrong-answer"),
    ],
    ids=["forged header", "unproven state", "another answer"],
)
def test_a_node_that_lies_is_noted_and_left_for_the_next(near: World, tmp_path: Path, changes: Any, code: str) -> None:
    with served(near.node) as good, served(Lying(near.node, **changes)) as bad, home(near, tmp_path / "ana", bad, good) as ana:
        people.add_person(ana.agent, ANA, Role.PATIENT, cold_dir=tmp_path)
        ana.take_in(CLEMENTE, ANA)
        assert charting.open_chart(ana.agent, ANA, ANA).shown
        (found,) = caught(ana.agent)
        assert found.startswith(code)


def test_a_node_with_another_key_is_named_and_left_for_the_next(
    near: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """NET-51."""
    with served(near.node, in_tls(near)) as good, served(near.node, in_tls(near)) as other:
        wrong = pinned(other, bytes(32))
        with home(near, tmp_path / "ana", wrong, good) as ana:
            people.add_person(ana.agent, ANA, Role.PATIENT, cold_dir=tmp_path)
            ana.take_in(CLEMENTE, ANA)
            assert charting.open_chart(ana.agent, ANA, ANA).shown
        (line,) = [record.getMessage() for record in caplog.records if record.name == "salus.agent"]
        assert split_pin(wrong)[0] in line
        assert "agent/wrong-certificate" in line
        with home(near, tmp_path / "ana", wrong) as ana, pytest.raises(SalusError) as refused:
            newest_header(ana.agent)
        assert refused.value.full_code == "agent/wrong-certificate"


def test_an_invited_home_begins_and_moves_by_pinned_addresses(near: World, tmp_path: Path) -> None:
    """NET-50: an address of the same node without its pin, or with an older one, is kept no longer."""
    folder, tls = tmp_path / "ana", in_tls(near)
    with served(near.node, tls) as first, served(near.node, tls) as second:
        stale = pinned(second, bytes(32))
        init_guest(folder, [first, stale], encode(near.agent.genesis), None, [near.node.door.book.invite(HOUR, 1, 1000)])
        with open_home(folder) as agent:
            people.add_person(agent, ANA, Role.PATIENT, cold_dir=tmp_path)
        move_home(folder, second, str)
        assert read_nodes(folder / "agent" / "nodes.toml").nodes == (second, first)
        with pytest.raises(SalusError) as refused:
            move_home(folder, stale, str)
        assert refused.value.full_code == "agent/wrong-certificate"
        assert read_nodes(folder / "agent" / "nodes.toml").nodes == (second, first)


def test_a_node_that_shows_an_older_ledger_is_left_for_the_next(near: World, tmp_path: Path) -> None:
    old = near.node.header(2)
    stale = Lying(near.node, header=lambda _: old)
    with served(near.node) as good, served(stale) as bad, home(near, tmp_path / "ana", good) as ana:
        newest_header(ana.agent)
        nodes = Nodes([bad, good])
        ana.agent.network, ana.agent.turn_away = nodes, nodes.turn_away
        assert newest_header(ana.agent).height > 2
        assert caught(ana.agent) == ["agent/stale-node"]
        nodes.close()


def test_when_all_lie_the_last_lie_is_told(near: World, tmp_path: Path) -> None:
    with served(Lying(near.node, header=forged)) as bad, home(near, tmp_path / "ana", bad) as ana:
        with pytest.raises(SalusError) as refused:
            newest_header(ana.agent)
        assert refused.value.full_code == "crypto/bad-signature"


def test_a_home_trusts_its_own_genesis_alone(near: World, tmp_path: Path) -> None:
    genesis = encode(near.agent.genesis)
    with served(near.node) as good, served(Lying(near.node, genesis=elsewhere)) as bad:
        with pytest.raises(SalusError) as refused:
            init_guest(tmp_path / "one", [bad], genesis, None)
        assert refused.value.full_code == "agent/wrong-network"
        init_guest(tmp_path / "one", [bad, good], genesis, None)
        with open_home(tmp_path / "one") as agent:
            assert newest_header(agent).height > 0
        with pytest.raises(SalusError) as taken:
            init_guest(tmp_path / "one", [good], genesis, None)
        assert taken.value.full_code == "agent/home-exists"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"nodes = []",
        b'nodes = ["ftp://x"]',
        b'nodes = ["http://x/y"]',
        b'nodes = ["https://x#pin-sha256=AA"]',
        b'others = ["http://x"]',
        b"\xff",
    ],
)
def test_a_list_of_nodes_is_read_strictly(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "nodes.toml").write_bytes(text)
    with pytest.raises(SalusError) as refused:
        read_nodes(tmp_path / "nodes.toml")
    assert refused.value.full_code == "agent/bad-nodes"


def test_what_is_written_is_read(tmp_path: Path) -> None:
    (tmp_path / "nodes.toml").write_bytes(nodes_file(["http://a:1/", "https://b"]))
    assert read_nodes(tmp_path / "nodes.toml").nodes == ("http://a:1", "https://b")
    with pytest.raises(SalusError):
        nodes_file(["nothing"])


def test_a_home_moves_to_a_node_that_shows_its_network_and_otherwise_stays(near: World, tmp_path: Path) -> None:
    home, listed = tmp_path / "ana", tmp_path / "ana" / "agent" / "nodes.toml"
    old = near.node.header(1)
    with served(near.node) as first, served(near.node) as second:
        init_guest(home, [first], encode(near.agent.genesis), None, [near.node.door.book.invite(HOUR, 1, 100)])
        with open_home(home) as agent:
            people.add_person(agent, ANA, Role.PATIENT, cold_dir=tmp_path)
            newest_header(agent)
        for lie, code in (({"genesis": elsewhere}, "agent/wrong-network"), ({"header": lambda _: old}, "agent/stale-node")):
            with served(Lying(near.node, **lie)) as bad, pytest.raises(SalusError) as refused:
                move_home(home, bad, str)
            assert refused.value.full_code == code
            assert read_nodes(listed).nodes == (first,)
        move_home(home, second, str)
        assert read_nodes(listed).nodes == (second, first)
    with pytest.raises(SalusError) as own:
        move_home(near.home, "http://127.0.0.1:9", str)
    assert own.value.full_code == "agent/no-nodes"


class Pruned:
    """A node that has no old headers any more."""

    def __init__(self, node: Any) -> None:
        self.node = node

    def __getattr__(self, name: str) -> Any:
        return getattr(self.node, name)

    def header(self, height: int | None, *, fresh: bool = False) -> Any:
        if height is not None:
            raise NodeRefused("pruned", "gone")
        return self.node.header(height, fresh=fresh)


def test_an_old_header_that_a_node_does_not_have_any_more_is_asked_of_the_next_one(near: World) -> None:
    """NET-59: the node in use stays in use."""
    with served(Pruned(near.node)) as pruned, served(near.node) as archive:
        nodes = Nodes([pruned, NOWHERE, archive])
        assert nodes.header(2) == near.node.header(2)
        assert nodes.url == pruned
        assert nodes.header(None).header.height == near.node.header(None).header.height
        with pytest.raises(SalusError) as refused:
            nodes.header(9_999)
        assert refused.value.full_code == "node/pruned"
        nodes.close()
        alone = Nodes([pruned])
        with pytest.raises(SalusError) as refused:
            alone.header(2)
        assert refused.value.full_code == "node/pruned"
        alone.close()
