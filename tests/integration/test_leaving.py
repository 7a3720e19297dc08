"""Export and import on the command line: passphrases, full disks, killed commands. (CLI-7, EXP-9)"""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from salus.cli.leaving import written
from started import with_salus
from world import CLEMENTE


def environment(home: Path) -> dict[str, str]:
    return with_salus(SALUS_HOME=str(home))


def salus(*words: str | Path, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["salus", *map(str, words)], env=environment(home), input="", capture_output=True, text=True)


def code(done: subprocess.CompletedProcess[str]) -> str:
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    return done.stderr.partition(": ")[2].partition(":")[0]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a home in which Ana has a record, a copy of that home from before she came, and two passphrases."""
    folder = tmp_path_factory.mktemp("leaving")
    (folder / "pass").write_text("a long passphrase\n")
    (folder / "wrong").write_text("another passphrase\n")
    (folder / "empty").write_text("\n")
    assert salus("init", home=folder / "home").returncode == 0
    shutil.copytree(folder / "home", folder / "before")
    (folder / "record.json").write_bytes(CLEMENTE)
    for words in (["person", "add", "Ana"], ["import", folder / "record.json", "--as", "Ana"]):
        assert salus(*words, home=folder / "home").returncode == 0
    done = salus(
        "export", "--as", "Ana", "--out", folder / "ana.export", "--export-passphrase-file", folder / "pass", home=folder / "home"
    )
    assert done.returncode == 0
    assert "cold seed" in done.stdout
    return folder


def test_an_export_is_private_checks_and_says_what_is_inside(place: Path) -> None:
    file = place / "ana.export"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert b"Kreiger" not in file.read_bytes()
    done = salus("person", "import", "--check", file, "--json", "--export-passphrase-file", place / "pass", home=place / "none")
    inside = json.loads(done.stdout)
    assert (inside["name"], inside["kept"], inside["unopened"]) == ("Ana", False, 0)
    assert inside["entries"] > 0
    assert inside["as_of"].endswith("Z")
    assert not (place / "none").exists()


def test_a_wrong_passphrase_or_file_is_one_line(place: Path) -> None:
    file = place / "ana.export"
    check = ("person", "import", "--check")
    for words, expected in (
        ((*check, file, "--export-passphrase-file", place / "wrong"), "crypto/cannot-open"),
        ((*check, file, "--export-passphrase-file", place / "empty"), "cli/empty-passphrase"),
        ((*check, file, "--export-passphrase-file", place / "nowhere"), "cli/no-such-file"),
        ((*check, file), "cli/no-passphrase"),
        ((*check, place / "nowhere", "--export-passphrase-file", place / "pass"), "cli/no-such-file"),
        ((*check, place / "record.json", "--export-passphrase-file", place / "pass"), "crypto/not-this-file"),
        ((*check, file, "--name", "X", "--export-passphrase-file", place / "pass"), "cli/usage"),
        (("export", "--as", "Ana", "--out", place / "x"), "cli/no-passphrase"),
        (("export", "--as", "Ana", "--out", place / "x", "--fhir-only", "--export-passphrase-file", place / "pass"), "cli/usage"),
        (("export", "--as", "Nobody", "--out", place / "x", "--fhir-only"), "agent/no-such-person"),
        (("export", "--as", "Ana", "--out", place / "none" / "x", "--fhir-only"), "cli/cannot-write"),
        (("export", "--as", "Ana", "--out", place, "--fhir-only"), "cli/cannot-write"),
        (("export", "--as", "Ana", "--out", "/dev/null", "--fhir-only"), "cli/cannot-write"),
    ):
        assert code(salus(*words, home=place / "home")) == expected, words
    assert not [path for path in place.iterdir() if path.name.endswith(".partial")]


def test_the_plain_bundle_says_that_it_is_not_sealed(place: Path) -> None:
    done = salus("export", "--as", "Ana", "--out", place / "ana.json", "--fhir-only", home=place / "home")
    assert "NOT sealed" in done.stdout
    shown = salus("chart", "--as", "Ana", "--format", "fhir", home=place / "home").stdout
    assert (place / "ana.json").read_text() + "\n" == shown


def test_an_import_killed_in_the_middle_keeps_nothing_and_the_next_one_is_whole(place: Path, tmp_path: Path) -> None:
    """The other home is the first one's past: its node has caught up, its agent has never heard of Ana."""
    home, pipe = tmp_path / "home", tmp_path / "pipe"
    shutil.copytree(place / "home", home)
    shutil.rmtree(home / "agent")
    shutil.copytree(place / "before" / "agent", home / "agent")
    os.mkfifo(pipe)
    data = (place / "ana.export").read_bytes()
    command = [sys.executable, "-m", "salus", "person", "import", str(pipe), "--export-passphrase-file", str(place / "pass")]
    running = subprocess.Popen(command, env=environment(home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with pipe.open("wb") as file:
        file.write(data[: len(data) * 2 // 3])
        file.flush()
        running.send_signal(signal.SIGKILL)
        running.wait()
    people = json.loads(salus("person", "list", "--json", home=home).stdout)["people"]
    assert "Ana" not in {person["name"] for person in people}
    done = salus("person", "import", place / "ana.export", "--export-passphrase-file", place / "pass", home=home)
    assert done.returncode == 0, done.stderr
    charts = [salus("chart", "--as", "Ana", "--format", "fhir", home=one).stdout for one in (home, place / "home")]
    assert charts[0] == charts[1] != ""


@pytest.mark.parametrize("patience", [0.0, 0.02, 0.08])
def test_an_export_killed_at_any_time_leaves_the_old_file_or_the_new(place: Path, tmp_path: Path, patience: float) -> None:
    out = tmp_path / "ana.export"
    out.write_bytes(b"what was there")
    command = [
        sys.executable,
        "-m",
        "salus",
        "export",
        "--as",
        "Ana",
        "--out",
        str(out),
        "--export-passphrase-file",
        str(place / "pass"),
    ]
    with subprocess.Popen(command, env=environment(place / "home"), stdout=subprocess.PIPE) as running:
        while running.poll() is None and not (tmp_path / ".ana.export.partial").exists():
            time.sleep(0.002)
        time.sleep(patience)
        running.kill()
        running.wait()
    there = out.read_bytes()
    assert there == b"what was there" or there.startswith(b"salus-export-1\n")
    assert subprocess.run(command, env=environment(place / "home"), capture_output=True).returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["ana.export"]
    done = salus("person", "import", "--check", out, "--export-passphrase-file", place / "pass", home=place / "home")
    assert done.returncode == 0


def test_a_full_disk_leaves_no_part_of_a_file(tmp_path: Path) -> None:
    script = (
        "import resource, sys\nfrom pathlib import Path\n"
        "from salus.cli.leaving import written\nfrom salus.errors import SalusError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "try:\n with written(Path(sys.argv[1])) as file:\n  file.write(bytes(1_000_000))\n"
        "except SalusError as error:\n print(error.full_code)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "x")], capture_output=True, text=True)
    assert done.stdout == "cli/cannot-write\n", done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_fails_before_the_end_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"old")

    def act(error: BaseException) -> None:
        with written(tmp_path / "x") as file:
            file.write(b"new")
            raise error

    for failure in (OSError(28, "of another disk than the file's"), KeyboardInterrupt()):
        with pytest.raises(type(failure)) as failed:
            act(failure)
        assert failed.value is failure
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("x", b"old")]


def test_retained_is_listed_in_text_and_json(place: Path) -> None:
    assert "nothing is retained" in salus("retained", "--as", "Ana", home=place / "home").stdout
    shown = json.loads(salus("retained", "--as", "Practice", "--json", home=place / "home").stdout)
    assert shown == {"retained": [], "waiting": {"copies": 0, "until": None}}


def test_a_person_moves_to_a_home_without_a_node(place: Path, tmp_path: Path) -> None:
    guest, key = tmp_path / "guest", ("--export-passphrase-file", place / "pass")
    serving = subprocess.Popen(
        ["salus", "serve", "--port", "0"], env=environment(place / "home"), stdout=subprocess.PIPE, text=True
    )
    try:
        assert serving.stdout is not None
        address = serving.stdout.readline().split()[4]
        code = salus("node", "invite", home=place / "home").stdout.splitlines()[0]
        made = salus("init", "--node", address, "--genesis", place / "home" / "genesis.bin", "--invite", code, home=guest)
        assert made.returncode == 0, made.stderr
        done = salus("person", "import", place / "ana.export", *key, "--name", "Me", home=guest)
        assert done.returncode == 0, done.stderr
        charts = [
            salus("chart", "--as", name, "--format", "fhir", home=home).stdout
            for name, home in (("Me", guest), ("Ana", place / "home"))
        ]
        assert charts[0] == charts[1] != ""
        assert salus("receipts", "--as", "Me", home=guest).returncode == 0
        again = salus("export", "--as", "Me", "--out", tmp_path / "again.export", *key, home=guest)
        assert again.returncode == 0, again.stderr
        assert salus("person", "import", tmp_path / "again.export", *key, home=place / "home").returncode == 0
    finally:
        serving.terminate()
        serving.communicate()
