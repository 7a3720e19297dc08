"""What erasing, rewriting, handing over and rotating leave behind, and what they take away."""

from __future__ import annotations

import pytest

from ledger_world import HOUR, START, STEP, Ledger, entry, epoch, public, some
from salus.ledger.modules.sections.messages import AdmitWriter, AppendEntry, Entomb, Epoch, HandOver, Rewrite, Rotate
from salus.ledger.modules.sections.queries import entry as entry_of
from salus.ledger.modules.sections.queries import section as section_of
from salus.ledger.modules.sections.state import (
    Place,
    Tombstone,
    blob_key,
    commit_owner,
    current_epoch,
    epoch_key,
    schedule_hash,
    tombstone_key,
)
from salus.ledger.store import load

FAR = START + 10_000 * HOUR


def test_a_rewritten_entry_keeps_its_number_its_time_and_its_commitment() -> None:
    """SEC-24: what the author signed stays provable; the blob before is buried."""
    ledger = Ledger()
    mine = ledger.section("owner")
    first = AppendEntry(mine, 0, public("owner"), some("a"), 10, some("signed"))
    ledger.done(first, by=["owner"])
    before = entry_of(ledger.store, mine, 0)
    ledger.done(Rewrite(mine, 0, some("a"), some("b"), 20), by=["owner"])
    after = entry_of(ledger.store, mine, 0)
    assert (after.blob, after.size, after.rewritten) == (some("b"), 20, START + 3 * STEP)
    kept = ("number", "writer", "time", "height", "commitment", "erased")
    assert all(getattr(after, name) == getattr(before, name) for name in kept)
    assert section_of(ledger.store, mine).count == 1
    assert ledger.store.get(blob_key(mine, some("a"))) is None
    assert load(ledger.store, tombstone_key(mine, some("a")), Tombstone) == Tombstone(START + 3 * STEP)
    assert load(ledger.store, blob_key(mine, some("b")), Place) == Place(0)


def test_an_entry_is_rewritten_to_its_own_epoch_whatever_is_current() -> None:
    """SEC-24: whoever was let in later, from now on, gets no key to it."""
    ledger = Ledger()
    mine = ledger.section("owner")
    ledger.done(entry(mine, "owner", "a"), by=["owner"])
    now = section_of(ledger.store, mine).schedule
    ledger.done(Rotate(mine, schedule_hash(now), (now[0], epoch(1, ledger.time))), by=["owner"])
    ledger.done(Rewrite(mine, 0, some("a"), some("b"), 1), by=["owner"])
    assert entry_of(ledger.store, mine, 0).epoch == 0


@pytest.mark.parametrize(
    ("number", "before", "blob", "code"),
    [
        (7, "a", "new", "ledger/no-such-entry"),
        (1, "b", "new", "ledger/already-erased"),
        (0, "b", "new", "ledger/entry-changed"),
        (0, "a", "a", "ledger/blob-held"),
        (0, "a", "b", "ledger/blob-erased"),
    ],
)
def test_a_rewriting_that_does_not_fit_is_refused(number: int, before: str, blob: str, code: str) -> None:
    ledger = Ledger()
    mine = ledger.section("owner")
    ledger.done(entry(mine, "owner", "a"), by=["owner"])
    ledger.done(entry(mine, "owner", "b"), by=["owner"])
    ledger.done(Entomb(mine, 1), by=["owner"])
    assert ledger.do(Rewrite(mine, number, some(before), some(blob), 1), by=["owner"]) == code


def test_a_rewriting_does_not_undo_that_of_another_device() -> None:
    """SEC-24: it names the blob that it read."""
    ledger = Ledger()
    mine = ledger.section("owner")
    ledger.done(entry(mine, "owner", "a"), by=["owner"])
    ledger.done(Rewrite(mine, 0, some("a"), some("b"), 1), by=["owner"])
    assert ledger.do(Rewrite(mine, 0, some("a"), some("c"), 1), by=["owner"]) == "ledger/entry-changed"


def test_only_the_owner_rewrites() -> None:
    ledger = Ledger()
    mine = ledger.section("owner")
    ledger.done(AdmitWriter(mine, public("w"), 9, 99, FAR), by=["owner"])
    ledger.done(entry(mine, "w", "a"), by=["w"])
    assert ledger.do(Rewrite(mine, 0, some("a"), some("b"), 1), by=["w"]) == "ledger/wrong-signers"


def test_a_hand_over_ends_every_writer_that_the_owner_before_admitted() -> None:
    """SEC-6: whoever stole the wallet knows the writers' keys as well."""
    ledger = Ledger()
    mine = ledger.section("owner", "next owner")
    ledger.done(AdmitWriter(mine, public("w"), 9, 99, FAR), by=["owner"])
    ledger.done(entry(mine, "w", "a"), by=["w"])
    ledger.done(HandOver(mine, public("next owner"), commit_owner(public("third"))), by=["next owner"])
    assert ledger.do(entry(mine, "w", "b"), by=["w"]) == "ledger/writer-ended"
    ledger.done(AdmitWriter(mine, public("v"), 9, 99, FAR), by=["next owner"])
    assert ledger.do(entry(mine, "v", "b"), by=["v"]) == ""


def test_a_shorter_schedule_leaves_nothing_of_what_it_drops() -> None:
    """SEC-10."""
    ledger = Ledger()
    mine = ledger.section("owner")
    hours = [ledger.time + HOUR - ledger.time % HOUR + n * HOUR for n in range(3)]
    now = section_of(ledger.store, mine).schedule
    long = (now[0], *(epoch(n + 1, at) for n, at in enumerate(hours)))
    ledger.done(Rotate(mine, schedule_hash(now), long), by=["owner"])
    assert load(ledger.store, epoch_key(mine, 3), Epoch) == long[3]
    ledger.done(Rotate(mine, schedule_hash(long), long[:2]), by=["owner"])
    left = [load(ledger.store, epoch_key(mine, number), Epoch) for number in range(4)]
    assert left == [long[0], long[1], None, None]


def test_before_its_first_epoch_a_schedule_begins_with_that_epoch() -> None:
    """SEC-7: a block time that runs back cannot leave a section without an epoch."""
    assert current_epoch((epoch(4, START),), START - 1) == epoch(4, START)
