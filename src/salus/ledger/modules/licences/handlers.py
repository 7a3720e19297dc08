"""Issuing licences and moving them through their lifecycle."""

from __future__ import annotations

import msgspec

from salus.crypto.signing import require_sound_key
from salus.errors import LedgerRefused
from salus.ids import VerifyKey
from salus.ledger.context import Context
from salus.ledger.module import Handler, Module
from salus.ledger.modules.licences.messages import IssueLicence, LicenceStatus, SetLicenceStatus
from salus.ledger.modules.licences.queries import licence
from salus.ledger.modules.licences.state import LIFECYCLE, MAX_CHANGES, Issued, Licence, StatusSince, issued_key, licence_key
from salus.ledger.modules.licences.undoing import UNDO, undo
from salus.ledger.modules.members.queries import known_member, member
from salus.ledger.store import Reader
from salus.ledger.tx import licence_id


def _issuer_key(reader: Reader, message: IssueLicence) -> tuple[VerifyKey, ...]:
    return (VerifyKey(member(reader, message.issuer).authority),)


def _issue(context: Context, message: IssueLicence) -> None:
    rights = member(context.state, message.issuer).rights
    if any(right not in rights for right in message.rights):
        raise LedgerRefused("right-not-given", "the issuer may not license this right")
    require_sound_key(message.holder)
    began = StatusSince(LicenceStatus.ACTIVE, context.time, context.height)
    identity = licence_id(context.body, context.index)
    context.put(issued_key(message.issuer, context.height, identity), Issued(context.height))
    context.put(
        licence_key(identity),
        Licence(message.issuer, message.person, message.holder, message.card, message.rights, message.expires, (began,)),
    )


def _licence_issuer(reader: Reader, message: SetLicenceStatus) -> tuple[VerifyKey, ...]:
    return (VerifyKey(known_member(reader, licence(reader, message.licence).issuer).authority),)


def _set_status(context: Context, message: SetLicenceStatus) -> None:
    found = licence(context.state, message.licence)
    if message.status not in LIFECYCLE[found.intervals[-1].status]:
        raise LedgerRefused("wrong-status", "the licence cannot move to this status")
    if message.status is LicenceStatus.ACTIVE:
        member(context.state, found.issuer)  # one that was removed may take its licences back, and no more
    if len(found.intervals) == MAX_CHANGES:
        raise LedgerRefused("too-many-changes", "the licence has changed too often; issue another")
    since = StatusSince(message.status, context.time, context.height)
    context.put(licence_key(message.licence), msgspec.structs.replace(found, intervals=(*found.intervals, since)))


MODULE = Module(
    "licences",
    {IssueLicence: Handler(_issuer_key, _issue), SetLicenceStatus: Handler(_licence_issuer, _set_status)},
    due={UNDO: undo},
)
