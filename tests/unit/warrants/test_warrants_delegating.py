"""One more link: less, shorter, named for the patient alone; and no more than two of them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from charts_world import DELEGATE, HOLDER, OWNER, RECEIPT_KEY, effective, root, some
from salus.codec import decode, encode
from salus.crypto import hpke
from salus.errors import SalusError
from salus.ledger.genesis import LicenceRight
from salus.warrants.checking import OPEN_END, sign_link
from salus.warrants.delegating import Narrowing, delegate_of, delegated
from salus.warrants.link import Delegate, Right, Span, Warrant

NAME = Delegate(some("person"), "Kim")
USUAL = Narrowing((Right.READ,), (Span(1, 2),), 1200, 1800, LicenceRight.TREAT)


def passed_on(warrant: Warrant | None = None, by: Any = HOLDER, to: Any = DELEGATE, narrowing: Narrowing = USUAL) -> Warrant:
    return delegated(warrant or root(), by, to.public, NAME, narrowing, some("revocation"))


def test_the_delegate_holds_less_and_shorter() -> None:
    found = effective(passed_on())
    assert (found.holder, found.spans, found.not_before, found.not_after) == (DELEGATE.public, (Span(1, 2),), 1200, 1800)
    assert len(found.revocations) == 2
    assert found.receipt_key == RECEIPT_KEY
    assert decode(encode(passed_on()), Warrant, limit=16_384).links[-1].link.receipt_key == b""


def test_a_window_is_cut_to_what_there_is() -> None:
    found = effective(passed_on(narrowing=Narrowing((Right.READ,), (Span(1, 2),), 0, 9000, LicenceRight.TREAT)))
    assert (found.not_before, found.not_after) == (1000, 2000)


def test_entries_that_the_holder_does_not_have_are_refused_by_whoever_checks() -> None:
    with pytest.raises(SalusError) as refused:
        effective(passed_on(narrowing=Narrowing((Right.READ,), (Span(1, OPEN_END),), 1200, 1800, LicenceRight.TREAT)))
    assert refused.value.full_code == "warrants/widened"


def test_it_is_passed_on_twice_at_most() -> None:
    third = passed_on(passed_on(), by=DELEGATE, to=HOLDER)
    assert len(third.links) == 3
    with pytest.raises(SalusError) as refused:
        passed_on(third)
    assert refused.value.full_code == "warrants/too-many-links"


def test_the_patient_alone_reads_whom_it_was_passed_on_to() -> None:
    warrant = passed_on()
    assert delegate_of(warrant, some("receipt")) == NAME
    assert delegate_of(warrant, some("x")) is None
    assert delegate_of(root(), some("receipt")) is None
    assert b"Kim" not in warrant.links[-1].link.delegate
    last = warrant.links[-1]
    info = b"salus/delegate/1" + last.link.network + last.link.section
    assert hpke.open(some("receipt"), info, last.link.delegate) == encode(NAME)
    nonsense = hpke.seal(RECEIPT_KEY, info, b"nothing")
    link = msgspec.structs.replace(last.link, delegate=nonsense)
    assert delegate_of(Warrant((warrant.links[0], msgspec.structs.replace(last, link=link))), some("receipt")) is None


@pytest.mark.parametrize(
    ("warrant", "asks"),
    [
        (root(()), False),
        (root((1, 2)), False),
        (root((), writer=some("writer"), rights=(Right.APPEND,)), True),
    ],
)
def test_key_packages_are_for_owners_appenders_and_those_who_read_on(warrant: Warrant, asks: bool) -> None:
    """WAR-9: a snapshot needs none, and gets none."""
    assert effective(warrant).asks_packages is asks


def test_a_right_that_goes_on_covers_every_number_from_its_first() -> None:
    link = msgspec.structs.replace(root().links[0].link, entries=(Span(5, OPEN_END),))
    found = effective(Warrant((sign_link(OWNER, link),)))
    assert found.asks_packages
    assert [found.covers(number, some("w")) for number in (4, 5, 10**9)] == [False, True, True]
