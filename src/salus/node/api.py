"""The node's HTTP API, ``/v1``: canonical bytes in and out, JSON for health and status, problems for refusals."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, TypeVar

import lmdb
from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from salus import __version__
from salus.codec import Record, decode, encode
from salus.errors import NodeRefused, SalusError
from salus.exchange.api import MAX_SUBMISSION, ListingSearch, StatesAnswer, StatesRequest, Submission
from salus.exchange.envelopes import Drop, MailboxClaim, MailboxCollect
from salus.exchange.guests import Redemption
from salus.exchange.listings import SignedListing
from salus.exchange.peering import MAX_PUSH, EngineAsk, PeerAsk, Pushed
from salus.exchange.references import CardDeposit
from salus.exchange.schedules import SchedulePage, SlotSearch
from salus.node import metrics, problems
from salus.node.describing import MEDIA, Described, describe
from salus.node.logs import storage_line
from salus.node.places import PLACES
from salus.node.service import NodeService
from salus.node.watching import note_refusal, watched
from salus.warrants.requests import SignedOwner, SignedRead

READ_SECONDS = 30.0
THREADS = PLACES + 32  # that act on requests at once: whatever waits for a block, others are answered

R = TypeVar("R", bound=Record)

_SMALL = 262_144
_LETTER = 2 * 1024 * 1024


def _states(node: NodeService, body: StatesRequest) -> StatesAnswer:
    return StatesAnswer(node.states(body.keys))


def _redeem(node: NodeService, body: Redemption) -> None:
    node.door.redeem(body)


_EVERY = (500, 503)
_BODY = (400, 408, 413, 415, *_EVERY)

#: method, path, shape of the body, its bound in bytes, what answers it, the statuses of its problems, and in a line what it does
_Answer = Callable[[NodeService, Any], Record | None]
POSTS: tuple[tuple[str, str, type[Record], int, _Answer, tuple[int, ...], str], ...] = (
    (
        "POST",
        "/v1/transactions",
        Submission,
        MAX_SUBMISSION,
        lambda node, body: node.submit(body),
        (*_BODY, 403, 409, 422, 429, 502, 507),
        "Submit a transaction with its blobs",
    ),
    ("POST", "/v1/states", StatesRequest, _SMALL, _states, _BODY, "Read state with proofs"),
    (
        "POST",
        "/v1/entries",
        SignedRead,
        _SMALL,
        lambda node, body: node.read(body),
        (*_BODY, 403, 422, 502),
        "Read sealed entries as a proven holder",
    ),
    (
        "POST",
        "/v1/receipts",
        SignedOwner,
        _SMALL,
        lambda node, body: node.receipts(body),
        (*_BODY, 403, 422, 502),
        "Read a section's receipts as its owner",
    ),
    (
        "PUT",
        "/v1/mailboxes",
        MailboxClaim,
        _SMALL,
        lambda node, body: node.open_mailbox(body),
        (*_BODY, 403, 429, 502),
        "Open or change a mailbox",
    ),
    (
        "POST",
        "/v1/mailboxes/letters",
        Drop,
        _LETTER,
        lambda node, body: node.drop(body),
        (*_BODY, 403, 404, 422, 429, 502, 507),
        "Leave a sealed envelope",
    ),
    (
        "POST",
        "/v1/mailboxes/collect",
        MailboxCollect,
        _SMALL,
        lambda node, body: node.collect(body),
        (*_BODY, 403, 404, 502),
        "Read on in one's own mailbox",
    ),
    ("POST", "/v1/peers", PeerAsk, _SMALL, lambda node, body: node.peer(body), (*_BODY, 403, 422), "Ask as a member's node"),
    (
        "POST",
        "/v1/peers/engine",
        EngineAsk,
        _SMALL,
        lambda node, body: node.peer_engine(body),
        (*_BODY, 403, 422),
        "Ask a member's engine, for one that begins with a snapshot",
    ),
    (
        "PUT",
        "/v1/peers/blobs",
        Pushed,
        MAX_PUSH,
        lambda node, body: node.push(body),
        (*_BODY, 403, 422, 507),
        "Leave copies of blobs as a member's node",
    ),
    (
        "PUT",
        "/v1/cards",
        CardDeposit,
        _SMALL,
        lambda node, body: node.put_card(body),
        (*_BODY, 403, 404, 502),
        "Leave one's own sealed card",
    ),
    ("PUT", "/v1/guests", Redemption, _SMALL, _redeem, (*_BODY, 403), "Redeem an invitation"),
    (
        "PUT",
        "/v1/listings",
        SignedListing,
        _SMALL,
        lambda node, body: node.put_listing(body),
        (*_BODY, 403, 409),
        "Keep a listing",
    ),
    (
        "POST",
        "/v1/listings/search",
        ListingSearch,
        _SMALL,
        lambda node, body: node.find_listings(body),
        _BODY,
        "Find listings by words",
    ),
    (
        "PUT",
        "/v1/pages",
        SchedulePage,
        _SMALL,
        lambda node, body: node.put_page(body),
        (*_BODY, 403, 409),
        "Keep the page of a schedule",
    ),
    (
        "POST",
        "/v1/pages/search",
        SlotSearch,
        _SMALL,
        lambda node, body: node.find_slots(body),
        _BODY,
        "Find slots that can be taken",
    ),
)


class _Api(Starlette):
    """The application, every request of which is counted, and logged where that is wanted."""

    def __init__(self, node: NodeService, routes: list[BaseRoute]) -> None:
        refusals = dict.fromkeys((SalusError, HTTPException, OSError, lmdb.Error, Exception), _refused)
        super().__init__(routes=routes, exception_handlers=refusals)
        self.router.redirect_slashes = False
        self._node = node

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await watched(scope, receive, send, super().__call__, self._node.tally, self._node.config.access_log)


class _Route(Route):
    """A route that takes its one method alone."""

    def __init__(self, path: str, handle: Callable[[Request], Awaitable[Response]], method: str) -> None:
        super().__init__(path, handle, methods=[method])
        self.methods = {method}  # or HEAD would be taken where GET is


def make_api(node: NodeService) -> Starlette:
    """The API over a running node: plain routes, and one more that describes them in OpenAPI."""
    routes, threads = list[BaseRoute](), CapacityLimiter(THREADS)
    for method, path, shape, bound, answer, *_ in POSTS:
        routes.append(_Route(path, _posted(node, threads, shape, bound, answer), method))
    for path, read, *_ in GETS:
        routes.append(_Route(path, _got(node, threads, read), "GET"))

    async def description(_: Request) -> Response:
        return JSONResponse(described())

    return _Api(node, [*routes, _Route("/v1/openapi.json", description, "GET")])


@cache
def described() -> dict[str, Any]:
    """The OpenAPI document."""
    rows = [Described(method, path, MEDIA, refused, says, shape) for method, path, shape, _, _, refused, says in POSTS]
    rows += [Described("GET", path, media, refused, says, None) for path, _, media, refused, says in GETS]
    return describe(rows)


async def _refused(request: Request, error: Exception) -> Response:
    note_refusal(request.scope, problems.as_refusal(error).full_code)
    if isinstance(error, OSError | lmdb.Error):
        storage_line(error)
    return problems.problem(error)


def _posted(
    node: NodeService,
    threads: CapacityLimiter,
    shape: type[R],
    bound: int,
    answer: Callable[[NodeService, R], Record | None],
) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        if request.headers.get("content-type") != MEDIA:  # which no web page can send to another origin unasked
            raise NodeRefused("wrong-media-type", f"the body is sent as {MEDIA}")
        with node.room.held() as take:
            body = decode(await _bounded(request, bound, take), shape, limit=bound)
            with node.place(body):  # refused here, a request costs a fifth of what it costs once it has a thread
                answered = await to_thread.run_sync(_let_in, node, body, answer, limiter=threads)
        return Response(encode(answered) if answered is not None else b"", media_type=MEDIA)

    return handle


def _let_in(node: NodeService, body: R, answer: Callable[[NodeService, R], Record | None]) -> Record | None:
    """The one place at which what comes from outside is let in or not."""
    node.door.require(body)
    return answer(node, body)


def _got(
    node: NodeService, threads: CapacityLimiter, read: Callable[[NodeService, Request], Response]
) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        return await to_thread.run_sync(read, node, request, limiter=threads)

    return handle


async def _bounded(request: Request, bound: int, take: Callable[[int], None]) -> bytes:
    """The body, counted while it is read; `NodeRefused` ``body-too-large``, ``timeout`` or ``busy``."""
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(READ_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > bound:
                    raise NodeRefused("body-too-large", f"the body has more than {bound} bytes")
                take(len(part))
                parts.append(part)
    except (TimeoutError, ClientDisconnect) as error:
        raise NodeRefused("timeout", "the body did not arrive in time") from error
    return b"".join(parts)


def _health(node: NodeService, request: Request) -> Response:
    return JSONResponse({"status": "ok", "version": __version__})


def _ready(node: NodeService, request: Request) -> Response:
    node.require_ready()
    return _health(node, request)


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
    return Response(encode(node.result(_id(request, "body"))), media_type=MEDIA)


def _card(node: NodeService, request: Request) -> Response:
    return Response(encode(node.card(_id(request, "member"), _id(request, "card"))), media_type=MEDIA)


def _page(node: NodeService, request: Request) -> Response:
    return Response(encode(node.page(_id(request, "root"))), media_type=MEDIA)


def _id(request: Request, part: str) -> bytes:
    """The id in the path; ``bad-id`` for anything else."""
    name = str(request.path_params[part])
    if not re.fullmatch("[0-9a-f]{64}", name):
        raise NodeRefused("bad-id", "an id is 64 hexadecimal digits")
    return bytes.fromhex(name)


def _metrics(node: NodeService, request: Request) -> Response:
    peer = request.client.host if request.client else ""
    passed_on = _PASSED_ON & set(request.headers.keys())  # by a proxy on this machine, for somebody elsewhere
    if not node.config.metrics_public and (passed_on or peer not in _LOOPBACK):
        raise NodeRefused("no-such-path", "the API has nothing here")
    return Response(metrics.render(node), media_type=metrics.MEDIA)


_LOOPBACK = {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
_PASSED_ON = {"forwarded", "via", "x-forwarded-for", "x-real-ip"}

#: path, what answers it, the kind of its answer, the statuses of its problems, and in a line what it does
GETS: tuple[tuple[str, Callable[[NodeService, Request], Response], str, tuple[int, ...], str], ...] = (
    ("/v1/health", _health, "application/json", _EVERY, "Whether the node is up"),
    ("/v1/ready", _ready, "application/json", _EVERY, "Whether the node serves others: 503 while its blocks are too old"),
    ("/v1/status", _status, MEDIA, _EVERY, "What the node says of itself"),
    ("/v1/genesis", _genesis, MEDIA, _EVERY, "The genesis document"),
    ("/v1/headers/{height}", _header, MEDIA, (404, *_EVERY), "A signed header, by height or newest"),
    ("/v1/metrics", _metrics, "text/plain", (404, *_EVERY), "What the node counts, for Prometheus, on this machine alone"),
    ("/v1/cards/{member}/{card}", _card, MEDIA, (400, 404, 502, *_EVERY), "A sealed card at a member, by its hash"),
    ("/v1/pages/{root}", _page, MEDIA, (400, 404, *_EVERY), "The page of a schedule, by its root"),
    ("/v1/transactions/{body}", _result, MEDIA, (400, *_EVERY), "What became of a transaction"),
)
