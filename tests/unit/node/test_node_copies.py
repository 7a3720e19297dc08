"""Vaults that keep a share: copies before order, what another may leave here, repair, letting go (MEM-9, MEM-17 to MEM-25)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from copies_world import Copies, made, several
from node_world import MEMBER, Clock, blob, code, key, package
from salus.crypto.hashing import sha256
from salus.exchange.peering import PeerPush, Pushed, sign_push
from salus.exchange.placing import responsible
from salus.ledger.modules.governance.messages import RemoveMember, Upgrade
from salus.ledger.modules.members.queries import known_member
from salus.ledger.modules.sections.messages import Epoch, Rotate
from salus.ledger.modules.sections.queries import section
from salus.ledger.modules.sections.state import schedule_hash
from salus.node.copying import portions, promised
from salus.node.operating.departing import rules
from salus.node.vault.blobs import Blobs
from salus.node.vault.pushed import PushedBlobs

MANY = [blob(f"entry {number}") for number in range(24)]


@pytest.fixture
def five(tmp_path: Path) -> Iterator[Copies]:
    with several(tmp_path, 5) as copies:
        yield copies


def push(copies: Copies, to: int, *given: bytes, by: int = 1, named: tuple[bytes, ...] = (), **changed: object) -> Pushed:
    """A push by the node of member ``by``."""
    one = made(by)
    hashes = named or tuple(map(sha256, given))
    bare = PeerPush(copies.network, one.member, made(to).member, hashes, copies.clock.now, bytes(64))
    return Pushed(sign_push(one.node, replace(bare, **changed)), given)


def kept_at(copies: Copies, number: int, count: int = 1) -> list[bytes]:
    """So many blobs that the member is to keep, and that are nowhere yet."""
    found = (data for n in range(10_000) if number in copies.keepers(sha256(data := blob(f"new {n}"))))
    return [next(found) for _ in range(count)]


# --- placement


def test_a_blob_is_kept_by_so_many_members_and_one_that_comes_or_goes_moves_only_its_share() -> None:
    """MEM-17."""
    members = [made(number).member for number in range(7)]
    placed = {data: responsible(members, sha256(data), 3) for data in MANY}
    assert all(len(set(keepers)) == 3 for keepers in placed.values())
    assert {member for keepers in placed.values() for member in keepers} == set(members)
    for data, keepers in placed.items():
        assert responsible(reversed(members), sha256(data), 3) == keepers
        without = responsible(members[:-1], sha256(data), 3)
        assert set(keepers) - {members[-1]} <= set(without)
        assert responsible(members, sha256(data), 0) == keepers[:1]
        assert len(responsible(members, sha256(data), 9)) == 7


# --- copies before order


def test_each_blob_is_in_the_vaults_of_those_that_are_to_keep_it_and_nowhere_else(five: Copies) -> None:
    """MEM-9, MEM-18, MEM-22."""
    five.fill("ann", *MANY)
    five.look()
    five.look()
    for data in (*MANY, package("ann")):
        assert five.holders(sha256(data)) == sorted(five.keepers(sha256(data)))


def test_a_transaction_is_ordered_once_two_members_have_what_it_anchors(five: Copies) -> None:
    """MEM-18: counted when the first node is asked to order, with everybody behind."""
    five.fill("ann")
    data = MANY[0]
    seen: list[int] = []
    ordering = five.node.engine.submit

    def counted(given: bytes) -> object:
        seen.append(sum(node.blobs.has(sha256(data)) or node.pushed.has(sha256(data)) for node in five.nodes))
        return ordering(given)

    five.node.engine.submit = counted  # type: ignore[method-assign, assignment]
    five.submit(five.entry("ann", data), keys=[key("ann")], blobs=[data])
    assert seen[0] >= five.genesis.parameters.durable_copies


def test_a_member_that_is_down_is_replaced_by_another_that_is_to_keep_the_blob(five: Copies) -> None:
    """MEM-18."""
    five.fill("ann")
    data = next(data for data in MANY if 0 not in five.keepers(sha256(data)))
    for down in five.keepers(sha256(data))[:2]:
        five.silence(down)
    assert five.submit(five.entry("ann", data), keys=[key("ann")], blobs=[data]).height


def test_where_too_few_take_a_copy_nothing_is_ordered_and_nothing_stays(five: Copies) -> None:
    """MEM-18, MEM-20."""
    five.fill("ann")
    height, data = five.node.engine.newest_header().header.height, MANY[0]
    for number in range(1, 5):
        five.silence(number)
    refused = code(lambda: five.submit(five.entry("ann", data), keys=[key("ann")], blobs=[data]))
    assert refused == "node/too-few-copies"
    assert five.node.engine.newest_header().header.height == height
    assert five.holders(sha256(data)) == []
    for number in range(1, 5):
        five.speak(number)
    assert five.submit(five.entry("ann", data), keys=[key("ann")], blobs=[data]).height


def test_what_protects_rights_is_ordered_with_as_many_copies_as_there_are(five: Copies) -> None:
    """MEM-18: a rotation with its new key package, while nobody else answers."""
    five.fill("ann")
    for number in range(1, 5):
        five.silence(number)
    found = section(five.node.engine.state, five.section("ann"))
    after = Epoch(1, five.node.engine.newest_header().header.time + 1, bytes(32), sha256(MANY[0]))
    five.revoke(bytes(32))
    rotate = Rotate(five.section("ann"), schedule_hash(found.schedule), (*found.schedule, after))
    assert five.submit(rotate, keys=[key("ann")], blobs=[MANY[0]]).height


def test_of_two_members_the_one_that_is_left_goes_on_and_of_three_two(tmp_path: Path) -> None:
    """MEM-18."""
    assert [promised(2, count) for count in range(1, 6)] == [1, 1, 2, 2, 2]
    assert [promised(3, count) for count in range(1, 6)] == [1, 1, 2, 3, 3]
    with several(tmp_path / "two", 2) as two:
        two.fill("ann", MANY[0])
        assert two.nodes[1].pushed.has(sha256(MANY[0]))
        two.silence(1)
        assert two.submit(two.entry("ann", MANY[1]), keys=[key("ann")], blobs=[MANY[1]]).height
        two.speak(1)
        two.look()
        assert two.holders(sha256(MANY[1])) == [0, 1]
    with several(tmp_path / "three", 3) as three:
        three.fill("ann")
        three.silence(1)
        assert three.submit(three.entry("ann", MANY[0]), keys=[key("ann")], blobs=[MANY[0]]).height
        three.silence(2)
        refused = code(lambda: three.submit(three.entry("ann", MANY[1]), keys=[key("ann")], blobs=[MANY[1]]))
        assert refused == "node/too-few-copies"


def test_copies_are_pushed_at_once_and_one_that_hangs_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MEM-18: the push to one keeper ends only when the writer has its answer."""
    with several(tmp_path, 5, background=True) as five:
        five.fill("ann")
        data = next(data for data in MANY if 0 not in five.keepers(sha256(data)))
        monkeypatch.setattr("salus.node.copying.COPY_SECONDS", 60.0)
        late: list[bytes] = []
        hanging, answered, real = five.members[five.keepers(sha256(data))[0]], threading.Event(), five.node.peers.push

        def slow(member: bytes, *given: object) -> object:
            if member == hanging:
                late.extend([] if answered.wait(20) else [member])
            return real(member, *given)  # type: ignore[arg-type]

        monkeypatch.setattr(five.node.peers, "push", slow)
        try:
            assert five.submit(five.entry("ann", data), keys=[key("ann")], blobs=[data]).height
            assert not late
        finally:
            answered.set()


def test_a_refused_transactions_copies_go_after_a_while(five: Copies) -> None:
    """MEM-20."""
    data = kept_at(five, 1)[0]
    refused = code(lambda: five.submit(five.entry("nobody", data), keys=[key("nobody")], blobs=[data]))
    assert refused.startswith("ledger/")
    assert five.nodes[1].pushed.has(sha256(data))
    five.pass_expiry()
    five.look(1)
    assert not five.nodes[1].pushed.has(sha256(data))
    assert not five.nodes[1].blobs.has(sha256(data))
    assert not list((five.folder.parent / "1" / "vault" / "pushed").iterdir())


def test_large_and_many_blobs_go_in_as_many_pushes_as_fit() -> None:
    large = [(bytes([n]) * 32, bytes(8 * 1024 * 1024)) for n in range(9)]
    assert [len(part) for part in portions(large)] == [4, 4, 1]
    assert [len(part) for part in portions([(bytes(32), b"")] * 130)] == [64, 64, 2]
    assert portions([]) == []


# --- what another may leave here


def test_a_push_is_taken_of_a_member_alone_for_this_member_and_now(five: Copies) -> None:
    """MEM-19."""
    data = kept_at(five, 0)[0]
    assert five.node.push(push(five, 0, data)).held == (sha256(data),)
    assert code(lambda: five.node.push(push(five, 0, data, network=bytes(32)))) == "warrants/wrong-network"
    assert code(lambda: five.node.push(push(five, 1, data))) == "warrants/wrong-network"
    assert code(lambda: five.node.push(push(five, 0, data, asking=bytes(32)))) == "ledger/no-such-member"
    assert code(lambda: five.node.push(push(five, 0, data, time=0))) == "node/stale-ask"
    good = push(five, 0, data)
    assert code(lambda: five.node.push(replace(good, push=replace(good.push, asking=made(2).member)))) == "crypto/bad-signature"


def test_a_pushed_blob_is_taken_under_its_own_hash_alone(five: Copies) -> None:
    """MEM-19: what the node has not signed for, and what is not what it has signed for."""
    right, wrong = kept_at(five, 0, 2)
    swapped = push(five, 0, wrong, named=(sha256(right),))
    assert code(lambda: five.node.push(swapped)) == "warrants/wrong-blob"
    assert code(lambda: five.node.push(push(five, 0, right, named=(sha256(right), sha256(wrong))))) == "warrants/wrong-blob"
    assert not five.node.pushed.has(sha256(right))
    assert five.node.pushed.waiting() == (0, 0)


def test_what_others_are_to_keep_is_not_taken(five: Copies) -> None:
    """MEM-19."""
    data = next(data for n in range(100) if 0 not in five.keepers(sha256(data := blob(f"others {n}"))))
    held = five.node.push(push(five, 0, data))
    assert (held.held, held.kept) == ((), ())
    assert five.node.pushed.waiting() == (0, 0)
    five.node.blobs.put(data)
    assert five.node.push(push(five, 0, named=(sha256(data),))).kept == ()


def test_a_member_cannot_fill_anothers_disk(five: Copies, monkeypatch: pytest.MonkeyPatch) -> None:
    """MEM-19: so many bytes of each member's wait, a small blob counting for a block of the disk."""
    monkeypatch.setattr("salus.node.vault.pushed.MAX_PUSHED", 3 * 4096)
    first, second, third, fourth = kept_at(five, 0, 4)
    assert five.node.push(push(five, 0, first, second)).held
    assert five.node.push(push(five, 0, first)).held  # the same once more takes nothing
    assert code(lambda: five.node.push(push(five, 0, third, fourth))) == "node/push-full"
    assert five.node.pushed.waiting() == (2, 2 * 4096)
    assert five.node.push(push(five, 0, third, fourth, by=2)).held  # another member has its own room
    five.pass_expiry()
    five.look(0)
    assert five.node.push(push(five, 0, third, fourth)).held


def test_what_was_pushed_outlives_a_crash_and_is_adopted_when_it_is_anchored(tmp_path: Path) -> None:
    """MEM-20."""
    clock, blobs, data = Clock(), Blobs(tmp_path / "blobs"), MANY[0]
    PushedBlobs(blobs, tmp_path / "pushed", 1000, clock).take(MEMBER, {sha256(data): data})
    again = PushedBlobs(blobs, tmp_path / "pushed", 1000, clock)
    assert again.waiting() == (1, 4096)
    again.take(made(2).member, {sha256(data): data})
    assert again.adopt([sha256(data), bytes(32)]) == {sha256(data)}
    blobs.settle()
    assert blobs.get(sha256(data)) == data
    assert again.waiting() == (0, 0)
    assert not list((tmp_path / "pushed").iterdir())


def test_a_pushed_blob_that_rotted_is_not_adopted(tmp_path: Path) -> None:
    """MEM-20."""
    blobs, data = Blobs(tmp_path / "blobs"), MANY[0]
    pushed = PushedBlobs(blobs, tmp_path / "pushed", 1000, Clock())
    pushed.take(MEMBER, {sha256(data): data})
    next((tmp_path / "pushed").iterdir()).write_bytes(b"rot")
    assert not pushed.has(sha256(data))
    assert pushed.adopt([sha256(data)]) == set()
    assert not blobs.has(sha256(data))


# --- repair


def test_a_vault_that_lost_its_share_gets_it_back_and_nothing_else(five: Copies) -> None:
    """MEM-9."""
    five.fill("ann", *MANY)
    five.look()
    five.look()
    lost = five.nodes[2].blobs
    before = sorted(lost.stock())
    assert 0 < len(before) < len(MANY)
    for name in before:
        lost.remove(name)
    replicating = five.nodes[2].replicating
    assert replicating is not None
    replicating.search()
    assert replicating.lacking() == len(before)
    five.look(2)
    assert sorted(lost.stock()) == before
    assert replicating.lacking() == 0


def test_a_rotted_blob_is_found_while_the_vault_is_served_and_mended_from_another(five: Copies) -> None:
    """MEM-23."""
    five.fill("ann", *MANY)
    five.look()
    name = next(iter(five.nodes[1].blobs.stock()))
    path = five.nodes[1].blobs._path(name)
    path.write_bytes(b"rot")
    for _ in range(8):
        five.look(1)
    assert five.nodes[1].blobs.get(name) is not None
    assert sha256(path.read_bytes()) == name


def test_a_reading_that_meets_rot_has_it_mended(five: Copies) -> None:
    """MEM-23."""
    data = kept_at(five, 0)[0]
    five.fill("ann", data)
    five.blob_path(data).write_bytes(b"rot")
    assert five.node.read(five.read(five.own("ann"), "ann")).missing == (0,)
    five.look(0)
    assert five.node.read(five.read(five.own("ann"), "ann")).blobs == (data,)


# --- letting go, and members that go


def test_a_copy_goes_only_once_all_that_are_to_keep_it_have_it(five: Copies) -> None:
    """MEM-22: one keeper has lost it, one does not answer, one says that another is to keep it; then all have it."""
    five.fill("ann")
    data = next(data for data in MANY if 0 not in five.keepers(sha256(data)))
    five.submit(five.entry("ann", data), keys=[key("ann")], blobs=[data])
    five.look(1, 2, 3, 4)
    first, *others = five.keepers(sha256(data))
    kept = five.nodes[first].blobs.get(sha256(data))
    assert kept is not None
    five.nodes[first].blobs.remove(sha256(data))
    five.look(0)
    assert five.node.blobs.has(sha256(data))
    five.nodes[first].blobs.put(kept)
    five.silence(others[0])
    five.look(0)
    assert five.node.blobs.has(sha256(data))
    five.speak(others[0])
    five.nodes[others[0]].blobs._path(sha256(data)).write_bytes(b"rot")
    five.look(0)
    assert five.node.blobs.has(sha256(data))
    five.nodes[others[0]].blobs.remove(sha256(data))
    five.nodes[others[0]].blobs.put(kept)
    five.look(0)
    assert not five.node.blobs.has(sha256(data))


def test_where_a_member_goes_what_it_kept_moves_to_others_and_no_more_moves(
    five: Copies, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MEM-21: without waiting until all was looked at once more."""
    monkeypatch.setattr("salus.node.vault.auditing._KEYS", 0)
    five.fill("ann", *MANY)
    five.look()
    five.look()
    before = {data: set(five.keepers(sha256(data))) for data in MANY}
    five.decide(RemoveMember(made(4).member))
    five.silence(4)
    for _ in range(2):
        five.look(0, 1, 2, 3)
    for data in MANY:
        now = set(five.keepers(sha256(data)))
        assert 4 not in now
        assert before[data] - {4} <= now
        assert now <= set(five.holders(sha256(data)))


def test_a_member_that_left_lets_go_of_what_others_keep_and_leaves_nothing_more_with_them(
    five: Copies, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MEM-27: so that its operator knows when the node may be switched off."""
    monkeypatch.setattr("salus.node.vault.auditing._KEYS", 0)
    five.fill("ann", *MANY)
    five.look()
    five.look()
    kept = [data for data in MANY if five.nodes[4].blobs.has(sha256(data))]
    assert kept
    five.decide(RemoveMember(made(4).member))
    five.fill("late")
    five.look(0, 1, 2, 3)
    five.look(4)
    assert not [data for data in kept if five.nodes[4].blobs.has(sha256(data))]
    for data in kept:
        assert set(five.keepers(sha256(data))) <= set(five.holders(sha256(data)))
    given = next(data for n in range(100) if 0 in five.keepers(sha256(data := blob(f"late {n}"))))
    answer = five.nodes[4].peers.ask(MEMBER, 1, 256, [sha256(kept[0])])
    removed = known_member(five.node.engine.state, made(4).member).removed
    assert [block.header.header.time for block in answer.blocks][-1] == removed < five.node.status().time
    assert (answer.blobs, answer.listings, answer.peers) == ((), (), ())
    assert code(lambda: five.nodes[4].peers.push(MEMBER, [sha256(given)], [given])) == "ledger/member-removed"
    assert not five.node.pushed.has(sha256(given))


def test_rules_that_were_decided_on_are_told_before_they_begin(tmp_path: Path) -> None:
    """GOV-14."""
    with several(tmp_path, 1) as alone:
        alone.decide(Upgrade(1_000, 2))
    found = rules(tmp_path / "0")
    assert (found.version, found.begins, found.known) == (2, 1_000, 1)
    assert 0 < found.height < 1_000


# --- reading


def test_a_vault_that_neither_has_nor_keeps_what_is_asked_says_so_and_leaves_no_receipt(five: Copies) -> None:
    """MEM-25."""
    five.fill("ann")
    data = next(data for data in MANY if 0 not in five.keepers(sha256(data)))
    five.submit(five.entry("ann", data), keys=[key("ann")], blobs=[data])
    five.look(1, 2, 3, 4)
    five.look(0)
    assert not five.node.blobs.has(sha256(data))
    assert code(lambda: five.node.read(five.read(five.own("ann"), "ann"))) == "node/not-kept"
    assert five.node.receipts(five.owner_asks("ann")).total == 0
