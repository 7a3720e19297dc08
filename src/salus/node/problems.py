"""The edge: one table from a refusal to its HTTP status, and RFC 9457 problems."""

from __future__ import annotations

from starlette.responses import JSONResponse

from salus.errors import SalusError

#: full code -> HTTP status; codespaces below it give the rest.
STATUS = {
    "codec/too-large": 413,
    "node/body-too-large": 413,
    "node/letter-too-large": 413,
    "node/mailbox-full": 507,
    "node/no-such-height": 404,
    "node/no-such-mailbox": 404,
    "node/no-such-path": 404,
    "node/stopped": 503,
    "node/clock-behind": 503,
    "node/timeout": 408,
    "ledger/quota-spent": 429,
    "ledger/replayed": 409,
    "ledger/blob-held": 409,
    "ledger/epoch-closed": 409,
    "ledger/schedule-changed": 409,
    "ledger/section-exists": 409,
}
BY_CODESPACE = {"codec": 400, "crypto": 403, "ledger": 422, "warrants": 403, "node": 400}


def problem(error: SalusError) -> JSONResponse:
    """The refusal as ``application/problem+json``; ``code`` is its full code."""
    status = STATUS.get(error.full_code, BY_CODESPACE.get(error.codespace, 500))
    body = {"type": "about:blank", "title": error.text or error.code, "status": status, "code": error.full_code}
    return JSONResponse(body, status_code=status, media_type="application/problem+json")
