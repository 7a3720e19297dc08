"""A transaction: one signed body of actions that apply together or not at all."""

from __future__ import annotations

from typing import Annotated

import msgspec

from salus.codec import Record, encode
from salus.crypto.hashing import tagged
from salus.ids import BodyHash, Bytes16, Bytes32, Bytes64, Count, LicenceId
from salus.ledger.modules.directory.messages import PublishListing
from salus.ledger.modules.governance.messages import CastVote, Propose
from salus.ledger.modules.licences.messages import IssueLicence, SetLicenceStatus
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
    WithdrawOrder,
)
from salus.ledger.modules.prescriptions.messages import (
    AcceptFill,
    AcknowledgeStop,
    CancelPrescription,
    CloseFill,
    DeletePrescription,
    DispenseFill,
    FreeFill,
    IssuePrescription,
    ReturnFill,
    RotateFill,
    StopPrescription,
    TakePrescription,
    UndoFill,
)
from salus.ledger.modules.receipts.messages import AnchorReceipts
from salus.ledger.modules.revocations.messages import Revoke
from salus.ledger.modules.scheduling.messages import (
    ArriveAppointment,
    BookAppointment,
    CancelAppointment,
    DeclineAppointment,
    FulfilAppointment,
    HoldSlots,
    JoinWaiting,
    MissAppointment,
    MoveAppointment,
    OfferSlots,
    OpenSchedule,
    PublishSlots,
    ReleaseSlots,
    ReviseSchedule,
    TakeSlots,
)
from salus.ledger.modules.sections.messages import (
    AdmitWriter,
    AppendEntry,
    CreateSection,
    Entomb,
    HandOver,
    RemoveWriter,
    Rewrite,
    Rotate,
)

Action = (
    IssueLicence
    | SetLicenceStatus
    | CreateSection
    | AppendEntry
    | AdmitWriter
    | RemoveWriter
    | Rotate
    | HandOver
    | Entomb
    | Rewrite
    | Revoke
    | AnchorReceipts
    | PublishListing
    | RenewValidator
    | Propose
    | CastVote
    | IssuePrescription
    | AcceptFill
    | DispenseFill
    | UndoFill
    | ReturnFill
    | FreeFill
    | TakePrescription
    | RotateFill
    | CancelPrescription
    | DeletePrescription
    | StopPrescription
    | AcknowledgeStop
    | CloseFill
    | OpenSchedule
    | ReviseSchedule
    | PublishSlots
    | ReleaseSlots
    | HoldSlots
    | BookAppointment
    | MoveAppointment
    | CancelAppointment
    | JoinWaiting
    | TakeSlots
    | OfferSlots
    | DeclineAppointment
    | ArriveAppointment
    | FulfilAppointment
    | MissAppointment
    | PlaceOrder
    | AcceptOrder
    | RejectOrder
    | CollectSpecimen
    | RejectSpecimen
    | ReportResult
    | AcknowledgeReport
    | CancelOrder
    | WithdrawOrder
)

#: Sponsored by every member on a reserved quota: the home member cannot keep its patient from leaving.
RIGHTS_PROTECTING = (Revoke, Rotate, HandOver, RemoveWriter)

SIGNATURE_TAG = "salus/tx-signature/1"


class Body(Record, frozen=True, tag="body-1"):
    """``expires``: block time in ms, at most ``max_expiry`` ahead; ``sponsor``: a member, whose node key signs too."""

    network: Bytes32
    expires: Count
    nonce: Bytes16
    sponsor: Bytes32
    actions: Annotated[tuple[Action, ...], msgspec.Meta(min_length=1, max_length=512)]


class Signature(Record, frozen=True, tag="sig"):
    """One key's Ed25519 signature over the body's hash."""

    key: Bytes32
    signature: Bytes64


class Transaction(Record, frozen=True, tag="tx-1"):
    """Signatures are sorted by key, each key once, and none is there that no action needs."""

    body: Body
    signatures: Annotated[tuple[Signature, ...], msgspec.Meta(min_length=1, max_length=64)]


def body_hash(body: Body) -> BodyHash:
    """What every signer signs, and what replays are found by."""
    return BodyHash(tagged("salus/body/1", encode(body)))


def protects_rights(body: Body) -> bool:
    """Whether every action of the body is rights-protecting."""
    return all(isinstance(action, RIGHTS_PROTECTING) for action in body.actions)


def licence_id(body: BodyHash, index: int) -> LicenceId:
    """The id of the licence that action ``index`` of the body issues."""
    return LicenceId(tagged("salus/licence/1", body, index.to_bytes(4, "big")))
