"""Headers, transactions, proven answers, genesis documents, proof files."""

from __future__ import annotations

from collections.abc import Iterator

from charts_world import some
from ledger_world import CLINIC, LAB, Ledger, creation, entry, epoch, founding, licence_for, public
from ledger_world import key as signing_key
from salus.codec import decode, encode
from salus.crypto.hashing import tagged
from salus.exchange.proofs import Proof, ProofKind, proof_file, state_key
from salus.ledger.genesis import LicenceRight, Parameters, network_id
from salus.ledger.header import HEADER_TAG, SignedHeader, header_hash
from salus.ledger.modules.directory.messages import PublishListing
from salus.ledger.modules.governance.messages import (
    AdmitMember,
    CastVote,
    Propose,
    RemoveMember,
    SetPower,
    SetRights,
    UndoLicences,
    Upgrade,
)
from salus.ledger.modules.licences.messages import LicenceStatus, SetLicenceStatus
from salus.ledger.modules.members.messages import RenewValidator
from salus.ledger.modules.orders.messages import (
    AcceptOrder,
    AcknowledgeReport,
    CancelOrder,
    CollectSpecimen,
    PlaceOrder,
    RejectOrder,
    RejectSpecimen,
    ReportResult,
    ReportStatus,
    WithdrawOrder,
)
from salus.ledger.modules.orders.messages import Reason as OrderReason
from salus.ledger.modules.prescriptions.messages import (
    AcceptFill,
    AcknowledgeStop,
    CancelPrescription,
    CloseFill,
    DeletePrescription,
    DispenseFill,
    FreeFill,
    Identified,
    IssuePrescription,
    NewFill,
    Reason,
    Rest,
    ReturnFill,
    RotateFill,
    StopPrescription,
    TakePrescription,
    UndoFill,
)
from salus.ledger.modules.receipts.messages import AnchorReceipts
from salus.ledger.modules.revocations.messages import Revoke
from salus.ledger.modules.revocations.state import revocation_id
from salus.ledger.modules.scheduling.messages import (
    ArriveAppointment,
    BookAppointment,
    CancelAppointment,
    DeclineAppointment,
    DeclineReason,
    FulfilAppointment,
    HoldSlots,
    JoinWaiting,
    Kind,
    MissAppointment,
    MoveAppointment,
    OfferSlots,
    OpenSchedule,
    Override,
    PublishSlots,
    ReleaseSlots,
    ReviseSchedule,
    ShownSlot,
    Slot,
    TakeSlots,
)
from salus.ledger.modules.sections.messages import AdmitWriter, Entomb, HandOver, RemoveWriter, Rewrite, Rotate
from salus.ledger.tx import Transaction, licence_id
from salus.ledger.verifying import StateAnswer
from scenarios import NOT_CANONICAL, NOT_DECODABLE, Scenario, change, flipped, malformed, put, reshaped

SECTION, PRESCRIPTION, ORDER = some("section"), some("prescription"), some("order")
SCHEDULE, APPOINTMENT = some("schedule"), some("appointment")
SHOWN = ShownSlot(
    SCHEDULE, 1_800_000_000_000, 4_095, (some("left"), some("right")), Slot(1_800_000_000_000, 1_800_000_900_000, 64, Kind.HOME)
)
#: One of each action; the ledger's rules for them are another matter.
ACTIONS = {
    "issue-licence": licence_for("ada"),
    "set-licence-status": SetLicenceStatus(some("licence"), LicenceStatus.ENDED),
    "create-section": creation("owner"),
    "append-entry": change(entry(SECTION, "writer", "blob"), commitment=some("commitment")),
    "admit-writer": AdmitWriter(SECTION, public("writer"), 10, 1_000_000, 1_800_000_000_000),
    "remove-writer": RemoveWriter(SECTION, public("writer")),
    "rotate": Rotate(SECTION, some("schedule"), (epoch(1, 5), epoch(2, 1_800_000_000_000))),
    "hand-over": HandOver(SECTION, public("next owner"), some("commitment")),
    "rewrite": Rewrite(SECTION, 255, some("before"), some("blob"), 65_536),
    "entomb": Entomb(SECTION, 2**53 - 1),
    "revoke": Revoke(some("secret")),
    "anchor-receipts": AnchorReceipts(CLINIC, 4_294_967_296, some("root"), 3),
    "publish-listing": PublishListing(public("ada"), some("listing")),
    "renew-validator": RenewValidator(CLINIC, public("validator")),
    "cast-vote": CastVote(LAB, 9, False),
    "issue-prescription": IssuePrescription(
        some("licence"),
        public("control"),
        some("content"),
        True,
        2_419_200_000,
        (NewFill(public("bearer"), 0, 1_800_000_000_000),),
    ),
    "accept-fill": AcceptFill(PRESCRIPTION, 12, some("licence"), public("holder"), 1_800_000_000_000),
    "dispense-fill": DispenseFill(PRESCRIPTION, 0, some("licence"), 1_000, Rest.FREE, Identified.DOCUMENT),
    "undo-fill": UndoFill(PRESCRIPTION, 1),
    "return-fill": ReturnFill(PRESCRIPTION, 1, Reason.OUT_OF_STOCK),
    "free-fill": FreeFill(PRESCRIPTION, 1),
    "take-prescription": TakePrescription(PRESCRIPTION, public("control")),
    "rotate-fill": RotateFill(PRESCRIPTION, 1, public("bearer")),
    "cancel-prescription": CancelPrescription(PRESCRIPTION),
    "delete-prescription": DeletePrescription(PRESCRIPTION),
    "stop-prescription": StopPrescription(PRESCRIPTION),
    "acknowledge-stop": AcknowledgeStop(PRESCRIPTION, 1),
    "close-fill": CloseFill(PRESCRIPTION, 1),
    "open-schedule": OpenSchedule(some("licence"), public("desk"), 0, 34_560_000_000, 60_000),
    "revise-schedule": ReviseSchedule(SCHEDULE, some("licence"), public("desk"), 7_776_000_000, 3_600_000, 3_600_000),
    "publish-slots": PublishSlots(SCHEDULE, 1_800_000_000_000, 1_800_086_400_000, some("root"), 4_096),
    "release-slots": ReleaseSlots(SCHEDULE, (SHOWN,)),
    "hold-slots": HoldSlots(public("patient"), (SHOWN, change(SHOWN, path=(), index=0))),
    "book-appointment": BookAppointment(APPOINTMENT),
    "move-appointment": MoveAppointment(APPOINTMENT, (SHOWN,)),
    "cancel-appointment": CancelAppointment(APPOINTMENT),
    "join-waiting": JoinWaiting(public("patient"), SCHEDULE, 0, 1_800_000_000_000, (Kind.VISIT, Kind.PHONE)),
    "take-slots": TakeSlots(public("patient"), (SHOWN,), Override.SQUEEZED),
    "offer-slots": OfferSlots(APPOINTMENT, SCHEDULE, (SHOWN,)),
    "decline-appointment": DeclineAppointment(APPOINTMENT, SCHEDULE, DeclineReason.NOT_SUITABLE),
    "arrive-appointment": ArriveAppointment(APPOINTMENT, SCHEDULE),
    "fulfil-appointment": FulfilAppointment(APPOINTMENT, SCHEDULE),
    "miss-appointment": MissAppointment(APPOINTMENT, SCHEDULE),
    "place-order": PlaceOrder(
        some("licence"),
        public("bearer"),
        bytes(32),
        some("responsible"),
        some("cover"),
        some("content"),
        1_800_000_000_000,
    ),
    "accept-order": AcceptOrder(ORDER, some("licence"), public("holder")),
    "reject-order": RejectOrder(ORDER, OrderReason.NO_CAPACITY),
    "collect-specimen": CollectSpecimen(ORDER, some("specimen")),
    "reject-specimen": RejectSpecimen(ORDER, OrderReason.HAEMOLYSED),
    "report-result": ReportResult(ORDER, some("licence"), some("report"), ReportStatus.CORRECTED, 255, 1_800_000_000_000),
    "acknowledge-report": AcknowledgeReport(ORDER, 255, some("licence")),
    "cancel-order": CancelOrder(ORDER),
    "withdraw-order": WithdrawOrder(ORDER),
}
#: One of each change that members may propose.
CHANGES = (
    AdmitMember(public("authority"), public("node"), (LicenceRight.TREAT,), public("validator"), some("peer")[:20]),
    RemoveMember(LAB),
    SetRights(LAB, tuple(LicenceRight)),
    SetPower(LAB, 1_000_000),
    UndoLicences(LAB, 7),
    Upgrade(1_000, 2),
)
ACTIONS |= {f"propose-{change.__struct_config__.tag}": Propose(CLINIC, change, bytes(32)) for change in CHANGES}


def scenarios() -> Iterator[Scenario]:
    """All of this room."""
    yield from headers()
    yield from transactions()
    yield from genesis_documents()
    yield from answers()
    yield from proof_files()


def headers() -> Iterator[Scenario]:
    """A signed header, after the one before it."""
    world = Ledger()
    world.done(Revoke(some("secret")))
    before, signed_header = world.headers
    header = signed_header.header

    def by(name: str, **changes: object) -> bytes:
        other = change(header, **changes)
        return encode(SignedHeader(other, signing_key(name).sign(HEADER_TAG, header_hash(other))))

    good: dict[str, bytes | int] = {"genesis": encode(world.genesis), "previous": encode(before), "header": encode(signed_header)}
    yield "header", "follows", "accepted", good
    for what, expect, data in (
        ("signed-by-another-member", "crypto/bad-signature", by("lab node")),
        ("signed-by-the-authority-key", "crypto/bad-signature", by("clinic authority")),
        ("not-signed", "crypto/bad-signature", encode(change(signed_header, signature=bytes(64)))),
        ("proposer-is-no-member", "ledger/wrong-proposer", by("clinic node", proposer=some("nobody"))),
        ("proposed-by-another-member", "ledger/wrong-proposer", by("lab node", proposer=LAB)),
        ("other-network", "ledger/wrong-network", by("clinic node", network=some("other"))),
        ("other-previous", "ledger/bad-link", by("clinic node", previous=some("other"))),
        ("height-left-out", "ledger/bad-link", by("clinic node", height=header.height + 1)),
        ("same-height", "ledger/bad-link", by("clinic node", height=header.height - 1)),
        ("same-time", "ledger/bad-link", by("clinic node", time=before.header.time)),
        *((name, expect, data) for name, data, expect in malformed(encode(signed_header))),
    ):
        yield "header", what, expect, {**good, "header": data}


def transactions() -> Iterator[Scenario]:
    """One of each action, and what strict decoding refuses."""
    world = Ledger()
    for name, action in ACTIONS.items():
        data = world.tx(action)
        yield "transaction", name, "accepted", {"transaction": data}
        tag = type(action).__struct_config__.tag.encode()
        misnamed = put(data, tag + b"\xc4", tag[:-1] + b"~\xc4")
        yield "transaction", f"{name}-misnamed", NOT_DECODABLE, {"transaction": misnamed}
    data = world.tx(creation("owner"), by=["owner"])
    yield "transaction", "decodes", "accepted", {"transaction": data}
    for what, broken, expect in (*malformed(data), *reshaped(data)):
        yield "transaction", what, expect, {"transaction": broken}
    yield "transaction", "too-large", "codec/too-large", {"transaction": data + bytes(70_000)}
    yield from spellings(data)
    yield from unsound_transactions(world)


def spellings(data: bytes) -> Iterator[Scenario]:
    """Second spellings of one value inside a transaction, and values of another type."""
    number = b"\xa5epoch\x00"
    for what, found, instead, expect in (
        ("wide-integer", number, b"\xa5epoch\xcc\x00", NOT_CANONICAL),
        ("wider-integer", number, b"\xa5epoch\xcf" + bytes(8), NOT_CANONICAL),
        ("signed-integer", number, b"\xa5epoch\xd0\x00", NOT_CANONICAL),
        ("negative-integer", number, b"\xa5epoch\xff", NOT_DECODABLE),
        ("integer-of-2-to-the-53", number, b"\xa5epoch\xcf\x00\x20" + bytes(6), NOT_DECODABLE),
        ("integer-of-2-to-the-64-less-one", number, b"\xa5epoch\xcf" + b"\xff" * 8, NOT_DECODABLE),
        ("float-for-integer", number, b"\xa5epoch\xcb" + bytes(8), NOT_DECODABLE),
        ("text-for-integer", number, b"\xa5epoch\xa10", NOT_DECODABLE),
        ("bool-for-integer", number, b"\xa5epoch\xc2", NOT_DECODABLE),
        ("nothing-for-integer", number, b"\xa5epoch\xc0", NOT_DECODABLE),
        ("wide-tag", number, b"\xd9\x05epoch\x00", NOT_CANONICAL),
        ("bytes-for-a-tag", number, b"\xc4\x05epoch\x00", NOT_DECODABLE),
        ("tag-that-is-not-utf-8", number, b"\xa5ep\xffch\x00", NOT_DECODABLE),
        ("inner-field-left-out", b"\x95" + number, b"\x94\xa5epoch", NOT_DECODABLE),
        ("inner-field-too-many", b"\x95" + number, b"\x96" + number + b"\x00", NOT_DECODABLE),
        ("fields-exchanged", b"\xae" + b"create-section\xc4\x20", b"\xae" + b"create-section\xa0\xc4\x20", NOT_DECODABLE),
        ("text-for-bytes", b"\xc4\x10", b"\xb0", NOT_DECODABLE),
        ("wide-bytes", b"\xc4\x10", b"\xc5\x00\x10", NOT_CANONICAL),
        ("nonce-too-long", b"\xc4\x10", b"\xc4\x11\x00", NOT_DECODABLE),
        ("map-for-a-record", b"\x95" + number, b"\x82" + number, NOT_DECODABLE),
    ):
        yield "transaction", what, expect, {"transaction": put(data, found, instead)}


def unsound_transactions(world: Ledger) -> Iterator[Scenario]:
    """Counts and lengths beyond a layout's limits."""
    usual = decode(world.tx(Revoke(some("secret"))), Transaction, limit=1024)
    section = ACTIONS["create-section"]
    for what, broken in (
        ("no-actions", change(usual, body=change(usual.body, actions=()))),
        ("no-signatures", change(usual, signatures=())),
        ("too-many-signatures", change(usual, signatures=usual.signatures * 65)),
        ("too-many-actions", change(usual, body=change(usual.body, actions=usual.body.actions * 513))),
        ("signature-too-short", change(usual, signatures=(change(usual.signatures[0], signature=bytes(63)),))),
        ("key-too-long", change(usual, signatures=(change(usual.signatures[0], key=bytes(33)),))),
        ("no-epochs", change(usual, body=change(usual.body, actions=(change(section, schedule=()),)))),
        ("too-many-epochs", change(usual, body=change(usual.body, actions=(change(section, schedule=section.schedule * 65),)))),
    ):
        yield "transaction", what, NOT_DECODABLE, {"transaction": encode(broken)}


def genesis_documents() -> Iterator[Scenario]:
    """Genesis documents with the id of their network."""
    genesis = founding()
    data, network = encode(genesis), network_id(genesis)
    yield "genesis", "is-the-networks", "accepted", {"genesis": data, "network": network}
    other = change(genesis, parameters=Parameters(max_expiry=1))
    clinic, lab = genesis.members
    for what, expect, broken in (
        ("other-salt", "ledger/wrong-network", encode(change(genesis, salt=b"1" * 16))),
        ("other-time", "ledger/wrong-network", encode(change(genesis, time=genesis.time + 1))),
        ("other-parameters", "ledger/wrong-network", encode(other)),
        ("members-exchanged", "ledger/wrong-network", encode(change(genesis, members=(lab, clinic)))),
        ("other-node-key", "ledger/wrong-network", encode(change(genesis, members=(change(clinic, node=lab.node), lab)))),
        ("no-members", NOT_DECODABLE, encode(change(genesis, members=()))),
        ("unknown-right", NOT_DECODABLE, put(data, b"\xa8dispense", b"\xa8dispence")),
        ("salt-too-short", NOT_DECODABLE, encode(change(genesis, salt=bytes(15)))),
        ("parameters-left-out", NOT_CANONICAL, b"\x94" + data[1 : data.index(b"\x9f\xaaparameters")]),
        *((name, code, raw) for name, raw, code in malformed(data)),
    ):
        yield "genesis", what, expect, {"genesis": broken, "network": network}


def answers() -> Iterator[Scenario]:
    """What a node says of the state, with proofs of presence and of absence."""
    world = Ledger()
    world.done(creation("owner"), by=["owner"])
    world.done(Revoke(some("secret")))
    present = next(name for name in world.state() if name.startswith(b"revocations/"))
    missing = [world.answer(b"revocations/%d" % number) for number in range(64)]
    absent, empty = next(one for one in missing if one.proof.other), next(one for one in missing if not one.proof.other)
    genesis, answer = encode(world.genesis), world.answer(present)
    yield "answer", "presence", "accepted", {"genesis": genesis, "answer": encode(answer)}
    yield "answer", "absence", "accepted", {"genesis": genesis, "answer": encode(absent)}
    yield "answer", "absence-in-an-empty-place", "accepted", {"genesis": genesis, "answer": encode(empty)}
    invented = change(empty, proof=change(empty.proof, other=(bytes(32), bytes(32))))
    yield "answer", "neighbour-invented", BAD_PROOF, {"genesis": genesis, "answer": encode(invented)}
    yield from forged_answers(world, answer, absent)
    other = encode(change(world.genesis, salt=b"1" * 16))
    yield "answer", "other-network", "ledger/wrong-network", {"genesis": other, "answer": encode(answer)}
    for what, raw, expect in (*malformed(encode(answer)), *reshaped(encode(answer))):
        yield "answer", what, expect, {"genesis": genesis, "answer": raw}


BAD_PROOF = "ledger/bad-state-proof"


def forged_answers(world: Ledger, answer: StateAnswer, absent: StateAnswer) -> Iterator[Scenario]:
    """Answers that prove something else, or nothing."""
    siblings = answer.proof.siblings
    beside = world.answer(next(name for name in world.state() if name.startswith(b"sections/")))
    stranger = (some("path"), some("value"))
    mine = tagged("salus/state-key/1", answer.key), tagged("salus/state-value/1", answer.value or b"")
    older = world.headers[-2]
    for what, expect, broken in (
        ("other-value", BAD_PROOF, change(answer, value=b"x")),
        ("value-denied", BAD_PROOF, change(answer, value=None)),
        ("value-denied-beside-itself", BAD_PROOF, change(answer, value=None, proof=change(answer.proof, other=mine))),
        ("other-key", BAD_PROOF, change(answer, key=b"revocations/none")),
        ("value-invented", BAD_PROOF, change(absent, value=b"x")),
        ("absence-of-another", BAD_PROOF, change(absent, key=answer.key)),
        ("sibling-left-out", BAD_PROOF, change(answer, proof=change(answer.proof, siblings=siblings[1:]))),
        ("sibling-too-many", BAD_PROOF, change(answer, proof=change(answer.proof, siblings=(*siblings, some("x"))))),
        (
            "siblings-reversed",
            BAD_PROOF,
            change(answer, proof=change(answer.proof, siblings=(*siblings[:-2], *siblings[:-3:-1]))),
        ),
        ("sibling-changed", BAD_PROOF, change(answer, proof=change(answer.proof, siblings=(*siblings[:-1], some("x"))))),
        ("no-siblings", BAD_PROOF, change(answer, proof=change(answer.proof, siblings=()))),
        ("proof-of-another-key", BAD_PROOF, change(answer, proof=beside.proof)),
        ("presence-with-a-neighbour", BAD_PROOF, change(answer, proof=change(answer.proof, other=stranger))),
        ("neighbour-from-elsewhere", BAD_PROOF, change(absent, proof=change(absent.proof, other=stranger))),
        ("neighbour-left-out", BAD_PROOF, change(absent, proof=change(absent.proof, other=None))),
        ("header-of-the-block-before", BAD_PROOF, change(answer, header=older)),
        ("unsigned-header", "crypto/bad-signature", change(answer, header=change(answer.header, signature=bytes(64)))),
        ("header-changed", "crypto/bad-signature", change(answer, header=change(answer.header, header=older.header))),
        ("too-many-siblings", NOT_DECODABLE, change(answer, proof=change(answer.proof, siblings=(bytes(32),) * 257))),
        ("sibling-too-short", NOT_DECODABLE, change(answer, proof=change(answer.proof, siblings=(bytes(31),)))),
        ("key-too-long", NOT_DECODABLE, change(answer, key=bytes(257))),
    ):
        yield "answer", what, expect, {"genesis": encode(world.genesis), "answer": encode(broken)}


def proof_files() -> Iterator[Scenario]:
    """What is shown to strangers."""
    world = Ledger()
    section = world.section()
    world.done(entry(section, "owner", "blob"), by=["owner"])
    licence = licence_id(world.done(licence_for("ada"), by=["clinic authority"]), 0)
    issued = world.time
    world.done(SetLicenceStatus(licence, LicenceStatus.SUSPENDED), by=["clinic authority"])
    world.done(Revoke(some("secret")))
    revoked, other = revocation_id(some("secret")), revocation_id(some("other"))

    def proof(kind: ProofKind, subject: bytes, number: int = 0, at: int = 0) -> Proof:
        return Proof(kind, subject, number, at, world.answer(state_key(kind, subject, number)))

    entered, licensed = proof(ProofKind.ENTRY, section), proof(ProofKind.LICENCE, licence, at=issued)
    revocation, absence = proof(ProofKind.REVOCATION, revoked), proof(ProofKind.ABSENCE, other)
    genesis, wrong = encode(world.genesis), "ledger/wrong-proof"
    both = encode(proof_file((revocation, absence)))
    unsigned = change(absence.answer, header=change(absence.answer.header, signature=bytes(64)))
    lied = change(entered.answer, value=put(entered.answer.value, some("blob"), some("x")))
    for what, expect, proofs in (
        ("an-entry", "accepted", (entered,)),
        ("a-licence-at-a-time", "accepted", (licensed,)),
        ("a-licence-now", "accepted", (proof(ProofKind.LICENCE, licence),)),
        ("a-revocation", "accepted", (revocation,)),
        ("no-revocation", "accepted", (absence,)),
        ("several", "accepted", (revocation, absence, entered)),
        ("another-number", wrong, (change(entered, number=1),)),
        ("another-subject", wrong, (change(absence, subject=revoked),)),
        ("another-kind", wrong, (change(entered, kind=ProofKind.LICENCE),)),
        ("absence-of-what-is-there", wrong, (change(revocation, kind=ProofKind.ABSENCE),)),
        ("presence-of-what-is-not-there", wrong, (change(absence, kind=ProofKind.REVOCATION),)),
        ("a-number-without-an-entry", wrong, (change(licensed, number=1),)),
        ("a-time-without-a-licence", wrong, (change(revocation, at=1),)),
        ("a-time-to-come", wrong, (change(licensed, at=world.time + 1),)),
        ("one-of-several-fails", wrong, (revocation, change(absence, subject=revoked))),
        ("a-blob-exchanged", BAD_PROOF, (change(entered, answer=lied),)),
        ("an-unsigned-header", "crypto/bad-signature", (change(absence, answer=unsigned),)),
        ("too-many", NOT_DECODABLE, (absence,) * 65),
        ("none", NOT_DECODABLE, ()),
    ):
        yield "proof", what, expect, {"genesis": genesis, "proof": encode(proof_file(proofs))}
    elsewhere = encode(change(world.genesis, salt=b"1" * 16))
    yield "proof", "another-network", "ledger/wrong-network", {"genesis": elsewhere, "proof": both}
    moved = change(proof_file((licensed,)), proofs=(change(licensed, at=issued + 1),))
    yield "proof", "a-time-exchanged", wrong, {"genesis": genesis, "proof": encode(moved)}
    swapped = change(proof_file((revocation, absence)), proofs=(absence, revocation))
    yield "proof", "proofs-swapped", wrong, {"genesis": genesis, "proof": encode(swapped)}
    yield "proof", "check-changed", wrong, {"genesis": genesis, "proof": flipped(both, -1)}
    for what, raw, expect in (*malformed(both), *reshaped(both)):
        yield "proof", what, expect, {"genesis": genesis, "proof": raw}
