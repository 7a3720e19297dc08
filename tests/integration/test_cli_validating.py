"""Members that order together, founded by commands; and `salus localnet`, as far as no engine is needed."""

from __future__ import annotations

import json
from pathlib import Path

from test_command_line import code, salus

from salus.home_folder import read_genesis
from salus.ledger.genesis import validators
from salus.localnet import Localnet
from salus.node.config import CometConfig, read_config, validating_file


def test_members_that_order_together_are_founded_and_joined_by_commands(tmp_path: Path) -> None:
    """NET-1, NET-12."""
    clinic, hospital = tmp_path / "clinic", tmp_path / "hospital"
    file = tmp_path / "clinic.member"
    words = ("node", "prepare", "--member", "Clinic", "--validates", "--out", str(file), "--json")
    prepared = json.loads(salus(*words, home=clinic).stdout)
    assert len(prepared["peer"]) == 40
    founded = salus("init", "--member", "Hospital", "--validates", "--with", str(file), home=hospital)
    assert founded.returncode == 0
    genesis = hospital / "genesis.bin"
    assert len(validators(read_genesis(hospital))) == 2
    config = tmp_path / "config.toml"
    config.write_bytes(validating_file("http://127.0.0.1:1", CometConfig("127.0.0.1:2"), {}))
    joining = ("node", "join", "--genesis", str(genesis))
    assert code(salus(*joining, home=clinic)) == "cli/usage"
    assert code(salus(*joining, "--node", "http://127.0.0.1:1", "--config", str(config), home=clinic)) == "cli/usage"
    assert salus(*joining, "--config", str(config), home=clinic).returncode == 0
    assert read_config(clinic / "node" / "config.toml").comet == CometConfig("127.0.0.1:2")
    assert code(salus("node", "status", home=clinic)) == "node/node-not-running"


def test_a_localnet_is_founded_once_and_its_members_are_down_until_they_are_started(tmp_path: Path) -> None:
    folder = tmp_path / "net"
    assert code(salus("localnet", "status", "--folder", str(folder), home=tmp_path)) == "agent/no-localnet"
    Localnet(folder).make(3)
    shown = json.loads(salus("localnet", "status", "--folder", str(folder), "--json", home=tmp_path).stdout)
    assert [(one["member"], one["state"], one["height"]) for one in shown["members"]] == [(n, "down", None) for n in "abc"]
    assert code(salus("localnet", "kill", "z", "--folder", str(folder), home=tmp_path)) == "agent/no-such-localnet-member"
    genesis = {(folder / name / "genesis.bin").read_bytes() for name in "abc"}
    assert len(genesis) == 1
    assert len(read_config(folder / "a" / "node" / "config.toml").members) == 2
