"""Asking a node: requests in, answers out. Run as a program it does so over whatever source it is started with.

``python asking.py ASKS FOLDER ANSWERS``: every request of the file ``ASKS`` to the node of ``FOLDER``.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from salus.codec import decode
from salus.ids import MemberId, Millis
from salus.ledger.genesis import MAX_GENESIS, Genesis
from salus.node.api import MEDIA, make_api
from salus.node.config import Config
from salus.node.identity import Identity
from salus.node.service import NodeService

CHANCE = b"x-request-id"  # the one header that differs from answer to answer


class Ask(msgspec.Struct, frozen=True, array_like=True):
    """One request."""

    method: str
    path: str
    body: bytes


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """What came: the status, all headers but the one of chance, and the body."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    @property
    def code(self) -> str:
        """The code of a refusal; "" of what was done."""
        return "" if self.status == 200 else str(json.loads(self.body)["code"])


class Asks(msgspec.Struct, array_like=True):
    """Requests for one node at one time (ms)."""

    genesis: bytes
    member: bytes
    seed: bytes
    time: int
    asks: list[Ask]


def ask_all(folder: Path, asked: Asks) -> list[Answer]:
    """Ask one after the other; nothing happens in between, and time stands still."""
    genesis = decode(asked.genesis, Genesis, limit=MAX_GENESIS)
    identity, config = Identity(genesis, MemberId(asked.member), asked.seed), Config(guests="open", anchor_seconds=86_400)
    node = NodeService(folder, identity, config, lambda: Millis(asked.time), background=False)
    try:
        return asyncio.run(_answers(make_api(node), asked.asks))
    finally:
        node.stop()


async def _answers(api: Any, asks: Sequence[Ask]) -> list[Answer]:
    return [await _answer(api, ask) for ask in asks]


async def _answer(api: Any, ask: Ask) -> Answer:
    """By the bare interface between server and application: a client in between would take most of the time."""
    told: list[dict[str, Any]] = []
    headers = [(b"host", b"node"), (b"content-type", MEDIA.encode())]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": ask.method,
        "scheme": "http",
        "path": ask.path,
        "raw_path": ask.path.encode(),
        "query_string": b"",
        "headers": headers if ask.body else headers[:1],
        "client": ("127.0.0.1", 1),
        "server": ("node", 80),
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": ask.body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        told.append(message)

    try:
        await api(scope, receive, send)
    except Exception:
        if not told:  # what nobody foresaw is answered first, and raised then
            raise
    body = b"".join(message.get("body", b"") for message in told[1:])
    named = tuple(sorted((name, value) for name, value in told[0]["headers"] if name != CHANCE))
    return Answer(told[0]["status"], named, body)


def main(asks: str, folder: str, answers: str) -> None:
    """As a program."""
    asked = msgspec.msgpack.decode(Path(asks).read_bytes(), type=Asks)
    Path(answers).write_bytes(msgspec.msgpack.encode(ask_all(Path(folder), asked)))


if __name__ == "__main__":
    main(*sys.argv[1:])
