"""Real commands, really killed in the middle of their work: whoever says them again finds everything, once."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE

import pytest

from deaths import has_a_key, require_settled, small, vital
from salus.agent.nodes import read_nodes
from salus.agent.services import charting, granting
from salus.agent.services.granting import Lasting
from salus.bootstrap import open_home
from salus.charts.sections import SectionKind
from salus.exchange.cards import Role
from salus.home_folder import clock
from world import DOCTOR, OTHER, PATIENT, Clock, World, bundle, opened

KILLS = int(os.environ.get("KILLS", "2"))  # of each command
VITALS = (SectionKind.VITALS,)


def environment(home: Path) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("SALUS")}
    return {**plain, "SALUS_HOME": str(home)}


def started(home: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "salus", *words]
    return subprocess.Popen(command, env=environment(home), stdin=DEVNULL, stdout=PIPE, stderr=PIPE, text=True)


def ended(home: Path, *words: str) -> str:
    """The code that the command ends with; "" when it does its work."""
    with started(home, *words) as child:
        _, err = child.communicate()
    assert "Traceback" not in err
    assert len(err.splitlines()) == (child.returncode != 0), err
    return err.partition(": ")[2].partition(":")[0]


def newest(folder: Path) -> int:
    """When anything below the folder was changed last (ns)."""
    times = [0]
    for path in folder.rglob("*"):
        try:
            times.append(path.stat().st_mtime_ns)
        except FileNotFoundError:  # just moved into place
            continue
    return max(times)


def killed(folder: Path, home: Path, words: list[str], patience: float) -> float:
    """Start the command, wait for its first change to the disk, and kill it so many seconds later; how long it went on."""
    before = newest(folder)
    with started(home, *words) as child:
        while child.poll() is None and newest(folder) == before:
            pass
        begun = time.monotonic()
        try:
            child.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            child.communicate()
    return time.monotonic() - begun


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A home with a record, and two standing grants of it."""
    folder = tmp_path_factory.mktemp("template")
    with small(folder / "home") as world:
        grants = [world.grant(to, lasting=Lasting(True, True), sections=VITALS).grant for to in (DOCTOR, OTHER)]
    (folder / "more.json").write_bytes(bundle(vital("v3"), {"resourceType": "Condition", "id": "c2", "code": {"text": "Gout"}}))
    return folder, grants


def drills(template: Path, folder: Path, seed: str, words: list[str], again: set[str]) -> Iterator[Path]:
    """Homes in which the command was killed at a seeded moment and then said again; ``again``: what it may say then."""
    chance, whole = random.Random(seed), 0.0
    for number in range(KILLS + 1):
        place = folder / str(number)
        shutil.copytree(template, place)
        said = [word.replace("FOLDER", str(place)) for word in words]
        took = killed(place, place / "home", said, 600.0 if number == 0 else chance.uniform(0, whole))
        whole = whole or took  # the first is left alone, to learn how long the work takes
        assert ended(place / "home", *said) in again
        yield place
        shutil.rmtree(place)


@contextmanager
def looked_at(home: Path) -> Iterator[World]:
    with opened(home, Clock(clock())) as world:
        require_settled(world)
        yield world


def seen(world: World, reader: str = PATIENT) -> list[str]:
    chart = charting.open_chart(world.agent, reader, PATIENT, sections=VITALS)
    assert not chart.unread
    return sorted(v.identity[1] for v in chart.shown if v.identity[1].startswith("Observation/"))


def test_a_killed_import_is_whole(template: tuple[Path, list[str]], tmp_path: Path) -> None:
    for place in drills(template[0], tmp_path, "import", ["import", "FOLDER/more.json", "--as", PATIENT], {""}):
        with looked_at(place / "home") as world:
            assert seen(world) == seen(world, DOCTOR) == ["Observation/v1", "Observation/v2", "Observation/v3"]


def test_a_killed_revocation_is_whole(template: tuple[Path, list[str]], tmp_path: Path) -> None:
    grant = template[1][0]
    for place in drills(template[0], tmp_path, "revoke", ["revoke", grant, "--as", PATIENT], {""}):
        with looked_at(place / "home") as world:
            assert [info.status for info in granting.access(world.agent, PATIENT) if info.grant == grant] == ["revoked"]
            assert not has_a_key(world, grant)
            assert has_a_key(world, template[1][1])
            assert seen(world) == seen(world, OTHER)


def test_a_killed_erasure_is_whole(template: tuple[Path, list[str]], tmp_path: Path) -> None:
    words = ["erase", "Observation/v1", "--as", PATIENT]
    for place in drills(template[0], tmp_path, "erase", words, {"", "agent/no-such-resource"}):
        with looked_at(place / "home") as world:
            assert seen(world) == seen(world, OTHER) == ["Observation/v2"]


def test_a_killed_backup_is_whole_or_not_there(template: tuple[Path, list[str]], tmp_path: Path) -> None:
    words = ["node", "backup", "--out", "FOLDER/backup"]
    for place in drills(template[0], tmp_path, "backup", words, {"", "node/backup-exists"}):
        assert [path.name for path in place.iterdir() if path.name.startswith(".")] == []
        shutil.rmtree(place / "home" / "node")
        (place / "home" / "node").mkdir(mode=0o700)
        assert ended(place / "home", "node", "restore", str(place / "backup")) == ""
        assert (place / "home" / "node" / "ledger" / "data.mdb").exists()


def test_a_killed_move_is_whole(template: tuple[Path, list[str]], tmp_path: Path) -> None:
    shutil.copytree(template[0], tmp_path / "near")
    (tmp_path / "near" / "home" / "node" / "config.toml").write_text('guests = "open"\n')
    with started(tmp_path / "near" / "home", "serve", "--json") as node:
        try:
            assert node.stdout is not None
            first = [node.stdout.readline() for _ in range(2)][1].split('"')[3]
            second = first.replace("127.0.0.1", "localhost")
            guest = tmp_path / "guest" / "home"
            genesis = str(tmp_path / "near" / "home" / "genesis.bin")
            assert ended(guest, "init", "--node", first, "--genesis", genesis) == ""
            for name in ("Ana", "Ben"):
                assert ended(guest, "person", "add", name) == ""
            for place in drills(tmp_path / "guest", tmp_path, "move", ["person", "move", "--to", second], {""}):
                assert read_nodes(place / "home" / "agent" / "nodes.toml").nodes == (second, first)
                with open_home(place / "home") as agent:
                    assert [wallet.record.role for wallet in agent.wallets()] == [Role.PATIENT] * 2
        finally:
            node.send_signal(signal.SIGTERM)
            node.communicate()
