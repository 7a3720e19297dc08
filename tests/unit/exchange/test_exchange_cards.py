"""Cards and letters: signed by whom they name, for one network, with names that can be shown, for one recipient. (GRA)"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from charts_world import NETWORK, some
from salus.codec import encode
from salus.crypto import hpke
from salus.crypto.signing import HybridKey, SigningKey, person_id
from salus.errors import SalusError
from salus.exchange.carding import card_from_text, card_hash, card_to_text, require_card, require_showable, sign_card
from salus.exchange.cards import Card, Role, SignedCard
from salus.exchange.envelopes import Letter
from salus.exchange.posting import mailbox_id, open_letter, require_mailbox_owner, seal_letter, sign_claim, sign_collect

ADA, BOB = HybridKey(some("ada")), HybridKey(some("bob"))
BOX = mailbox_id(SigningKey(some("box")).public)
SEED = some("sealing")
change = msgspec.structs.replace


def refused(act: Any, *args: Any) -> str:
    with pytest.raises(SalusError) as error:
        act(*args)
    return error.value.full_code


def card(**changes: Any) -> Card:
    usual = Card(
        NETWORK, Role.PHYSICIAN, "Ada", ADA.public, hpke.public_key(SEED), (some("member"),), BOX, bytes(16), 1_700_000_000_000
    )
    return change(usual, **changes)


def test_a_card_goes_through_text_and_comes_back() -> None:
    signed = sign_card(ADA, card())
    assert require_card(card_from_text(card_to_text(signed)), NETWORK) == card()
    assert card_hash(signed) != card_hash(sign_card(ADA, card(name="Eve")))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("role", Role.NURSE),
        ("name", "Eve"),
        ("sealing", hpke.public_key(some("other"))),
        ("members", (some("x"),)),
        ("token", None),
        ("mailbox", some("x")),
        ("token", b"1" * 16),
        ("issued", 5),
    ],
)
def test_a_card_with_any_field_changed_is_refused(name: str, value: object) -> None:
    signed = sign_card(ADA, card())
    assert refused(require_card, change(signed, card=change(signed.card, **{name: value})), NETWORK) == "crypto/bad-signature"


def test_a_card_is_its_own_persons_and_of_one_network() -> None:
    assert refused(require_card, sign_card(BOB, card()), NETWORK) == "crypto/bad-signature"
    assert refused(require_card, sign_card(ADA, card()), some("x")) == "warrants/wrong-network"


@pytest.mark.parametrize(
    "name", ["", " Ada", "Ada ", "A\u0000da", "A\u202eda", "A\u200dda", "A\nda", "e\u0301", "x" * 129, "\ue000"]
)
def test_a_name_that_could_deceive_is_refused(name: str) -> None:
    assert refused(require_showable, name) == "warrants/bad-name"


@pytest.mark.parametrize("name", ["Ada", "Dr. Ada Reyes-Łukasz", "李雷", "José"])
def test_a_plain_name_passes(name: str) -> None:
    require_showable(name)


def test_what_is_no_card_is_refused() -> None:
    text = card_to_text(sign_card(ADA, card()))
    for broken in (
        "",
        "hello",
        text[:-9],
        text.replace("A", "!", 1),
        text + "AAAA",
        "salus-card-1:",
        text[:40] + "é" + text[40:],
    ):
        assert refused(card_from_text, broken).startswith("codec/")
    assert refused(card_from_text, "salus-card-1:" + "A" * 40_000).startswith("codec/")


def letter(**changes: Any) -> Letter:
    return change(Letter(NETWORK, "grant", person_id(BOB.public), sign_card(ADA, card()), 5, b"body"), **changes)


def test_a_letter_is_read_by_its_recipient_alone() -> None:
    bob = person_id(BOB.public)
    sealed = seal_letter(ADA, letter(), hpke.public_key(SEED), BOX)
    opened = open_letter(SEED, sealed, BOX, NETWORK, bob)
    assert (opened.body, opened.sender.card) == (b"body", card())
    for seed, box, network in ((some("x"), BOX, NETWORK), (SEED, some("x"), NETWORK), (SEED, BOX, some("x"))):
        assert refused(open_letter, seed, sealed, box, network, bob) == "crypto/cannot-open"
    assert refused(open_letter, SEED, sealed[:-1], BOX, NETWORK, bob) == "crypto/cannot-open"


def test_a_letter_cannot_be_passed_on_or_signed_by_another() -> None:
    bob, key = person_id(BOB.public), hpke.public_key(SEED)
    passed_on = seal_letter(ADA, letter(), key, BOX)
    assert refused(open_letter, SEED, passed_on, BOX, NETWORK, person_id(ADA.public)) == "warrants/wrong-recipient"
    forged = seal_letter(BOB, letter(), key, BOX)
    assert refused(open_letter, SEED, forged, BOX, NETWORK, bob) == "crypto/bad-signature"
    eve = SignedCard(card(name="Eve"), sign_card(ADA, card()).signature)
    assert refused(open_letter, SEED, seal_letter(ADA, letter(sender=eve), key, BOX), BOX, NETWORK, bob) == "crypto/bad-signature"


def test_a_mailbox_is_its_owners() -> None:
    owner = SigningKey(some("box"))
    claim = sign_claim(owner, NETWORK, some("member"), bytes(16), 0)
    collect = sign_collect(owner, NETWORK, some("member"), 0, 0, bytes(16), 5)
    for message in (claim, collect):
        require_mailbox_owner(message, NETWORK)
        assert refused(require_mailbox_owner, message, some("x")) == "warrants/wrong-network"
        stolen = change(message, owner=SigningKey(some("thief")).public)
        assert refused(require_mailbox_owner, stolen, NETWORK) == "crypto/bad-signature"
    assert refused(require_mailbox_owner, change(claim, token=b"1" * 16), NETWORK) == "crypto/bad-signature"
    assert refused(require_mailbox_owner, change(collect, done=9), NETWORK) == "crypto/bad-signature"
    assert encode(claim) != encode(collect)
