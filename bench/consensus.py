"""The Python application beside CometBFT's own, and four members beside one: transactions of about 1,000 bytes for one engine.

Ours: members of a localnet; five anchors a transaction, signed by owner and sponsor. Theirs: the key-value application that is
built into CometBFT, in the engine's own process. Same configuration, same machine, same requests: batches over the engine's
socket, and the clock stops when nothing waits any more.
"""

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
from contextlib import contextmanager
from pathlib import Path

from bench.networks import BLOB, EXPIRY, Owner, owners
from bench.ratios import Effort, Row, compare
from salus.bootstrap import clock, read_genesis
from salus.codec import encode
from salus.crypto.hashing import tagged
from salus.crypto.keys import derive, fresh_nonce
from salus.crypto.signing import SigningKey
from salus.exchange.api import Submission
from salus.exchange.client import NodeClient
from salus.ids import Millis
from salus.ledger.genesis import Genesis, member_id, network_id
from salus.ledger.tx import SIGNATURE_TAG, Action, Body, Signature, Transaction, body_hash
from salus.localnet import Localnet
from salus.node.comet.binary import find_engine
from salus.node.comet.configuring import EngineHome, write_engine_home
from salus.node.comet.process import EngineProcess
from salus.node.comet.signing import begin_key, signed_name
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


def rows(effort: Effort) -> Iterator[Row]:
    """The Python application beside the built-in one; four validators beside one."""
    count = effort.of(400, 50)
    with _kvstore() as theirs, _members(1) as one:
        what, against = "transactions of 1 kB, one validator, our application", "CometBFT's own application, in Go"
        yield compare(effort, what, against, ">= 0.5", lambda: one.ordered(count), lambda: _ordered(theirs, _pairs(count)))
    with _members(1) as one, _members(4) as four:
        what = "transactions of 1 kB, four validators on one machine"
        yield compare(effort, what, "one validator", ">= 0.2", lambda: four.ordered(count), lambda: one.ordered(count))


class _Net:
    """Members of a localnet, and owners whose sections stand there."""

    def __init__(self, net: Localnet) -> None:
        first = net.members()[0]
        home = net.home(first)
        config = (home / "node" / "comet" / "config" / "config.toml").read_text("utf-8")
        (path,) = re.findall(r'laddr = "unix://([^"]+)"', config)
        self.socket, self._url = Path(path), first.url
        self._genesis: Genesis = read_genesis(home)
        self._node = SigningKey(derive(read_node_seed(home / "node" / "node.key"), "node"))
        self._owners, self._numbers = owners(self._genesis, OWNERS), itertools.count()
        node = NodeClient(self._url, 60)
        for owner in self._owners:
            node.submit(Submission(self._signed([owner.creation(self._genesis.time)], owner), (BLOB,)))
        node.close()

    def ordered(self, count: int) -> float:
        """Seconds a transaction, of so many that are handed in at once."""
        return _ordered(self.socket, [self._anchors() for _ in range(count)])

    def _anchors(self) -> bytes:
        owner = self._owners[next(self._numbers) % OWNERS]
        blobs = [tagged("bench/blob", next(self._numbers).to_bytes(8, "big")) for _ in range(ACTIONS)]
        return self._signed([owner.anchor(blob) for blob in blobs], owner)

    def _signed(self, actions: Sequence[Action], owner: Owner) -> bytes:
        sponsor = member_id(self._genesis.members[0].authority)
        body = Body(network_id(self._genesis), clock() + EXPIRY, fresh_nonce(), sponsor, tuple(actions))
        identity = body_hash(body)
        signatures = [Signature(key.public, key.sign(SIGNATURE_TAG, identity)) for key in (owner.key, self._node)]
        return encode(Transaction(body, tuple(sorted(signatures, key=lambda one: one.key))))


@contextmanager
def _members(count: int) -> Iterator[_Net]:
    with tempfile.TemporaryDirectory(prefix="salus-") as folder:
        net = Localnet(Path(folder))
        net.make(count, wired=False)
        for member in net.members():
            config = net.home(member) / "node" / "config.toml"
            config.write_text('guests = "open"\n' + config.read_text("utf-8"), "utf-8")
        try:
            net.start()
            yield _Net(net)
        finally:
            net.stop()


@contextmanager
def _kvstore() -> Iterator[Path]:
    """One engine with its built-in application; its socket."""
    with tempfile.TemporaryDirectory(prefix="salus-") as folder:
        place, seed = Path(folder), tagged("bench/validator")
        key, rpc = SigningKey(seed).public, place / "rpc.sock"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            listen = f"127.0.0.1:{free.getsockname()[1]}"
        home = EngineHome(
            folder=place / "engine",
            chain="bench",
            app_version=0,
            genesis_time=Millis(clock()),
            validators=((key, "bench"),),
            validator_seed=seed,
            peer_seed=tagged("bench/peer"),
            signed=signed_name(0),
            app_socket=place / "app.sock",
            rpc_socket=rpc,
            listen=listen,
            max_block=1024 * 1024 + 256 * 1024,
            header_interval=10_000,
            local=True,
        )
        begin_key(home.folder, 0)
        write_engine_home(home, app="kvstore")
        process = EngineProcess(find_engine(), home.folder, place / "engine.log")
        process.start(rpc)
        try:
            _await(rpc.exists)
            _await(lambda: int(_ask(rpc, [("status", {})])[0]["sync_info"]["latest_block_height"]) > 0)
            yield rpc
        finally:
            process.stop()


def _pairs(count: int) -> list[bytes]:
    """Transactions of the key-value application, about as long as ours."""
    return [b"%s=%s" % (fresh_nonce().hex().encode(), b"x" * 960) for _ in range(count)]


def _ordered(path: Path, transactions: Sequence[bytes]) -> float:
    batches = [transactions[at : at + BATCH] for at in range(0, len(transactions), BATCH)]
    begun = time.perf_counter()
    with ThreadPoolExecutor(LINES) as pool:
        for answers in pool.map(
            lambda batch: _ask(path, [("broadcast_tx_sync", {"tx": _text(data)}) for data in batch]), batches
        ):
            refused = [answer for answer in answers if answer["code"]]
            if refused:
                raise SystemExit(f"refused: {refused[0]}")
    _await(lambda: int(_ask(path, [("num_unconfirmed_txs", {})])[0]["n_txs"]) == 0)
    return (time.perf_counter() - begun) / len(transactions)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _ask(path: Path, questions: Sequence[tuple[str, dict[str, str]]]) -> list[dict]:
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


def _await(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise SystemExit("the engine does not come to an end with it")
        time.sleep(0.005)
