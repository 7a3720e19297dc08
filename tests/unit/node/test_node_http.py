"""The API on a real socket: what only a server does, and that its log tells nothing."""

from __future__ import annotations

import contextlib
import http.client
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn

from node_world import MEMBER, NodeWorld, running
from salus.codec import decode, encode
from salus.errors import NodeRefused
from salus.exchange.api import NodeStatus, StatesAnswer, StatesRequest
from salus.ledger.modules.members.state import member_key
from salus.ledger.verifying import require_answer
from salus.node.api import MEDIA
from salus.node.config import Config
from salus.node.http import configured, listen, run
from salus.node.logs import logging_config


@contextlib.contextmanager
def served(world: NodeWorld) -> Iterator[tuple[str, int]]:
    """The node's API on a loopback port, with the server's own settings."""
    listener = listen(Config().host, Config().port)
    server = uvicorn.Server(configured(world.node))
    worker = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    worker.start()
    try:
        yield listener.getsockname()
    finally:
        server.should_exit = True
        worker.join()
        listener.close()


def exchanged(address: tuple[str, int], sent: bytes) -> bytes:
    """What comes back for these bytes, until the other side closes."""
    with socket.create_connection(address) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(sent)
        parts = []
        with contextlib.suppress(ConnectionError):
            while part := connection.recv(65_536):
                parts.append(part)
    return b"".join(parts)


def test_the_api_answers_on_loopback_until_a_signal(tmp_path: Path) -> None:
    """API-1, API-10, API-50."""
    listener = listen(Config().host, Config().port)
    host, port = listener.getsockname()
    assert host == "127.0.0.1"
    answers: list[httpx.Response] = []

    def use() -> None:
        with httpx.Client(base_url=f"http://{host}:{port}", trust_env=False) as client:
            answers.append(client.get("/v1/health"))
            answers.append(client.get("/v1/status"))
            body = encode(StatesRequest((member_key(MEMBER),)))
            answers.append(client.post("/v1/states", content=body, headers={"content-type": MEDIA}))
            answers.append(client.post("/v1/states", content=bytes(300_000), headers={"content-type": MEDIA}))
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        with running(tmp_path) as world:
            client = threading.Thread(target=use)
            run(world.node, listener, client.start)
            client.join()
            assert require_answer(world.genesis, decode(answers[2].content, StatesAnswer, limit=100_000).answers[0]) is not None
    finally:
        signal.signal(signal.SIGINT, before)
        listener.close()
    assert answers[0].json()["status"] == "ok"
    assert "server" not in answers[0].headers
    assert decode(answers[1].content, NodeStatus, limit=1_000).member == MEMBER
    assert (answers[3].status_code, answers[3].json()["code"]) == (413, "node/body-too-large")


REQUESTS: dict[str, tuple[bytes, bytes]] = {
    "headers without end": (b"GET /v1/health HTTP/1.1\r\n" + b"x: y\r\n" * 20_000, b"HTTP/1.1 400 "),
    "one long header": (b"GET /v1/health HTTP/1.1\r\nx: " + b"y" * 200_000 + b"\r\n\r\n", b"HTTP/1.1 400 "),
    "a long path": (b"GET /" + b"y" * 200_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n", b"HTTP/1.1 400 "),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"HTTP/1.1 400 "),
    "two lengths": (
        b"POST /v1/states HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx",
        b"HTTP/1.1 400 ",
    ),
    "a length below zero": (b"POST /v1/states HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n", b"HTTP/1.1 400 "),
    "an upgrade": (
        b"GET /v1/health HTTP/1.1\r\nhost: x\r\nconnection: close, upgrade\r\nupgrade: websocket\r\n\r\n",
        b"HTTP/1.1 200 ",
    ),
    "many small headers": (
        b"GET /v1/health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n" + b"x: y\r\n" * 2_000 + b"\r\n",
        b"HTTP/1.1 200 ",
    ),
    "a name in the path": (b"GET /v1/Clemente%20Kreiger HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", b"HTTP/1.1 404 "),
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    with running(tmp_path_factory.mktemp("http")) as world, served(world) as made:
        yield made


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What the server's log says, as it is shown."""
    said: list[str] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(logging_config("text")["formatters"]["line"]["()"]().format(record))

    handler, logger = Keeping(), logging.getLogger("uvicorn")
    logger.addHandler(handler)
    yield said
    logger.removeHandler(handler)


@pytest.mark.parametrize("what", REQUESTS)
def test_what_is_no_request_is_refused_and_the_log_tells_nothing_of_it(
    address: tuple[str, int], lines: list[str], what: str
) -> None:
    """API-7, API-9."""
    sent, expected = REQUESTS[what]
    answer = exchanged(address, sent)
    assert answer.startswith(expected) or (answer == b"" and len(sent) > 100_000)  # the rest is not read: it may be reset
    assert not [line for line in lines if "Traceback" in line or "Kreiger" in line or "/" in line]
    assert len(lines) <= 2


def test_who_leaves_in_the_middle_leaves_no_trace_in_the_log(address: tuple[str, int], lines: list[str]) -> None:
    """API-8, API-9."""
    for _ in range(3):
        with socket.create_connection(address) as connection:
            connection.sendall(
                b"POST /v1/states HTTP/1.1\r\nhost: x\r\ncontent-type: %s\r\ncontent-length: 99\r\n\r\nx" % MEDIA.encode()
            )
    connection = http.client.HTTPConnection(*address)
    connection.request("GET", "/v1/health")
    assert connection.getresponse().status == 200
    connection.close()
    assert lines == []


def _taken() -> str:
    with contextlib.closing(listen("127.0.0.1", 0)) as first:
        listen("127.0.0.1", first.getsockname()[1])
    return ""


@pytest.mark.parametrize("bind", [_taken, lambda: listen("192.0.2.1", 0)])
def test_a_port_that_cannot_be_bound_is_refused(bind: Callable[[], object]) -> None:
    """API-50."""
    with pytest.raises(NodeRefused) as refused:
        bind()
    assert refused.value.full_code == "node/port-taken"


def test_it_listens_on_ipv6_where_it_is_told(tmp_path: Path) -> None:
    """API-50."""
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        listener = listen("::1", 0)
    except NodeRefused:
        pytest.skip("no IPv6 loopback here")
    with contextlib.closing(listener):
        assert listener.family == socket.AF_INET6
