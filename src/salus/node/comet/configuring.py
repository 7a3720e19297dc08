"""The engine's folder: its configuration, genesis document and keys, written from what the network says of itself.

The engine reads what it always reads (``config/`` and ``data/``); only what differs from its own defaults is written.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from salus.crypto.signing import SigningKey
from salus.durable import make_folder, write_atomically
from salus.errors import NodeRefused, storage_failed
from salus.ids import Millis

MEMPOOL = 64 * 1024 * 1024  # bytes of all that wait
GENESIS = "genesis.json"
EVIDENCE = 64 * 1024  # bytes of evidence in a block
SOCKET_PATH = 100  # bytes; the kernel's limit is 108 on Linux and 104 elsewhere
PEER = re.compile(r"([0-9a-f]{40})@[A-Za-z0-9.:\[\]-]{1,255}:[0-9]{1,5}")
LISTEN = re.compile(r"[A-Za-z0-9.:\[\]-]{1,255}:[0-9]{1,5}")
# One line or more a block comes from these: the log would have no bound.
LOG_LEVEL = "consensus:error,state:error,mempool:error,txindex:error,pruner:error,evidence:error,*:info"


@dataclass(frozen=True)
class EngineHome:
    """What the engine is set up with.

    ``chain``: at most 50 characters; ``genesis_time``: ms since the epoch, the same at every member; ``validators``: public key
    and name, each of power 1, in the network's order. ``validator_seed`` and ``peer_seed``: 32 bytes each; ``signed``: the file
    in ``folder`` of what the validator signed last. ``listen``: where
    peers reach this node, or ``reached``, if that is elsewhere; ``peers``: the others, as ``nodeid@host:port``. ``app_socket``,
    ``rpc_socket``: absolute and short.
    ``max_block``, ``max_transaction``: bytes; ``header_interval``: ms between blocks without transactions; ``local``: all
    members on one machine.
    """

    folder: Path
    chain: str
    app_version: int
    genesis_time: Millis
    validators: tuple[tuple[bytes, str], ...]
    validator_seed: bytes = field(repr=False)
    peer_seed: bytes = field(repr=False)
    signed: str
    app_socket: Path
    rpc_socket: Path
    listen: str = "127.0.0.1:26656"
    reached: str = ""
    peers: tuple[str, ...] = ()
    max_block: int = 1024 * 1024
    max_transaction: int = 65_536
    header_interval: int = 60_000
    local: bool = False


def peer_id(public: bytes) -> str:
    """The name by which peers know a node: 40 hexadecimal digits of its peer key."""
    return _address(public).hex()


def write_engine_home(home: EngineHome, app: str | None = None) -> None:
    """Write the engine's folder; once more with the same is no change. ``app``: one of its own in place of ``app_socket``.

    What was signed last (``home.signed``) is never written here, see `salus.node.comet.signing`. `NodeRefused`
    ``signing-state-lost`` where it is missing; ``other-chain`` where the folder's genesis document is another, which the engine
    would not notice; ``bad-config`` for what the engine could not be started with; ``storage-failed`` where the disk refuses.
    """
    _require_sound(home)
    config, data = home.folder / "config", home.folder / "data"
    try:
        for folder in (config, data):
            make_folder(folder)
        _require_same_chain(home, _json(_genesis(home)))
        write_atomically(config / "config.toml", _toml(_settings(home, app)))
        write_atomically(config / GENESIS, _json(_genesis(home)))
        write_atomically(config / "node_key.json", _json({"priv_key": _private(home.peer_seed)}))
        write_atomically(config / "priv_validator_key.json", _json(_validator_key(home.validator_seed)))
    except OSError as error:
        raise storage_failed(error) from error


def _require_sound(home: EngineHome) -> None:
    """Raise `NodeRefused` ``bad-config`` for what the engine would refuse, or would read as something else."""
    if not 0 < len(home.chain) <= 50:
        raise NodeRefused("bad-config", "the engine takes chain ids of 1 to 50 characters")
    if not home.validators:
        raise NodeRefused("bad-config", "the engine needs the keys of those who order")
    if not all(PEER.fullmatch(peer) for peer in home.peers) or not LISTEN.fullmatch(home.listen):
        raise NodeRefused("bad-config", "the engine's peers are named as id@host:port, and it listens at host:port")
    for socket in (home.app_socket, home.rpc_socket):
        if not socket.is_absolute() or len(bytes(socket)) > SOCKET_PATH:
            raise NodeRefused("bad-config", f"the engine's sockets need absolute paths of at most {SOCKET_PATH} bytes")


def _require_same_chain(home: EngineHome, genesis: bytes) -> None:
    """Once there are blocks, the engine goes by the genesis document in its database and does not look at the file."""
    present = home.folder / "config" / GENESIS
    if present.exists() and present.read_bytes() != genesis:
        raise NodeRefused("other-chain", "the engine's folder was set up with another genesis document")
    if not (home.folder / home.signed).exists():
        raise NodeRefused("signing-state-lost", "what this key has signed last is missing, so it must not sign again")


def _settings(home: EngineHome, app: str | None) -> dict[str, dict[str, str | int | bool]]:
    """Section, key, value: what differs from the engine's defaults, or must not follow them when they change."""
    ids = ",".join(peer.partition("@")[0] for peer in home.peers)
    return {
        "": {
            "proxy_app": app or f"unix://{home.app_socket}",
            "moniker": "salus",  # the default is the machine's name, told to every peer
            "abci": "socket",
            "filter_peers": True,  # the application says whose engines are members'
            "priv_validator_state_file": home.signed,
            "log_level": LOG_LEVEL,
            "log_format": "json",
        },
        "rpc": {"laddr": f"unix://{home.rpc_socket}", "unsafe": False, "max_body_bytes": 2 * home.max_transaction + 4096},
        "p2p": {
            "laddr": f"tcp://{home.listen}",
            # Members that came later are found by those whom one knows; the application lets in nobody else.
            "pex": not home.local,
            "external_address": home.reached,
            "addr_book_strict": False,
            "allow_duplicate_ip": True,
            "persistent_peers": ",".join(home.peers),
            "unconditional_peer_ids": ids,
            # Besides those named above, members that came by votes. A stranger who connects and says nothing can hold one of
            # these places for as long as a handshake may take.
            "max_num_inbound_peers": 64,
            "handshake_timeout": "5s",
        },
        "mempool": {
            "type": "flood",
            "recheck": True,
            "size": 5000,
            "cache_size": 10_000,
            "max_tx_bytes": home.max_transaction,
            "max_txs_bytes": MEMPOOL,
        },
        "consensus": {
            "timeout_commit": "100ms" if home.local else "1s",
            "timeout_propose": "1s" if home.local else "3s",
            "skip_timeout_commit": False,
            "create_empty_blocks": False,
            "create_empty_blocks_interval": f"{home.header_interval}ms",
        },
        "tx_index": {"indexer": "null"},
        "instrumentation": {"prometheus": False},
    }


def _genesis(home: EngineHome) -> dict[str, Any]:
    """The genesis document: the same bytes at every member that says the same. Whole numbers of 64 bits are text, as in Go."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=home.genesis_time)
    return {
        "genesis_time": moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{home.genesis_time % 1000:03d}Z",
        "chain_id": home.chain,
        "initial_height": "1",
        "consensus_params": {
            "block": {"max_bytes": str(home.max_block), "max_gas": "-1"},
            "evidence": {
                "max_age_num_blocks": "100000",
                "max_age_duration": str(48 * 3600 * 10**9),
                "max_bytes": str(min(EVIDENCE, home.max_block)),
            },
            "validator": {"pub_key_types": ["ed25519"]},
            "version": {"app": str(home.app_version)},
            "abci": {"vote_extensions_enable_height": "0"},
            "authority": {"authority": ""},
        },
        "validators": [
            {"address": _address(key).hex().upper(), "pub_key": _public(key), "power": "1", "name": name}
            for key, name in home.validators
        ],
        "app_hash": "",
    }


def _validator_key(seed: bytes) -> dict[str, Any]:
    public = SigningKey(seed).public
    return {"address": _address(public).hex().upper(), "pub_key": _public(public), "priv_key": _private(seed)}


def _address(public: bytes) -> bytes:
    return sha256(public).digest()[:20]


def _public(key: bytes) -> dict[str, str]:
    return {"type": "tendermint/PubKeyEd25519", "value": base64.b64encode(key).decode()}


def _private(seed: bytes) -> dict[str, str]:
    """Seed and public key together, as Go keeps an Ed25519 key."""
    return {"type": "tendermint/PrivKeyEd25519", "value": base64.b64encode(seed + SigningKey(seed).public).decode()}


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode() + b"\n"


def _toml(sections: dict[str, dict[str, str | int | bool]]) -> bytes:
    """TOML of plain values; its basic strings, numbers and booleans are written as JSON writes them."""
    lines = []
    for section, values in sections.items():
        lines += [f"\n[{section}]"] if section else []
        lines += [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
    return "\n".join(lines).encode() + b"\n"
