"""Sealed cards at a node: of the mailbox's owner alone, one a mailbox, found by hash."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from node_world import MEMBER, NONE, NodeWorld, ask, code, key, running
from salus.codec import decode, encode
from salus.crypto.hashing import sha256
from salus.exchange.posting import sign_claim
from salus.exchange.references import MAX_SEALED, CardDeposit, SealedCard, sign_deposit


def opened(world: NodeWorld, name: str = "Ada") -> None:
    world.node.open_mailbox(sign_claim(key(name), world.network, MEMBER, bytes(16), 1))


def deposit(world: NodeWorld, sealed: bytes, issued: int = 5, name: str = "Ada") -> CardDeposit:
    return sign_deposit(key(name), world.network, MEMBER, issued, sealed)


def found(world: NodeWorld, sealed: bytes) -> bool:
    return not code(lambda: world.node.card(MEMBER, sha256(sealed)))


def test_the_newest_card_of_a_mailbox_is_found_by_its_hash(tmp_path: Path) -> None:
    """GRA-51."""
    with running(tmp_path) as world:
        opened(world)
        world.node.put_card(deposit(world, b"one"))
        assert world.node.card(MEMBER, sha256(b"one")) == SealedCard(b"one")
        world.node.put_card(deposit(world, b"two", 6))
        assert [found(world, b"one"), found(world, b"two")] == [False, True]
        assert code(lambda: world.node.put_card(deposit(world, b"one"))) == "node/old-card"
        world.node.put_card(deposit(world, b"two", 6))
        assert code(lambda: world.node.card(MEMBER, NONE)) == "node/no-such-card"
    with running(tmp_path) as world:
        assert found(world, b"two")


def test_a_card_is_put_by_the_owner_of_the_mailbox_alone(tmp_path: Path) -> None:
    """GRA-51."""
    with running(tmp_path) as world:
        opened(world)
        assert code(lambda: world.node.put_card(deposit(world, b"x", name="Eve"))) == "node/no-such-mailbox"
        forged = replace(deposit(world, b"x", name="Eve"), owner=key("Ada").public)
        assert code(lambda: world.node.put_card(forged)) == "crypto/bad-signature"
        changed = replace(deposit(world, b"mine"), sealed=b"x")
        assert code(lambda: world.node.put_card(changed)) == "crypto/bad-signature"
        assert code(lambda: world.node.put_card(sign_deposit(key("Ada"), NONE, MEMBER, 5, b"x"))) == "warrants/wrong-network"
        assert not found(world, b"x")


def test_who_leaves_a_copy_of_anothers_card_cannot_take_it_away(tmp_path: Path) -> None:
    """GRA-51."""
    with running(tmp_path) as world:
        opened(world)
        opened(world, "Eve")
        world.node.put_card(deposit(world, b"Ada's"))
        world.node.put_card(deposit(world, b"Ada's", name="Eve"))
        world.node.put_card(deposit(world, b"Eve's", 6, name="Eve"))
        assert [found(world, b"Ada's"), found(world, b"Eve's")] == [True, True]


def test_cards_over_the_api(tmp_path: Path) -> None:
    """API-34."""
    with running(tmp_path) as world:
        opened(world)
        large = bytes(MAX_SEALED)
        assert ask(world.node, "PUT", "/v1/cards", encode(deposit(world, large))).status_code == 200
        answer = ask(world.node, "GET", f"/v1/cards/{MEMBER.hex()}/{sha256(large).hex()}")
        assert decode(answer.content, SealedCard, limit=20_000).sealed == large
        for path, status, refused in (
            (f"{MEMBER.hex()}/{NONE.hex()}", 404, "node/no-such-card"),
            (f"{NONE.hex()}/{NONE.hex()}", 502, "node/no-peer"),
            (f"{MEMBER.hex()}/Ada", 400, "node/bad-id"),
        ):
            answer = ask(world.node, "GET", f"/v1/cards/{path}")
            assert (answer.status_code, answer.json()["code"]) == (status, refused)
        larger = ask(world.node, "PUT", "/v1/cards", encode(deposit(world, bytes(MAX_SEALED + 1), 6)))
        assert (larger.status_code, larger.json()["code"]) == (400, "codec/not-decodable")
