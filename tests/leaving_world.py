"""Homes of one network that share its node: where a person leaves from, and where the person comes to."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from salus.agent.export_file import Content, ExportEnd, ExportRow, ExportWriter, read_export
from salus.agent.home import Agent
from salus.agent.services import exporting, restoring
from salus.agent.services.resuming import resume
from salus.agent.store import Store
from salus.crypto.chunks import MAX_CHUNK
from salus.crypto.keys import new_seed
from salus.crypto.passphrase import Cost
from world import PATIENT, World

CHEAP = Cost(1, 1, 8192)
PASS = "a long passphrase"


@contextmanager
def second_home(world: World, folder: Path) -> Iterator[Agent]:
    """A home without a node of its own: a fresh store, and the first home's genesis and node."""
    folder.mkdir(exist_ok=True)
    store, index = Store(folder / "store.db", new_seed()), Store(folder / "index.db", new_seed())
    agent = Agent(store, index, world.agent.network, world.agent.genesis, world.clock)
    try:
        resume(agent)
        yield agent
    finally:
        store.close()
        index.close()


def export(agent: Agent, name: str = PATIENT, passphrase: str = PASS) -> bytes:
    """The person's export as bytes."""
    sink = io.BytesIO()
    exporting.export_person(agent, name, sink, passphrase, CHEAP)
    return sink.getvalue()


def take_in(agent: Agent, data: bytes, name: str | None = None, passphrase: str = PASS) -> restoring.Inside:
    """Import the export."""
    return restoring.import_person(agent, io.BytesIO(data), passphrase, name)


def everything(store: Store) -> list[tuple[str, bytes, bytes, bytes]]:
    """Every row that a store holds."""
    rows = store._db.execute("select tag, owner, id, body from records order by tag, owner, id")
    return [(str(tag), bytes(owner), bytes(key), bytes(body)) for tag, owner, key, body in rows]


def items(data: bytes, passphrase: str = PASS) -> list[Content]:
    """What is in an export."""
    return list(read_export(io.BytesIO(data), passphrase))


def rows_of(contents: list[Content], tag: str) -> list[ExportRow]:
    """The rows of one shape."""
    return [content for content in contents if isinstance(content, ExportRow) and content.record == tag]


def forged(contents: list[Content], size: int = MAX_CHUNK) -> bytes:
    """An export of these items, with the end that they need, in chunks of ``size``."""
    sink = io.BytesIO()
    writer = ExportWriter(sink, PASS, CHEAP)
    writer._chunks._size = size
    for content in contents:
        if not isinstance(content, ExportEnd):
            writer.put(content)
    writer.finish()
    return sink.getvalue()
