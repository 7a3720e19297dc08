"""Answers of the engine that are not as they should be are refused, and its words are not passed on."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from salus.errors import NodeRefused
from salus.node.comet.rpc import MAX_ANSWER, Figures, Rpc


@pytest.fixture
def answering() -> Iterator[Callable[[bytes], Rpc]]:
    """A socket that gives this body to whoever asks once."""
    threads = []
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, socket.socket(socket.AF_UNIX) as server:
        path = Path(folder) / "rpc"
        server.bind(str(path))
        server.listen()
        server.settimeout(30)

        def serve(body: bytes) -> None:
            with suppress(OSError), server.accept()[0] as connection:
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 500 Internal\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                connection.recv(65_536)

        def begin(body: bytes) -> Rpc:
            threads.append(threading.Thread(target=serve, args=(body,)))
            threads[-1].start()
            return Rpc(path, 10)

        yield begin
        for thread in threads:
            thread.join()


def code(ask: Callable[[], object]) -> str:
    with pytest.raises(NodeRefused) as refused:
        ask()
    assert "secret" not in str(refused.value)
    return refused.value.code


def told(height: bytes, more: bytes = b"") -> bytes:
    """An answer about how far the engine is."""
    info = b'"latest_block_height": "%s", "latest_block_time": "", "catching_up": false%s' % (height, more)
    return b'{"jsonrpc": "2.0", "result": {"sync_info": {%s}}}' % info


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"result": {}}',
        told(b"-1"),
        told(b"1" + b"0" * 40),
        b"[" * 100_000,
        b'{"error": {"code": -32603, "message": "secret", "data": "secret"}}',
        b" " * (MAX_ANSWER + 1),
    ],
    ids=["empty", "no JSON", "no object", "nothing", "negative", "a long number", "deep", "the engine's error", "too long"],
)
def test_an_answer_of_another_shape_is_refused(answering: Callable[[bytes], Rpc], body: bytes) -> None:
    assert code(answering(body).status) == "engine-unreachable"


def test_unknown_fields_are_let_through(answering: Callable[[bytes], Rpc]) -> None:
    assert answering(told(b"3", b', "listening": true')).status().height == 3


def test_the_engine_says_how_it_is(answering: Callable[[bytes], Rpc]) -> None:
    """API-19: three questions, one answer that has what each asks for."""
    more = b', "validator_info": {"voting_power": "2"}, "n_peers": "3", "total": "4", "total_bytes": "4096"'
    body = told(b"9").replace(b"}}}", b"}" + more + b"}}")
    for _ in range(2):
        answering(body)
    assert answering(body).figures() == Figures(9, False, 2, 3, 4, 4096)


def test_how_far_peers_are_is_asked_only_of_an_engine_that_has_caught_up(answering: Callable[[bytes], Rpc]) -> None:
    """NET-32: while it fetches blocks it stands still in this, and is well."""
    at = b'"round_state": {"height": "%s"}'
    rounds = at % b"5" + b', "peers": [{"peer_state": {%s}}]' % (at % b"7")
    body = told(b"4").replace(b'"sync_info"', rounds + b', "sync_info"')
    answering(body)
    assert answering(body).rounds() == (5, [7])  # two questions
    assert answering(body.replace(b"false", b"true")).rounds() == (0, [])


def test_a_full_mempool_is_busy(answering: Callable[[bytes], Rpc]) -> None:
    rpc = answering(b'{"error": {"code": -32603, "message": "Internal error", "data": "mempool is full: number of txs 5000"}}')
    assert code(lambda: rpc.broadcast(b"a")) == "busy"


def test_a_transaction_that_is_known_is_no_error(answering: Callable[[bytes], Rpc]) -> None:
    rpc = answering(b'{"error": {"code": -32603, "message": "Internal error", "data": "tx already exists in cache"}}')
    assert rpc.broadcast(b"a").again
