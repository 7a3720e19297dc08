"""Replicas: each vault keeps its share of the blobs that the ledger anchors, and each listing; what it lacks, it asks for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

import lmdb

from salus.crypto.hashing import sha256
from salus.errors import Malformed, NodeRefused, SalusError, WarrantRefused
from salus.exchange.listings import SignedListing
from salus.exchange.peering import MAX_WANTED
from salus.node.directory import Directory
from salus.node.operating.looking import anchored_by, entries, is_buried, packages
from salus.node.peers import Peers
from salus.node.vault.auditing import Auditing
from salus.node.vault.blobs import Blobs
from salus.node.vault.erasing import Erasing
from salus.node.vault.pushed import PushedBlobs
from salus.node.vault.sharing import Share
from salus.node.vault.surplus import Surplus

RATE = 128 * 1024 * 1024  # bytes a second that are asked of other members' nodes at most, one request after the other


class Replicating:
    """A thread that looks every ``seconds``, or none. ``alone`` keeps submissions that name a blob out while it is looked at.

    ``newest`` gives the time of the newest block.
    """

    def __init__(
        self,
        share: Share,
        blobs: Blobs,
        pushed: PushedBlobs,
        directory: Directory,
        peers: Peers,
        erasing: Erasing,
        alone: Callable[[set[bytes]], AbstractContextManager[None]],
        newest: Callable[[], int],
        seconds: float | None,
    ) -> None:
        self._share, self._state, self._blobs, self._pushed = share, share.state, blobs, pushed
        self._directory, self._peers, self._erasing, self._alone = directory, peers, erasing, alone
        self._newest = newest
        self._noting, self._lacking = threading.Lock(), set[bytes]()
        self._members = share.members()
        self.surplus, self._auditing = Surplus(share, blobs, peers, alone), Auditing(share, blobs)
        self._seconds, self._stopping = seconds, threading.Event()
        self._thread = threading.Thread(target=self._run, name="replicating", daemon=True)

    def start(self) -> None:
        """Search for what is lacking, take what was pushed before a crash, and begin."""
        self.search()
        self._adopt()
        if self._seconds is not None:
            self._thread.start()

    def search(self) -> None:
        """Look through the whole ledger for what is lacking here, and for what is here and others' to keep."""
        anchored = {entry.blob for entry in entries(self._state)} | set(packages(self._state))
        mine = {blob for blob in anchored if self._share.own in self._share.keepers(blob, self._members)}
        with self._noting:
            self._lacking = {blob for blob in self._lacking & mine | mine if not self._blobs.has(blob)}
        self.surplus.note({blob for blob in anchored - mine if self._blobs.has(blob)})

    def notice(self, changes: Mapping[bytes, bytes | None]) -> None:
        """Take from a block's changes which blobs it anchors; neither waits nor raises."""
        anchored = anchored_by(changes)
        try:
            adopted = self._pushed.adopt(anchored)
        except OSError:
            adopted = set()  # they stay lacking, and are looked for again
        mine = {blob for blob in anchored if self._share.own in self._share.keepers(blob, self._members)}
        with self._noting:
            self._lacking |= mine - adopted
        self.surplus.note(anchored - mine)

    def altered(self, blob: bytes) -> None:
        """The blob was found to be altered here, and is to come from another vault."""
        self._auditing.altered(blob)
        with self._noting:
            self._lacking.add(blob)

    def lacking(self) -> int:
        """How many blobs this vault knows to be lacking."""
        with self._noting:
            return len(self._lacking)

    def look(self) -> None:
        """One round: delete what was buried, ask for what is lacking, let go of what is others' to keep.

        A node that does not answer is asked again next time.
        """
        self._erasing.catch_up(self._state)
        self._peers.greet()
        self._follow_members()
        self._adopt()
        with self._noting:
            self._lacking |= self._auditing.look()
        for peer in self._peers.known():
            try:
                self._from(peer.member)
            except (SalusError, OSError, lmdb.Error):
                continue
        self._pushed.expire(self._newest())
        self.surplus.look()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self._seconds is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._seconds):
            try:
                self.look()
            except (SalusError, OSError, lmdb.Error):
                continue  # the disk: it may do better next time

    def _follow_members(self) -> None:
        """Where members have come or gone, other blobs are this vault's to keep."""
        members = self._share.members()
        if members != self._members:
            self._members = members
            self.search()

    def _adopt(self) -> None:
        adopted = self._pushed.adopt(self._wanted())
        with self._noting:
            self._lacking -= adopted

    def _from(self, member: bytes) -> None:
        """What is lacking, of a member that is to keep it, a bounded request after the other; the rest is asked of everybody."""
        wanted = self._wanted()
        wanted.sort(key=lambda blob: member not in self._share.keepers(blob, self._members))
        while wanted and not self._stopping.is_set():
            asked, wanted = wanted[:MAX_WANTED], wanted[MAX_WANTED:]
            begun = time.monotonic()
            got = {sha256(data): data for data in self._peers.ask(member, blobs=asked).blobs}
            self._keep({blob: got[blob] for blob in asked if blob in got})
            reached = max((at for at, blob in enumerate(asked) if blob in got), default=len(asked))
            wanted = asked[reached + 1 :] + wanted  # an answer comes in the order asked, and ends where it is full
            self._pace(sum(map(len, got.values())), time.monotonic() - begun)
        holders = self._directory.lacking()[:MAX_WANTED]
        for listing in self._peers.ask(member, listings=holders).listings if holders else ():
            self._take(listing)
        self._pages_from(member)

    def _pages_from(self, member: bytes) -> None:
        """Pages of schedules that are lacking, one after the other: they are public, and each is as large as many listings."""
        for root in self._directory.pages.lacking()[:MAX_WANTED]:
            if self._stopping.is_set():
                return
            try:
                self._directory.pages.put(self._peers.of(member).page(root))
            except (NodeRefused, WarrantRefused, Malformed):
                continue  # it is not there, was replaced meanwhile, or is another one

    def _pace(self, size: int, taken: float) -> None:
        """Wait where more came than the rate allows."""
        if self._seconds is not None and size / RATE > taken:
            self._stopping.wait(size / RATE - taken)

    def _wanted(self) -> list[bytes]:
        """What is lacking, once more held against disk and ledger: what came or was buried meanwhile is not."""
        with self._noting:
            noted = sorted(self._lacking)
        done = {blob for blob in noted if self._auditing.has(blob) or is_buried(self._state, blob)}
        with self._noting:
            self._lacking -= done
        return [blob for blob in noted if blob not in done]

    def _keep(self, got: Mapping[bytes, bytes]) -> None:
        """Durable in one folder, then in their places: half the flushes of the disk that each by itself would need."""
        with self._alone(set(got)):
            wanted = {blob: data for blob, data in got.items() if not is_buried(self._state, blob)}
            self._auditing.make_room(wanted)
            self._pushed.take(self._share.own, wanted)
            self._pushed.adopt(wanted)
        with self._noting:
            self._lacking -= set(got)

    def _take(self, listing: SignedListing) -> None:
        try:
            self._directory.put(listing)
        except SalusError:
            return  # it was replaced meanwhile, or the node asked gave another one
