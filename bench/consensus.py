"""The Python application beside CometBFT's own, and four members beside one: transactions of about 1,000 bytes for one engine.

Ours: members of a localnet; five anchors a transaction, signed by owner and sponsor. Theirs: the key-value application that is
built into CometBFT, in the engine's own process. Same configuration, same machine, same requests: batches over the engine's
socket, and the clock stops when nothing waits any more.
"""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.localnets import ask, members, ordered, wait_until
from bench.ratios import Effort, Row, compare
from salus.crypto.hashing import tagged
from salus.crypto.keys import fresh_nonce
from salus.crypto.signing import SigningKey
from salus.home_folder import clock
from salus.ids import Millis
from salus.node.comet.binary import find_engine
from salus.node.comet.configuring import EngineHome, write_engine_home
from salus.node.comet.process import EngineProcess
from salus.node.comet.signing import begin_key, signed_name


def rows(effort: Effort) -> Iterator[Row]:
    """The Python application beside the built-in one; four validators beside one."""
    count = effort.of(400, 50)
    with _kvstore() as theirs, members(1) as one:
        what, against = "transactions of 1 kB, one validator, our application", "CometBFT's own application, in Go"
        yield compare(effort, what, against, ">= 0.5", lambda: one.ordered(count), lambda: ordered(theirs, _pairs(count)))
    with members(1) as one, members(4) as four:
        what = "transactions of 1 kB, four validators on one machine"
        yield compare(effort, what, "one validator", ">= 0.2", lambda: four.ordered(count), lambda: one.ordered(count))


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
            wait_until(rpc.exists)
            wait_until(lambda: int(ask(rpc, [("status", {})])[0]["sync_info"]["latest_block_height"]) > 0)
            yield rpc
        finally:
            process.stop()


def _pairs(count: int) -> list[bytes]:
    """Transactions of the key-value application, about as long as ours."""
    return [b"%s=%s" % (fresh_nonce().hex().encode(), b"x" * 960) for _ in range(count)]
