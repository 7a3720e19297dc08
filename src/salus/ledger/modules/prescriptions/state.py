"""What is kept: ``prescriptions/<id>``, and ``prescriptions/<id>/<number>`` of each of its fills; the table of a fill's life."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from salus.codec import Record
from salus.crypto.hashing import tagged
from salus.ids import Bytes32, Count
from salus.ledger.modules.prescriptions.messages import (
    MAX_FILLS,
    WHOLE,
    AcceptFill,
    AcknowledgeStop,
    CancelPrescription,
    CloseFill,
    DeletePrescription,
    DispenseFill,
    FreeFill,
    ReturnFill,
    RotateFill,
    StopPrescription,
    UndoFill,
)
from salus.ledger.workflow import TIME, Table

DAY = 86_400_000  # ms
LONGEST = 366 * DAY  # from its issue until a fill closes
HELD_LEAST, HELD_MOST = 3 * DAY, 14 * DAY  # that an acceptance may hold a fill
UNDONE_WITHIN = 30 * DAY  # after it was dispensed
KEPT = 3 * 365 * DAY  # after its last fill closes

NOBODY = bytes(32)


class FillStatus(StrEnum):
    """The codes of FHIR's Task and MedicationRequest. What was dispensed in part and freed is ``ready`` again."""

    READY = "ready"
    ACCEPTED = "accepted"
    ON_HOLD = "on-hold"  # stopped while a pharmacy holds it, which has not acknowledged yet
    COMPLETED = "completed"
    STOPPED = "stopped"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


_S = FillStatus

#: What moves a fill, and where to.
TABLE: Table[FillStatus] = {
    _S.READY: {
        AcceptFill: (_S.ACCEPTED,),
        RotateFill: (_S.READY,),
        CancelPrescription: (_S.CANCELLED,),
        DeletePrescription: (_S.CANCELLED,),
        StopPrescription: (_S.STOPPED,),
        TIME: (_S.EXPIRED,),
    },
    _S.ACCEPTED: {
        DispenseFill: (_S.COMPLETED, _S.ACCEPTED, _S.READY, _S.EXPIRED),
        UndoFill: (_S.ACCEPTED,),
        ReturnFill: (_S.READY, _S.EXPIRED),
        FreeFill: (_S.READY, _S.EXPIRED),
        StopPrescription: (_S.ON_HOLD,),
        TIME: (_S.READY, _S.EXPIRED),
    },
    _S.ON_HOLD: {AcknowledgeStop: (_S.STOPPED,), ReturnFill: (_S.STOPPED,), FreeFill: (_S.STOPPED,)},
    _S.COMPLETED: {UndoFill: (_S.ACCEPTED, _S.STOPPED), CloseFill: (_S.COMPLETED,), StopPrescription: (_S.COMPLETED,)},
    _S.STOPPED: {},
    _S.CANCELLED: {},
    _S.EXPIRED: {},
}


class Prescription(Record, frozen=True, tag="prescription"):
    """``licence``: its prescriber's; ``issued``, ``stopped``: block times in ms, the second 0 until it is stopped."""

    licence: Bytes32
    control: Bytes32
    content: Bytes32
    controlled: bool
    interval: Count
    fills: Annotated[int, msgspec.Meta(ge=1, le=MAX_FILLS)]
    issued: Count
    stopped: Count


class Fill(Record, frozen=True, tag="fill"):
    """``holder``: the pharmacy's key while it has it or had it last, ``licence``: of the pharmacist who acted last; else 0.

    ``until``: how long it is held (ms); ``dispensed``: thousandths in all, ``last`` of these at once at time ``at`` (ms).
    ``doubtful``: it was freed from a pharmacy that said nothing, and may have been dispensed there.
    """

    bearer: Bytes32
    opens: Count
    closes: Count
    status: FillStatus
    holder: Bytes32 = NOBODY
    licence: Bytes32 = NOBODY
    until: Count = 0
    dispensed: Annotated[int, msgspec.Meta(ge=0, le=WHOLE)] = 0
    last: Annotated[int, msgspec.Meta(ge=0, le=WHOLE)] = 0
    at: Count = 0
    doubtful: bool = False


def prescription_id(network: bytes, control: bytes) -> bytes:
    """The handle that the signed content names: known before it is issued, and to nobody who does not know the control key."""
    return tagged("salus/prescription/1", network, control)


def content_hash(salt: bytes, content: bytes) -> bytes:
    """What the ledger holds of what is prescribed: so that it is the prescriber's, untouched; ``salt`` has 32 bytes by chance."""
    return tagged("salus/prescription-content/1", salt, content)


def prescription_key(prescription: bytes) -> bytes:
    """Where a prescription's leaf stands."""
    return b"prescriptions/" + prescription


def fill_key(prescription: bytes, number: int) -> bytes:
    """Where the leaf of its fill of that number stands."""
    return b"prescriptions/" + prescription + b"/" + number.to_bytes(1, "big")
