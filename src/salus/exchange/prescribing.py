"""Prescriptions as people hand them on: what is prescribed, and the code that is shown for one fill of it.

The ledger holds a hash of the content alone, which the prescriber signed: whoever has a code holds it against the ledger, and
no node keeps anything. Its slip is for the time when no node can be reached.
"""

from __future__ import annotations

import base64
import binascii
import sys
from enum import StrEnum
from importlib import import_module
from typing import Annotated, Any

import msgspec

from salus.codec import Record, decode, encode
from salus.crypto.hashing import tagged
from salus.errors import AgentRefused, SalusError
from salus.exchange.references import CardReference
from salus.ids import Bytes32, Bytes64, Count
from salus.ledger.modules.prescriptions.messages import MAX_FILLS, WHOLE, Index

zstd: Any = import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")

PREFIX = "SALUS-RX-1:"
MAX_TEXT = 3_400  # characters, of 4,296 that a code of version 40-L has: so that a camera has room
MAX_REQUEST = 16_384  # bytes of FHIR
MAX_LIST = 8_192  # bytes of what is listed of a record
_MAX_PLAIN = MAX_REQUEST + 2_048 + MAX_LIST
_CHECK = 4  # bytes: that it was read right, not that it is genuine
_LEVEL = 19
_WINDOW_LOG = 17

BORN = r"^([0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?)?\Z"  # a date of FHIR, or nothing

MOST_ALLERGIES, MOST_MEDICATION, MOST_CODES = 32, 48, 3

ListedCode = Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class Content(Record, frozen=True, tag="prescription-content-1"):
    """What is prescribed: ``request`` is a FHIR R4 MedicationRequest whose identifier names the handle ``prescription``.

    ``patient`` and ``born`` (FHIR's date, or "") are what a pharmacy holds against a document; ``prescriber`` is a name,
    ``licence`` the id of what the prescriber signs by.
    """

    prescription: Bytes32
    request: Annotated[bytes, msgspec.Meta(min_length=2, max_length=MAX_REQUEST)]
    patient: Name
    born: Annotated[str, msgspec.Meta(max_length=10, pattern=BORN)]
    prescriber: Name
    licence: Bytes32
    substitution: bool


class PrescriptionLetter(Record, frozen=True, tag="prescription-letter-1"):
    """From the prescriber to the patient: the seeds of the control key and of each fill's bearer key, and what is prescribed.

    ``slips``: the prescriber's signature on the slip of each fill.
    """

    control: Bytes32
    bearers: Annotated[tuple[Bytes32, ...], msgspec.Meta(min_length=1, max_length=MAX_FILLS)]
    salt: Bytes32
    content: Content
    slips: Annotated[tuple[Bytes64, ...], msgspec.Meta(min_length=1, max_length=MAX_FILLS)]


class ListedItem(Record, frozen=True, tag="listed-item"):
    """A medicine or an allergy of a record: its words, and codes such as ``rxnorm:723``."""

    words: Annotated[str, msgspec.Meta(max_length=64)]
    codes: Annotated[tuple[ListedCode, ...], msgspec.Meta(max_length=MOST_CODES)]


class SharedRecord(Record, frozen=True, tag="shared-record-1"):
    """What the patient's wallet lists ``at`` (ms) of the record, for whoever is shown the code. Nobody has signed it.

    How many more there are, that had no room or could not be read, is counted. ``weight`` (g) and when it was taken (ms) are a
    child's; 0 for none.
    """

    at: Count
    allergies: Annotated[tuple[ListedItem, ...], msgspec.Meta(max_length=MOST_ALLERGIES)]
    medication: Annotated[tuple[ListedItem, ...], msgspec.Meta(max_length=MOST_MEDICATION)]
    more_allergies: Count
    more_medication: Count
    weight: Count
    weighed: Count


class FillSlip(Record, frozen=True, tag="fill-slip"):
    """A fill's window (ms) and whether it is of a controlled substance, as the prescriber signed it at issue."""

    opens: Count
    closes: Count
    controlled: bool
    signature: Bytes64


class PrescriptionCode(Record, frozen=True, tag="prescription-code-1"):
    """One fill, for whoever is shown it: the seed of its bearer key, and what the ledger holds the hash of.

    ``slip`` is what can be told genuine without the ledger; ``patient`` leads to the card of the patient's, where a pharmacy is
    to tell of what it has dispensed; ``record`` is what the patient lets it see of the record.
    """

    network: Bytes32
    fill: Index
    bearer: Bytes32
    salt: Bytes32
    content: Content
    slip: FillSlip
    patient: CardReference | None
    record: SharedRecord | None


class About(StrEnum):
    """What a letter about a prescription says; wire values are stable."""

    QUESTION = "question"  # a pharmacist asks the prescriber
    RENEWAL = "renewal"  # the patient asks the prescriber for another one
    ANSWER = "answer"  # the prescriber answers either
    STOPPED = "stopped"  # the prescriber has stopped it: urgent


class PrescriptionNote(Record, frozen=True, tag="prescription-note-1"):
    """A word about a prescription between prescriber, patient and pharmacist.

    ``licence``: the sender's, 32 zero bytes for a patient.
    """

    prescription: Bytes32
    about: About
    licence: Bytes32
    text: Annotated[str, msgspec.Meta(max_length=1_000)]


class DispensedNotice(Record, frozen=True, tag="dispensed-notice-1"):
    """From a pharmacist, by ``licence``: ``share`` (thousandths) of a fill was handed over ``at`` (ms, the block's time).

    Quantity, batch and ``product`` are words; ``product`` is what was handed over in place of what was prescribed, or "".
    """

    prescription: Bytes32
    fill: Index
    licence: Bytes32
    share: Annotated[int, msgspec.Meta(ge=1, le=WHOLE)]
    at: Count
    quantity: Annotated[str, msgspec.Meta(max_length=64)]
    batch: Annotated[str, msgspec.Meta(max_length=64)]
    product: Annotated[str, msgspec.Meta(max_length=128)]


def code_to_text(code: PrescriptionCode) -> str:
    """The code in the letters, digits and signs that QR codes hold most densely: base32 (RFC 4648) without padding.

    `AgentRefused` ``prescription-too-large`` where a camera could not well read it.
    """
    plain = encode(code)
    packed: bytes = zstd.compress(plain, options={zstd.CompressionParameter.compression_level: _LEVEL})
    text = PREFIX + base64.b32encode(_check(packed) + packed).decode("ascii").rstrip("=")
    if len(plain) > _MAX_PLAIN or len(text) > MAX_TEXT:
        raise AgentRefused("prescription-too-large", "what is prescribed is too long for a code that a camera reads")
    return text


def code_from_text(text: bytes) -> PrescriptionCode:
    """The code that `code_to_text` wrote, in capital or small letters; `AgentRefused` ``bad-prescription-code`` otherwise."""
    line = text.strip().upper()
    try:
        if len(line) > MAX_TEXT or not line.startswith(PREFIX.encode("ascii")):
            raise ValueError
        body = line[len(PREFIX) :]
        data = base64.b32decode(body + b"=" * (-len(body) % 8))
        packed = data[_CHECK:]
        if _check(packed) != data[:_CHECK]:
            raise ValueError
        return decode(_unpacked(packed), PrescriptionCode, limit=_MAX_PLAIN)
    except (ValueError, binascii.Error, zstd.ZstdError, SalusError) as error:
        raise AgentRefused("bad-prescription-code", "this is no prescription's code, or it was not read whole") from error


def _unpacked(packed: bytes) -> bytes:
    """One whole frame, of no more than a code may hold: a few bytes could open into very many."""
    expander = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _WINDOW_LOG})
    plain: bytes = expander.decompress(packed, max_length=_MAX_PLAIN)
    if not expander.eof or expander.unused_data:
        raise ValueError
    return plain


def _check(packed: bytes) -> bytes:
    return tagged("salus/prescription-code/1", packed)[:_CHECK]
