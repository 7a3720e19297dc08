"""A real server of buckets in a process of its own, which a test kills, lets stand still and starts again."""

from __future__ import annotations

import mmap
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from salus.errors import NodeRefused
from salus.localnet import free_port
from salus.node.config import StoreConfig

PROGRAM = Path(__file__).parents[1] / ".engine" / "versitygw"
MODULE, VERSION = "github.com/versity/versitygw", "v1.8.0"
SUM = "h1:au+wI+aybno/STsQiSm35Uu6Q6iK5MWReQxgO6SEMFc="  # the module's line in tools/s3/go.sum
BUILT = f"path\t{MODULE}/cmd/versitygw\nmod\t{MODULE}\t{VERSION}\t{SUM}\ndep\t".encode()
KEY, SECRET = "salus-test", "salus-test-secret"
BEGINS = 30.0  # seconds that the server may take


def missing() -> str:
    """Why the server is not there; "" where it is."""
    if not PROGRAM.is_file():
        return "no server of buckets is built (`make store`, needs Go)"
    with PROGRAM.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        return "" if text.find(BUILT) >= 0 else f"the server of buckets is not {VERSION} as `make store` builds it"


#: What a test on a real bucket is marked with.
on_buckets = pytest.mark.skipif(bool(missing()), reason=missing() or "it is there")


def named(port: int, url: str = "s3://blobs/vault", timeout: float = 5.0, **changed: object) -> StoreConfig:
    """How a node names a bucket of the server on this port."""
    settings = {"url": url, "endpoint": f"http://127.0.0.1:{port}", "timeout_seconds": timeout, **changed}
    return StoreConfig(**settings)  # type: ignore[arg-type]


class Server:
    """versitygw over ``folder``, in which each folder is a bucket; on one port for as long as this is used."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._log = folder / "buckets", folder / "server.log"
        (self.folder / "blobs").mkdir(parents=True)
        with ExitStack() as held:
            self.port = free_port(held)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        environment = {"PATH": os.environ["PATH"], "ROOT_ACCESS_KEY": KEY, "ROOT_SECRET_KEY": SECRET}
        words = [str(PROGRAM), "--port", f"127.0.0.1:{self.port}", "--quiet", "posix", str(self.folder)]
        with self._log.open("ab") as said:
            self._process = subprocess.Popen(words, env=environment, stdout=said, stderr=said)
        until = time.monotonic() + BEGINS
        while self._process.poll() is None and time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1.0).close()
            except OSError:
                continue
            return
        raise AssertionError(self._log.read_text("utf-8", "replace")[-500:])

    def kill(self) -> None:
        """It is gone at once, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Inside, it takes connections and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def config(self, url: str = "s3://blobs/vault", timeout: float = 5.0, **changed: object) -> StoreConfig:
        """How a node names a bucket of it."""
        return named(self.port, url, timeout, **changed)

    def objects(self, bucket: str = "blobs") -> set[str]:
        """The names of the objects in a bucket, as the server's disk has them."""
        return {str(path.relative_to(self.folder / bucket)) for path in (self.folder / bucket).rglob("*") if path.is_file()}

    def lose(self, bucket: str = "blobs") -> None:
        """The bucket is gone, with all that was in it."""
        shutil.rmtree(self.folder / bucket)


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    """A server that runs; it is gone in the end."""
    made = Server(folder)
    made.start()
    try:
        yield made
    finally:
        made.kill()


@contextmanager
def keys() -> Iterator[None]:
    """Inside, the environment has the server's keys; and says of addresses what must not count."""
    said = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in said.items():
            patch.setenv(name, value)
        yield


def eventually(act: Callable[[], object]) -> None:
    """Do it until it is not refused any longer."""
    until = time.monotonic() + BEGINS
    while True:
        try:
            act()
        except NodeRefused:
            if time.monotonic() > until:
                raise
        else:
            return
