"""Prescriptions that a principal of this home was given: what each device of the owner keeps of them."""

from __future__ import annotations

from salus.codec import Record
from salus.exchange.prescribing import PrescriptionLetter
from salus.ids import Count


class OwnPrescription(Record, frozen=True, tag="own-prescription"):
    """A prescription that came (ms); ``taken``: the ledger has a key of the own wallet in place of the one that came with it."""

    letter: PrescriptionLetter
    came: Count
    taken: bool


class Unnoted(Record, frozen=True, tag="unnoted-prescription"):
    """A prescription, by its handle, that the wallet has not noted for a recovery yet; ``due``: when it is to be (ms)."""

    due: Count
