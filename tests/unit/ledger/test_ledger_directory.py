"""The directory on the ledger: one leaf a holder, by its own signature only."""

from __future__ import annotations

from ledger_world import SMALL_ORDER, START, STEP, Ledger, public, some
from salus.ledger.modules.directory.messages import PublishListing
from salus.ledger.modules.directory.queries import holders, listed
from salus.ledger.modules.directory.state import WITHDRAWN, Listed, listing_key
from salus.ledger.store import load


def test_the_newest_listing_stands_until_it_is_withdrawn() -> None:
    """DIR-1, DIR-2."""
    ledger, holder = Ledger(), public("doctor")
    assert listed(ledger.store, holder) == WITHDRAWN
    ledger.done(PublishListing(holder, some("first")), by=["doctor"])
    assert load(ledger.store, listing_key(holder), Listed) == Listed(some("first"), START + STEP, 1)
    ledger.done(PublishListing(holder, some("second")), by=["doctor"])
    assert listed(ledger.store, holder) == some("second")
    ledger.done(PublishListing(holder, WITHDRAWN), by=["doctor"])
    assert load(ledger.store, listing_key(holder), Listed) == Listed(WITHDRAWN, START + 3 * STEP, 3)


def test_nobody_lists_somebody_else() -> None:
    """DIR-1."""
    ledger = Ledger()
    assert ledger.do(PublishListing(public("doctor"), some("x")), by=["other"]) == "ledger/wrong-signers"
    assert ledger.do(PublishListing(public("doctor"), some("x"))) == "ledger/wrong-signers"
    assert listed(ledger.store, public("doctor")) == WITHDRAWN


def test_an_unsound_key_is_listed_nowhere() -> None:
    """DIR-1."""
    ledger = Ledger()
    assert ledger.do(PublishListing(SMALL_ORDER, some("x"))) != ""
    assert listed(ledger.store, SMALL_ORDER) == WITHDRAWN


def test_whoever_ever_published_is_found_in_order() -> None:
    """DIR-2."""
    ledger, names = Ledger(), ["doctor", "nurse", "clinic"]
    for name in names:
        ledger.done(PublishListing(public(name), some(name)), by=[name])
    ledger.done(PublishListing(public("nurse"), WITHDRAWN), by=["nurse"])
    assert list(holders(ledger.store)) == sorted(map(public, names))
