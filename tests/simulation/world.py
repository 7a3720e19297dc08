"""The world of a simulation: homes and nodes, each on a disk of its own, in one process and without any thread of theirs.

A `Template` is founded once: people, licences, cards, a first record, two devices. Every seed begins with a copy of it. There is
one of a single member, and one of two, whose second node follows the first.
"""

from __future__ import annotations

import random
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from unittest import mock

from msgspec.structs import replace

from salus.agent.home import Agent
from salus.agent.network import Network
from salus.agent.services import contacts, importing, inbox, licensing, pairing, people
from salus.agent.services.resuming import resume
from salus.agent.services.sealing import silent
from salus.agent.store import Store
from salus.agent.wallet import PrincipalRecord, Wallet, new_principal
from salus.codec import decode, encode
from salus.crypto.hashing import tagged
from salus.crypto.keys import derive
from salus.crypto.signing import SigningKey
from salus.errors import SalusError
from salus.exchange.cards import Role
from salus.ids import MemberId, Millis
from salus.ledger.genesis import Genesis, GenesisMember, LicenceRight, Parameters, member_id
from salus.node.config import Config
from salus.node.identity import Identity
from salus.node.service import NodeService
from simulation.disk import Databases, Disk, Points, copied
from simulation.peering import Between, address
from world import bundle

HOUR = 3_600_000
START = 500_000 * HOUR  # ms; block time of genesis, on a full hour
PRACTICE, NURSE = "Practice", "Nurse Joy"
ANN, BEN, ADA, BO = "Ann", "Ben", "Dr. Ada", "Dr. Bo"
QUOTA = 80  # actions a minute: small, so that a greedy sponsor can fill it

#: {home: (its people and their roles)}; "ann2" is Ann's second device.
PEOPLE: dict[str, dict[str, Role]] = {
    "clinic": {PRACTICE: Role.MEMBER, NURSE: Role.NURSE},
    "ann": {ANN: Role.PATIENT},
    "ann2": {ANN: Role.PATIENT},
    "ben": {BEN: Role.PATIENT},
    "ada": {ADA: Role.PHYSICIAN},
    "bo": {BO: Role.PHYSICIAN},
}
OWNERS = {"ann": ANN, "ann2": ANN, "ben": BEN}
READERS = {"ada": ADA, "bo": BO, "clinic": PRACTICE}
HOSTS = ("node", "node2")  # the machines of the members' nodes: the first one orders blocks, the second one follows
AT_SECOND = ("ann2", "ben", "bo")  # whose home asks the second member's node, where there is one


@dataclass
class Time:
    """The world's time in ms. It moves by itself a little at each look; ``skews`` are the clocks' own errors."""

    now: int = START
    skews: dict[str, int] = field(default_factory=dict)

    def clock(self, whose: str) -> Callable[[], Millis]:
        """The clock of a home or of the node."""

        def look() -> Millis:
            self.now += 1
            return Millis(self.now + self.skews.get(whose, 0))

        return look


@dataclass
class Host:
    """A member's node and its machine, ``name``."""

    name: str
    folder: Path
    identity: Identity
    time: Time
    disk: Disk
    points: Points
    node: NodeService = field(init=False)
    _databases: Databases = field(default_factory=Databases)

    def start(self) -> None:
        """Start the node over its folder."""
        first = self.name == HOSTS[0]
        config = Config() if first else Config(follow=address(HOSTS[0]), address=address(self.name))
        self.node = NodeService(self.folder, self.identity, config, self.time.clock(self.name), background=False)
        for store in self._stores():
            self.points.own(store, self.name)
            durable = bool(store._env.flags()["sync"])
            self._databases.opened(durable, Path(store._env.path()) / "data.mdb")

    def crash(self) -> None:
        """The power of the node's machine fails, and it starts again."""
        self.points.armed.pop(self.name, None)
        self._close()
        self._databases.cut()
        self.disk.cut(self.folder)
        self.start()

    def restart(self) -> None:
        """Stop the node in order, and start it again."""
        self.node.stop()
        self.start()

    def close(self) -> None:
        """Let go of the files; nothing is anchored."""
        self._close()

    def _close(self) -> None:
        for store in self._stores():
            self.points.owners.pop(id(store), None)
        self.node._opened.close()

    def _stores(self) -> list:
        node = self.node
        return [node.engine._store, node._log._tables, node._mailboxes._tables, node.directory._tables]


@dataclass
class Home:
    """A home's machine: its stores, and its agent over ``network``."""

    name: str
    folder: Path
    genesis: Genesis
    time: Time
    points: Points
    network: Network
    agent: Agent = field(init=False)
    _databases: Databases = field(default_factory=Databases)

    def open(self) -> None:
        """Open the stores, as every command does."""
        key = derive(tagged("test/home", self.name.encode()), "store")
        store, index = Store(self.folder / "store.db", key), Store(self.folder / "index.db", derive(key, "index"))
        for opened in (store, index):
            self.points.own(opened, self.name)
            self._databases.opened(store._db.pragma("synchronous") == 2, Path(opened._db.filename))
        self.agent = Agent(store, index, self.network, self.genesis, self.time.clock(self.name))

    def crash(self) -> None:
        """The power of the home's machine fails, and it starts again."""
        self.points.armed.pop(self.name, None)
        self.close()
        self._databases.cut()
        self.open()

    def close(self) -> None:
        """Let go of the files."""
        for opened in (self.agent.store, self.agent.index):
            self.points.owners.pop(id(opened), None)
            opened.close()

    @property
    def wallets(self) -> list[Wallet]:
        """Its people's keys."""
        return self.agent.wallets()


@dataclass
class World:
    """Everything of one run. ``networks`` gives each home its way to its node; ``between`` lies between the members' nodes."""

    folder: Path
    founded: Founded
    networks: Callable[[str, Callable[[], NodeService]], Network]
    time: Time = field(default_factory=Time)
    disk: Disk = field(default_factory=Disk)
    points: Points = field(default_factory=Points)
    homes: dict[str, Home] = field(default_factory=dict)
    hosts: dict[str, Host] = field(default_factory=dict)
    between: Between = field(init=False)

    @property
    def host(self) -> Host:
        """The machine of the node that orders blocks."""
        return self.hosts[HOSTS[0]]

    def host_of(self, home: str) -> Host:
        """The machine of the node that a home asks."""
        return self.hosts[HOSTS[1] if home in AT_SECOND and len(self.hosts) > 1 else HOSTS[0]]

    def _node_of(self, home: str) -> NodeService:
        return self.host_of(home).node

    def host_at(self, member: bytes) -> Host:
        """The machine of a member's node."""
        return next(host for host in self.hosts.values() if host.identity.member == member)

    def open(self) -> None:
        """Start the nodes, and open every home."""
        self.disk.all_durable(self.folder)
        self.between = Between(self.hosts)
        self.between.begin()
        for name, (member, seed) in zip(HOSTS, self.founded.nodes, strict=False):
            identity = Identity(self.founded.genesis, member, seed)
            self.hosts[name] = Host(name, self.folder / name, identity, self.time, self.disk, self.points)
            self.hosts[name].start()
        self.time.now = max(self.time.now, self.host.node.engine.newest_header().header.time)
        for name in PEOPLE:
            network = self.networks(name, partial(self._node_of, name))
            home = Home(name, self.folder / name, self.founded.genesis, self.time, self.points, network)
            home.open()
            self.homes[name] = home

    def follow(self) -> None:
        """Where there are several members: the second node follows, and both vaults look for what they lack, as by themselves."""
        for host in self.hosts.values():
            if host.name != HOSTS[0]:
                with suppress(SalusError):
                    host.node.engine.follow()
        for host in self.hosts.values():
            if host.node.replicating is not None:
                host.node.replicating.look()

    def close(self) -> None:
        """Let go of all files."""
        for home in self.homes.values():
            home.close()
        for host in self.hosts.values():
            host.close()
        self.between.end()


@dataclass(frozen=True)
class Founded:
    """What a network is founded with."""

    genesis: Genesis
    nodes: tuple[tuple[MemberId, bytes], ...]  # each member, and the seed of its node's keys
    principal: bytes

    @property
    def member(self) -> MemberId:
        """The first member."""
        return self.nodes[0][0]

    @property
    def node_key(self) -> bytes:
        """The seed of the first member's node key."""
        return derive(self.nodes[0][1], "node")


def founding(members: int) -> Founded:
    """A network of so many members, the same ones always."""
    cold, seed = tagged("test/cold", b"member"), tagged("test/seed", b"member")
    record = new_principal(PRACTICE, Role.MEMBER, seed, cold, tagged("test/reading", b"member"))
    authorities = (Wallet(record).authority.public, SigningKey(tagged("test/seed", b"second authority")).public)
    seeds = [tagged("test/seed", name.encode()) for name in HOSTS]
    rows = [
        GenesisMember(authority, SigningKey(derive(seed, "node")).public, tuple(LicenceRight))
        for authority, seed in zip(authorities, seeds, strict=True)
    ][:members]
    genesis = Genesis(bytes(16), Millis(START), tuple(rows), replace(Parameters(), quota=QUOTA))
    nodes = tuple((member_id(row.authority), seed) for row, seed in zip(rows, seeds, strict=False))
    return Founded(genesis, nodes, encode(record))


@contextmanager
def seeded(seed: str) -> Iterator[None]:
    """Inside, what the product draws from the operating system comes from ``seed``: the schedule and its outcome follow."""
    chance = random.Random(seed)
    with mock.patch.object(secrets, "token_bytes", lambda count=32: chance.randbytes(count)):
        yield


def scratch() -> Path:
    """A folder in memory, where there is one."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="salus-simulation-", dir=memory if memory.is_dir() else None))


class Template:
    """A founded world of so many members, to be copied. `close` deletes it."""

    def __init__(self, members: int = 1) -> None:
        self.folder, self.founded = scratch(), founding(members)
        self._folders = (*HOSTS[:members], *PEOPLE)
        with seeded("template"):
            world = World(self.folder, self.founded, lambda _, node: node())
            for name in self._folders:
                (self.folder / name).mkdir()
            world.open()
            found_people(world)
            self.time = world.time.now
            world.close()
        shutil.rmtree(self.folder / "cold")

    def copy(self, target: Path) -> None:
        """A world of its own in ``target``."""
        for name in self._folders:
            copied(self.folder / name, target / name)

    def close(self) -> None:
        """Delete it."""
        shutil.rmtree(self.folder)


def found_people(world: World) -> None:
    """Wallets, licences, cards of everybody to everybody, a first record of each patient, Ann's second device."""
    agents, cold = {name: home.agent for name, home in world.homes.items()}, world.folder / "cold"
    people.keep_person(agents["clinic"], decode(world.founded.principal, PrincipalRecord, limit=1 << 20))
    for name, persons in PEOPLE.items():
        for person, role in persons.items():
            if person != PRACTICE and name != "ann2":
                people.add_person(agents[name], person, role, cold_dir=cold / name)
    paired = pairing.add_device(agents["ann"], ANN, "second")
    world.follow()
    pairing.join(agents["ann2"], paired.text, paired.code)
    cards = {name: [people.own_card(agents[name], person) for person in persons] for name, persons in PEOPLE.items()}
    for one, own in cards.items():
        for other, agent in agents.items():
            if {one, other} == {"ann", "ann2"} or one == other or one == "ann2":
                continue
            for card in own:
                contacts.add_contact(agent, card)
    for home, person, role in (("clinic", NURSE, Role.NURSE), ("ada", ADA, Role.PHYSICIAN), ("bo", BO, Role.PHYSICIAN)):
        licensing.issue_licence(agents["clinic"], people.own_card(agents[home], person), role)
        world.follow()
        inbox.collect(agents[home], person)
    for home, person in (("ann", ANN), ("ben", BEN)):
        take_in(agents[home], person, vital(f"first-{home}", 1))
    world.follow()
    for agent in agents.values():
        resume(agent)


def vital(identity: str, version: int) -> dict[str, object]:
    """An observation; a higher ``version`` is a newer one of the same."""
    category = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}
    return {
        "resourceType": "Observation",
        "id": identity,
        "meta": {"lastUpdated": f"2026-01-01T00:00:{version % 60:02}Z"},
        "status": "final",
        "category": [{"coding": [category]}],
        "code": {"text": "Heart rate"},
        "valueString": f"{version}",
    }


def problem(identity: str, version: int) -> dict[str, object]:
    """A condition; a higher ``version`` is a newer one of the same."""
    return {
        "resourceType": "Condition",
        "id": identity,
        "meta": {"lastUpdated": f"2026-01-01T00:00:{version % 60:02}Z"},
        "subject": {"display": "x"},
        "code": {"text": f"cough {version}"},
    }


def take_in(agent: Agent, name: str, *resources: dict[str, object]) -> importing.ImportReport:
    """Import a file of these resources."""
    files = [("file.json", bundle(*resources))]
    return importing.import_files(agent, name, files, source="Clinic", as_of=None, other_patient_ok=False, progress=silent)
