"""A node that is served as users serve it, by `salus serve` in a process of its own; and clients that keep it busy.

The clients send requests that were made beforehand, over connections that stay open, and read no more of an answer than its
status and its length: what is measured is the server, not they.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from salus.codec import Record, encode
from salus.exchange.client import MEDIA

CLIENTS = 16
_PATIENCE = 60.0


@contextmanager
def served(home: Path) -> Iterator[str]:
    """The node of ``home``, served; its address."""
    server, url = started(home)
    try:
        yield url
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(_PATIENCE)


def started(home: Path) -> tuple[subprocess.Popen[bytes], str]:
    """The process that serves the node of ``home``, and its address once it answers."""
    command = [sys.executable, "-m", "salus", "serve", "--node-only", "--home", str(home)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    note, deadline = home / "node" / "port", time.monotonic() + _PATIENCE
    while not note.exists():
        if server.poll() is not None or time.monotonic() > deadline:
            server.kill()
            raise SystemExit("the node did not start")
        time.sleep(0.02)
    return server, note.read_text("ascii").split()[0]


def get(path: str) -> bytes:
    """A GET request."""
    return f"GET {path} HTTP/1.1\r\nhost: node\r\n\r\n".encode("ascii")


def post(path: str, body: Record) -> bytes:
    """A POST request with canonical bytes."""
    return posted(path, MEDIA, encode(body))


def posted(path: str, media: str, data: bytes) -> bytes:
    """A POST request."""
    head = f"POST {path} HTTP/1.1\r\nhost: node\r\ncontent-type: {media}\r\ncontent-length: {len(data)}\r\n\r\n"
    return head.encode("ascii") + data


def answered(url: str, requests: Sequence[bytes], clients: int = CLIENTS) -> float:
    """Seconds a request, when as many ``clients`` share the ``requests``, each with one under way at a time.

    Ends the program for an answer that is not 200: what was refused was not measured.
    """
    where = urlsplit(url)
    waiting, total = iter(requests), len(requests)
    watched, lines = selectors.DefaultSelector(), []
    for _ in range(min(clients, total)):
        line = socket.create_connection((where.hostname, where.port), _PATIENCE)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        watched.register(line, selectors.EVENT_READ, (line, bytearray()))
        lines.append(line)
    begun, left = time.perf_counter(), total
    for line in lines:
        line.sendall(next(waiting))
    while left:
        ready = watched.select(_PATIENCE)
        if not ready:
            raise SystemExit("the server does not answer")
        for key, _ in ready:
            line, received = key.data
            received += line.recv(262_144)
            if complete(received):
                received.clear()
                left -= 1
                following = next(waiting, None)
                if following is not None:
                    line.sendall(following)
    took = time.perf_counter() - begun
    for line in lines:
        line.close()
    watched.close()
    return took / total


def complete(received: bytearray) -> bool:
    """Whether the answer is here; it must be 200."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return False
    if not received.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"refused: {bytes(received[:400])!r}")
    head = bytes(received[:end]).lower()
    at = head.find(b"content-length:")
    if at < 0:
        return received.endswith(b"0\r\n\r\n")  # chunked
    return len(received) >= end + 4 + int(head[at + 15 :].split(b"\r\n", 1)[0])
