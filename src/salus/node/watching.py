"""Around every request: a fresh id, its time, its count and, where it is wanted, its line in the log."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.types import Message, Receive, Scope, Send

from salus.node import logs
from salus.node.tally import Tally

METHODS = frozenset({"GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH"})
_SEEN = "salus.seen"


@dataclass
class Seen:
    """What is remembered of a request: the status of its answer, and the full code of its refusal or ""."""

    status: int = 500
    code: str = ""


def note_refusal(scope: Scope, code: str) -> None:
    """Remember the full code with which the request was refused."""
    seen = scope.get(_SEEN)
    if isinstance(seen, Seen):
        seen.code = code


async def watched(
    scope: Scope,
    receive: Receive,
    send: Send,
    answer: Callable[[Scope, Receive, Send], Awaitable[None]],
    tally: Tally,
    log: bool,
) -> None:
    """Let ``answer`` answer; add the header ``x-request-id``, count, and write a line if ``log``."""
    if scope["type"] != "http":
        await answer(scope, receive, send)
        return
    identity, begun = secrets.token_hex(8), time.perf_counter()
    seen = scope[_SEEN] = Seen()

    async def named(message: Message) -> None:
        if message["type"] == "http.response.start":
            seen.status = message["status"]
            message = {**message, "headers": [*message.get("headers", ()), (b"x-request-id", identity.encode("ascii"))]}
        await send(message)

    try:
        await answer(scope, receive, named)
    finally:
        took = time.perf_counter() - begun
        method = scope["method"] if scope["method"] in METHODS else "other"
        route = getattr(scope.get("route"), "path", "none")
        tally.request(method, route, seen.status, took, seen.code)
        if log:
            logs.request_line(identity, method, route, seen.status, took * 1000, seen.code)
