"""How many anchors a served node confirms a second, beside a database that was asked for no more than a durable row each.

Ours: a transaction with its blob of 96 bytes, signed by its owner, over HTTP, answered when its block is durable. Theirs:
PostgreSQL, one row of the same bytes a commit, prepared statements over a local socket, durable as it is installed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from bench.networks import BLOB, Owner, make_node_home, owners, signed, submission
from bench.ratios import Effort, Row, compare, not_installed
from bench.serving import CLIENTS, answered, post, served
from salus.crypto.keys import new_seed
from salus.exchange.api import Submission
from salus.exchange.client import NodeClient
from salus.ledger.genesis import Genesis

_INSERT = (
    "\\set place random(1, 1000000000)\n"
    "insert into anchors (section, blob, size, content) values"
    " (decode(md5(:place::text) || md5(:client_id::text), 'hex'), decode(md5(random()::text) || md5(:place::text), 'hex'), 96,"
    " decode(repeat(md5(:place::text), 6), 'hex'))\n"
)
_TABLE = "create table anchors (number bigserial primary key, section bytea, blob bytea, size int, content bytea)"
_TPS = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)


class Submitter:
    """Owners with sections on a served node, and submissions that are good once."""

    def __init__(self, url: str) -> None:
        node = NodeClient(url)
        self.genesis: Genesis = node.genesis()
        self.owners: list[Owner] = owners(self.genesis, 64)
        for owner in self.owners:
            made = signed(self.genesis, [owner.creation(self.genesis.time)], [owner.key])
            node.submit(Submission(made, (BLOB,)))
        node.close()
        self._numbers = count()

    def requests(self, number: int) -> list[bytes]:
        """As many requests."""
        made = [next(self._numbers) for _ in range(number)]
        return [post("/v1/transactions", submission(self.genesis, self.owners[n % len(self.owners)], n)) for n in made]


def rows(effort: Effort) -> Iterator[Row]:
    """One row."""
    what, against, mark = f"anchors over HTTP, durable, {CLIENTS} clients", "PostgreSQL, durable single-row inserts", ">= 0.15"
    programs = postgres_programs()
    if programs is None:
        yield not_installed(what, against, mark, "PostgreSQL")
        return
    requests, seconds = effort.of(600, 64), effort.of(2, 1)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        make_node_home(home, new_seed())
        with served(home) as url, postgres(programs) as database:
            submitter = Submitter(url)
            yield compare(
                effort,
                what,
                against,
                mark,
                lambda: answered(url, submitter.requests(requests)),
                lambda: _inserts(programs, database, seconds),
            )


def postgres_programs() -> Path | None:
    """The folder of initdb, postgres and pgbench, where all three are installed."""
    folders = [Path(found).parent for found in [shutil.which("initdb")] if found]
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((f for f in folders if all((f / name).exists() for name in ("initdb", "postgres", "pgbench", "pg_ctl"))), None)


@contextmanager
def postgres(programs: Path) -> Iterator[Path]:
    """A cluster of its own in a temporary folder, by a local socket alone; the folder of the socket.

    The server refuses to run as the superuser: then it runs as the user ``postgres``, which its package makes.
    """
    user = "postgres" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        data.mkdir(mode=0o700)
        if user:
            shutil.chown(folder, user)
            shutil.chown(data, user)
        _run([programs / "initdb", "-D", data, "-A", "trust", "-U", "bench", "-E", "UTF8", "--locale=C"], user)
        options = f"-c listen_addresses= -c unix_socket_directories={folder}"
        _run([programs / "pg_ctl", "-D", data, "-w", "-o", options, "-l", Path(folder) / "log", "start"], user)
        try:
            _run([programs / "psql", "-h", folder, "-U", "bench", "-d", "postgres", "-c", _TABLE], user)
            (Path(folder) / "insert.sql").write_text(_INSERT, "ascii")
            yield Path(folder)
        finally:
            _run([programs / "pg_ctl", "-D", data, "-m", "fast", "stop"], user)


def _run(command: list[str | Path], user: str | None) -> str:
    cwd = "/" if user else None
    return subprocess.run(list(map(str, command)), user=user, cwd=cwd, capture_output=True, text=True, check=True).stdout


def _inserts(programs: Path, folder: Path, seconds: int) -> float:
    """Seconds an insert."""
    load = ["-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "2", "-T", str(seconds), "-f", str(folder / "insert.sql")]
    said = _run([programs / "pgbench", "-h", folder, "-U", "bench", *load, "postgres"], None)
    found = _TPS.search(said)
    if found is None:
        raise SystemExit("pgbench did not say how fast it was")
    return 1 / float(found[1])
