"""The solo engine over a real database: durable blocks, group commit, time, and what it does when it cannot go on."""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lmdb
import pytest

from node_world import MEMBER, NODE, START, Clock, OrderingClock, code, founding, signed
from salus.errors import NodeRefused, SalusError
from salus.ids import Millis
from salus.ledger.genesis import Genesis, network_id
from salus.ledger.modules.revocations.messages import Revoke
from salus.ledger.tx import Body
from salus.node.engine import Outcome
from salus.node.ledger_store import LedgerStore
from salus.node.solo import TOLERATED_LAG, SoloEngine


def transaction(genesis: Genesis, number: int, expires: int | None = None) -> bytes:
    """A revocation that nobody needs, signed by the sponsor alone."""
    ends = genesis.time + 300_000 if expires is None else expires
    body = Body(network_id(genesis), ends, number.to_bytes(16, "big"), MEMBER, (Revoke(number.to_bytes(32, "big")),))
    return signed(body, NODE)


@dataclass
class Engine:
    """An engine over a store that a test looks into."""

    folder: Path
    clock: Clock = field(default_factory=Clock)
    genesis: Genesis = field(default_factory=founding)

    def __post_init__(self) -> None:
        self.store = LedgerStore(self.folder)
        self.engine = SoloEngine(self.genesis, self.store, MEMBER, NODE, self.clock)

    def put(self, number: int) -> int:
        return self.engine.submit(transaction(self.genesis, number)).height


def test_a_block_is_one_durable_commit(tmp_path: Path) -> None:
    """API-40."""
    made = Engine(tmp_path)
    assert made.store.commits == 1  # genesis
    assert [made.put(number) for number in range(3)] == [1, 2, 3]
    assert made.store.commits == 4
    made.engine.stop()


def test_a_block_flushes_the_disk_by_its_one_commit_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """API-40: one commit of LMDB is two flushes at most, of the pages and of the page that names them."""
    made = Engine(tmp_path)
    flushed = list[int]()
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, flushed.append)
    before = made.store._env.info()["last_txnid"]
    with ThreadPoolExecutor(8) as pool:
        blocks = max(pool.map(made.put, range(64)))
    assert flushed == []
    assert made.store._env.info()["last_txnid"] - before == blocks
    made.engine.stop()


def test_an_idle_engine_writes_nothing(tmp_path: Path) -> None:
    """API-41."""
    made = Engine(tmp_path)
    made.put(0)
    made.engine.stop()
    before = (tmp_path / "data.mdb").read_bytes()
    again = Engine(tmp_path)
    assert again.engine.newest_header().header.height == 1
    assert again.engine.states([b"members/" + MEMBER])[0].value is not None
    assert again.engine.verify_chain() == 1
    again.engine.stop()
    assert again.store.commits == 0
    assert (tmp_path / "data.mdb").read_bytes() == before


def test_what_waits_goes_into_one_block(tmp_path: Path) -> None:
    """API-40."""
    made = Engine(tmp_path)
    with ThreadPoolExecutor(24) as pool:
        heights = list(pool.map(made.put, range(200)))
    blocks = made.engine.newest_header().header.height
    assert max(heights) == blocks
    assert blocks < 200
    assert made.store.commits == blocks + 1
    assert sum(len(made.engine.block(height).transactions) for height in range(blocks + 1)) == 200
    assert made.engine.verify_chain() == blocks
    made.engine.stop()


def test_a_block_holds_no_more_than_the_rules_allow(tmp_path: Path) -> None:
    """TX-35."""
    made = Engine(tmp_path, genesis=founding(max_block=len(transaction(founding(), 0)) * 2))
    with ThreadPoolExecutor(24) as pool:
        list(pool.map(made.put, range(60)))
    sizes = [len(made.engine.block(height).transactions) for height in range(1, made.engine.newest_header().header.height + 1)]
    assert sum(sizes) == 60
    assert max(sizes) <= 2
    made.engine.stop()


def test_block_time_never_goes_back(tmp_path: Path) -> None:
    """API-43."""
    made = Engine(tmp_path)
    made.clock.now = START + 1_000
    made.put(0)
    made.clock.now = START + 1_000 - TOLERATED_LAG
    made.put(1)
    assert [made.engine.header(height).header.time for height in range(3)] == [START, START + 1_000, START + 1_001]
    made.engine.stop()


def test_a_clock_that_is_far_behind_stops_writing_and_not_reading(tmp_path: Path) -> None:
    """API-43."""
    made = Engine(tmp_path)
    made.clock.now = START + TOLERATED_LAG + 1_000
    made.put(0)
    made.clock.now = START + 999
    with pytest.raises(NodeRefused) as refused:
        made.put(1)
    assert refused.value.full_code == "node/clock-behind"
    assert made.engine.newest_header(fresh=True).header.height == 1
    assert made.engine.states([b"members/" + MEMBER])[0].value is not None
    made.clock.now = START + TOLERATED_LAG + 1_000
    assert made.put(1) == 2
    made.engine.stop()


def test_a_clock_that_falls_back_between_check_and_block_refuses_and_the_engine_goes_on(tmp_path: Path) -> None:
    """API-43."""
    clock = OrderingClock()
    made = Engine(tmp_path, clock)
    clock.ordering = lambda: Millis(START - TOLERATED_LAG - 1)
    with pytest.raises(NodeRefused) as refused:
        made.put(0)
    assert refused.value.full_code == "node/clock-behind"
    clock.ordering = None
    assert made.put(0) == 1
    made.engine.stop()


def test_what_the_block_refuses_is_a_result_and_may_come_again(tmp_path: Path) -> None:
    """API-44."""
    clock = OrderingClock()
    made = Engine(tmp_path, clock)
    clock.ordering = lambda: Millis(START + 400_000)
    outcome = made.engine.submit(transaction(made.genesis, 0))
    assert (outcome.height, outcome.result.refusal) == (1, "ledger/expired")
    assert made.engine.result(outcome.result.body) is None
    assert made.engine.verify_chain() == 1
    made.engine.stop()


def test_a_full_disk_refuses_and_the_engine_goes_on(tmp_path: Path) -> None:
    """API-45."""
    made = Engine(tmp_path)
    made.put(0)
    allowed = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "data.mdb").stat().st_size, allowed[1]))
    try:
        with pytest.raises(lmdb.Error):
            [made.put(number) for number in range(1, 200)]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, allowed)
    height = made.engine.newest_header().header.height
    assert made.put(1_000) == height + 1
    assert made.engine.verify_chain() == height + 1
    made.engine.stop()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_engine_that_fails_as_nobody_foresaw_leaves_nobody_waiting(tmp_path: Path) -> None:
    """API-45."""
    clock = OrderingClock()
    made = Engine(tmp_path, clock)

    def fail() -> Millis:
        raise ZeroDivisionError

    clock.ordering = fail
    with ThreadPoolExecutor(8) as pool:
        ends = list(pool.map(lambda number: type(_raised(lambda: made.put(number))), range(40)))
    assert set(ends) <= {ZeroDivisionError, NodeRefused}
    assert ZeroDivisionError in ends
    with pytest.raises(NodeRefused) as refused:
        made.put(99)
    assert refused.value.full_code == "node/stopped"
    assert made.engine.newest_header().header.height == 0
    made.engine.stop()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_waits_behind_a_block_that_fails_is_told_that_the_engine_stopped(tmp_path: Path) -> None:
    """API-42, API-45: three wait, of which a block holds one."""
    clock, waiting = OrderingClock(), [Future[Outcome]() for _ in range(3)]
    made = Engine(tmp_path, clock, founding(max_block=1))

    def fail() -> Millis:
        raise ZeroDivisionError

    clock.ordering = fail
    with made.engine._lock:  # no block is made before all wait
        for number, future in enumerate(waiting):
            made.engine._queue.put((transaction(made.genesis, number), future))
    assert isinstance(waiting[0].exception(), ZeroDivisionError)
    assert [code(future.result) for future in waiting[1:]] == ["node/stopped"] * 2
    made.engine.stop()


def test_stopping_finishes_what_was_taken_and_refuses_the_rest(tmp_path: Path) -> None:
    """API-42."""
    made = Engine(tmp_path)
    started = threading.Event()

    def put(number: int) -> int | str:
        if number == 40:
            started.set()
        try:
            return made.put(number)
        except SalusError as error:
            return error.full_code

    with ThreadPoolExecutor(16) as pool:
        futures = [pool.submit(put, number) for number in range(400)]
        started.wait()
        made.engine.stop()
        ends = [future.result() for future in futures]
    taken = [number for number, end in enumerate(ends) if isinstance(end, int)]
    assert {end for end in ends if isinstance(end, str)} <= {"node/stopped"}
    again = Engine(tmp_path)
    blocks = [again.engine.block(height) for height in range(again.engine.newest_header().header.height + 1)]
    assert sorted(data for block in blocks for data in block.transactions) == sorted(
        transaction(made.genesis, number) for number in taken
    )
    again.engine.stop()


def test_a_fresh_header_is_made_once_an_interval(tmp_path: Path) -> None:
    """API-12."""
    made = Engine(tmp_path)
    made.clock.now = START + made.genesis.parameters.header_interval
    assert made.engine.newest_header(fresh=True).header.height == 0
    made.clock.now += 1
    assert made.engine.newest_header().header.height == 0
    assert made.engine.newest_header(fresh=True).header.height == 1
    assert made.engine.newest_header(fresh=True).header.height == 1
    assert made.engine.header(1).header.time == made.clock.now
    made.engine.stop()


@pytest.mark.parametrize("what", ["header", "block"])
def test_a_height_that_is_not_there_is_refused(tmp_path: Path, what: str) -> None:
    """API-12."""
    made = Engine(tmp_path)
    with pytest.raises(NodeRefused) as refused:
        getattr(made.engine, what)(1)
    assert refused.value.full_code == "node/no-such-height"
    made.engine.stop()


def _raised(act: Callable[[], object]) -> BaseException | None:
    try:
        act()
    except (ZeroDivisionError, SalusError) as error:
        return error
    return None


def test_what_is_wrong_is_refused_while_a_block_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """API-40: nobody waits for somebody else's disk to be told that a transaction is refused."""
    made = Engine(tmp_path)
    writing, go_on, commit = threading.Event(), threading.Event(), made.store.commit

    def slow(*block: Any) -> None:
        writing.set()
        go_on.wait(60)
        commit(*block)

    monkeypatch.setattr(made.store, "commit", slow)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(made.put, 0)
        assert writing.wait(60)
        late = transaction(made.genesis, 1, expires=made.genesis.time)
        refused = pool.submit(code, lambda: made.engine.submit(late))
        assert refused.result(60) == "ledger/expired"
        go_on.set()
        assert first.result(60) == 1
    made.engine.stop()
