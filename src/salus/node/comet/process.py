"""The engine as a process of its own, started and stopped with the node.

It ends by itself when the application's socket closes, so it does not outlive a node that is killed.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path

from salus.errors import NodeRefused, storage_failed

LOG_BYTES = 16 * 1024 * 1024  # a log beyond this is moved aside at the next start; one older is kept
TAIL = 16 * 1024  # bytes of the log's end that are looked at when the engine ended early
STOP_SECONDS = 20.0
GAVE_UP = b"CONSENSUS FAILURE"
# Words in the engine's last lines -> what they mean for whoever runs it. The first that is found counts.
CAUSES = (
    ("address already in use", "its port or socket is taken by another process"),
    ("cannot assign requested address", "the address at which peers are to reach it is not of this machine"),
    ("genesis", "its genesis document does not check"),
    ("resource temporarily unavailable", "another engine holds its folder"),
    ("no space left on device", "there is no room left on the disk"),
    ("file too large", "there is no room left for its files"),
    ("too many open files", "the limit of open files is too low"),
    ("permission denied", "it may not read or write its folder or open its port"),
    ("error reading config", "its configuration cannot be read"),
    ("error during handshake", "the application and the engine do not hold the same chain"),
    ("did the application crash", "the application's socket closed"),
    ("app hash", "the application and the engine do not hold the same chain"),
    ("conflicting votes", "another engine signs with the same key"),
)


class EngineProcess:
    """One engine: ``binary`` with the home ``folder``; what it says goes to ``log``. Not for several threads at once."""

    def __init__(self, binary: Path, folder: Path, log: Path) -> None:
        self._binary, self._folder, self._log = binary, folder, log
        self._child: subprocess.Popen[bytes] | None = None
        self._stopping = False
        self._since = self._read = 0  # where the log of this run begins, and how far it was looked at
        self._failed = False

    def start(self, rpc_socket: Path | None = None) -> None:
        """Start the engine and return at once. ``rpc_socket`` is removed first: a killed engine leaves it.

        `NodeRefused` ``engine-stopped`` where the program cannot be run or this one runs already; ``storage-failed`` where the
        log cannot be written.
        """
        if self.alive:
            raise NodeRefused("engine-stopped", "the engine of this node runs already")
        self._stopping = False
        try:
            if rpc_socket is not None:
                rpc_socket.unlink(missing_ok=True)
            if self._log.exists() and self._log.stat().st_size > LOG_BYTES:
                self._log.replace(self._log.with_name(self._log.name + ".1"))
            handle = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            self._since = self._read = os.fstat(handle).st_size
            self._failed = False
        except OSError as error:
            raise storage_failed(error) from error
        try:
            self._child = subprocess.Popen(
                [str(self._binary), "start", "--home", str(self._folder)],
                stdin=subprocess.DEVNULL,
                stdout=handle,
                stderr=handle,
                env={name: value for name, value in os.environ.items() if not name.startswith(("CMT", "TM"))},
                start_new_session=True,  # an interrupt at the keyboard reaches the node, which stops the engine after itself
            )
        except OSError as error:
            raise NodeRefused("engine-stopped", "the engine's program cannot be run") from error
        finally:
            os.close(handle)

    @property
    def pid(self) -> int | None:
        """The process's number, also after its end; None before the first start."""
        return self._child.pid if self._child else None

    @property
    def alive(self) -> bool:
        """Whether the engine runs."""
        return self._child is not None and self._child.poll() is None

    def require_alive(self) -> None:
        """Raise `NodeRefused` ``engine-stopped``, with the cause as far as its log tells it, unless the engine does its work.

        Where the engine's consensus fails, its process goes on, answers, and takes part in nothing any more.
        """
        if not self.alive:
            raise NodeRefused("engine-stopped", f"the engine does not run: {self._cause()}")
        if self._gave_up():
            raise NodeRefused("engine-stopped", f"the engine orders nothing any more: {self._cause()}")

    def _gave_up(self) -> bool:
        """Whether the log, as far as it has grown since it was last looked at, says so."""
        with suppress(OSError):
            size = self._log.stat().st_size
            while self._read < size and not self._failed:
                with self._log.open("rb") as file:
                    file.seek(max(0, self._read - len(GAVE_UP)))
                    self._failed = GAVE_UP in file.read(TAIL)
                    self._read = min(size, file.tell())
        return self._failed

    def stop(self, seconds: float = STOP_SECONDS) -> bool:
        """End the engine and wait for it: asked first, and killed after ``seconds``. Whether it ended by itself."""
        if self._child is None or self._child.poll() is not None:
            return True
        self._stopping = True
        self._child.terminate()
        try:
            self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
            return False
        return True

    def _cause(self) -> str:
        if self._child is None:
            return "it was not started"
        if self._stopping:
            return "it was stopped"
        return _meaning(_tail(self._log, self._since))


def _tail(path: Path, since: int) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(since, path.stat().st_size - TAIL))
            return file.read(TAIL).decode("utf-8", "replace")
    except OSError:
        return ""


def _meaning(text: str) -> str:
    """What the last errors say, the newest first, in plain words. They are never repeated: they may hold addresses and paths."""
    errors = [line for line in text.splitlines() if line.startswith(("ERROR", "panic:")) or '"level":"error"' in line]
    for line in reversed(errors):
        for words, meaning in CAUSES:
            if words in line.lower():
                return meaning
    return "its log says why"
