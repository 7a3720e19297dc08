"""A network of two members behind recorders, and homes whose every word is a canary: what `test_canaries` drives and searches."""

from __future__ import annotations

import http.client
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from canaries import Book
from forked import Done, Forker

VERBOSE = 'log = "json"\naccess_log = true\n'
SECONDS = 60.0


@dataclass(frozen=True)
class Exchange:
    """One request and its answer as they went over the wire, heads and bodies."""

    method: str
    path: str
    asked: bytes
    status: int
    answered: bytes


class Recorder:
    """Stands before a node, passes everything on as it is, and keeps it."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self.to = ""
        recorder = self

        class Relay(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one piece
            disable_nagle_algorithm = True

            def relay(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                way = http.client.HTTPConnection(recorder.to, timeout=SECONDS)
                kept = [(name, value) for name, value in self.headers.items() if name.lower() not in ("host", "connection")]
                try:
                    way.request(self.command, self.path, body or None, dict(kept))
                    answer = way.getresponse()
                    data = answer.read()
                except OSError:
                    self.close_connection = True
                    return
                finally:
                    way.close()
                head = answer.getheaders()
                asked = f"{self.requestline}\r\n{self.headers}".encode() + body
                answered = "".join(f"{name}: {value}\r\n" for name, value in head).encode() + data
                recorder.exchanges.append(Exchange(self.command, self.path, asked, answer.status, answered))
                self.send_response_only(answer.status)
                for name, value in head:
                    if name.lower() not in ("connection", "transfer-encoding"):
                        self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)
                self.wfile.flush()

            def log_message(self, *_: object) -> None:
                pass

        for verb in ("GET", "POST", "PUT"):
            setattr(Relay, f"do_{verb}", Relay.relay)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Relay)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@dataclass
class Served:
    """A node's own process, and where its streams go."""

    process: subprocess.Popen[bytes]
    address: str
    log: Path

    @property
    def host(self) -> str:
        """Host and port."""
        return self.address.removeprefix("http://")

    def memory(self) -> Iterator[bytes]:
        """What the process holds in memory that is its own, as a core dump would have it."""
        with Path(f"/proc/{self.process.pid}/maps").open() as maps, Path(f"/proc/{self.process.pid}/mem").open("rb", 0) as mem:
            for line in maps:
                span, rights, _, _, inode, *_ = line.split()
                first, last = (int(edge, 16) for edge in span.split("-"))
                if rights.startswith("rw") and inode == "0":
                    mem.seek(first)
                    yield mem.read(last - first)

    def end(self, by: int = signal.SIGINT) -> None:
        """Ask it to stop, and wait until it has."""
        if self.process.poll() is None:
            self.process.send_signal(by)
        self.process.wait(SECONDS)
        if self.process.stdout is not None:
            self.process.stdout.close()


@dataclass
class CanaryWorld:
    """``done`` has every command that was run. ``book`` has the canaries. ``flows`` are counted by name."""

    folder: Path
    book: Book
    forker: Forker
    recorders: dict[str, Recorder] = field(default_factory=dict)
    nodes: dict[str, Served] = field(default_factory=dict)
    done: list[Done] = field(default_factory=list)
    flows: dict[str, int] = field(default_factory=dict)
    logs: list[Path] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)
    flow: str = ""

    def home(self, name: str) -> Path:
        """The folder of the home ``name``."""
        return self.folder / "homes" / name

    def run(self, home: str, *words: str | Path, given: bytes = b"", code: str = "", **variables: str) -> Done:
        """Run a command in ``home``; it must be done, or refused with ``code``, whether it is asked for text or for JSON."""
        typed = [*map(str, words), "--json"]
        known = {"SALUS_HOME": str(self.home(home)), "SALUS_PASSPHRASE_FILE": "", **variables}
        ended = self.forker.run(typed, known, given)
        self.done.append(ended)
        self.flows[self.flow] = self.flows.get(self.flow, 0) + 1
        assert ended.code == code, (self.flow, ended)
        assert (ended.status == 0) == (not code), (self.flow, ended)
        return ended

    def refused(self, home: str, *words: str | Path, given: bytes = b"", **variables: str) -> Done:
        """A command that must be refused, whatever with; asked for text and for JSON in turn."""
        known = {"SALUS_HOME": str(self.home(home)), "SALUS_PASSPHRASE_FILE": "", **variables}
        typed = [*map(str, words), *([] if len(self.done) % 2 else ["--json"])]
        ended = self.forker.run(typed, known, given)
        self.done.append(ended)
        self.flows[self.flow] = self.flows.get(self.flow, 0) + 1
        assert ended.code, (self.flow, ended)
        assert ended.status, (self.flow, ended)
        return ended

    def show(self, home: str, *words: str | Path, given: bytes = b"") -> Done:
        """The same as text."""
        ended = self.forker.run([*map(str, words)], {"SALUS_HOME": str(self.home(home)), "SALUS_PASSPHRASE_FILE": ""}, given)
        self.done.append(ended)
        self.flows[self.flow] = self.flows.get(self.flow, 0) + 1
        return ended

    def file(self, name: str, data: bytes | str | dict[str, Any]) -> Path:
        """A file of a user's, under a name that is a canary with the ending of ``name``."""
        stem, _, ending = name.rpartition(".")
        path = self.folder / "desk" / f"{self.book(f'file name of {stem}')}.{ending}"
        text = json.dumps(data) if isinstance(data, dict) else data
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def serve(self, home: str, *options: str, port: int = 0) -> Served:
        """Serve the node of ``home``, as talkative as it can be, behind its recorder, which its own home's commands pass too."""
        log = self.folder / "logs" / f"{home}-{len(self.logs)}"
        self.logs.append(log)
        command = [sys.executable, "-m", "salus", "serve", "--port", str(port), "--json", *options]
        variables = {name: value for name, value in os.environ.items() if not name.startswith("SALUS")}
        variables |= {"SALUS_HOME": str(self.home(home)), "PYTHONFAULTHANDLER": "1", "TMPDIR": str(self.folder / "tmp")}
        with log.with_suffix(".err").open("wb") as err:
            process = subprocess.Popen(command, env=variables, cwd=self.folder / "tmp", stdout=subprocess.PIPE, stderr=err)
        assert process.stdout is not None
        said = b""
        while not said.rstrip().endswith(b"}"):
            line = process.stdout.readline()
            assert line, log.with_suffix(".err").read_text()
            said += line
        address = json.loads(said)["address"]
        log.with_suffix(".out").write_bytes(said)
        node = Served(process, address, log)
        recorder = self.recorder(home)
        recorder.to = node.host
        note = self.home(home) / "node" / "port"
        note.write_text(note.read_text().replace(address, recorder.address))
        self.nodes[home] = node
        return node

    def recorder(self, home: str) -> Recorder:
        """What stands before the node of ``home``, also before it is served."""
        if home not in self.recorders:
            self.recorders[home] = Recorder()
        return self.recorders[home]


@contextmanager
def canary_world(folder: Path) -> Iterator[CanaryWorld]:
    """The empty world; whatever was started is ended with it."""
    for name in ("homes", "desk", "logs", "tmp", "commands", "backups"):
        (folder / name).mkdir(parents=True)
    forker = Forker(folder / "commands", {"TMPDIR": str(folder / "tmp")})
    world = CanaryWorld(folder, Book(), forker)
    try:
        yield world
    finally:
        for node in world.nodes.values():
            node.end(signal.SIGKILL)
        for recorder in world.recorders.values():
            recorder.close()
        forker.close()
