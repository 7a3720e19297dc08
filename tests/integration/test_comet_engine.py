"""A node that validates, on real CometBFT: what it acknowledges is proven, and stays, however the engine or the node ends."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from bench.networks import BLOB, Owner, owners, signed
from node_world import code, figures
from salus.crypto.hashing import sha256
from salus.errors import NodeRefused
from salus.exchange.api import Submission, TxStatus
from salus.home_folder import read_genesis
from salus.ledger.genesis import validators
from salus.ledger.header import header_hash
from salus.ledger.lightblock import CommittedHeader
from salus.ledger.modules.sections.state import entry_key
from salus.ledger.verifying import require_answer, require_linked
from salus.localnet import Localnet
from salus.node.comet.binary import find_engine
from salus.node.comet.engine import CometEngine
from salus.node.ledger_store import LedgerStore, StoredBlock
from salus.node.operating.looking import looking
from salus.node.operating.scrubbing import scrub
from salus.node.service import NodeService
from salus.own_node import open_node


def missing() -> str:
    """Why CometBFT is not there; "" where it is."""
    try:
        find_engine()
    except NodeRefused as error:
        return f"CometBFT is not built (`make engine`, needs Go): {error.code}"
    return ""


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing()), reason=missing() or "it is there"),
]


@pytest.fixture
def home() -> Iterator[Path]:
    """A network of one member that validates."""
    with tempfile.TemporaryDirectory(prefix="salus-") as folder:
        Localnet(Path(folder)).make(1)
        yield Path(folder) / "a"


def founded(node: NodeService, count: int = 1) -> list[Owner]:
    """Owners whose sections stand on the ledger."""
    made = owners(node.genesis(), count)
    for owner in made:
        node.submit(Submission(signed(node.genesis(), [owner.creation(node.genesis().time)], [owner.key]), (BLOB,)))
    return made


def anchored(node: NodeService, owner: Owner, text: bytes) -> tuple[Submission, TxStatus]:
    blob = text.ljust(96, b".")
    submission = Submission(signed(node.genesis(), [owner.anchor(blob)], [owner.key]), (blob,))
    return submission, node.submit(submission)


def test_what_is_acknowledged_is_proven_under_votes_and_stays(home: Path) -> None:
    """NET-1, NET-9, NET-10."""
    with open_node(home) as node:
        (owner,) = founded(node)
        submission, status = anchored(node, owner, b"first")
        assert status.refusal == ""
        (answer,) = node.states([entry_key(owner.section, 0)])
        assert require_answer(node.genesis(), answer) is not None
        assert isinstance(answer.header, CommittedHeader)
        assert answer.header.header.height == status.height + 1
        assert node.submit(submission) == status
        headers = [node.header(height) for height in range(1, answer.header.header.height + 1)]
        for before, after in pairwise(headers):
            require_linked(before, after)
        root = answer.header.header.state
    with open_node(home) as node:
        assert node.result(status.body) == status
        assert node.blobs.get(sha256(b"first".ljust(96, b"."))) is not None
        (answer,) = node.states([entry_key(owner.section, 0)])
        assert require_answer(node.genesis(), answer) is not None
        assert answer.header.header.state == root
        assert header_hash(node.header(1).header) == header_hash(headers[0].header)


def test_the_figures_tell_of_the_engine_and_of_its_end(home: Path) -> None:
    """API-19."""
    with open_node(home) as node:
        founded(node)
        found = figures(node)
        assert (found["salus_engine_up"], found["salus_engine_power"], found["salus_engine_peers"]) == (1, 1, 0)
        assert found["salus_engine_height"] >= found["salus_height"] >= 1
        assert found["salus_engine_process_resident_memory_bytes"] > 0
        assert isinstance(node.engine, CometEngine)
        assert node.engine.runtime.pid
        os.kill(node.engine.runtime.pid, signal.SIGKILL)
        os.waitid(os.P_PID, node.engine.runtime.pid, os.WEXITED | os.WNOWAIT)
        found = figures(node)
        assert found["salus_engine_up"] == 0
        assert not {"salus_engine_height", "salus_engine_peers", "salus_engine_catching_up"} & found.keys()


def test_what_the_ledger_refuses_is_refused_with_its_code_and_leaves_no_blob(home: Path) -> None:
    """NET-5."""
    with open_node(home) as node:
        (owner,) = founded(node)
        stranger = owners(node.genesis(), 2)[1]
        blob = b"nobody's".ljust(96, b".")
        refused = Submission(signed(node.genesis(), [stranger.anchor(blob)], [stranger.key]), (blob,))
        assert code(lambda: node.submit(refused)) == "ledger/no-such-section"
        assert node.blobs.get(sha256(blob)) is None
        assert anchored(node, owner, b"second")[1].refusal == ""


def test_a_chain_that_was_voted_for_is_replayed_from_genesis_and_a_changed_block_is_found(home: Path) -> None:
    """NET-3: on CometBFT and by replay one history has one application hash."""
    genesis = read_genesis(home)
    with open_node(home) as node:
        (owner,) = founded(node)
        for number in range(5):
            anchored(node, owner, str(number).encode())
        assert isinstance(node.engine, CometEngine)
        node.states([entry_key(owner.section, 0)])  # the last block's header is here
        assert node.engine.verify_chain() >= 6
    assert not scrub(home, genesis, lambda *_: None).findings.troubles
    with looking(home / "node" / "ledger") as ledger:
        height = ledger.height() - 1
        header, block = ledger.header(height), ledger.block(height)
        assert header is not None
        assert block is not None
    changed = StoredBlock((*block.transactions, b"more"), block.results)
    store = LedgerStore(home / "node" / "ledger")
    store.commit_block(height, changed, {})
    store.close()
    assert [one.code for one in scrub(home, genesis, lambda *_: None).findings if one.code] == ["node/chain-damaged"]


def test_a_block_is_one_durable_commit_with_the_header_that_has_come_before(home: Path) -> None:
    with open_node(home) as node:
        (owner,) = founded(node)
        store, before = node.engine._store, node.status().height
        commits = store.commits
        for number in range(3):
            anchored(node, owner, str(number).encode())
        node.states([entry_key(owner.section, 0)])
        assert store.commits - commits <= node.status().height - before + 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_node_whose_engine_ends_says_so_and_loses_nothing(home: Path, number: signal.Signals) -> None:
    """NET-5."""
    with open_node(home) as node:
        (owner,) = founded(node)
        _, status = anchored(node, owner, b"third")
        os.kill(int((home / "node" / "comet" / "engine.pid").read_text("ascii")), number)
        deadline = time.monotonic() + 30
        while not node.failure and time.monotonic() < deadline:
            time.sleep(0.05)
        assert node.failure == "node/engine-stopped"
    with open_node(home) as node:
        assert node.result(status.body) == status
        assert anchored(node, owner, b"fourth")[1].refusal == ""


def test_a_home_that_validates_is_founded_without_its_engine_and_needs_its_configuration(home: Path) -> None:
    """NET-1."""
    assert len(validators(read_genesis(home))) == 1
    (home / "node" / "config.toml").unlink()

    def opened() -> None:
        with open_node(home):
            pass

    assert code(opened) == "node/no-engine-config"
