"""The modules' rules: who may do what to a section, a licence, a revocation, an anchor; and until when."""

from __future__ import annotations

import pytest

from ledger_world import (
    CLINIC,
    HOUR,
    LAB,
    SMALL_ORDER,
    START,
    STEP,
    Ledger,
    creation,
    entry,
    epoch,
    founding,
    licence_for,
    public,
    some,
)
from salus.ids import BodyHash
from salus.ledger.genesis import LicenceRight
from salus.ledger.modules.licences.messages import IssueLicence, LicenceStatus, SetLicenceStatus
from salus.ledger.modules.licences.state import MAX_CHANGES, Licence, licence_key, status_at
from salus.ledger.modules.receipts.messages import AnchorReceipts
from salus.ledger.modules.revocations.messages import Revoke
from salus.ledger.modules.revocations.state import revocation_id, revocation_key
from salus.ledger.modules.sections.messages import AdmitWriter, AppendEntry, CreateSection, Entomb, HandOver, RemoveWriter, Rotate
from salus.ledger.modules.sections.state import (
    MAX_OWNERS,
    Entry,
    Section,
    commit_owner,
    entry_key,
    epoch_key,
    schedule_hash,
    section_key,
)
from salus.ledger.store import load
from salus.ledger.tx import licence_id

FAR = START + 10_000 * HOUR


def kept(ledger: Ledger, section: bytes) -> Section:
    found = load(ledger.store, section_key(section), Section)
    assert found is not None
    return found


def test_a_section_is_made_once_with_epoch_0_and_a_sound_key() -> None:
    ledger = Ledger()
    ledger.section()
    assert ledger.do(creation("owner"), by=["owner"]) == "ledger/section-exists"
    late = CreateSection(public("b"), commit_owner(public("n")), (epoch(0, ledger.time + HOUR),))
    numbered = CreateSection(public("b"), commit_owner(public("n")), (epoch(1, START),))
    for message in (late, numbered):
        assert ledger.do(message, by=["b"]) == "ledger/bad-schedule"


def test_an_unsound_key_owns_writes_and_holds_nothing() -> None:
    ledger = Ledger()
    section = ledger.section()
    assert ledger.do(AdmitWriter(section, SMALL_ORDER, 1, 1, FAR), by=["owner"]) == "crypto/unsound-key"
    bad = IssueLicence(CLINIC, some("p"), SMALL_ORDER, some("c"), (LicenceRight.TREAT,), 0)
    assert ledger.do(bad, by=["clinic authority"]) == "crypto/unsound-key"
    weak = Ledger()
    owned = weak.section("owner", "next owner")
    assert weak.do(HandOver(owned, public("stranger"), some("n")), by=["stranger"]) == "ledger/not-committed"


def test_entries_are_numbered_and_each_blob_stands_once() -> None:
    ledger = Ledger()
    section = ledger.section()
    ledger.done(entry(section, "owner", "a"), entry(section, "owner", "b"), by=["owner"])
    assert kept(ledger, section).count == 2
    found = load(ledger.store, entry_key(section, 1), Entry)
    assert found is not None
    assert (found.blob, found.height, found.time) == (some("b"), ledger.height, ledger.time)
    assert ledger.do(entry(section, "owner", "a"), by=["owner"]) == "ledger/blob-held"


def test_only_the_owner_and_admitted_writers_append() -> None:
    ledger = Ledger()
    section = ledger.section()
    assert ledger.do(entry(section, "stranger", "a"), by=["stranger"]) == "ledger/not-a-writer"
    ledger.done(AdmitWriter(section, public("w"), 2, 25, ledger.time + 10 * STEP), by=["owner"])
    assert ledger.do(AdmitWriter(section, public("w"), 2, 25, FAR), by=["owner"]) == "ledger/writer-exists"
    ledger.done(entry(section, "w", "a"), by=["w"])
    assert ledger.do(entry(section, "w", "big", size=16), by=["w"]) == "ledger/writer-limit"
    ledger.done(entry(section, "w", "b", size=15), by=["w"])
    assert ledger.do(entry(section, "w", "c", size=0), by=["w"]) == "ledger/writer-limit"
    assert ledger.do(entry(section, "w", "d"), by=["w"], at=START + 60 * STEP) == "ledger/writer-ended"


def test_a_removed_writer_is_out_and_cannot_be_removed_or_admitted_again() -> None:
    ledger = Ledger()
    section = ledger.section()
    ledger.done(AdmitWriter(section, public("w"), 9, 99, FAR), by=["owner"])
    ledger.done(RemoveWriter(section, public("w")), by=["owner"])
    assert ledger.do(entry(section, "w", "a"), by=["w"]) == "ledger/writer-ended"
    assert ledger.do(RemoveWriter(section, public("w")), by=["owner"]) == "ledger/writer-ended"
    assert ledger.do(RemoveWriter(section, public("x")), by=["owner"]) == "ledger/not-a-writer"
    assert ledger.do(AdmitWriter(section, public("w"), 9, 99, FAR), by=["owner"]) == "ledger/writer-exists"


@pytest.mark.parametrize("who", ["w", "stranger"])
def test_an_appender_cannot_rotate_admit_remove_hand_over_or_entomb(who: str) -> None:
    ledger = Ledger()
    section = ledger.section()
    ledger.done(AdmitWriter(section, public("w"), 9, 99, FAR), by=["owner"])
    ledger.done(entry(section, "w", "a"), by=["w"])
    current = kept(ledger, section).schedule
    for message in (
        Rotate(section, schedule_hash(current), current),
        AdmitWriter(section, public("x"), 1, 1, FAR),
        RemoveWriter(section, public("w")),
        Entomb(section, 0),
    ):
        assert ledger.do(message, by=[who]) == "ledger/wrong-signers"
    assert ledger.do(HandOver(section, public(who), some("n")), by=[who]) == "ledger/not-committed"
    assert ledger.do(AppendEntry(section, 0, public("owner"), some("z"), 1), by=[who]) == "ledger/wrong-signers"


def test_a_rotation_replaces_the_schedule_that_it_names() -> None:
    ledger = Ledger()
    section = ledger.section()
    first = kept(ledger, section).schedule[0]
    new = (first, epoch(1, ledger.time + STEP), epoch(2, START + HOUR))
    ledger.done(Rotate(section, schedule_hash((first,)), new), by=["owner"])
    assert ledger.store.get(epoch_key(section, 2)) is not None
    assert ledger.do(Rotate(section, schedule_hash((first,)), new), by=["owner"]) == "ledger/schedule-changed"
    assert ledger.do(entry(section, "owner", "old", number=0), by=["owner"]) == "ledger/epoch-closed"
    ledger.done(entry(section, "owner", "new", number=1), by=["owner"])
    assert ledger.do(entry(section, "owner", "x", number=1), by=["owner"], at=START + HOUR + STEP) == "ledger/epoch-closed"
    ledger.done(entry(section, "owner", "x", number=2), by=["owner"])


def test_a_schedule_begins_with_the_current_epoch_and_goes_on_in_order() -> None:
    ledger = Ledger()
    section = ledger.section()
    first = kept(ledger, section).schedule[0]
    for schedule in (
        (epoch(1, START),),
        (epoch(0, START - 1),),
        (first, epoch(2, START + HOUR)),
        (first, epoch(1, START)),
        (first, epoch(1, START + HOUR), epoch(2, START + HOUR)),
        (first, epoch(1, START + HOUR + 1)),
    ):
        assert ledger.do(Rotate(section, schedule_hash((first,)), schedule), by=["owner"]) == "ledger/bad-schedule"


def test_only_the_committed_key_takes_over_and_commits_the_next() -> None:
    ledger = Ledger()
    section = ledger.section()
    assert ledger.do(HandOver(section, public("thief"), commit_owner(public("thief 2"))), by=["thief"]) == "ledger/not-committed"
    ledger.done(HandOver(section, public("next owner"), commit_owner(public("third"))), by=["next owner"])
    assert kept(ledger, section).owner == public("next owner")
    assert ledger.do(entry(section, "owner", "a"), by=["owner"]) == "ledger/not-a-writer"
    ledger.done(entry(section, "next owner", "a"), by=["next owner"])
    assert ledger.do(HandOver(section, public("next owner"), some("n")), by=["next owner"]) == "ledger/not-committed"


def test_a_section_is_handed_over_a_bounded_number_of_times() -> None:
    ledger = Ledger()
    section = ledger.section("owner", "heir 1")
    for number in range(1, MAX_OWNERS):
        heir, following = f"heir {number}", public(f"heir {number + 1}")
        ledger.done(HandOver(section, public(heir), commit_owner(following)), by=[heir])
    last = f"heir {MAX_OWNERS}"
    assert ledger.do(HandOver(section, public(last), some("n")), by=[last]) == "ledger/too-many-owners"


def test_an_entry_is_entombed_once_and_its_anchor_stays() -> None:
    ledger = Ledger()
    section = ledger.section()
    ledger.done(entry(section, "owner", "a"), by=["owner"])
    ledger.done(Entomb(section, 0), by=["owner"])
    found = load(ledger.store, entry_key(section, 0), Entry)
    assert found is not None
    assert (found.erased, found.blob) == (ledger.time, some("a"))
    assert ledger.do(Entomb(section, 0), by=["owner"]) == "ledger/already-erased"
    assert ledger.do(Entomb(section, 1), by=["owner"]) == "ledger/no-such-entry"
    assert ledger.do(Entomb(some("none"), 1), by=["owner"]) == "ledger/no-such-section"


def issued(ledger: Ledger, **options: int) -> bytes:
    body = ledger.done(licence_for("doctor", **options), by=["clinic authority"])
    return licence_id(BodyHash(body), 0)


def test_a_licence_is_issued_by_a_member_that_may_and_moved_by_it_alone() -> None:
    ledger = Ledger()
    assert ledger.do(licence_for("d"), by=["lab authority"]) == "ledger/wrong-signers"
    assert ledger.do(licence_for("d", issuer=LAB), by=["lab authority"]) == "ledger/right-not-given"
    controlled = licence_for("d", LicenceRight.PRESCRIBE_CONTROLLED)
    assert ledger.do(controlled, by=["clinic authority"]) == "ledger/right-not-given"
    assert ledger.do(licence_for("d", issuer=some("nobody")), by=["x"]) == "ledger/no-such-member"
    licence = issued(ledger)
    assert ledger.do(SetLicenceStatus(licence, LicenceStatus.SUSPENDED), by=["lab authority"]) == "ledger/wrong-signers"
    unknown = SetLicenceStatus(some("none"), LicenceStatus.SUSPENDED)
    assert ledger.do(unknown, by=["clinic authority"]) == "ledger/no-such-licence"


def test_a_licence_moves_by_its_table_and_keeps_its_intervals() -> None:
    ledger = Ledger()
    licence = issued(ledger)
    began = ledger.time
    for status, code in (
        (LicenceStatus.ACTIVE, "ledger/wrong-status"),
        (LicenceStatus.SUSPENDED, ""),
        (LicenceStatus.SUSPENDED, "ledger/wrong-status"),
        (LicenceStatus.ACTIVE, ""),
        (LicenceStatus.ENDED, ""),
        (LicenceStatus.ACTIVE, "ledger/wrong-status"),
    ):
        assert ledger.do(SetLicenceStatus(licence, status), by=["clinic authority"]) == code
    found = load(ledger.store, licence_key(licence), Licence)
    assert found is not None
    assert [status_at(found, began + step * STEP) for step in (-1, 0, 1, 2, 4, 5)] == [
        None,
        LicenceStatus.ACTIVE,
        LicenceStatus.ACTIVE,
        LicenceStatus.SUSPENDED,
        LicenceStatus.ACTIVE,
        LicenceStatus.ENDED,
    ]


def test_a_licence_ends_by_itself_and_does_not_change_for_ever() -> None:
    ledger = Ledger()
    licence = issued(ledger, expires=START + HOUR)
    found = load(ledger.store, licence_key(licence), Licence)
    assert found is not None
    assert status_at(found, START + HOUR - 1) is LicenceStatus.ACTIVE
    assert status_at(found, START + HOUR) is LicenceStatus.ENDED
    for number in range(MAX_CHANGES - 1):
        status = (LicenceStatus.SUSPENDED, LicenceStatus.ACTIVE)[number % 2]
        ledger.done(SetLicenceStatus(licence, status), by=["clinic authority"])
    last = SetLicenceStatus(licence, LicenceStatus.ENDED)
    assert ledger.do(last, by=["clinic authority"]) == "ledger/too-many-changes"


def test_a_revocation_is_published_once_and_forgotten_when_no_window_is_open() -> None:
    ledger = Ledger(founding(max_warrant_window=10 * STEP))
    ledger.done(Revoke(some("secret")))
    place = revocation_key(revocation_id(some("secret")))
    assert ledger.store.get(place) is not None
    assert ledger.do(Revoke(some("secret"))) == "ledger/already-revoked"
    ledger.block(at=ledger.time + 8 * STEP)
    assert ledger.store.get(place) is not None
    ledger.block(at=ledger.time + STEP)
    assert ledger.store.get(place) is None


def test_a_vaults_anchors_are_its_own_and_without_gaps() -> None:
    ledger = Ledger()
    assert ledger.do(AnchorReceipts(CLINIC, 1, some("root"), 3)) == "ledger/wrong-anchor-number"
    ledger.done(AnchorReceipts(CLINIC, 0, some("root"), 3))
    assert ledger.do(AnchorReceipts(CLINIC, 0, some("other"), 3)) == "ledger/wrong-anchor-number"
    ledger.done(AnchorReceipts(CLINIC, 1, some("root"), 3))
    assert ledger.do(AnchorReceipts(LAB, 0, some("root"), 3)) == "ledger/wrong-signers"
