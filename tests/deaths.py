"""What the death of a process at each durable step of an act leaves on the disk, for the next process to open.

An act is done once, over real stores and a real node; whenever something on the disk has changed, all of it is copied. A copy is
what kill -9 at that moment leaves: what was written is there, what was not committed is not, and nothing was tidied up.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from salus.agent.asking import as_owner, epochs_of, fetch_packages
from salus.agent.given import Ending, GivenGrant, given_grant
from salus.agent.home import Agent
from salus.agent.own_sections import own_section
from salus.agent.services import proving
from salus.agent.services.erasing import ErasureJob
from salus.agent.services.listing import OutgoingListing
from salus.agent.services.posting import OutgoingLetter
from salus.agent.services.recovering import RecoveryJob
from salus.agent.services.renewing import GrantJob
from salus.agent.services.rotating import RotationJob
from salus.agent.services.sealing import Job
from salus.agent.services.submitting import Outgoing
from salus.agent.services.writing import NoteJob
from salus.agent.store import Store
from salus.charts.epochs import open_slot
from salus.charts.sections import SectionKind
from salus.errors import ChartRefused
from salus.exchange.cards import Role
from salus.node.operating.looking import anchored
from world import DOCTOR, OTHER, PATIENT, Clock, World, bundle, opened

UNFINISHED = (ErasureJob, GrantJob, Job, NoteJob, Outgoing, OutgoingLetter, OutgoingListing, RecoveryJob, RotationJob)
LOCKS = ("lock", "lock.mdb", "store.db-shm", "index.db-shm")  # of processes that live


def looked(look: Callable[[], None], act: Callable[..., Any]) -> Callable[..., Any]:
    """The same act, with a look at the disk after it."""

    def call(*args: Any, **options: Any) -> Any:
        answer = act(*args, **options)
        look()
        return answer

    return call


class Watched:
    """Something of which every call is followed by a look at the disk."""

    def __init__(self, real: Any, look: Callable[[], None]) -> None:
        self.real, self.look = real, look

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.real, name)
        return looked(self.look, found) if callable(found) else found


class WatchedStore(Store):
    """A store that is looked at before and after each commit."""

    look: Callable[[], None] = staticmethod(lambda: None)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """As it is in any store."""
        with super().writing():
            yield
            self.look()
        self.look()


class Moments:
    """Copies of ``root`` in ``kept``, one for each change but those of the index, which is made anew from the rest."""

    def __init__(self, root: Path, kept: Path) -> None:
        self.root, self.kept, self.folders = root, kept, list[Path]()
        self._last: object = None

    def look(self) -> None:
        """Copy all, if anything has changed."""
        files = [path for path in self.root.rglob("*") if path.name not in LOCKS and not path.name.startswith("index.db")]
        now = sorted((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files if path.is_file())
        if now != self._last:
            self._last = now
            self.folders.append(self.kept / f"{len(self.folders):03}")
            shutil.copytree(self.root, self.folders[-1], ignore=shutil.ignore_patterns(*LOCKS))


@contextmanager
def watching(moments: Moments, *agents: Agent) -> Iterator[None]:
    """Inside, what the agents do is looked at."""
    moments.look()
    for agent in agents:
        agent.network = Watched(agent.network, moments.look)
        for store in (agent.store, agent.index):
            store.__class__, store.look = WatchedStore, moments.look
    try:
        yield
    finally:
        for agent in agents:
            agent.network = agent.network.real
            for store in (agent.store, agent.index):
                store.__class__ = Store
    moments.look()


def killed_everywhere(folder: Path, prepare: Callable[[World], None], act: Callable[[World], object]) -> Iterator[World]:
    """Each world that a death during ``act`` leaves, opened as a new process does: all that was begun has been completed.

    The first is one in which nothing was begun, the last one in which all was done.
    """
    with small(folder / "now" / "home") as world:
        prepare(world)
        moments = Moments(folder / "now", folder / "deaths")
        with watching(moments, world.agent):
            act(world)
        time = world.clock.now
    for left in moments.folders:
        with opened(left / "home", Clock(time)) as world:
            require_settled(world)
            yield world
        shutil.rmtree(left)


@contextmanager
def small(home: Path) -> Iterator[World]:
    """A patient with a record of a few resources, and two licensed physicians."""
    with opened(home, Clock()) as world:
        world.person(PATIENT)
        world.person(DOCTOR, Role.PHYSICIAN)
        world.person(OTHER, Role.PHYSICIAN)
        world.take_in(RECORD)
        yield world


def vital(number: str) -> dict[str, Any]:
    """A heart rate."""
    system = "http://terminology.hl7.org/CodeSystem/observation-category"
    return {
        "resourceType": "Observation",
        "id": number,
        "status": "final",
        "category": [{"coding": [{"system": system, "code": "vital-signs"}]}],
        "code": {"text": "Heart rate"},
        "subject": {"reference": "Patient/p"},
    }


RECORD = bundle(
    vital("v1"),
    vital("v2"),
    {"resourceType": "Condition", "id": "c1", "code": {"text": "Asthma"}, "subject": {"reference": "Patient/p"}},
)


def require_settled(world: World, name: str = PATIENT) -> None:
    """Nothing is under way any more, everything of the record verifies, and the vault has lost nothing."""
    agent, tags = world.agent, {str(shape.__struct_config__.tag) for shape in UNFINISHED}
    assert not [row[0] for row in agent.store._db.execute("select tag from records") if row[0] in tags]
    for wallet in agent.wallets():
        assert Ending.ASKED not in [given.ending for _, given in agent.store.all(GivenGrant, wallet.person)]
    assert proving.verify_own(agent, name).troubles == ()
    assert set(world.node.blobs.stock()) >= set(anchored(world.node.engine.state))


def has_a_key(world: World, grant: str, kind: SectionKind = SectionKind.VITALS) -> bool:
    """Whether the grant's slot key opens the epoch that is current in the patient's section, or a later one."""
    wallet = world.agent.wallet(PATIENT)
    section = own_section(world.agent, wallet, kind)
    numbers = [epoch.number for epoch in section.schedule if epoch.number >= section.epoch.number]
    packages = fetch_packages(
        world.agent, as_owner(world.agent, wallet, section), epochs_of(world.agent, section.identity, numbers)
    )
    assert len(packages) == len(numbers)
    for part in given_grant(world.agent, wallet, bytes.fromhex(grant)).made().sections:
        for number, package in packages.items():
            with suppress(ChartRefused):
                open_slot(package, part.slot_key, section.identity, number)
                return True
    return False
