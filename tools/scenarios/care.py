"""What letters about prescriptions, orders, results and appointments carry. Half of each hybrid signature differs by run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from charts_world import NETWORK, key, some
from salus.codec import Record, encode
from salus.crypto.signing import SigningKey, person_id
from salus.exchange.appointing import AppointmentLetter, BookingLetter, sign_booking
from salus.exchange.carding import sign_card
from salus.exchange.cards import SignedCard
from salus.exchange.linking import MOST_NUMBERS, Assurance, LinkLetter
from salus.exchange.ordering import (
    Category,
    OrderContent,
    OrderedLetter,
    OrderLetter,
    ReleasePreference,
    ReportContent,
    ResultLetter,
    Timing,
)
from salus.exchange.outage import SLIP_TAG, STATEMENT_TAG, OutageStatement, SignedStatement, Slip
from salus.exchange.prescribing import About, Content, DispensedNotice, PrescriptionLetter, PrescriptionNote
from salus.exchange.schedules import sign_about
from salus.ledger.modules.orders.state import order_hash, order_id, report_hash
from salus.ledger.modules.prescriptions.messages import MAX_FILLS
from salus.ledger.modules.prescriptions.state import content_hash, prescription_id
from scenarios import NOT_CANONICAL, NOT_DECODABLE, Fields, Scenario, change, put
from scenarios.exchange import ADA, BOB, UNSIGNED, broken, card
from scenarios.schedules import described

ORDER_ALTERED, REPORT_ALTERED, SENDER = "agent/order-altered", "agent/report-altered", "warrants/wrong-sender"
PRESCRIPTION_ALTERED = "agent/prescription-altered"
BEARER, CONTROL, SALT = some("order bearer"), some("order control"), some("order salt")
OWN = sign_card(BOB, card(key=BOB.public, name="Bea"))
AT = 1_795_692_269_036


def scenarios() -> Iterator[Scenario]:
    """All of this room."""
    content = OrderContent(
        order_id(NETWORK, key("order bearer").public),
        b'{"resourceType":"ServiceRequest","status":"active","intent":"order"}',
        person_id(BOB.public),
        "Bea Łukasz",
        "1985-04",
        "P-17",
        "Ada Reyes",
        some("licence"),
        Category.REFERRAL,
        True,
        bytes(32),
        "Bitte um Abklärung.".encode(),
    )
    yield from orders(content)
    yield from ordered(content)
    yield from results(content)
    yield from releases()
    yield from bookings()
    yield from appointments()
    yield from links()
    yield from prescribed()
    yield from notes()
    yield from dispensed()
    yield from supplied()


def _wide(data: bytes, text: bytes) -> tuple[str, bytes, str]:
    """The same with the length of a short text written in two bytes."""
    return "a-text-spelled-wide", put(data, bytes([0xA0 | len(text)]) + text, bytes([0xD9, len(text)]) + text), NOT_CANONICAL


def _each(
    kind: str, good: Record, fields: Fields, cases: Iterator[tuple[str, str, Record]], text: bytes = b""
) -> Iterator[Scenario]:
    """The good one, each case, and what strict decoding refuses."""
    yield kind, "is-read", "accepted", {**fields, "letter": encode(good)}
    for what, expect, record in cases:
        yield kind, what, expect, {**fields, "letter": encode(record)}
    for what, raw, expect in (*broken(good), _wide(encode(good), text)):
        yield kind, what, expect, {**fields, "letter": raw}


def orders(content: OrderContent) -> Iterator[Scenario]:
    """To a laboratory. Three cards make it long, so what concerns the content alone stands with `ordered`."""
    good = OrderLetter(BEARER, SALT, content, OWN, sign_card(ADA, card()), sign_card(ADA, card(name="Cover")))

    def told(letter: bytes, network: bytes = NETWORK) -> Fields:
        return {"network": network, "content": order_hash(SALT, encode(content)), "letter": letter}

    yield "order", "is-read", "accepted", told(encode(good))
    for what, expect, letter in (
        ("another-salt", ORDER_ALTERED, change(good, salt=some("x"))),
        ("another-bearer", SENDER, change(good, bearer=some("x"))),
        ("with-another-patients-card", SENDER, change(good, patient=sign_card(ADA, card()))),
        ("with-a-card-that-another-signed", UNSIGNED, change(good, cover=_forged())),
    ):
        yield "order", what, expect, told(encode(letter))
    yield "order", "of-another-network", "warrants/wrong-network", told(encode(good), some("x"))
    for what, raw, expect in broken(good):
        if what in ("cut-off", "other-tag", "field-too-many"):
            yield "order", what, expect, told(raw)


def _forged() -> SignedCard:
    signed: SignedCard = change(sign_card(ADA, card()), card=card(name="Eve"))
    return signed


def ordered(content: OrderContent) -> Iterator[Scenario]:
    """To the patient, with the seed of the control key; to who is responsible or covers, without."""
    good = OrderedLetter(CONTROL, SALT, content, sign_card(ADA, card()))
    fields: Fields = {"network": NETWORK, "content": order_hash(SALT, encode(content))}

    def of(**changes: Any) -> OrderedLetter:
        altered: OrderedLetter = change(good, content=change(content, **changes))
        return altered

    def cases() -> Iterator[tuple[str, str, Record]]:
        yield "without-a-control-key", "accepted", change(good, control=None)
        yield "another-test", ORDER_ALTERED, of(request=content.request.replace(b"order", b"plan-"))
        yield "another-person", ORDER_ALTERED, of(person=some("x"))
        yield "no-longer-confidential", ORDER_ALTERED, of(confidential=False)
        yield "another-letter", ORDER_ALTERED, of(letter=b"")
        yield "with-a-card-that-another-signed", UNSIGNED, change(good, laboratory=_forged())
        yield "a-control-key-too-short", NOT_DECODABLE, change(good, control=CONTROL[:31])
        yield "born-no-date", NOT_DECODABLE, of(born="05/04/85")
        yield "without-a-name", NOT_DECODABLE, of(patient="")
        yield "a-number-too-long", NOT_DECODABLE, of(number="9" * 65)
        yield "a-request-of-one-byte", NOT_DECODABLE, of(request=b"{")

    yield from _each("ordered", good, fields, cases(), b"P-17")
    unknown = put(encode(good), b"\xa8referral", b"\xa8deferral")
    yield "ordered", "an-unknown-category", NOT_DECODABLE, {**fields, "letter": unknown}
    signed = put(encode(good), b"\xc3\xc4\x20" + bytes(32), b"\x01\xc4\x20" + bytes(32))
    yield "ordered", "confidential-as-a-number", NOT_DECODABLE, {**fields, "letter": signed}
    long = encode(change(good, content=change(content, request=b"[" + b"1" * 16_384)))
    digest = order_hash(SALT, encode(change(content, request=b"[" + b"1" * 16_384)))
    yield "ordered", "a-request-too-long", NOT_DECODABLE, {**fields, "content": digest, "letter": long}


def results(content: OrderContent) -> Iterator[Scenario]:
    """A report with its order, by two salts."""
    report = ReportContent(content.order, 255, b'{"resourceType":"Bundle"}', "Lab Nord", some("laboratory licence"))
    good = ResultLetter(SALT, content, some("report salt"), report, None)
    fields: Fields = {
        "network": NETWORK,
        "content": order_hash(SALT, encode(content)),
        "report": report_hash(some("report salt"), encode(report)),
    }

    def of(**changes: Any) -> ResultLetter:
        altered: ResultLetter = change(good, report=change(report, **changes))
        return altered

    def cases() -> Iterator[tuple[str, str, Record]]:
        yield "with-the-patients-card", "accepted", change(good, patient=OWN)
        yield "with-another-patients-card", SENDER, change(good, patient=sign_card(ADA, card()))
        yield "another-order", ORDER_ALTERED, change(good, order=change(content, patient="Eve"))
        yield "another-salt-of-the-order", ORDER_ALTERED, change(good, order_salt=some("x"))
        yield "another-salt-of-the-report", REPORT_ALTERED, change(good, report_salt=some("x"))
        yield "the-salts-changed-over", ORDER_ALTERED, change(good, order_salt=good.report_salt, report_salt=good.order_salt)
        yield "another-value", REPORT_ALTERED, of(report=b'{"resourceType":"Dundle"}')
        yield "another-number", REPORT_ALTERED, of(number=0)
        yield "a-number-that-none-has", NOT_DECODABLE, of(number=256)
        yield "without-a-laboratory", NOT_DECODABLE, of(laboratory="")
        yield "a-report-of-one-byte", NOT_DECODABLE, of(report=b"[")

    yield from _each("result", good, fields, cases(), b"Lab Nord")
    other = change(report, order=some("x"))
    told: Fields = {**fields, "report": report_hash(some("report salt"), encode(other))}
    yield "result", "of-another-order", REPORT_ALTERED, {**told, "letter": encode(change(good, report=other))}


def releases() -> Iterator[Scenario]:
    """When results are to come."""
    good = ReleasePreference(some("order"), Timing.AFTER_PHYSICIAN)

    def cases() -> Iterator[tuple[str, str, Record]]:
        yield "at-once", "accepted", change(good, timing=Timing.AT_ONCE)
        yield "at-the-visit", "accepted", change(good, timing=Timing.AT_VISIT)
        yield "a-time-that-none-is", NOT_DECODABLE, change(good, timing="never")
        yield "an-order-too-long", NOT_DECODABLE, change(good, order=bytes(33))

    yield from _each("release", good, {}, cases(), b"after-physician")


def bookings() -> Iterator[Scenario]:
    """Who comes, signed by the appointment's key over the sender's person too."""
    mine, person = key("appointment"), person_id(BOB.public)
    bare = BookingLetter(some("appointment"), "Bea Łukasz", "", "Knie, links", "+41 79", some("grant"), bytes(64))
    good = sign_booking(mine, bare, person)
    fields: Fields = {"patient": mine.public, "person": person}

    def signed(**changes: Any) -> BookingLetter:
        return sign_booking(mine, change(bare, **changes), person)

    def cases() -> Iterator[tuple[str, str, Record]]:
        yield "without-a-grant", "accepted", signed(grant=None)
        yield "with-the-longest-reason", "accepted", signed(reason="ü" * 1_000)
        yield "born-in-a-year", "accepted", signed(born="1985")
        yield "signed-by-another", UNSIGNED, sign_booking(key("x"), bare, person)
        yield "by-another-person", UNSIGNED, sign_booking(mine, bare, person_id(ADA.public))
        yield "of-another-name", UNSIGNED, change(good, name="Eve")
        yield "of-another-appointment", UNSIGNED, change(good, appointment=some("x"))
        yield "its-grant-taken-out", UNSIGNED, change(good, grant=None)
        yield "not-signed", UNSIGNED, bare
        yield "without-a-name", NOT_DECODABLE, signed(name="")
        yield "a-reason-too-long", NOT_DECODABLE, signed(reason="ü" * 1_001)
        yield "born-no-date", NOT_DECODABLE, signed(born="1985-4")
        yield "a-signature-too-short", NOT_DECODABLE, change(good, signature=bytes(63))

    yield from _each("booking", good, fields, cases(), b"+41 79")


def appointments() -> Iterator[Scenario]:
    """What a practice has to say, and of which schedule."""
    usual = described()
    good = AppointmentLetter(some("appointment"), some("appointment seed"), sign_about(ADA, usual), "Bitte nüchtern.")

    def of(**changes: Any) -> AppointmentLetter:
        altered: AppointmentLetter = change(good, signed=sign_about(ADA, change(usual, **changes)))
        return altered

    def cases() -> Iterator[tuple[str, str, Record]]:
        yield "without-a-seed-and-words", "accepted", change(good, patient=None, words="")
        yield "of-another-network", "warrants/wrong-network", of(network=some("x"))
        yield "of-a-schedule-that-another-signed", UNSIGNED, change(good, signed=sign_about(BOB, usual))
        yield "at-another-place", UNSIGNED, change(good, signed=change(good.signed, about=change(usual, place="Bern")))
        yield "words-too-long", NOT_DECODABLE, change(good, words="x" * 1_001)
        yield "a-seed-too-short", NOT_DECODABLE, change(good, patient=bytes(31))

    yield from _each("appointment", good, {"network": NETWORK}, cases(), b"Europe/Zurich")


def links() -> Iterator[Scenario]:
    """Under which numbers a practice keeps somebody."""
    good = LinkLetter(("P-17", "ä 4"), Assurance.LEVEL3, AT)

    def cases() -> Iterator[tuple[str, str, Record]]:
        yield "no-number-any-more", "accepted", change(good, numbers=())
        yield "as-many-numbers-as-may-be", "accepted", change(good, numbers=("9" * 64,) * MOST_NUMBERS)
        yield "one-number-too-many", NOT_DECODABLE, change(good, numbers=("9",) * (MOST_NUMBERS + 1))
        yield "a-number-of-nothing", NOT_DECODABLE, change(good, numbers=("",))
        yield "a-number-too-long", NOT_DECODABLE, change(good, numbers=("9" * 65,))
        yield "surer-than-there-is", NOT_DECODABLE, change(good, assurance="level5")
        yield "since-before-time-began", NOT_DECODABLE, change(good, since=-1)
        yield "since-beyond-what-is-counted", NOT_DECODABLE, change(good, since=2**53)

    yield from _each("link", good, {}, cases(), b"level3")


def prescribed() -> Iterator[Scenario]:
    """From the prescriber to the patient: the seeds of all keys, what is prescribed, a signed slip for each fill."""
    by, seed = key("prescriber"), some("prescription control")
    request = b'{"resourceType":"MedicationRequest","status":"active","intent":"order"}'
    handle = prescription_id(NETWORK, SigningKey(seed).public)
    content = Content(handle, request, "Bea Łukasz", "1985-04", "Ada Reyes", some("licence"), True)
    salt, bearers = some("prescription salt"), (some("first fill"), some("second fill"))
    hashed = content_hash(salt, encode(content))
    slips = [Slip(NETWORK, handle, hashed, some("licence"), number, AT, AT + 1, False) for number in range(2)]
    good = PrescriptionLetter(seed, bearers, salt, content, tuple(by.sign(SLIP_TAG, encode(slip)) for slip in slips))
    fields: Fields = {"network": NETWORK, "content": hashed, "holder": by.public, "opens": AT, "closes": AT + 1}

    def of(**changes: Any) -> PrescriptionLetter:
        altered: PrescriptionLetter = change(good, content=change(content, **changes))
        return altered

    def cases() -> Iterator[tuple[str, str, Record]]:
        yield "another-dose", PRESCRIPTION_ALTERED, of(request=request.replace(b"order", b"plan-"))
        yield "for-another-patient", PRESCRIPTION_ALTERED, of(patient="Eve")
        yield "no-substitution-any-more", PRESCRIPTION_ALTERED, of(substitution=False)
        yield "another-salt", PRESCRIPTION_ALTERED, change(good, salt=some("x"))
        yield "another-control-key", SENDER, change(good, control=some("x"))
        yield "a-slip-by-another", SENDER, change(good, slips=(good.slips[0], key("x").sign(SLIP_TAG, encode(slips[1]))))
        yield "the-slips-changed-over", SENDER, change(good, slips=good.slips[::-1])
        yield "a-fill-without-a-slip", SENDER, change(good, slips=good.slips[:1])
        yield "without-a-fill", NOT_DECODABLE, change(good, bearers=())
        yield "a-fill-too-many", NOT_DECODABLE, change(good, bearers=bearers[:1] * (MAX_FILLS + 1))
        yield "born-no-date", NOT_DECODABLE, of(born="05/04/85")
        yield "without-a-name", NOT_DECODABLE, of(patient="")
        yield "a-slip-too-short", NOT_DECODABLE, change(good, slips=(bytes(63),))

    yield from _each("prescribed", good, fields, cases(), b"1985-04")


def notes() -> Iterator[Scenario]:
    """A word about a prescription."""
    good = PrescriptionNote(some("handle"), About.QUESTION, some("licence"), "Geht auch 5 mg?")

    def cases() -> Iterator[tuple[str, str, Record]]:
        for about in (About.RENEWAL, About.ANSWER, About.STOPPED):
            yield f"about-{about.value}", "accepted", change(good, about=about, licence=bytes(32), text="")
        yield "with-the-longest-text", "accepted", change(good, text="🩺" * 1_000)
        yield "a-text-too-long", NOT_DECODABLE, change(good, text="🩺" * 1_001)
        yield "about-nothing-there-is", NOT_DECODABLE, change(good, about="praise")
        yield "a-licence-too-short", NOT_DECODABLE, change(good, licence=bytes(31))

    yield from _each("prescription-note", good, {}, cases(), b"question")


def dispensed() -> Iterator[Scenario]:
    """What was handed over."""
    good = DispensedNotice(some("handle"), 12, some("licence"), 1_000, AT, "20 Tabletten", "CH-4711", "")

    def cases() -> Iterator[tuple[str, str, Record]]:
        yield "a-thousandth-of-another-product", "accepted", change(good, share=1, fill=0, product="Lorado 10")
        yield "nothing-at-all", NOT_DECODABLE, change(good, share=0)
        yield "more-than-the-whole", NOT_DECODABLE, change(good, share=1_001)
        yield "of-a-fill-that-none-can-have", NOT_DECODABLE, change(good, fill=13)
        yield "a-batch-too-long", NOT_DECODABLE, change(good, batch="x" * 65)
        yield "a-product-too-long", NOT_DECODABLE, change(good, product="x" * 129)
        yield "a-quantity-too-long", NOT_DECODABLE, change(good, quantity="x" * 65)

    yield from _each("dispensed", good, {}, cases(), b"CH-4711")


def supplied() -> Iterator[Scenario]:
    """What was supplied during an outage: a statement by pharmacist and code, and the prescriber's signature on the slip."""
    slip = Slip(NETWORK, some("handle"), some("content"), some("prescriber"), 12, AT, AT + 1, False)
    said = OutageStatement(NETWORK, slip.prescription, 12, some("licence"), key("bearer").public, AT, 1_000, "20 Tabletten")

    def signed(statement: OutageStatement, pharmacist: str = "pharmacist", code: str = "bearer") -> SignedStatement:
        name, under = encode(statement), key("prescriber").sign(SLIP_TAG, encode(slip))
        return SignedStatement(statement, under, key(pharmacist).sign(STATEMENT_TAG, name), key(code).sign(STATEMENT_TAG, name))

    good = signed(said)
    fields = {"slip": encode(slip), "holder": key("prescriber").public, "pharmacist": key("pharmacist").public}

    def cases() -> Iterator[tuple[str, str, Record]]:
        yield "a-thousandth", "accepted", signed(change(said, share=1, quantity=""))
        yield "by-another-pharmacist", UNSIGNED, signed(said, pharmacist="another")
        yield "without-the-code", UNSIGNED, signed(said, code="another")
        yield "of-another-time", UNSIGNED, change(good, statement=change(said, at=AT + 1))
        yield "under-no-slip", UNSIGNED, change(good, slip=bytes(64))
        yield "nothing-at-all", NOT_DECODABLE, signed(change(said, share=0))
        yield "more-than-the-whole", NOT_DECODABLE, signed(change(said, share=1_001))
        yield "of-a-fill-that-none-can-have", NOT_DECODABLE, signed(change(said, fill=13))
        yield "a-quantity-too-long", NOT_DECODABLE, signed(change(said, quantity="x" * 65))

    yield from _each("outage-supply", good, fields, cases(), b"20 Tabletten")
