"""A network of several members on one machine, each a process of its own: to look at, to develop on, and to break on purpose.

::

    FOLDER/a/, FOLDER/b/ ...     a member's home each, served in the background (`salus.background`)
    FOLDER/localnet.json         which members there are, and where their nodes answer
    FOLDER/ways.json, cuts.json  the wires between them, and which of these are cut (`salus.relay`); relay.log
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase

import msgspec

from salus.background import LOG, launch, running
from salus.codec import encode
from salus.crypto.keys import fresh_nonce
from salus.durable import write_atomically
from salus.errors import AgentRefused, NodeRefused, SalusError
from salus.exchange.client import NodeClient
from salus.home_folder import clock
from salus.homes import complete_home, own_peer, prepare_home
from salus.ledger.genesis import Genesis, Parameters, member_id
from salus.node.config import CometConfig, validating_file
from salus.processes import begin, last_words, noted, signal_noted, stands_still
from salus.relay import SEEN, WAYS, Pair, Way, pair, read_cuts, write_cuts

MAX_MEMBERS = 16
PORTS = range(10_000, 32_768)  # below those that systems take for outgoing connections
RELAYED = 10.0  # seconds for the wires to be as they were asked to be
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
    """A member as it is now: ``state`` running, paused or down; figures are None where its node does not answer.

    ``peers``: engines that its engine is connected with; ``lacking``: sealed blobs that its vault lacks; ``cut_off``: whom no
    wire reaches from here.
    """

    member: Member
    state: str
    height: int | None
    time: int | None
    cut_off: tuple[str, ...] = ()
    peers: int | None = None
    lacking: int | None = None


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

    def make(self, count: int, *, wired: bool = True) -> None:
        """Found a network of so many members, each of which validates.

        Members are ``wired`` to one another, so that wires can be cut; otherwise they reach one another directly.
        """
        if not 1 <= count <= MAX_MEMBERS:
            raise AgentRefused("wrong-count", f"a localnet has 1 to {MAX_MEMBERS} members")
        names = ascii_lowercase[:count]
        with ExitStack() as held:
            places = {name: [f"127.0.0.1:{free_port(held)}" for _ in range(2)] for name in names}
            between = [(one, other) for one in names for other in names if one != other and wired]
            wires = {each: [f"127.0.0.1:{free_port(held)}" for _ in range(2)] for each in between}
        members = [Member(name, f"http://{node}", listen) for name, (node, listen) in places.items()]
        made = [prepare_home(self.home(member), None, f"Member {member.name.upper()}", validating=True) for member in members]
        genesis = Genesis(fresh_nonce(), clock(), tuple(made), QUICK)
        ids = {member.name: member_id(one.authority).hex() for member, one in zip(members, made, strict=True)}
        for member in members:
            others = {other: wires.get((member.name, other.name), places[other.name]) for other in members if other != member}
            engines = {ids[other.name]: f"{own_peer(self.home(other))}@{listen}" for other, (_, listen) in others.items()}
            urls = {ids[other.name]: f"http://{node}" for other, (node, _) in others.items()}
            comet = CometConfig(member.listen, engines, local=True)
            config = validating_file(member.url, comet, urls, int(member.url.rpartition(":")[2]))
            complete_home(self.home(member), encode(genesis), config, lambda: "")
        ways = [
            Way(one, other, begins, leads)
            for (one, other), wire in wires.items()
            for begins, leads in zip(wire, places[other], strict=True)
        ]
        write_atomically(self.folder / WAYS, msgspec.json.encode(ways))
        write_atomically(self.folder / "localnet.json", msgspec.json.encode(members))

    def start(self, told: Callable[[str], None] = lambda _: None) -> None:
        """Start every member that does not run, and wait until each answers; `NodeRefused` ``engine-stopped`` otherwise."""
        members = self.members()
        self._wire()
        for member in members:
            if self.pid(member) is None:
                self._serve(member)
        deadline = time.monotonic() + STARTED
        for member in members:
            while self.seen(member).height is None:
                if self.pid(member) is None:
                    last = last_words(self.home(member) / LOG)
                    raise NodeRefused("engine-stopped", f"member {member.name} has ended: {last}")
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
        signal_noted(self._relay, signal.SIGTERM)

    def kill(self, name: str) -> None:
        """Cut the member's power: its node and its engine end at once."""
        self._signal(self.member(name), signal.SIGKILL)

    def pause(self, name: str) -> None:
        """Let the member stand still: it holds its connections and answers nobody."""
        self._signal(self.member(name), signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Let a paused member go on."""
        self._signal(self.member(name), signal.SIGCONT)

    def cut(self, names: Sequence[str]) -> None:
        """Cut every wire between these members and the others, until `mend`; each one's own API is reached as before.

        ``wrong-cut`` where nobody would be cut off.
        """
        side = {self.member(name).name for name in names}
        wires = {pair(way.source, way.target) for way in self._ways()}
        parted = {wire for wire in wires if len(side.intersection(wire)) == 1}
        if not parted:
            raise AgentRefused("wrong-cut", "name some of the members, and not all: from those the others are cut off")
        self._set(read_cuts(self.folder) | parted)

    def mend(self, names: Sequence[str] = ()) -> None:
        """Make every wire of these members whole; without names, every wire."""
        of = {self.member(name).name for name in names} or {member.name for member in self.members()}
        cuts = read_cuts(self.folder)
        if cuts:
            self._set({wire for wire in cuts if not of.intersection(wire)})

    def wires(self) -> str:
        """How the wires are: ``running``, ``down``, or ``none`` where members reach one another directly."""
        if not self._ways():
            return "none"
        return "running" if noted(self._relay) is not None else "down"

    def pid(self, member: Member) -> int | None:
        """The process of the member's node; None where it does not run."""
        return running(self.home(member))

    def seen(self, member: Member) -> Seen:
        """How the member is."""
        pid = self.pid(member)
        cuts = sorted(name for wire in read_cuts(self.folder) if member.name in wire for name in wire if name != member.name)
        if pid is None or stands_still(pid):
            return Seen(member, "down" if pid is None else "paused", None, None, tuple(cuts))
        client = NodeClient(member.url, 2.0)
        try:
            status, figures = client.status(), client.figures()
        except SalusError:
            return Seen(member, "running", None, None, tuple(cuts))
        finally:
            client.close()
        told = [figures.get(name) for name in ("salus_engine_peers", "salus_blobs_lacking")]
        counts = [None if figure is None else int(figure) for figure in told]
        return Seen(member, "running", status.height, status.time, tuple(cuts), *counts)

    @property
    def _relay(self) -> Path:
        return self.folder / "relay.pid"

    def _ways(self) -> list[Way]:
        path = self.folder / WAYS
        return msgspec.json.decode(path.read_bytes(), type=list[Way]) if path.exists() else []

    def _wire(self) -> None:
        """Have the relay run, where there are wires."""
        if self.wires() == "down":
            (self.folder / SEEN).unlink(missing_ok=True)
            begin("salus.relay", [str(self.folder)], self.folder / "relay.log", self._relay, self._environment)
            self._await_wires(write_cuts(self.folder, read_cuts(self.folder)))

    def _set(self, cuts: set[Pair]) -> None:
        """Cut these wires and no others. Where no relay runs, the next one does so."""
        wanted = write_cuts(self.folder, cuts)
        if (self.folder / SEEN).exists() and noted(self._relay) is not None:
            signal_noted(self._relay, signal.SIGHUP)
            self._await_wires(wanted)

    def _await_wires(self, wanted: bytes) -> None:
        """Wait until the relay does what was written down; `NodeRefused` ``relay-stopped``."""
        deadline, seen = time.monotonic() + RELAYED, self.folder / SEEN
        while not seen.exists() or seen.read_bytes() != wanted:
            if noted(self._relay) is None or time.monotonic() > deadline:
                raise NodeRefused("relay-stopped", "what carries between the members does not run; see relay.log")
            time.sleep(0.02)

    def _serve(self, member: Member) -> None:
        launch(self.home(member), (), self._environment)

    def _signal(self, member: Member, number: signal.Signals) -> None:
        """To the node, and to its engine where that would not follow it."""
        pid, engine = self.pid(member), self.home(member) / "node" / "comet" / "engine.pid"
        if pid is None:
            return
        os.kill(pid, number)
        if number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT):
            with suppress(FileNotFoundError, ValueError, ProcessLookupError):
                os.kill(int(engine.read_text("ascii")), number)


def free_port(held: ExitStack) -> int:
    """A free port of this machine, held until all are chosen; none of those that outgoing connections take meanwhile."""
    while True:
        listener, port = held.enter_context(socket.socket()), PORTS.start + secrets.randbelow(len(PORTS))
        with suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
