"""Every vector comes out as its header says; most of them say no."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from salus.agent.export_file import MAGIC, read_export
from salus.agent.services.people import read_cold
from salus.agent.wallet import Wallet, new_principal, recovery_key
from salus.charts.entry import MAX_PLAIN, Opened, Sealed
from salus.charts.epochs import EpochKeys, open_previous, open_recovery, open_slot
from salus.charts.sealing import half_of, open_entry, require_committed
from salus.charts.sections import SectionKind
from salus.codec import decode, encode
from salus.crypto import aead, hpke
from salus.crypto.chunks import read_chunks
from salus.crypto.hashing import sha256
from salus.crypto.keys import derive
from salus.crypto.passphrase import unlock
from salus.crypto.signing import (
    HybridPublic,
    HybridSignature,
    SigningKey,
    person_id,
    require_hybrid,
    require_signature,
    require_sound_key,
)
from salus.errors import AgentRefused, CryptoRefused, LedgerRefused, SalusError, WarrantRefused
from salus.exchange.appointing import AppointmentLetter, BookingLetter, require_booking
from salus.exchange.carding import MAX_CARD, card_from_text, require_card
from salus.exchange.cards import Role, SignedCard
from salus.exchange.envelopes import MAX_ENVELOPE, Drop, MailboxClaim, MailboxCollect
from salus.exchange.founding import member_from_text
from salus.exchange.guests import Redemption
from salus.exchange.inviting import read_invitation, require_redemption, require_vouched
from salus.exchange.linking import MAX_LINK, LinkLetter
from salus.exchange.listings import MAX_LISTING, SignedListing, require_listing
from salus.exchange.ordering import OrderContent, OrderedLetter, OrderLetter, ReleasePreference, ResultLetter
from salus.exchange.outage import SLIP_TAG, SignedStatement, Slip, require_statement
from salus.exchange.peering import MAX_PUSH, EngineAsk, PeerAsk, Pushed, require_peer, require_push
from salus.exchange.placing import responsible
from salus.exchange.posting import mailbox_id, open_letter, require_mailbox_owner, require_stamp
from salus.exchange.prescribing import DispensedNotice, PrescriptionLetter, PrescriptionNote, code_from_text
from salus.exchange.proofs import read_proofs, require_proofs
from salus.exchange.references import CardDeposit, open_card, reference_from_text
from salus.exchange.schedules import MAX_PAGE, About, FoundSlot, SchedulePage, require_about, require_found, require_page, root_of
from salus.ids import VerifyKey
from salus.ledger.genesis import MAX_GENESIS, Genesis, Parameters, member_id, network_id
from salus.ledger.header import SignedHeader
from salus.ledger.modules.governance.messages import Change
from salus.ledger.modules.licences.state import Licence
from salus.ledger.modules.orders.state import order_hash, order_id, report_hash
from salus.ledger.modules.prescriptions.state import content_hash, prescription_id
from salus.ledger.modules.revocations.state import revocation_id
from salus.ledger.tx import Action, Transaction
from salus.ledger.verifying import StateAnswer, require_answer, require_header, require_linked
from salus.warrants.checking import Effective, require_warrant
from salus.warrants.holding import (
    require_covered,
    require_holder,
    require_licence,
    require_owner,
    require_purpose,
    require_window,
)
from salus.warrants.link import Warrant
from salus.warrants.receipting import (
    MAX_RECEIPT,
    blinded,
    open_receipt,
    require_anchor,
    require_chain,
    require_promise,
    require_receipt,
    require_total,
)
from salus.warrants.receipts import ReceiptsAnswer, SignedPromise
from salus.warrants.requests import SignedOwner, SignedRead

VECTORS = sorted((Path(__file__).parents[1] / "vectors").glob("*/*.txt"))
Fields = dict[str, str]


def raw(fields: Fields, name: str) -> bytes:
    return bytes.fromhex(fields[name])


def follow(genesis: Genesis, previous: SignedHeader, signed: SignedHeader) -> None:
    """The header is a member's, and the next one."""
    require_header(genesis, signed)
    require_linked(previous, signed)


def supplied(fields: Fields) -> None:
    """What a pharmacist says of a supply, by the keys of pharmacist and code, and by the prescriber's under the fill's slip."""
    signed, slip = decode(raw(fields, "letter"), SignedStatement, limit=MAX_ENVELOPE), raw(fields, "slip")
    require_statement(signed, raw(fields, "pharmacist"))
    require_signature(VerifyKey(raw(fields, "holder")), SLIP_TAG, encode(decode(slip, Slip, limit=1024)), signed.slip)


def prescription(fields: Fields) -> None:
    """A code as text, and the hash that the ledger has of what it is for."""
    code = code_from_text(raw(fields, "text"))
    if content_hash(code.salt, encode(code.content)) != raw(fields, "content"):
        raise AgentRefused("prescription-altered", "this is not what the prescriber signed")


def prescribed(fields: Fields) -> None:
    """What a prescriber sends to the patient (RX-24), by the ledger's hash, the licence's holder and the fills' window."""
    letter, network = decode(raw(fields, "letter"), PrescriptionLetter, limit=MAX_ENVELOPE), raw(fields, "network")
    content, hashed = letter.content, content_hash(letter.salt, encode(letter.content))
    if hashed != raw(fields, "content"):
        raise AgentRefused("prescription-altered", "this is not what the prescriber signed")
    right = prescription_id(network, SigningKey(letter.control).public) == content.prescription
    if not right or len(letter.slips) != len(letter.bearers):
        raise WarrantRefused("wrong-sender", "the keys are not of this prescription")
    window = (int(fields["opens"]), int(fields["closes"]), False)
    for number, signature in enumerate(letter.slips):
        slip = Slip(network, content.prescription, hashed, content.licence, number, *window)
        try:
            require_signature(VerifyKey(raw(fields, "holder")), SLIP_TAG, encode(slip), signature)
        except CryptoRefused as error:
            raise WarrantRefused("wrong-sender", "the slips are not of this prescription") from error


def require_ordered(fields: Fields, salt: bytes, content: OrderContent) -> None:
    """The hash that the ledger has of an order."""
    if order_hash(salt, encode(content)) != raw(fields, "content"):
        raise AgentRefused("order-altered", "this is not what the orderer signed")


def order(fields: Fields) -> None:
    """An order as a laboratory takes it (ORD-21), but for the licences, which need the chain."""
    letter, network = decode(raw(fields, "letter"), OrderLetter, limit=MAX_ENVELOPE), raw(fields, "network")
    for one in (letter.patient, letter.responsible, letter.cover):
        require_card(one, network)
    require_ordered(fields, letter.salt, letter.content)
    handle = order_id(network, SigningKey(letter.bearer).public)
    if (handle, person_id(letter.patient.card.key)) != (letter.content.order, letter.content.person):
        raise WarrantRefused("wrong-sender", "the key or the patient is not of this order")


def ordered(fields: Fields) -> None:
    """An order as patient and clinicians are told of it."""
    letter = decode(raw(fields, "letter"), OrderedLetter, limit=MAX_ENVELOPE)
    require_card(letter.laboratory, raw(fields, "network"))
    require_ordered(fields, letter.salt, letter.content)


def result(fields: Fields) -> None:
    """A report with its order (ORD-25), by the hashes that the ledger has of both."""
    letter = decode(raw(fields, "letter"), ResultLetter, limit=MAX_ENVELOPE)
    require_ordered(fields, letter.order_salt, letter.order)
    same = report_hash(letter.report_salt, encode(letter.report)) == raw(fields, "report")
    if not same or letter.report.order != letter.order.order:
        raise AgentRefused("report-altered", "this is not what the laboratory has signed for this order")
    if letter.patient and person_id(require_card(letter.patient, raw(fields, "network")).key) != letter.order.person:
        raise WarrantRefused("wrong-sender", "the card is another's than the patient's")


def page(fields: Fields) -> None:
    """A whole page, and the root that the ledger has of it."""
    read = decode(raw(fields, "page"), SchedulePage, limit=MAX_PAGE)
    require_page(read, raw(fields, "network"))
    if root_of(read) != raw(fields, "root"):
        raise LedgerRefused("bad-list-proof", "the page is not that of this root")


def found(fields: Fields) -> None:
    """A slot with its description under a root."""
    about = decode(raw(fields, "about"), About, limit=MAX_LISTING)
    require_found(decode(raw(fields, "found"), FoundSlot, limit=8192), about, raw(fields, "root"))


def genesis(fields: Fields) -> None:
    """The document is that of the network which one knows by its id."""
    if network_id(decode(raw(fields, "genesis"), Genesis, limit=MAX_GENESIS)) != raw(fields, "network"):
        raise LedgerRefused("wrong-network", "another network's")


def following(seeds: dict[str, bytes]) -> dict[str, bytes]:
    """What follows from the seeds of a wallet and of a node (ENC-21); of the keys for sealing, their hashes."""
    kind, grant = SectionKind(seeds["section_kind"].decode()), seeds["grant"]
    made = Wallet(new_principal("name", Role.PATIENT, seeds["seed"], seeds["cold"], seeds["reading"]))
    section = made.section(kind, seeds["network"])
    blind = derive(derive(seeds["node"], "vault"), "blind", section.identity)
    return {
        "identity": encode(made.identity.public),
        "person": made.person,
        "sealing": sha256(hpke.public_key(made.sealing_seed)),
        "mailbox": mailbox_id(made.mailbox.public),
        "token": made.mailbox_token,
        "member": member_id(made.authority.public),
        "next_owner": made.next_owner(kind),
        "owner": section.owner.public,
        "section": section.identity,
        "receipt_key": sha256(hpke.public_key(section.receipt_seeds[0])),
        "slot": section.slot_keys[0],
        "granted_slot": made.granted_slot(section.identity, grant),
        "writer": SigningKey(made.writer_seed(section.identity, grant)).public,
        "revocation": revocation_id(made.preimage(grant + section.identity)),
        "recovery": sha256(recovery_key(seeds["cold"])),
        "node_key": SigningKey(derive(seeds["node"], "node")).public,
        "blinded": blinded(blind, section.identity),
    }


def wallet(fields: Fields) -> None:
    """Each key is the one that stands there."""
    seeds = ("seed", "cold", "reading", "node", "grant", "network", "section_kind")
    found = following({name: raw(fields, name) for name in seeds})
    assert {name: value.hex() for name, value in found.items()} == {name: fields[name] for name in found}


def package(fields: Fields) -> None:
    """The key package opens for the key, and gives the pair."""
    place = raw(fields, "section"), int(fields["epoch"])
    verb, key = next((verb, fields[name]) for name, verb in OPENING.items() if name in fields)
    pair = verb(raw(fields, "package"), bytes.fromhex(key), *place)
    assert (pair.seal_seed + pair.history).hex() == fields["pair"]


def effective(fields: Fields, warrant: Warrant) -> Effective:
    owner = VerifyKey(raw(fields, "owner"))
    return require_warrant(warrant, raw(fields, "network"), raw(fields, "section"), owner, int(fields["max_window"]))


def reading(fields: Fields) -> None:
    """The checks of WAR-13 but for those that need the chain and the vault's memory: 5, 6, 8 and 12."""
    read = decode(raw(fields, "read"), SignedRead, limit=MAX_RECEIPT)
    try:
        allowed = effective(fields, read.warrant)
        require_holder(read, allowed, raw(fields, "network"), raw(fields, "vault"))
    except SalusError as error:
        raise WarrantRefused("refused", "until then all refusals are one") from error
    now, licence = int(fields["now"]), raw(fields, "licence")
    require_window(allowed, now)
    require_purpose(read.request, allowed)
    require_licence(allowed, decode(licence, Licence, limit=4096) if licence else None, now)
    require_covered(allowed, {number: raw(fields, "writer") for number in read.request.entries})
    if read.request.packages and not allowed.asks_packages:
        raise WarrantRefused("not-covered", "no key packages for this holder")


def receipt(fields: Fields) -> None:
    """The receipt opens, and the reader whom it names signed the request in it."""
    network, section = raw(fields, "network"), raw(fields, "section")
    opened = open_receipt(raw(fields, "seed"), raw(fields, "receipt"), network, section)
    owner = VerifyKey(raw(fields, "owner"))
    require_receipt(opened, network, raw(fields, "vault"), section, owner, int(fields["max_window"]))


def receipts(fields: Fields) -> None:
    """The checks of WAR-24."""
    first, head = int(fields["first"]), raw(fields, "head")
    answer = decode(raw(fields, "answer"), ReceiptsAnswer, limit=MAX_GENESIS)
    require_total(answer, first)
    require_chain(answer.receipts, first, head)
    heads = {first: head, **{stored.index + 1: stored.head for stored in answer.receipts}}
    if answer.anchored:
        require_anchor(answer, raw(fields, "section"), raw(fields, "root"), int(fields["leaves"]), heads)


def guest(fields: Fields) -> None:
    """The guest vouches for the claim."""
    claim = decode(raw(fields, "claim"), MailboxClaim, limit=8192)
    assert require_vouched(claim, raw(fields, "network"), raw(fields, "member")) == raw(fields, "guest")


def place(fields: Fields) -> None:
    """Those members keep the blob, in this order."""
    members = [raw(fields, "members")[at : at + 32] for at in range(0, len(raw(fields, "members")), 32)]
    found = responsible(members, raw(fields, "blob"), int(fields["copies"]))
    assert b"".join(found) == raw(fields, "keepers")


def stamp(fields: Fields) -> None:
    """The drop has a stamp, and it is for this drop."""
    drop = decode(raw(fields, "drop"), Drop, limit=8192)
    assert drop.stamp is not None
    require_stamp(drop.stamp, raw(fields, "network"), drop, raw(fields, "node"))


OPENING: dict[str, Callable[[bytes, bytes, bytes, int], EpochKeys]] = {
    "slot": open_slot,
    "recovery": open_recovery,
    "history": open_previous,
}
KINDS: dict[str, Callable[[Fields], object]] = {
    "aead": lambda f: aead.open(raw(f, "key"), raw(f, "context"), raw(f, "sealed")),
    "hpke": lambda f: hpke.open(raw(f, "seed"), raw(f, "info"), raw(f, "sealed")),
    "export": lambda f: b"".join(read_chunks(io.BytesIO(raw(f, "export")), MAGIC, raw(f, "passphrase").decode())),
    "locked": lambda f: unlock(raw(f, "passphrase").decode(), raw(f, "locked")),
    "hybrid": lambda f: require_hybrid(
        decode(raw(f, "key"), HybridPublic, limit=4096),
        "salus/vector/1",
        raw(f, "message"),
        decode(raw(f, "signature"), HybridSignature, limit=8192),
    ),
    "entry": lambda f: open_entry(raw(f, "blob"), raw(f, "half"), raw(f, "network"), raw(f, "section"), int(f["epoch"])),
    "half": lambda f: half_of(raw(f, "blob"), raw(f, "seed"), raw(f, "network"), raw(f, "section"), int(f["epoch"])),
    "commitment": lambda f: require_committed(
        Opened.of(decode(raw(f, "inside"), Sealed, limit=MAX_PLAIN), ()), raw(f, "commitment")
    ),
    "package": package,
    "key": lambda f: require_sound_key(raw(f, "key")),
    "wallet": wallet,
    "header": lambda f: follow(
        decode(raw(f, "genesis"), Genesis, limit=MAX_GENESIS),
        decode(raw(f, "previous"), SignedHeader, limit=1024),
        decode(raw(f, "header"), SignedHeader, limit=8192),
    ),
    "transaction": lambda f: decode(raw(f, "transaction"), Transaction, limit=Parameters().max_transaction),
    "warrant": lambda f: effective(f, decode(raw(f, "warrant"), Warrant, limit=MAX_RECEIPT)),
    "reading": reading,
    "owner": lambda f: require_owner(
        decode(raw(f, "request"), SignedOwner, limit=8192), VerifyKey(raw(f, "owner")), raw(f, "network"), raw(f, "vault")
    ),
    "receipt": receipt,
    "promise": lambda f: require_promise(
        decode(raw(f, "promise"), SignedPromise, limit=8192),
        raw(f, "vault"),
        VerifyKey(raw(f, "node")),
        decode(raw(f, "read"), SignedRead, limit=MAX_RECEIPT),
    ),
    "receipts": receipts,
    "card": lambda f: require_card(decode(raw(f, "card"), SignedCard, limit=MAX_CARD), raw(f, "network")),
    "contact": lambda f: require_card(card_from_text(raw(f, "text").decode()), raw(f, "network")),
    "letter": lambda f: open_letter(raw(f, "seed"), raw(f, "letter"), raw(f, "mailbox"), raw(f, "network"), raw(f, "recipient")),
    "claim": lambda f: require_mailbox_owner(decode(raw(f, "claim"), MailboxClaim, limit=8192), raw(f, "network")),
    "collect": lambda f: require_mailbox_owner(decode(raw(f, "collect"), MailboxCollect, limit=8192), raw(f, "network")),
    "listing": lambda f: require_listing(decode(raw(f, "listing"), SignedListing, limit=MAX_LISTING), raw(f, "network")),
    "page": page,
    "found": found,
    "guest": guest,
    "redemption": lambda f: require_redemption(
        decode(raw(f, "redemption"), Redemption, limit=8192), raw(f, "network"), raw(f, "member")
    ),
    "invitation": lambda f: read_invitation(raw(f, "text").decode()),
    "prescription": prescription,
    "prescribed": prescribed,
    "prescription-note": lambda f: decode(raw(f, "letter"), PrescriptionNote, limit=MAX_ENVELOPE),
    "outage-supply": supplied,
    "dispensed": lambda f: decode(raw(f, "letter"), DispensedNotice, limit=MAX_ENVELOPE),
    "order": order,
    "ordered": ordered,
    "result": result,
    "release": lambda f: decode(raw(f, "letter"), ReleasePreference, limit=MAX_ENVELOPE),
    "booking": lambda f: require_booking(
        decode(raw(f, "letter"), BookingLetter, limit=MAX_ENVELOPE), raw(f, "patient"), raw(f, "person")
    ),
    "appointment": lambda f: require_about(
        decode(raw(f, "letter"), AppointmentLetter, limit=MAX_ENVELOPE).signed, raw(f, "network")
    ),
    "link": lambda f: decode(raw(f, "letter"), LinkLetter, limit=MAX_LINK),
    "stamp": stamp,
    "peer": lambda f: require_peer(
        decode(raw(f, "ask"), PeerAsk, limit=8192), raw(f, "network"), raw(f, "asked"), VerifyKey(raw(f, "node"))
    ),
    "engine": lambda f: require_peer(
        decode(raw(f, "ask"), EngineAsk, limit=8192), raw(f, "network"), raw(f, "asked"), VerifyKey(raw(f, "node"))
    ),
    "push": lambda f: require_push(
        decode(raw(f, "pushed"), Pushed, limit=MAX_PUSH), raw(f, "network"), raw(f, "asked"), VerifyKey(raw(f, "node"))
    ),
    "place": place,
    "reference": lambda f: require_card(open_card(reference_from_text(raw(f, "text")), raw(f, "sealed")), raw(f, "network")),
    "deposit": lambda f: require_mailbox_owner(decode(raw(f, "deposit"), CardDeposit, limit=32_768), raw(f, "network")),
    "member": lambda f: member_from_text(raw(f, "text")),
    "items": lambda f: list(read_export(io.BytesIO(raw(f, "export")), raw(f, "passphrase").decode())),
    "cold": lambda f: read_cold(raw(f, "file")),
    "genesis": genesis,
    "proof": lambda f: require_proofs(decode(raw(f, "genesis"), Genesis, limit=MAX_GENESIS), read_proofs(raw(f, "proof"))),
    "answer": lambda f: require_answer(
        decode(raw(f, "genesis"), Genesis, limit=MAX_GENESIS), decode(raw(f, "answer"), StateAnswer, limit=MAX_GENESIS)
    ),
}


def fields_of(path: Path) -> Fields:
    return dict(line.split(": ", 1) if ": " in line else (line.rstrip(":"), "") for line in path.read_text("ascii").splitlines())


def outcome(fields: Fields) -> str:
    try:
        KINDS[fields["kind"]](fields)
    except SalusError as error:
        return error.full_code
    return "accepted"


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_vector_comes_out_as_it_says(path: Path) -> None:
    fields = fields_of(path)
    assert outcome(fields) == fields["expect"]
    assert (fields["kind"], fields["what"]) == (path.parent.name, path.stem)


def test_there_are_vectors_of_each_kind_and_most_are_negative() -> None:
    expected = [fields_of(path)["expect"] for path in VECTORS]
    assert {path.parent.name for path in VECTORS} == set(KINDS)
    assert expected.count("accepted") * 3 < len(expected)


def test_every_action_and_every_change_has_a_vector() -> None:
    """TX-3: a new message is read by both readers."""
    there = {path.stem for path in VECTORS if path.parent.name == "transaction"}
    actions = {str(shape.__struct_config__.tag) for shape in get_args(Action)} - {"propose"}
    changes = {f"propose-{shape.__struct_config__.tag}" for shape in get_args(Change)}
    assert (actions | changes) - there == set()
