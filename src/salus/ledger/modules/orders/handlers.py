"""Ordering, accepting, collecting, reporting, acknowledging: who must sign, and what moves."""

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
from salus.ledger.modules.orders.messages import (
    AcceptOrder,
    AcknowledgeReport,
    CancelOrder,
    CollectSpecimen,
    PlaceOrder,
    RejectOrder,
    RejectSpecimen,
    ReportResult,
    ReportStatus,
    WithdrawOrder,
)
from salus.ledger.modules.orders.queries import order, report
from salus.ledger.modules.orders.state import (
    ATTENTION,
    DAY,
    DUE_LEAST,
    DUE_MOST,
    KEPT,
    LONGEST,
    NOBODY,
    TABLE,
    Attention,
    Order,
    OrderStatus,
    Report,
    order_id,
    order_key,
    report_key,
)
from salus.ledger.store import Reader, load
from salus.ledger.workflow import TIME, conflict, require_move

FAIL, CLIMB, FORGET = "orders/fail", "orders/climb", "orders/forget"

_S, _A = OrderStatus, Attention


# --- who must sign


def _licensed(reader: Reader, message: Any) -> tuple[VerifyKey, ...]:
    return (VerifyKey(licence(reader, message.licence).holder),)


def _bearer(reader: Reader, message: AcceptOrder) -> tuple[VerifyKey, ...]:
    return VerifyKey(order(reader, message.order).bearer), *_licensed(reader, message)


def _holder(reader: Reader, message: Any) -> tuple[VerifyKey, ...]:
    """Where nobody holds it, nobody can sign; what stands there then says why it is refused."""
    found = order(reader, message.order)
    if found.holder == NOBODY:
        raise conflict(found.status)
    return (VerifyKey(found.holder),)


def _holder_or_bearer(reader: Reader, message: RejectOrder) -> tuple[VerifyKey, ...]:
    found = order(reader, message.order)
    return (VerifyKey(found.bearer if found.holder == NOBODY else found.holder),)


def _reporting(reader: Reader, message: ReportResult) -> tuple[VerifyKey, ...]:
    return *_holder(reader, message), *_licensed(reader, message)


def _orderer(reader: Reader, message: CancelOrder) -> tuple[VerifyKey, ...]:
    return (VerifyKey(licence(reader, order(reader, message.order).licence).holder),)


def _patient(reader: Reader, message: WithdrawOrder) -> tuple[VerifyKey, ...]:
    control = order(reader, message.order).control
    if control == NOBODY:
        raise LedgerRefused("no-control-key", "the patient was given no key to this order")
    return (VerifyKey(control),)


# --- the orderer, the patient, and who is responsible


def _place(context: Context, message: PlaceOrder) -> None:
    for identity in (message.licence, message.responsible, message.cover):
        require_right(context.state, identity, LicenceRight.ORDER, context.time)
    require_sound_key(message.bearer)
    if message.control != NOBODY:
        require_sound_key(message.control)
    identity = order_id(context.network, message.bearer)
    if context.state.get(order_key(identity)) is not None:
        raise LedgerRefused("handle-taken", "there is an order under this key already")
    if not context.time < message.deadline <= context.time + LONGEST:
        raise LedgerRefused("wrong-deadline", f"a report is due later than now, and within {LONGEST // DAY} days")
    made = Order(
        message.licence,
        message.bearer,
        message.control,
        message.responsible,
        message.cover,
        message.content,
        context.time,
        message.deadline,
        _S.REQUESTED,
    )
    context.put(order_key(identity), made)
    context.at(message.deadline, FAIL, identity)
    context.at(message.deadline + KEPT, FORGET, identity)


def _cancel(context: Context, message: CancelOrder) -> None:
    found = order(context.state, message.order)
    require_move(TABLE, found.status, CancelOrder, _S.CANCELLED)
    if found.reports:
        raise LedgerRefused("reported-before", "something of it was reported: it takes its course")
    _put(context, message, found, _S.CANCELLED)


def _withdraw(context: Context, message: WithdrawOrder) -> None:
    _put(context, message, order(context.state, message.order), _S.CANCELLED)


def _acknowledge(context: Context, message: AcknowledgeReport) -> None:
    there, found = order(context.state, message.order), report(context.state, message.order, message.number)
    if message.licence not in (there.responsible, there.cover):
        raise LedgerRefused("not-responsible", "a report is acknowledged by who is responsible, or covers")
    require_right(context.state, message.licence, LicenceRight.ORDER, context.time)
    to = require_move(ATTENTION, found.attention, AcknowledgeReport, _A.ACKNOWLEDGED)
    seen = msgspec.structs.replace(found, attention=to, by=message.licence, seen=context.time)
    context.put(report_key(message.order, message.number), seen)


# --- the laboratory


def _accept(context: Context, message: AcceptOrder) -> None:
    require_right(context.state, message.licence, LicenceRight.REPORT, context.time)
    require_sound_key(message.holder)
    found = order(context.state, message.order)
    _put(context, message, found, _S.ACCEPTED, holder=message.holder, laboratory=message.licence)


def _reject(context: Context, message: RejectOrder) -> None:
    _put(context, message, order(context.state, message.order), _S.REJECTED, reason=message.reason)


def _collect(context: Context, message: CollectSpecimen) -> None:
    _put(context, message, order(context.state, message.order), _S.IN_PROGRESS, specimen=message.specimen)


def _reject_specimen(context: Context, message: RejectSpecimen) -> None:
    found = order(context.state, message.order)
    _put(context, message, found, _S.ACCEPTED, specimen=NOBODY, reason=message.reason)


def _report(context: Context, message: ReportResult) -> None:
    require_right(context.state, message.licence, LicenceRight.REPORT, context.time)
    found = order(context.state, message.order)
    corrects = message.status is ReportStatus.CORRECTED
    to = found.status if message.status is ReportStatus.PRELIMINARY else _S.COMPLETED
    require_move(TABLE, found.status, ReportResult, to)
    if found.specimen == NOBODY:  # it failed before anything was collected
        raise conflict(found.status)
    if message.follows != found.reports:
        raise LedgerRefused("not-the-next-report", "there are more reports, or fewer, than this one follows")
    if corrects is not (found.status is _S.COMPLETED):
        raise LedgerRefused("wrong-report-status", "a final report is corrected, and only that")
    if not DUE_LEAST <= message.due - context.time <= DUE_MOST:
        raise LedgerRefused("wrong-deadline", f"a report is acknowledged within a second to {DUE_MOST // DAY} days")
    _put(context, message, found, to, reports=found.reports + 1)
    _put_report(context, message, found.reports)


def _put_report(context: Context, message: ReportResult, number: int) -> None:
    """The report's leaf. One before it that nobody has acknowledged gives it its own urgency: no correction makes red go."""
    due, climbed = message.due, 0
    if number:
        before = report(context.state, message.order, number - 1)
        if ReportResult in ATTENTION[before.attention]:
            due, climbed = min(due, before.due), before.climbed
            passed = msgspec.structs.replace(before, attention=_A.SUPERSEDED)
            context.put(report_key(message.order, number - 1), passed)
    attention = _A.CLIMBED if climbed else _A.AWAITED
    made = Report(message.report, message.status, message.licence, context.time, due, attention, climbed)
    context.put(report_key(message.order, number), made)
    context.at(due, CLIMB, message.order + number.to_bytes(1, "big"))


# --- time


def _fail(context: Context, subject: bytes) -> None:
    """No final report has come in time."""
    found = order(context.state, subject)
    if TIME in TABLE[found.status]:
        context.put(order_key(subject), msgspec.structs.replace(found, status=require_move(TABLE, found.status, TIME, _S.FAILED)))


def _climb(context: Context, subject: bytes) -> None:
    """Nobody has acknowledged the report in time; it may be forgotten by now."""
    identity, number = subject[:-1], subject[-1]
    found = load(context.state, report_key(identity, number), Report)
    if found is not None and TIME in ATTENTION[found.attention]:
        to = require_move(ATTENTION, found.attention, TIME, _A.CLIMBED)
        context.put(report_key(identity, number), msgspec.structs.replace(found, attention=to, climbed=context.time))


def _forget(context: Context, subject: bytes) -> None:
    for number in range(order(context.state, subject).reports):
        context.state.remove(report_key(subject, number))
    context.state.remove(order_key(subject))


def _put(context: Context, message: Any, found: Order, to: OrderStatus, **changed: Any) -> None:
    """Move an order, where the table lets the message do so."""
    require_move(TABLE, found.status, type(message), to)
    context.put(order_key(message.order), msgspec.structs.replace(found, status=to, **changed))


MODULE = Module(
    "orders",
    {
        PlaceOrder: Handler(_licensed, _place),
        AcceptOrder: Handler(_bearer, _accept),
        RejectOrder: Handler(_holder_or_bearer, _reject),
        CollectSpecimen: Handler(_holder, _collect),
        RejectSpecimen: Handler(_holder, _reject_specimen),
        ReportResult: Handler(_reporting, _report),
        AcknowledgeReport: Handler(_licensed, _acknowledge),
        CancelOrder: Handler(_orderer, _cancel),
        WithdrawOrder: Handler(_patient, _withdraw),
    },
    due={FAIL: _fail, CLIMB: _climb, FORGET: _forget},
)
