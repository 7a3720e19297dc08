"""The operator's commands as they are typed, on a home that is served and on one that is not; and the guide, block by block."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from salus.own_node import highest_seen
from started import salus_command, with_salus

ROOT = Path(__file__).parents[3]
GUIDE = ROOT / "docs" / "guides" / "operator.md"
PATIENT = ROOT / "src" / "salus" / "demo" / "patients" / "Clemente_Kreiger.json"


def salus(home: Path, *words: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(["salus", *map(str, words)], env=with_salus(SALUS_HOME=str(home)), capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    return done


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The code of a refusal, which is one line."""
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (1, 1), done.stderr
    return done.stderr.partition(": ")[2].partition(":")[0]


def said(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


@contextmanager
def served(home: Path) -> Iterator[None]:
    with subprocess.Popen(
        [str(salus_command()), "serve", "--home", str(home), "--json"], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        while "}" not in server.stdout.readline():
            pass
        try:
            yield
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    for words in (("init",), ("person", "add", "Ada"), ("import", PATIENT, "--as", "Ada", "--source", "City")):
        assert salus(folder, *words).returncode == 0
    return folder


def test_a_served_node_is_checked_scrubbed_and_backed_up(home: Path, tmp_path: Path) -> None:
    """API-60, API-62, API-63."""
    with served(home):
        findings = said(salus(home, "node", "check", "--last", 5, "--json"))["findings"]
        assert isinstance(findings, list)
        assert [row["text"] for row in findings if row["code"] not in (None, "node/disk-low")] == []
        assert said(salus(home, "node", "scrub", "--json"))["orphaned"] == []
        assert refused(salus(home, "node", "scrub", "--delete-orphans")) == "node/node-busy"
        made = said(salus(home, "node", "backup", "--out", tmp_path / "backup", "--json"))
        assert (made["key"], made["lost"]) == (False, 0)
        assert refused(salus(home, "node", "restore", tmp_path / "backup")) == "node/node-busy"
    assert refused(salus(home, "node", "restore", tmp_path / "backup")) == "node/node-exists"


def test_a_node_that_is_asked_to_end_ends_in_order(home: Path) -> None:
    """NET-36."""
    with subprocess.Popen(
        [str(salus_command()), "serve", "--home", str(home), "--json"], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        while "}" not in server.stdout.readline():
            pass
        assert (home / "node" / "port").exists()
        server.send_signal(signal.SIGTERM)
        assert server.wait() == 0
    assert not (home / "node" / "port").exists()


def test_a_node_is_started_in_the_background_tells_how_it_is_and_is_stopped(home: Path) -> None:
    """CLI-25."""
    assert refused(salus(home, "node", "stop")) == "node/node-not-running"
    assert refused(salus(home, "node", "logs")) == "node/no-log"
    begun = said(salus(home, "node", "start", "--json"))
    try:
        assert said(salus(home, "node", "start", "--json")) == begun
        figures = said(salus(home, "node", "status", "--json"))["figures"]
        assert isinstance(figures, dict)
        assert figures["salus_blobs"] > 0
        assert "sealed blobs" in salus(home, "node", "status", "--watch").stdout
        assert json.loads(salus(home, "node", "logs", "--last", 1, "--json").stdout)["line"].endswith("(stop with Ctrl-C)")
    finally:
        done = salus(home, "node", "stop")
    assert done.returncode == 0
    assert not (home / "node" / "port").exists()
    assert said(salus(home, "node", "status", "--json"))["figures"] == {}


def test_a_node_that_cannot_start_says_why_and_leaves_nothing_running(home: Path) -> None:
    (home / "node" / "config.toml").write_text("port = 70000\n")
    done = salus(home, "node", "start")
    assert refused(done) == "node/engine-stopped"
    assert "node/bad-config" in done.stderr
    assert refused(salus(home, "node", "stop")) == "node/node-not-running"


def test_the_only_member_does_not_leave_and_nobody_leaves_guests_unawares(home: Path, tmp_path: Path) -> None:
    """GOV-9, CLI-26."""
    assert refused(salus(home, "node", "leave")) == "ledger/last-validator"
    assert "this software knows them" in salus(home, "node", "upgrade").stdout
    with served(home):
        address = (home / "node" / "port").read_text("ascii").splitlines()[0]
        code = said(salus(home, "node", "invite", "--json"))["code"]
        words = ("--node", address, "--genesis", home / "genesis.bin", "--invite", code)
        assert salus(tmp_path / "guest", "init", *words).returncode == 0
    assert refused(salus(home, "node", "leave")) == "node/guests-remain"
    assert refused(salus(home, "node", "leave", "--guests-know")) == "ledger/last-validator"


def test_trouble_is_exit_1_in_text_and_in_one_document(home: Path) -> None:
    (home / "node" / "node.key").chmod(0o644)
    done = salus(home, "node", "check")
    assert refused(done) == "node/in-trouble"
    assert "\ntrouble node/key-readable " in done.stdout
    assert "\nok ledger: " in done.stdout
    done = salus(home, "node", "check", "--json")
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (1, "node/in-trouble")


def test_a_lost_ledger_is_not_founded_anew_and_not_restored_below_what_was_seen(home: Path, tmp_path: Path) -> None:
    """API-64, API-67: the height that the agent has verified counts, without anybody saying it."""
    salus(home, "node", "backup", "--out", tmp_path / "old")
    assert salus(home, "person", "add", "Bea", "--role", "physician").returncode == 0
    salus(home, "node", "backup", "--out", tmp_path / "new.tar")
    seen = highest_seen(home, str)
    assert seen is not None
    shutil.rmtree(home / "node" / "ledger")
    assert refused(salus(home, "node", "status")) == "node/no-ledger"
    done = salus(home, "node", "restore", tmp_path / "old")
    assert refused(done) == "node/stale-backup"
    assert f"block {seen.height} was seen" in done.stderr
    assert refused(salus(home, "node", "restore", "--replace", tmp_path / "old")) == "node/stale-backup"
    assert said(salus(home, "node", "restore", tmp_path / "new.tar", "--json"))["height"] == seen.height
    assert salus(home, "chart", "--as", "Ada").returncode == 0


def test_a_node_that_is_lost_as_a_whole_comes_back_with_its_key(home: Path, tmp_path: Path) -> None:
    salus(home, "node", "backup", "--out", tmp_path / "backup", "--with-key")
    shutil.rmtree(home / "node")
    assert refused(salus(home, "chart", "--as", "Ada")) == "node/no-ledger"
    assert refused(salus(home, "node", "check")) == "node/in-trouble"
    assert said(salus(home, "node", "restore", tmp_path / "backup", "--json"))["missing"] == 0
    assert salus(home, "chart", "--as", "Ada").returncode == 0


def test_a_home_without_a_node_of_its_own_has_nothing_to_operate(home: Path, tmp_path: Path) -> None:
    (home / "agent" / "nodes.toml").write_text('nodes = ["http://127.0.0.1:1"]\n')
    (home / "node").rename(tmp_path / "gone")
    for words in (("check",), ("scrub",), ("backup", "--out", "x"), ("restore", "x")):
        assert refused(salus(home, "node", *words)) == "agent/no-node"
    assert not (home / "node").exists()


def test_a_node_comes_back_in_a_new_home(home: Path, tmp_path: Path) -> None:
    salus(home, "node", "backup", "--out", tmp_path / "backup", "--with-key")
    other = tmp_path / "other"
    done = said(salus(other, "node", "restore", tmp_path / "backup", "--json"))
    assert (done["missing"], done["key"]) == (0, True)
    assert salus(other, "node", "status").stdout == salus(home, "node", "status").stdout
    assert highest_seen(other, str) is None


def test_a_restore_that_was_decided_is_completed_by_the_next_command(home: Path, tmp_path: Path) -> None:
    """API-65."""
    before = salus(home, "node", "status").stdout
    (home / "node.restored").mkdir()
    (home / "node" / "ledger").rename(home / "node.restored" / "ledger")  # as a kill just after the decision leaves it
    assert salus(home, "node", "status").stdout == before
    assert not (home / "node.restored").exists()


@pytest.mark.parametrize("place", ["agent", "node"])
def test_a_disk_that_takes_nothing_is_one_line(home: Path, place: str) -> None:
    (home / place / "lock").unlink()
    (home / place / "lock").mkdir()  # whoever wants to write here cannot
    assert refused(salus(home, "person", "add", "Bea")) == "node/storage-failed"


def blocks() -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", GUIDE.read_text("utf-8"), flags=re.S | re.M)


def test_the_operators_guide_works_as_it_is_written(tmp_path: Path) -> None:
    """Every block of commands, in order, in a fresh home."""
    assert len(blocks()) > 8
    script = "set -eu\n" + "\n".join(blocks())
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=with_salus(HOME=str(tmp_path)), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_node_in_tls_says_its_pinned_address_and_a_guest_begins_with_it(home: Path, tmp_path: Path) -> None:
    """NET-52, NET-53: commands on its own home, an invitation, what a restored node is known by, and a damaged certificate."""
    config = home / "node" / "config.toml"
    config.write_text('tls = "generated"\n')
    with served(home):
        address = str(said(salus(home, "node", "status", "--json"))["address"])
        assert address == (home / "node" / "port").read_text().split()[0]
        assert address.startswith("https://127.0.0.1:")
        invited = said(salus(home, "node", "invite", "--json"))
        assert invited["address"] == address
        start = ("init", "--genesis", home / "genesis.bin", "--invite", invited["code"], "--node")
        wrong = address[:-43] + "A" * 43
        assert refused(salus(tmp_path / "fooled", *start, wrong)) == "agent/wrong-certificate"
        assert refused(salus(tmp_path / "lost", *start, address[:-9])) == "agent/bad-nodes"
        (tmp_path / "printed").write_text(salus(home, "node", "invite").stdout)
        said(salus(tmp_path / "other", *start[:3], "--invite", tmp_path / "printed", "--node", address, "--json"))
        said(salus(tmp_path / "guest", *start, address, "--json"))
        said(salus(tmp_path / "guest", "person", "add", "Ana", "--json"))
    config.write_text('address = "https://node.example"\ntls = "generated"\n')
    pinned = said(salus(home, "node", "status", "--json"))["address"]
    assert pinned == f"https://node.example{address[address.index('#') :]}"
    assert "ok tls: by a generated key" in salus(home, "node", "doctor").stdout
    said(salus(home, "node", "backup", "--with-key", "--out", tmp_path / "backup", "--json"))
    said(salus(tmp_path / "again", "node", "restore", tmp_path / "backup", "--json"))
    assert said(salus(tmp_path / "again", "node", "status", "--json"))["address"] == pinned
    config.write_text('[tls]\ncertificate = "own.pem"\nkey = "own.key"\n')
    assert refused(salus(home, "serve")) == "node/bad-certificate"
