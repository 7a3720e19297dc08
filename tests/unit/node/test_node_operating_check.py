"""`check` and `scrub` find what is wrong, say it in one line each, and change nothing."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from node_world import START, blob, code, key, tampered
from operating_world import GENESIS, files, filled, home_in, opened, silent, troubles
from salus.crypto.hashing import sha256
from salus.ledger.modules.sections.messages import Entomb
from salus.node.operating.checking import check
from salus.node.operating.scrubbing import YOUNG, scrub
from salus.node.tables import Tables


def blob_of(home: Path, data: bytes) -> Path:
    name = sha256(data).hex()
    return home / "node" / "vault" / "blobs" / name[:2] / name


def changed_receipts(home: Path, act: Callable[[Tables], None]) -> None:
    tables = Tables(home / "node" / "vault" / "receipts", ("receipts", "chains", "seen", "times", "anchors"))
    act(tables)
    tables.close()


def without_newest_receipt(tables: Tables) -> None:
    with tables.writing() as write:
        for name, _ in tables.range("receipts", b"", b"\xff" * 48, 1):
            write.drop("receipts", name)


def without_chain(tables: Tables) -> None:
    with tables.writing() as write:
        for name, _ in tables.range("chains", b"", b"\xff" * 48, 1):
            write.drop("chains", name)


def erased_and_back(home: Path) -> None:
    with opened(home) as world:
        world.submit(Entomb(world.section("Ada"), 0), keys=[key("Ada")])
    blob_of(home, blob("one")).write_bytes(blob("one"))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a misspelt configuration": (lambda home: (home / "node" / "config.toml").write_text("prot = 1"), "node/bad-config"),
    "no key": (lambda home: (home / "node" / "node.key").unlink(), "node/bad-node-key"),
    "another's key": (lambda home: (home / "node" / "node.key").write_text("11" * 32), "node/not-a-member"),
    "a key for all to read": (lambda home: (home / "node" / "node.key").chmod(0o644), "node/key-readable"),
    "no ledger": (lambda home: shutil.rmtree(home / "node" / "ledger"), "node/state-damaged"),
    "no database": (lambda home: (home / "node" / "ledger" / "data.mdb").write_bytes(bytes(9000)), "node/state-damaged"),
    "a state that is another": (lambda home: tampered(home / "node", b"state", b"x", b"\x90"), "node/state-damaged"),
    "a newest header that is none": (
        lambda home: tampered(home / "node", b"headers", (2).to_bytes(8, "big"), b"\x90"),
        "node/state-damaged",
    ),
    "a header missing": (lambda home: tampered(home / "node", b"headers", bytes(8), None), "node/chain-damaged"),
    "an entry missing": (lambda home: blob_of(home, blob("one")).unlink(), "node/blobs-lost"),
    "an entry cut off": (lambda home: blob_of(home, blob("one")).write_bytes(b"x"), "node/blobs-lost"),
    "a key package missing": (lambda home: blob_of(home, blob("package of Ada")).unlink(), "node/blobs-lost"),
    "what was erased is back": (erased_and_back, "node/not-erased"),
    "a receipt missing": (lambda home: changed_receipts(home, without_newest_receipt), "node/receipts-damaged"),
    "an anchored chain missing": (lambda home: changed_receipts(home, without_chain), "node/receipts-damaged"),
    "no receipts": (lambda home: shutil.rmtree(home / "node" / "vault" / "receipts"), "node/state-damaged"),
    "no mailboxes": (lambda home: shutil.rmtree(home / "node" / "mailbox"), "node/state-damaged"),
}


def test_a_sound_node_is_in_no_trouble_and_nothing_is_changed(tmp_path: Path) -> None:
    home = filled(tmp_path)
    before = files(home)
    assert troubles(home) == set()
    assert scrub(home, GENESIS, silent).findings.troubles == 0
    assert files(home) == before


@pytest.mark.parametrize("what", DAMAGES)
def test_each_trouble_is_found_by_check(tmp_path: Path, what: str) -> None:
    """API-60."""
    damage, expected = DAMAGES[what]
    home = filled(tmp_path)
    damage(home)
    before = files(home)
    assert troubles(home) == {expected}
    assert files(home) == before


def test_a_clock_that_is_behind_is_found(tmp_path: Path) -> None:
    home = filled(tmp_path)
    found = [finding.code for finding in check(home, GENESIS, START - 61_000) if finding.what == "clock"]
    assert found == ["node/clock-behind"]


def test_only_the_last_headers_are_checked_when_asked(tmp_path: Path) -> None:
    home = filled(tmp_path)
    tampered(home / "node", b"headers", bytes(8), None)
    assert [finding.code for finding in check(home, GENESIS, START, 1) if finding.what == "chain"] == [""]


def test_scrub_names_what_is_altered_and_what_is_missing(tmp_path: Path) -> None:
    """API-61."""
    home = filled(tmp_path)
    path = blob_of(home, blob("one"))
    path.write_bytes(path.read_bytes()[:-1] + b"x")  # of the same size: check cannot see it
    assert troubles(home) == set()
    blob_of(home, blob("two")).unlink()
    found = scrub(home, GENESIS, silent)
    assert (found.damaged, found.missing) == ((sha256(blob("one")),), (sha256(blob("two")),))
    assert {finding.code for finding in found.findings} == {"", "node/blobs-lost"}


def test_scrub_replays_the_chain(tmp_path: Path) -> None:
    home = filled(tmp_path)
    tampered(home / "node", b"blocks", (1).to_bytes(8, "big"), None)
    assert "node/chain-damaged" in {finding.code for finding in scrub(home, GENESIS, silent).findings}


def test_orphans_are_deleted_only_when_told_old_and_not_under_way(tmp_path: Path) -> None:
    """API-62."""
    home, old = filled(tmp_path), time.time() - YOUNG - 60
    for name in ("old", "young", "under way"):
        path = blob_of(home, blob(name))
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(blob(name))
        if name != "young":
            os.utime(path, (old, old))
    (home / "node" / "vault" / "arriving" / f"{'ab' * 32}.{sha256(blob('under way')).hex()}").write_bytes(blob("under way"))
    for data in (blob("one"), blob("package of Ada")):
        os.utime(blob_of(home, data), (old, old))
    found = scrub(home, GENESIS, silent)
    assert (found.orphaned, found.deleted) == ((sha256(blob("old")),), 0)
    assert blob_of(home, blob("old")).exists()
    assert scrub(home, GENESIS, silent, delete_orphans=True).deleted == 1
    there = {name for name in ("old", "young", "under way", "one", "package of Ada") if blob_of(home, blob(name)).exists()}
    assert there == {"young", "under way", "one", "package of Ada"}


def test_a_ledger_that_cannot_be_read_is_not_scrubbed(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    assert code(lambda: scrub(home, GENESIS, silent)) == "node/state-damaged"
