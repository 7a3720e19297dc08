"""How many transactions are confirmed a second, beside a chain of the Ethereum kind that carries as many bytes.

Ours: as in `ledger_over_http`. Theirs: Ganache, with its database on the same disk, one block a transaction (its fastest way),
transactions of 96 bytes of data from 16 accounts over 16 connections, each answered when its block is made.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.ledger_over_http import Submitter
from bench.networks import BLOB, make_node_home
from bench.ratios import Effort, Row, compare, not_installed
from bench.serving import CLIENTS, answered, posted, served
from salus.crypto.keys import new_seed

_GANACHE = Path(__file__).parent / "peers" / "node_modules" / "ganache" / "dist" / "node" / "cli.js"


def rows(effort: Effort) -> Iterator[Row]:
    """One row."""
    what, against, mark = f"confirmed transactions, {CLIENTS} connections", "Ganache, 96 bytes of data each", ">= 5"
    node = shutil.which("node")
    if node is None or not _GANACHE.exists():
        yield not_installed(what, against, mark, "Ganache")
        return
    ours, theirs = effort.of(600, 64), effort.of(200, 32)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        make_node_home(home, new_seed())
        with served(home) as url, ganache(node, Path(folder) / "chain") as chain:
            submitter = Submitter(url)
            sent = _sent(chain)
            yield compare(
                effort,
                what,
                against,
                mark,
                lambda: answered(url, submitter.requests(ours)),
                lambda: answered(chain, [sent[n % CLIENTS] for n in range(theirs)]),
            )


@contextmanager
def ganache(node: str, folder: Path) -> Iterator[str]:
    """A chain of its own; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--server.port", str(port), "--wallet.totalAccounts", str(CLIENTS), "--database.dbPath", str(folder)]
    command = [node, str(_GANACHE), *options, "--logging.quiet", "--miner.blockGasLimit", "30000000"]
    chain = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 60
        while True:
            try:
                _accounts(url)
                break
            except OSError:
                if chain.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit("Ganache did not start") from None
                time.sleep(0.1)
        yield url
    finally:
        chain.terminate()
        chain.wait()


def _accounts(url: str) -> list[str]:
    request = urllib.request.Request(url, _call("eth_accounts", []), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        found: list[str] = json.load(answer)["result"]
    return found


def _sent(url: str) -> list[bytes]:
    """A transaction of 96 bytes from each account, as a request; the chain counts and signs them."""
    accounts = _accounts(url)
    data = "0x" + BLOB.hex()
    calls = [{"from": one, "to": accounts[0], "data": data, "gas": "0xffff"} for one in accounts]
    return [posted("/", "application/json", _call("eth_sendTransaction", [call])) for call in calls]


def _call(method: str, params: list[object]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
