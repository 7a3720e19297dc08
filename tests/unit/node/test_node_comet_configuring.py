"""The engine's folder: the same bytes from the same facts, and what was signed is never forgotten."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from salus.crypto.signing import SigningKey
from salus.errors import NodeRefused
from salus.ids import Millis
from salus.node.comet.configuring import EngineHome, peer_id, write_engine_home
from salus.node.comet.signing import begin_key, next_number, numbers, public_key, signed_name, voting_number

VALIDATOR, PEER = SigningKey(b"\1" * 32), SigningKey(b"\2" * 32)
OTHER = peer_id(SigningKey(b"\3" * 32).public)
SIGNED = signed_name(0)


@pytest.fixture
def home(tmp_path: Path) -> EngineHome:
    begin_key(tmp_path / "engine", 0)
    return EngineHome(
        folder=tmp_path / "engine",
        chain="salus-0a0b",
        app_version=3,
        genesis_time=Millis(1_764_000_000_007),
        validators=((VALIDATOR.public, "a"), (PEER.public, "b")),
        validator_seed=b"\1" * 32,
        peer_seed=b"\2" * 32,
        signed=SIGNED,
        app_socket=Path("/run/salus/app.sock"),
        rpc_socket=Path("/run/salus/rpc.sock"),
        peers=(f"{OTHER}@node.example:26656",),
    )


def code(home: EngineHome) -> str:
    with pytest.raises(NodeRefused) as refused:
        write_engine_home(home)
    return refused.value.code


def test_the_genesis_document_is_the_same_at_every_member(home: EngineHome, tmp_path: Path) -> None:
    write_engine_home(home)
    begin_key(tmp_path / "b", 0)
    write_engine_home(replace(home, folder=tmp_path / "b", validator_seed=b"\5" * 32, peer_seed=b"\6" * 32, peers=()))
    texts = [(folder / "config" / "genesis.json").read_bytes() for folder in (home.folder, tmp_path / "b")]
    assert texts[0] == texts[1]
    genesis = json.loads(texts[0])
    assert genesis["genesis_time"] == "2025-11-24T16:00:00.007Z"
    assert genesis["consensus_params"]["version"] == {"app": "3"}
    assert [validator["power"] for validator in genesis["validators"]] == ["1", "1"]


def test_only_named_peers_are_let_in_and_no_other_address_is_opened(home: EngineHome) -> None:
    write_engine_home(home)
    config = tomllib.loads((home.folder / "config" / "config.toml").read_text())
    assert config["p2p"]["unconditional_peer_ids"] == OTHER
    assert config["filter_peers"] is True
    write_engine_home(replace(home, local=True))  # where relays stand between them, nobody learns another way
    assert not tomllib.loads((home.folder / "config" / "config.toml").read_text())["p2p"]["pex"]
    assert config["rpc"]["laddr"] == "unix:///run/salus/rpc.sock"
    assert config["proxy_app"] == "unix:///run/salus/app.sock"


def test_keys_are_for_their_owner_alone(home: EngineHome) -> None:
    write_engine_home(home)
    for name in ("config/priv_validator_key.json", "config/node_key.json", SIGNED):
        assert (home.folder / name).stat().st_mode & 0o777 == 0o600


def test_what_was_signed_is_never_reset(home: EngineHome) -> None:
    write_engine_home(home)
    (home.folder / SIGNED).write_text('{"height": "7"}')
    write_engine_home(home)
    assert (home.folder / SIGNED).read_text() == '{"height": "7"}'


def test_lost_knowledge_of_what_was_signed_is_not_made_anew(home: EngineHome) -> None:
    write_engine_home(home)
    (home.folder / SIGNED).unlink()
    assert code(home) == "signing-state-lost"
    assert not (home.folder / SIGNED).exists()


def test_a_folder_of_another_chain_is_refused(home: EngineHome) -> None:
    write_engine_home(home)
    assert code(replace(home, chain="salus-ffff")) == "other-chain"


def test_new_peers_change_the_configuration_alone(home: EngineHome) -> None:
    write_engine_home(home)
    before = {path: path.read_bytes() for path in home.folder.rglob("*.json")}
    write_engine_home(replace(home, peers=()))
    assert {path: path.read_bytes() for path in home.folder.rglob("*.json")} == before
    assert tomllib.loads((home.folder / "config" / "config.toml").read_text())["p2p"]["persistent_peers"] == ""


@pytest.mark.parametrize(
    "wrong",
    [
        {"chain": "x" * 51},
        {"validators": ()},
        {"peers": (f"{OTHER}@a:1,{OTHER}@b:2",)},
        {"listen": 'a:1"'},
        {"rpc_socket": Path("/" + "x" * 100)},
        {"app_socket": Path("app.sock")},
    ],
    ids=["a long chain id", "nobody orders", "two peers in one", "a quote", "a long socket", "a relative socket"],
)
def test_what_the_engine_would_misread_is_refused(home: EngineHome, wrong: dict[str, object]) -> None:
    assert code(replace(home, **wrong)) == "bad-config"
    assert not (home.folder / "config").exists()


def test_a_home_does_not_show_its_seeds(home: EngineHome) -> None:
    assert "seed" not in repr(home)


def test_a_validator_votes_with_the_key_that_the_ledger_names_if_it_knows_what_that_has_signed(tmp_path: Path) -> None:
    """NET-17."""
    seed = b"\7" * 32
    assert voting_number(tmp_path, seed, None, founding=True) == 0
    begin_key(tmp_path, 5)
    assert voting_number(tmp_path, seed, public_key(seed, 0), founding=False) == 0
    assert voting_number(tmp_path, seed, public_key(seed, 5), founding=False) == 5
    assert voting_number(tmp_path, seed, None, founding=False) == 5
    assert public_key(seed, 5) != public_key(seed, 0)


def test_one_that_lost_what_its_key_has_signed_follows_with_a_key_that_never_signed(tmp_path: Path) -> None:
    """NET-17."""
    seed = b"\7" * 32
    first = voting_number(tmp_path / "a", seed, public_key(seed, 0), founding=False)
    assert first != 0
    assert numbers(tmp_path / "a") == [first]
    assert voting_number(tmp_path / "a", seed, public_key(seed, 0), founding=False) == first
    assert voting_number(tmp_path / "b", seed, public_key(seed, 0), founding=False) != first  # lost once more
    assert next_number(tmp_path / "a") > first
