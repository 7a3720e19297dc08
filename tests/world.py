"""The world that tests share: a home in a temporary folder, its node joined in process or over loopback HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import uvicorn

from salus.agent.home import Agent
from salus.agent.network import Network
from salus.agent.services import contacts, granting, importing, inbox, licensing, people
from salus.agent.services.resuming import resume
from salus.agent.services.sealing import silent
from salus.agent.store import Store, read_store_key
from salus.charts.sections import DEFAULT_GRANT, SectionKind
from salus.crypto.keys import derive
from salus.exchange.addressing import pinned
from salus.exchange.cards import Role
from salus.exchange.client import NodeClient
from salus.exchange.inviting import GuestKeys, redeem
from salus.home_folder import read_genesis
from salus.homes import init_home
from salus.ids import Millis
from salus.node.api import make_api
from salus.node.http import listen
from salus.node.service import NodeService
from salus.node.tls import Ending
from salus.own_node import open_node
from salus.warrants.link import Purpose, Right

HOUR = 3_600_000
PATIENT, DOCTOR, OTHER = "Clemente", "Dr. Reyes", "Dr. Doe"
CLEMENTE = (files("salus.demo") / "patients" / "Clemente_Kreiger.json").read_bytes()


@dataclass
class Clock:
    """A clock that tests move; it never moves by itself."""

    now: int = 0

    def __call__(self) -> Millis:
        """Milliseconds since the epoch."""
        self.now += 1
        return Millis(self.now)


@dataclass
class World:
    """A home, its agent and its node, as real as in use; ``clock`` is the agent's and the node's."""

    home: Path
    agent: Agent
    node: NodeService
    clock: Clock
    extra: dict[str, Any] = field(default_factory=dict)

    def person(self, name: str, role: Role = Role.PATIENT) -> None:
        """A wallet; licensed where the role needs it."""
        people.add_person(self.agent, name, role, cold_dir=self.home / "cold")
        if role in licensing.RIGHTS:
            licensing.issue_licence(self.agent, people.own_card(self.agent, name), role)

    def take_in(self, data: bytes, name: str = PATIENT, source: str = "City Hospital", **options: Any) -> importing.ImportReport:
        """Import one file."""
        settings: dict[str, Any] = {"as_of": None, "other_patient_ok": False, **options}
        return importing.import_files(self.agent, name, [("file.json", data)], source=source, progress=silent, **settings)

    def grant(self, to: str = DOCTOR, hours: int = 72, **options: Any) -> granting.GrantInfo:
        """Let ``to`` read the default sections, and collect the letter."""
        settings: dict[str, Any] = {
            "sections": DEFAULT_GRANT,
            "rights": (Right.READ,),
            "purposes": (Purpose.TREAT,),
            "until_ms": self.clock.now + hours * HOUR,
            **options,
        }
        made = granting.grant(self.agent, PATIENT, to, **settings)
        inbox.collect(self.agent, to)
        return made

    def may_write(self, to: str = DOCTOR) -> granting.GrantInfo:
        """Let ``to`` write documents."""
        return self.grant(to, sections=(SectionKind.DOCUMENTS,), rights=(Right.APPEND,))


def bundle(*resources: dict[str, Any]) -> bytes:
    """A collection of resources as a file."""
    entries = [{"fullUrl": f"urn:uuid:{r['id']}", "resource": r} for r in resources]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()


@contextmanager
def opened(home: Path, clock: Clock, *, http: bool = False) -> Iterator[World]:
    """The world over ``home``, which is made when it is not there."""
    fresh = not (home / "genesis.bin").exists()
    if fresh:
        init_home(home, None)
    with ExitStack() as stack:
        node = stack.enter_context(open_node(home, clock=clock))
        clock.now = max(clock.now, node.engine.newest_header().header.time)
        network: Network = stack.enter_context(_served(node)) if http else node
        key = read_store_key(home / "agent" / "agent.key", str)
        store = Store(home / "agent" / "store.db", key)
        index = Store(home / "agent" / "index.db", derive(key, "index"), durable=False)
        stack.callback(store.close)
        stack.callback(index.close)
        agent = Agent(store, index, network, read_genesis(home), clock)
        resume(agent)
        yield World(home, agent, node, clock)


@contextmanager
def thread(home: Path, *, http: bool = False) -> Iterator[World]:
    """A patient with an imported record, and two licensed physicians."""
    with opened(home, Clock(), http=http) as world:
        world.person(PATIENT)
        world.person(DOCTOR, Role.PHYSICIAN)
        world.person(OTHER, Role.PHYSICIAN)
        world.take_in(CLEMENTE)
        yield world


@contextmanager
def served(node: Any, tls: Ending | None = None) -> Iterator[str]:
    """The node behind a real socket, and its address, which is pinned where it answers in TLS."""
    listener = listen("127.0.0.1", 0)
    secured: Any = {"ssl_context_factory": lambda *_: tls.context, "loop": "salus.node.http:Loop"} if tls else {}
    server = uvicorn.Server(uvicorn.Config(make_api(node), log_level="warning", access_log=False, **secured))
    worker = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    worker.start()
    try:
        where = f"127.0.0.1:{listener.getsockname()[1]}"
        yield pinned(f"https://{where}", tls.pin) if tls else f"http://{where}"
    finally:
        server.should_exit = True
        worker.join()
        listener.close()


@contextmanager
def _served(node: NodeService) -> Iterator[NodeClient]:
    """The node behind a real socket, and the agent's way to it."""
    keys = GuestKeys(bytes(32))
    node.door.enrol_own(keys.at(node.status().member).public)  # as `salus serve` does for its own home
    with served(node) as url:
        network = NodeClient(url, guest=keys)
        network.status()
        try:
            yield network
        finally:
            network.close()


def guest_of(node: NodeService, name: str = "guest") -> GuestKeys:
    """The keys of a home that was invited to the node, and has redeemed it."""
    keys = GuestKeys(name.encode().ljust(32, b"\0"))
    node.door.redeem(redeem(node.door.book.invite(365 * 24 * HOUR, 1, 10_000), keys.at(node.status().member)))
    return keys


@contextmanager
def beside(world: World, folder: Path) -> Iterator[World]:
    """Another home on the same node: a store of its own, and nothing else in common with ``world``."""
    folder.mkdir(parents=True, exist_ok=True)
    key = derive(folder.name.encode().ljust(32, b"\0"), "store")
    store, index = Store(folder / "store.db", key), Store(folder / "index.db", derive(key, "index"), durable=False)
    agent = Agent(store, index, world.agent.network, world.agent.genesis, world.clock)
    try:
        yield World(folder, agent, world.node, world.clock)
    finally:
        store.close()
        index.close()


def introduce(one: World, name: str, *others: World) -> None:
    """Hand the card of ``name``, who lives in ``one``, to other homes."""
    for other in others:
        contacts.add_contact(other.agent, people.own_card(one.agent, name))


def license_abroad(world: World, other: World, name: str, role: Role) -> None:
    """The member of ``world`` licenses ``name`` of another home, who learns of it by letter."""
    introduce(other, name, world)
    licensing.issue_licence(world.agent, people.own_card(other.agent, name), role)
    inbox.collect(other.agent, name)
