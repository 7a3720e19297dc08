"""Cards, letters, mailboxes, listings. A half of each hybrid signature differs from run to run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from charts_world import NETWORK, key, some
from salus.codec import Record, encode
from salus.crypto import hpke
from salus.crypto.hashing import sha256
from salus.crypto.signing import HybridKey, person_id
from salus.exchange.addressing import pinned
from salus.exchange.carding import ARMOUR, card_to_text, sign_card
from salus.exchange.cards import Card, Role, SignedCard
from salus.exchange.envelopes import LETTER_TAG, MAILBOX_TAG, Drop, Letter, SignedLetter
from salus.exchange.founding import member_to_text
from salus.exchange.guests import Invitation
from salus.exchange.inviting import GuestKeys, invitation_text, redeem
from salus.exchange.listings import NO_LICENCE, Listing, sign_listing
from salus.exchange.peering import EngineAsk, Peer, PeerAsk, PeerPush, Pushed, Question, sign_ask, sign_push
from salus.exchange.placing import responsible
from salus.exchange.posting import mailbox_id, seal_letter, sign_claim, sign_collect, sign_stamp
from salus.exchange.references import CardReference, reference_to_text, seal_card, sign_deposit
from salus.ledger.genesis import GenesisMember, LicenceRight
from scenarios import NOT_CANONICAL, NOT_DECODABLE, Fields, Scenario, change, flipped, malformed, put, reshaped

ADA, BOB = HybridKey(some("vector ada")), HybridKey(some("vector bob"))
OWNER, SEED = key("vector mailbox"), some("vector sealing")
BOX = mailbox_id(OWNER.public)
UNSIGNED, CLOSED, BAD_INVITATION = "crypto/bad-signature", "crypto/cannot-open", "agent/bad-invitation"
MEMBER, GUEST = some("member"), GuestKeys(some("vector guest"))


def scenarios() -> Iterator[Scenario]:
    """All of this room."""
    yield from cards()
    yield from contacts()
    yield from letters()
    yield from mailboxes()
    yield from guests()
    yield from stamps()
    yield from peers()
    yield from engines()
    yield from pushes()
    yield from places()
    yield from references()
    yield from founders()
    yield from listings()


def card(**changes: Any) -> Card:
    """Ada's card, as it may be changed before it is signed."""
    usual = Card(
        network=NETWORK,
        role=Role.PHYSICIAN,
        name="Ada Reyes-Łukasz",
        key=ADA.public,
        sealing=hpke.public_key(SEED),
        members=(some("member"), some("other member")),
        mailbox=BOX,
        token=bytes(16),
        issued=1_700_000_000_000,
    )
    return change(usual, **changes)


def broken(record: Record) -> Iterator[tuple[str, bytes, str]]:
    """The least of what strict decoding refuses, of records that are large."""
    data = encode(record)
    wanted = ("cut-off", "one-byte-more", "wide-array-header", "other-tag", "field-left-out", "field-too-many")
    yield from (found for found in (*malformed(data), *reshaped(data)) if found[0] in wanted)


def cards() -> Iterator[Scenario]:
    """Contact cards, as records."""
    good, name = sign_card(ADA, card()), "warrants/bad-name"
    yield "card", "is-its-persons", "accepted", {"network": NETWORK, "card": encode(good)}
    yield (
        "card",
        "of-a-member",
        "accepted",
        {"network": NETWORK, "card": encode(sign_card(ADA, card(role=Role.MEMBER, name="李")))},
    )
    yield "card", "for-everybody", "accepted", {"network": NETWORK, "card": encode(sign_card(ADA, card(token=None)))}
    yield "card", "of-another-network", "warrants/wrong-network", {"network": some("x"), "card": encode(good)}
    for what, expect, signed in (
        ("signed-by-another", UNSIGNED, sign_card(BOB, card())),
        ("with-another-key", UNSIGNED, change(good, card=card(key=BOB.public))),
        ("with-another-name", UNSIGNED, change(good, card=card(name="Eve"))),
        ("with-another-sealing-key", UNSIGNED, change(good, card=card(sealing=hpke.public_key(some("x"))))),
        ("with-another-mailbox", UNSIGNED, change(good, card=card(mailbox=some("x")))),
        ("with-its-token-taken-out", UNSIGNED, change(good, card=card(token=None))),
        ("with-one-home-taken-out", UNSIGNED, change(good, card=card(members=card().members[:1]))),
        ("of-no-home", NOT_DECODABLE, sign_card(ADA, card(members=()))),
        ("of-five-homes", NOT_DECODABLE, sign_card(ADA, card(members=(some("member"),) * 5))),
        ("issued-later", UNSIGNED, change(good, card=card(issued=1_800_000_000_000))),
        ("a-name-with-a-blank-at-its-end", name, sign_card(ADA, card(name="Ada "))),
        ("a-name-that-runs-backwards", name, sign_card(ADA, card(name="Ada\u202eseyeR"))),
        ("a-name-of-two-lines", name, sign_card(ADA, card(name="Ada\nReyes"))),
        ("a-name-that-is-not-composed", name, sign_card(ADA, card(name="Jose\u0301"))),
        ("without-a-name", NOT_DECODABLE, sign_card(ADA, card(name=""))),
        ("a-name-that-is-too-long", NOT_DECODABLE, sign_card(ADA, card(name="A" * 129))),
        ("a-sealing-key-that-is-too-short", NOT_DECODABLE, sign_card(ADA, card(sealing=bytes(1215)))),
    ):
        yield "card", what, expect, {"network": NETWORK, "card": encode(signed)}
    unknown = put(encode(good), b"\xa9physician", b"\xa9physicist")
    for what, raw, expect in (("an-unknown-role", unknown, NOT_DECODABLE), *broken(good)):
        yield "card", what, expect, {"network": NETWORK, "card": raw}


def contacts() -> Iterator[Scenario]:
    """Contact cards, as the line of text that people pass on."""
    text = card_to_text(sign_card(ADA, card())).strip()
    body = text.removeprefix(ARMOUR)
    for what, expect, line in (
        ("a-line", "accepted", text + "\n"),
        ("another-armour", NOT_DECODABLE, "salus-card-2:" + body),
        ("no-armour", NOT_DECODABLE, body),
        ("a-blank-inside", NOT_DECODABLE, text[:100] + " " + text[100:]),
        ("a-letter-of-another-alphabet", NOT_DECODABLE, text[:100] + "é" + text[101:]),
        ("cut-off", NOT_DECODABLE, text[:-4]),
        ("something-behind", NOT_DECODABLE, text + "AAAA"),
        ("a-letter-changed", UNSIGNED, text[:-40] + ("B" if text[-40] == "A" else "A") + text[-39:]),
    ):
        yield "contact", what, expect, {"network": NETWORK, "text": line.encode()}


def letters() -> Iterator[Scenario]:
    """Sealed letters."""
    bob = person_id(BOB.public)
    letter = Letter(NETWORK, "grant", bob, sign_card(ADA, card()), 5, b"body")
    sealing = hpke.public_key(SEED)
    good = seal_letter(ADA, letter, sealing, BOX)
    base: Fields = {"seed": SEED, "mailbox": BOX, "network": NETWORK, "recipient": bob, "letter": good}
    yield "letter", "arrives", "accepted", base
    for what, expect, changes in (
        ("for-another-seed", CLOSED, {"seed": some("x")}),
        ("in-another-mailbox", CLOSED, {"mailbox": some("x")}),
        ("in-another-network", CLOSED, {"network": some("x")}),
        ("changed", CLOSED, {"letter": flipped(good, -20)}),
        ("cut-off", CLOSED, {"letter": good[:-1]}),
        ("passed-on", "warrants/wrong-recipient", {"recipient": person_id(ADA.public)}),
    ):
        yield "letter", what, expect, {**base, **changes}
    eve = SignedCard(card(name="Eve"), letter.sender.signature)
    info = b"salus/letter/1" + NETWORK + BOX

    def signed(**changes: Any) -> SignedLetter:
        other = change(letter, **changes)
        return SignedLetter(other, ADA.sign(LETTER_TAG, encode(other)))

    for what, expect, sealed in (
        ("signed-by-another", UNSIGNED, seal_letter(BOB, letter, sealing, BOX)),
        ("with-a-forged-card", UNSIGNED, seal_letter(ADA, change(letter, sender=eve), sealing, BOX)),
        ("for-another-network-inside", "warrants/wrong-recipient", hpke.seal(sealing, info, encode(signed(network=some("x"))))),
        ("of-a-kind-in-capitals", NOT_DECODABLE, seal_letter(ADA, change(letter, kind="GRANT"), sealing, BOX)),
        ("of-a-kind-with-a-line-behind", NOT_DECODABLE, seal_letter(ADA, change(letter, kind="grant\n"), sealing, BOX)),
        ("of-no-kind", NOT_DECODABLE, seal_letter(ADA, change(letter, kind=""), sealing, BOX)),
        ("with-one-byte-more", NOT_DECODABLE, hpke.seal(sealing, info, encode(signed()) + b"\x00")),
    ):
        yield "letter", what, expect, {**base, "letter": sealed}


def mailboxes() -> Iterator[Scenario]:
    """Claims and collections of a mailbox's owner."""
    claim = sign_claim(OWNER, NETWORK, MEMBER, bytes(16), 1)
    collect = sign_collect(OWNER, NETWORK, some("member"), 4, 3, bytes(16), 1_700_000_000_000)
    thief = key("vector thief")
    for kind, good, other in (("claim", claim, {"serial": 2}), ("collect", collect, {"done": 4})):
        bare = change(good, signature=bytes(64))
        yield kind, "is-the-owners", "accepted", {"network": NETWORK, kind: encode(good)}
        yield kind, "for-another-network", "warrants/wrong-network", {"network": some("x"), kind: encode(good)}
        for what, message in (
            ("by-a-thief", change(good, signature=thief.sign(MAILBOX_TAG, encode(bare)))),
            ("of-anothers-mailbox", change(good, owner=thief.public)),
            ("changed", change(good, **other)),
            ("not-signed", bare),
            ("signed-for-another-purpose", change(good, signature=OWNER.sign(LETTER_TAG, encode(bare)))),
        ):
            yield kind, what, UNSIGNED, {"network": NETWORK, kind: encode(message)}
        for what, raw, expect in (*malformed(encode(good)), *reshaped(encode(good))):
            yield kind, what, expect, {"network": NETWORK, kind: raw}
    yield "claim", "with-a-guests-proof", "accepted", {"network": NETWORK, "claim": encode(GUEST.vouch(claim, MEMBER))}
    data = encode(claim)
    left_out = bytes([data[0] - 1]) + data[1:-1]
    yield "claim", "the-guests-proof-left-out", NOT_CANONICAL, {"network": NETWORK, "claim": left_out}
    yield "claim", "at-another-member", UNSIGNED, {"network": NETWORK, "claim": encode(change(claim, member=some("x")))}


def guests() -> Iterator[Scenario]:
    """Whom a member's node serves beside its own home: a claim that a guest vouches for, and how an invitation is used."""
    claim = sign_claim(OWNER, NETWORK, MEMBER, bytes(16), 1)
    base: Fields = {"network": NETWORK, "member": MEMBER, "guest": GUEST.at(MEMBER).public}
    good, stranger = GUEST.vouch(claim, MEMBER), GuestKeys(some("vector stranger"))
    forged = change(good.guest, signature=stranger.vouch(claim, MEMBER).guest.signature)
    yield "guest", "vouches", "accepted", {**base, "claim": encode(good)}
    for what, expect, vouched in (
        ("nobody-vouches", "node/not-invited", claim),
        ("for-another-serial", UNSIGNED, change(good, serial=2)),
        ("for-another-member", UNSIGNED, GUEST.vouch(claim, some("x"))),
        ("in-anothers-name", UNSIGNED, change(good, guest=forged)),
    ):
        yield "guest", what, expect, {**base, "claim": encode(vouched)}
    invitation = Invitation(NETWORK, MEMBER, some("invitation"), 7, some("header"))
    text = invitation_text(invitation)
    for what, expect, line in (
        ("is-read", "accepted", text),
        ("another-armour", BAD_INVITATION, text.replace("salus-invite-1", "salus-invite-2")),
        ("cut-off", BAD_INVITATION, text[:-4]),
        ("something-behind", BAD_INVITATION, text + "AAAA"),
        ("a-blank-inside", BAD_INVITATION, text[:40] + " " + text[40:]),
        ("a-letter-of-another-alphabet", BAD_INVITATION, text[:40] + "é" + text[41:]),
        ("empty", BAD_INVITATION, ""),
    ):
        yield "invitation", what, expect, {"text": line.encode()}
    yield from redemptions(invitation, stranger.at(MEMBER).public)


def redemptions(invitation: Invitation, stranger: bytes) -> Iterator[Scenario]:
    """An invitation is used for a key."""
    good, place = redeem(invitation, GUEST.at(MEMBER)), {"network": NETWORK, "member": MEMBER}
    yield "redemption", "is-used", "accepted", {**place, "redemption": encode(good)}
    other = redeem(change(invitation, secret=some("x")), GUEST.at(MEMBER))
    for what, expect, used in (
        ("for-another-network", "node/not-invited", redeem(change(invitation, network=some("x")), GUEST.at(MEMBER))),
        ("for-another-member", "node/not-invited", redeem(change(invitation, member=some("x")), GUEST.at(MEMBER))),
        ("for-anothers-key", UNSIGNED, change(good, guest=stranger)),
        ("of-another-invitation", UNSIGNED, change(good, invitation=other.invitation)),
        ("not-granted", UNSIGNED, change(good, granted=bytes(64))),
        ("not-signed-by-the-guest", UNSIGNED, change(good, signature=bytes(64))),
        ("signatures-exchanged", UNSIGNED, change(good, granted=good.signature, signature=good.granted)),
    ):
        yield "redemption", what, expect, {**place, "redemption": encode(used)}
    for what, raw, expect in (*malformed(encode(good)), *reshaped(encode(good))):
        yield "redemption", what, expect, {**place, "redemption": raw}


def stamps() -> Iterator[Scenario]:
    """A member lets somebody without a token write."""
    drop, node = Drop(MEMBER, BOX, None, b"sealed"), key("vector node")
    good = sign_stamp(node, NETWORK, some("sponsor"), drop, 1_700_000_000_000)
    base: Fields = {"network": NETWORK, "node": node.public, "drop": encode(change(drop, stamp=good))}
    yield "stamp", "lets-in", "accepted", base
    wrong = "warrants/wrong-stamp"
    for what, expect, letter in (
        ("on-another-letter", wrong, change(drop, sealed=b"Sealed", stamp=good)),
        ("on-a-letter-to-another-mailbox", wrong, change(drop, mailbox=some("x"), stamp=good)),
        ("on-a-letter-at-another-member", wrong, change(drop, member=some("x"), stamp=good)),
        ("of-another-time", UNSIGNED, change(drop, stamp=change(good, time=good.time + 1))),
        ("of-another-sponsor", UNSIGNED, change(drop, stamp=change(good, sponsor=some("x")))),
        ("by-another-node", UNSIGNED, change(drop, stamp=sign_stamp(OWNER, NETWORK, some("sponsor"), drop, good.time))),
        ("not-signed", UNSIGNED, change(drop, stamp=change(good, signature=bytes(64)))),
        ("with-a-token-that-is-too-short", NOT_DECODABLE, change(drop, token=bytes(15), stamp=good)),
    ):
        yield "stamp", what, expect, {**base, "drop": encode(letter)}
    yield "stamp", "of-another-network", wrong, {**base, "network": some("x")}


def peers() -> Iterator[Scenario]:
    """What members' nodes ask of one another."""
    node, nobody = key("vector node"), bytes(64)
    asked = PeerAsk(NETWORK, Peer(some("asking"), "https://node.example:8443"), MEMBER, 5, 256, (some("blob"),), (), 5, nobody)
    base: Fields = {"network": NETWORK, "asked": MEMBER, "node": node.public}

    def asks(address: str) -> PeerAsk:
        return sign_ask(node, change(asked, asking=Peer(some("asking"), address)))

    good, elsewhere = sign_ask(node, asked), "warrants/wrong-network"
    pin = pinned("https://a.example", bytes(32))
    for what, expect, ask in (
        ("asks", "accepted", good),
        ("asks-from-a-pinned-address", "accepted", asks(pin)),
        ("a-pin-without-tls", NOT_DECODABLE, asks(pin.replace("https", "http"))),
        ("a-pin-that-is-cut-off", NOT_DECODABLE, asks(pin[:-1])),
        ("a-pin-with-padding", NOT_DECODABLE, asks(f"{pin}=")),
        ("a-pin-in-a-second-spelling", NOT_DECODABLE, asks(f"{pin[:-1]}B")),
        ("a-pin-by-another-hash", NOT_DECODABLE, asks(pin.replace("sha256", "sha512"))),
        ("a-pin-behind-a-path", NOT_DECODABLE, asks(pin.replace("#", "/#"))),
        ("asks-from-nowhere", "accepted", asks("")),
        ("asks-another-member", elsewhere, sign_ask(node, change(asked, asked=some("x")))),
        ("asks-in-another-network", elsewhere, sign_ask(node, change(asked, network=some("x")))),
        ("asks-as-another", UNSIGNED, sign_ask(OWNER, asked)),
        ("not-signed", UNSIGNED, asked),
        ("asks-for-more", UNSIGNED, change(good, blobs=(some("blob"), some("x")))),
        ("asks-for-too-many-blocks", NOT_DECODABLE, sign_ask(node, change(asked, blocks=257))),
        ("an-address-with-a-path", NOT_DECODABLE, asks("https://a.example/x")),
        ("an-address-with-a-user", NOT_DECODABLE, asks("https://u@a.example")),
        ("an-address-of-two-lines", NOT_DECODABLE, asks("https://a.example\n")),
        ("an-address-of-another-scheme", NOT_DECODABLE, asks("ftp://a.example")),
    ):
        yield "peer", what, expect, {**base, "ask": encode(ask)}
    for what, raw, expect in (*malformed(encode(good)), *reshaped(encode(good))):
        yield "peer", what, expect, {**base, "ask": raw}


def engines() -> Iterator[Scenario]:
    """What a member's node asks of another's engine."""
    node, nobody = key("vector node"), bytes(64)
    peer = Peer(some("asking"), "https://node.example:8443")
    asked = EngineAsk(NETWORK, peer, MEMBER, Question.VALIDATORS, 5, 2, 5, nobody)
    base: Fields = {"network": NETWORK, "asked": MEMBER, "node": node.public}
    good, elsewhere = sign_ask(node, asked), "warrants/wrong-network"
    for what, expect, ask in (
        *(
            (f"asks-for-{kind.value.replace('_', '-')}", "accepted", sign_ask(node, change(asked, question=kind)))
            for kind in Question
        ),
        ("asks-another-member", elsewhere, sign_ask(node, change(asked, asked=some("x")))),
        ("asks-in-another-network", elsewhere, sign_ask(node, change(asked, network=some("x")))),
        ("asks-as-another", UNSIGNED, sign_ask(OWNER, asked)),
        ("not-signed", UNSIGNED, asked),
        ("asks-for-another-height", UNSIGNED, change(good, height=6)),
        ("asks-something-else", UNSIGNED, change(good, question=Question.COMMIT)),
        ("asks-for-page-0", NOT_DECODABLE, sign_ask(node, change(asked, page=0))),
        ("asks-for-page-17", NOT_DECODABLE, sign_ask(node, change(asked, page=17))),
    ):
        yield "engine", what, expect, {**base, "ask": encode(ask)}
    unknown = encode(good).replace(b"\xaavalidators", b"\xaagenesis...")
    for what, raw, expect in (
        ("asks-what-nobody-answers", unknown, NOT_DECODABLE),
        *malformed(encode(good)),
        *reshaped(encode(good)),
    ):
        yield "engine", what, expect, {**base, "ask": raw}


def pushes() -> Iterator[Scenario]:
    """Copies of blobs that a member's node leaves at another's."""
    node, first, second = key("vector node"), b"one blob", b"another blob"
    asked = PeerPush(NETWORK, some("asking"), MEMBER, (sha256(first), sha256(second)), 5, bytes(64))
    base: Fields = {"network": NETWORK, "asked": MEMBER, "node": node.public}
    good, elsewhere, altered = sign_push(node, asked), "warrants/wrong-network", "warrants/wrong-blob"
    for what, expect, pushed in (
        ("gives", "accepted", Pushed(good, (first, second))),
        ("asks-only", "accepted", Pushed(good, ())),
        ("at-another-member", elsewhere, Pushed(sign_push(node, change(asked, asked=some("x"))), ())),
        ("in-another-network", elsewhere, Pushed(sign_push(node, change(asked, network=some("x"))), ())),
        ("as-another", UNSIGNED, Pushed(sign_push(OWNER, asked), (first, second))),
        ("not-signed", UNSIGNED, Pushed(asked, (first, second))),
        ("names-another", UNSIGNED, Pushed(change(good, named=(sha256(first),)), (first,))),
        ("gives-another", altered, Pushed(good, (first, first))),
        ("gives-in-another-order", altered, Pushed(good, (second, first))),
        ("gives-one-of-two", altered, Pushed(good, (first,))),
        ("gives-one-too-many", altered, Pushed(good, (first, second, first))),
        ("names-nothing", NOT_DECODABLE, Pushed(sign_push(node, change(asked, named=())), ())),
    ):
        yield "push", what, expect, {**base, "pushed": encode(pushed)}
    for what, raw, expect in (
        *malformed(encode(Pushed(good, (first, second)))),
        *reshaped(encode(Pushed(good, (first, second)))),
    ):
        yield "push", what, expect, {**base, "pushed": raw}


def places() -> Iterator[Scenario]:
    """Which members keep a blob."""
    members = [some(f"member {number}") for number in range(7)]
    for what, number, copies in (
        ("three-of-seven", 7, 3),
        ("one-of-seven", 7, 1),
        ("none-means-one", 7, 0),
        ("three-of-six", 6, 3),
        ("three-of-two", 2, 3),
    ):
        keepers = responsible(members[:number], some("blob"), copies)
        given: Fields = {"members": b"".join(members[:number]), "blob": some("blob"), "copies": copies}
        yield "place", what, "accepted", {**given, "keepers": b"".join(keepers)}


def references() -> Iterator[Scenario]:
    """A card that lies sealed at members, and the reference that leads to it."""
    opening = some("vector card key")
    sealed = seal_card(opening, sign_card(ADA, card()))
    meant = CardReference(NETWORK, (MEMBER,), sha256(sealed), opening)
    text = reference_to_text(meant).strip()
    for what, expect, line, found in (
        ("leads-to-a-card", "accepted", text + "\n", sealed),
        ("to-another-card", "warrants/card-altered", text, seal_card(opening, sign_card(ADA, card()))),
        ("changed-on-its-way", "warrants/card-altered", text, flipped(sealed, -1)),
        ("with-another-key", CLOSED, reference_to_text(change(meant, key=some("x"))), sealed),
        ("of-another-network", CLOSED, reference_to_text(change(meant, network=some("x"))), sealed),
        ("another-armour", NOT_DECODABLE, text.replace("card-ref-1", "card-ref-2"), sealed),
        ("cut-off", NOT_DECODABLE, text[:-4], sealed),
        ("something-behind", NOT_DECODABLE, text + "AAAA", sealed),
        ("to-no-member", NOT_DECODABLE, reference_to_text(change(meant, members=())), sealed),
    ):
        yield "reference", what, expect, {"text": line.encode(), "network": NETWORK, "sealed": found}
    good = sign_deposit(OWNER, NETWORK, MEMBER, 1_700_000_000_000, b"sealed")
    yield "deposit", "is-the-owners", "accepted", {"network": NETWORK, "deposit": encode(good)}
    yield "deposit", "for-another-network", "warrants/wrong-network", {"network": some("x"), "deposit": encode(good)}
    for what, deposit in (
        ("by-a-thief", change(good, signature=key("vector thief").sign(MAILBOX_TAG, encode(change(good, signature=bytes(64)))))),
        ("of-another-card", change(good, sealed=b"Sealed")),
        ("at-another-member", change(good, member=some("x"))),
        ("issued-later", change(good, issued=good.issued + 1)),
        ("not-signed", change(good, signature=bytes(64))),
    ):
        yield "deposit", what, UNSIGNED, {"network": NETWORK, "deposit": encode(deposit)}
    for what, raw, expect in (*malformed(encode(good)), *reshaped(encode(good))):
        yield "deposit", what, expect, {"network": NETWORK, "deposit": raw}


def founders() -> Iterator[Scenario]:
    """The line by which a member joins those who found a network."""
    text = member_to_text(GenesisMember(OWNER.public, key("vector node").public, (LicenceRight.TREAT,))).strip()
    for what, expect, line in (
        ("is-read", "accepted", text + "\n"),
        ("another-armour", NOT_DECODABLE, text.replace("salus-member-1", "salus-member-2")),
        ("cut-off", NOT_DECODABLE, text[:-4]),
        ("something-behind", NOT_DECODABLE, text + "AAAA"),
        ("a-blank-inside", NOT_DECODABLE, text[:40] + " " + text[40:]),
        ("a-blank-that-is-not-ascii-behind", NOT_DECODABLE, text + "\u00a0"),
        ("of-many-lines", NOT_DECODABLE, text + "\n" + text),
    ):
        yield "member", what, expect, {"text": line.encode()}


def listings() -> Iterator[Scenario]:
    """What those say of themselves who want to be found."""
    own = sign_card(ADA, card(token=None))
    usual = Listing(NETWORK, own, NO_LICENCE, ("cardiology",), ("en", "zh-Hant-TW"), "Trento", True, ("tel:+39",))
    good, text = sign_listing(ADA, usual), "warrants/bad-listing-text"
    yield "listing", "is-its-cards", "accepted", {"network": NETWORK, "listing": encode(good)}
    yield "listing", "of-another-network", "warrants/wrong-network", {"network": some("x"), "listing": encode(good)}
    patient, told = sign_card(ADA, card(role=Role.PATIENT, token=None)), sign_card(ADA, card())
    strange, forged = sign_card(ADA, card(network=some("x"), token=None)), change(own, card=card(name="Eve", token=None))
    for what, expect, signed in (
        ("with-a-card-of-another-network", "warrants/wrong-network", sign_listing(ADA, change(usual, card=strange))),
        ("signed-by-another", UNSIGNED, sign_listing(BOB, usual)),
        ("with-another-place", UNSIGNED, change(good, listing=change(usual, place="Roma"))),
        ("with-a-forged-card", UNSIGNED, sign_listing(ADA, change(usual, card=forged))),
        ("of-a-patient", "warrants/patient-listed", sign_listing(ADA, change(usual, card=patient))),
        ("with-a-mailboxs-token", "warrants/token-listed", sign_listing(ADA, change(usual, card=told))),
        ("a-place-of-two-lines", text, sign_listing(ADA, change(usual, place="Trento\nRoma"))),
        ("a-number-that-runs-backwards", text, sign_listing(ADA, change(usual, telecom=("tel:\u202e93+",)))),
        ("a-language-that-is-none", NOT_DECODABLE, sign_listing(ADA, change(usual, languages=("english",)))),
        ("too-many-specialties", NOT_DECODABLE, sign_listing(ADA, change(usual, specialties=("x",) * 9))),
    ):
        yield "listing", what, expect, {"network": NETWORK, "listing": encode(signed)}
    spelled = put(encode(good), b"\xa6Trento", b"\xd9\x06Trento")
    for what, raw, expect in (("a-wide-place", spelled, NOT_CANONICAL), *broken(good)):
        yield "listing", what, expect, {"network": NETWORK, "listing": raw}
