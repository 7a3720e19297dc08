"""What a node refuses, and what it does not foresee: each request has canaries in path, query, head and body."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from canaries import Book
from canary_world import Exchange, Served
from salus.codec import Record, encode
from salus.exchange.api import MAX_SUBMISSION, StatesRequest, Submission
from salus.ledger.tx import Transaction
from salus.node.api import GETS, MEDIA, POSTS
from shapes import filled

ROUTES = [(method, path, shape, bound) for method, path, shape, bound, *_ in POSTS]
HEADS = ("user-agent", "cookie", "authorization", "referer", "x-request-id", "x-forwarded-for", "forwarded", "origin", "accept")


def send(host: str, data: bytes) -> bytes:
    """What comes back for bytes, until the node closes, or waits for more."""
    name, _, port = host.rpartition(":")
    got = b""
    with socket.create_connection((name, int(port)), timeout=3) as way:
        try:
            way.sendall(data)
            while part := way.recv(65536):
                got += part
        except (ConnectionError, TimeoutError):  # it closes on whoever sends too much, and waits for whoever sends too little
            pass
    return got


def request(method: str, path: str, head: dict[str, str] | None = None, body: bytes | None = None) -> bytes:
    """A request's bytes; the node is to close after it."""
    rows = {"host": "node", "connection": "close", **(head or {})}
    if body is not None:
        rows = {"content-type": MEDIA, "content-length": str(len(body)), **rows}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in rows.items()), "", ""]
    return "\r\n".join(lines).encode() + (body or b"")


def refusals(book: Book) -> Iterator[tuple[str, str, bytes]]:
    """Method, path and bytes of every request that is to be refused, or to be answered without a word of it."""
    for method, path in [*((method, path) for method, path, *_ in ROUTES), *(("GET", path) for path, *_ in GETS)]:
        place = f"{method} {path}"
        plain = path.replace("{height}", "newest").replace("{member}", "0" * 64).replace("{card}", "0" * 64)
        plain = plain.replace("{body}", "0" * 64)
        yield method, path, request(book(f"{place}: method").upper(), plain)
        yield method, path, request("DELETE", f"{plain}?{book(f'{place}: query')}={book(f'{place}: value')}")
        yield method, path, request(method, f"{plain}/{book(f'{place}: path')}")
        yield (
            method,
            path,
            request(method, f"{plain}?fresh={book(f'{place}: query of its own')}", body=b"" if method != "GET" else None),
        )
        heads = {name: book(f"{place}: {name}") for name in HEADS} | {book(f"{place}: a header's name"): "1"}
        yield method, path, request(method, plain, heads, None if method == "GET" else b"")
        for part in (part for part in path.split("/") if part.startswith("{")):
            named = path.replace(part, book(f"{place}: {part}")).replace("{member}", "0" * 64).replace("{card}", "0" * 64)
            yield method, path, request(method, named)
    for method, path, shape, bound in ROUTES:
        for body, media in bodies(book, f"{method} {path}", shape, bound):
            yield method, path, request(method, path, {"content-type": media}, body)
    for text in (
        f"{book('line: method').upper()} / HTTP/9.9\r\nconnection: close\r\n\r\n",
        f"GET /{book('line: path')} {book('line: version')}\r\n\r\n",
        f"GET / HTTP/1.1\r\n{book('line: header')}\r\nconnection: close\r\n\r\n",
        f"GET / HTTP/1.1\r\nconnection: close\r\nhost: {book('line: long header') * 4000}\r\n\r\n",
        f"POST /v1/states HTTP/1.1\r\nhost: node\r\nconnection: close\r\ncontent-length: {book('line: length')}\r\n\r\n",
        f"PUT /v1/cards HTTP/1.1\r\nhost: node\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n{book('line: chunk')}",
        f"GET / HTTP/1.1\r\nhost: node\r\nupgrade: {book('line: upgrade')}\r\nconnection: upgrade, close\r\n\r\n",
    ):
        yield "LINE", "", text.encode()


def bodies(book: Book, place: str, shape: type[Record], bound: int) -> Iterator[tuple[bytes, str]]:
    """Bodies and their media types: no shape at all, the shape with too little or too much, the shape as it must be."""
    text = book(f"{place}: body")
    yield text.encode(), MEDIA
    yield text.encode(), f"text/plain; charset={book(f'{place}: charset')}"
    yield f'{{"{text}": "{text}"}}'.encode(), "application/json"
    yield msgspec.msgpack.encode(text), MEDIA
    yield msgspec.msgpack.encode([text, text]), MEDIA
    yield msgspec.msgpack.encode({text: text}), MEDIA
    whole = book(f"{place}: a field of its shape")
    fields = msgspec.msgpack.decode(encode(filled(shape, whole)))
    for number in range(len(fields)):
        yield msgspec.msgpack.encode([*fields[:number], whole, *fields[number + 1 :]]), MEDIA
    yield msgspec.msgpack.encode([*fields, whole]), MEDIA
    if shape is Submission:
        transaction = encode(filled(Transaction, whole))
        yield encode(Submission(transaction, (book(f"{place}: blob").encode() * 50,))), MEDIA
    if shape is not StatesRequest:  # which is answered by the keys that it asks for
        yield encode(filled(shape, whole)), MEDIA
    if bound < MAX_SUBMISSION:
        yield book(f"{place}: too large").encode() * (bound // 20 + 1), MEDIA


def probe(book: Book, node: Served) -> list[Exchange]:
    """Send them all, and keep what is answered."""
    answered = []
    for method, path, data in refusals(book):
        got = send(node.host, data)
        status = int(got.split(b" ", 2)[1]) if got.startswith(b"HTTP/1.1 ") else 0
        answered.append(Exchange(method, path, data, status, got))
    return answered


def cut_off(book: Book, node: Served, by: int) -> None:
    """End the process by a signal while it reads a request that has a canary everywhere."""
    whole = request(
        "PUT", f"/v1/cards?{book('killed: query')}", {"cookie": book("killed: header")}, book("killed: body").encode() * 99
    )
    name, _, port = node.host.rpartition(":")
    with socket.create_connection((name, int(port)), timeout=30) as way:
        way.sendall(whole[:-100])
        time.sleep(0.3)
        node.end(by)


#: Ways to go wrong that nobody foresaw, each with what the request says in the text of the error.
FALLS = {
    "an error that nobody foresaw": "raise RuntimeError(said)",
    "an error of the disk": "raise OSError(28, said, said)",
    "an error with a long way": "return (lambda text: {}[text])(said)",
    "an error in a thread": "threading.Thread(target=lambda: {}[said]).start()",
    "an end by abort": "os.abort()",
}
_FALLING = """
import os, sys, threading
from salus.node.service import NodeService
from salus.cli.app import main

def fall(node, message):
    said = repr(message)
    {fall}

NodeService.find_listings = fall
sys.argv = ["salus", "serve", "--node-only", "--port", "0", "--json"]
main()
"""


def fallen(book: Book, home: Path, folder: Path, how: str) -> tuple[bytes, bytes]:
    """What a node answers and writes when it falls ``how`` over a request with canaries."""
    body = msgspec.msgpack.encode(["listing-search", [book(f"{how}: word")]])
    head = {"cookie": book(f"{how}: header")}
    data = request("POST", f"/v1/listings/search?{book(f'{how}: query')}", head, body)
    variables = {**os.environ, "SALUS_HOME": str(home), "PYTHONFAULTHANDLER": "1", "TMPDIR": str(folder)}
    command = [sys.executable, "-c", _FALLING.format(fall=FALLS[how])]
    with (folder / "falling.err").open("w+b") as err:
        process = subprocess.Popen(command, env=variables, cwd=folder, stdout=subprocess.PIPE, stderr=err)
        assert process.stdout is not None
        said = b""
        while not said.rstrip().endswith(b"}"):
            said += process.stdout.readline()
        address = msgspec.json.decode(said)["address"].removeprefix("http://")
        got = send(address, data)
        process.send_signal(signal.SIGINT)
        process.wait(30)
        process.stdout.close()
        err.seek(0)
        return got, err.read()
