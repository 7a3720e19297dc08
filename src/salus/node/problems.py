"""The edge: one table from a refusal to its HTTP status, and RFC 9457 problems."""

from __future__ import annotations

import lmdb
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from salus.errors import NodeRefused, SalusError

MEDIA = "application/problem+json"

#: full code -> HTTP status; codespaces below it give the rest.
STATUS = {
    "codec/too-large": 413,
    "node/body-too-large": 413,
    "node/busy": 503,
    "node/engine-stopped": 503,
    "node/engine-unreachable": 503,
    "node/guest-allowance-spent": 429,
    "node/invite-expired": 403,
    "node/invite-used": 403,
    "node/letter-too-large": 413,
    "node/listing-too-large": 413,
    "node/listing-not-anchored": 409,
    "node/listing-unlicensed": 403,
    "node/mailbox-full": 507,
    "node/no-such-page": 404,
    "node/page-not-anchored": 409,
    "node/page-too-large": 413,
    "node/schedule-unlicensed": 403,
    "node/not-kept": 404,
    "node/not-ordered": 503,
    "node/push-full": 507,
    "node/not-proven": 503,
    "node/not-ready": 503,
    "node/no-such-card": 404,
    "node/not-invited": 403,
    "node/no-such-height": 404,
    "node/no-such-mailbox": 404,
    "node/no-such-path": 404,
    "node/sponsor-busy": 429,
    "node/stranger-quota": 429,
    "node/strangers-full": 507,
    "node/stopped": 503,
    "node/no-peer": 502,
    "node/peer-unreachable": 502,
    "node/wrong-certificate": 502,
    "node/pruned": 404,
    "node/bad-block": 502,
    "node/clock-behind": 503,
    "node/storage-failed": 503,
    "node/store-busy": 503,
    "node/store-denied": 503,
    "node/store-full": 507,
    "node/store-gone": 503,
    "node/store-unreachable": 503,
    "node/timeout": 408,
    "node/too-few-copies": 503,
    "node/unexpected": 500,
    "node/wrong-media-type": 415,
    "node/wrong-method": 405,
    "warrants/no-words": 400,
    "ledger/quota-spent": 429,
    "ledger/replayed": 409,
    "ledger/key-taken": 409,
    "ledger/member-exists": 409,
    "ledger/handle-taken": 409,
    "ledger/is-accepted": 409,
    "ledger/is-acknowledged": 409,
    "ledger/is-cancelled": 409,
    "ledger/is-completed": 409,
    "ledger/is-expired": 409,
    "ledger/is-failed": 409,
    "ledger/is-in-progress": 409,
    "ledger/is-on-hold": 409,
    "ledger/is-ready": 409,
    "ledger/is-rejected": 409,
    "ledger/is-requested": 409,
    "ledger/is-stopped": 409,
    "ledger/is-arrived": 409,
    "ledger/is-booked": 409,
    "ledger/is-fulfilled": 409,
    "ledger/is-noshow": 409,
    "ledger/is-pending": 409,
    "ledger/is-waitlist": 409,
    "ledger/no-such-page": 409,
    "ledger/slot-overlaps": 409,
    "ledger/slot-taken": 409,
    "ledger/too-many-open": 429,
    "ledger/waiting-list-full": 429,
    "ledger/is-superseded": 409,
    "ledger/vote-closed": 409,
    "ledger/voted-already": 409,
    "ledger/blob-held": 409,
    "ledger/blob-erased": 409,
    "ledger/entry-changed": 409,
    "ledger/epoch-closed": 409,
    "ledger/schedule-changed": 409,
    "ledger/section-exists": 409,
}
#: Nothing was done, and the same request may be let in in a moment: `Retry-After`, in seconds (RFC 9110, 10.2.3).
AGAIN = {"node/busy": "1", "node/sponsor-busy": "1"}
BY_CODESPACE = {"codec": 400, "crypto": 403, "ledger": 422, "warrants": 403, "node": 400}


def problem(error: Exception) -> JSONResponse:
    """The refusal as ``application/problem+json``; ``code`` is its full code. What is no refusal tells nothing of itself."""
    known = as_refusal(error)
    status = STATUS.get(known.full_code, BY_CODESPACE.get(known.codespace, 500))
    body = {"type": "about:blank", "title": known.text or known.code, "status": status, "code": known.full_code}
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if known.full_code in AGAIN:
        headers["retry-after"] = AGAIN[known.full_code]
    return JSONResponse(body, status_code=status, headers=headers, media_type=MEDIA)


def as_refusal(error: Exception) -> SalusError:
    """What the outside is told of an error: a refusal as it is, of anything else its kind."""
    if isinstance(error, SalusError):
        return error
    if isinstance(error, HTTPException):
        if error.status_code == 405:
            return NodeRefused("wrong-method", "the API does not take this method here")
        return NodeRefused("no-such-path", "the API has nothing here")
    if isinstance(error, OSError | lmdb.Error):
        return NodeRefused("storage-failed", "the node cannot read or write its storage")
    return NodeRefused("unexpected", "the node failed in a way that nobody foresaw")
