"""The export file ``salus-export-1``: items in a fixed order, sealed in chunks under a passphrase (``spec/exports.md``).

A head, the store's rows (the principal's first), sealed entries, the FHIR Bundle in parts, and an end that counts them all.
Writing and reading need memory for one item and one chunk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated

import msgspec

from salus.agent.store import MAX_BODY
from salus.charts.entry import MAX_BLOB
from salus.charts.sections import SectionKind
from salus.codec import Record, decode, encode
from salus.crypto.chunks import ChunkWriter, Sink, Source, read_chunks
from salus.crypto.passphrase import Cost
from salus.errors import AgentRefused
from salus.ids import Bytes32, Count
from salus.ledger.genesis import MAX_GENESIS

MAGIC = b"salus-export-1\n"
MAX_ITEM = MAX_BODY + 4096
PART = 1_048_576


class ExportHead(Record, frozen=True, tag="export-head-1"):
    """Whose export it is, of which network, and as of which block: ``made`` and ``time`` in ms.

    ``member``: at whose node the person's mailbox is.
    """

    network: Bytes32
    genesis: Annotated[bytes, msgspec.Meta(max_length=MAX_GENESIS)]
    person: Bytes32
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    member: Bytes32
    made: Count
    height: Count
    time: Count
    version: Annotated[str, msgspec.Meta(max_length=64)]


class ExportRow(Record, frozen=True, tag="export-row"):
    """One record of the agent's store: its shape's tag, and its canonical bytes."""

    record: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    owner: Annotated[bytes, msgspec.Meta(max_length=256)]
    key: Annotated[bytes, msgspec.Meta(max_length=1024)]
    body: Annotated[bytes, msgspec.Meta(max_length=MAX_BODY)]


class ExportEntry(Record, frozen=True, tag="export-entry"):
    """One sealed entry of an own section, as the vault keeps it."""

    kind: SectionKind
    section: Bytes32
    number: Count
    epoch: Count
    blob: Annotated[bytes, msgspec.Meta(min_length=1, max_length=MAX_BLOB + 4096)]


class ExportPart(Record, frozen=True, tag="export-part"):
    """The next bytes of the FHIR Bundle."""

    data: Annotated[bytes, msgspec.Meta(min_length=1, max_length=PART)]


class ExportEnd(Record, frozen=True, tag="export-end"):
    """How many rows and entries there were, and how many bytes of the Bundle."""

    rows: Count
    entries: Count
    bundle: Count


Content = ExportHead | ExportRow | ExportEntry | ExportPart | ExportEnd
_ORDER = (ExportHead, ExportRow, ExportEntry, ExportPart, ExportEnd)


class ExportItem(Record, frozen=True, tag="export-item"):
    """What a file is made of."""

    content: Content


class ExportWriter:
    """Writes an export into a sink; ``count`` is the end that `finish` writes."""

    def __init__(self, sink: Sink, passphrase: str, cost: Cost | None = None) -> None:
        self._chunks = ChunkWriter(sink, MAGIC, passphrase, cost)
        self.count = ExportEnd(0, 0, 0)

    def put(self, content: Content) -> None:
        """Write the next item."""
        data = encode(ExportItem(content))
        self._chunks.write(len(data).to_bytes(4, "big") + data)
        self.count = counted(self.count, content)

    def put_bundle(self, bundle: bytes) -> None:
        """Write the Bundle in parts."""
        for start in range(0, len(bundle), PART):
            self.put(ExportPart(bundle[start : start + PART]))

    def finish(self) -> None:
        """Write the end; without it no reader accepts the file."""
        self.put(self.count)
        self._chunks.finish()


def read_export(source: Source, passphrase: str) -> Iterator[Content]:
    """The items in order, the head first and the end last; only when the iterator ends by itself is the file known to be whole.

    Raises what `read_chunks` does, `Malformed`, and `AgentRefused` ``bad-export`` for items out of order or of another count.
    """
    count, stage = ExportEnd(0, 0, 0), -1
    for data in _frames(read_chunks(source, MAGIC, passphrase)):
        content = decode(data, ExportItem, limit=MAX_ITEM).content
        following = _ORDER.index(type(content))
        require_order(stage, following)
        require_count(count, content)
        count, stage = counted(count, content), following
        yield content
    if stage != len(_ORDER) - 1:
        raise AgentRefused("bad-export", "the export has no end")


def require_order(before: int, after: int) -> None:
    """Raise ``bad-export`` unless items stand in their order: one head, rows, entries, parts, one end."""
    repeats = before == after and 0 < before < len(_ORDER) - 1
    if not (repeats or (before < after and (before >= 0) == (after > 0))):
        raise AgentRefused("bad-export", "the export's items are not in their order")


def require_count(count: ExportEnd, content: Content) -> None:
    """Raise ``bad-export`` when the end counts other items than there were."""
    if isinstance(content, ExportEnd) and content != count:
        raise AgentRefused("bad-export", "the export has not as many items as it says")


def counted(count: ExportEnd, content: Content) -> ExportEnd:
    """The count after one more item."""
    rows, entries, bundle = count.rows, count.entries, count.bundle
    if isinstance(content, ExportRow):
        return ExportEnd(rows + 1, entries, bundle)
    if isinstance(content, ExportEntry):
        return ExportEnd(rows, entries + 1, bundle)
    return ExportEnd(rows, entries, bundle + len(content.data)) if isinstance(content, ExportPart) else count


def _frames(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The items' bytes, each with its length in front."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) >= 4 and len(held) >= 4 + (size := int.from_bytes(held[:4], "big")):
            yield bytes(held[4 : 4 + size])
            del held[: 4 + size]
        if len(held) > MAX_ITEM + 4:
            raise AgentRefused("bad-export", "an item of the export is too large")
    if held:
        raise AgentRefused("bad-export", "the export ends in the middle of an item")
