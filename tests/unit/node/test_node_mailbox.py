"""Mailboxes: a cursor that only rises, limits, and nobody's post but one's own."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from node_world import MEMBER, NONE, START, Clock, NodeWorld, code, key, running
from salus.crypto.keys import fresh_nonce
from salus.exchange.envelopes import MAX_ENVELOPE, Drop, MailboxCollect
from salus.exchange.posting import mailbox_id, sign_claim, sign_collect
from salus.node.config import Config

TOKEN, OTHER = b"t" * 16, b"o" * 16


def opened(world: NodeWorld, name: str = "Ada", token: bytes = TOKEN, serial: int = 1) -> bytes:
    """The mailbox of ``name``, open."""
    world.node.open_mailbox(sign_claim(key(name), world.network, MEMBER, token, serial))
    return mailbox_id(key(name).public)


def drop(world: NodeWorld, box: bytes, token: bytes | None, sealed: bytes) -> None:
    """Leave an envelope."""
    world.node.drop(Drop(MEMBER, box, token, sealed))


def collecting(world: NodeWorld, after: int = 0, done: int = 0, **changed: Any) -> MailboxCollect:
    """A request of Ada's; ``after`` and ``done`` count from her mailbox's first cursor, which is the time of its opening."""
    settings = {"key": key("Ada"), "network": world.network, "member": MEMBER, "time": world.clock.now, **changed}
    return sign_collect(after=START + after, done=START + done, nonce=fresh_nonce(), **settings)


def collected(world: NodeWorld, after: int = 0, done: int = 0) -> list[tuple[int, bytes]]:
    return [(letter.cursor - START, letter.sealed) for letter in world.node.collect(collecting(world, after, done)).letters]


def test_letters_come_in_order_once_they_were_dropped_and_go_when_they_are_done(tmp_path: Path) -> None:
    """GRA-25, API-30, API-31."""
    with running(tmp_path) as world:
        box = opened(world)
        for number in range(4):
            drop(world, box, TOKEN, b"letter %d" % number)
        assert collected(world) == [(number + 1, b"letter %d" % number) for number in range(4)]
        assert collected(world, after=2) == [(3, b"letter 2"), (4, b"letter 3")]
        assert collected(world, after=3, done=3) == [(4, b"letter 3")]
        assert collected(world) == [(4, b"letter 3")]
        assert collected(world, after=4, done=9) == []
    with running(tmp_path) as world:
        drop(world, box, TOKEN, b"later")
        assert collected(world) == [(5, b"later")]  # the cursor only rises


def test_a_page_says_that_there_is_more(tmp_path: Path) -> None:
    """API-31."""
    with running(tmp_path) as world:
        box = opened(world)
        for _ in range(65):
            drop(world, box, TOKEN, b"x")
        first = world.node.collect(collecting(world))
        assert (len(first.letters), first.more) == (64, True)
        rest = world.node.collect(collecting(world, after=64))
        assert ([letter.cursor - START for letter in rest.letters], rest.more) == ([65], False)


def test_a_mailbox_holds_so_many_letters_and_no_more(tmp_path: Path) -> None:
    """API-32."""
    with running(tmp_path, config=Config(anchor_seconds=86_400, mailbox_letters=2)) as world:
        box, other = opened(world), opened(world, "Zoe")
        for _ in range(2):
            drop(world, box, TOKEN, b"x")
        assert code(lambda: drop(world, box, TOKEN, b"x")) == "node/mailbox-full"
        drop(world, other, TOKEN, b"x")
        collected(world, after=1, done=1)
        drop(world, box, TOKEN, b"y")
        assert [cursor for cursor, _ in collected(world)] == [2, 3]
        assert code(lambda: drop(world, box, TOKEN, b"x")) == "node/mailbox-full"


def test_collecting_at_once_counts_what_was_deleted_once(tmp_path: Path) -> None:
    """API-32."""
    with running(tmp_path, config=Config(anchor_seconds=86_400, mailbox_letters=8)) as world, ThreadPoolExecutor(8) as pool:
        box = opened(world)
        for _ in range(20):
            start = max((cursor for cursor, _ in collected(world)), default=0)
            while not code(lambda: drop(world, box, TOKEN, b"x")):
                pass
            ends = pool.map(lambda _, done=start + 8: code(lambda: world.node.collect(collecting(world, 0, done))), range(8))
            assert set(ends) == {""}
            drop(world, box, TOKEN, b"x")


def test_the_largest_letter_is_taken_and_a_larger_one_is_not(tmp_path: Path) -> None:
    """API-32."""
    with running(tmp_path) as world:
        box = opened(world)
        drop(world, box, TOKEN, bytes(MAX_ENVELOPE))
        assert code(lambda: drop(world, box, TOKEN, bytes(MAX_ENVELOPE + 1))) == "node/letter-too-large"
        assert [len(sealed) for _, sealed in collected(world)] == [MAX_ENVELOPE]


def test_an_unknown_mailbox_and_a_wrong_token_are_not_told_apart(tmp_path: Path) -> None:
    """API-30."""
    with running(tmp_path) as world:
        box, texts = opened(world), set()
        for mailbox, token in ((NONE, TOKEN), (box, OTHER)):
            with pytest.raises(Exception, match="no mailbox takes this letter") as refused:
                drop(world, mailbox, token, b"x")
            texts.add(str(refused.value))
        assert len(texts) == 1
        assert collected(world) == []


def test_a_newer_claim_changes_the_token_and_an_older_one_does_not(tmp_path: Path) -> None:
    """API-30."""
    with running(tmp_path) as world:
        box = opened(world)
        drop(world, box, TOKEN, b"before")
        opened(world, token=OTHER, serial=2)
        assert code(lambda: opened(world, serial=1)) == "node/old-claim"
        assert code(lambda: drop(world, box, TOKEN, b"x")) == "node/no-such-mailbox"
        drop(world, box, OTHER, b"after")
        assert [sealed for _, sealed in collected(world)] == [b"before", b"after"]


def test_somebody_else_neither_claims_nor_collects(tmp_path: Path) -> None:
    """API-30, API-31."""
    with running(tmp_path) as world:
        box = opened(world)
        drop(world, box, TOKEN, b"for Ada")
        forged = replace(collecting(world, key=key("Eve")), owner=key("Ada").public)
        assert code(lambda: world.node.collect(forged)) == "crypto/bad-signature"
        later = replace(collecting(world), done=5)
        assert code(lambda: world.node.collect(later)) == "crypto/bad-signature"
        claim = replace(sign_claim(key("Eve"), world.network, MEMBER, OTHER, 9), owner=key("Ada").public)
        assert code(lambda: world.node.open_mailbox(claim)) == "crypto/bad-signature"
        assert code(lambda: world.node.collect(collecting(world, key=key("Eve"), done=9))) == "node/no-such-mailbox"
        opened(world, "Eve")
        assert world.node.collect(collecting(world, key=key("Eve"))).letters == ()
        assert world.node.collect(collecting(world, key=key("Eve"), done=9)).letters == ()
        assert collected(world) == [(1, b"for Ada")]


MISPLACED: list[tuple[str, dict[str, Any], str]] = [
    ("another node", {"member": NONE}, "node/no-peer"),
    ("another network", {"network": NONE}, "warrants/wrong-network"),
    ("too old", {"time": START - 300_001}, "node/stale-collect"),
    ("to come", {"time": START + 300_001}, "node/stale-collect"),
    ("just in time", {"time": START - 300_000}, ""),
]


@pytest.mark.parametrize(("what", "changed", "expected"), MISPLACED, ids=[row[0] for row in MISPLACED])
def test_a_request_to_collect_is_for_one_node_and_a_short_time(
    tmp_path: Path, what: str, changed: dict[str, Any], expected: str
) -> None:
    """API-31."""
    with running(tmp_path) as world:
        opened(world)
        assert code(lambda: world.node.collect(collecting(world, **changed))) == expected


def test_a_mailbox_that_was_lost_goes_on_above_where_its_owner_has_read(tmp_path: Path) -> None:
    """GRA-28, GRA-43."""
    with running(tmp_path) as world:
        box = opened(world)
        for _ in range(3):
            drop(world, box, TOKEN, b"x")
        passed = max(cursor for cursor, _ in collected(world))
    shutil.rmtree(tmp_path / "mailbox")
    with running(tmp_path, Clock(START + 1_000)) as world:
        assert code(lambda: collected(world, passed)) == "node/no-such-mailbox"
        opened(world)
        drop(world, box, TOKEN, b"y")
        assert [sealed for _, sealed in collected(world, passed)] == [b"y"]


def test_a_claim_is_for_one_network(tmp_path: Path) -> None:
    """API-30."""
    with running(tmp_path) as world:
        assert code(lambda: world.node.open_mailbox(sign_claim(key("Ada"), NONE, MEMBER, TOKEN, 1))) == "warrants/wrong-network"
