"""Several members' nodes: one follows and believes nothing, each keeps all, what is another's is passed on (MEM-n)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from members_world import Members, replicate, two_members
from node_world import ask
from salus.agent.services import charting, listing
from salus.codec import decode
from salus.crypto.hashing import sha256
from salus.crypto.keys import new_seed
from salus.crypto.signing import SigningKey
from salus.errors import SalusError
from salus.exchange.addressing import pinned
from salus.exchange.api import Submission
from salus.exchange.cards import Role
from salus.exchange.client import NodeClient
from salus.exchange.founding import member_from_text, member_to_text
from salus.exchange.peering import EngineAsk, Peer, PeerAsk, PeerBlock, Question, sign_ask
from salus.ledger.genesis import member_id
from salus.ledger.header import HEADER_TAG, SignedHeader, header_hash
from salus.ledger.tx import Transaction
from salus.node.config import Config
from salus.node.following import FollowingEngine
from salus.node.ledger_store import LedgerStore
from salus.node.peers import OrderingPeer
from salus.node.tls import ending
from world import CLEMENTE, DOCTOR, PATIENT, served


@pytest.fixture
def members(tmp_path: Path) -> Iterator[Members]:
    with two_members(tmp_path) as made:
        yield made


def code_of(act: Any, *args: Any) -> str:
    with pytest.raises(SalusError) as refused:
        act(*args)
    return refused.value.full_code


def blobs_of(members: Members) -> tuple[set[bytes], set[bytes]]:
    return set(members.first.node.blobs.stock()), set(members.second.node.blobs.stock())


def own_key(world: Any) -> SigningKey:
    key: SigningKey = world.node._key
    return key


def asked(members: Members, **changes: Any) -> PeerAsk:
    first, second = (world.node.status().member for world in (members.first, members.second))
    now = members.first.clock.now
    ask = PeerAsk(members.first.agent.network_id, Peer(second, ""), first, 0, 10, (), (), now, bytes(64))
    return sign_ask(own_key(members.second), msgspec.structs.replace(ask, **changes))


def test_both_nodes_come_to_the_same_state_and_keep_every_blob(members: Members) -> None:
    members.first.person(PATIENT)
    members.first.take_in(CLEMENTE)
    members.second.person(DOCTOR, Role.PHYSICIAN)
    members.follow()
    headers = [world.node.header(None) for world in (members.first, members.second)]
    assert headers[0] == headers[1]
    first, second = blobs_of(members)
    assert first == second != set()


def test_a_transaction_is_sponsored_where_it_was_submitted_and_ordered_by_the_first_member(members: Members) -> None:
    members.second.person(PATIENT)
    members.second.take_in(CLEMENTE)
    newest = members.first.node.header(None).header.height
    data = members.first.node.engine.block(newest).transactions[0]
    assert decode(data, Transaction, limit=1 << 20).body.sponsor == members.second.node.status().member
    first, second = blobs_of(members)
    assert first == second  # they went with the transaction


def test_what_another_member_is_to_sponsor_is_passed_on_to_it(members: Members) -> None:
    members.second.person(PATIENT)
    real = members.second.agent.network
    members.second.agent.network = Through(real, members.first.node)
    members.second.take_in(CLEMENTE)
    newest = members.first.node.header(None).header.height
    data = members.first.node.engine.block(newest).transactions[0]
    assert decode(data, Transaction, limit=1 << 20).body.sponsor == members.second.node.status().member


class Through:
    """Submissions go through another node than everything else."""

    def __init__(self, real: Any, other: Any) -> None:
        self.real, self.other = real, other

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def submit(self, submission: Submission) -> Any:
        return self.other.submit(submission)


def test_a_node_without_the_first_members_says_so_and_serves_what_it_has(tmp_path: Path) -> None:
    with two_members(tmp_path) as members:
        members.second.person(PATIENT)
        members.second.take_in(CLEMENTE)
        members.second.node.peers.know(members.first.node.status().member, "http://127.0.0.1:9")
        assert charting.open_chart(members.second.agent, PATIENT, PATIENT).shown
        assert code_of(members.second.take_in, CLEMENTE, PATIENT, "Elsewhere") == "node/peer-unreachable"


def test_members_nodes_speak_by_pinned_addresses_and_with_nobody_else(tmp_path: Path) -> None:
    """NET-50, NET-51: an address that another one has told of carries the pin on."""
    with two_members(tmp_path) as members:
        one, two = members.first.node.status().member, members.second.node.status().member
        ends = [ending(Config(tls="generated"), tmp_path, new_seed(), members.first.clock.now) for _ in range(2)]
        with served(members.first.node, ends[0]) as first, served(members.second.node, ends[1]) as second:
            members.second.node.peers.know(one, first)
            members.second.node.announce(second)
            members.second.person(PATIENT)
            members.second.take_in(CLEMENTE)
            assert {peer.member: peer.address for peer in members.first.node.peers.known()} == {two: second}
            members.second.node.peers.know(one, pinned(first, bytes(32)))
            assert code_of(members.second.take_in, CLEMENTE, PATIENT, "Elsewhere") == "node/wrong-certificate"
            assert charting.open_chart(members.second.agent, PATIENT, PATIENT).shown


def test_a_node_is_ready_while_its_blocks_are_young_enough_to_serve_others_by(tmp_path: Path) -> None:
    """API-93."""
    with two_members(tmp_path) as members:
        node = members.second.node
        assert ask(node, "GET", "/v1/ready").json()["status"] == "ok"
        node.peers.know(members.first.node.status().member, "http://127.0.0.1:9")
        members.second.clock.now += members.first.agent.genesis.parameters.max_staleness
        refused = ask(node, "GET", "/v1/ready")
        assert (refused.status_code, refused.json()["code"]) == (503, "node/not-ready")
        assert ask(node, "GET", "/v1/health").status_code == 200


class Tampering:
    """An orderer whose blocks are changed on the way."""

    def __init__(self, real: OrderingPeer, change: Any) -> None:
        self.real, self.change = real, change

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def blocks(self, first: int) -> Any:
        return [self.change(block) if block.header.header.height == 2 else block for block in self.real.blocks(first)]


def resigned(block: PeerBlock, key: SigningKey, **changes: Any) -> PeerBlock:
    header = msgspec.structs.replace(block.header.header, **changes)
    return PeerBlock(SignedHeader(header, key.sign(HEADER_TAG, header_hash(header))), block.transactions)


@pytest.mark.parametrize("lie", ["stranger", "second member", "state", "results", "link", "transactions", "skipped", "missing"])
def test_a_block_that_does_not_check_is_not_taken_nor_what_comes_after(members: Members, tmp_path: Path, lie: str) -> None:
    members.first.person(PATIENT)
    members.first.take_in(CLEMENTE)
    members.follow()
    orderer, other = own_key(members.first), own_key(members.second)
    changes = {
        "stranger": lambda b: resigned(b, SigningKey(new_seed())),
        "second member": lambda b: resigned(b, other, proposer=members.second.node.status().member),
        "state": lambda b: resigned(b, orderer, state=bytes(32)),
        "results": lambda b: resigned(b, orderer, results=bytes(32)),
        "link": lambda b: resigned(b, orderer, previous=bytes(32)),
        "transactions": lambda b: PeerBlock(b.header, ()),
        "skipped": lambda b: resigned(b, orderer, height=3),
        "missing": lambda b: PeerBlock(b.header, (*b.transactions, b.transactions[0])),
    }
    real = OrderingPeer(members.second.node.peers, members.first.node.status().member)
    tampering: Any = Tampering(real, changes[lie])
    store = LedgerStore(tmp_path / "elsewhere")
    genesis, clock = members.first.agent.genesis, members.first.clock
    assert code_of(FollowingEngine, genesis, store, tampering, clock, 3600.0) == "node/bad-block"
    newest = store.newest()
    assert newest is not None
    assert newest.header.height == 1
    again = FollowingEngine(genesis, store, tampering, clock, 3600.0)
    assert again.trouble == "node/bad-block"
    assert again.newest_header().header.height == 1
    again.stop()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"network": bytes(32)}, "warrants/wrong-network"),
        ({"asked": bytes(32)}, "warrants/wrong-network"),
        ({"asking": Peer(bytes(32), "")}, "ledger/no-such-member"),
        ({"time": 0}, "node/stale-ask"),
    ],
    ids=["network", "asked", "asking", "time"],
)
def test_only_a_members_node_may_ask_and_only_now(members: Members, changes: dict[str, Any], code: str) -> None:
    members.first.node.peer(asked(members))
    assert code_of(members.first.node.peer, asked(members, **changes)) == code
    forged = msgspec.structs.replace(asked(members), signature=bytes(64))
    assert code_of(members.first.node.peer, forged) == "crypto/bad-signature"
    stranger = sign_ask(SigningKey(new_seed()), asked(members))
    assert code_of(members.first.node.peer, stranger) == "crypto/bad-signature"


def test_a_members_engine_is_asked_as_its_node_is_and_where_there_is_none_it_is_said(members: Members) -> None:
    """NET-47."""
    first, second = (world.node.status().member for world in (members.first, members.second))
    bare = EngineAsk(
        members.first.agent.network_id, Peer(second, ""), first, Question.COMMIT, 1, 1, members.first.clock.now, bytes(64)
    )
    right = sign_ask(own_key(members.second), bare)
    assert code_of(members.first.node.peer_engine, right) == "node/no-engine"
    wrong = {
        "crypto/bad-signature": msgspec.structs.replace(right, height=2),
        "warrants/wrong-network": sign_ask(own_key(members.second), msgspec.structs.replace(bare, asked=bytes(32))),
        "ledger/no-such-member": sign_ask(own_key(members.second), msgspec.structs.replace(bare, asking=Peer(bytes(32), ""))),
        "node/stale-ask": sign_ask(own_key(members.second), msgspec.structs.replace(bare, time=0)),
    }
    for code, asked in wrong.items():
        assert code_of(members.first.node.peer_engine, asked) == code
    client = NodeClient(members.urls[0])
    assert code_of(client.engine, right) == "node/no-engine"
    client.close()


def test_an_answer_is_bounded_and_its_first_item_always_fits(members: Members, monkeypatch: pytest.MonkeyPatch) -> None:
    members.first.person(PATIENT)
    members.first.take_in(CLEMENTE)
    monkeypatch.setattr("salus.node.giving.MAX_ANSWER", 1)
    wanted = tuple(sorted(members.first.node.blobs.stock())[:3])
    answer = members.first.node.peer(asked(members, blobs=wanted))
    assert [sha256(blob) for blob in answer.blobs] == [wanted[0]]
    assert [block.header.header.height for block in answer.blocks] == [0]


def test_a_vault_that_lost_its_blobs_gets_them_from_the_other_and_keeps_only_what_is_whole(members: Members) -> None:
    members.first.person(PATIENT)
    members.first.take_in(CLEMENTE)
    members.follow()
    before = sorted(members.first.node.blobs.stock())
    for blob in before[:3]:
        members.first.node.blobs.remove(blob)
    altered = members.second.node.blobs._path(before[0])
    altered.write_bytes(b"something else")
    replicating = members.first.node.replicating
    assert replicating is not None
    replicating.search()
    replicate(members.first.node)
    assert sorted(members.first.node.blobs.stock()) == before[1:]
    assert replicating.lacking() == 1  # asked for again, and never kept under another's hash


def test_a_node_that_lacks_nothing_tells_the_others_all_the_same_where_it_answers(members: Members) -> None:
    """MEM-24: what is sealed there is asked for there."""
    members.follow()
    first, second = members.first.node, members.second.node
    first.peers.know(second.status().member, "http://127.0.0.1:1")  # it has moved, and nobody has told
    members.second.clock.now += 31_000
    replicate(second)
    assert first.peers.known()[0].address == members.urls[1]


def test_what_another_node_gives_under_a_wrong_hash_is_not_kept(members: Members, monkeypatch: pytest.MonkeyPatch) -> None:
    members.first.person(PATIENT)
    members.first.take_in(CLEMENTE)
    real = members.second.node.peers.ask

    def lying(member: bytes, **asked: Any) -> Any:
        answer = real(member, **asked)
        return msgspec.structs.replace(answer, blobs=tuple(blob[::-1] for blob in answer.blobs))

    members.follow()
    lost = next(iter(members.second.node.blobs.stock()))
    members.second.node.blobs.remove(lost)
    replicating = members.second.node.replicating
    assert replicating is not None
    replicating.search()
    monkeypatch.setattr(members.second.node.peers, "ask", lying)
    replicate(members.second.node)
    assert not members.second.node.blobs.has(lost)
    assert replicating.lacking() == 1


def test_a_listing_is_found_at_the_other_member(members: Members) -> None:
    members.first.person(DOCTOR, Role.PHYSICIAN)
    listing.publish(members.first.agent, DOCTOR, listing.About(specialties=("cardiology",)))
    members.follow()
    found = listing.find(members.second.agent, ("cardiology",))
    assert [entry.name for entry in found.listings] == [DOCTOR]


def test_a_members_line_is_read_strictly_and_a_network_without_it_is_not_joined(members: Members) -> None:
    member = members.first.agent.genesis.members[1]
    line = member_to_text(member).encode()
    assert member_from_text(line) == member
    assert member_id(member.authority) == members.second.node.status().member
    for bad in (b"", line[:-5], line.replace(b"salus-member-1:", b"salus-card-1:"), line + b"AAAA", b"\xff"):
        assert code_of(member_from_text, bad).startswith("codec/")
