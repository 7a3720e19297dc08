"""Quotas: a member's actions a window, and the reserve that only rights-protecting transactions may use."""

from __future__ import annotations

from ledger_world import START, Ledger, creation, entry, founding, public, some
from salus.ledger.modules.revocations.messages import Revoke
from salus.ledger.modules.sections.messages import HandOver, RemoveWriter, Rotate
from salus.ledger.modules.sections.state import schedule_hash
from salus.ledger.tx import RIGHTS_PROTECTING

WINDOW = 60_000


def tight() -> Ledger:
    """Three actions a window, two more on the reserve."""
    return Ledger(founding(quota=3, reserve=2, quota_window=WINDOW))


def revokes(count: int, name: str) -> list[Revoke]:
    return [Revoke(some(f"{name} {number}")) for number in range(count)]


def owners(*names: str) -> list[str]:
    return [f"owner {name}" for name in names]


def test_actions_are_counted_up_to_the_quota() -> None:
    """TX-15."""
    ledger = tight()
    names = owners("a", "b", "c", "d")
    assert ledger.do(*map(creation, names[:2]), by=names[:2]) == ""
    assert ledger.do(*map(creation, names[2:]), by=names[2:]) == "ledger/quota-spent"
    assert ledger.do(creation(names[2]), by=names[2:3]) == ""
    assert ledger.do(creation(names[3]), by=names[3:]) == "ledger/quota-spent"


def test_refused_transactions_are_not_charged() -> None:
    """TX-15."""
    ledger = tight()
    section = ledger.section()
    for _ in range(5):
        assert ledger.do(entry(section, "stranger", "blob"), by=["stranger"]) == "ledger/not-a-writer"
    assert ledger.do(entry(section, "owner", "one"), entry(section, "owner", "two"), by=["owner"]) == ""


def test_the_reserve_is_for_what_protects_rights() -> None:
    """TX-15, TX-16: when the quota is spent, a patient can still leave."""
    ledger = tight()
    section = ledger.section()
    assert ledger.do(*revokes(2, "spent"), sponsor="clinic") == ""
    assert ledger.do(entry(section, "owner", "blob"), by=["owner"]) == "ledger/quota-spent"
    assert ledger.do(HandOver(section, public("next owner"), some("after")), by=["next owner"]) == ""
    assert ledger.do(*revokes(2, "too many")) == "ledger/quota-spent"
    assert ledger.do(*revokes(1, "last")) == ""
    assert ledger.do(*revokes(1, "over")) == "ledger/quota-spent"


def test_one_ordinary_action_keeps_a_transaction_off_the_reserve() -> None:
    """TX-15: all of its actions are rights-protecting, or none counts as such."""
    ledger = tight()
    assert ledger.do(*revokes(3, "spent")) == ""
    assert ledger.do(Revoke(some("mixed")), creation("owner"), by=["owner"]) == "ledger/quota-spent"
    assert ledger.do(Revoke(some("mixed"))) == ""


def test_just_these_actions_are_rights_protecting() -> None:
    """TX-16."""
    assert set(RIGHTS_PROTECTING) == {Revoke, Rotate, HandOver, RemoveWriter}


def test_a_rotation_and_a_removal_may_use_the_reserve() -> None:
    """TX-16: the check of the quota is passed; what refuses stands behind it."""
    ledger = tight()
    section = ledger.section()
    schedule = creation("owner").schedule
    assert ledger.do(*revokes(2, "spent")) == ""
    assert ledger.do(RemoveWriter(section, public("nobody")), by=["owner"]) == "ledger/not-a-writer"
    assert ledger.do(Rotate(section, schedule_hash(schedule), schedule), by=["owner"]) == ""


def test_a_new_window_begins_with_nothing_spent() -> None:
    """TX-15: windows are block time divided by the window's length, rounded down."""
    ledger = tight()
    assert START % WINDOW == 0
    assert ledger.do(*revokes(3, "quota")) == ""
    assert ledger.do(*revokes(2, "reserve")) == ""
    assert ledger.do(*revokes(1, "last moment"), at=START + WINDOW - 1) == "ledger/quota-spent"
    assert ledger.do(*revokes(3, "next quota"), at=START + WINDOW) == ""
    assert ledger.do(*revokes(2, "next reserve")) == ""
    assert ledger.do(*revokes(1, "over")) == "ledger/quota-spent"


def test_each_member_has_a_quota_of_its_own() -> None:
    """TX-15."""
    ledger = tight()
    assert ledger.do(*revokes(3, "clinic")) == ""
    names = owners("a", "b", "c")
    assert ledger.do(*map(creation, names), by=names, sponsor="lab") == ""
    assert ledger.do(creation("owner"), by=["owner"], sponsor="clinic") == "ledger/quota-spent"


def test_one_transaction_is_charged_to_one_of_both() -> None:
    """TX-15: it is not split between quota and reserve."""
    ledger = tight()
    assert ledger.do(*revokes(2, "first")) == ""
    assert ledger.do(*revokes(3, "neither holds three")) == "ledger/quota-spent"
    assert ledger.do(*revokes(2, "the reserve holds two")) == ""
    assert ledger.do(creation("owner"), by=["owner"]) == ""
