"""What may be asked of prescriptions. No drug, dose or name is in any of it: handles, keys, licences, times and shares."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from salus.codec import Record
from salus.ids import Bytes32, Count

MAX_FILLS = 13  # one every four weeks of a year
WHOLE = 1_000  # a fill, in thousandths: how many tablets it has is nobody's business

Index = Annotated[int, msgspec.Meta(ge=0, lt=MAX_FILLS)]


class Identified(StrEnum):
    """How whoever fetched it was identified; wire values are stable."""

    NOT = "not"
    KNOWN = "known"  # to the pharmacy, in person
    DOCUMENT = "document"  # by an official document with a picture


class Reason(StrEnum):
    """Why a pharmacy hands a fill back; wire values are stable."""

    OUT_OF_STOCK = "out-of-stock"
    NOT_SUITABLE = "not-suitable"  # the pharmacist will not dispense this to this patient
    UNCLEAR = "unclear"
    PATIENT_REQUEST = "patient-request"


class Rest(StrEnum):
    """What becomes of the rest of a fill that was dispensed in part."""

    KEEP = "keep"  # the same pharmacy will dispense it
    FREE = "free"  # any pharmacy may
    CLOSE = "close"  # nobody will


class NewFill(Record, frozen=True, tag="new-fill"):
    """One package, part or repeat: whoever signs by the key ``bearer`` may have it from ``opens`` until ``closes`` (ms)."""

    bearer: Bytes32
    opens: Count
    closes: Count


class IssuePrescription(Record, frozen=True, tag="issue-prescription"):
    """By the holder of ``licence``, for whom has the key ``control``. ``interval``: ms between two fills at least.

    ``content`` commits to what is prescribed (`content_hash`), and tells nothing of it.
    """

    licence: Bytes32
    control: Bytes32
    content: Bytes32
    controlled: bool
    interval: Count
    fills: Annotated[tuple[NewFill, ...], msgspec.Meta(min_length=1, max_length=MAX_FILLS)]


class AcceptFill(Record, frozen=True, tag="accept-fill"):
    """Signed by the fill's bearer key and the holder of ``licence``: as both sign over sponsor and pharmacist, nobody steals it.

    ``holder`` is a fresh key of the pharmacy, by which any colleague goes on; it holds the fill until ``until`` (ms).
    """

    prescription: Bytes32
    fill: Index
    licence: Bytes32
    holder: Bytes32
    until: Count


class DispenseFill(Record, frozen=True, tag="dispense-fill"):
    """``share`` of the fill, in thousandths, was handed over. By the holder, and by the holder of ``licence``."""

    prescription: Bytes32
    fill: Index
    licence: Bytes32
    share: Annotated[int, msgspec.Meta(ge=1, le=WHOLE)]
    rest: Rest
    identified: Identified


class UndoFill(Record, frozen=True, tag="undo-fill"):
    """What was dispensed last was never collected. By the holder."""

    prescription: Bytes32
    fill: Index


class ReturnFill(Record, frozen=True, tag="return-fill"):
    """The pharmacy hands the fill back. By the holder."""

    prescription: Bytes32
    fill: Index
    reason: Reason


class FreeFill(Record, frozen=True, tag="free-fill"):
    """The prescriber frees a fill whose pharmacy says nothing."""

    prescription: Bytes32
    fill: Index


class RotateFill(Record, frozen=True, tag="rotate-fill"):
    """The patient replaces the bearer key of a fill, as when its code was seen by others. By the control key."""

    prescription: Bytes32
    fill: Index
    bearer: Bytes32


class TakePrescription(Record, frozen=True, tag="take-prescription"):
    """The patient puts a key of the own wallet in the place of the control key that came with it. By the control key."""

    prescription: Bytes32
    control: Bytes32


class CancelPrescription(Record, frozen=True, tag="cancel-prescription"):
    """The prescriber takes it back before anybody has taken it."""

    prescription: Bytes32


class DeletePrescription(Record, frozen=True, tag="delete-prescription"):
    """The patient gives up what nobody works on. By the control key."""

    prescription: Bytes32


class StopPrescription(Record, frozen=True, tag="stop-prescription"):
    """The prescriber stops it, whoever has it: nothing more is dispensed."""

    prescription: Bytes32


class AcknowledgeStop(Record, frozen=True, tag="acknowledge-stop"):
    """The pharmacy has seen that it was stopped. By the holder."""

    prescription: Bytes32
    fill: Index


class CloseFill(Record, frozen=True, tag="close-fill"):
    """What was dispensed was collected: it is undone no more. By the holder."""

    prescription: Bytes32
    fill: Index
