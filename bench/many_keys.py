"""A node whose state has a million keys: memory and start-up of the application, and how long a proof is.

Each start is a process of its own, over a ledger that was written before.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench.networks import founding
from bench.ratios import Effort, Row
from salus.codec import encode
from salus.crypto.hashing import tagged
from salus.ledger.app import Application
from salus.node.ledger_store import LedgerStore, StoredBlock

_VALUE = b"a value of an entry's length".ljust(120, b".")
_SEED = tagged("bench/node")


def rows(effort: Effort) -> Iterator[Row]:
    """Three rows."""
    count = effort.of(1_000_000, 1_000)
    with tempfile.TemporaryDirectory(prefix="salus-") as folder:
        store = LedgerStore(Path(folder))
        state = {_key(number): _VALUE for number in range(count)}
        store.commit_block(1, StoredBlock((), ()), dict(state))
        store.close()
        started = [_started(folder, count) for _ in range(effort.of(5, 2))]
    for what, name, bound, unit in (
        ("start-up of the application", "seconds", 10.0, "s"),
        ("memory of the application", "memory", 500e6, "B"),
        ("a proof", "proof", 4096.0, "B"),
    ):
        found = [one[name] for one in started]
        ratios = tuple(one / bound for one in found)
        yield Row(f"{what}, {count} keys", "its bound", "<= 1", ratios, median(found), bound, unit=unit)


def _key(number: int) -> bytes:
    return b"sections/" + tagged("bench/key", number.to_bytes(4, "big"))


def _started(folder: str, count: int) -> dict[str, float]:
    command = [sys.executable, "-m", __name__, folder, str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main(folder: str, count: int) -> None:
    """Start over the ledger in ``folder``, and print the figures."""
    store = LedgerStore(Path(folder))
    begun = time.perf_counter()
    view = Application(founding(_SEED), store, 1).view()
    seconds = time.perf_counter() - begun
    (own,) = [line for line in Path("/proc/self/status").read_text("ascii").splitlines() if line.startswith("RssAnon")]
    proof = max(len(encode(view.query(_key(number))[1])) for number in range(0, count, count // 100))
    print(json.dumps({"seconds": seconds, "memory": float(own.split()[1]) * 1024, "proof": proof}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
