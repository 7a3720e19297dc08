"""CometBFT beside this node: set up, started, asked and stopped. Its sockets lie in a folder that is made anew for each run.

Those that this node has left when it was killed are removed then.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from salus.crypto.hashing import sha256
from salus.errors import NodeRefused
from salus.exchange.peering import Question
from salus.ledger.genesis import Genesis, ValidatingMember, member_id, network_id, validators
from salus.ledger.lightblock import CommittedHeader, Validator, chain_id, ordered, validators_hash
from salus.ledger.modules.governance.queries import FIRST_RULES
from salus.node.comet.binary import find_engine
from salus.node.comet.configuring import EngineHome, write_engine_home
from salus.node.comet.headers import committed_header
from salus.node.comet.joining import Start
from salus.node.comet.process import EngineProcess
from salus.node.comet.rpc import Figures, Rpc
from salus.node.comet.server import AbciServer, Answer
from salus.node.comet.signing import signed_name
from salus.node.config import CometConfig
from salus.node.identity import peer_seed, validator_seed
from salus.node.operating.partials import filling

PREFIX = "salus-"  # of folders with sockets
_SETS = 16  # sets of validators that are remembered
LOOK, LOOKS = 5.0, 4  # seconds between two looks at the engine's pace, and how many without a step are too many
BESIDES = 256 * 1024  # bytes of a block that are not transactions: its header, votes and evidence


class Pace:
    """Whether the engine keeps up. Where its consensus has failed its process goes on, and without room its log tells nothing."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._next, self._own, self._looks = clock, 0.0, 0, 0

    def stands_still(self, rounds: Callable[[], tuple[int, list[int]]]) -> bool:
        """Whether it was at one height for some looks while at least half of its peers were beyond: one may say what it likes."""
        if self._clock() < self._next:
            return False
        self._next = self._clock() + LOOK
        try:
            own, peers = rounds()
        except NodeRefused:
            return False  # that it does not answer is seen elsewhere
        beyond = 0 < len(peers) <= 2 * sum(height > own + 1 for height in peers)
        self._looks = self._looks + 1 if beyond and own == self._own else 0
        self._own = own
        return self._looks >= LOOKS


class LocalRuntime:
    """CometBFT as a process of this machine, over the folder ``folder``; its validator votes with the key of ``number``."""

    def __init__(
        self, folder: Path, genesis: Genesis, seed: bytes, config: CometConfig, number: int, start: Start | None = None
    ) -> None:
        binary = find_engine()
        self._held = ExitStack()
        # Short, as sockets' paths must be; of this node alone, or two that start at once would remove one another's.
        own = f"{PREFIX}{sha256(bytes(folder.absolute())).hex()[:8]}-"
        sockets = self._held.enter_context(filling(Path(tempfile.gettempdir()), own))
        self._app, self._rpc_socket = sockets / "app.sock", sockets / "rpc.sock"
        self._peers = tuple(config.peers.values())
        self._relay = start.relay(sockets) if start is not None else None
        self._beginning = start is not None  # with a snapshot, while its consensus waits and others go on
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
                reached=config.reached,
                peers=self._peers,
                app_socket=self._app,
                rpc_socket=self._rpc_socket,
                max_block=genesis.parameters.max_block + BESIDES,
                max_transaction=genesis.parameters.max_transaction,
                header_interval=genesis.parameters.header_interval,
                local=config.local,
                state_sync=start.state_sync(self._relay) if start is not None and self._relay is not None else None,
            )
        )
        self._process = EngineProcess(binary, folder, folder / "engine.log")
        self._rpc, self._pace = Rpc(self._rpc_socket), Pace()

    def require_alive(self) -> None:
        """Raise `NodeRefused` ``engine-stopped``, with the cause as far as it is known, unless the process does its work."""
        self._process.require_alive()
        if not self._beginning and self._pace.stands_still(self._rpc.rounds):
            raise NodeRefused("engine-stopped", "the engine stands still while others go on")

    def names(self, peer: str) -> bool:
        """Whether the configuration names an engine of this id."""
        return any(known.startswith(f"{peer}@") for known in self._peers)

    def listen(self, answer: Answer, failed: Callable[[BaseException], None]) -> AbciServer:
        """The socket on which CometBFT will ask."""
        return AbciServer(self._app, answer, failed)

    def start(self) -> None:
        """Begin; `NodeRefused` ``engine-stopped`` where it ends at once."""
        if self._relay is not None:
            self._relay.start()
        self._process.start(self._rpc_socket)
        self._told.write_text(f"{self._process.pid}\n", "ascii")

    def stop(self) -> None:
        """End in order, and take the sockets away."""
        self._process.stop()
        if self._relay is not None:
            self._relay.stop()
        self._told.unlink(missing_ok=True)
        self._held.close()

    def broadcast(self, data: bytes) -> str:
        """Hand in a transaction; "" or the full code with which the application refused it."""
        taken = self._rpc.broadcast(data)
        return f"{taken.codespace}/{taken.log}" if taken.code else ""

    def header(self, height: int | None) -> CommittedHeader:
        """The committed header at ``height``, or the newest; `NodeRefused` ``engine-unreachable``."""
        told = self._rpc.commit(height)
        found = committed_header(told, self._voting(told))
        self._beginning = False
        return found

    def figures(self) -> Figures:
        """How the engine is; `NodeRefused` ``engine-unreachable``."""
        return self._rpc.figures()

    @property
    def pid(self) -> int | None:
        """The engine's process; None before the start."""
        return self._process.pid

    def told(self, question: Question, height: int, page: int) -> bytes:
        """The engine's whole answer to a question of another member's light client."""
        return self._rpc.told(question, height, page)

    def _voting(self, told: dict[str, Any]) -> tuple[Validator, ...]:
        """The validators whom the header names: asked for once a set."""
        named, height = (str(told["header"].get(field, "")) for field in ("validators_hash", "height"))
        known = self._sets.get(named)
        if known is None:
            if len(self._sets) == _SETS:
                del self._sets[next(iter(self._sets))]
            known = self._sets[named] = self._rpc.validators(height)
        return known
