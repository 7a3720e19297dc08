"""Sections at their edges: the last moment of a writer, one section's right at another, keys that sign and are not sound."""

from __future__ import annotations

import hashlib

import msgspec
import nacl.bindings
import pytest

from ledger_world import (
    CLINIC,
    HOUR,
    SMALL_ORDER,
    START,
    STEP,
    Ledger,
    creation,
    entry,
    epoch,
    founding,
    public,
    signed,
    some,
)
from salus.codec import encode
from salus.crypto.hashing import tagged
from salus.crypto.signing import require_signature
from salus.ids import VerifyKey
from salus.ledger.modules.receipts.messages import AnchorReceipts
from salus.ledger.modules.receipts.queries import anchors_made
from salus.ledger.modules.receipts.state import Anchor, anchor_key
from salus.ledger.modules.revocations.messages import Revoke
from salus.ledger.modules.revocations.state import Revoked, revocation_id, revocation_key
from salus.ledger.modules.sections.messages import (
    AdmitWriter,
    AppendEntry,
    CreateSection,
    Entomb,
    Epoch,
    HandOver,
    RemoveWriter,
    Rotate,
)
from salus.ledger.modules.sections.queries import entry as entry_of
from salus.ledger.modules.sections.queries import section as section_of
from salus.ledger.modules.sections.queries import writer as writer_of
from salus.ledger.modules.sections.state import OwnerSince, commit_owner, epoch_key, schedule_hash, section_id
from salus.ledger.store import load
from salus.ledger.tx import SIGNATURE_TAG, Action, Signature, Transaction, body_hash

FAR = START + 10_000 * HOUR
ORDER = 2**252 + 27742317777372353535851937790883648493
SCALAR = 0x5A1_05 << 200
#: A sound point plus one of order 8. Its owner can sign: one nonce in eight gives a signature that libsodium takes.
MIXED = nacl.bindings.crypto_core_ed25519_add(
    nacl.bindings.crypto_scalarmult_ed25519_base_noclamp(SCALAR.to_bytes(32, "little")), SMALL_ORDER
)


def sign_mixed(tag: str, message: bytes) -> bytes:
    """A signature by `MIXED`: the challenge must be a multiple of 8, so that the part of order 8 falls out."""
    hashed = tagged(tag, message)
    nonce = 0
    while True:
        nonce += 1
        point = nacl.bindings.crypto_scalarmult_ed25519_base_noclamp(nonce.to_bytes(32, "little"))
        challenge = int.from_bytes(hashlib.sha512(point + MIXED + hashed).digest(), "little") % ORDER
        if challenge % 8 == 0:
            return point + ((nonce + challenge * SCALAR) % ORDER).to_bytes(32, "little")


def do_mixed(ledger: Ledger, action: Action) -> str:
    """The refusal of an action that `MIXED` has signed."""
    body = ledger.body(action)
    by_node = signed(body, "clinic node").signatures[0]
    by_mixed = Signature(MIXED, sign_mixed(SIGNATURE_TAG, body_hash(body)))
    require_signature(VerifyKey(MIXED), SIGNATURE_TAG, body_hash(body), by_mixed.signature)
    return ledger.run(encode(Transaction(body, tuple(sorted((by_node, by_mixed), key=lambda one: one.key)))))


def test_a_rotation_names_a_schedule_by_the_hash_that_the_specification_gives() -> None:
    """ENC-11."""
    epochs = (epoch(0, START), epoch(1, START + HOUR))
    assert schedule_hash(epochs) == tagged("salus/schedule/1", encode(epochs[0]), encode(epochs[1]))


def test_a_key_outside_the_main_subgroup_can_sign_but_owns_nothing() -> None:
    """SEC-4, SEC-6, ENC-13: the signature verifies, and the key is refused all the same."""
    ledger = Ledger()
    created = CreateSection(MIXED, commit_owner(public("next owner")), (epoch(0, START),))
    assert do_mixed(ledger, created) == "crypto/unsound-key"
    ledger.done(CreateSection(public("owner"), commit_owner(MIXED), (epoch(0, START),)), by=["owner"])
    section = section_id(ledger.network, public("owner"), commit_owner(MIXED))
    assert do_mixed(ledger, HandOver(section, MIXED, some("after"))) == "crypto/unsound-key"
    assert section_of(ledger.store, section).owner == public("owner")


def test_a_section_remembers_every_owner_since_when() -> None:
    """SEC-6, STATE-2."""
    ledger = Ledger()
    section = ledger.section()
    began = ledger.time
    ledger.done(HandOver(section, public("next owner"), some("after")), by=["next owner"])
    assert section_of(ledger.store, section).owners == (
        OwnerSince(public("owner"), began, 1),
        OwnerSince(public("next owner"), ledger.time, 2),
    )
    assert section_of(ledger.store, section).next_owner == some("after")


def test_a_former_owner_may_do_nothing_more() -> None:
    """SEC-6: not append, admit, remove, rotate, erase, nor take it back."""
    ledger = Ledger()
    section = ledger.section()
    ledger.done(entry(section, "owner", "a"), by=["owner"])
    ledger.done(AdmitWriter(section, public("w"), 9, 99, FAR), by=["owner"])
    ledger.done(HandOver(section, public("next owner"), commit_owner(public("third"))), by=["next owner"])
    schedule = section_of(ledger.store, section).schedule
    for action in (
        AdmitWriter(section, public("x"), 9, 99, FAR),
        RemoveWriter(section, public("w")),
        Rotate(section, schedule_hash(schedule), schedule),
        Entomb(section, 0),
    ):
        assert ledger.do(action, by=["owner"]) == "ledger/wrong-signers"
    assert ledger.do(entry(section, "owner", "b"), by=["owner"]) == "ledger/not-a-writer"
    assert ledger.do(HandOver(section, public("owner"), some("x")), by=["owner"]) == "ledger/not-committed"


def test_a_writer_that_was_admitted_in_the_block_of_the_section_may_append() -> None:
    """SEC-21: only a hand-over ends the writers before it; the first owner came with the section."""
    ledger = Ledger()
    section = section_id(ledger.network, public("owner"), commit_owner(public("next owner")))
    admission = ledger.tx(AdmitWriter(section, public("w"), 9, 99, START + HOUR), by=["owner"])
    results = ledger.block(ledger.tx(creation("owner"), by=["owner"]), admission)
    assert [result.refusal for result in results] == ["", ""]
    assert ledger.do(entry(section, "w", "a"), by=["w"]) == ""


@pytest.mark.parametrize(("before", "code"), [(1, ""), (0, "ledger/writer-ended"), (-1, "ledger/writer-ended")])
def test_a_writer_ends_at_its_very_moment(before: int, code: str) -> None:
    """SEC-17, SEC-21: in block time."""
    ledger = Ledger()
    section = ledger.section()
    ends = START + HOUR
    ledger.done(AdmitWriter(section, public("w"), 9, 99, ends), by=["owner"])
    assert ledger.do(entry(section, "w", "a"), by=["w"], at=ends - before) == code


@pytest.mark.parametrize(
    ("what", "entries", "size", "sizes", "code"),
    [
        ("as many as allowed", 2, 100, (10, 10), ""),
        ("one too many", 2, 100, (10, 10, 10), "ledger/writer-limit"),
        ("as much as allowed", 9, 30, (10, 20), ""),
        ("one byte too much", 9, 29, (10, 20), "ledger/writer-limit"),
        ("none allowed", 0, 100, (0,), "ledger/writer-limit"),
        ("more than can be counted", 9, 2**53 - 1, (1, 2**53 - 1), "ledger/writer-limit"),
    ],
)
def test_a_writer_stays_within_both_limits(what: str, entries: int, size: int, sizes: tuple[int, ...], code: str) -> None:
    """SEC-17, SEC-21: also within one transaction."""
    ledger = Ledger()
    section = ledger.section()
    ledger.done(AdmitWriter(section, public("w"), entries, size, FAR), by=["owner"])
    writes = [entry(section, "w", f"blob {number}", each) for number, each in enumerate(sizes)]
    assert ledger.do(*writes, by=["w"]) == code, what
    used = writer_of(ledger.store, section, public("w"))
    assert (used.used_entries, used.used_size) == ((len(sizes), sum(sizes)) if code == "" else (0, 0))


def test_the_owner_appends_without_a_limit() -> None:
    """SEC-20."""
    ledger = Ledger()
    section = ledger.section()
    ledger.done(entry(section, "owner", "huge", 2**53 - 1), entry(section, "owner", "more", 2**53 - 1), by=["owner"])
    assert section_of(ledger.store, section).count == 2


def test_a_right_at_one_section_is_none_at_another() -> None:
    """SEC-17, SEC-20."""
    ledger = Ledger()
    mine, other = ledger.section("owner"), ledger.section("other owner")
    ledger.done(AdmitWriter(mine, public("w"), 9, 99, FAR), by=["owner"])
    assert ledger.do(entry(other, "w", "a"), by=["w"]) == "ledger/not-a-writer"
    assert ledger.do(entry(other, "owner", "a"), by=["owner"]) == "ledger/not-a-writer"
    assert ledger.do(AdmitWriter(other, public("x"), 9, 99, FAR), by=["owner"]) == "ledger/wrong-signers"
    assert ledger.do(RemoveWriter(other, public("w")), by=["other owner"]) == "ledger/not-a-writer"


def test_removing_one_writer_touches_no_other() -> None:
    """SEC-18."""
    ledger = Ledger()
    section = ledger.section()
    ledger.done(*[AdmitWriter(section, public(name), 9, 99, FAR) for name in ("one", "two")], by=["owner"])
    ledger.done(RemoveWriter(section, public("one")), by=["owner"])
    assert ledger.do(entry(section, "one", "a"), by=["one"]) == "ledger/writer-ended"
    assert ledger.do(entry(section, "two", "a"), by=["two"]) == ""
    assert writer_of(ledger.store, section, public("one")).removed == START + 3 * STEP


def test_a_blob_stands_in_one_section_and_once() -> None:
    """SEC-21: also not twice in one transaction, by whomever, and nowhere after it was erased."""
    ledger = Ledger()
    mine, other = ledger.section("owner"), ledger.section("other owner")
    ledger.done(AdmitWriter(mine, public("w"), 9, 99, FAR), by=["owner"])
    assert ledger.do(entry(mine, "owner", "a"), entry(mine, "owner", "a", 11), by=["owner"]) == "ledger/blob-held"
    ledger.done(entry(mine, "owner", "a"), by=["owner"])
    assert ledger.do(entry(other, "other owner", "a"), by=["other owner"]) == "ledger/blob-held"
    ledger.done(Entomb(mine, 0), by=["owner"])
    assert ledger.do(entry(mine, "w", "a"), by=["w"]) == "ledger/blob-erased"
    assert ledger.do(entry(other, "other owner", "a"), by=["other owner"]) == "ledger/blob-erased"


def test_nothing_changes_an_entry_but_its_erasure() -> None:
    """SEC-22, SEC-23."""
    ledger = Ledger()
    section = ledger.section()
    ledger.done(entry(section, "owner", "a"), by=["owner"])
    before = entry_of(ledger.store, section, 0)
    ledger.done(entry(section, "owner", "b"), by=["owner"])
    assert entry_of(ledger.store, section, 0) == before
    ledger.done(Entomb(section, 0), by=["owner"])
    assert entry_of(ledger.store, section, 0) == msgspec.structs.replace(before, erased=ledger.time)
    assert ledger.do(Entomb(section, 2), by=["owner"]) == "ledger/no-such-entry"


@pytest.mark.parametrize(
    ("what", "action"),
    [
        ("an entry", AppendEntry(some("none"), 0, public("owner"), some("a"), 1)),
        ("a writer", AdmitWriter(some("none"), public("w"), 1, 1, FAR)),
        ("a rotation", Rotate(some("none"), some("x"), (epoch(0, START),))),
        ("a successor", HandOver(some("none"), public("owner"), some("x"))),
        ("an erasure", Entomb(some("none"), 0)),
    ],
)
def test_a_section_that_is_not_there_takes_nothing(what: str, action: Action) -> None:
    """SEC-21, TX-9."""
    assert Ledger().do(action, by=["owner"]) == "ledger/no-such-section", what


@pytest.mark.parametrize(
    ("what", "schedule", "code"),
    [
        ("the first alone", (epoch(0, START),), ""),
        ("a first in the past", (epoch(0, 0),), ""),
        ("a first at this very moment", (epoch(0, START + STEP),), ""),
        ("a first that is to come", (epoch(0, START + STEP + 1),), "bad-schedule"),
        ("a first that is to come on the hour", (epoch(0, START + HOUR),), "bad-schedule"),
        ("a first that is the second", (epoch(1, START),), "bad-schedule"),
        ("a second on the hour", (epoch(0, START), epoch(1, START + HOUR)), ""),
        ("a second off the hour", (epoch(0, START), epoch(1, START + HOUR + 1)), "bad-schedule"),
        ("a second that has begun, off the hour", (epoch(0, START), epoch(1, START + 7)), ""),
        ("a gap", (epoch(0, START), epoch(2, START + HOUR)), "bad-schedule"),
        ("a number twice", (epoch(0, START), epoch(0, START + HOUR)), "bad-schedule"),
        ("two at one moment", (epoch(0, START), epoch(1, START)), "bad-schedule"),
        ("a second before the first", (epoch(0, START), epoch(1, START - HOUR)), "bad-schedule"),
        ("a third off the hour", (epoch(0, START), epoch(1, START + HOUR), epoch(2, START + HOUR + 9)), "bad-schedule"),
    ],
)
def test_a_section_begins_with_a_sound_schedule(what: str, schedule: tuple[Epoch, ...], code: str) -> None:
    """SEC-5, SEC-9."""
    message = CreateSection(public("owner"), commit_owner(public("next owner")), schedule)
    assert Ledger().do(message, by=["owner"]) == (code and f"ledger/{code}"), what


@pytest.mark.parametrize("changed", ["seal_key", "package", "activation"])
def test_an_epoch_that_has_begun_cannot_be_rewritten(changed: str) -> None:
    """SEC-8: a rotation begins with the current epoch, unchanged in every field."""
    ledger = Ledger()
    section = ledger.section()
    (first,) = section_of(ledger.store, section).schedule
    other = msgspec.structs.replace(first, **{changed: START - HOUR if changed == "activation" else some("other")})
    rotation = Rotate(section, schedule_hash((first,)), (other, epoch(1, START + HOUR)))
    assert ledger.do(rotation, by=["owner"]) == "ledger/bad-schedule"


def test_an_epoch_takes_entries_from_its_activation_until_the_next() -> None:
    """SEC-7, SEC-21."""
    ledger = Ledger()
    section = ledger.section()
    (first,) = section_of(ledger.store, section).schedule
    ledger.done(Rotate(section, schedule_hash((first,)), (first, epoch(1, START + HOUR))), by=["owner"])
    for number, at, code in (
        (1, START + HOUR - 1, "ledger/epoch-closed"),
        (0, START + HOUR - 1, ""),
        (0, START + HOUR, "ledger/epoch-closed"),
        (1, START + HOUR + 1, ""),
        (2, START + HOUR + 2, "ledger/epoch-closed"),
    ):
        assert ledger.do(entry(section, "owner", f"{number} at {at}", number=number), by=["owner"], at=at) == code


def test_each_epoch_has_a_leaf_of_its_own_from_when_it_is_scheduled() -> None:
    """SEC-10: also those of the creation, and one that is scheduled anew before it begins."""
    ledger = Ledger()
    first, second = epoch(0, START), epoch(1, START + HOUR)
    ledger.done(CreateSection(public("owner"), commit_owner(public("next owner")), (first, second)), by=["owner"])
    section = section_id(ledger.network, public("owner"), commit_owner(public("next owner")))
    assert [load(ledger.store, epoch_key(section, number), Epoch) for number in range(3)] == [first, second, None]
    later = epoch(1, START + 2 * HOUR)
    ledger.done(Rotate(section, schedule_hash((first, second)), (first, later)), by=["owner"])
    assert [load(ledger.store, epoch_key(section, number), Epoch) for number in range(3)] == [first, later, None]


def test_each_anchor_has_a_leaf_of_its_own_that_stays() -> None:
    """TX-24, STATE-1, STATE-2."""
    ledger = Ledger()
    ledger.done(AnchorReceipts(CLINIC, 0, some("root 0"), 3))
    ledger.done(AnchorReceipts(CLINIC, 1, some("root 1"), 4))
    assert [load(ledger.store, anchor_key(CLINIC, number), Anchor) for number in range(3)] == [
        Anchor(some("root 0"), 3, START + STEP, 1),
        Anchor(some("root 1"), 4, START + 2 * STEP, 2),
        None,
    ]
    assert anchors_made(ledger.store, CLINIC) == 2


def test_a_forgotten_revocation_may_be_published_again() -> None:
    """TX-22, TX-23: when no window can be open the leaf goes, and only then."""
    ledger = Ledger(founding(max_warrant_window=HOUR))
    ledger.done(Revoke(some("secret")))
    began = ledger.time
    leaf = revocation_key(revocation_id(some("secret")))
    assert load(ledger.store, leaf, Revoked) == Revoked(began, 1)
    assert ledger.do(Revoke(some("secret")), at=began + HOUR - 1) == "ledger/already-revoked"
    assert ledger.do(Revoke(some("secret")), at=began + HOUR) == ""
    assert load(ledger.store, leaf, Revoked) == Revoked(began + HOUR, 3)


def test_a_revocation_needs_no_signature_but_the_sponsors() -> None:
    """TX-23: the preimage is the right; one signature more is refused."""
    ledger = Ledger()
    assert ledger.do(Revoke(some("secret")), by=["owner"]) == "ledger/wrong-signers"
    assert ledger.do(Revoke(some("secret")), sponsor="lab") == ""


def test_the_id_of_a_section_hangs_on_network_owner_and_successor() -> None:
    """SEC-4, ENC-11."""
    made = {
        section_id(network, owner, successor)
        for network in (some("n1"), some("n2"))
        for owner in (public("a"), public("b"))
        for successor in (commit_owner(public("c")), commit_owner(public("d")))
    }
    assert len(made) == 8
