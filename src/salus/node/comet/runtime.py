"""CometBFT beside this node: set up, started, asked and stopped. Its sockets lie in a folder that is made anew for each run."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from salus.ledger.genesis import Genesis, ValidatingMember, member_id, network_id, validators
from salus.ledger.lightblock import CommittedHeader, Validator, chain_id, ordered, validators_hash
from salus.ledger.modules.governance.queries import FIRST_RULES
from salus.node.comet.binary import find_engine
from salus.node.comet.configuring import EngineHome, write_engine_home
from salus.node.comet.headers import committed_header
from salus.node.comet.process import EngineProcess
from salus.node.comet.rpc import Rpc
from salus.node.comet.server import AbciServer, Answer
from salus.node.comet.signing import signed_name
from salus.node.config import CometConfig
from salus.node.identity import peer_seed, validator_seed

_SETS = 16  # sets of validators that are remembered
BESIDES = 256 * 1024  # bytes of a block that are not transactions: its header, votes and evidence


class LocalRuntime:
    """CometBFT as a process of this machine, over the folder ``folder``; its validator votes with the key of ``number``."""

    def __init__(self, folder: Path, genesis: Genesis, seed: bytes, config: CometConfig, number: int) -> None:
        binary = find_engine()
        self._sockets = Path(tempfile.mkdtemp(prefix="salus-"))  # its path is short, as those of sockets must be
        self._app, self._rpc_socket = self._sockets / "app.sock", self._sockets / "rpc.sock"
        self._peers = tuple(config.peers.values())
        self._told = folder / "engine.pid"  # for whoever runs several members on one machine
        first = ordered(validators(genesis))
        self._sets = {validators_hash(first).hex().upper(): first}  # by hash, as the engine writes it
        named = [member for member in genesis.members if isinstance(member, ValidatingMember)]
        write_engine_home(
            EngineHome(
                folder=folder,
                chain=chain_id(network_id(genesis)),
                app_version=FIRST_RULES,
                genesis_time=genesis.time,
                validators=tuple((member.validator, member_id(member.authority).hex()[:8]) for member in named),
                validator_seed=validator_seed(seed, number),
                peer_seed=peer_seed(seed),
                signed=signed_name(number),
                listen=config.listen,
                peers=self._peers,
                app_socket=self._app,
                rpc_socket=self._rpc_socket,
                max_block=genesis.parameters.max_block + BESIDES,
                max_transaction=genesis.parameters.max_transaction,
                header_interval=genesis.parameters.header_interval,
                local=config.local,
            )
        )
        self._process = EngineProcess(binary, folder, folder / "engine.log")
        self._rpc = Rpc(self._rpc_socket)

    def require_alive(self) -> None:
        """Raise `NodeRefused` ``engine-stopped``, with the cause as far as it is known, unless the process runs."""
        self._process.require_alive()

    def names(self, peer: str) -> bool:
        """Whether the configuration names an engine of this id."""
        return any(known.startswith(f"{peer}@") for known in self._peers)

    def listen(self, answer: Answer, failed: Callable[[BaseException], None]) -> AbciServer:
        """The socket on which CometBFT will ask."""
        return AbciServer(self._app, answer, failed)

    def start(self) -> None:
        """Begin; `NodeRefused` ``engine-stopped`` where it ends at once."""
        self._process.start(self._rpc_socket)
        self._told.write_text(f"{self._process.pid}\n", "ascii")

    def stop(self) -> None:
        """End in order, and take the sockets away."""
        self._process.stop()
        self._told.unlink(missing_ok=True)
        shutil.rmtree(self._sockets, ignore_errors=True)

    def broadcast(self, data: bytes) -> str:
        """Hand in a transaction; "" or the full code with which the application refused it."""
        taken = self._rpc.broadcast(data)
        return f"{taken.codespace}/{taken.log}" if taken.code else ""

    def header(self, height: int | None) -> CommittedHeader:
        """The committed header at ``height``, or the newest; `NodeRefused` ``engine-unreachable``."""
        told = self._rpc.commit(height)
        return committed_header(told, self._voting(told))

    def _voting(self, told: dict[str, Any]) -> tuple[Validator, ...]:
        """The validators whom the header names: asked for once a set."""
        named, height = (str(told["header"].get(field, "")) for field in ("validators_hash", "height"))
        known = self._sets.get(named)
        if known is None:
            if len(self._sets) == _SETS:
                del self._sets[next(iter(self._sets))]
            known = self._sets[named] = self._rpc.validators(height)
        return known
