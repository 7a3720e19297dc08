"""Orders and results as people hand them on: letters whose contents the ledger holds hashes of.

A result is genuine by what the ledger has of it, whoever brings it: the laboratory, or a physician who releases it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from salus.codec import Record
from salus.exchange.cards import SignedCard
from salus.exchange.prescribing import BORN, Name
from salus.ids import Bytes32
from salus.ledger.modules.orders.messages import Number

MAX_REQUEST = 16_384  # bytes of FHIR
MAX_REPORT = 262_144
MAX_LETTER = 16_384  # bytes of what a referral says, in UTF-8


class Category(StrEnum):
    """What kind of order it is: patients choose by it when they see results."""

    LABORATORY = "laboratory"
    MICROBIOLOGY = "microbiology"
    PATHOLOGY = "pathology"
    GENETICS = "genetics"
    IMAGING = "imaging"
    REFERRAL = "referral"


class Timing(StrEnum):
    """When a patient gets a result; it never delays a clinician."""

    AT_ONCE = "at-once"
    AFTER_PHYSICIAN = "after-physician"  # once a physician has acknowledged it
    AT_VISIT = "at-visit"  # when a physician gives it out


class OrderContent(Record, frozen=True, tag="order-content-1"):
    """What is ordered: ``request`` is a FHIR R4 ServiceRequest whose identifier names the handle ``order``.

    ``person`` is the patient's id; the name ``patient`` with ``born`` (FHIR's date, or "") or ``number`` are what a laboratory
    holds against whoever comes. ``orderer`` is a name. ``confidential``: for the patient's own eyes. ``adds_to``: the order whose
    specimen is used, or 0. ``letter``: a referral's.
    """

    order: Bytes32
    request: Annotated[bytes, msgspec.Meta(min_length=2, max_length=MAX_REQUEST)]
    person: Bytes32
    patient: Name
    born: Annotated[str, msgspec.Meta(max_length=10, pattern=BORN)]
    number: Annotated[str, msgspec.Meta(max_length=64)]
    orderer: Name
    licence: Bytes32
    category: Category
    confidential: bool
    adds_to: Bytes32
    letter: Annotated[bytes, msgspec.Meta(max_length=MAX_LETTER)]


class OrderLetter(Record, frozen=True, tag="order-letter-1"):
    """From the orderer to a laboratory: the seed of the bearer key, what is ordered, and whom to tell."""

    bearer: Bytes32
    salt: Bytes32
    content: OrderContent
    patient: SignedCard
    responsible: SignedCard
    cover: SignedCard


class OrderedLetter(Record, frozen=True, tag="ordered-letter-1"):
    """From the orderer to the patient, with the seed of the control key; and to who is responsible or covers, without."""

    control: Bytes32 | None
    salt: Bytes32
    content: OrderContent
    laboratory: SignedCard


class ReportContent(Record, frozen=True, tag="report-content-1"):
    """What is reported: ``report`` is a FHIR R4 Bundle; ``laboratory`` is a name, ``licence`` what it is reported by."""

    order: Bytes32
    number: Number
    report: Annotated[bytes, msgspec.Meta(min_length=2, max_length=MAX_REPORT)]
    laboratory: Name
    licence: Bytes32


class ResultLetter(Record, frozen=True, tag="result-letter-1"):
    """A report, with what was ordered: both salts, so that each is held against the ledger. ``patient``: for clinicians alone."""

    order_salt: Bytes32
    order: OrderContent
    report_salt: Bytes32
    report: ReportContent
    patient: SignedCard | None


class ReleasePreference(Record, frozen=True, tag="release-preference-1"):
    """From the patient to a laboratory: when the results of an order are to come."""

    order: Bytes32
    timing: Timing
