"""Members that order together, under load and faults by chance from a seed; and what became of all that was acknowledged.

Each member is a process of its own, with real CometBFT. Clients submit through whichever member they like, send what nobody has
decided once more, and read at the members' vaults. Faults: a member's power is cut, it stands still, or its wires are cut; seldom
two at once, so that nothing is ordered meanwhile, and with cut wires on neither side.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from bench.networks import Owner
from localnet_world import MEMBERS, OWNERS, SETTLED, Members, Sent
from salus.crypto import hpke
from salus.crypto.hashing import tagged
from salus.crypto.keys import fresh_nonce
from salus.errors import SalusError
from salus.exchange.client import NodeClient
from salus.exchange.placing import responsible
from salus.home_folder import clock
from salus.ledger.genesis import network_id
from salus.ledger.header import header_hash
from salus.ledger.modules.revocations.state import revocation_id
from salus.node.vault.blobs import Blobs
from salus.warrants.checking import NOBODY, sign_link, spans_of, warrant_id
from salus.warrants.holding import sign_owner, sign_read
from salus.warrants.link import Link, Purpose, Right, Warrant
from salus.warrants.requests import OwnerRequest, ReadRequest

NONE = bytes(32)
RECEIPTS = hpke.public_key(tagged("chaos/receipts"))
HOUR = 3_600_000
UNDER_WAY = 3.0  # seconds for what two sides had exchanged before they were divided


@dataclass
class Came:
    """What became of what was asked."""

    acknowledged: list[Sent] = field(default_factory=list)
    undecided: list[Sent] = field(default_factory=list)
    served: Counter[tuple[int, int]] = field(default_factory=Counter)  # readings by (member, owner)
    refusals: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)  # seconds to each acknowledgement
    divided: list[str] = field(default_factory=list)  # what half of the members decided, or all did not when they were one again
    resumed: list[float] = field(default_factory=list)  # seconds from wires that are whole to the next block everywhere


@dataclass
class Judged:
    """What the members hold in the end."""

    height: int = 0
    forks: list[int] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    unreceipted: list[str] = field(default_factory=list)


class Chaos(Members):
    """The network, its clients, and its faults."""

    def __init__(self, folder: Path, seed: int, environment: Mapping[str, str] | None = None) -> None:
        super().__init__(folder, environment)
        self.chance, self.came = random.Random(seed), Came()
        self._lock, self._over = threading.Lock(), threading.Event()

    def run(self, seconds: float, told: Callable[[str], None] = lambda _: None) -> Came:
        """Ask and break for so long; all members are well again afterwards."""
        self.start()
        end = time.monotonic() + seconds
        with ThreadPoolExecutor(6) as pool:
            writing = [pool.submit(self._write, n) for n in range(4)]
            reading = [pool.submit(self._read, n) for n in range(2)]
            while time.monotonic() < end:
                self._fault(told)
            self._over.set()
            for each in (*writing, *reading):
                each.result()
        self.net.start()
        return self.came

    def judge(self, patience: float = SETTLED) -> Judged:
        """Hold what every member has against what was acknowledged; ``patience``: seconds for replicas to come."""
        found = Judged()
        clients = [NodeClient(member.url, 20.0) for member in self.members]
        self._resend(clients)
        found.height = self.settled()
        found.forks = self.forks()
        found.lost = [f"transaction {number}" for number in self.lost(self.came.acknowledged)]
        for (member, owner), times in self.came.served.items():
            if (kept := self._receipts(clients[member], member, owner)) < times:
                found.unreceipted.append(f"member {member}, section {owner}: {kept} receipts of {times} readings")
        self._await_replicas(found, patience)
        for client in clients:
            client.close()
        return found

    def _await_replicas(self, found: Judged, patience: float) -> None:
        """Every vault that is to keep a sealed blob has it, once the members have had a moment for it."""
        ids, copies = [self.member(at) for at in range(MEMBERS)], self.genesis.parameters.copies
        wanted = {(at, sent.blob) for sent in self.came.acknowledged for at in self._keepers(ids, sent.blob, copies)}
        vaults = [Blobs(self.net.home(member) / "node" / "vault" / "blobs", reading=True) for member in self.members]
        deadline = time.monotonic() + patience
        while (missing := [one for one in wanted if not vaults[one[0]].has(one[1])]) and time.monotonic() < deadline:
            time.sleep(0.5)
        found.lost += [f"blob {blob.hex()[:8]} at {self.members[at].name}" for at, blob in sorted(missing)]

    def _keepers(self, ids: list[bytes], blob: bytes, copies: int) -> list[int]:
        """The numbers of the members that are to keep the blob."""
        return [ids.index(member) for member in responsible(ids, blob, copies)]

    def _resend(self, clients: list[NodeClient]) -> None:
        """What nobody had decided is sent once more, as its agents would."""
        for sent in self.came.undecided:
            try:
                clients[sent.at].submit(sent.submission)
                self.came.acknowledged.append(sent)
            except SalusError as refused:
                self.came.refusals[f"again: {refused.full_code}"] += 1

    def _fault(self, told: Callable[[str], None]) -> None:
        """One fault and its end."""
        time.sleep(self.chance.uniform(1, 3))
        kind = self.chance.choice(("kill", "pause", "cut"))
        count = 2 if self.chance.random() < 0.3 else 1
        broken = self.chance.sample([member.name for member in self.members], count)
        told(f"{kind} {' and '.join(broken)}")
        self.came.faults[kind if count == 1 else f"{kind}, two at once"] += 1
        if kind == "cut":
            self.part(broken, self.chance.uniform(1, 6))
            return
        for name in broken:
            getattr(self.net, kind)(name)
        time.sleep(self.chance.uniform(1, 6))
        for name in broken:
            self.net.resume(name)
        self.net.start()

    def part(self, names: Sequence[str], seconds: float) -> None:
        """Cut members off for so long. Where these are half of all, neither side may decide, and both must go on afterwards."""
        self.net.cut(names)
        if 2 * len(names) == MEMBERS:
            time.sleep(UNDER_WAY)
        before = self.heights()
        time.sleep(seconds)
        after = self.heights()
        if 2 * len(names) == MEMBERS and before != after:
            self.came.divided.append(f"{' and '.join(names)} cut off: from {before} to {after}")
        self.net.mend()
        mended = time.monotonic()
        while min(self.heights()) <= max(after) and time.monotonic() < mended + SETTLED:
            time.sleep(0.1)
        self.came.resumed.append(time.monotonic() - mended)
        if min(self.heights()) <= max(after):
            self.came.divided.append(f"{' and '.join(names)} are back, and not at {max(after)}: {self.heights()}")

    def _write(self, number: int) -> None:
        """Append at members by chance, one after the other."""
        chance = random.Random(number)
        while not self._over.is_set():
            at = chance.randrange(MEMBERS)
            sent = self.anchor(at, chance.randrange(OWNERS))
            begun = time.monotonic()
            try:
                with self.client(at) as node:
                    node.submit(sent.submission)
            except SalusError as refused:
                with self._lock:
                    self.came.refusals[refused.full_code] += 1
                    self.came.undecided.append(sent)
                self._over.wait(0.2)
            else:
                with self._lock:
                    self.came.acknowledged.append(sent)
                    self.came.waits.append(time.monotonic() - begun)

    def _read(self, number: int) -> None:
        """Read the first entries of sections at members' vaults."""
        chance = random.Random(100 + number)
        while not self._over.is_set():
            at, which = chance.randrange(MEMBERS), chance.randrange(OWNERS)
            try:
                with self.client(at) as node:
                    node.read(self._reading(node, at, self.owners[which]))
            except SalusError as refused:
                with self._lock:
                    self.came.refusals[f"reading: {refused.full_code}"] += 1
            else:
                with self._lock:
                    self.came.served[at, which] += 1
            self._over.wait(0.1)

    def _reading(self, node: NodeClient, at: int, owner: Owner):
        network, newest, now = network_id(self.genesis), node.header(None).header, clock()
        until, gone = now + 72 * HOUR, revocation_id(tagged("chaos/revocation"))
        rights = ((Right.READ,), (Purpose.TREAT,), now - HOUR, until, None, spans_of(()), NOBODY, RECEIPTS, gone, b"")
        warrant = Warrant((sign_link(owner.key, Link(network, owner.section, owner.section, owner.key.public, *rights)),))
        block = (newest.height, header_hash(newest))
        what = (owner.section, (0,), (), Purpose.TREAT, NONE, NONE, fresh_nonce(), *block)
        return sign_read(owner.key, ReadRequest(network, self.member(at), warrant_id(warrant), *what), warrant)

    def _receipts(self, node: NodeClient, at: int, which: int) -> int:
        """How many receipts the member's vault keeps for the section."""
        owner, count = self.owners[which], 0
        while True:
            newest = node.header(None).header
            asked = (self.member(at), owner.section, count, fresh_nonce(), newest.height, header_hash(newest))
            got = node.receipts(sign_owner(owner.key, OwnerRequest(network_id(self.genesis), *asked))).receipts
            if not got:
                return count
            count += len(got)
