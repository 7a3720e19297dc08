"""What the engine is asked over its socket: how far it is, a transaction to spread, headers with signatures.

Answers come from this node's own process, and are bounded and read by shape all the same; unknown fields are let through.
"""

from __future__ import annotations

import base64
import http.client
import json
import socket
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec

from salus.codec import decode_json
from salus.errors import NodeRefused
from salus.exchange.peering import Question
from salus.ledger.lightblock import MAX_VALIDATORS, Validator

SECONDS = 10.0  # for one answer
MAX_ANSWER = 8 * 1024 * 1024  # bytes

PAGE = 100  # validators that are told at once

Whole = Annotated[str, msgspec.Meta(pattern="^[0-9]{1,19}$")]
Text = Annotated[str, msgspec.Meta(max_length=4096)]


class Status(msgspec.Struct, frozen=True):
    """How far the engine is. ``time``: of the newest block, RFC 3339; ``catching_up``: it still fetches what others have."""

    height: int
    catching_up: bool
    time: str


class Taken(msgspec.Struct, frozen=True):
    """What the application's check said to a transaction. ``code`` 0: it waits for a block; ``again``: it was already known."""

    code: int
    codespace: str = ""
    log: str = ""
    again: bool = False


class Figures(msgspec.Struct, frozen=True):
    """What the engine says of itself: what its validator's vote weighs; peers it is connected with; what waits for a block."""

    height: int
    catching_up: bool
    power: int
    peers: int
    waiting: int
    waiting_bytes: int


class _SyncInfo(msgspec.Struct):
    latest_block_height: Whole
    latest_block_time: Text
    catching_up: bool


class _ValidatorInfo(msgspec.Struct, frozen=True):
    voting_power: Whole = "0"


class _Status(msgspec.Struct):
    sync_info: _SyncInfo
    validator_info: _ValidatorInfo = _ValidatorInfo()


class _Net(msgspec.Struct):
    n_peers: Whole


class _Mempool(msgspec.Struct):
    total: Whole
    total_bytes: Whole


class _Broadcast(msgspec.Struct):
    code: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
    codespace: Text = ""
    log: Text = ""


class _SignedHeader(msgspec.Struct):
    header: dict[str, Any]
    commit: dict[str, Any]


class _Commit(msgspec.Struct):
    signed_header: _SignedHeader


class _PublicKey(msgspec.Struct):
    value: Annotated[str, msgspec.Meta(max_length=64)]


class _Voting(msgspec.Struct):
    pub_key: _PublicKey
    voting_power: Whole


class _Validators(msgspec.Struct):
    validators: Annotated[list[_Voting], msgspec.Meta(max_length=100)]
    total: Whole


class _Round(msgspec.Struct):
    height: Whole


class _PeerState(msgspec.Struct):
    round_state: _Round


class _Peer(msgspec.Struct):
    peer_state: _PeerState


class _Rounds(msgspec.Struct):
    round_state: _Round
    peers: list[_Peer] | None


class _Error(msgspec.Struct):
    code: int
    message: Text = ""
    data: str = ""


class _Answer(msgspec.Struct):
    result: msgspec.Raw = msgspec.Raw()
    error: _Error | None = None


Shape = TypeVar("Shape")


class _Connection(http.client.HTTPConnection):
    """HTTP over a socket in the file system. (httpx can do it too, and leaves the socket open where nobody listens.)"""

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__("engine", timeout=seconds)
        self._path = str(path)

    def connect(self) -> None:
        """Connect, or raise `OSError` and leave nothing open."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Rpc:
    """The engine behind ``socket``, asked over a connection of its own each time; for several threads.

    Each question raises `NodeRefused` ``engine-unreachable`` where the engine does not answer within ``seconds``, or not as it
    should.
    """

    def __init__(self, socket: Path, seconds: float = SECONDS) -> None:
        self._socket, self._seconds = socket, seconds

    def status(self) -> Status:
        """How far the engine is."""
        info = self._ask(_Status, "status").sync_info
        return Status(int(info.latest_block_height), info.catching_up, info.latest_block_time)

    def figures(self) -> Figures:
        """How the engine is: three questions."""
        status, net, pool = self._ask(_Status, "status"), self._ask(_Net, "net_info"), self._ask(_Mempool, "num_unconfirmed_txs")
        info, power = status.sync_info, int(status.validator_info.voting_power)
        waiting = (int(pool.total), int(pool.total_bytes))
        return Figures(int(info.latest_block_height), info.catching_up, power, int(net.n_peers), *waiting)

    def rounds(self) -> tuple[int, list[int]]:
        """For which height the engine gathers votes, and for which each of its peers does, as they say.

        (0, []) while it does not, as it still fetches what others have.
        """
        if self.status().catching_up:
            return 0, []
        found = self._ask(_Rounds, "dump_consensus_state")
        return int(found.round_state.height), [int(peer.peer_state.round_state.height) for peer in found.peers or ()]

    def broadcast(self, tx: bytes) -> Taken:
        """Give ``tx`` to the engine, which checks and spreads it. One that it knows already is no error.

        `NodeRefused` ``busy`` where more waits than the engine holds, ``body-too-large`` for one that is too large.
        """
        try:
            taken = self._ask(_Broadcast, "broadcast_tx_sync", tx=base64.b64encode(tx).decode())
        except _Said as error:
            if "already exists in cache" in error.data:
                return Taken(0, again=True)
            if "mempool is full" in error.data or "considered as full" in error.data:
                raise NodeRefused("busy", "more transactions wait than the engine holds") from error
            if "too large" in error.data.lower():
                raise NodeRefused("body-too-large", "the transaction is larger than the engine takes") from error
            raise
        return Taken(taken.code, taken.codespace, taken.log)

    def commit(self, height: int | None = None) -> dict[str, Any]:
        """``header`` and ``commit`` of a block (the newest by default), as the engine writes them.

        At the tip there may still come more signatures. `NodeRefused` ``no-such-height``.
        """
        try:
            found = self._ask(_Commit, "commit", **({} if height is None else {"height": str(height)})).signed_header
        except _Said as error:
            if error.data.startswith(("height", "could not find", "no block")):
                raise NodeRefused("no-such-height", "the engine has no block of this height") from error
            raise
        return {"header": found.header, "commit": found.commit}

    def validators(self, height: str) -> tuple[Validator, ...]:
        """Who votes on the block at ``height``, in CometBFT's order."""
        found = list[Validator]()
        for page in range(1, MAX_VALIDATORS // PAGE + 2):
            told = self._ask(_Validators, "validators", height=height, page=str(page), per_page=str(PAGE))
            found += [Validator(base64.b64decode(one.pub_key.value), int(one.voting_power)) for one in told.validators]
            if len(found) >= int(told.total):
                break
        return tuple(found)

    def told(self, question: Question, height: int, page: int) -> bytes:
        """The engine's whole answer to one of these questions; ``height`` 0 is the newest."""
        params = {} if height == 0 else {"height": str(height)}
        if question == Question.VALIDATORS:
            params |= {"page": str(page), "per_page": str(PAGE)}
        return self._exchange(_request(str(question.value), params))

    def _ask(self, shape: type[Shape], method: str, **params: str) -> Shape:
        try:
            answer = decode_json(self._exchange(_request(method, params)), _Answer)
            if answer.error is not None:
                raise _Said(f"{answer.error.message}: {answer.error.data}", answer.error.data)
            return decode_json(answer.result, shape)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _unreachable() from error

    def _exchange(self, body: bytes) -> bytes:
        """The answer's bytes, as far as they are bounded; the engine's own errors come with status 500."""
        connection = _Connection(self._socket, self._seconds)
        try:
            connection.request("POST", "/", body, {"content-type": "application/json", "connection": "close"})
            answer = connection.getresponse().read(MAX_ANSWER + 1)
        except (OSError, http.client.HTTPException) as error:
            raise NodeRefused("engine-unreachable", "the engine does not answer") from error
        finally:
            connection.close()
        if len(answer) > MAX_ANSWER:
            raise _unreachable()
        return answer


class _Said(NodeRefused):
    """An error in the engine's own words, which are for telling cases apart and are not passed on."""

    def __init__(self, said: str, data: str) -> None:
        super().__init__("engine-unreachable", "the engine refuses to answer what it was asked")
        self.said, self.data = said, data


def _request(method: str, params: dict[str, str]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()


def _unreachable() -> NodeRefused:
    return NodeRefused("engine-unreachable", "the engine's answer is not as it should be")
