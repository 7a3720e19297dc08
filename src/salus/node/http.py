"""Serving the API on a socket."""

from __future__ import annotations

import logging
import socket
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn

from salus.errors import NodeRefused
from salus.node.api import make_api
from salus.node.service import NodeService


class OneLine(logging.Formatter):
    """A line for each record; of an exception its kind and place alone, as its text might hold what must not be shown."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = " ".join(record.getMessage().split())
        if not record.exc_info or record.exc_info[0] is None:
            return f"salus: {line}"
        place = traceback.extract_tb(record.exc_info[2])[-1]
        return f"salus: node/unexpected: {record.exc_info[0].__name__} in {Path(place.filename).name}:{place.lineno}"


LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": OneLine}},
    "handlers": {"line": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {"uvicorn": {"handlers": ["line"], "level": "WARNING", "propagate": False}},
}


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
    server = uvicorn.Server(configured(node))
    ready()
    server.run(sockets=[listener])


def configured(node: NodeService) -> uvicorn.Config:
    """How the API is served: bounded in headers (by h11) and connections, with nothing of a request in the log."""
    return uvicorn.Config(
        make_api(node),
        http="h11",
        ws="none",
        lifespan="off",
        log_config=LOGGING,
        access_log=False,
        server_header=False,
        timeout_keep_alive=15,
        limit_concurrency=256,
    )
