"""Issuing, accepting, dispensing, stopping: who must sign, and what moves."""

from __future__ import annotations

from typing import Any

import msgspec

from salus.crypto.signing import require_sound_key
from salus.errors import LedgerRefused
from salus.ids import VerifyKey
from salus.ledger.context import Context
from salus.ledger.genesis import LicenceRight
from salus.ledger.module import Handler, Module
from salus.ledger.modules.licences.queries import licence, require_right
from salus.ledger.modules.prescriptions.messages import (
    WHOLE,
    AcceptFill,
    AcknowledgeStop,
    CancelPrescription,
    CloseFill,
    DeletePrescription,
    DispenseFill,
    FreeFill,
    Identified,
    IssuePrescription,
    NewFill,
    Rest,
    ReturnFill,
    RotateFill,
    StopPrescription,
    TakePrescription,
    UndoFill,
)
from salus.ledger.modules.prescriptions.queries import fill, fills, prescription
from salus.ledger.modules.prescriptions.state import (
    DAY,
    HELD_LEAST,
    HELD_MOST,
    KEPT,
    LONGEST,
    NOBODY,
    TABLE,
    UNDONE_WITHIN,
    Fill,
    FillStatus,
    Prescription,
    fill_key,
    prescription_id,
    prescription_key,
)
from salus.ledger.store import Reader
from salus.ledger.workflow import TIME, conflict, require_move

CLOSE, FREE, FORGET = "prescriptions/close", "prescriptions/free", "prescriptions/forget"

_S = FillStatus


# --- who must sign


def _licensed(reader: Reader, message: IssuePrescription) -> tuple[VerifyKey, ...]:
    return (VerifyKey(licence(reader, message.licence).holder),)


def _bearer(reader: Reader, message: AcceptFill) -> tuple[VerifyKey, ...]:
    bearer = fill(reader, message.prescription, message.fill).bearer
    return VerifyKey(bearer), VerifyKey(licence(reader, message.licence).holder)


def _holder(reader: Reader, message: Any) -> tuple[VerifyKey, ...]:
    """Where nobody holds it, nobody can sign; what stands there then says why it is refused."""
    found = fill(reader, message.prescription, message.fill)
    if found.holder == NOBODY:
        raise conflict(found.status)
    return (VerifyKey(found.holder),)


def _dispensing(reader: Reader, message: DispenseFill) -> tuple[VerifyKey, ...]:
    return *_holder(reader, message), VerifyKey(licence(reader, message.licence).holder)


def _prescriber(reader: Reader, message: Any) -> tuple[VerifyKey, ...]:
    return (VerifyKey(licence(reader, prescription(reader, message.prescription).licence).holder),)


def _patient(reader: Reader, message: Any) -> tuple[VerifyKey, ...]:
    return (VerifyKey(prescription(reader, message.prescription).control),)


# --- the prescriber


def _issue(context: Context, message: IssuePrescription) -> None:
    right = LicenceRight.PRESCRIBE_CONTROLLED if message.controlled else LicenceRight.PRESCRIBE
    require_right(context.state, message.licence, right, context.time)
    require_sound_key(message.control)
    identity = prescription_id(context.network, message.control)
    if context.state.get(prescription_key(identity)) is not None:
        raise LedgerRefused("handle-taken", "there is a prescription under this key already")
    if message.controlled and len(message.fills) > 1:
        raise LedgerRefused("controlled-once", "a controlled substance is prescribed for one fill")
    for number, new in enumerate(message.fills):
        _require_window(context, new)
        context.put(fill_key(identity, number), Fill(new.bearer, new.opens, new.closes, _S.READY))
        context.at(new.closes, CLOSE, identity + number.to_bytes(1, "big"))
    made = Prescription(
        message.licence,
        message.control,
        message.content,
        message.controlled,
        message.interval,
        len(message.fills),
        context.time,
        0,
    )
    context.put(prescription_key(identity), made)
    context.at(max(new.closes for new in message.fills) + KEPT, FORGET, identity)


def _require_window(context: Context, new: NewFill) -> None:
    require_sound_key(new.bearer)
    if new.closes <= max(new.opens, context.time) or new.closes > context.time + LONGEST:
        raise LedgerRefused("wrong-window", f"a fill closes after it opens, and within {LONGEST // DAY} days")


def _cancel(context: Context, message: CancelPrescription) -> None:
    found = fills(context.state, message.prescription)
    if any(one.dispensed or one.doubtful for one in found):
        raise LedgerRefused("taken-before", "something of it was, or may have been, dispensed: stop it")
    _move_ready(context, message, found, spared=(_S.EXPIRED,))


def _stop(context: Context, message: StopPrescription) -> None:
    found, there = fills(context.state, message.prescription), prescription(context.state, message.prescription)
    if there.stopped:
        raise conflict(_S.STOPPED)
    moved = {number: _STOPPED[one.status] for number, one in enumerate(found) if one.status in _STOPPED}
    if not moved:
        raise conflict(found[0].status)
    for number, to in moved.items():
        _put(context, message, number, found[number], to)
    context.put(prescription_key(message.prescription), msgspec.structs.replace(there, stopped=context.time))


_STOPPED = {_S.READY: _S.STOPPED, _S.ACCEPTED: _S.ON_HOLD, _S.COMPLETED: _S.COMPLETED}


def _free(context: Context, message: FreeFill) -> None:
    found = fill(context.state, message.prescription, message.fill)
    _let_go(context, message, found, doubtful=True)


# --- the patient


def _take(context: Context, message: TakePrescription) -> None:
    require_sound_key(message.control)
    found = prescription(context.state, message.prescription)
    context.put(prescription_key(message.prescription), msgspec.structs.replace(found, control=message.control))


def _rotate(context: Context, message: RotateFill) -> None:
    require_sound_key(message.bearer)
    found = fill(context.state, message.prescription, message.fill)
    _put(context, message, message.fill, found, _S.READY, bearer=message.bearer)


def _delete(context: Context, message: DeletePrescription) -> None:
    _move_ready(context, message, fills(context.state, message.prescription), spared=(_S.COMPLETED, _S.EXPIRED, _S.STOPPED))


def _move_ready(context: Context, message: Any, found: tuple[Fill, ...], spared: tuple[FillStatus, ...]) -> None:
    """Cancel every fill that is ready; at least one is, and every other one may stay as it is."""
    moved = {number: one for number, one in enumerate(found) if one.status not in spared}
    for number, one in (moved or {0: found[0]}).items():
        _put(context, message, number, one, _S.CANCELLED)


# --- the pharmacy


def _accept(context: Context, message: AcceptFill) -> None:
    require_right(context.state, message.licence, LicenceRight.DISPENSE, context.time)
    require_sound_key(message.holder)
    there, found = prescription(context.state, message.prescription), fill(context.state, message.prescription, message.fill)
    require_move(TABLE, found.status, AcceptFill, _S.ACCEPTED)
    if context.time < found.opens:
        raise LedgerRefused("not-open-yet", "this fill is for later")
    _require_interval(context, message, there)
    if not HELD_LEAST <= message.until - context.time <= HELD_MOST:
        raise LedgerRefused("wrong-deadline", f"a fill is held for {HELD_LEAST // DAY} to {HELD_MOST // DAY} days")
    _put(
        context,
        message,
        message.fill,
        found,
        _S.ACCEPTED,
        holder=message.holder,
        licence=message.licence,
        until=message.until,
        last=0,
    )
    context.at(message.until, FREE, message.prescription + message.fill.to_bytes(1, "big"))


def _require_interval(context: Context, message: AcceptFill, there: Prescription) -> None:
    others = [one for number, one in enumerate(fills(context.state, message.prescription)) if number != message.fill]
    if any(one.dispensed and context.time < one.at + there.interval for one in others):
        raise LedgerRefused("too-early", "the fill before was dispensed too short a time ago")


def _dispense(context: Context, message: DispenseFill) -> None:
    require_right(context.state, message.licence, LicenceRight.DISPENSE, context.time)
    there, found = prescription(context.state, message.prescription), fill(context.state, message.prescription, message.fill)
    require_move(TABLE, found.status, DispenseFill, _S.ACCEPTED)
    if there.controlled and message.identified is Identified.NOT:
        raise LedgerRefused("not-identified", "whoever fetches a controlled substance is identified")
    dispensed = found.dispensed + message.share
    if dispensed > WHOLE:
        raise LedgerRefused("too-much", "more than was ordered")
    whole = dispensed == WHOLE or message.rest is Rest.CLOSE
    free = _S.READY if context.time < found.closes else _S.EXPIRED
    to = _S.COMPLETED if whole else free if message.rest is Rest.FREE else _S.ACCEPTED
    changed: dict[str, Any] = {"dispensed": dispensed, "last": message.share, "at": context.time, "licence": message.licence}
    if to is free:
        changed |= {"holder": NOBODY, "last": 0}
    _put(context, message, message.fill, found, to, **changed)


def _undo(context: Context, message: UndoFill) -> None:
    found = fill(context.state, message.prescription, message.fill)
    stopped = prescription(context.state, message.prescription).stopped and found.status is _S.COMPLETED
    to = require_move(TABLE, found.status, UndoFill, _S.STOPPED if stopped else _S.ACCEPTED)
    if not found.last:
        raise LedgerRefused("nothing-dispensed", "nothing was dispensed that could be undone")
    if context.time > found.at + UNDONE_WITHIN:
        raise LedgerRefused("too-late", f"what was dispensed is undone within {UNDONE_WITHIN // DAY} days")
    until = max(found.until, context.time + HELD_LEAST)
    _put(context, message, message.fill, found, to, dispensed=found.dispensed - found.last, last=0, until=until)
    if to is _S.ACCEPTED:
        context.at(until, FREE, message.prescription + message.fill.to_bytes(1, "big"))


def _collected(context: Context, message: CloseFill) -> None:
    found = fill(context.state, message.prescription, message.fill)
    if found.status is _S.COMPLETED and not found.last:
        raise LedgerRefused("nothing-dispensed", "nothing was dispensed that could still be undone")
    _put(context, message, message.fill, found, _S.COMPLETED, last=0)


def _return(context: Context, message: ReturnFill) -> None:
    _let_go(context, message, fill(context.state, message.prescription, message.fill), doubtful=False)


def _acknowledge(context: Context, message: AcknowledgeStop) -> None:
    found = fill(context.state, message.prescription, message.fill)
    _put(context, message, message.fill, found, _S.STOPPED)


def _let_go(context: Context, message: Any, found: Fill, *, doubtful: bool) -> None:
    """The pharmacy has it no longer; for others, where it was not stopped and is not over."""
    free = _S.READY if context.time < found.closes else _S.EXPIRED
    to = _S.STOPPED if found.status is _S.ON_HOLD else free
    _put(context, message, message.fill, found, to, holder=NOBODY, last=0, doubtful=found.doubtful or doubtful)


# --- time


def _close(context: Context, subject: bytes) -> None:
    """Nobody has come for it in time."""
    identity, number = subject[:-1], subject[-1]
    found = fill(context.state, identity, number)
    if found.status is _S.READY:
        to = require_move(TABLE, found.status, TIME, _S.EXPIRED)
        context.put(fill_key(identity, number), msgspec.structs.replace(found, status=to))


def _expect(context: Context, subject: bytes) -> None:
    """A pharmacy has said nothing for so long that others may have it; a controlled substance its prescriber alone frees."""
    identity, number = subject[:-1], subject[-1]
    found = fill(context.state, identity, number)
    if found.status is not _S.ACCEPTED or context.time < found.until or prescription(context.state, identity).controlled:
        return
    to = require_move(TABLE, found.status, TIME, _S.READY if context.time < found.closes else _S.EXPIRED)
    context.put(fill_key(identity, number), msgspec.structs.replace(found, status=to, holder=NOBODY, last=0, doubtful=True))


def _forget(context: Context, subject: bytes) -> None:
    for number in range(prescription(context.state, subject).fills):
        context.state.remove(fill_key(subject, number))
    context.state.remove(prescription_key(subject))


def _put(context: Context, message: Any, number: int, found: Fill, to: FillStatus, **changed: Any) -> None:
    """Move a fill, where the table lets the message do so."""
    require_move(TABLE, found.status, type(message), to)
    context.put(fill_key(message.prescription, number), msgspec.structs.replace(found, status=to, **changed))


MODULE = Module(
    "prescriptions",
    {
        IssuePrescription: Handler(_licensed, _issue),
        AcceptFill: Handler(_bearer, _accept),
        DispenseFill: Handler(_dispensing, _dispense),
        UndoFill: Handler(_holder, _undo),
        CloseFill: Handler(_holder, _collected),
        ReturnFill: Handler(_holder, _return),
        FreeFill: Handler(_prescriber, _free),
        TakePrescription: Handler(_patient, _take),
        RotateFill: Handler(_patient, _rotate),
        CancelPrescription: Handler(_prescriber, _cancel),
        DeletePrescription: Handler(_patient, _delete),
        StopPrescription: Handler(_prescriber, _stop),
        AcknowledgeStop: Handler(_holder, _acknowledge),
    },
    due={CLOSE: _close, FREE: _expect, FORGET: _forget},
)
