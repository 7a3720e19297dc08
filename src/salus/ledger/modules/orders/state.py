"""What is kept: ``orders/<id>``, and ``orders/<id>/<number>`` of each report; the tables of an order's life and a report's."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from salus.codec import Record
from salus.crypto.hashing import tagged
from salus.ids import Bytes32, Count
from salus.ledger.modules.orders.messages import (
    MAX_REPORTS,
    AcceptOrder,
    AcknowledgeReport,
    CancelOrder,
    CollectSpecimen,
    Reason,
    RejectOrder,
    RejectSpecimen,
    ReportResult,
    ReportStatus,
    WithdrawOrder,
)
from salus.ledger.workflow import TIME, Table

DAY = 86_400_000  # ms
LONGEST = 366 * DAY  # from when it is placed until a final report is due
DUE_LEAST, DUE_MOST = 1_000, 31 * DAY  # from a report until somebody is to have acknowledged it
KEPT = 10 * 365 * DAY  # after a final report was due

NOBODY = bytes(32)


class OrderStatus(StrEnum):
    """The codes of FHIR's Task. What is ``failed`` has no final report in time; one that comes late is taken all the same."""

    REQUESTED = "requested"
    ACCEPTED = "accepted"
    IN_PROGRESS = "in-progress"  # a specimen is there
    COMPLETED = "completed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    FAILED = "failed"


class Attention(StrEnum):
    """Whether a person has seen a report."""

    AWAITED = "awaited"
    CLIMBED = "climbed"  # nobody has in time: the cover is told as well, and it stays so until somebody has
    ACKNOWLEDGED = "acknowledged"
    SUPERSEDED = "superseded"  # nobody had when the next report came, which is to be acknowledged in its place


_S, _A = OrderStatus, Attention

#: What moves an order, and where to.
TABLE: Table[OrderStatus] = {
    _S.REQUESTED: {
        AcceptOrder: (_S.ACCEPTED,),
        RejectOrder: (_S.REJECTED,),
        CancelOrder: (_S.CANCELLED,),
        WithdrawOrder: (_S.CANCELLED,),
        TIME: (_S.FAILED,),
    },
    _S.ACCEPTED: {
        CollectSpecimen: (_S.IN_PROGRESS,),
        RejectOrder: (_S.REJECTED,),
        CancelOrder: (_S.CANCELLED,),
        WithdrawOrder: (_S.CANCELLED,),
        TIME: (_S.FAILED,),
    },
    _S.IN_PROGRESS: {
        ReportResult: (_S.IN_PROGRESS, _S.COMPLETED),
        RejectSpecimen: (_S.ACCEPTED,),
        CancelOrder: (_S.CANCELLED,),
        TIME: (_S.FAILED,),
    },
    _S.FAILED: {ReportResult: (_S.FAILED, _S.COMPLETED)},
    _S.COMPLETED: {ReportResult: (_S.COMPLETED,)},
    _S.REJECTED: {},
    _S.CANCELLED: {},
}

#: What moves the attention that a report has.
ATTENTION: Table[Attention] = {
    _A.AWAITED: {AcknowledgeReport: (_A.ACKNOWLEDGED,), ReportResult: (_A.SUPERSEDED,), TIME: (_A.CLIMBED,)},
    _A.CLIMBED: {AcknowledgeReport: (_A.ACKNOWLEDGED,), ReportResult: (_A.SUPERSEDED,)},
    _A.ACKNOWLEDGED: {},
    _A.SUPERSEDED: {},
}


class Order(Record, frozen=True, tag="order"):
    """``licence``, ``responsible``, ``cover`` as placed; ``placed``, ``deadline``: block times in ms.

    ``holder``: the laboratory's key once it has accepted, ``laboratory``: the licence that did, else 0. ``specimen``: what it has
    collected, 0 where there is none. ``reason``: why a specimen or the order was rejected last. ``reports``: how many there are.
    """

    licence: Bytes32
    bearer: Bytes32
    control: Bytes32
    responsible: Bytes32
    cover: Bytes32
    content: Bytes32
    placed: Count
    deadline: Count
    status: OrderStatus
    holder: Bytes32 = NOBODY
    laboratory: Bytes32 = NOBODY
    specimen: Bytes32 = NOBODY
    reason: Reason | None = None
    reports: Annotated[int, msgspec.Meta(ge=0, le=MAX_REPORTS)] = 0


class Report(Record, frozen=True, tag="report"):
    """``licence``: who reported it ``at`` (ms); ``due``: until when somebody is to have acknowledged it (ms).

    ``by``: the licence of who has, ``seen``: when (ms); 0 before. ``climbed``: when it did (ms), or 0.
    """

    report: Bytes32
    status: ReportStatus
    licence: Bytes32
    at: Count
    due: Count
    attention: Attention
    climbed: Count = 0
    by: Bytes32 = NOBODY
    seen: Count = 0


def order_id(network: bytes, bearer: bytes) -> bytes:
    """The handle that what is ordered names: known before it is placed, and to nobody who does not know the bearer key."""
    return tagged("salus/order/1", network, bearer)


def order_hash(salt: bytes, content: bytes) -> bytes:
    """What the ledger holds of what is ordered: so that it is the orderer's, untouched; ``salt`` has 32 bytes by chance."""
    return tagged("salus/order-content/1", salt, content)


def specimen_hash(salt: bytes, specimen: bytes) -> bytes:
    """What the ledger holds of a specimen and the number under which the laboratory knows it."""
    return tagged("salus/specimen-content/1", salt, specimen)


def report_hash(salt: bytes, content: bytes) -> bytes:
    """What the ledger holds of what is reported: so that it is the laboratory's, untouched."""
    return tagged("salus/report-content/1", salt, content)


def order_key(order: bytes) -> bytes:
    """Where an order's leaf stands."""
    return b"orders/" + order


def report_key(order: bytes, number: int) -> bytes:
    """Where the leaf of its report of that number stands."""
    return b"orders/" + order + b"/" + number.to_bytes(1, "big")
