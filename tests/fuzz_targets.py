"""What a fuzzer gives its bytes to: every decoder that bytes of strangers reach, with seeds from the vectors.

A target takes any bytes and may end by itself or by a `SalusError`; whatever else it raises is a finding. Each vector's kind is a
target by one of its fields, with the others as an accepted vector has them. What vectors keep sealed has a target for its inside.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from charts_world import HOLDER, NETWORK, root, some
from ledger_world import Ledger, creation
from mutation_samples import commits, require_kept_as_written
from ordering_world import observation, result
from salus.agent.export_file import MAGIC, MAX_ITEM, ExportItem, _frames
from salus.agent.services import pairing
from salus.charts.entry import MAX_PLAIN, Sealed
from salus.charts.epochs import open_slot
from salus.charts.grant import Grant, GrantedEntry, SectionGrant
from salus.charts.granting import read_grant
from salus.charts.sealing import _decompress, _pad, _unpad, require_author, require_content, require_place, version_id, zstd
from salus.charts.sections import SectionKind
from salus.cli.contact import read_card
from salus.codec import Record, decode, encode
from salus.crypto import hpke
from salus.crypto.chunks import read_chunks
from salus.crypto.signing import require_hybrid
from salus.exchange.api import (
    FoundListings,
    ListingSearch,
    NodeStatus,
    Served,
    StatesAnswer,
    StatesRequest,
    Submission,
    TxStatus,
)
from salus.exchange.carding import card_from_text, require_card
from salus.exchange.envelopes import Drop, MailboxClaim, Post, SignedLetter
from salus.exchange.hours import expand, month_of, read_hours, zone_of
from salus.exchange.inviting import read_invitation, require_vouched
from salus.exchange.peering import EngineAnswer, PeerAnswer
from salus.exchange.posting import _info, open_letter, require_stamp
from salus.exchange.prescribing import PREFIX, Content, FillSlip, PrescriptionCode, _check, code_from_text
from salus.exchange.schedules import FoundSlots, SlotSearch
from salus.fhir import laboratory
from salus.fhir.authoring import medication_request, medication_words, note_text
from salus.fhir.parsing import instant, read_resource
from salus.fhir.validation import require_valid
from salus.ids import VerifyKey
from salus.node.ledger_store import StoredBlock, as_block
from salus.warrants.link import Purpose, Right
from salus.warrants.receipting import MAX_RECEIPT, receipt_info, require_receipt
from salus.warrants.receipts import Receipt
from test_vectors import KINDS, VECTORS, Fields, fields_of, raw
from world import CLEMENTE, bundle

LIMIT = 64 * 1024 * 1024
ENTRY_TAG = "salus/entry/1"


@dataclass(frozen=True)
class Target:
    """``accept`` takes any bytes; ``seeds`` are bytes to begin from, the first of which it accepts."""

    accept: Callable[[bytes], object]
    seeds: tuple[bytes, ...]


#: The field by which strangers' bytes come, of each kind of vector that has one.
FIELDS = {
    "answer": "answer",
    "appointment": "letter",
    "booking": "letter",
    "card": "card",
    "claim": "claim",
    "cold": "file",
    "collect": "collect",
    "commitment": "inside",
    "deposit": "deposit",
    "dispensed": "letter",
    "engine": "ask",
    "entry": "blob",
    "export": "export",
    "found": "found",
    "genesis": "genesis",
    "half": "blob",
    "header": "header",
    "hybrid": "signature",
    "items": "export",
    "key": "key",
    "letter": "letter",
    "link": "letter",
    "listing": "listing",
    "locked": "locked",
    "member": "text",
    "order": "letter",
    "ordered": "letter",
    "outage-supply": "letter",
    "owner": "request",
    "page": "page",
    "peer": "ask",
    "prescribed": "letter",
    "prescription-note": "letter",
    "promise": "promise",
    "proof": "proof",
    "push": "pushed",
    "reading": "read",
    "receipt": "receipt",
    "receipts": "answer",
    "redemption": "redemption",
    "reference": "text",
    "release": "letter",
    "result": "letter",
    "transaction": "transaction",
    "warrant": "warrant",
}


def accepted(kind: str) -> Fields:
    """The fields of the first accepted vector of that kind."""
    return next(fields for fields in map(fields_of, VECTORS) if (fields["kind"], fields["expect"]) == (kind, "accepted"))


def seeds_of(kind: str, field: str) -> tuple[bytes, ...]:
    """That field of every vector of the kind, accepted ones first."""
    found = [fields for fields in map(fields_of, VECTORS) if fields["kind"] == kind and field in fields]
    found.sort(key=lambda fields: fields["expect"] != "accepted")
    return tuple(dict.fromkeys(raw(fields, field) for fields in found))


_TRANSACTIONS = seeds_of("transaction", "transaction")


def of_vectors(kind: str, field: str) -> Target:
    """The target of a kind by one of its fields."""
    fields = accepted(kind)
    return Target(lambda data: KINDS[kind]({**fields, field: data.hex()}), seeds_of(kind, field))


def of_inside() -> Target:
    """What lies in an entry behind its encryption."""
    seeds = seeds_of("commitment", "inside")
    header = decode(seeds[0], Sealed, limit=MAX_PLAIN).header

    def accept(data: bytes) -> None:
        inside = decode(data, Sealed, limit=MAX_PLAIN)
        require_place(inside.header, header.network, header.section)
        require_author(inside.header, inside.key)
        require_hybrid(inside.key, ENTRY_TAG, encode(inside.header), inside.signature)
        require_content(inside.header, tuple(version_id(leaf) for leaf in inside.leaves))

    return Target(accept, seeds)


def of_letter() -> Target:
    """What lies in a letter behind its encryption: anybody can seal one."""
    fields = accepted("letter")
    seed, mailbox, network, recipient = (raw(fields, name) for name in ("seed", "mailbox", "network", "recipient"))
    info, public = _info(network, mailbox), hpke.public_key(seed)

    def accept(data: bytes) -> None:
        decode(data, SignedLetter, limit=LIMIT)
        open_letter(seed, hpke.seal(public, info, data), mailbox, network, recipient)

    return Target(accept, (hpke.open(seed, info, raw(fields, "letter")),))


def of_receipt() -> Target:
    """What lies in a receipt behind its encryption: the vault writes it."""
    fields = accepted("receipt")
    seed, network, section, vault = (raw(fields, name) for name in ("seed", "network", "section", "vault"))
    owner, window = VerifyKey(raw(fields, "owner")), int(fields["max_window"])

    def accept(data: bytes) -> None:
        require_receipt(decode(data, Receipt, limit=MAX_RECEIPT), network, vault, section, owner, window)

    return Target(accept, (hpke.open(seed, receipt_info(network, section), raw(fields, "receipt")),))


def of_items() -> Target:
    """What lies in an export behind its encryption."""

    def accept(data: bytes) -> None:
        for item in _frames([data]):
            decode(item, ExportItem, limit=MAX_ITEM)

    fields = accepted("items")
    return Target(accept, (b"".join(read_chunks(io.BytesIO(raw(fields, "export")), MAGIC, raw(fields, "passphrase").decode())),))


def of_package() -> Target:
    """A key package, by a reader's slot."""
    fields = next(f for f in map(fields_of, VECTORS) if (f["kind"], f["expect"]) == ("package", "accepted") and "slot" in f)
    slot, section, epoch = raw(fields, "slot"), raw(fields, "section"), int(fields["epoch"])
    return Target(lambda data: open_slot(data, slot, section, epoch), (raw(fields, "package"),))


def of_drop() -> Target:
    """A letter of a stranger, with its stamp."""
    fields = accepted("stamp")

    def accept(data: bytes) -> None:
        drop = decode(data, Drop, limit=LIMIT)
        if drop.stamp is not None:
            require_stamp(drop.stamp, raw(fields, "network"), drop, raw(fields, "node"))

    return Target(accept, seeds_of("stamp", "drop"))


def of_guest() -> Target:
    """A claim that a guest vouches for."""
    fields = accepted("guest")

    def accept(data: bytes) -> None:
        require_vouched(decode(data, MailboxClaim, limit=LIMIT), raw(fields, "network"), raw(fields, "member"))

    return Target(accept, seeds_of("guest", "claim"))


def of_grant() -> Target:
    """A grant, as it comes in a letter."""
    part = SectionGrant(SectionKind.RESULTS, root(), (GrantedEntry(1, some("blob"), some("half")),), 9, b"", b"", False)
    rights, purposes = (Right.READ,), (Purpose.TREAT,)
    seed = Grant(NETWORK, some("grant"), some("patient"), some("me"), rights, purposes, 2000, 1000, 3, (part,), (), b"{}")
    return Target(lambda data: read_grant(data, NETWORK, some("me"), HOLDER.public), (encode(seed),))


def of_execution() -> Target:
    """A transaction, executed on the state of genesis."""
    world = Ledger()
    return Target(lambda data: world.app.check_tx(data, world.time), (world.tx(creation("owner"), by=["owner"]), *_TRANSACTIONS))


def of_commit() -> Target:
    """A header that validators committed."""
    first, *others = commits()
    return Target(first.accept, (first.data, *(other.data for other in others)))


def of_shapes() -> Target:
    """What nodes and clients send each other besides what is signed: the first byte chooses the shape."""
    shapes: tuple[type[Record], ...] = (
        *(FoundListings, ListingSearch, NodeStatus, PeerAnswer, Post),
        *(Served, StatesAnswer, StatesRequest, Submission, TxStatus, EngineAnswer),
        *(SlotSearch, FoundSlots),
    )

    def accept(data: bytes) -> None:
        decode(data[1:], shapes[data[0] % len(shapes)] if data else TxStatus, limit=LIMIT)

    search, states, status = ListingSearch(("word",)), StatesRequest((b"members/",)), TxStatus(bytes(32), 7, "")
    return Target(accept, (b"\x09" + encode(status), b"\x01" + encode(search), b"\x07" + encode(states)))


def _text(read: Callable[[str], Any]) -> Callable[[bytes], object]:
    """A reader of text for bytes: what is no text becomes some."""
    return lambda data: read(data.decode("utf-8", "replace"))


def _contact() -> Target:
    network = raw(accepted("contact"), "network")
    return Target(lambda data: require_card(card_from_text(read_card(data)), network), seeds_of("contact", "text"))


def _note(data: bytes) -> None:
    note_text(data)
    instant(data.decode("utf-8", "replace"))


def _prescription() -> Target:
    """A frame behind a check that is right, so that what is under it is reached; then the words of what is prescribed."""
    request = medication_request("drug", "dose", "patient")
    content = Content(bytes(32), request, "patient", "1980-01-31", "prescriber", bytes(32), substitution=True)
    code = PrescriptionCode(bytes(32), 0, bytes(32), bytes(32), content, FillSlip(0, 0, False, bytes(64)), None, None)

    def accept(frame: bytes) -> None:
        text = PREFIX.encode() + base64.b32encode(_check(frame) + frame).rstrip(b"=")
        request = read_resource(code_from_text(text).content.request)
        require_valid(request)
        medication_words(request)

    return Target(accept, (zstd.compress(encode(code)),))


def _hours() -> Target:
    """A file of hours, and the slots of a month that follow from it."""
    rule = b'{"days":["sun"],"from":"00:00","to":"24:00","length":60,"every":2}'
    seed = b'{"name":"x","zone":"Europe/Zurich","rules":[' + rule + b'],"closed":[{"day":"2026-10-25"}]}'
    toml = b'name = "x"\nzone = "UTC"\n[[extra]]\nday = "2026-10-01"\nfrom = "09:00"\nto = "10:00"\nlength = 5'

    def accept(data: bytes) -> None:
        hours = read_hours(data)
        expand(hours, *month_of(zone_of(hours.zone), 1_792_000_000_000))

    return Target(accept, (seed, toml))


_ORDER = "ab" * 32
_MEASURED = result(observation(6.9, "HH"), observation(140, code="2951-2"))


def _compiled(data: bytes) -> bytes:
    tube = read_resource(laboratory.specimen(_ORDER, "A-17", "serum", "Ana", 0))
    return laboratory.compiled(data, _ORDER, "final", tube, "Lab", 0)


def _laboratory(data: bytes) -> None:
    """A laboratory's file."""
    laboratory.report_subject(data)
    laboratory.values(laboratory.read_report(_compiled(data), _ORDER))


def _report(data: bytes) -> None:
    """A report that somebody sends."""
    laboratory.values(laboratory.read_report(data, _ORDER))


_NOTE = b'{"resourceType":"DocumentReference","content":[{"attachment":{"contentType":"text/plain","data":"RmVlbHMgd2VsbC4="}}]}'

TARGETS: dict[str, Callable[[], Target]] = {
    **{kind: lambda kind=kind, field=field: of_vectors(kind, field) for kind, field in FIELDS.items()},
    "contact": _contact,
    "invitation": lambda: Target(_text(read_invitation), seeds_of("invitation", "text")),
    "pairing": lambda: Target(_text(lambda text: pairing._read(text, "code")), (b"",)),
    "padding": lambda: Target(
        lambda data: _decompress(_unpad(data)),
        tuple(_pad(zstd.compress(seed)) for seed in (b"", b"x" * 5000, *of_inside().seeds)),
    ),
    "inside": of_inside,
    "letter-inside": of_letter,
    "receipt-inside": of_receipt,
    "items-inside": of_items,
    "grant": of_grant,
    "package": of_package,
    "stamp": of_drop,
    "guest": of_guest,
    "execution": of_execution,
    "commit": of_commit,
    "block": lambda: Target(as_block, (encode(StoredBlock(_TRANSACTIONS[:3], ())),)),
    "shapes": of_shapes,
    "fhir": lambda: Target(require_kept_as_written, (bundle({"resourceType": "Patient", "id": "p"}), CLEMENTE[:20_000])),
    "prescription": _prescription,
    "hours": _hours,
    "laboratory": lambda: Target(_laboratory, (_MEASURED,)),
    "report": lambda: Target(_report, (_compiled(_MEASURED),)),
    "note": lambda: Target(_note, (_NOTE,)),
}


def planted(data: bytes) -> None:
    """A decoder with a bug that bytes by chance do not find: whoever cannot find it, finds nothing."""
    if data[:1] == b"s" and data[1:2] == b"a" and data[2:3] == b"l":
        raise IndexError("planted")
