"""The command line as people meet it: passphrases, locked homes, several at once, one line for every error. (CLI-1 to CLI-8)"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

SALUS = Path(sys.executable).parent / "salus"
_PEOPLE = ("--of", "Pat", "--to", "Lab", "--cover", "Eve")


def salus(*words: str, home: Path, given: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("SALUS")}
    environment = {**plain, "SALUS_HOME": str(home), **variables}
    return subprocess.run([SALUS, *words], env=environment, input=given, capture_output=True, text=True)


def code(done: subprocess.CompletedProcess[str]) -> str:
    assert "Traceback" not in done.stderr
    return done.stderr.partition(": ")[2].partition(":")[0]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "home"
    assert salus("init", home=folder).returncode == 0
    assert salus("person", "add", "Ada", "--role", "physician", home=folder).returncode == 0
    return folder


def test_secrets_are_private_and_cold_seeds_lie_apart(home: Path) -> None:
    for name in ("agent/agent.key", "node/node.key", "cold/Ada.cold", "agent/store.db"):
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o600, name
    assert b"SQLite format" not in (home / "agent" / "store.db").read_bytes()[:16]


def test_a_home_with_a_passphrase_opens_with_it_alone(tmp_path: Path) -> None:
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text("correct horse\n")
    wrong.write_text("incorrect horse\n")
    folder = tmp_path / "home"
    made = salus("--passphrase-file", str(right), "init", "--with-passphrase", home=folder)
    assert made.returncode == 0
    assert salus("person", "list", home=folder, SALUS_PASSPHRASE_FILE=str(right)).returncode == 0
    for variables, expected in (
        ({"SALUS_PASSPHRASE_FILE": str(wrong)}, "crypto/cannot-open"),
        ({"SALUS_PASSPHRASE_FILE": str(tmp_path / "none")}, "cli/no-such-file"),
        ({}, "cli/no-passphrase"),
    ):
        assert code(salus("person", "list", home=folder, **variables)) == expected
    assert b"correct horse" not in b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("words", "exit_code", "expected"),
    [
        (["chart", "--as", "Nobody"], 1, "agent/no-such-person"),
        (["person", "add", "A\u202eda"], 1, "warrants/bad-name"),
        (["import", "/nowhere/file.json", "--as", "Ada"], 2, "cli/no-such-file"),
        (["verify", "--proof", "x"], 2, "cli/usage"),
        (["prove", "revocation", "xyz", "--as", "Ada"], 1, "agent/bad-id"),
        (["node", "blocks", "--last", "0"], 2, "cli/usage"),
        (["order", "create", "-", "--letter", "-", "--kind", "referral", *_PEOPLE, "--as", "Ada"], 2, "cli/usage"),
    ],
)
def test_an_error_is_one_line_with_a_code_in_text_and_json(home: Path, words: list[str], exit_code: int, expected: str) -> None:
    done = salus(*words, home=home)
    assert (done.returncode, code(done)) == (exit_code, expected)
    assert len(done.stderr.strip().splitlines()) == 1
    done = salus(*words, "--json", home=home)
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (exit_code, expected)


def test_a_misspelt_configuration_refuses_to_start(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    salus("init", home=folder)
    (folder / "node" / "config.toml").write_text("prot = 80\n")
    assert code(salus("node", "status", home=folder)) == "node/bad-config"


def test_a_damaged_genesis_is_one_clear_line(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    salus("init", home=folder)
    data = (folder / "genesis.bin").read_bytes()
    (folder / "genesis.bin").write_bytes(data[:-1])
    assert code(salus("person", "list", home=folder)) == "codec/not-decodable"


def test_commands_at_the_same_time_wait_for_each_other(home: Path) -> None:
    names = [f"Person {number}" for number in range(4)]
    environment = {**os.environ, "SALUS_HOME": str(home)}
    commands = [[SALUS, "person", "add", name, "--json"] for name in names]
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) for command in commands]
    assert [process.communicate()[0] != b"" and process.returncode for process in running] == [0] * 4
    listed = json.loads(salus("person", "list", "--json", home=home).stdout)["people"]
    assert {person["name"] for person in listed} >= set(names)


def test_foreign_text_cannot_steer_the_terminal(home: Path) -> None:
    resource = {"resourceType": "Condition", "id": "c", "code": {"text": "red \x1b[31m"}, "subject": {"reference": "Patient/p"}}
    assert salus("import", "-", "--as", "Ada", home=home, given=json.dumps(resource)).returncode == 0
    assert "\x1b" not in salus("chart", "--as", "Ada", home=home).stdout
