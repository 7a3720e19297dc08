"""Receipts and anchors: durable before the first byte, never twice for one request, and on the ledger in the end."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import lmdb
import pytest

from node_world import MEMBER, NODE, NONE, START, Clock, NodeWorld, OrderingClock, blob, code, key, running
from salus.codec import decode
from salus.ids import Millis
from salus.ledger.modules.receipts.state import Anchor, anchor_key
from salus.node.config import Config
from salus.node.vault.receipts import ReceiptLog
from salus.warrants.holding import sign_owner
from salus.warrants.link import Warrant
from salus.warrants.receipting import START as NO_HEAD
from salus.warrants.receipting import require_anchor, require_chain
from salus.warrants.receipts import ReceiptsAnswer

ONE = blob("one")


def filled(world: NodeWorld, name: str = "Ada") -> Warrant:
    """A section of one entry, and Bob's warrant over it."""
    world.fill(name, ONE if name == "Ada" else blob(name))
    return world.warrant(name, "Bob")


def answered(world: NodeWorld, name: str = "Ada", first: int = 0) -> ReceiptsAnswer:
    return world.node.receipts(world.owner_asks(name, first))


def require_anchored(world: NodeWorld, name: str, receipts: int) -> ReceiptsAnswer:
    """The owner's checks: the chain is whole, and the anchor on the ledger covers all of it."""
    answer = answered(world, name)
    head = require_chain(answer.receipts, 0, NO_HEAD)
    assert (answer.total, len(answer.receipts)) == (receipts, receipts)
    state = world.node.states([anchor_key(MEMBER, answer.anchor)])[0].value
    assert state is not None
    anchor = decode(state, Anchor, limit=1_000)
    require_anchor(answer, world.section(name), anchor.root, anchor.sections, {receipts: head})
    return answer


def test_the_receipt_is_durable_before_the_blob_is_read(tmp_path: Path) -> None:
    """WAR-18, API-20: the blob is a pipe here, and gives its bytes only after the receipt was seen."""
    with running(tmp_path) as world, ThreadPoolExecutor(1) as pool:
        warrant = filled(world)
        path = world.blob_path(ONE)
        path.unlink()
        os.mkfifo(path)
        reading = pool.submit(world.node.read, world.read(warrant, "Bob"))
        with path.open("wb") as pipe:  # opens when the vault reads
            assert not reading.done()
            assert answered(world).total == 1
            pipe.write(ONE)
        assert reading.result().blobs == (ONE,)


def test_a_failure_after_the_receipt_leaves_the_receipt(tmp_path: Path) -> None:
    """WAR-18."""
    with running(tmp_path) as world:
        warrant = filled(world)
        world.blob_path(ONE).unlink()
        world.blob_path(ONE).mkdir()
        with pytest.raises(IsADirectoryError):
            world.node.read(world.read(warrant, "Bob"))
        assert answered(world).total == 1


def test_a_request_is_served_once_also_after_a_restart(tmp_path: Path) -> None:
    """WAR-13, WAR-18, API-22."""
    clock = Clock()
    with running(tmp_path, clock) as world:
        warrant = filled(world)
        read = world.read(warrant, "Bob")
        world.node.read(read)
        assert code(lambda: world.node.read(read)) == "warrants/replayed"
        world.node.read(world.read(warrant, "Bob"))  # a fresh nonce is another request
        clock.now += 60_000
    with running(tmp_path, clock) as world:
        assert code(lambda: world.node.read(read)) == "warrants/replayed"
        clock.now += 60_002
        assert code(lambda: world.node.read(read)) == "warrants/stale-request"
        world.node.header(None, fresh=True)
        assert answered(world).total == 2


def test_of_many_at_once_one_is_served(tmp_path: Path) -> None:
    """API-22."""
    with running(tmp_path) as world:
        read = world.read(filled(world), "Bob")
        with ThreadPoolExecutor(8) as pool:
            ends = list(pool.map(lambda _: code(lambda: world.node.read(read)), range(8)))
        assert sorted(ends) == ["", *["warrants/replayed"] * 7]
        assert answered(world).total == 1


def test_a_request_is_remembered_as_long_as_it_could_be_replayed_and_then_forgotten(tmp_path: Path) -> None:
    """API-22."""
    log = ReceiptLog(tmp_path)
    window, requests = 1_000, [bytes([number]) * 32 for number in range(40)]
    others = [bytes([99, number]) * 16 for number in range(6)]

    def append(request: bytes, now: int) -> str:
        return code(lambda: log.append(NONE, b"sealed", request, now, window))

    assert {append(request, 5_000) for request in requests} == {""}
    assert {append(request, 7_000) for request in others[:3]} == {""}
    assert {append(request, 7_000) for request in requests} == {"warrants/replayed"}
    assert {append(request, 7_001) for request in others[3:]} == {""}  # each forgets 16 of them
    assert {append(request, 7_001) for request in requests} == {""}
    assert {append(request, 7_001) for request in others} == {"warrants/replayed"}
    log.close()


def test_receipts_are_anchored_when_the_node_stops(tmp_path: Path) -> None:
    """WAR-22, WAR-23, WAR-24, API-24."""
    clock = Clock()
    with running(tmp_path, clock) as world:
        warrants = {name: filled(world, name) for name in ("Ada", "Zoe", "Eve")}
        for name, warrant in warrants.items():
            world.node.read(world.read(warrant, "Bob"))
            world.node.read(world.read(warrant, "Bob"))
            assert not answered(world, name).anchored
    with running(tmp_path, clock) as world:
        blinds = {require_anchored(world, name, 2).blind for name in warrants}
        assert len(blinds) == 3
        assert answered(world, "Ada", 1).receipts == answered(world, "Ada").receipts[1:]
        assert answered(world, "Ada", 2).receipts == ()
        assert answered(world, "Ada", 9).receipts == ()
        world.fill("New", blob("new"))
        assert not answered(world, "New").anchored
        height = world.node.status().height
    with running(tmp_path, clock) as world:  # nothing was read: nothing is anchored
        assert world.node.status().height == height
        assert require_anchored(world, "Ada", 2).anchor == 0


@dataclass
class Watched(Clock):
    """A clock that tells when the anchoring thread asks."""

    asked: threading.Event = field(default_factory=threading.Event)

    def __call__(self) -> Millis:
        if threading.current_thread().name == "anchoring":
            self.asked.set()
        return Millis(self.now)


def test_receipts_are_anchored_within_the_interval(tmp_path: Path) -> None:
    """WAR-22, API-24."""
    clock = Watched()
    with running(tmp_path, clock, Config(anchor_seconds=1)) as world:
        warrant = filled(world)
        world.node.read(world.read(warrant, "Bob"))
        clock.asked.wait()
        while not answered(world).anchored:
            os.sched_yield()
        assert require_anchored(world, "Ada", 1).anchor == 0


def test_what_the_ledger_refuses_is_anchored_later(tmp_path: Path) -> None:
    """API-24: the clock runs behind when the node stops; nothing else goes wrong."""
    clock = Clock(START + 600_000)
    with running(tmp_path, clock) as world:
        world.node.read(world.read(filled(world), "Bob"))
        clock.now = START
    with running(tmp_path, clock) as world:
        assert (answered(world).total, answered(world).anchored) == (1, False)
    clock.now = START + 600_000
    with running(tmp_path, clock) as world:
        assert not answered(world).anchored
    with running(tmp_path, clock) as world:
        assert require_anchored(world, "Ada", 1).anchor == 0


def test_an_anchor_that_its_block_refuses_is_not_shown_as_one(tmp_path: Path) -> None:
    """API-24."""
    clock = OrderingClock()
    with running(tmp_path, clock) as world:
        world.node.read(world.read(filled(world), "Bob"))
        clock.ordering = lambda: Millis(START + 90_000)
    clock.ordering, clock.now = None, START + 90_000
    with running(tmp_path, clock) as world:
        assert not answered(world).anchored
        assert world.node.engine.block(world.node.status().height).results[0].refusal == "ledger/expired"
    with running(tmp_path, clock) as world:
        assert require_anchored(world, "Ada", 1).anchor == 0


OWNERS: list[tuple[str, dict[str, object], str]] = [
    ("another vault", {"vault": NONE}, "node/no-peer"),
    ("another network", {"network": NONE}, "warrants/wrong-vault"),
    ("a section that is not there", {"section": NONE}, "ledger/no-such-section"),
    ("a block to come", {"height": 99}, "warrants/unknown-block"),
    ("another block's hash", {"height": 0}, "warrants/unknown-block"),
]


@pytest.mark.parametrize(("what", "changed", "expected"), OWNERS, ids=[row[0] for row in OWNERS])
def test_receipts_are_for_the_owner_alone(tmp_path: Path, what: str, changed: dict[str, object], expected: str) -> None:
    """WAR-17, API-25."""
    with running(tmp_path) as world:
        filled(world)
        assert code(lambda: world.node.receipts(world.owner_asks("Ada", **changed))) == expected


def test_nobody_else_reads_receipts_nor_an_owner_before_a_hand_over(tmp_path: Path) -> None:
    """WAR-17, API-25."""
    with running(tmp_path) as world:
        filled(world)
        asked = world.owner_asks("Ada")
        for other in ("Bob", "Ada next"):
            forged = sign_owner(key(other), asked.request)
            assert code(lambda forged=forged: world.node.receipts(forged)) == "warrants/not-the-owner"
        assert code(lambda: world.node.receipts(sign_owner(NODE, asked.request))) == "warrants/not-the-owner"
        world.clock.now += 120_002
        assert code(lambda: world.node.receipts(asked)) == "warrants/stale-request"
        world.hand_over("Ada")
        assert code(lambda: world.node.receipts(world.owner_asks("Ada"))) == "warrants/not-the-owner"
        late = world.owner_asks("Ada")
        assert world.node.receipts(sign_owner(key("Ada next"), late.request)).total == 0


def test_a_node_that_read_nothing_anchors_nothing(tmp_path: Path) -> None:
    """API-24, API-41."""
    with ExitStack() as stack:
        stack.enter_context(running(tmp_path))
    with running(tmp_path) as world:
        assert world.node.status().height == 0


def test_receipts_that_wait_together_share_one_durable_write(tmp_path: Path) -> None:
    """API-22: one chain in the order of writing; what was seen before is refused, and takes nothing from its neighbours."""
    log = ReceiptLog(tmp_path)
    requests = [bytes([number]) * 32 for number in range(8)]
    log.append(NONE, b"sealed", requests[0], 5_000, 1_000)
    before = log._tables._env.info()["last_txnid"]
    with ThreadPoolExecutor(8) as pool:
        with log._writing:
            found = [pool.submit(code, partial(log.append, NONE, b"sealed", one, 5_000, 1_000)) for one in requests]
            while len(log._waiting) < len(requests):
                threading.Event().wait(0.001)
        assert sorted(each.result() for each in found) == [*[""] * 7, "warrants/replayed"]
    assert log._tables._env.info()["last_txnid"] == before + 1
    assert [stored.index for stored in log.since(NONE, 0)] == list(range(8))
    log.close()


@pytest.mark.parametrize("error", [OSError("full"), lmdb.Error("full"), RuntimeError("a bug")], ids=["disk", "database", "bug"])
def test_a_write_that_fails_is_told_to_all_who_waited(tmp_path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    log = ReceiptLog(tmp_path)

    def full(*_: object) -> None:
        raise error

    monkeypatch.setattr(log, "_forget", full)
    with ThreadPoolExecutor(4) as pool:
        with log._writing:
            found = [pool.submit(log.append, NONE, b"sealed", bytes([n]) * 32, 5_000, 1_000) for n in range(4)]
            while len(log._waiting) < 4:
                threading.Event().wait(0.001)
        assert {type(each.exception()) for each in found} == {type(error)}
    monkeypatch.undo()
    assert log.since(NONE, 0) == ()
    assert code(lambda: log.append(NONE, b"sealed", bytes(32), 5_000, 1_000)) == ""
    log.close()
