"""Members of a localnet that is measured: transactions for its engines and its nodes, and what its processes have used."""

from __future__ import annotations

import base64
import http.client
import itertools
import json
import re
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

from bench.networks import BLOB, EXPIRY, Owner, owners
from salus.bootstrap import open_home
from salus.codec import encode
from salus.crypto.hashing import tagged
from salus.crypto.keys import derive, fresh_nonce
from salus.crypto.signing import SigningKey
from salus.exchange.api import Submission
from salus.exchange.client import NodeClient
from salus.home_folder import clock, read_genesis
from salus.ledger.genesis import Genesis, member_id, network_id
from salus.ledger.tx import SIGNATURE_TAG, Action, Body, Signature, Transaction, body_hash
from salus.localnet import Localnet
from salus.node.identity import read_node_seed

ACTIONS = 5  # anchors of one transaction: about 1,000 bytes with its signatures
BATCH = 10  # transactions of one request, the most that the engine takes at once
LINES = 4  # requests at once
OWNERS = 8


class _Line(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("engine", timeout=60)
        self._path = path

    def connect(self) -> None:
        """Connect."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(str(self._path))


class Net:
    """Members of a localnet, and owners whose sections stand there; ``node`` and ``authority`` are the first member's."""

    def __init__(self, net: Localnet) -> None:
        first = net.members()[0]
        home = net.home(first)
        config = (home / "node" / "comet" / "config" / "config.toml").read_text("utf-8")
        (path,) = re.findall(r'laddr = "unix://([^"]+)"', config)
        self.socket, self._url = Path(path), first.url
        self.genesis: Genesis = read_genesis(home)
        self.node = SigningKey(derive(read_node_seed(home / "node" / "node.key"), "node"))
        self.owners, self._numbers = owners(self.genesis, OWNERS), itertools.count()
        self._members = net.members()
        with open_home(home, lambda: "") as agent:
            self.authority = agent.wallets()[0].authority
        with closing(NodeClient(self._url, 60)) as node:
            for owner in self.owners:
                node.submit(Submission(self._signed([owner.creation(self.genesis.time)], owner), (BLOB,)))

    def ordered(self, count: int) -> float:
        """Seconds a transaction, of so many that are handed in at once."""
        return ordered(self.socket, [self._anchors() for _ in range(count)])

    def latencies(self, count: int, seconds: float) -> list[float]:
        """Seconds until one transaction after the other is acknowledged, one handed in every so many ``seconds``."""
        blobs = [BLOB[:-8] + next(self._numbers).to_bytes(8, "big") for _ in range(count)]
        sent = [(blob, self.owners[number % OWNERS]) for number, blob in enumerate(blobs)]
        with closing(NodeClient(self._url, 60)) as node, ThreadPoolExecutor(64) as pool:

            def acknowledged(blob: bytes, owner: Owner) -> float:
                submission = Submission(self._signed([owner.anchor(blob)], owner), (blob,))
                begun = time.perf_counter()
                if node.submit(submission).refusal:
                    raise SystemExit("refused")
                return time.perf_counter() - begun

            waiting = []
            for blob, owner in sent:
                waiting.append(pool.submit(acknowledged, blob, owner))
                time.sleep(seconds)
            return [one.result() for one in waiting]

    def processor_seconds(self) -> float:
        """What nodes and engines have used of the processor since they began."""
        used = 0.0
        for member in self._members:
            with closing(NodeClient(member.url, 60)) as node:
                found = node.figures()
            used += found["salus_process_cpu_seconds_total"] + found["salus_engine_process_cpu_seconds_total"]
        return used

    def _anchors(self) -> bytes:
        owner = self.owners[next(self._numbers) % OWNERS]
        blobs = [tagged("bench/blob", next(self._numbers).to_bytes(8, "big")) for _ in range(ACTIONS)]
        return self._signed([owner.anchor(blob) for blob in blobs], owner)

    def _signed(self, actions: Sequence[Action], owner: Owner) -> bytes:
        sponsor = member_id(self.genesis.members[0].authority)
        body = Body(network_id(self.genesis), clock() + EXPIRY, fresh_nonce(), sponsor, tuple(actions))
        identity = body_hash(body)
        signatures = [Signature(key.public, key.sign(SIGNATURE_TAG, identity)) for key in (owner.key, self.node)]
        return encode(Transaction(body, tuple(sorted(signatures, key=lambda one: one.key))))


@contextmanager
def members(count: int, *, local: bool = True) -> Iterator[Net]:
    """So many members, started; without ``local`` they wait for the wire as members on different machines do."""
    with tempfile.TemporaryDirectory(prefix="salus-") as folder:
        net = Localnet(Path(folder))
        net.make(count, wired=False)
        for member in net.members():
            config = net.home(member) / "node" / "config.toml"
            text = config.read_text("utf-8").replace("local = true", f"local = {str(local).lower()}")
            config.write_text(f'guests = "open"\n{text}', "utf-8")
        try:
            net.start()
            yield Net(net)
        finally:
            net.stop()


def ordered(path: Path, transactions: Sequence[bytes]) -> float:
    """Seconds a transaction that the engine behind the socket orders, until none waits any more."""
    batches = [transactions[at : at + BATCH] for at in range(0, len(transactions), BATCH)]
    begun = time.perf_counter()
    with ThreadPoolExecutor(LINES) as pool:
        for answers in pool.map(lambda batch: ask(path, [("broadcast_tx_sync", {"tx": _text(data)}) for data in batch]), batches):
            refused = [answer for answer in answers if answer["code"]]
            if refused:
                raise SystemExit(f"refused: {refused[0]}")
    wait_until(lambda: int(ask(path, [("num_unconfirmed_txs", {})])[0]["n_txs"]) == 0)
    return (time.perf_counter() - begun) / len(transactions)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def ask(path: Path, questions: Sequence[tuple[str, dict[str, str]]]) -> list[dict]:
    """The engine's answers."""
    asked = [{"jsonrpc": "2.0", "id": n, "method": method, "params": given} for n, (method, given) in enumerate(questions)]
    line = _Line(path)
    try:
        line.request("POST", "/", json.dumps(asked), {"content-type": "application/json"})
        answers = json.loads(line.getresponse().read())
    finally:
        line.close()
    given = answers if isinstance(answers, list) else [answers]
    if any("result" not in answer for answer in given):
        raise SystemExit(f"the engine refuses: {given[0]}")
    return [answer["result"] for answer in given]


def wait_until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until it holds."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise SystemExit("the engine does not come to an end with it")
        time.sleep(0.005)
