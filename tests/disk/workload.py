"""A real node and a real agent at work behind the shim: every acknowledgement is a note in the log of the disk.

``workload.py ROOT``: the home is ROOT/home, and is made here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deaths import RECORD, vital
from disk.shim import mark
from salus.agent.given import GivenGrant
from salus.agent.home import Agent
from salus.agent.services import charting, erasing, granting, inbox, pairing, people, recovering, revoking, writing
from salus.agent.services.granting import Lasting
from salus.agent.store import Store
from salus.charts.sections import SectionKind
from salus.crypto.hashing import sha256
from salus.exchange.cards import Role
from salus.ledger.header import header_hash
from salus.node.vault import blobs
from world import DOCTOR, OTHER, PATIENT, Clock, World, bundle, opened

VITALS = (SectionKind.VITALS,)


def note(**facts: Any) -> None:
    """What was acknowledged just now."""
    mark(json.dumps(facts).encode())


def rows_digest(store: Store) -> str:
    """Everything that a store holds, as one hash."""
    query = "select tag, owner, id, body from records order by tag, owner, id"
    return sha256(b"".join(repr(row).encode() for row in store._db.execute(query))).hex()


class NotingStore(Store):
    """A store that notes each commit, with all that it holds then."""

    @contextmanager
    def writing(self) -> Iterator[None]:
        """As it is in any store."""
        outermost = not self._db.in_transaction
        with super().writing():
            yield
        if outermost:
            note(store=rows_digest(self))

    @contextmanager
    def tidying(self) -> Iterator[None]:
        """As it is in any store: what a power cut may undo is noted as such."""
        with super().tidying():
            yield
        note(tidied=rows_digest(self))


class Noting:
    """A node whose answers to what changes something are noted."""

    def __init__(self, node: Any) -> None:
        self.node, self.heights = node, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.node, name)

    def submit(self, submission: Any) -> Any:
        status = self.node.submit(submission)
        self.blocks()
        note(body=status.body.hex(), height=status.height)
        return status

    def header(self, height: int | None, *, fresh: bool = False) -> Any:
        found = self.node.header(height, fresh=fresh)
        self.blocks()
        return found

    def drop(self, drop: Any) -> None:
        self.node.drop(drop)
        note(mailbox=drop.mailbox.hex(), letter=sha256(drop.sealed).hex())

    def read(self, request: Any) -> Any:
        served = self.node.read(request)
        promise = served.promise.promise
        note(section=promise.section.hex(), receipt=promise.index, head=promise.head.hex())
        return served

    def blocks(self) -> None:
        """Note every block that was not noted yet: its height, its hash, and the application's hash after it."""
        newest = self.node.engine.newest_header().header.height
        for height in range(self.heights, newest + 1):
            header = self.node.engine.header(height).header
            note(block=height, hash=header_hash(header).hex(), state=header.state.hex())
        self.heights = newest + 1


def facts(agent: Agent) -> dict[str, Any]:
    """What the patient and the grants look like now: what an act has changed, and what a crash must not."""
    if PATIENT not in [wallet.record.name for wallet in agent.wallets()]:
        return {}
    wallet = agent.wallet(PATIENT)
    chart = charting.open_chart(agent, PATIENT, PATIENT)
    shown = sorted(v.identity[1] for v in chart.shown if not v.identity[1].startswith("Provenance/"))
    ends = sorted([key.hex(), given.ending.value] for key, given in agent.store.all(GivenGrant, wallet.person))
    devices = [info.label for info in pairing.list_devices(agent, PATIENT)]
    return {"person": wallet.person.hex(), "shown": shown, "unread": len(chart.unread), "grants": ends, "devices": devices}


def acts(world: World) -> Iterator[str]:
    """The acts, one after the other, by name."""
    agent = world.agent
    people.add_person(agent, PATIENT, Role.PATIENT, cold_dir=world.home / "cold")
    yield "a wallet"
    world.person(DOCTOR, Role.PHYSICIAN)
    world.person(OTHER, Role.PHYSICIAN)
    yield "licences"
    world.take_in(RECORD)
    yield "an import"
    standing = granting.grant(agent, PATIENT, DOCTOR, **terms(world, VITALS, granting.Right.READ))
    yield "a standing grant"
    granting.grant(agent, PATIENT, OTHER, **terms(world, (SectionKind.DOCUMENTS,), granting.Right.APPEND))
    for reader in (DOCTOR, OTHER):
        inbox.collect(agent, reader)
    charting.open_chart(agent, DOCTOR, PATIENT)
    yield "a reading"
    writing.write_note(agent, OTHER, PATIENT, b"Feels well.", amends=None, entered_in_error=None)
    yield "a note"
    world.take_in(bundle(vital("v3")), source="Clinic")
    yield "another import"
    erasing.erase(agent, PATIENT, "Observation/v1")
    yield "an erasure"
    revoking.revoke(agent, PATIENT, grant=standing.grant)
    yield "a revocation"
    pairing.add_device(agent, PATIENT, "phone")
    yield "a device"
    pairing.remove_device(agent, PATIENT, "phone")
    yield "a device taken off"
    cold = people.read_cold((world.home / "cold" / f"{PATIENT}.cold").read_bytes())
    recovering.recover(agent, cold, cold_dir=world.home / "cold")
    yield "a recovery"


def terms(world: World, sections: tuple[SectionKind, ...], right: granting.Right) -> dict[str, Any]:
    fixed = {"rights": (right,), "purposes": (granting.Purpose.TREAT,), "sections": sections}
    lasting = Lasting(right is granting.Right.READ, True)
    return {**fixed, "lasting": lasting, "until_ms": world.clock.now + 30 * 3_600_000}


def main(root: Path) -> None:
    """Do all of it, as one process does; places become durable many times in this short piece of work."""
    blobs.SETTLED = 16
    root.mkdir(exist_ok=True)
    with opened(root / "home", Clock()) as world:
        note(genesis=sha256((root / "home" / "genesis.bin").read_bytes()).hex(), store=rows_digest(world.agent.store))
        world.agent.network, world.agent.store.__class__ = Noting(world.node), NotingStore
        for name in acts(world):
            world.agent.network.blocks()
            note(act=name, now=world.clock.now, **facts(world.agent))
    print(json.dumps({"blocks": world.agent.network.heights}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
