"""What others may read of schedules and appointments."""

from __future__ import annotations

from salus.errors import LedgerRefused
from salus.ledger.modules.scheduling.state import Appointment, Schedule, appointment_key, schedule_key
from salus.ledger.store import Reader, load


def schedule(reader: Reader, identity: bytes) -> Schedule:
    """The schedule; `LedgerRefused` ``no-such-schedule`` otherwise."""
    found = load(reader, schedule_key(identity), Schedule)
    if found is None:
        raise LedgerRefused("no-such-schedule", "no schedule of this id")
    return found


def appointment(reader: Reader, identity: bytes) -> Appointment:
    """The appointment; `LedgerRefused` ``no-such-appointment`` otherwise."""
    found = load(reader, appointment_key(identity), Appointment)
    if found is None:
        raise LedgerRefused("no-such-appointment", "no appointment of this id")
    return found
