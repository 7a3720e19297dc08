"""Warrants, holders' and owners' requests, receipts, promises and anchors."""

from __future__ import annotations

from collections.abc import Iterator

from charts_world import (
    DELEGATE,
    HOLDER,
    NETWORK,
    OWNER,
    RECEIPT_KEY,
    SECTION,
    VAULT,
    WINDOW,
    delegated,
    key,
    reading,
    relink,
    root,
    some,
)
from salus.codec import encode
from salus.ids import MAX_INT
from salus.ledger.genesis import LicenceRight
from salus.ledger.listtree import list_proof, list_root
from salus.ledger.modules.licences.messages import LicenceStatus
from salus.ledger.modules.licences.state import Licence, StatusSince
from salus.warrants.checking import sign_link, warrant_id
from salus.warrants.holding import request_hash, sign_owner
from salus.warrants.link import Purpose, Right, Span, Warrant
from salus.warrants.receipting import START, anchor_leaf, next_head, seal_receipt, sign_promise
from salus.warrants.receipts import AnchorLeaf, Promise, Receipt, ReceiptsAnswer, StoredReceipt
from salus.warrants.requests import OwnerRequest
from scenarios import NOT_CANONICAL, NOT_DECODABLE, Fields, Scenario, change, flipped, malformed, put, reshaped

PLACE: Fields = {"network": NETWORK, "section": SECTION, "owner": OWNER.public, "max_window": WINDOW}
WRITER, NODE = some("writer"), key("node")


def scenarios() -> Iterator[Scenario]:
    """All of this room."""
    yield from warrants()
    yield from broken_warrants()
    yield from readings()
    yield from refused_readings()
    yield from owner_requests()
    yield from receipts()
    yield from promises()
    yield from answers()


def warrants() -> Iterator[Scenario]:
    """Chains that hold, and chains that widen."""
    plain, whole = root(), root(None, holder=OWNER.public)
    appending = root((), rights=(Right.APPEND,), writer=WRITER)
    twice = delegated(delegated(plain, entries=(Span(1, 2),)), by=DELEGATE, holder=key("third").public, not_after=1500)
    for what, warrant in (
        ("one-link", plain),
        ("the-owners-own", whole),
        ("a-part-of-the-owners-own", delegated(whole, by=OWNER, entries=(Span(4, 9),))),
        ("two-links", delegated(plain, entries=(Span(2, 3), Span(7, 7)))),
        ("three-links", twice),
        ("without-end", relink(plain, entries=(Span(3, MAX_INT),))),
        ("to-append", appending),
        ("to-append-passed-on", delegated(appending)),
        ("without-a-licence", root(licence=None)),
        ("a-licence-asked-of-the-delegate", delegated(root(licence=None), licence=LicenceRight.TREAT)),
        ("all-purposes", root(purposes=tuple(Purpose))),
        ("the-longest-window", relink(plain, not_after=1000 + WINDOW)),
    ):
        yield "warrant", what, "accepted", {**PLACE, "warrant": encode(warrant)}
    nothing = root((), rights=(Right.APPEND, Right.READ), writer=WRITER)
    for what, warrant in (
        ("more-entries", delegated(plain, entries=(Span(1, 4),))),
        ("other-entries", delegated(plain, entries=(Span(1, 3), Span(8, 8)))),
        ("a-span-over-a-gap", delegated(plain, entries=(Span(3, 7),))),
        ("all-entries", delegated(plain, entries=())),
        ("some-entries-from-none", delegated(nothing, entries=(Span(0, 5),))),
        ("more-rights", delegated(plain, rights=(Right.APPEND, Right.READ))),
        ("other-rights", delegated(plain, rights=(Right.APPEND,))),
        ("more-purposes", delegated(plain, purposes=(Purpose.HRESCH, Purpose.TREAT))),
        ("an-earlier-beginning", delegated(plain, not_before=999)),
        ("a-later-end", delegated(plain, not_after=2001)),
        ("no-licence-any-more", delegated(plain, licence=None)),
        ("another-licence", delegated(plain, licence=LicenceRight.REPORT)),
        ("another-writer", delegated(plain, writer=WRITER)),
        ("another-receipt-key", delegated(plain, receipt_key=RECEIPT_KEY)),
        ("the-third-link-widens", delegated(delegated(plain, not_after=1500), by=DELEGATE, not_after=1501)),
    ):
        yield "warrant", what, "warrants/widened", {**PLACE, "warrant": encode(warrant)}


def broken_warrants() -> Iterator[Scenario]:
    """Chains that do not hold, and bytes that are none."""
    plain, two = root(), delegated(root())
    wrong, chain, link, issuer = (f"warrants/{code}" for code in ("wrong-section", "bad-chain", "bad-link", "bad-link-signature"))
    unsigned = Warrant((change(plain.links[0], signature=bytes(64)),))
    elsewhere = Warrant((two.links[0], sign_link(HOLDER, change(two.links[1].link, section=some("x")))))
    for what, expect, warrant in (
        ("of-another-network", wrong, relink(plain, network=some("x"))),
        ("of-another-section", wrong, relink(plain, section=some("x"))),
        ("the-second-link-of-another-section", wrong, elsewhere),
        ("a-root-after-another-link", chain, relink(plain, previous=some("x"))),
        ("after-another-link", chain, delegated(plain, previous=some("x"))),
        ("links-in-another-order", chain, Warrant(two.links[::-1])),
        ("the-root-left-out", chain, Warrant(two.links[1:])),
        ("the-root-twice", chain, Warrant((*plain.links, *plain.links))),
        ("under-another-root", chain, Warrant((*relink(plain, revocation=some("x")).links, two.links[1]))),
        ("signed-by-a-stranger", issuer, relink(plain, by=key("stranger"))),
        ("signed-by-its-holder", issuer, relink(plain, by=HOLDER)),
        ("passed-on-by-a-stranger", issuer, delegated(plain, by=key("stranger"))),
        ("passed-on-by-the-owner", issuer, delegated(plain, by=OWNER)),
        ("not-signed", issuer, unsigned),
        ("changed-after-signing", issuer, Warrant((change(plain.links[0], link=change(plain.links[0].link, not_after=2001)),))),
        ("an-empty-window", link, relink(plain, not_after=1000)),
        ("a-window-backwards", link, relink(plain, not_after=999)),
        ("a-window-that-is-too-long", link, relink(plain, not_after=1001 + WINDOW)),
        ("spans-that-overlap", link, relink(plain, entries=(Span(1, 3), Span(3, 4)))),
        ("spans-unsorted", link, relink(plain, entries=(Span(7, 7), Span(1, 3)))),
        ("a-span-backwards", link, relink(plain, entries=(Span(3, 1),))),
        ("a-right-twice", link, relink(plain, rights=(Right.READ, Right.READ))),
        ("rights-unsorted", link, relink(plain, rights=(Right.READ, Right.APPEND))),
        ("purposes-unsorted", link, relink(plain, purposes=(Purpose.TREAT, Purpose.HRESCH))),
        ("no-receipt-key", link, relink(plain, receipt_key=b"")),
        ("a-receipt-key-that-is-too-short", link, relink(plain, receipt_key=RECEIPT_KEY[:-1])),
        ("a-delegate-in-the-root", link, relink(plain, delegate=b"x")),
        ("four-links", NOT_DECODABLE, Warrant((*two.links, *two.links))),
        ("no-links", NOT_DECODABLE, Warrant(())),
        ("no-rights", NOT_DECODABLE, relink(plain, rights=())),
        ("no-purposes", NOT_DECODABLE, relink(plain, purposes=())),
    ):
        yield "warrant", what, expect, {**PLACE, "warrant": encode(warrant)}
    yield "warrant", "after-a-hand-over", issuer, {**PLACE, "owner": key("next owner").public, "warrant": encode(plain)}
    data = encode(plain)
    for what, raw, expect in (
        *malformed(data),
        *reshaped(data),
        ("a-right-that-is-unknown", put(data, b"\xa4read", b"\xa4reap"), NOT_DECODABLE),
        ("a-purpose-in-small-letters", put(data, b"\xa5TREAT", b"\xa5treat"), NOT_DECODABLE),
        ("a-wide-time", put(data, b"\xcd\x03\xe8", b"\xce\x00\x00\x03\xe8"), NOT_CANONICAL),
        ("an-empty-licence", put(data, b"\xa5treat", b"\xa0"), NOT_DECODABLE),
    ):
        yield "warrant", what, expect, {**PLACE, "warrant": raw}


LICENCE = Licence(
    some("issuer"),
    some("person"),
    HOLDER.public,
    some("card"),
    (LicenceRight.TREAT,),
    0,
    (StatusSince(LicenceStatus.ACTIVE, 900, 1),),
)
ASKED: Fields = {**PLACE, "vault": VAULT, "now": 1500, "licence": encode(LICENCE), "writer": some("another writer")}


def readings() -> Iterator[Scenario]:
    """Requests that are served. ``writer`` wrote the entries, ``licence`` is the ledger's record of the licence that is named."""
    appending = root((), rights=(Right.APPEND,), writer=WRITER)
    endless, own = relink(root(), entries=(Span(0, MAX_INT),)), root(None, holder=OWNER.public, licence=None)
    expired = change(LICENCE, expires=1501)
    for what, changes, read in (
        ("an-entry", {}, reading(root())),
        ("several-entries", {}, reading(root(), entries=(1, 2, 3, 7))),
        ("no-entries", {}, reading(root(), entries=())),
        ("by-a-delegate", {"licence": encode(change(LICENCE, holder=DELEGATE.public))}, reading(delegated(root()), by=DELEGATE)),
        ("by-the-owner", {}, reading(own, by=OWNER, entries=(99,), packages=(0, 1))),
        ("back-by-its-writer", {"writer": WRITER}, reading(appending, entries=(9,), packages=(3,))),
        ("the-newest-by-a-standing-holder", {}, reading(endless, entries=(1000,), packages=(3,))),
        ("at-the-first-moment", {"now": 1000}, reading(root())),
        ("at-the-last-moment", {"now": 1999}, reading(root())),
        ("before-the-licence-expires", {"licence": encode(expired)}, reading(root())),
        ("on-behalf-of-a-member", {}, reading(root(), on_behalf_of=some("member"))),
    ):
        yield "reading", what, "accepted", {**ASKED, **changes, "read": encode(read)}


def refused_readings() -> Iterator[Scenario]:
    """Until holder and chain are proven every refusal is the same; then each has its code."""
    plain, good = root(), reading(root())
    limited = change(LICENCE, rights=(LicenceRight.REPORT,))
    ended = change(LICENCE, intervals=(*LICENCE.intervals, StatusSince(LicenceStatus.SUSPENDED, 1500, 2)))
    refused, fitting, inactive, covered = (
        f"warrants/{code}" for code in ("refused", "licence-not-fitting", "licence-not-active", "not-covered")
    )
    appending = root((), rights=(Right.APPEND,), writer=WRITER)
    reads = delegated(root(rights=(Right.APPEND, Right.READ), writer=WRITER, licence=None), rights=(Right.READ,))
    for what, expect, changes, read in (
        ("at-another-vault", refused, {"vault": some("x")}, good),
        ("for-another-network", refused, {}, reading(plain, network=some("x"))),
        ("of-another-section", refused, {}, reading(plain, section=some("x"))),
        ("with-another-warrant", refused, {}, change(good, warrant=root((1, 2)))),
        ("names-another-warrant", refused, {}, reading(plain, warrant=warrant_id(root((1, 2))))),
        ("by-a-stranger", refused, {}, reading(plain, by=key("stranger"))),
        ("by-the-one-who-passed-it-on", refused, {}, reading(delegated(plain))),
        ("by-the-owner-with-anothers-warrant", refused, {}, reading(plain, by=OWNER)),
        ("not-signed", refused, {}, change(good, signature=bytes(64))),
        ("changed-after-signing", refused, {}, change(good, request=change(good.request, entries=(2,)))),
        ("with-a-widened-warrant", refused, {}, reading(delegated(plain, entries=(Span(1, 4),)), by=DELEGATE)),
        ("after-a-hand-over", refused, {"owner": key("next owner").public}, good),
        ("not-yet", "warrants/not-yet", {"now": 999}, good),
        ("expired", "warrants/expired", {"now": 2000}, good),
        ("for-another-purpose", "warrants/wrong-purpose", {}, reading(plain, purpose=Purpose.HRESCH)),
        ("without-a-licence", "warrants/licence-needed", {"licence": b""}, good),
        ("with-anothers-licence", fitting, {"licence": encode(change(LICENCE, holder=key("x").public))}, good),
        ("with-a-licence-for-something-else", fitting, {"licence": encode(limited)}, good),
        ("with-a-suspended-licence", inactive, {"licence": encode(ended)}, good),
        ("with-an-expired-licence", inactive, {"licence": encode(change(LICENCE, expires=1500))}, good),
        ("before-the-licence", inactive, {"now": 1000, "licence": encode(change(LICENCE, intervals=ended.intervals[1:]))}, good),
        ("an-entry-in-a-gap", covered, {}, reading(plain, entries=(4,))),
        ("an-entry-after-the-last", covered, {}, reading(plain, entries=(1, 8))),
        ("anothers-entry-by-a-writer", covered, {}, reading(appending)),
        ("an-entry-by-number-with-append-alone", covered, {}, reading(root(rights=(Right.APPEND,), writer=WRITER))),
        ("its-writers-entry-by-a-link-for-reading", covered, {"writer": WRITER}, reading(reads, by=DELEGATE, entries=(9,))),
        ("key-packages-by-a-link-for-reading", covered, {}, reading(reads, by=DELEGATE, packages=(0,))),
        ("key-packages-for-a-snapshot", covered, {}, reading(plain, packages=(0,))),
        ("an-entry-that-no-number-is", NOT_DECODABLE, {}, reading(plain, entries=(MAX_INT + 1,))),
        ("too-many-packages", NOT_DECODABLE, {}, reading(plain, packages=(0,) * 65)),
    ):
        yield "reading", what, expect, {**ASKED, **changes, "read": encode(read)}
    for what, raw, expect in (*malformed(encode(good)), *reshaped(encode(good))):
        yield "reading", what, expect, {**ASKED, "read": raw}


def owner_requests() -> Iterator[Scenario]:
    """An owner asks for receipts."""
    request = OwnerRequest(NETWORK, VAULT, SECTION, 0, bytes(16), 5, some("block"))
    base: Fields = {"network": NETWORK, "vault": VAULT, "owner": OWNER.public}
    good = sign_owner(OWNER, request)
    yield "owner", "asks", "accepted", {**base, "request": encode(good)}
    wrong, stranger = "warrants/wrong-vault", "warrants/not-the-owner"
    for what, expect, broken in (
        ("at-another-vault", wrong, sign_owner(OWNER, change(request, vault=some("x")))),
        ("for-another-network", wrong, sign_owner(OWNER, change(request, network=some("x")))),
        ("by-a-stranger", stranger, sign_owner(HOLDER, request)),
        ("not-signed", stranger, change(good, signature=bytes(64))),
        ("from-another-index", stranger, change(good, request=change(request, first=1))),
        ("of-another-section", stranger, change(good, request=change(request, section=some("x")))),
    ):
        yield "owner", what, expect, {**base, "request": encode(broken)}
    for what, raw, expect in (*malformed(encode(good)), *reshaped(encode(good))):
        yield "owner", what, expect, {**base, "request": raw}


def receipts() -> Iterator[Scenario]:
    """Receipts as the patient opens them."""
    receipt = Receipt(reading(root()), 1500, 5)
    base: Fields = {**PLACE, "vault": VAULT, "seed": some("receipt")}

    def sealed(what: Receipt) -> bytes:
        return seal_receipt(what, RECEIPT_KEY, NETWORK, SECTION)

    good = sealed(receipt)
    yield "receipt", "names-its-reader", "accepted", {**base, "receipt": good}
    longer = Receipt(reading(delegated(root()), by=DELEGATE), 1500, 5)
    yield "receipt", "names-a-delegate", "accepted", {**base, "receipt": sealed(longer)}
    for what, expect, changes in (
        ("for-another-seed", "crypto/cannot-open", {"seed": some("x")}),
        ("of-another-section", "crypto/cannot-open", {"section": some("x")}),
        ("of-another-network", "crypto/cannot-open", {"network": some("x")}),
        ("changed", "crypto/cannot-open", {"receipt": flipped(good, -20)}),
        ("cut-off", "crypto/cannot-open", {"receipt": good[:-1]}),
        ("of-another-vault", "warrants/wrong-vault", {"vault": some("x")}),
        ("signed-by-the-vault", "warrants/not-the-holder", {"receipt": sealed(Receipt(reading(root(), by=NODE), 1500, 5))}),
        (
            "with-a-warrant-of-the-vault",
            "warrants/bad-link-signature",
            {"receipt": sealed(Receipt(reading(relink(root(), by=NODE)), 1, 5))},
        ),
        (
            "for-a-widened-warrant",
            "warrants/widened",
            {"receipt": sealed(Receipt(reading(delegated(root(), not_after=9999)), 1, 5))},
        ),
        (
            "names-another-warrant",
            "warrants/wrong-section",
            {"receipt": sealed(Receipt(reading(root(), warrant=some("x")), 1500, 5))},
        ),
    ):
        yield "receipt", what, expect, {**base, **changes} if "receipt" in changes else {**base, "receipt": good, **changes}


def promises() -> Iterator[Scenario]:
    """What a reader gets from the vault."""
    read = reading(root())
    usual = Promise(NETWORK, VAULT, SECTION, request_hash(read), 0, some("head"), 1500)
    base: Fields = {"vault": VAULT, "node": NODE.public, "read": encode(read)}
    good, bad = sign_promise(NODE, usual), "warrants/bad-promise"
    yield "promise", "is-the-vaults", "accepted", {**base, "promise": encode(good)}
    for what, expect, promise in (
        ("for-another-request", bad, sign_promise(NODE, change(usual, request=request_hash(reading(root(), nonce=b"1" * 16))))),
        ("of-another-vault", bad, sign_promise(NODE, change(usual, vault=some("x")))),
        ("of-another-section", bad, sign_promise(NODE, change(usual, section=some("x")))),
        ("of-another-network", bad, sign_promise(NODE, change(usual, network=some("x")))),
        ("signed-by-another-key", bad, sign_promise(OWNER, usual)),
        ("of-another-index", bad, change(good, promise=change(usual, index=1))),
        ("of-another-head", bad, change(good, promise=change(usual, head=some("x")))),
    ):
        yield "promise", what, expect, {**base, "promise": encode(promise)}
    for what, raw, expect in (*malformed(encode(good)), *reshaped(encode(good))):
        yield "promise", what, expect, {**base, "promise": raw}


def chained(*sealed: bytes) -> tuple[StoredReceipt, ...]:
    """A section's chain from its beginning."""
    head, stored = START, []
    for index, one in enumerate(sealed):
        head = next_head(head, one)
        stored.append(StoredReceipt(index, head, one))
    return tuple(stored)


def answers() -> Iterator[Scenario]:
    """A vault's receipts from index ``first`` on, after ``head``, with an anchor of ``leaves`` leaves under ``root``."""
    chain, blind = chained(b"a", b"b", b"c"), some("blind")
    other = anchor_leaf(some("other blind"), some("other section"), some("other head"), 4)
    own = anchor_leaf(blind, SECTION, chain[1].head, 2)

    def anchored(leaf: AnchorLeaf) -> tuple[ReceiptsAnswer, bytes]:
        items = [encode(one) for one in (other, other, leaf)]
        return ReceiptsAnswer(chain, 3, True, 0, blind, leaf, 2, 3, list_proof(items, 2)), list_root(items)

    good, top = anchored(own)
    base: Fields = {"section": SECTION, "first": 0, "head": START, "root": top, "leaves": 3}
    later = change(good, receipts=chain[1:])
    unanchored = change(good, anchored=False, anchor=0, blind=b"", leaf=None, leaf_index=0, leaves=0, proof=())
    yield "receipts", "all", "accepted", {**base, "answer": encode(good)}
    yield "receipts", "the-rest", "accepted", {**base, "first": 1, "head": chain[0].head, "answer": encode(later)}
    yield "receipts", "before-the-first-anchor", "accepted", {**base, "answer": encode(unanchored)}
    dropped, broken, bad = "warrants/receipts-dropped", "warrants/receipt-chain", "warrants/bad-anchor"
    listed, other_head = "ledger/bad-list-proof", "warrants/anchor-mismatch"
    misled, misled_top = anchored(anchor_leaf(blind, SECTION, some("x"), 2))
    ahead, ahead_top = anchored(anchor_leaf(blind, SECTION, chain[2].head, 4))
    for what, expect, changes, answer in (
        ("fewer-than-before", dropped, {"first": 4, "head": some("x")}, change(good, receipts=())),
        ("fewer-than-shown", dropped, {}, change(good, total=2)),
        ("none-of-those-there-are", dropped, {"first": 1, "head": chain[0].head}, change(good, receipts=())),
        ("one-left-out", broken, {}, change(good, receipts=(chain[0], chain[2]))),
        ("the-first-left-out", broken, {}, later),
        ("in-another-order", broken, {}, change(good, receipts=chain[::-1])),
        ("one-changed", broken, {}, change(good, receipts=(chain[0], change(chain[1], sealed=b"x"), chain[2]))),
        ("one-twice", broken, {}, change(good, receipts=(chain[0], chain[0], chain[1]))),
        ("after-another-head", broken, {"first": 1, "head": some("x")}, later),
        ("anchor-of-another-section", bad, {"section": some("x")}, good),
        ("anchor-with-another-blind", bad, {}, change(good, blind=some("x"))),
        ("anchor-without-a-blind", bad, {}, change(good, blind=b"")),
        ("anchor-without-a-leaf", bad, {}, change(good, leaf=None)),
        ("anchor-of-another-root", listed, {"root": some("x")}, good),
        ("anchor-at-another-place", listed, {}, change(good, leaf_index=1)),
        ("anchor-beyond-the-leaves", listed, {}, change(good, leaf_index=3)),
        ("anchor-of-fewer-leaves", bad, {"leaves": 2}, good),
        ("anchor-proven-for-fewer-leaves", listed, {"leaves": 2}, change(good, leaves=2)),
        ("anchor-with-a-longer-proof", listed, {}, change(good, proof=(*good.proof, some("x")))),
        ("anchor-without-a-proof", listed, {}, change(good, proof=())),
        ("anchor-over-another-head", other_head, {"root": misled_top}, misled),
        ("anchor-ahead-of-the-chain", other_head, {"root": ahead_top}, ahead),
    ):
        yield "receipts", what, expect, {**base, **changes, "answer": encode(answer)}
    for what, raw, expect in (*malformed(encode(good)), *reshaped(encode(good))):
        yield "receipts", what, expect, {**base, "answer": raw}
