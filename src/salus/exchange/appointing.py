"""Letters around an appointment: who comes and why, for the practice alone; and what the practice has to say.

The ledger says what becomes of an appointment. No letter is needed for that, and none is believed against it.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from salus.codec import Record, encode
from salus.crypto.hashing import tagged
from salus.crypto.signing import SigningKey, require_signature
from salus.exchange.prescribing import BORN, Name
from salus.exchange.schedules import SignedAbout
from salus.ids import Bytes32, Bytes64, VerifyKey

BOOKING_TAG = "salus/booking/1"
MAX_WORDS = 1_000

Words = Annotated[str, msgspec.Meta(max_length=MAX_WORDS)]
Phone = Annotated[str, msgspec.Meta(max_length=64)]


class BookingLetter(Record, frozen=True, tag="booking-letter-1"):
    """From the patient to a practice at which the appointment is: who comes, and why, in words.

    ``born`` is FHIR's date, or "". ``grant``: the consent that ends with the visit, where one was given. ``signature`` is by the
    appointment's key, over all else and the sender's person: a handle is public, and nobody introduces themselves for another.
    """

    appointment: Bytes32
    name: Name
    born: Annotated[str, msgspec.Meta(max_length=10, pattern=BORN)]
    reason: Words
    phone: Phone
    grant: Bytes32 | None
    signature: Bytes64


class AppointmentLetter(Record, frozen=True, tag="appointment-letter-1"):
    """From the practice to the patient. ``patient``: the seed of the appointment's key, where the desk has booked.

    ``signed``: which schedule it is of; ``words``: what the practice has to say.
    """

    appointment: Bytes32
    patient: Bytes32 | None
    signed: SignedAbout
    words: Words


def sign_booking(key: SigningKey, letter: BookingLetter, person: bytes) -> BookingLetter:
    """The letter of ``person``, signed by the appointment's key."""
    return msgspec.structs.replace(letter, signature=key.sign(BOOKING_TAG, _digest(letter, person)))


def require_booking(letter: BookingLetter, patient: bytes, person: bytes) -> None:
    """Raise `bad-signature` unless whoever has the appointment's key ``patient`` wrote it, as ``person``."""
    require_signature(VerifyKey(patient), BOOKING_TAG, _digest(letter, person), letter.signature)


def _digest(letter: BookingLetter, person: bytes) -> bytes:
    return tagged("salus/booking-letter/1", person, encode(msgspec.structs.replace(letter, signature=bytes(64))))
