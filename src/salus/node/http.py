"""Serving the API on a socket."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn

from salus.errors import NodeRefused
from salus.node.api import make_api
from salus.node.service import NodeService


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


def run(node: NodeService, listener: socket.socket, ready: Callable[[], None]) -> None:
    """Serve until a signal; ``ready`` is called when requests are answered."""
    config = uvicorn.Config(make_api(node), log_level="warning", access_log=False, timeout_keep_alive=15, limit_concurrency=256)
    server = uvicorn.Server(config)
    ready()
    server.run(sockets=[listener])
