"""Serving the API on a socket."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any

import uvicorn

from salus.errors import NodeRefused
from salus.node.api import make_api
from salus.node.logs import logging_config
from salus.node.service import NodeService

CONNECTIONS = 1_024  # open at once; each may hold 64 KiB of headers, and bodies share what room there is
SHAKE, PART = 10.0, 1.0  # seconds for TLS to begin, and for the other side to say that it ends


class Loop(asyncio.SelectorEventLoop):
    """An event loop that gives TLS less time than a minute to begin, and half a minute to end."""

    async def create_server(self, *args: Any, **how: Any) -> Any:
        """As asyncio does, within `SHAKE` and `PART`."""
        within = {"ssl_handshake_timeout": SHAKE, "ssl_shutdown_timeout": PART} if how.get("ssl") else {}
        make: Any = super().create_server
        return await make(*args, **how, **within)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; `NodeRefused` ``port-taken`` when the port is in use."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # named as TCP, or asyncio would leave Nagle's delay of 40 ms on every small answer
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise NodeRefused("port-taken", f"port {port} cannot be bound on {host}") from error
    listener.listen(128)
    return listener


def run(node: NodeService, listener: socket.socket, ready: Callable[[], None], tls: ssl.SSLContext | None = None) -> None:
    """Serve until a signal, or until the node must not go on; ``ready`` is called when requests are answered; in ``tls``, if any.

    A signal is raised once more when nothing is served any longer.
    """
    server = uvicorn.Server(configured(node, tls))
    node.blobs.totals()  # counted now, so that no reading of the figures has to
    node.on_failure = lambda: setattr(server, "should_exit", True)
    if node.failure:
        return
    ready()
    server.run(sockets=[listener])


def configured(node: NodeService, tls: ssl.SSLContext | None = None) -> uvicorn.Config:
    """How the API is served: bounded in headers (by h11) and connections, with nothing of a request in the log."""
    return uvicorn.Config(
        make_api(node),
        http="h11",
        ws="none",
        lifespan="off",
        log_config=logging_config(node.config.log),
        access_log=False,
        proxy_headers=False,  # nothing here hangs on whom a proxy names; who came by one is told by the header itself
        server_header=False,
        timeout_keep_alive=15,
        limit_concurrency=CONNECTIONS,
        loop="salus.node.http:Loop",
        ssl_context_factory=None if tls is None else lambda _config, _usual: tls,
    )
