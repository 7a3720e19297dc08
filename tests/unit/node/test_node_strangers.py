"""The lane of strangers, by a member's stamp, into little room; and how much of a node may wait for another member's."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from node_world import MEMBER, NODE, NONE, START, NodeWorld, code, founding, key, running
from salus.crypto.keys import fresh_nonce
from salus.exchange.envelopes import Drop, Post
from salus.exchange.posting import mailbox_id, sign_claim, sign_collect, sign_stamp
from salus.ledger.genesis import GenesisMember, member_id
from salus.node.config import Config
from salus.node.mailbox.strangers import DAILY, MOST_STRANGERS, STAMP_AGE
from salus.node.service import MAX_PASSING

TOKEN = b"t" * 16
OTHERS = [key(f"node of {number}") for number in range(6)]
MEMBERS = [member_id(key(f"member {number}").public) for number in range(6)]
DAY = 86_400_000


def several() -> Any:
    """A network of seven members, of which this node's is the first."""
    genesis = founding()
    others = tuple(GenesisMember(key(f"member {number}").public, OTHERS[number].public, ()) for number in range(6))
    return replace(genesis, members=(*genesis.members, *others))


def opened(world: NodeWorld, name: str = "Ada") -> bytes:
    world.node.open_mailbox(sign_claim(key(name), world.network, MEMBER, TOKEN, 1))
    return mailbox_id(key(name).public)


def by_stamp(world: NodeWorld, box: bytes, sealed: bytes, sponsor: int = 0, **changed: Any) -> Drop:
    """A stranger's letter, stamped by another member's node."""
    bare = Drop(MEMBER, box, None, sealed)
    return replace(bare, stamp=sign_stamp(OTHERS[sponsor], world.network, MEMBERS[sponsor], bare, world.clock.now), **changed)


def post(world: NodeWorld, after: int = 0, done: int = 0) -> Post:
    return world.node.collect(
        sign_collect(key("Ada"), world.network, MEMBER, START + after, START + done, fresh_nonce(), world.clock.now)
    )


def test_who_has_no_token_writes_by_the_stamp_of_a_member(tmp_path: Path) -> None:
    """GRA-46, GRA-47."""
    with running(tmp_path, genesis=several()) as world:
        box = opened(world)
        world.node.drop(Drop(MEMBER, box, None, b"by this node"))
        world.node.drop(by_stamp(world, box, b"by another"))
        world.node.drop(Drop(MEMBER, box, TOKEN, b"of a contact"))
        found = [(letter.sealed, letter.stranger) for letter in post(world).letters]
        assert found == [(b"by this node", True), (b"by another", True), (b"of a contact", False)]
        assert code(lambda: world.node.drop(Drop(MEMBER, NONE, None, b"x"))) == "node/no-such-mailbox"


def test_a_stamp_is_for_one_letter_and_mailbox_and_of_a_member(tmp_path: Path) -> None:
    """GRA-46."""
    with running(tmp_path, genesis=several()) as world:
        box, other = opened(world), opened(world, "Zoe")
        good = by_stamp(world, box, b"x")
        assert good.stamp is not None
        assert code(lambda: world.node.drop(replace(good, sealed=b"y"))) == "warrants/wrong-stamp"
        assert code(lambda: world.node.drop(replace(good, mailbox=other))) == "warrants/wrong-stamp"
        for name, value in (("network", NONE), ("member", MEMBERS[1]), ("letter", NONE), ("mailbox", other)):
            moved = replace(good, stamp=replace(good.stamp, **{name: value}))
            assert code(lambda drop=moved: world.node.drop(drop)) == "warrants/wrong-stamp"
        for name, value in (("time", START + 1), ("sponsor", MEMBERS[1]), ("sponsor", MEMBER)):
            forged = replace(good, stamp=replace(good.stamp, **{name: value}))
            assert code(lambda drop=forged: world.node.drop(drop)) == "crypto/bad-signature"
        nobody = sign_stamp(key("Eve"), world.network, NONE, good, world.clock.now)
        assert code(lambda: world.node.drop(replace(good, stamp=nobody))) == "ledger/no-such-member"
        assert post(world).letters == ()


@pytest.mark.parametrize(
    ("off", "expected"), [(STAMP_AGE, ""), (STAMP_AGE + 1, "node/stale-stamp"), (-STAMP_AGE - 1, "node/stale-stamp")]
)
def test_a_stamp_holds_for_five_minutes(tmp_path: Path, off: int, expected: str) -> None:
    """GRA-46."""
    with running(tmp_path, genesis=several()) as world:
        drop = by_stamp(world, opened(world), b"x")
        world.clock.now += off
        assert code(lambda: world.node.drop(drop)) == expected


def test_a_member_lets_so_many_strangers_a_day_write_to_one_mailbox(tmp_path: Path) -> None:
    """GRA-47."""
    with running(tmp_path, genesis=several()) as world:
        box, other = opened(world), opened(world, "Zoe")
        for number in range(DAILY):
            world.node.drop(by_stamp(world, box, bytes([number])))
        post(world, done=DAILY)
        assert code(lambda: world.node.drop(by_stamp(world, box, b"x"))) == "node/stranger-quota"
        world.node.drop(by_stamp(world, other, b"x"))
        world.node.drop(by_stamp(world, box, b"x", 1))
        world.clock.now += DAY
        world.node.drop(by_stamp(world, box, b"x"))


def test_a_flood_of_strangers_leaves_the_lane_of_contacts_free(tmp_path: Path) -> None:
    """GRA-47."""
    with running(tmp_path, genesis=several()) as world:
        box = opened(world)
        for number in range(MOST_STRANGERS):
            world.node.drop(by_stamp(world, box, bytes([number]), number // DAILY))
        assert code(lambda: world.node.drop(by_stamp(world, box, b"x", 5))) == "node/strangers-full"
        world.node.drop(Drop(MEMBER, box, TOKEN, b"of a contact"))
        post(world, done=1)
        world.node.drop(by_stamp(world, box, b"x", 5))
        assert code(lambda: world.node.drop(by_stamp(world, box, b"y", 5))) == "node/strangers-full"
    with running(tmp_path, genesis=several()) as world:
        assert [letter.sealed for letter in post(world, after=MOST_STRANGERS).letters] == [b"of a contact", b"x"]


def test_neither_lane_takes_the_room_of_the_other(tmp_path: Path) -> None:
    """GRA-47."""
    with running(tmp_path, config=Config(anchor_seconds=86_400, mailbox_letters=1), genesis=several()) as world:
        box = opened(world)
        world.node.drop(by_stamp(world, box, b"w"))
        world.node.drop(Drop(MEMBER, box, TOKEN, b"x"))
        assert code(lambda: world.node.drop(Drop(MEMBER, box, TOKEN, b"y"))) == "node/mailbox-full"
        world.node.drop(by_stamp(world, box, b"z"))


def test_a_letter_with_a_wrong_token_does_not_get_in_by_a_stamp(tmp_path: Path) -> None:
    """GRA-27."""
    with running(tmp_path, genesis=several()) as world:
        wrong = by_stamp(world, opened(world), b"x", token=b"o" * 16)
        assert code(lambda: world.node.drop(wrong)) == "node/no-such-mailbox"


def test_the_node_stamps_with_its_own_key(tmp_path: Path) -> None:
    """GRA-46."""
    with running(tmp_path, genesis=several()) as world:
        box = opened(world)
        bare = Drop(MEMBER, box, None, b"x")
        world.node.drop(replace(bare, stamp=sign_stamp(NODE, world.network, MEMBER, bare, world.clock.now)))
        assert [letter.stranger for letter in post(world).letters] == [True]


def test_a_members_node_that_hangs_takes_but_a_part_of_this_one_with_it(tmp_path: Path) -> None:
    """API-30."""
    with running(tmp_path, genesis=several()) as world, socket.create_server(("127.0.0.1", 0)) as hanging:
        world.node.peers.know(MEMBERS[0], f"http://127.0.0.1:{hanging.getsockname()[1]}")

        def passed_on(_: object = None) -> str:
            return code(lambda: world.node.drop(Drop(MEMBERS[0], NONE, TOKEN, b"x")))

        with ThreadPoolExecutor(MAX_PASSING) as pool:
            waiting = [pool.submit(passed_on) for _ in range(MAX_PASSING)]
            connections = [hanging.accept()[0] for _ in range(MAX_PASSING)]
            assert passed_on() == "node/peer-unreachable"
            assert not any(one.done() for one in waiting)
            for connection in connections:
                connection.close()
            assert {one.result() for one in waiting} == {"node/peer-unreachable"}
