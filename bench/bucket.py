"""How fast blobs come into a bucket and out of it, beside the bare client of the same store with as many requests at once.

The store is versitygw over a folder of this machine, on loopback. Ours: 64 blobs of 64 KiB at a time arrive durably on the disk,
are noted, written, noted again and deleted from the disk; out of it, each is held against its hash.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

from obstore.store import S3Store

from bench.ratios import Effort, Row, compare
from salus.crypto.hashing import sha256
from salus.localnet import free_port
from salus.node.config import Config, StoreConfig
from salus.node.vault.arriving import Arriving
from salus.node.vault.bucketed import AT_ONCE
from salus.node.vault.lying import open_blobs

PROGRAM = Path(__file__).parents[1] / ".engine" / "versitygw"
_SIZE, _TOGETHER, _KEY, _SECRET = 65_536, 64, "bench", "bench-secret"
_PUT, _GET = "blobs of 64 KiB go to a bucket, durable on the disk before", "blobs of 64 KiB come from a bucket, each checked"
_BARE = "the bare client, as many requests at once"


def rows(effort: Effort) -> Iterator[Row]:
    """Two rows."""
    if not PROGRAM.is_file():
        for what in (_PUT, _GET):
            yield Row(what, _BARE, "", why="not measured: `make store` has not built a server of buckets")
        return
    count = effort.of(512, 32)
    with tempfile.TemporaryDirectory() as name, _served(Path(name)) as endpoint, ThreadPoolExecutor(AT_ONCE) as pool:
        config = Config(store=StoreConfig("s3://blobs/ours", endpoint))
        with patch.dict(os.environ, {"AWS_ACCESS_KEY_ID": _KEY, "AWS_SECRET_ACCESS_KEY": _SECRET}):
            blobs = open_blobs(Path(name) / "node", config)
            blobs.begin()
        arriving = Arriving(blobs, Path(name) / "node" / "vault" / "arriving")
        bare = S3Store(
            "blobs",
            prefix="bare",
            config={"endpoint": endpoint, "virtual_hosted_style_request": False, "region": "us-east-1"},
            client_options={"allow_http": True, "timeout": timedelta(seconds=10)},
            credential_provider=lambda: {"access_key_id": _KEY, "secret_access_key": _SECRET, "token": None, "expires_at": None},
        )
        names, last = list[bytes](), list[str]()

        def put() -> float:
            given = [secrets.token_bytes(_SIZE) for _ in range(count)]
            begun = time.perf_counter()
            for first in range(0, count, _TOGETHER):
                body = secrets.token_bytes(32)
                arriving.keep(body, arriving.bring(body, tuple(given[first : first + _TOGETHER])))
            blobs.move()
            names[:] = map(sha256, given)
            return (time.perf_counter() - begun) / count

        def put_bare() -> float:
            given = {secrets.token_hex(32): secrets.token_bytes(_SIZE) for _ in range(count)}
            begun = time.perf_counter()
            list(pool.map(bare.put, given, given.values()))
            last[:] = given
            return (time.perf_counter() - begun) / count

        def get() -> float:
            begun = time.perf_counter()
            found = blobs.each(blobs.get, names)
            assert None not in found
            return (time.perf_counter() - begun) / count

        def get_bare() -> float:
            begun = time.perf_counter()
            list(pool.map(lambda name: bytes(bare.get(name).bytes()), last))
            return (time.perf_counter() - begun) / count

        yield compare(effort, f"{count} {_PUT}", _BARE, "", put, put_bare)
        yield compare(effort, f"{count} {_GET}", _BARE, "", get, get_bare)
        blobs.close()


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    """Where a server answers that has the bucket ``blobs``."""
    (folder / "buckets" / "blobs").mkdir(parents=True)
    with ExitStack() as held:
        port = free_port(held)
    environment = {"PATH": os.environ["PATH"], "ROOT_ACCESS_KEY": _KEY, "ROOT_SECRET_KEY": _SECRET}
    words = [str(PROGRAM), "--port", f"127.0.0.1:{port}", "--quiet", "posix", str(folder / "buckets")]
    server = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 30
        while server.poll() is None and time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", port), 1.0).close()
            except OSError:
                continue
            yield f"http://127.0.0.1:{port}"
            break
    finally:
        server.kill()
        server.wait()
