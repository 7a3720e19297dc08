"""Publishing a preimage, and forgetting it when no window can still be open."""

from __future__ import annotations

from salus.errors import LedgerRefused
from salus.ids import VerifyKey
from salus.ledger.context import Context
from salus.ledger.module import Handler, Module
from salus.ledger.modules.revocations.messages import Revoke
from salus.ledger.modules.revocations.state import Revoked, revocation_id, revocation_key
from salus.ledger.store import Reader


def _nobody(reader: Reader, message: Revoke) -> tuple[VerifyKey, ...]:
    return ()


def _revoke(context: Context, message: Revoke) -> None:
    key = revocation_key(revocation_id(message.preimage))
    if context.state.get(key) is not None:
        raise LedgerRefused("already-revoked", "this link is revoked already")
    context.put(key, Revoked(context.time, context.height))
    context.at(context.time + context.parameters.max_warrant_window, "revocations/forget", key)


def _forget(context: Context, subject: bytes) -> None:
    context.state.remove(subject)


MODULE = Module("revocations", {Revoke: Handler(_nobody, _revoke)}, due={"revocations/forget": _forget})
