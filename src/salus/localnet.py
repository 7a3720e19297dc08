"""A network of several members on one machine, each a process of its own: to look at, to develop on, and to break on purpose.

::

    FOLDER/a/, FOLDER/b/ ...     a member's home each, and its server.log
    FOLDER/localnet.json         which members there are, and where their nodes answer
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase

import msgspec

from salus.bootstrap import clock
from salus.codec import encode
from salus.crypto.keys import fresh_nonce
from salus.durable import write_atomically
from salus.errors import AgentRefused, NodeRefused, SalusError
from salus.exchange.client import NodeClient
from salus.homes import complete_home, own_peer, prepare_home
from salus.ledger.genesis import Genesis, Parameters, member_id
from salus.node.config import CometConfig, validating_file

MAX_MEMBERS = 16
# What members decide together has its effect while one looks on: a block without transactions has the time of the one before.
QUICK = Parameters(header_interval=2_000, voting_period=600_000, time_lock=3_000)
STARTED = 60.0  # seconds for all members' nodes to answer
_LAST = 10.0  # seconds for one to stop in order


class Member(msgspec.Struct, frozen=True):
    """A member of the localnet: its letter, the address of its node, and where its engine listens."""

    name: str
    url: str
    listen: str


@dataclass(frozen=True)
class Seen:
    """A member as it is now: ``state`` running, paused or down; ``height`` None where its node does not answer."""

    member: Member
    state: str
    height: int | None
    time: int | None


class Localnet:
    """The localnet in ``folder``. ``environment``: what members' processes have in theirs besides."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.folder, self._environment = folder, {**os.environ, **(environment or {})}

    def members(self) -> list[Member]:
        """Which members there are; ``no-localnet`` where none was made."""
        try:
            return msgspec.json.decode((self.folder / "localnet.json").read_bytes(), type=list[Member])
        except FileNotFoundError as error:
            raise AgentRefused("no-localnet", "there is no localnet in this folder; make one: salus localnet up") from error

    def member(self, name: str) -> Member:
        """The member of this letter; ``no-such-localnet-member`` otherwise."""
        for member in self.members():
            if member.name == name.lower():
                return member
        raise AgentRefused("no-such-localnet-member", f"there is no member {name} in this localnet")

    def home(self, member: Member) -> Path:
        """The member's home folder."""
        return self.folder / member.name

    def make(self, count: int) -> None:
        """Found a network of so many members, each of which validates."""
        if not 1 <= count <= MAX_MEMBERS:
            raise AgentRefused("wrong-count", f"a localnet has 1 to {MAX_MEMBERS} members")
        with ExitStack() as held:
            ports = [_free_port(held) for _ in range(2 * count)]
        members = [
            Member(name, f"http://127.0.0.1:{ports[2 * at]}", f"127.0.0.1:{ports[2 * at + 1]}")
            for at, name in enumerate(ascii_lowercase[:count])
        ]
        made = [prepare_home(self.home(member), None, f"Member {member.name.upper()}", validating=True) for member in members]
        genesis = Genesis(fresh_nonce(), clock(), tuple(made), QUICK)
        for at, member in enumerate(members):
            others = [(member_id(made[i].authority).hex(), other) for i, other in enumerate(members) if i != at]
            comet = CometConfig(
                member.listen, {name: f"{own_peer(self.home(other))}@{other.listen}" for name, other in others}, local=True
            )
            urls = {name: other.url for name, other in others}
            config = validating_file(member.url, comet, urls, int(member.url.rpartition(":")[2]))
            complete_home(self.home(member), encode(genesis), config, lambda: "")
        write_atomically(self.folder / "localnet.json", msgspec.json.encode(members))

    def start(self, told: Callable[[str], None] = lambda _: None) -> None:
        """Start every member that does not run, and wait until each answers; `NodeRefused` ``engine-stopped`` otherwise."""
        members = self.members()
        for member in members:
            if self.pid(member) is None:
                self._serve(member)
        deadline = time.monotonic() + STARTED
        for member in members:
            while self.seen(member).height is None:
                if self.pid(member) is None:
                    raise NodeRefused("engine-stopped", f"member {member.name} has ended: {self._last_words(member)}")
                if time.monotonic() > deadline:
                    raise NodeRefused("engine-stopped", f"member {member.name} does not answer; see its server.log")
                time.sleep(0.1)
            told(f"member {member.name} answers at {member.url}")

    def stop(self) -> None:
        """Stop every member in order, and by force whoever does not."""
        for member in self.members():
            self._signal(member, signal.SIGCONT)
            self._signal(member, signal.SIGINT)
        deadline = time.monotonic() + _LAST
        for member in self.members():
            while self.pid(member) is not None and time.monotonic() < deadline:
                time.sleep(0.05)
            self._signal(member, signal.SIGKILL)

    def kill(self, name: str) -> None:
        """Cut the member's power: its node and its engine end at once."""
        self._signal(self.member(name), signal.SIGKILL)

    def pause(self, name: str) -> None:
        """Let the member stand still: it holds its connections and answers nobody."""
        self._signal(self.member(name), signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Let a paused member go on."""
        self._signal(self.member(name), signal.SIGCONT)

    def pid(self, member: Member) -> int | None:
        """The process of the member's node; None where it does not run."""
        try:
            pid, began = (self.home(member) / "server.pid").read_text("ascii").split()
        except (FileNotFoundError, ValueError):
            return None
        return int(pid) if _began(int(pid)) == began else None

    def seen(self, member: Member) -> Seen:
        """How the member is."""
        pid = self.pid(member)
        if pid is None:
            return Seen(member, "down", None, None)
        if _status(pid) == "T":
            return Seen(member, "paused", None, None)
        client = NodeClient(member.url, 2.0)
        try:
            status = client.status()
        except SalusError:
            return Seen(member, "running", None, None)
        finally:
            client.close()
        return Seen(member, "running", status.height, status.time)

    def _serve(self, member: Member) -> None:
        home = self.home(member)
        (home / "node" / "port").unlink(missing_ok=True)
        command = [sys.executable, "-m", "salus", "serve", "--home", str(home)]
        with (home / "server.log").open("ab") as log:
            started = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment, start_new_session=True
            )
        (home / "server.pid").write_text(f"{started.pid} {_began(started.pid)}\n", "ascii")

    def _signal(self, member: Member, number: signal.Signals) -> None:
        """To the node, and to its engine where that would not follow it."""
        pid, engine = self.pid(member), self.home(member) / "node" / "comet" / "engine.pid"
        if pid is None:
            return
        os.kill(pid, number)
        if number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT):
            with suppress(FileNotFoundError, ValueError, ProcessLookupError):
                os.kill(int(engine.read_text("ascii")), number)

    def _last_words(self, member: Member) -> str:
        lines = (self.home(member) / "server.log").read_text("utf-8", "replace").splitlines()
        return lines[-1][:200] if lines else "it said nothing"


def _free_port(held: ExitStack) -> int:
    """A free port of this machine, held until all are chosen."""
    listener = held.enter_context(socket.socket())
    listener.bind(("127.0.0.1", 0))
    return int(listener.getsockname()[1])


def _stat(pid: int) -> list[str]:
    """What the kernel says of a process, from its state on; nothing where there is none, or it has ended already."""
    try:
        found = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    except OSError:
        return []
    return [] if found[0] == "Z" else found


def _status(pid: int) -> str:
    return (_stat(pid) or [""])[0]


def _began(pid: int) -> str:
    """When the process began, so that another one of the same number is not taken for it."""
    found = _stat(pid)
    return found[19] if found else ""
