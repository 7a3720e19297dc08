"""Holder's proofs: this reader, this vault, this request; and what a licence, a window and a purpose must be."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from charts_world import HOLDER, NETWORK, OWNER, SECTION, VAULT, effective, key, reading, root, some
from salus.errors import SalusError
from salus.ids import VerifyKey
from salus.ledger.genesis import LicenceRight
from salus.ledger.modules.licences.messages import LicenceStatus
from salus.ledger.modules.licences.state import Licence, StatusSince
from salus.warrants.checking import NOBODY
from salus.warrants.holding import (
    request_hash,
    require_covered,
    require_holder,
    require_licence,
    require_owner,
    require_purpose,
    require_window,
    sign_owner,
)
from salus.warrants.link import Purpose
from salus.warrants.requests import OwnerRequest


def refused(act: Any, *args: Any) -> str:
    with pytest.raises(SalusError) as error:
        act(*args)
    return error.value.full_code


def test_the_holders_own_request_passes() -> None:
    read = reading(root())
    require_holder(read, effective(root()), NETWORK, VAULT)
    assert request_hash(read) != request_hash(reading(root(), nonce=b"1" * 16))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"network": some("x")}, "warrants/wrong-vault"),
        ({"vault": some("x")}, "warrants/wrong-vault"),
        ({"warrant": some("x")}, "warrants/wrong-section"),
        ({"section": some("x")}, "warrants/wrong-section"),
        ({"by": key("thief")}, "warrants/not-the-holder"),
    ],
)
def test_a_request_for_something_else_or_by_another_is_refused(changes: dict[str, Any], code: str) -> None:
    assert refused(require_holder, reading(root(), **changes), effective(root()), NETWORK, VAULT) == code


@pytest.mark.parametrize("name", ["entries", "packages", "purpose", "licence", "on_behalf_of", "nonce", "height", "block"])
def test_a_signature_moved_to_another_request_is_refused(name: str) -> None:
    other: dict[str, Any] = {
        "entries": (2,),
        "packages": (0,),
        "purpose": Purpose.HRESCH,
        "licence": some("x"),
        "on_behalf_of": some("x"),
        "nonce": b"1" * 16,
        "height": 6,
        "block": some("x"),
    }
    read = reading(root())
    moved = msgspec.structs.replace(read, request=msgspec.structs.replace(read.request, **{name: other[name]}))
    assert refused(require_holder, moved, effective(root()), NETWORK, VAULT) == "warrants/not-the-holder"


def test_a_window_begins_and_ends() -> None:
    allowed = effective(root())
    for now in (1000, 1999):
        require_window(allowed, now)
    assert refused(require_window, allowed, 999) == "warrants/not-yet"
    assert refused(require_window, allowed, 2000) == "warrants/expired"


def test_a_purpose_must_be_among_those_allowed() -> None:
    require_purpose(reading(root()).request, effective(root()))
    other = reading(root(), purpose=Purpose.HRESCH).request
    assert refused(require_purpose, other, effective(root())) == "warrants/wrong-purpose"


def licence(**changes: Any) -> Licence:
    began = (StatusSince(LicenceStatus.ACTIVE, 100, 1),)
    usual = Licence(some("issuer"), some("person"), HOLDER.public, some("card"), (LicenceRight.TREAT,), 0, began)
    return msgspec.structs.replace(usual, **changes)


def test_a_licence_must_be_the_holders_give_the_right_and_be_active() -> None:
    allowed = effective(root())
    require_licence(allowed, licence(), 1500)
    require_licence(effective(root(licence=None)), None, 1500)
    suspended = (StatusSince(LicenceStatus.ACTIVE, 100, 1), StatusSince(LicenceStatus.SUSPENDED, 1400, 2))
    for found, code in (
        (None, "warrants/licence-needed"),
        (licence(holder=OWNER.public), "warrants/licence-not-fitting"),
        (licence(rights=(LicenceRight.REPORT,)), "warrants/licence-not-fitting"),
        (licence(intervals=suspended), "warrants/licence-not-active"),
        (licence(expires=1500), "warrants/licence-not-active"),
        (licence(intervals=(StatusSince(LicenceStatus.ACTIVE, 1501, 1),)), "warrants/licence-not-active"),
    ):
        assert refused(require_licence, allowed, found, 1500) == code
    require_licence(allowed, licence(intervals=suspended), 1399)


def test_every_entry_asked_for_must_be_covered() -> None:
    require_covered(effective(root()), {1: NOBODY, 7: NOBODY})
    assert refused(require_covered, effective(root()), {1: NOBODY, 8: NOBODY}) == "warrants/not-covered"


def test_only_the_owner_asks_for_receipts_at_the_vault_that_was_named() -> None:
    asked = OwnerRequest(NETWORK, VAULT, SECTION, 0, bytes(16), 5, some("block"))
    owner = VerifyKey(OWNER.public)
    require_owner(sign_owner(OWNER, asked), owner, NETWORK, VAULT)
    assert refused(require_owner, sign_owner(HOLDER, asked), owner, NETWORK, VAULT) == "warrants/not-the-owner"
    assert refused(require_owner, sign_owner(OWNER, asked), owner, NETWORK, some("x")) == "warrants/wrong-vault"
    assert refused(require_owner, sign_owner(OWNER, asked), owner, some("x"), VAULT) == "warrants/wrong-vault"
