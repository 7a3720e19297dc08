"""What may be asked of orders. No test, value or name is in any of it: handles, keys, licences, hashes, times, coded reasons."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from salus.codec import Record
from salus.ids import Bytes32, Count

MAX_REPORTS = 256  # of one order, corrections among them

Number = Annotated[int, msgspec.Meta(ge=0, lt=MAX_REPORTS)]


class ReportStatus(StrEnum):
    """How far a report is; the codes of FHIR's DiagnosticReport. What is partial there is ``preliminary`` here."""

    PRELIMINARY = "preliminary"
    FINAL = "final"
    CORRECTED = "corrected"


class Reason(StrEnum):
    """Why a laboratory rejects a specimen, or an order; wire values are stable."""

    HAEMOLYSED = "haemolysed"
    CLOTTED = "clotted"
    INSUFFICIENT = "insufficient"
    CONTAMINATED = "contaminated"
    MISLABELLED = "mislabelled"
    TOO_OLD = "too-old"
    LOST = "lost"
    NOT_OFFERED = "not-offered"
    NO_CAPACITY = "no-capacity"
    UNCLEAR = "unclear"


class PlaceOrder(Record, frozen=True, tag="place-order"):
    """By the holder of ``licence``. Whoever signs by the fresh key ``bearer`` may take it; a report is due by ``deadline`` (ms).

    ``responsible`` and ``cover`` are licences: who acknowledges what is reported, and who does when nobody has. ``control``: the
    patient's key, by which the order is withdrawn, or 32 zero bytes. ``content`` commits to what is ordered (`order_hash`).
    """

    licence: Bytes32
    bearer: Bytes32
    control: Bytes32
    responsible: Bytes32
    cover: Bytes32
    content: Bytes32
    deadline: Count


class AcceptOrder(Record, frozen=True, tag="accept-order"):
    """Signed by the order's bearer key and the holder of ``licence``; by the fresh key ``holder`` any colleague goes on."""

    order: Bytes32
    licence: Bytes32
    holder: Bytes32


class RejectOrder(Record, frozen=True, tag="reject-order"):
    """The laboratory will not do it. By the holder; by the bearer key where nobody has taken it."""

    order: Bytes32
    reason: Reason


class CollectSpecimen(Record, frozen=True, tag="collect-specimen"):
    """A specimen is there; ``specimen`` commits to what it is, and under which number it is known. By the holder."""

    order: Bytes32
    specimen: Bytes32


class RejectSpecimen(Record, frozen=True, tag="reject-specimen"):
    """The specimen is of no use: another one is to be collected. By the holder."""

    order: Bytes32
    reason: Reason


class ReportResult(Record, frozen=True, tag="report-result"):
    """A report, after ``follows`` others: each names how many there were. By the holder, and by the holder of ``licence``.

    ``report`` commits to what is reported (`report_hash`); somebody is to have acknowledged it by ``due`` (ms).
    """

    order: Bytes32
    licence: Bytes32
    report: Bytes32
    status: ReportStatus
    follows: Number
    due: Count


class AcknowledgeReport(Record, frozen=True, tag="acknowledge-report"):
    """A person has seen the report of that number. By the holder of ``licence``, the responsible one or the cover."""

    order: Bytes32
    number: Number
    licence: Bytes32


class CancelOrder(Record, frozen=True, tag="cancel-order"):
    """The orderer takes it back, before anything is reported."""

    order: Bytes32


class WithdrawOrder(Record, frozen=True, tag="withdraw-order"):
    """The patient will not have it done, before a specimen is there. By the patient's key."""

    order: Bytes32
