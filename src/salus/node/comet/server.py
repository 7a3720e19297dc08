"""The socket on which CometBFT asks the application: one thread, one request at a time, answers in the order of the requests."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from pathlib import Path

from google.protobuf.message import DecodeError

from salus.errors import Malformed, NodeRefused
from salus.node.comet.abci_pb2 import ExceptionResponse, Request, Response
from salus.node.comet.framing import Frames, framed

_LOG = logging.getLogger("salus.node")
_PATIENCE = 10.0  # seconds for the socket to be there

Answer = Callable[[Request], Response]


class AbciServer:
    """Serves ``answer`` on a unix socket that this user alone may open.

    What ``answer`` raises is a failure of this node and never an answer: ``failed`` is told, and every connection is closed, at
    which CometBFT ends itself.
    """

    def __init__(self, path: Path, answer: Answer, failed: Callable[[BaseException], None]) -> None:
        self._path, self._answer, self._failed = path, answer, failed
        self._lines = set[_Line]()
        self._loop = asyncio.new_event_loop()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run, name="abci", daemon=True)

    def start(self) -> None:
        """Listen. `NodeRefused` ``port-taken`` where the socket cannot be made."""
        self._path.unlink(missing_ok=True)
        self._thread.start()
        if not self._listening.wait(_PATIENCE):
            raise NodeRefused("port-taken", "the socket for the engine cannot be made")

    def stop(self) -> None:
        """Close every connection, and the socket."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._path.unlink(missing_ok=True)

    def answered(self, request: Request) -> Response:
        """The answer. Whatever is raised is no result: it is told, and nothing more is said on any connection."""
        try:
            return self._answer(request)
        except BaseException as error:
            _LOG.error("the application failed at %s (%s)", request.WhichOneof("value"), type(error).__name__)
            self._failed(error)
            for line in list(self._lines):
                line.close()
            raise

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.set_exception_handler(lambda *_: None)  # what was raised has been told, without its text
        try:
            server = self._loop.run_until_complete(self._loop.create_unix_server(lambda: _Line(self, self._lines), self._path))
        except OSError as error:
            self._failed(error)
            self._loop.close()
            return
        self._path.chmod(0o600)
        self._listening.set()
        try:
            self._loop.run_forever()
        finally:
            server.close()
            for line in list(self._lines):
                line.close()
            self._loop.run_until_complete(asyncio.sleep(0))
            self._loop.close()


class _Line(asyncio.Protocol):
    """One of CometBFT's four connections."""

    def __init__(self, server: AbciServer, lines: set[_Line]) -> None:
        self._server, self._lines, self._frames = server, lines, Frames()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """One of CometBFT's connections has come."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._lines.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._lines.discard(self)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole; what is no message ends the connection."""
        answers = bytearray()
        try:
            requests = [Request.FromString(frame) for frame in self._frames.feed(data)]
        except (Malformed, DecodeError):
            self._write(framed(Response(exception=ExceptionResponse(error="not a message")).SerializeToString()))
            self.close()
            return
        for request in requests:
            answers += framed(self._server.answered(request).SerializeToString())
        self._write(bytes(answers))

    def pause_writing(self) -> None:
        """Whoever does not read its answers is asked nothing more."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It reads again."""
        if self._transport is not None:
            self._transport.resume_reading()

    def close(self) -> None:
        """Close this connection."""
        if self._transport is not None:
            self._transport.close()

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)
