"""A member whose validator signs twice: two engines with one key, each of which knows nothing of the other. It is found out."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from localnet_world import Members, Sent, on_comet, until
from salus.ledger.genesis import ValidatingMember
from salus.ledger.lightblock import address
from salus.node.comet.rpc import Rpc
from salus.node.comet.signing import signed_name
from salus.node.config import read_config, validating_file
from salus.processes import begin, noted, signal_noted

pytestmark = on_comet

A, B, C, D = range(4)
FOUND_OUT = 120.0  # seconds for the two to sign different blocks at one height, and for the evidence to come into a block
FRESH = json.dumps({"height": "0", "round": 0, "step": 0})


class _Block(msgspec.Struct):
    block: dict[str, Any]


class _Set(msgspec.Struct):
    validators: list[dict[str, Any]]


class Twins:
    """Four members, of whom B runs twice: A and C know the one, D the other, which has forgotten what B has signed.

    The product refuses to make such a member; it is made by hand here.
    """

    def __init__(self, folder: Path) -> None:
        self.world, self._twin = Members(folder / "net"), folder / "twin"
        self.sent = list[Sent]()

    def start(self) -> None:
        """Begin in order, then B a second time."""
        self.world.start()
        self.sent.append(self.world.append(A))
        net, members = self.world.net, self.world.members
        for at in (B, D):
            net.kill(members[at].name)
        shutil.copytree(self.world.home(B), self._twin)
        comet = self._twin / "node" / "comet"
        (comet / signed_name(0)).write_text(FRESH)
        shutil.rmtree(comet / "data" / "cs.wal")
        with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
            listen, port = f"127.0.0.1:{one.getsockname()[1]}", other.getsockname()[1]
        self._rewire(self.world.home(B), leave=(D,))
        self._rewire(self._twin, leave=(A, C), listen=listen, port=port)
        self._rewire(self.world.home(D), moved=listen)
        net.start()
        words = ["serve", "--node-only", "--home", str(self._twin)]
        begin("salus", words, self._twin / "server.log", self._twin / "server.pid", dict(os.environ))

    def stop(self) -> None:
        """End all of them."""
        self.world.net.stop()
        signal_noted(self._twin / "server.pid", signal.SIGINT)
        until(lambda: noted(self._twin / "server.pid") is None, 20)
        signal_noted(self._twin / "server.pid", signal.SIGKILL)

    def evidence(self, at: int) -> list[tuple[int, dict[str, Any]]]:
        """Height and piece of each evidence in that member's blocks."""
        rpc = Rpc(self.world.engine_socket(at))
        newest = rpc.status().height
        blocks = ((height, rpc._ask(_Block, "block", height=str(height)).block) for height in range(1, newest + 1))
        return [(height, piece) for height, block in blocks for piece in block["evidence"]["evidence"]]

    def seats(self, at: int) -> set[str]:
        """Who orders blocks next, as that member's engine has it."""
        found = Rpc(self.world.engine_socket(at))._ask(_Set, "validators")
        return {one["address"] for one in found.validators}

    def found_out(self) -> bool:
        """Write on, and look whether evidence has come into A's blocks."""
        self.sent.append(self.world.append(A))
        return bool(self.evidence(A))

    def _rewire(self, home: Path, leave: Sequence[int] = (), moved: str = "", listen: str = "", port: int = 0) -> None:
        """Change whom a member's engine knows: not whom it is to ``leave``, and B where it has ``moved`` to."""
        path = home / "node" / "config.toml"
        config = read_config(path)
        assert config.comet is not None
        peers = dict(config.comet.peers)
        for at in leave:
            del peers[self.world.member(at).hex()]
        if moved:
            b = self.world.member(B).hex()
            peers[b] = f"{peers[b].partition('@')[0]}@{moved}"
        comet = replace(config.comet, peers=peers, listen=listen or config.comet.listen)
        own = f"http://127.0.0.1:{port}" if port else config.address
        path.write_bytes(b'guests = "open"\n' + validating_file(own, comet, config.members, port or config.port))


def address_of(twins: Twins, at: int) -> str:
    """By which name the engine knows that member's validator."""
    named = twins.world.genesis.members[at]
    assert isinstance(named, ValidatingMember)
    return address(named.validator).hex().upper()


@pytest.fixture(scope="module")
def twins() -> Iterator[Twins]:
    """With evidence in a block."""
    with tempfile.TemporaryDirectory(prefix="salus-") as folder:
        made = Twins(Path(folder))
        try:
            made.start()
            assert until(made.found_out, FOUND_OUT), "nobody has found out"
            yield made
        finally:
            made.stop()


def test_who_signs_twice_is_named_by_evidence_in_a_block(twins: Twins) -> None:
    """NET-34."""
    _, piece = twins.evidence(A)[0]
    assert piece["type"] == "tendermint/DuplicateVoteEvidence"
    votes = [piece["value"][which] for which in ("vote_a", "vote_b")]
    assert {vote["validator_address"] for vote in votes} == {address_of(twins, B)}
    assert votes[0]["height"] == votes[1]["height"]
    assert votes[0]["block_id"] != votes[1]["block_id"]


def test_who_signs_twice_loses_its_seat(twins: Twins) -> None:
    """NET-34."""

    def lost() -> bool:
        twins.sent.append(twins.world.append(A))
        return all(address_of(twins, B) not in twins.seats(at) for at in (A, C, D))

    assert until(lost)
    assert {address_of(twins, at) for at in (A, C, D)} == twins.seats(A)


def test_one_who_signs_twice_parts_nobody_s_chain_and_loses_nothing(twins: Twins) -> None:
    """NET-34."""
    honest = (A, C, D)
    twins.sent.append(twins.world.append(C))
    assert twins.world.forks(honest) == []
    assert twins.world.lost(twins.sent, honest) == []
    assert twins.evidence(A)[:1] == twins.evidence(C)[:1] == twins.evidence(D)[:1]
