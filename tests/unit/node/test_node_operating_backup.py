"""A backup is whole or is not there, whoever writes meanwhile and whatever the disk does."""

from __future__ import annotations

import itertools
import os
import resource
import signal
import stat
import sys
import tarfile
import time
from pathlib import Path

import pytest

from node_world import START, Clock, blob, code, running
from operating_world import GENESIS, backed_up, child, files, filled, grown, home_in, opened, restored, silent, troubles
from salus.node.operating.backup import back_up
from salus.node.operating.scrubbing import scrub


def write_without_end(home: Path) -> None:
    """Append and read, until killed; a line when the first is done, and every tenth."""
    with running(home / "node", Clock(START)) as world:
        for number in itertools.count():
            name = f"more {number}"
            world.fill(name, blob(name))
            world.node.read(world.read(world.own(name), name))
            world.node._anchoring.anchor()
            if number % 10 == 0:
                os.write(1, b"on\n")


def stall(home: Path, out: Path) -> None:
    """A backup that stops at its first blob."""

    def told(*_: object) -> None:
        os.write(1, b"on\n")
        time.sleep(600)

    back_up(home, GENESIS, out, START, told)


def fill_up(home: Path, out: Path) -> None:
    """A backup on a disk that takes no file above 20 kB."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    print(code(lambda: back_up(home, GENESIS, out, START, silent)))


def test_a_backup_of_a_node_that_is_served_is_consistent_every_time(tmp_path: Path) -> None:
    home = filled(tmp_path)
    with child(__file__, "write", home) as writer:
        assert writer.stdout is not None
        heights = []
        for turn in range(4):
            assert writer.stdout.readline() == b"on\n"
            made = backed_up(home, tmp_path / f"backup {turn}")
            heights.append(made.manifest.height)
            assert made.lost == 0
        assert writer.poll() is None
        writer.kill()
    assert heights == sorted(set(heights))
    for turn in range(4):
        other = home_in(tmp_path / f"other {turn}")
        assert restored(other, tmp_path / f"backup {turn}").missing == 0
        assert troubles(other) == set()
        assert scrub(other, GENESIS, silent).findings.troubles == 0
        with opened(other) as world:  # and it goes on: what was not anchored in it is anchored anew
            world.fill("after")
        assert troubles(other) == set()
    assert troubles(home) == set()


@pytest.mark.parametrize("name", ["backup", "backup.tar"])
def test_a_backup_holds_what_the_node_holds_without_its_key(tmp_path: Path, name: str) -> None:
    home = filled(tmp_path)
    made = backed_up(home, tmp_path / name)
    listed = {file.name for file in made.manifest.files}
    assert "node.key" not in listed
    assert {"ledger/data.mdb", "receipts/data.mdb", "mailbox/data.mdb", "genesis.bin"} <= listed
    assert sum(one.startswith("blobs/") for one in listed) == 3  # two entries and a key package
    if name.endswith(".tar"):
        with tarfile.open(made.place) as packed:
            held = set(packed.getnames())
        assert stat.S_IMODE(made.place.stat().st_mode) == 0o600
    else:
        held = set(files(made.place))
        assert stat.S_IMODE(made.place.stat().st_mode) == 0o700
    assert held == listed | {"manifest.json", "manifest.sig"}
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_with_the_key_it_can_bring_a_node_back_from_nothing(tmp_path: Path) -> None:
    home = filled(tmp_path)
    (home / "node" / "config.toml").write_text("port = 8440\n")
    backed_up(home, tmp_path / "backup", with_key=True)
    other = home_in(tmp_path / "other", with_key=False)
    assert set(restored(other, tmp_path / "backup").parts) == {
        "ledger",
        "guests",
        "mailbox",
        "vault/receipts",
        "config.toml",
        "node.key",
    }
    assert troubles(other) == set()
    assert stat.S_IMODE((other / "node" / "node.key").stat().st_mode) == 0o600


def test_a_backup_goes_into_a_folder_and_never_over_another(tmp_path: Path) -> None:
    home = filled(tmp_path)
    (tmp_path / "backups").mkdir()
    made = backed_up(home, tmp_path / "backups")
    assert made.place.parent == tmp_path / "backups"
    assert code(lambda: backed_up(home, tmp_path / "backups")) == "node/backup-exists"
    assert code(lambda: backed_up(home, tmp_path / "none" / "backup")) == "node/storage-failed"


def test_a_backup_that_was_killed_is_tidied_by_the_next_and_one_under_way_is_not(tmp_path: Path) -> None:
    home = filled(tmp_path)
    (tmp_path / ".salus-backup-mine").mkdir()  # not made by a backup: nobody's to remove
    with child(__file__, "stall", home, tmp_path / "backup") as stalled:
        assert stalled.stdout is not None
        assert stalled.stdout.readline() == b"on\n"
        backed_up(home, tmp_path / "beside")
        assert len(list(tmp_path.glob(".salus-backup-*"))) == 2
        stalled.kill()
    assert not (tmp_path / "backup").exists()
    backed_up(home, tmp_path / "backup")
    assert [path.name for path in tmp_path.glob(".salus-backup-*")] == [".salus-backup-mine"]
    grown(home)
    assert troubles(home) == set()


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    home = filled(tmp_path)
    with child(__file__, "full", home, tmp_path / "backup") as full:
        said, wrong = full.communicate()
    assert (said, wrong) == (b"node/storage-failed\n", b"")
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    backed_up(home, tmp_path / "backup")


def test_what_the_node_has_lost_refuses_unless_it_is_left_out_knowingly(tmp_path: Path) -> None:
    home = filled(tmp_path)
    with opened(home) as world:
        lost, altered = world.blob_path(blob("one")), world.blob_path(blob("two"))
    lost.unlink()
    altered.write_bytes(b"x")
    assert code(lambda: backed_up(home, tmp_path / "backup")) == "node/blobs-lost"
    assert not (tmp_path / "backup").exists()
    assert backed_up(home, tmp_path / "backup", incomplete=True).lost == 2


def test_a_node_whose_state_is_damaged_is_not_backed_up(tmp_path: Path) -> None:
    home = filled(tmp_path)
    (home / "node" / "ledger" / "data.mdb").write_bytes(b"\0" * 8192)
    assert code(lambda: backed_up(home, tmp_path / "backup")) == "node/state-damaged"


if __name__ == "__main__":
    act = {"write": write_without_end, "stall": stall, "full": fill_up}[sys.argv[1]]
    act(*map(Path, sys.argv[2:]))
