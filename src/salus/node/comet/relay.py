"""What this node's CometBFT asks other members' engines while it begins with a snapshot: a socket for each of them.

Its light client wants to ask other nodes' RPC. None of it is open anywhere: the three questions that it has, and no other, are
passed on, signed, through the API of the member's node.
"""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Annotated, Any

import msgspec

from salus.codec import decode_json
from salus.errors import NodeRefused, SalusError
from salus.exchange.peering import Question

MAX_ASK = 4096  # bytes
_SECONDS = 30.0

Number = Annotated[str, msgspec.Meta(pattern="^[0-9]{1,15}$")]
Put = Callable[[Question, int, int], bytes]


class _Params(msgspec.Struct, frozen=True):
    height: Number = "0"
    page: Annotated[str, msgspec.Meta(pattern="^[0-9]{1,2}$")] = "1"


class _Asked(msgspec.Struct):
    method: Question
    id: int
    params: _Params = _Params()


class _Answered(msgspec.Struct):
    result: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


class Relay:
    """Sockets in ``folder``, one for each of ``puts``, which put a question to a member; nobody but this user may open them."""

    def __init__(self, folder: Path, puts: Sequence[Put]) -> None:
        self._servers = [
            _Server(folder / f"light-{number}.sock", put, puts[(number + 1) % len(puts)]) for number, put in enumerate(puts)
        ]

    def addresses(self) -> tuple[str, ...]:
        """What CometBFT takes for the addresses of RPC servers."""
        return tuple(f"unix://{server.path}" for server in self._servers)

    def start(self) -> None:
        """Answer from now on."""
        for server in self._servers:
            server.begin()

    def stop(self) -> None:
        """Answer no more."""
        for server in self._servers:
            server.end()


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 16

    def __init__(self, path: Path, put: Put, witness: Put) -> None:
        self.path, self.put, self.witness = path, put, witness
        super().__init__(str(path), _Handler)
        path.chmod(0o600)
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, name="relay", daemon=True)

    def begin(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def end(self) -> None:
        """Answer no more."""
        if self._thread.is_alive():
            self.shutdown()
            self._thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a connection that breaks is CometBFT's to open again."""


class _Handler(BaseHTTPRequestHandler):
    timeout = _SECONDS
    server: _Server

    def do_POST(self) -> None:
        """Answer one question."""
        size = self.headers.get("content-length", "")
        if not size.isascii() or not size.isdigit() or int(size) > MAX_ASK:
            self.send_error(413)
            return
        answer = answered(self.server.put, self.server.witness, self.rfile.read(int(size)))
        self.send_response(200 if answer else 403)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args: Any) -> None:
        """Nothing is logged of it."""


def answered(put: Put, witness: Put, asked: bytes) -> bytes:
    """The answer to a request of JSON-RPC; no bytes for one that is not passed on.

    Whose turn it is to propose follows from numbers beside the validators that no header is a proof of, and that CometBFT takes
    as they come: of those, ``witness``, another member, must say the same.
    """
    try:
        question = decode_json(asked, _Asked)
        if question.method == Question.SNAPSHOTS:
            return b""
        what = (question.method, int(question.params.height), int(question.params.page))
        told = put(*what)
        if question.method == Question.VALIDATORS and _result(witness(*what)) != _result(told):
            raise NodeRefused("members-disagree", "two members do not say the same of who validates")
        return _addressed(question.id, told)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return b""
    except SalusError as error:
        failed = {"code": -32603, "message": "the member's node does not answer", "data": error.full_code}
        return json.dumps({"jsonrpc": "2.0", "id": question.id, "error": failed}).encode()


def _result(told: bytes) -> bytes:
    return bytes(decode_json(told, _Answered).result)


def _addressed(number: int, told: bytes) -> bytes:
    """The member's answer, under the number of this question."""
    answer = decode_json(told, _Answered)
    said = {"error": answer.error} if answer.error else {"result": answer.result}
    return msgspec.json.encode({"jsonrpc": "2.0", "id": number, **said})
