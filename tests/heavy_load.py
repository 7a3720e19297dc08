"""More requests than a node can take, sent whether or not it answers: an open loop, as patients are; and what became of each.

A node is served in a process of its own. Two members sponsor: the node's own, and another whose transactions reach it ready
signed, as a member's node passes them on. Clients are few lines over a socket, so that what is slow is the node.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import NamedTuple

from bench.networks import BLOB, EXPIRY, Owner, make_node_home, owners, signed
from bench.serving import get, post, started
from salus.codec import encode
from salus.crypto.hashing import sha256, tagged
from salus.crypto.keys import fresh_nonce, new_seed
from salus.crypto.signing import SigningKey
from salus.exchange.api import StatesRequest, Submission
from salus.exchange.client import NodeClient
from salus.home_folder import clock
from salus.ledger.genesis import Genesis, GenesisMember, member_id, network_id
from salus.ledger.modules.members.state import member_key
from salus.ledger.tx import SIGNATURE_TAG, Body, Signature, Transaction, body_hash
from salus.node.ledger_store import LedgerStore
from salus.node.vault.blobs import Blobs

#: What a node may answer however much is asked of it.
ALLOWED = {200, 429, 503}
PATIENCE = 60.0
OTHER = SigningKey(tagged("load/other-node"))


class Asked(NamedTuple):
    """A request, and what is to be found afterwards when it was answered with 200: a body and its blob, or neither."""

    data: bytes
    body: bytes = b""
    blob: bytes = b""


@dataclass
class Came:
    """What became of what was asked: answers by status (0: the connection broke), and what was acknowledged."""

    statuses: Counter[int] = field(default_factory=Counter)
    kept: list[Asked] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)  # that each answer with 200 took
    lasted: float = 0.0

    @property
    def goodput(self) -> float:
        """Answers with 200 a second."""
        return self.statuses[200] / self.lasted

    def note(self, asked: Asked, status: int, took: float) -> None:
        """One request was answered."""
        self.statuses[status] += 1
        if status == 200:
            self.seconds.append(took)
            if asked.body:
                self.kept.append(asked)


@dataclass
class Served:
    """A node that is served, and who asks it."""

    home: Path
    pid: int
    url: str
    genesis: Genesis
    owners: list[Owner]
    kill: Callable[[], None]
    numbers: Iterator[int] = field(default_factory=count)

    def transaction(self, sponsor: int) -> Asked:
        """An anchor with its blob, under the sponsorship of member number ``sponsor``."""
        number = next(self.numbers)
        owner, blob = self.owners[number % len(self.owners)], BLOB[:-8] + number.to_bytes(8, "big")
        member = member_id(self.genesis.members[sponsor].authority)
        body = Body(network_id(self.genesis), clock() + EXPIRY, fresh_nonce(), member, (owner.anchor(blob),))
        identity = body_hash(body)
        keys = (owner.key, OTHER) if sponsor else (owner.key,)
        signatures = sorted((Signature(k.public, k.sign(SIGNATURE_TAG, identity)) for k in keys), key=lambda one: one.key)
        submission = Submission(encode(Transaction(body, tuple(signatures))), (blob,))
        return Asked(post("/v1/transactions", submission), identity, sha256(blob))

    def mixed(self) -> Asked:
        """Of ten requests seven transactions, two readings of proven state, and a header."""
        kind = next(self.numbers) % 10
        if kind < 7:
            return self.transaction(0)
        if kind < 9:
            return Asked(post("/v1/states", StatesRequest((member_key(member_id(self.genesis.members[0].authority)),))))
        return Asked(get("/v1/headers/newest"))

    def memory(self) -> int:
        """Bytes that the node's process has for itself: no pages of files."""
        status = Path(f"/proc/{self.pid}/status").read_text("ascii")
        return int(status.partition("RssAnon:")[2].split()[0]) * 1024

    def lost(self, came: Came) -> int:
        """How much of what was acknowledged is not on the disk of the node, which does not run any more."""
        store, blobs = LedgerStore(self.home / "node" / "ledger"), Blobs(self.home / "node" / "vault" / "blobs", reading=True)
        try:
            return sum(store.result(asked.body) is None or blobs.get(asked.blob) is None for asked in came.kept)
        finally:
            store.close()


@contextmanager
def loaded(folder: Path) -> Iterator[Served]:
    """A served node with 64 owners' sections; killed behind, unless it was before."""
    home = folder / "home"
    other = GenesisMember(SigningKey(tagged("load/other")).public, OTHER.public, ())
    genesis = make_node_home(home, new_seed(), other)
    process, url = started(home)
    try:
        node, made = NodeClient(url), owners(genesis, 64)
        for owner in made:
            creation = signed(genesis, [owner.creation(genesis.time)], [owner.key])
            node.submit(Submission(creation, (BLOB,)))
        node.close()

        def kill() -> None:
            process.kill()
            process.wait(PATIENCE)

        yield Served(home, process.pid, url, genesis, made, kill)
    finally:
        process.kill()
        process.wait(PATIENCE)


class Lines:
    """Connections to the node that are open and idle."""

    def __init__(self, url: str) -> None:
        host, _, port = url.removeprefix("http://").rpartition(":")
        self._host, self._port = host, int(port)
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, data: bytes) -> int:
        """Send a request; the status of its answer, 0 where the connection broke.

        A connection that the node has closed while it was idle was none: another is opened, as HTTP clients do (RFC 9112, 9.3.1).
        """
        try:
            async with asyncio.timeout(PATIENCE):
                while self._idle:
                    line = self._idle.pop()
                    try:
                        return await self._answered(*line, data)
                    except (OSError, EOFError):
                        line[1].close()
                return await self._answered(*await asyncio.open_connection(self._host, self._port), data)
        except (OSError, EOFError, TimeoutError):
            return 0

    async def _answered(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> int:
        writer.write(data)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = head.partition(b"content-length:")[2].split(b"\r\n", 1)[0]
        if length.strip():
            await reader.readexactly(int(length))
        if b"connection: close" in head or not length.strip():
            writer.close()
        else:
            self._idle.append((reader, writer))
        return int(head[9:12])

    def close(self) -> None:
        """Close what is idle."""
        for _, writer in self._idle:
            writer.close()


async def open_loop(url: str, make: Callable[[], Asked], rate: float, seconds: float) -> Came:
    """So many requests a second, each sent when its time has come, whatever became of those before."""
    came, lines, under_way = Came(), Lines(url), set[asyncio.Task[None]]()
    begun = time.perf_counter()

    async def one(asked: Asked, due: float) -> None:
        status = await lines.ask(asked.data)
        came.note(asked, status, time.perf_counter() - due)

    for number in range(int(rate * seconds)):
        due = begun + number / rate
        if (early := due - time.perf_counter()) > 0.001:
            await asyncio.sleep(early)
        elif number % 16 == 0:
            await asyncio.sleep(0)
        task = asyncio.create_task(one(make(), due))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    came.lasted = time.perf_counter() - begun
    while under_way:
        await asyncio.wait(under_way)
    lines.close()
    return came


def lasting(seconds: float) -> Callable[[], bool]:
    """True for so many seconds from now on."""
    end = time.perf_counter() + seconds
    return lambda: time.perf_counter() < end


async def closed_loop(url: str, make: Callable[[], Asked], clients: int, more: Callable[[], bool]) -> Came:
    """As many clients, each asking again as soon as it was answered, while there is to be ``more``."""
    came, lines = Came(), Lines(url)
    begun = time.perf_counter()

    async def client() -> None:
        while more():
            asked, now = make(), time.perf_counter()
            came.note(asked, await lines.ask(asked.data), time.perf_counter() - now)

    await asyncio.gather(*(client() for _ in range(clients)))
    came.lasted = time.perf_counter() - begun
    lines.close()
    return came
