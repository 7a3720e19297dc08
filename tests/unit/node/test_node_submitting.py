"""Submitting: blobs and transaction together, those of a refused one deleted, and nobody's blob with them."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from node_world import MEMBER, NODE, NONE, START, NodeWorld, OrderingClock, blob, code, key, package, running, signed
from salus.codec import decode, encode
from salus.crypto.hashing import sha256
from salus.errors import NodeRefused
from salus.exchange.api import Submission
from salus.ids import Millis
from salus.ledger.modules.sections.messages import Entomb, Rotate
from salus.ledger.modules.sections.state import schedule_hash
from salus.ledger.tx import Signature, Transaction, body_hash
from salus.node.engine import Outcome
from salus.node.solo import SoloEngine
from salus.node.vault.arriving import Arriving
from salus.node.vault.blobs import Blobs

ONE, TWO = blob("one"), blob("two", 300)


def appended(world: NodeWorld, data: bytes = ONE, **changed: Any) -> Submission:
    """Ada appends ``data`` to her section."""
    return world.submission(world.body(world.entry("Ada", data, **changed)), [key("Ada")], [data])


def files(world: NodeWorld) -> int:
    """How many blobs are in their places."""
    return sum(path.is_file() for path in (world.folder / "vault" / "blobs").rglob("*"))


def arriving(world: NodeWorld) -> list[Path]:
    return sorted((world.folder / "vault" / "arriving").glob("*"))


def test_what_was_submitted_is_there_and_comes_again_as_it_was(tmp_path: Path) -> None:
    """API-13, API-14."""
    with running(tmp_path) as world:
        world.fill("Ada")
        submission = appended(world)
        first = world.node.submit(submission)
        assert (first.height, first.refusal) == (2, "")
        assert world.node.submit(submission) == first
        assert world.node.result(first.body) == first
        assert world.node.result(NONE).height == 0
        assert world.blob_path(ONE).read_bytes() == ONE
        assert world.node.status().height == 2
        assert len(arriving(world)) == 2  # linked into their places, which are not durable yet
    assert arriving(world) == []
    assert world.blob_path(ONE).read_bytes() == ONE


def _bad_signature(world: NodeWorld) -> Submission:
    made = appended(world)
    transaction = decode(made.transaction, Transaction, limit=65_536)
    signatures = (Signature(transaction.signatures[0].key, bytes(64)),)
    return replace(made, transaction=encode(replace(transaction, signatures=signatures)))


REFUSED: list[tuple[str, Any, str]] = [
    ("a blob that is not sent", lambda w: replace(appended(w), blobs=()), "node/blob-missing"),
    ("another blob", lambda w: replace(appended(w), blobs=(TWO,)), "node/blob-unanchored"),
    ("one blob too many", lambda w: replace(appended(w), blobs=(ONE, TWO)), "node/blob-unanchored"),
    ("a blob of another size", lambda w: appended(w, size=199), "node/blob-size"),
    ("a held blob of another size", lambda w: replace(appended(w, package("Ada"), size=1), blobs=()), "node/blob-size"),
    ("two sizes of one blob", lambda w: _twice(w), "node/blob-size"),
    (
        "another sponsor, who is no member",
        lambda w: w.submission(w.body(w.entry("Ada", ONE), sponsor=NONE), [key("Ada")], [ONE]),
        "ledger/no-such-member",
    ),
    ("a signature that does not verify", _bad_signature, "crypto/bad-signature"),
    ("a signature missing", lambda w: w.submission(w.body(w.entry("Ada", ONE)), (), [ONE]), "ledger/wrong-signers"),
    ("a signature too many", lambda w: _also_by(w, "Eve"), "ledger/wrong-signers"),
    ("expired", lambda w: w.submission(w.body(w.entry("Ada", ONE), expires=START), [key("Ada")], [ONE]), "ledger/expired"),
    ("a closed epoch", lambda w: appended(w, epoch=1), "ledger/epoch-closed"),
    ("a section that is not there", lambda w: appended(w, section=NONE), "ledger/no-such-section"),
    ("a writer that is none", lambda w: _by(w, "Eve"), "ledger/not-a-writer"),
    ("no transaction", lambda w: Submission(b"\xc1", (ONE,)), "codec/not-decodable"),
    ("a transaction too large", lambda w: Submission(bytes(65_537), (ONE,)), "codec/too-large"),
    ("a rotation without its package", lambda w: _rotation(w), "node/blob-missing"),
]


def _twice(world: NodeWorld) -> Submission:
    return world.submission(world.body(world.entry("Ada", ONE), world.entry("Ada", ONE, size=1)), [key("Ada")], [ONE])


def _also_by(world: NodeWorld, other: str) -> Submission:
    return world.submission(world.body(world.entry("Ada", ONE)), [key("Ada"), key(other)], [ONE])


def _by(world: NodeWorld, other: str) -> Submission:
    return world.submission(world.body(world.entry("Ada", ONE, writer=key(other).public)), [key(other)], [ONE])


def _rotation(world: NodeWorld) -> Submission:
    first = world.creation("Ada").schedule
    following = replace(first[0], number=1, activation=world.clock.now, package=sha256(b"not sent"))
    rotate = Rotate(world.section("Ada"), schedule_hash(first), (first[0], following))
    return world.submission(world.body(rotate), [key("Ada")])


@pytest.mark.parametrize(("what", "made", "expected"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_is_refused_leaves_no_blob_and_no_block(tmp_path: Path, what: str, made: Any, expected: str) -> None:
    """API-13, API-14."""
    with running(tmp_path) as world:
        world.fill("Ada")
        before = files(world)
        submission = made(world)
        assert code(lambda: world.node.submit(submission)) == expected
        assert files(world) == before
        assert world.node.status().height == 1


def test_what_may_still_be_ordered_keeps_its_blobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NET-10: nobody knows yet what becomes of it, and the same bytes are sent again."""
    with running(tmp_path) as world:
        world.fill("Ada")
        submission = appended(world)

        def undecided(data: bytes, blobs: tuple[bytes, ...] = ()) -> Outcome:
            raise NodeRefused("not-ordered", "nobody knows")

        with monkeypatch.context() as changed:
            changed.setattr(world.node.engine, "submit", undecided)
            assert code(lambda: world.node.submit(submission)) == "node/not-ordered"
        assert all(world.node.blobs.get(sha256(blob)) == blob for blob in submission.blobs)
        assert world.node.submit(submission).refusal == ""


def test_what_the_block_refuses_leaves_no_blob_either(tmp_path: Path) -> None:
    """API-14."""
    clock = OrderingClock()
    with running(tmp_path, clock) as world:
        world.fill("Ada")
        before = files(world)
        submission = appended(world)
        clock.ordering = lambda: Millis(START + 400_000)
        assert code(lambda: world.node.submit(submission)) == "ledger/expired"
        clock.ordering = None
        assert files(world) == before
        assert world.node.status().height == 2


def test_a_refused_transaction_does_not_take_a_blob_that_was_held(tmp_path: Path) -> None:
    """API-14."""
    with running(tmp_path) as world:
        world.fill("Ada", ONE)
        assert code(lambda: world.node.submit(appended(world))) == "ledger/blob-held"
        assert world.blob_path(ONE).read_bytes() == ONE


def test_a_refused_transaction_does_not_take_a_blob_that_another_one_brings_meanwhile(tmp_path: Path) -> None:
    """API-15: the first is held in its block until the second has come, with the same blob."""
    clock, held, go = OrderingClock(), threading.Event(), threading.Event()
    with running(tmp_path, clock) as world, ThreadPoolExecutor(2) as pool:
        world.fill("Ada")
        refused = appended(world)
        late = iter([400_000])

        def ordering() -> Millis:
            held.set()
            go.wait()
            return Millis(START + next(late, 390_000))

        clock.ordering = ordering
        first = pool.submit(code, lambda: world.node.submit(refused))
        held.wait()
        clock.now = START + 390_000  # the second expires later
        taken = appended(world)
        started = threading.Event()
        second = pool.submit(lambda: (started.set(), code(lambda: world.node.submit(taken)))[1])
        started.wait()
        for _ in range(20_000):
            os.sched_yield()
        go.set()
        assert (first.result(), second.result()) == ("ledger/expired", "")
        assert world.blob_path(ONE).read_bytes() == ONE


def test_the_same_body_at_once_is_taken_once(tmp_path: Path) -> None:
    """API-13, API-15."""
    with running(tmp_path) as world, ThreadPoolExecutor(8) as pool:
        world.fill("Ada")
        submission = appended(world)
        ends = set(pool.map(lambda _: world.node.submit(submission), range(8)))
        assert len(ends) == 1
        assert world.blob_path(ONE).read_bytes() == ONE
        assert world.node.status().height == 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_after_a_crash_the_blobs_of_what_was_not_committed_are_deleted(tmp_path: Path) -> None:
    """API-16."""
    clock = OrderingClock()

    def fail() -> Millis:
        raise ZeroDivisionError

    with running(tmp_path, clock) as world:
        world.fill("Ada")
        before, submission = files(world), appended(world)
        clock.ordering = fail
        with pytest.raises(ZeroDivisionError):
            world.node.submit(submission)
        assert files(world) == before + 1
        half = arriving(world)[0].with_name(f"{'ab' * 32}.{sha256(TWO).hex()}")
        half.write_bytes(TWO[:9])
    clock.ordering = None
    with running(tmp_path, clock) as world:
        assert (files(world), arriving(world)) == (before, [])
        world.node.submit(submission)
        assert world.blob_path(ONE).read_bytes() == ONE


def test_where_others_order_what_was_handed_on_stays_after_a_crash_until_it_has_expired(tmp_path: Path) -> None:
    """NET-13: it may still come into a block, and nobody else has its blobs."""
    blobs = Blobs(tmp_path / "blobs")
    Arriving(blobs, tmp_path / "arriving").bring(NONE, (ONE,))
    blobs.remove(sha256(ONE))  # the link was not durable
    Arriving(blobs, tmp_path / "arriving").sweep(lambda _: False, 600.0)
    assert blobs.get(sha256(ONE)) == ONE
    (path,) = (tmp_path / "arriving").iterdir()
    os.utime(path, (0, 0))
    Arriving(blobs, tmp_path / "arriving").sweep(lambda _: False, 600.0)
    assert blobs.get(sha256(ONE)) is None


def test_where_the_chain_begins_with_a_snapshot_what_the_ledger_anchors_stays(tmp_path: Path) -> None:
    """NET-48: what became of the body is not known there."""
    blobs = Blobs(tmp_path / "blobs")
    Arriving(blobs, tmp_path / "arriving").bring(NONE, (ONE, TWO))
    for path in (tmp_path / "arriving").iterdir():
        os.utime(path, (0, 0))
    Arriving(blobs, tmp_path / "arriving").sweep(lambda _: False, 600.0, {sha256(ONE)})
    assert blobs.get(sha256(ONE)) == ONE
    assert blobs.get(sha256(TWO)) is None


def test_a_blob_that_was_lost_comes_back_with_the_same_bytes_and_an_erased_one_does_not(tmp_path: Path) -> None:
    """NET-13."""
    with running(tmp_path) as world:
        world.fill("Ada")
        submission = appended(world)
        status = world.node.submit(submission)
        world.node.blobs.remove(sha256(ONE))
        assert world.node.submit(submission) == status
        assert world.node.blobs.get(sha256(ONE)) == ONE
        world.submit(Entomb(world.section("Ada"), 0), keys=[key("Ada")])
        assert world.node.submit(submission) == status
        assert world.node.blobs.get(sha256(ONE)) is None


def test_after_a_crash_the_blobs_of_what_was_committed_are_kept(tmp_path: Path) -> None:
    """API-16."""
    with running(tmp_path) as world:
        world.fill("Ada")
        body = world.node.submit(appended(world)).body
    place = world.folder / "vault" / "arriving"
    world.blob_path(ONE).rename(place / f"{body.hex()}.{sha256(ONE).hex()}")
    (place / "ab.notes").write_bytes(b"somebody's")  # no name of ours: passed over
    with running(tmp_path) as world:
        assert [path.name for path in arriving(world)] == ["ab.notes"]
        assert world.blob_path(ONE).read_bytes() == ONE


def test_blobs_of_one_body_are_flushed_once_each_and_their_names_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """API-16: the block's own flush is LMDB's."""
    with running(tmp_path) as world:
        world.fill("Ada")
        given = [blob(f"part {number}") for number in range(20)]
        body = world.body(*(world.entry("Ada", data) for data in given))
        flushed, flush = list[str](), os.fsync

        def counted(handle: int) -> None:
            flushed.append(Path(f"/proc/self/fd/{handle}").readlink().parent.name)
            flush(handle)

        world.blob_path(given[0]).parent.mkdir(exist_ok=True)
        for data in given:
            world.blob_path(data).parent.mkdir(exist_ok=True)
        monkeypatch.setattr(os, "fsync", counted)
        world.node.submit(world.submission(body, [key("Ada")], given))
        assert flushed == ["arriving"] * 20 + ["vault"]


def test_places_become_durable_many_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """API-16."""
    monkeypatch.setattr("salus.node.vault.blobs.SETTLED", 4)
    with running(tmp_path) as world:
        world.fill("Ada")
        assert len(arriving(world)) == 1
        for number in range(4):
            world.node.submit(appended(world, blob(f"part {number}")))
            assert len(arriving(world)) == (2, 3, 0, 1)[number]
        assert world.blob_path(blob("part 3")).read_bytes() == blob("part 3")


def test_the_node_signs_as_sponsor_and_its_own_signature_may_be_there_already(tmp_path: Path) -> None:
    """API-13."""
    with running(tmp_path) as world:
        body = world.body(world.creation("Ada"))
        assert world.node.submit(Submission(signed(body, key("Ada"), NODE), (package("Ada"),))).body == body_hash(body)
        kept = decode(world.node.engine.block(1).transactions[0], Transaction, limit=65_536)
        assert kept.body.sponsor == MEMBER
        assert {signature.key for signature in kept.signatures} == {NODE.public, key("Ada").public}


def test_too_many_keys_of_the_state_are_refused(tmp_path: Path) -> None:
    """API-17."""
    with running(tmp_path) as world:
        assert len(world.node.states([b"a"] * 512)) == 512
        assert code(lambda: world.node.states([b"a"] * 513)) == "node/too-many-keys"


def test_each_signature_of_a_submission_is_verified_once_at_a_node(tmp_path: Path) -> None:
    """TX-10: between check, block and a second submission of the same; the member signs as sponsor, its owner as writer."""
    with running(tmp_path) as world:
        world.fill("Ada")
        assert isinstance(world.node.engine, SoloEngine)
        machine, data = world.node.engine.app.machine, blob("one")
        before = machine.verified
        submission = world.submission(world.body(world.entry("Ada", data)), [key("Ada")], [data])
        assert world.node.submit(submission) == world.node.submit(submission)
        assert machine.verified - before == 2
