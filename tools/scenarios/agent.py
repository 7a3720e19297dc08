"""What an agent writes for later: export files' items, and the cold file."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from itertools import chain

from charts_world import NETWORK, some
from salus.agent.export_file import MAGIC, Content, ExportEnd, ExportEntry, ExportHead, ExportItem, ExportPart, ExportRow
from salus.agent.wallet import ColdSeed, cold_seed, new_principal
from salus.charts.sections import SectionKind
from salus.codec import decode, encode
from salus.crypto.chunks import ChunkWriter
from salus.crypto.passphrase import Cost
from salus.exchange.cards import Role
from scenarios import NOT_DECODABLE, Fields, Scenario, change
from test_vectors import following

HEAD = ExportHead(NETWORK, b"genesis", some("person"), "Clemente", some("member"), 3, 2, 1, "0.1.0")
ROW = ExportRow("pin", b"", b"key", b"body")
ENTRY = ExportEntry(SectionKind.VITALS, some("section"), 0, 0, b"blob")
PART, END = ExportPart(b"{}"), ExportEnd(1, 1, 2)


def scenarios() -> Iterator[Scenario]:
    """All of this room."""
    yield from items()
    yield from cold_files()
    yield from wallets()


def written(data: bytes) -> dict[str, bytes | int]:
    """An export file of any plaintext."""
    sink = io.BytesIO()
    writer = ChunkWriter(sink, MAGIC, "correct horse", Cost(1, 1, 8192))
    writer.write(data)
    writer.finish()
    return {"passphrase": b"correct horse", "export": sink.getvalue()}


def framed(*contents: Content) -> bytes:
    """Items with their lengths in front."""
    encoded = [encode(ExportItem(content)) for content in contents]
    return b"".join(chain.from_iterable((len(one).to_bytes(4, "big"), one) for one in encoded))


def items() -> Iterator[Scenario]:
    """The items of an export: their order, their count, their frames."""
    whole, bad = framed(HEAD, ROW, ENTRY, PART, END), "agent/bad-export"
    for what, expect, data in (
        ("whole", "accepted", whole),
        ("nothing-but-a-head", "accepted", framed(HEAD, ExportEnd(0, 0, 0))),
        ("in-two-parts", "accepted", framed(HEAD, ROW, ENTRY, PART, PART, ExportEnd(1, 1, 4))),
        ("no-head", bad, framed(ROW, ENTRY, PART, END)),
        ("two-heads", bad, framed(HEAD, HEAD, ROW, ENTRY, PART, END)),
        ("a-row-after-an-entry", bad, framed(HEAD, ENTRY, ROW, PART, END)),
        ("an-entry-after-a-part", bad, framed(HEAD, ROW, PART, ENTRY, END)),
        ("no-end", bad, framed(HEAD, ROW, ENTRY, PART)),
        ("two-ends", bad, framed(HEAD, ROW, ENTRY, PART, END, END)),
        ("something-after-the-end", bad, framed(HEAD, ROW, ENTRY, PART, END, PART)),
        ("a-row-left-out", bad, framed(HEAD, ENTRY, PART, END)),
        ("an-entry-too-many", bad, framed(HEAD, ROW, ENTRY, ENTRY, PART, END)),
        ("a-byte-of-the-bundle-left-out", bad, framed(HEAD, ROW, ENTRY, ExportPart(b"{"), END)),
        ("nothing", bad, b""),
        ("ends-in-an-item", bad, whole[:-1]),
        ("ends-in-a-length", bad, whole + b"\x00\x00"),
        ("an-item-that-is-empty", NOT_DECODABLE, framed(HEAD) + bytes(4)),
        ("an-item-of-another-kind", NOT_DECODABLE, whole.replace(b"export-row", b"export-raw")),
        (
            "an-item-with-one-byte-more",
            NOT_DECODABLE,
            len(encode(ExportItem(HEAD)) + b"x").to_bytes(4, "big") + framed(HEAD)[4:] + b"x",
        ),
        ("an-empty-blob", NOT_DECODABLE, framed(HEAD, ROW, change(ENTRY, blob=b""), PART, END)),
    ):
        yield "items", what, expect, written(data)


def cold_files() -> Iterator[Scenario]:
    """Cold files. A reader of a good one has these bytes inside."""
    record = new_principal("Clemente", Role.PATIENT, some("seed"), some("cold"), some("reading"))
    inside = encode(cold_seed(record, NETWORK, some("cold")))
    seed, bad, line = decode(inside, ColdSeed, limit=len(inside)), "agent/bad-cold-file", b"salus-cold-seed-1\n"
    armoured = base64.b64encode(inside)
    for what, expect, data in (
        ("opens", "accepted", line + armoured + b"\n"),
        ("another-first-line", bad, b"salus-cold-seed-2\n" + armoured + b"\n"),
        ("no-first-line", bad, armoured + b"\n"),
        ("not-in-base64", bad, line + inside),
        ("a-letter-of-another-alphabet", bad, line + b"!" + armoured[1:] + b"\n"),
        ("cut-off", bad, line + armoured[:-4] + b"\n"),
        ("cut-off-in-a-letter", bad, line + armoured[:-1] + b"\n"),
        ("something-behind", bad, line + armoured + b"AAAA\n"),
        ("a-seed-that-is-too-short", bad, line + base64.b64encode(encode(change(seed, seed=bytes(31))))),
        ("of-an-unknown-section", bad, line + base64.b64encode(inside.replace(b"\xa6vitals", b"\xa6vitols"))),
        ("too-large", bad, line + base64.b64encode(inside + bytes(8192))),
        ("empty", bad, b""),
        ("the-first-line-alone", bad, line),
    ):
        yield "cold", what, expect, {"file": data}


def wallets() -> Iterator[Scenario]:
    """What follows from the seeds of a wallet and of a node."""
    names = ("seed", "cold", "reading", "node", "grant")
    seeds: Fields = {**{name: some(name) for name in names}, "network": NETWORK, "section_kind": b"vitals"}
    for what, changes in (("follows-from-its-seeds", {}), ("of-another-section", {"section_kind": b"records"})):
        given = {name: value for name, value in {**seeds, **changes}.items() if isinstance(value, bytes)}
        yield "wallet", what, "accepted", {**given, **following(given)}
