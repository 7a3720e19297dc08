"""Whether a disk after a power cut has everything that was acknowledged, and whether the real code goes on from there."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deaths import require_settled
from disk.workload import facts, rows_digest
from salus.agent.home import Agent
from salus.agent.services import people
from salus.agent.services.resuming import resume
from salus.agent.store import Store, read_store_key
from salus.agent.wallet import commitments
from salus.crypto.hashing import sha256
from salus.crypto.keys import derive
from salus.home_folder import read_genesis
from salus.homes import init_home
from salus.ledger.header import header_hash
from salus.node.operating.looking import anchored
from salus.node.service import NodeService
from salus.node.vault.blobs import require_intact
from salus.own_node import open_node
from world import PATIENT, Clock, World


@dataclass
class Acknowledged:
    """All that was acknowledged before the cut, and the notes of what came next, which may be there already."""

    genesis: str = ""
    stores: list[str] = field(default_factory=list)  # digests that the agent's store may have now
    blocks: dict[int, tuple[str, str]] = field(default_factory=dict)
    bodies: dict[str, int] = field(default_factory=dict)
    letters: set[tuple[str, str]] = field(default_factory=set)
    receipts: dict[tuple[str, int], str] = field(default_factory=dict)
    facts: list[dict[str, Any]] = field(default_factory=list)  # what the act that was done last, and the next, have led to
    now: int = 0


def acknowledged(noted: list[dict[str, Any]], coming: list[dict[str, Any]]) -> Acknowledged:
    """The notes before the cut, put together; ``coming`` are those after it."""
    known = Acknowledged()
    for one in noted:
        known.genesis = one.get("genesis", known.genesis)
        if "store" in one:
            known.stores = [one["store"]]
        if "tidied" in one:
            known.stores.append(one["tidied"])  # or as it was before: nothing hangs on it
        if "block" in one:
            known.blocks[one["block"]] = one["hash"], one["state"]
        if "body" in one:
            known.bodies[one["body"]] = one["height"]
        if "letter" in one:
            known.letters.add((one["mailbox"], one["letter"]))
        if "receipt" in one:
            known.receipts[one["section"], one["receipt"]] = one["head"]
        if "act" in one:
            known.facts, known.now = [one], one["now"]
    for one in coming:
        known.stores += [one[kind] for kind in ("store", "tidied") if kind in one]
        if "store" in one:
            break
    known.facts = [*(known.facts or [{}]), *[one for one in coming if "act" in one][:1]]
    known.now = max([known.now, *(one.get("now", 0) for one in known.facts)])
    return known


def judge(home: Path, known: Acknowledged) -> None:
    """Open the home as the next command would; `AssertionError` for anything lost, and whatever the code raises."""
    if not (home / "genesis.bin").exists():
        assert not known.genesis, "the home is lost"
        init_home(home, None)  # what was begun is begun again
        return
    assert known.genesis in ("", sha256((home / "genesis.bin").read_bytes()).hex()), "another genesis document"
    key = read_store_key(home / "agent" / "agent.key", str)
    clock = Clock(known.now)
    store, index = Store(home / "agent" / "store.db", key), Store(home / "agent" / "index.db", derive(key, "index"))
    try:
        assert not known.genesis or rows_digest(store) in known.stores, "the agent's store has lost what it had committed"
        with open_node(home, clock=clock) as node:
            require_node(node, known)
            clock.now = max(clock.now, node.engine.newest_header().header.time)
            agent = Agent(store, index, node, read_genesis(home), clock)
            resume(agent)
            require_agent(World(home, agent, node, clock), known)
    finally:
        store.close()
        index.close()


def require_node(node: NodeService, known: Acknowledged) -> None:
    """Every block, result, letter, receipt and blob that was acknowledged."""
    assert node.engine.verify_chain() == node.status().height
    for height, (block, state) in known.blocks.items():
        assert height <= node.status().height, "a block is lost"
        header = node.engine.header(height).header
        assert (header_hash(header).hex(), header.state.hex()) == (block, state), "another block, or another application hash"
    for body, height in known.bodies.items():
        assert node.result(bytes.fromhex(body)).height == height, "a transaction is lost"
    for blob in anchored(node.engine.state):
        data = node.blobs.get(blob)
        assert data is not None, "a blob is lost"
        require_intact(data, blob)
    rows = node._mailboxes._tables.range("letters", b"", b"\xff" * 40, 10_000)
    there = {(key[:32].hex(), sha256(kept[1:]).hex()) for key, kept in rows}  # behind the lane
    assert known.letters <= there, "a letter is lost"
    for (section, index), head in known.receipts.items():
        stored = node._log.since(bytes.fromhex(section), index, 1)
        assert [one.head.hex() for one in stored] == [head], "a receipt is lost"


def require_agent(world: World, known: Acknowledged) -> None:
    """What acts have led to, whole, with nothing left to be done."""
    agent = world.agent
    for info in people.list_people(agent):
        people.own_card(agent, info.name)
    found = facts(agent)
    names = ("person", "shown", "unread", "grants", "devices")
    for name in names:
        values = [one.get(name) for one in known.facts]
        assert found.get(name) in values or between(found.get(name), values), f"{name}: {found.get(name)} of {values}"
    if found:
        require_settled(world)
        colds = [people.read_cold(path.read_bytes()) for path in (world.home / "cold").glob(f"{PATIENT}*.cold")]
        wallet = agent.wallet(PATIENT).record
        assert wallet.commitments in [commitments(cold.seed) for cold in colds], "the cold seed is lost"


def between(found: Any, values: list[Any]) -> bool:
    """Whether a list lies between two lists: everything of both is in it, and nothing that is in neither."""
    lists = [value for value in [found, *values] if isinstance(value, list)]
    if len(lists) < 3:
        return False
    it, before, after = ([str(item) for item in value] for value in lists)
    return set(before) & set(after) <= set(it) <= set(before) | set(after)
