"""The node's HTTP API, ``/v1``: canonical bytes in and out, JSON for health and status, problems for refusals."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from salus import __version__
from salus.codec import Record, decode, encode
from salus.errors import NodeRefused, SalusError
from salus.exchange.api import MAX_SUBMISSION, Drop, StatesAnswer, StatesRequest, Submission
from salus.exchange.envelopes import MailboxClaim, MailboxCollect
from salus.node.problems import problem
from salus.node.service import NodeService
from salus.warrants.requests import SignedOwner, SignedRead

MEDIA = "application/vnd.salus+msgpack"
READ_SECONDS = 30.0

R = TypeVar("R", bound=Record)

_SMALL = 262_144

#: method, path, shape of the body, its bound in bytes, what answers it, and in a line what it does
_Answer = Callable[[NodeService, Any], Record | None]
POSTS: tuple[tuple[str, str, type[Record], int, _Answer, str], ...] = (
    ("POST", "/v1/transactions", Submission, MAX_SUBMISSION, NodeService.submit, "Submit a transaction with its blobs"),
    (
        "POST",
        "/v1/states",
        StatesRequest,
        _SMALL,
        lambda node, body: StatesAnswer(node.states(body.keys)),
        "Read state with proofs",
    ),
    ("POST", "/v1/entries", SignedRead, _SMALL, NodeService.read, "Read sealed entries as a proven holder"),
    ("POST", "/v1/receipts", SignedOwner, _SMALL, NodeService.receipts, "Read a section's receipts as its owner"),
    ("PUT", "/v1/mailboxes", MailboxClaim, _SMALL, NodeService.open_mailbox, "Open or change a mailbox"),
    (
        "POST",
        "/v1/mailboxes/letters",
        Drop,
        2 * 1024 * 1024,
        lambda node, body: node.drop(body.mailbox, body.token, body.sealed),
        "Leave a sealed envelope",
    ),
    ("POST", "/v1/mailboxes/collect", MailboxCollect, _SMALL, NodeService.collect, "Read on in one's own mailbox"),
)


def make_api(node: NodeService) -> FastAPI:
    """The API over a running node."""
    api = FastAPI(title="Salus node", version=__version__, docs_url=None, redoc_url=None, openapi_url="/v1/openapi.json")
    for method, path, shape, bound, answer, summary in POSTS:
        api.add_api_route(
            path, _posted(node, shape, bound, answer), methods=[method], summary=summary, openapi_extra=_body(shape)
        )
    for path, read, summary in GETS:
        api.add_api_route(path, _got(node, read), methods=["GET"], summary=summary)
    api.add_exception_handler(SalusError, _refused)
    api.add_exception_handler(HTTPException, _not_found)
    return api


async def _refused(request: Request, error: Exception) -> Response:
    return problem(error) if isinstance(error, SalusError) else Response(status_code=500)


async def _not_found(request: Request, error: Exception) -> Response:
    return problem(NodeRefused("no-such-path", "the API has nothing here"))


def _body(shape: type[Record]) -> dict[str, Any]:
    described = {MEDIA: {"schema": {"type": "string", "format": "binary", "description": shape.__name__}}}
    return {"requestBody": {"required": True, "content": described}}


def _posted(
    node: NodeService, shape: type[R], bound: int, answer: Callable[[NodeService, R], Record | None]
) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        body = decode(await _bounded(request, bound), shape, limit=bound)
        answered = await run_in_threadpool(answer, node, body)
        return Response(encode(answered) if answered is not None else b"", media_type=MEDIA)

    return handle


def _got(node: NodeService, read: Callable[[NodeService, Request], Response]) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        return await run_in_threadpool(read, node, request)

    return handle


async def _bounded(request: Request, bound: int) -> bytes:
    """The body, counted while it is read; `NodeRefused` ``body-too-large`` or ``timeout``."""
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(READ_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > bound:
                    raise NodeRefused("body-too-large", f"the body has more than {bound} bytes")
                parts.append(part)
    except TimeoutError as error:
        raise NodeRefused("timeout", "the body did not arrive in time") from error
    return b"".join(parts)


def _health(node: NodeService, request: Request) -> Response:
    return JSONResponse({"status": "ok", "version": __version__})


def _status(node: NodeService, request: Request) -> Response:
    return Response(encode(node.status()), media_type=MEDIA)


def _genesis(node: NodeService, request: Request) -> Response:
    return Response(encode(node.genesis()), media_type=MEDIA)


def _header(node: NodeService, request: Request) -> Response:
    name = str(request.path_params["height"])
    if name != "newest" and not (name.isascii() and name.isdigit() and len(name) < 16):
        raise NodeRefused("no-such-height", "a height is a number, or newest")
    fresh = request.query_params.get("fresh") == "1"
    header = node.header(None if name == "newest" else int(name), fresh=fresh)
    return Response(encode(header), media_type=MEDIA)


def _result(node: NodeService, request: Request) -> Response:
    try:
        body = bytes.fromhex(str(request.path_params["body"]))
    except ValueError as error:
        raise NodeRefused("bad-id", "an id is 64 hexadecimal digits") from error
    if len(body) != 32:
        raise NodeRefused("bad-id", "an id is 64 hexadecimal digits")
    return Response(encode(node.result(body)), media_type=MEDIA)


GETS: tuple[tuple[str, Callable[[NodeService, Request], Response], str], ...] = (
    ("/v1/health", _health, "Whether the node is up"),
    ("/v1/status", _status, "What the node says of itself"),
    ("/v1/genesis", _genesis, "The genesis document"),
    ("/v1/headers/{height}", _header, "A signed header, by height or newest"),
    ("/v1/transactions/{body}", _result, "What became of a transaction"),
)
