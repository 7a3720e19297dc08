"""Power cuts: whatever a disk loses that was not flushed, what was acknowledged is there, and the real code goes on from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from disk.power import KINDS, Disk, Entry, File, Pending, notes, read_log
from disk.torture import CONTROLS, Point, again, choose, control, kept, memory, record, root_of, states, tried

POINTS = 100
LIVING = ("lock", "lock.mdb", "store.db-shm", "index.db-shm")  # mapped memory of processes, made anew


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A node and an agent at work, once."""
    return record(tmp_path_factory.mktemp("power"))


@pytest.fixture(scope="module")
def entries(log: Path) -> list[Entry]:
    return list(read_log(log))


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name not in LIVING}


def test_the_log_has_all_that_was_done(entries: list[Entry], tmp_path: Path) -> None:
    """The disk that is built from it is the disk."""
    ((_, state),) = ((point, files(folder)) for point, folder in states(entries, [Point(len(entries), "kept")], tmp_path / "x"))
    assert state == files(Path(root_of(entries)))
    assert sum(1 for one in notes(entries, len(entries)) if "block" in one) > 20


def test_what_was_acknowledged_outlives_a_power_cut_at_any_point(log: Path, entries: list[Entry]) -> None:
    """API-40, API-20, API-23, WAR-18, WAL-10: ledger, vault, mailbox and the agent's store."""
    found = tried(entries, choose(entries, POINTS, KINDS, "in short"))
    assert len(found) > POINTS * 3 // 4
    bad = {point: what for point, what in found.items() if what}
    assert not bad, "\n".join(again(kept(log, "test_power_cut"), point, what) for point, what in bad.items())


@pytest.mark.parametrize("place", CONTROLS)
def test_without_flushing_there_a_loss_is_found(entries: list[Entry], place: str) -> None:
    assert control(entries, place, 60)


def opened(name: bytes, flags: int = 1) -> Entry:
    return Entry("O", flags, 3, 0, b"/disk" + name, b"")


def cut(folder: Path, kind: str, seed: int, *changes: Entry) -> dict[str, bytes]:
    """What is left of a small disk."""
    disk = Disk("/disk")
    for change in changes:
        disk.do(change)
    disk.write(folder, kind, Point(seed, kind).chance())
    return files(folder)


WRITE, FLUSH = Entry("W", 0, 3, 0, b"a" * 2000, b""), Entry("S", 0, 3, 0, b"", b"")


def test_a_name_is_there_when_its_folder_was_flushed_and_its_bytes_when_the_file_was(tmp_path: Path) -> None:
    made = [opened(b"/x"), WRITE, FLUSH]
    named = [opened(b"", 0), FLUSH]
    assert cut(tmp_path / "1", "dropped", 1, *made) == {}
    assert cut(tmp_path / "2", "dropped", 1, *made, *named) == {"x": b"a" * 2000}
    assert cut(tmp_path / "3", "dropped", 1, opened(b"/x"), WRITE, *named) == {"x": b""}
    moved = Entry("R", 0, 0, 0, b"/disk/x", b"/disk/y")
    assert cut(tmp_path / "4", "dropped", 1, *made, *named, moved) == {"x": b"a" * 2000}
    assert cut(tmp_path / "5", "dropped", 1, *made, *named, moved, *named) == {"y": b"a" * 2000}


def test_what_is_torn_ends_at_a_sector_and_what_is_reordered_may_lack_any(tmp_path: Path) -> None:
    sizes, holes = set(), 0
    for seed in range(60):
        file = File(bytearray(b"old"), [Pending(0, b"a" * 2000), Pending(1000, b"b" * 1000)])
        torn = file.after("torn", Point(seed, "torn").chance())
        sizes.add((torn.count(b"a"), torn.count(b"b")))
        holes += b"\0" in file.after("reordered", Point(seed, "reordered").chance())
    assert {(0, 0), (512, 0), (2000, 0), (1976, 24), (1000, 1000)} <= sizes
    assert holes > 10


def test_where_files_are_kept_in_memory_is_a_folder_or_nowhere() -> None:
    assert memory() is None or Path(str(memory())).is_dir()
