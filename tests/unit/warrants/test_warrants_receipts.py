"""Receipts: sealed to the patient, chained, promised to the reader, anchored; none can be dropped or forged unseen."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from charts_world import NETWORK, OWNER, RECEIPT_KEY, SECTION, VAULT, WINDOW, key, reading, root, some
from salus.codec import encode
from salus.errors import SalusError
from salus.ids import VerifyKey
from salus.ledger.listtree import list_proof, list_root
from salus.warrants.holding import request_hash
from salus.warrants.receipting import (
    START,
    anchor_leaf,
    next_head,
    open_receipt,
    require_anchor,
    require_chain,
    require_promise,
    require_receipt,
    require_total,
    seal_receipt,
    sign_promise,
)
from salus.warrants.receipts import Promise, Receipt, ReceiptsAnswer, StoredReceipt

NODE = key("node")


def refused(act: Any, *args: Any) -> str:
    with pytest.raises(SalusError) as error:
        act(*args)
    return error.value.full_code


def chain(*sealed: bytes) -> tuple[StoredReceipt, ...]:
    head, stored = START, []
    for index, one in enumerate(sealed):
        head = next_head(head, one)
        stored.append(StoredReceipt(index, head, one))
    return tuple(stored)


def test_only_the_patient_opens_a_receipt_and_it_names_the_reader() -> None:
    receipt = Receipt(reading(root()), 1500, 5)
    sealed = seal_receipt(receipt, RECEIPT_KEY, NETWORK, SECTION)
    assert open_receipt(some("receipt"), sealed, NETWORK, SECTION) == receipt
    for seed, section in ((some("x"), SECTION), (some("receipt"), some("x"))):
        assert refused(open_receipt, seed, sealed, NETWORK, section) == "crypto/cannot-open"
    found = require_receipt(receipt, NETWORK, VAULT, SECTION, VerifyKey(OWNER.public), WINDOW)
    assert found.holder == key("holder").public


def test_a_vault_cannot_frame_a_reader() -> None:
    forged = Receipt(reading(root(), by=NODE), 1500, 5)
    assert refused(require_receipt, forged, NETWORK, VAULT, SECTION, VerifyKey(OWNER.public), WINDOW) == "warrants/not-the-holder"


def test_a_chain_goes_on_from_where_it_was() -> None:
    stored = chain(b"a", b"b", b"c")
    assert require_chain(stored, 0, START) == stored[-1].head
    assert require_chain(stored[1:], 1, stored[0].head) == stored[-1].head
    assert require_chain((), 3, some("head")) == some("head")


@pytest.mark.parametrize(
    "broken",
    [
        chain(b"a", b"b", b"c")[1:],
        (chain(b"a", b"b", b"c")[0], chain(b"a", b"b", b"c")[2]),
        chain(b"a", b"b", b"c")[::-1],
        (msgspec.structs.replace(chain(b"a")[0], sealed=b"x"),),
        (msgspec.structs.replace(chain(b"a")[0], index=1),),
    ],
)
def test_a_gap_an_exchange_or_a_change_is_found(broken: tuple[StoredReceipt, ...]) -> None:
    assert refused(require_chain, broken, 0, START) == "warrants/receipt-chain"


def answer(total: int, *sealed: bytes, **changes: Any) -> ReceiptsAnswer:
    return msgspec.structs.replace(ReceiptsAnswer(chain(*sealed), total, False, 0, b"", None, 0, 0, ()), **changes)


def test_fewer_receipts_than_before_are_found() -> None:
    require_total(answer(2, b"a"), 1)
    require_total(answer(5, b"a"), 1)
    require_total(answer(1), 1)
    assert refused(require_total, answer(1), 2) == "warrants/receipts-dropped"
    assert refused(require_total, answer(1, b"a"), 1) == "warrants/receipts-dropped"
    assert refused(require_total, answer(3), 1) == "warrants/receipts-dropped"


def promised(**changes: Any) -> Promise:
    usual = Promise(NETWORK, VAULT, SECTION, request_hash(reading(root())), 0, some("head"), 1500)
    return msgspec.structs.replace(usual, **changes)


def test_a_promise_is_of_this_vault_for_this_request() -> None:
    read, node = reading(root()), VerifyKey(NODE.public)
    require_promise(sign_promise(NODE, promised()), VAULT, node, read)
    for name in ("network", "vault", "section", "request"):
        other = sign_promise(NODE, promised(**{name: some("x")}))
        assert refused(require_promise, other, VAULT, node, read) == "warrants/bad-promise"
    assert refused(require_promise, sign_promise(OWNER, promised()), VAULT, node, read) == "warrants/bad-promise"


def anchored(**changes: Any) -> tuple[ReceiptsAnswer, bytes]:
    blind = some("blind")
    leaves = [anchor_leaf(some("b0"), some("s0"), some("h0"), 4), anchor_leaf(blind, SECTION, some("head"), 2)]
    items = [encode(leaf) for leaf in leaves]
    usual = answer(2, b"a", b"b", anchored=True, blind=blind, leaf=leaves[1], leaf_index=1, leaves=2, proof=list_proof(items, 1))
    return msgspec.structs.replace(usual, **changes), list_root(items)


def test_an_anchor_covers_the_chain() -> None:
    given, top = anchored()
    require_anchor(given, SECTION, top, 2, {2: some("head")})


def test_an_anchor_that_does_not_fit_is_found() -> None:
    given, top = anchored()
    other = anchor_leaf(some("b0"), some("s0"), some("h0"), 4)
    for changed, root_, sections, heads, code in (
        (anchored(leaf=None)[0], top, 2, {}, "warrants/bad-anchor"),
        (anchored(blind=b"")[0], top, 2, {}, "warrants/bad-anchor"),
        (anchored(leaf=other)[0], top, 2, {}, "warrants/bad-anchor"),
        (anchored(leaf_index=0)[0], top, 2, {}, "ledger/bad-list-proof"),
        (given, some("x"), 2, {}, "ledger/bad-list-proof"),
        (given, top, 3, {}, "warrants/bad-anchor"),
        (anchored(leaves=3)[0], top, 2, {2: some("head")}, "warrants/bad-anchor"),
        (anchored(leaves=3)[0], top, 3, {2: some("head")}, "ledger/bad-list-proof"),
        (given, top, 2, {2: some("other head")}, "warrants/anchor-mismatch"),
        (given, top, 2, {}, "warrants/anchor-mismatch"),
    ):
        assert refused(require_anchor, changed, SECTION, root_, sections, heads) == code
