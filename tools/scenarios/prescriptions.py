"""The code of a prescription, as it is shown, and what somebody could make of it."""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Iterator

from charts_world import NETWORK, some
from salus.codec import encode
from salus.exchange.prescribing import (
    PREFIX,
    Content,
    FillSlip,
    ListedItem,
    PrescriptionCode,
    SharedRecord,
    _check,
    code_to_text,
    zstd,
)
from salus.exchange.references import CardReference
from salus.ledger.modules.prescriptions.state import content_hash
from scenarios import Scenario, change, malformed

BAD, ALTERED = "agent/bad-prescription-code", "agent/prescription-altered"
REQUEST = b'{"resourceType":"MedicationRequest","status":"active","intent":"order"}'


def scenarios() -> Iterator[Scenario]:
    """All of this room."""
    content = Content(some("handle"), REQUEST, "Ana Łukasz", "1985-04", "Ada Reyes", some("licence"), True)
    reference = CardReference(NETWORK, (some("member"),), some("card"), some("card key"))
    items = (ListedItem("Penicillin G", ("rxnorm:7980",)), ListedItem("Hühnereiweiß", ()))
    record = SharedRecord(1_795_692_269_036, items, (ListedItem("", ("atc:B01AA03", "rxnorm:11289")),), 0, 3, 0, 0)
    slip = FillSlip(1_795_692_269_036, 1_803_468_269_036, False, some("slip") + some("of a fill"))
    code = PrescriptionCode(NETWORK, 12, some("bearer"), some("salt"), content, slip, reference, record)
    digest = content_hash(code.salt, encode(content))
    good = code_to_text(code)
    for what, expect, line in (
        ("is-read", "accepted", good),
        ("in-small-letters", "accepted", good.lower()),
        ("with-a-line-break-behind", "accepted", good + "\n"),
        ("without-the-patients-card", "accepted", code_to_text(change(code, patient=None))),
        ("without-a-record", "accepted", code_to_text(change(code, record=None))),
        (
            "a-child-and-no-allergy",
            "accepted",
            code_to_text(change(code, record=change(record, allergies=(), weight=11_200, weighed=1))),
        ),
        (
            "more-allergies-than-a-list-has",
            BAD,
            _line(_packed(encode(change(code, record=change(record, allergies=items * 17))))),
        ),
        (
            "a-listed-code-of-no-letters",
            BAD,
            _line(_packed(encode(change(code, record=change(record, medication=_coded("")))))),
        ),
        (
            "a-listed-code-too-long",
            BAD,
            _line(_packed(encode(change(code, record=change(record, medication=_coded("x" * 33)))))),
        ),
        ("another-prefix", BAD, good.replace("RX-1", "RX-2")),
        ("text-cut-off", BAD, good[:-8]),
        ("no-text", BAD, ""),
        ("something-behind", BAD, good + "AAAAAAAA"),
        ("a-letter-misread", BAD, good[:60] + ("B" if good[60] != "B" else "C") + good[61:]),
        ("a-digit-that-is-none", BAD, good[:60] + "1" + good[61:]),
        ("a-blank-inside", BAD, good[:60] + " " + good[61:]),
        (
            "another-dose",
            ALTERED,
            code_to_text(change(code, content=change(content, request=REQUEST.replace(b"order", b"plans")))),
        ),
        ("another-patient", ALTERED, code_to_text(change(code, content=change(content, patient="Eve")))),
        ("another-salt", ALTERED, code_to_text(change(code, salt=some("x")))),
        ("opens-into-too-much", BAD, _line(zstd.compress(b"\0" * 2_000_000))),
        ("two-frames", BAD, _line(_packed(encode(code)) * 2)),
        ("not-packed", BAD, _line(encode(code))),
        ("fill-that-none-can-have", BAD, _line(_packed(encode(code).replace(b"\x0c", b"\x0d", 1)))),
        ("born-no-date", BAD, _line(_packed(encode(change(code, content=change(content, born="05/04/85")))))),
    ):
        yield "prescription", what, expect, {"text": line.encode(), "content": digest}
    for what, data, _ in malformed(encode(code)):
        yield "prescription", what, BAD, {"text": _line(_packed(data)).encode(), "content": digest}


def _coded(code: str) -> tuple[ListedItem, ...]:
    return (ListedItem("", (code,)),)


def _packed(plain: bytes) -> bytes:
    packed: bytes = zstd.compress(plain)
    return packed


def _line(packed: bytes) -> str:
    return PREFIX + b32encode(_check(packed) + packed).decode("ascii").rstrip("=")
