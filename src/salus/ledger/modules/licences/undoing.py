"""Undoing what an issuer has issued since a height: so many licences a block, the earliest first, until none is left."""

from __future__ import annotations

import msgspec

from salus.codec import encode
from salus.ledger.context import Context
from salus.ledger.modules.licences.messages import LicenceStatus
from salus.ledger.modules.licences.queries import licence
from salus.ledger.modules.licences.state import StatusSince, issued_key, issued_range, licence_key

UNDO = "licences/undo"
AT_ONCE = 1000  # licences that are undone in one block


def undo_from(context: Context, issuer: bytes, height: int) -> None:
    """Begin with the next block."""
    context.at(context.time + 1, UNDO, issued_key(issuer, height, b""))


def undo(context: Context, subject: bytes) -> None:
    """Undo the licences whose index keys stand at ``subject`` or behind it, as many as one block takes."""
    found = list(context.state.keys(*issued_range(subject)))
    for key in found[:AT_ONCE]:
        identity = key[-32:]
        undone = licence(context.state, identity)
        began = undone.intervals[0]
        never = (StatusSince(LicenceStatus.UNDONE, began.time, began.height),)
        context.state.put(licence_key(identity), encode(msgspec.structs.replace(undone, intervals=never)))
        context.state.remove(key)
    if len(found) > AT_ONCE:
        context.at(context.time + 1, UNDO, subject)
