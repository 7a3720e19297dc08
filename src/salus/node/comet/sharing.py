"""Snapshots as CometBFT asks for them: those that this node offers, and the one that it begins with itself.

What peers send is believed by nobody. A description is held against the application hash that CometBFT's light client has
verified, a chunk against the description, and the state that they all come to against that application hash once more.
"""

from __future__ import annotations

from typing import Protocol

from salus.codec import encode
from salus.errors import LedgerRefused, Malformed, NodeRefused
from salus.ledger.snapshot import FORMAT, Restored, Snapshot, read_snapshot, restored, snapshot_hash
from salus.node.comet import abci_pb2 as abci
from salus.node.snapshots import Arriving, Snapshots

Offered = abci.OfferSnapshotResponse
Applied = abci.ApplySnapshotChunkResponse
PROVEN_BY = 2  # blocks behind a snapshot's without which CometBFT cannot begin with it


class Beginner(Protocol):
    """A node's chain, as far as it may begin with a snapshot."""

    def executed(self) -> int:
        """The height of the last block that was executed."""

    def shown(self) -> int:
        """The height of the newest header."""

    def begin_at(self, found: Restored) -> None:
        """Go on from this state, durably."""


class Sharing(Protocol):
    """Who answers what CometBFT asks of snapshots."""

    def heights(self) -> list[int]:
        """Of which heights snapshots are on offer, the newest first."""

    def listed(self) -> abci.ListSnapshotsResponse:
        """What is on offer."""

    def loaded(self, asked: abci.LoadSnapshotChunkRequest) -> abci.LoadSnapshotChunkResponse:
        """A chunk, or nothing."""

    def offered(self, asked: abci.OfferSnapshotRequest) -> abci.OfferSnapshotResponse:
        """Whether to begin with what peers offer."""

    def applied(self, asked: abci.ApplySnapshotChunkRequest) -> abci.ApplySnapshotChunkResponse:
        """What becomes of a chunk that a peer sent."""


class SharingNone:
    """Offers nothing, and takes nothing."""

    def heights(self) -> list[int]:
        """None."""
        return []

    def listed(self) -> abci.ListSnapshotsResponse:
        """Nothing."""
        return abci.ListSnapshotsResponse()

    def loaded(self, asked: abci.LoadSnapshotChunkRequest) -> abci.LoadSnapshotChunkResponse:
        """Nothing."""
        return abci.LoadSnapshotChunkResponse()

    def offered(self, asked: abci.OfferSnapshotRequest) -> abci.OfferSnapshotResponse:
        """None is wanted."""
        return Offered(result=Offered.ABORT)

    def applied(self, asked: abci.ApplySnapshotChunkRequest) -> abci.ApplySnapshotChunkResponse:
        """None was wanted."""
        return Applied(result=Applied.ABORT)


SHARING_NONE = SharingNone()


class SharingSnapshots:
    """Over the snapshots on disk, for the chain of a node.

    One is offered once CometBFT can prove it to whoever joins, and taken only where nothing was executed yet.
    """

    def __init__(self, network: bytes, snapshots: Snapshots, chain: Beginner) -> None:
        self._network, self._snapshots, self._chain = network, snapshots, chain
        self._arriving: Arriving | None = None

    def heights(self) -> list[int]:
        """Of which heights snapshots are on offer, the newest first."""
        return [height for height in self._snapshots.heights() if height + PROVEN_BY <= self._chain.shown()]

    def listed(self) -> abci.ListSnapshotsResponse:
        """The newest ones, as CometBFT tells peers of at most ten."""
        found = [snapshot for height in self.heights() if (snapshot := self._snapshots.find(height)) is not None]
        return abci.ListSnapshotsResponse(snapshots=[_told(snapshot) for snapshot in found])

    def loaded(self, asked: abci.LoadSnapshotChunkRequest) -> abci.LoadSnapshotChunkResponse:
        """A chunk, or nothing where it is not here, or not any more."""
        found = self._snapshots.chunk(asked.height, asked.chunk) if asked.format == FORMAT else None
        return abci.LoadSnapshotChunkResponse(chunk=found or b"")

    def offered(self, asked: abci.OfferSnapshotRequest) -> abci.OfferSnapshotResponse:
        """ACCEPT for a description that is whole, of this network, and of the application hash that is proven."""
        self._arriving = None
        if self._chain.executed():
            return Offered(result=Offered.ABORT)
        if asked.snapshot.format != FORMAT:
            return Offered(result=Offered.REJECT_FORMAT)
        try:
            snapshot = self._described(asked)
        except (Malformed, LedgerRefused):
            return Offered(result=Offered.REJECT)
        self._arriving = self._snapshots.begin(snapshot)
        return Offered(result=Offered.ACCEPT)

    def applied(self, asked: abci.ApplySnapshotChunkRequest) -> abci.ApplySnapshotChunkResponse:
        """ACCEPT for a chunk as the description names it; with the last one the state is this node's.

        Any other bytes are asked for again, and no more of who sent them.
        """
        if self._arriving is None:
            raise NodeRefused("wrong-engine", "the engine applies a snapshot that was not accepted")
        try:
            if not self._arriving.take(asked.index, asked.chunk):
                return Applied(result=Applied.ACCEPT)
        except LedgerRefused:
            return Applied(result=Applied.RETRY, refetch_chunks=[asked.index], reject_senders=[asked.sender])
        arriving, self._arriving = self._arriving, None
        try:
            found = restored(arriving.snapshot, arriving.chunks())
        except LedgerRefused:
            return Applied(result=Applied.REJECT_SNAPSHOT)
        arriving.finish()
        self._chain.begin_at(found)
        return Applied(result=Applied.ACCEPT)

    def _described(self, asked: abci.OfferSnapshotRequest) -> Snapshot:
        """The description; raises for one that says something else than the peer, or than what is proven."""
        told, snapshot = asked.snapshot, read_snapshot(asked.snapshot.metadata)
        said = (told.height, told.chunks, told.hash, self._network, asked.app_hash)
        if said != (snapshot.height, len(snapshot.chunks), snapshot_hash(snapshot), snapshot.network, snapshot.root):
            raise LedgerRefused("bad-snapshot", "the snapshot is not what it was said to be")
        return snapshot


def _told(snapshot: Snapshot) -> abci.Snapshot:
    return abci.Snapshot(
        height=snapshot.height,
        format=FORMAT,
        chunks=len(snapshot.chunks),
        hash=snapshot_hash(snapshot),
        metadata=encode(snapshot),
    )
