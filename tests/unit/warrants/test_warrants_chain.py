"""Warrants: a chain of links from the owner, each signed by the one before and none wider."""

from __future__ import annotations

from typing import Any

import pytest

from charts_world import (
    DELEGATE,
    HOLDER,
    NETWORK,
    OWNER,
    RECEIPT_KEY,
    SECTION,
    WINDOW,
    delegated,
    effective,
    key,
    relink,
    root,
    some,
)
from salus.errors import SalusError
from salus.ids import VerifyKey
from salus.ledger.genesis import LicenceRight
from salus.warrants.checking import NOBODY, require_warrant, spans_of
from salus.warrants.link import Purpose, Right, Span, Warrant


def test_a_warrant_allows_its_holder_what_it_says() -> None:
    found = effective(root())
    assert (found.holder, found.rights, found.spans) == (HOLDER.public, (Right.READ,), (Span(1, 3), Span(7, 7)))
    assert [found.covers(number, NOBODY) for number in (0, 1, 3, 4, 7, 8)] == [False, True, True, False, True, False]


def test_only_the_owner_has_everything() -> None:
    assert effective(root(None, holder=OWNER.public)).covers(99, NOBODY)
    assert not effective(root(None)).covers(99, NOBODY)
    assert not effective(root(())).covers(0, NOBODY)


def test_a_writer_reads_back_what_its_key_wrote_and_nothing_else() -> None:
    found = effective(root((), writer=some("writer"), rights=(Right.APPEND,)))
    assert found.covers(5, some("writer"))
    assert not found.covers(5, some("other"))
    assert not effective(root((1,), writer=some("writer"), rights=(Right.APPEND,))).covers(1, some("other"))


def test_a_link_for_reading_alone_gives_nothing_of_what_its_writer_wrote() -> None:
    """WAR-10, WAR-30: it names the writer's key, as it must (WAR-7), and covers by its spans alone."""
    both = root((1, 2), writer=some("writer"), rights=(Right.APPEND, Right.READ))
    assert effective(both).covers(5, some("writer"))
    assert effective(both).asks_packages
    passed = effective(delegated(both, rights=(Right.READ,)))
    assert passed.covers(1, NOBODY)
    assert not passed.covers(5, some("writer"))
    assert not passed.asks_packages


def test_a_delegate_holds_what_was_handed_on_and_both_revocations_count() -> None:
    found = effective(delegated(root(), entries=(Span(2, 3),)))
    assert (found.holder, found.spans) == (DELEGATE.public, (Span(2, 3),))
    assert found.revocations == (some("revocation"), some("second"))
    assert found.receipt_key == RECEIPT_KEY


def test_the_owners_own_warrant_may_be_handed_on_in_part() -> None:
    whole = root(None, holder=OWNER.public)
    assert effective(delegated(whole, by=OWNER, entries=(Span(4, 9),))).spans == (Span(4, 9),)


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        ("more entries", {"entries": (Span(1, 4),)}),
        ("other entries", {"entries": (Span(1, 3), Span(8, 8))}),
        ("all entries", {"entries": ()}),
        ("more rights", {"rights": (Right.APPEND, Right.READ)}),
        ("other rights", {"rights": (Right.APPEND,)}),
        ("more purposes", {"purposes": (Purpose.HRESCH, Purpose.TREAT)}),
        ("an earlier beginning", {"not_before": 999}),
        ("a later end", {"not_after": 2001}),
        ("no licence", {"licence": None}),
        ("another licence", {"licence": LicenceRight.REPORT}),
        ("another writer", {"writer": some("writer")}),
        ("another receipt key", {"receipt_key": RECEIPT_KEY}),
    ],
)
def test_a_link_that_widens_is_refused(what: str, changes: dict[str, Any]) -> None:
    assert what
    with pytest.raises(SalusError) as refused:
        effective(delegated(root(), **changes))
    assert refused.value.full_code == "warrants/widened"


def test_no_entries_cannot_become_some_in_a_delegates_hands() -> None:
    nothing = root((), rights=(Right.APPEND, Right.READ), writer=some("writer"))
    with pytest.raises(SalusError) as refused:
        effective(delegated(nothing, entries=(Span(0, 10**9),)))
    assert refused.value.full_code == "warrants/widened"
    assert effective(delegated(nothing)).spans == ()


def test_a_licence_may_be_asked_of_a_delegate_where_none_was_asked() -> None:
    assert effective(delegated(root(licence=None), licence=LicenceRight.TREAT)).licence is LicenceRight.TREAT


@pytest.mark.parametrize(
    ("what", "warrant", "code"),
    [
        ("another network", relink(root(), network=some("x")), "warrants/wrong-section"),
        ("another section", relink(root(), section=some("x")), "warrants/wrong-section"),
        ("a root that follows nothing", relink(root(), previous=some("x")), "warrants/bad-chain"),
        ("a link after another", delegated(root(), previous=some("x")), "warrants/bad-chain"),
        ("signed by a stranger", relink(root(), by=key("stranger")), "warrants/bad-link-signature"),
        ("handed on by a stranger", delegated(root(), by=key("stranger")), "warrants/bad-link-signature"),
        ("handed on by the owner", delegated(root(), by=OWNER), "warrants/bad-link-signature"),
        ("an empty window", relink(root(), not_after=1000), "warrants/bad-link"),
        ("a window that is too long", relink(root(), not_after=1001 + WINDOW), "warrants/bad-link"),
        ("spans that overlap", relink(root(), entries=(Span(1, 3), Span(3, 4))), "warrants/bad-link"),
        ("a third span before the second", relink(root(), entries=(Span(1, 1), Span(5, 6), Span(3, 3))), "warrants/bad-link"),
        ("a span backwards", relink(root(), entries=(Span(3, 1),)), "warrants/bad-link"),
        ("rights twice", relink(root(), rights=(Right.READ, Right.READ)), "warrants/bad-link"),
        ("purposes unsorted", relink(root(), purposes=(Purpose.TREAT, Purpose.HRESCH)), "warrants/bad-link"),
        ("no receipt key", relink(root(), receipt_key=b""), "warrants/bad-link"),
        ("a delegate's name in the root", relink(root(), delegate=b"x"), "warrants/bad-link"),
        ("links in another order", Warrant(delegated(root()).links[::-1]), "warrants/bad-chain"),
        ("the root left out", Warrant(delegated(root()).links[1:]), "warrants/bad-chain"),
    ],
)
def test_a_chain_that_does_not_hold_is_refused(what: str, warrant: Warrant, code: str) -> None:
    assert what
    with pytest.raises(SalusError) as refused:
        effective(warrant)
    assert refused.value.full_code == code


def test_a_hand_over_voids_every_warrant_before_it() -> None:
    with pytest.raises(SalusError) as refused:
        require_warrant(root(), NETWORK, SECTION, VerifyKey(key("next owner").public), WINDOW)
    assert refused.value.full_code == "warrants/bad-link-signature"


def test_spans_are_the_shortest_that_cover_just_the_numbers() -> None:
    assert spans_of((3, 1, 2, 9, 9)) == (Span(1, 3), Span(9, 9))
    assert spans_of(()) == ()
