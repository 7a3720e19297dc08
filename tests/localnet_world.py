"""Members that order together, each a process of its own with real CometBFT; and clients that write at whichever they like."""

from __future__ import annotations

import itertools
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.networks import BLOB, EXPIRY, Owner, owners
from salus.codec import encode
from salus.crypto.hashing import sha256
from salus.crypto.keys import fresh_nonce
from salus.errors import NodeRefused, SalusError
from salus.exchange.api import Submission
from salus.exchange.client import NodeClient
from salus.home_folder import clock, read_genesis
from salus.ledger.genesis import Genesis, member_id, network_id
from salus.ledger.header import header_hash
from salus.ledger.tx import SIGNATURE_TAG, Action, Body, Signature, Transaction, body_hash
from salus.localnet import Localnet
from salus.node.comet.binary import find_engine
from salus.processes import begin

MEMBERS, OWNERS = 4, 16
SETTLED = 60.0  # seconds for the members to have the same once all are well


def missing() -> str:
    """Why CometBFT is not there; "" where it is."""
    try:
        find_engine()
    except NodeRefused as error:
        return f"CometBFT is not built (`make engine`, needs Go): {error.code}"
    return ""


#: What a test on real CometBFT is marked with.
on_comet = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=missing() or "it is there")]


@dataclass(frozen=True)
class Sent:
    """A transaction with its blob, and at which member it was handed in."""

    at: int
    submission: Submission
    body: bytes
    blob: bytes


class Members:
    """A localnet in ``folder`` whose nodes let strangers in, and owners whose sections stand there once it is started."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.net, self._numbers = Localnet(folder, environment or {}), itertools.count()
        self.net.make(MEMBERS)
        self.members = self.net.members()
        for member in self.members:  # clients here are strangers, not guests
            config = self.net.home(member) / "node" / "config.toml"
            config.write_text('guests = "open"\n' + config.read_text("utf-8"), "utf-8")
        self.genesis: Genesis = read_genesis(self.net.home(self.members[0]))
        self.owners = owners(self.genesis, OWNERS)

    def start(self) -> None:
        """Start all members, and have the owners' sections made."""
        self.net.start()
        with self.client(0) as node:
            for owner in self.owners:
                node.submit(self.signed(0, [owner.creation(self.genesis.time)], owner, (BLOB,)).submission)

    def fault(self, at: int, fault: str, environment: Mapping[str, str] | None = None) -> None:
        """End that member's node, and start it with a fault in it (`faulty_node`); `until` it answers is the caller's to wait."""
        home, tests = self.home(at), Path(__file__).parent
        self.net.kill(self.members[at].name)
        self.gone(at)
        (home / "node" / "port").unlink(missing_ok=True)
        paths = os.pathsep.join([str(tests), *sys.path])
        told = {**os.environ, "PYTHONPATH": paths, "FAULT": fault, **(environment or {})}
        begin("faulty_node", ["serve", "--home", str(home)], home / "server.log", home / "server.pid", told)

    def answers(self, at: int) -> bool:
        """Whether that member's node runs and answers."""
        return self.net.seen(self.members[at]).height is not None

    def gone(self, at: int) -> bool:
        """Whether that member's node and engine have ended, once they have had a moment for it."""
        note = self.home(at) / "node" / "comet" / "engine.pid"

        def engine() -> bool:
            return note.exists() and Path(f"/proc/{note.read_text('ascii').strip()}/exe").exists()

        return until(lambda: self.net.pid(self.members[at]) is None and not engine())

    def engine_socket(self, at: int) -> Path:
        """Where that member's engine is asked since its last start."""
        config = (self.home(at) / "node" / "comet" / "config" / "config.toml").read_text("utf-8")
        (path,) = re.findall(r'laddr = "unix://([^"]+)"', config)
        return Path(path)

    def said(self, at: int) -> str:
        """What that member's node has said since its first start."""
        return (self.home(at) / "server.log").read_text("utf-8", "replace")

    def home(self, at: int) -> Path:
        """That member's home."""
        return self.net.home(self.members[at])

    def member(self, at: int) -> bytes:
        """Its id."""
        return member_id(self.genesis.members[at].authority)

    @contextmanager
    def client(self, at: int, seconds: float = 30.0) -> Iterator[NodeClient]:
        """Somebody who asks its node."""
        node = NodeClient(self.members[at].url, seconds)
        try:
            yield node
        finally:
            node.close()

    def signed(self, at: int, actions: Sequence[Action], owner: Owner, blobs: tuple[bytes, ...]) -> Sent:
        """A transaction for that member to sponsor."""
        body = Body(network_id(self.genesis), clock() + EXPIRY, fresh_nonce(), self.member(at), tuple(actions))
        identity = body_hash(body)
        signatures = (Signature(owner.key.public, owner.key.sign(SIGNATURE_TAG, identity)),)
        return Sent(at, Submission(encode(Transaction(body, signatures)), blobs), identity, sha256(blobs[0]))

    def anchor(self, at: int, owner: int) -> Sent:
        """A new blob to be anchored, not sent yet."""
        blob = BLOB[:-8] + next(self._numbers).to_bytes(8, "big")
        return self.signed(at, [self.owners[owner].anchor(blob)], self.owners[owner], (blob,))

    def append(self, at: int, owner: int = 0) -> Sent:
        """Anchor a new blob, sent once more while nobody has decided, as agents do; raises what refuses it."""
        sent, deadline = self.anchor(at, owner), time.monotonic() + SETTLED
        while True:
            try:
                with self.client(at) as node:
                    node.submit(sent.submission)
                return sent
            except SalusError as error:
                if error.full_code != "agent/undecided" or time.monotonic() > deadline:
                    raise

    def heights(self, of: Sequence[int] = range(MEMBERS)) -> list[int]:
        """How far these members are."""
        found = []
        for at in of:
            with self.client(at) as node:
                found.append(node.status().height)
        return found

    def settled(self, of: Sequence[int] = range(MEMBERS)) -> int:
        """The height that every one of these has reached, once they have had a moment for it."""
        wanted = max(self.heights(of))
        until(lambda: min(self.heights(of)) >= wanted)
        return min(self.heights(of))

    def forks(self, of: Sequence[int] = range(MEMBERS)) -> list[int]:
        """At which heights, up to the one that all have reached, these members' headers (so application hashes) part."""
        newest = self.settled(of)
        clients = [NodeClient(self.members[at].url, 20.0) for at in of]
        try:
            return [
                height
                for height in range(1, newest + 1)
                if len({header_hash(client.header(height).header) for client in clients}) != 1
            ]
        finally:
            for client in clients:
                client.close()

    def lost(self, acknowledged: Sequence[Sent], of: Sequence[int] = range(MEMBERS)) -> list[int]:
        """Which of what was acknowledged a member's ledger lacks, by number."""
        found = []
        for at in of:
            with self.client(at) as node:
                found += [number for number, sent in enumerate(acknowledged) if not node.result(sent.body).height]
        return found


def until(so: Callable[[], object], seconds: float = SETTLED) -> bool:
    """Wait until it is so; whether it came to be."""
    deadline = time.monotonic() + seconds
    while not so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
