"""The application as CometBFT drives it: ABCI 2.0's messages onto `salus.ledger.app.Application`, one method a message.

A transaction that is refused is a result. Anything else that goes wrong is raised: the node stops, and never votes for a guess.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from google.protobuf.timestamp_pb2 import Timestamp

from salus import __version__
from salus.errors import LedgerRefused, NodeRefused, SalusError
from salus.ids import Height, Millis
from salus.ledger.app import REFUSED, Application, Finalized, results_coded
from salus.ledger.genesis import Genesis, network_id, validators
from salus.ledger.lightblock import chain_id, ordered
from salus.ledger.machine import Block
from salus.node.comet import abci_pb2 as abci
from salus.node.comet.sharing import SHARING_NONE, Sharing

ABCI_VERSION = "2.0.0"


class Keeper(Protocol):
    """Who makes blocks durable, and hears of what is refused on the way to one."""

    def keep(self, block: Block, final: Finalized) -> int:
        """Make the finalized block durable; the lowest block that the engine is to keep, 0 for all.

        Raises where it cannot, and nothing is committed.
        """

    def dropped(self, data: bytes, refusal: SalusError) -> None:
        """A transaction that waited for a block will be in none."""


class AbciApplication:
    """Answers CometBFT. ``clock`` gives ms since the epoch, for the check at the door alone: blocks bring their own time.

    ``known_peer``: whether an engine of this id (in hexadecimal digits) may be connected with. ``last``: the time of the newest
    block; ``snapshots`` answers of those.
    """

    def __init__(
        self,
        genesis: Genesis,
        app: Application,
        keeper: Keeper,
        clock: Callable[[], Millis],
        known_peer: Callable[[str], bool] = lambda _: False,
        last: int = 0,
        snapshots: Sharing = SHARING_NONE,
    ) -> None:
        self._genesis, self._app, self._keeper, self._clock = genesis, app, keeper, clock
        self._known_peer, self._snapshots = known_peer, snapshots
        self._last = Millis(last)
        self._finalized: tuple[Block, Finalized] | None = None

    def answer(self, request: abci.Request) -> abci.Response:
        """The answer to a request. Raises for what no honest engine asks, and for what fails here."""
        kind = request.WhichOneof("value")
        if kind is None:
            raise NodeRefused("wrong-engine", "the engine asks for something that this application does not know")
        answered = getattr(self, f"_{kind}")(getattr(request, kind))
        return abci.Response(**{kind: answered})

    def _echo(self, asked: abci.Echo) -> abci.Echo:
        return asked

    def _flush(self, asked: abci.Flush) -> abci.Flush:
        return asked

    def _info(self, asked: abci.InfoRequest) -> abci.InfoResponse:
        if asked.abci_version and asked.abci_version != ABCI_VERSION:
            raise NodeRefused("wrong-engine", f"the engine speaks ABCI {asked.abci_version}, not {ABCI_VERSION}")
        height, root = self._app.info().height, self._app.info().root
        return abci.InfoResponse(
            data="salus",
            version=__version__,
            app_version=self._app.rules(),
            last_block_height=height,
            last_block_app_hash=root if height else b"",
        )

    def _init_chain(self, asked: abci.InitChainRequest) -> abci.InitChainResponse:
        named = {(update.pub_key.ed25519, update.power) for update in asked.validators}
        known = {(validator.key, validator.power) for validator in ordered(validators(self._genesis))}
        if asked.chain_id != chain_id(network_id(self._genesis)) or named != known or asked.initial_height != 1:
            raise NodeRefused("wrong-network", "the engine was set up for another genesis document")
        return abci.InitChainResponse(app_hash=self._app.info().root)

    def _check_tx(self, asked: abci.CheckTxRequest) -> abci.CheckTxResponse:
        try:
            self._app.check_tx(asked.tx, max(self._clock(), self._last + 1))
        except SalusError as refusal:
            if asked.type == abci.RECHECK:
                self._keeper.dropped(asked.tx, refusal)
            return abci.CheckTxResponse(code=REFUSED, codespace=refusal.codespace, log=refusal.code)
        return abci.CheckTxResponse()

    def _prepare_proposal(self, asked: abci.PrepareProposalRequest) -> abci.PrepareProposalResponse:
        chosen, size, now = list[bytes](), 0, max(_millis(asked.time), self._last + 1)
        for data in self._app.prepare_proposal(list(asked.txs), now, _caught(asked)):
            size += len(data) + _FRAMING
            if size > asked.max_tx_bytes:
                break
            chosen.append(data)
        return abci.PrepareProposalResponse(txs=chosen)

    def _process_proposal(self, asked: abci.ProcessProposalRequest) -> abci.ProcessProposalResponse:
        statuses = abci.ProcessProposalResponse
        try:
            self._app.process_proposal(tuple(asked.txs))
        except LedgerRefused:
            return statuses(status=statuses.REJECT)
        if asked.height == self._app.info().height + 1:  # executed now, as it will most likely be decided
            self._execute(_block(asked))
        return statuses(status=statuses.ACCEPT)

    def _finalize_block(self, asked: abci.FinalizeBlockRequest) -> abci.FinalizeBlockResponse:
        final = self._execute(_block(asked))
        results = [abci.ExecTxResult(code=code, data=data) for code, data in results_coded(final.results)]
        seats = [abci.ValidatorUpdate(pub_key=abci.PublicKey(ed25519=key), power=power) for key, power in final.seats]
        rules = self._app.begun_rules(asked.height)
        changed = abci.ConsensusParams(version=abci.VersionParams(app=rules)) if rules else None
        return abci.FinalizeBlockResponse(
            tx_results=results, validator_updates=seats, consensus_param_updates=changed, app_hash=final.root
        )

    def _commit(self, asked: abci.CommitRequest) -> abci.CommitResponse:
        if self._finalized is None:
            raise NodeRefused("wrong-engine", "the engine commits what was not finalized")
        block, final = self._finalized
        lowest = self._keeper.keep(block, final)
        self._last, self._finalized = block.time, None
        return abci.CommitResponse(retain_height=lowest)

    def _query(self, asked: abci.QueryRequest) -> abci.QueryResponse:
        """Nothing but what CometBFT asks of its own accord: whether a peer is let in. State is read at the node's API."""
        return abci.QueryResponse(code=0 if self._lets_in(asked.path) else REFUSED, height=self._app.info().height)

    def _lets_in(self, path: str) -> bool:
        """Whether a peer is let in: at any address, by the id of a member's engine."""
        if path.startswith(_BY_ADDRESS):
            return True
        return path.startswith(_BY_ID) and self._known_peer(path.removeprefix(_BY_ID))

    def _list_snapshots(self, asked: abci.ListSnapshotsRequest) -> abci.ListSnapshotsResponse:
        return self._snapshots.listed()

    def _offer_snapshot(self, asked: abci.OfferSnapshotRequest) -> abci.OfferSnapshotResponse:
        return self._snapshots.offered(asked)

    def _load_snapshot_chunk(self, asked: abci.LoadSnapshotChunkRequest) -> abci.LoadSnapshotChunkResponse:
        return self._snapshots.loaded(asked)

    def _apply_snapshot_chunk(self, asked: abci.ApplySnapshotChunkRequest) -> abci.ApplySnapshotChunkResponse:
        return self._snapshots.applied(asked)

    def _extend_vote(self, asked: abci.ExtendVoteRequest) -> abci.ExtendVoteResponse:
        return abci.ExtendVoteResponse()

    def _verify_vote_extension(self, asked: abci.VerifyVoteExtensionRequest) -> abci.VerifyVoteExtensionResponse:
        return abci.VerifyVoteExtensionResponse(status=abci.VerifyVoteExtensionResponse.ACCEPT)

    def _insert_tx(self, asked: abci.InsertTxRequest) -> abci.InsertTxResponse:
        return abci.InsertTxResponse(code=REFUSED)  # the engine keeps the transactions that wait

    def _reap_txs(self, asked: abci.ReapTxsRequest) -> abci.ReapTxsResponse:
        return abci.ReapTxsResponse()

    def _execute(self, block: Block) -> Finalized:
        """Execute the block, or take what came of it when it was proposed."""
        if self._finalized is None or self._finalized[0] != block:
            self._finalized = (block, self._app.finalize_block(block))
        return self._finalized[1]


_BY_ADDRESS, _BY_ID = "/p2p/filter/addr/", "/p2p/filter/id/"
_FRAMING = 8  # bytes more that a transaction takes in a block, at most


_Asked = abci.PrepareProposalRequest | abci.ProcessProposalRequest | abci.FinalizeBlockRequest


def _block(asked: abci.ProcessProposalRequest | abci.FinalizeBlockRequest) -> Block:
    return Block(Height(asked.height), _millis(asked.time), tuple(asked.txs), _caught(asked))


def _caught(asked: _Asked) -> tuple[bytes, ...]:
    """The addresses of validators whom the evidence names, each once."""
    return tuple(sorted({evidence.validator.address for evidence in asked.misbehavior}))


def _millis(time: Timestamp) -> Millis:
    return Millis(time.seconds * 1000 + time.nanos // 1_000_000)
