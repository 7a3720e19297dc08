"""Replicas: every member's vault keeps each sealed blob that the ledger anchors, and each listing; what it lacks, it asks for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

import lmdb

from salus.crypto.hashing import sha256
from salus.errors import SalusError
from salus.exchange.listings import SignedListing
from salus.exchange.peering import MAX_WANTED
from salus.ledger.store import Reader
from salus.node.directory import Directory
from salus.node.operating.looking import anchored_by, entries, is_buried, packages
from salus.node.peers import Peers
from salus.node.vault.blobs import Blobs
from salus.node.vault.erasing import Erasing


class Replicating:
    """A thread that looks every ``seconds``, or none. ``alone`` keeps submissions that name a blob out while it is looked at."""

    def __init__(
        self,
        state: Reader,
        blobs: Blobs,
        directory: Directory,
        peers: Peers,
        erasing: Erasing,
        alone: Callable[[set[bytes]], AbstractContextManager[None]],
        seconds: float | None,
    ) -> None:
        self._state, self._blobs, self._directory, self._peers = state, blobs, directory, peers
        self._erasing, self._alone = erasing, alone
        self._noting, self._lacking = threading.Lock(), set[bytes]()
        self._seconds, self._stopping = seconds, threading.Event()
        self._thread = threading.Thread(target=self._run, name="replicating", daemon=True)

    def start(self) -> None:
        """Search for what is lacking, and begin."""
        self.search()
        if self._seconds is not None:
            self._thread.start()

    def search(self) -> None:
        """Look through the whole ledger for what is lacking here."""
        anchored = {entry.blob for entry in entries(self._state)} | set(packages(self._state))
        with self._noting:
            self._lacking |= {blob for blob in anchored if not self._blobs.has(blob)}

    def notice(self, changes: Mapping[bytes, bytes | None]) -> None:
        """Take from a block's changes which blobs it anchors; neither waits nor raises."""
        with self._noting:
            self._lacking |= anchored_by(changes)

    def lacking(self) -> int:
        """How many blobs this vault knows to be lacking."""
        with self._noting:
            return len(self._lacking)

    def look(self) -> None:
        """Delete what was buried, and ask every known node for what is lacking here; a silent one is asked again next time."""
        self._erasing.catch_up(self._state)
        self._peers.greet()
        for peer in self._peers.known():
            try:
                self._from(peer.member)
            except (SalusError, OSError, lmdb.Error):
                continue

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self._seconds is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._seconds):
            self.look()

    def _from(self, member: bytes) -> None:
        wanted = self._wanted()
        while wanted:
            asked, wanted = wanted[:MAX_WANTED], wanted[MAX_WANTED:]
            got = {sha256(data): data for data in self._peers.ask(member, blobs=asked).blobs}
            for blob in asked:
                if blob in got:
                    self._keep(blob, got[blob])
        holders = self._directory.lacking()[:MAX_WANTED]
        for listing in self._peers.ask(member, listings=holders).listings if holders else ():
            self._take(listing)

    def _wanted(self) -> list[bytes]:
        """What is lacking, once more held against disk and ledger: what came or was buried meanwhile is not."""
        with self._noting:
            noted = sorted(self._lacking)
        done = {blob for blob in noted if self._blobs.has(blob) or is_buried(self._state, blob)}
        with self._noting:
            self._lacking -= done
        return [blob for blob in noted if blob not in done]

    def _keep(self, blob: bytes, data: bytes) -> None:
        with self._alone({blob}):
            if not is_buried(self._state, blob):
                self._blobs.put(data)
        with self._noting:
            self._lacking.discard(blob)

    def _take(self, listing: SignedListing) -> None:
        try:
            self._directory.put(listing)
        except SalusError:
            return  # it was replaced meanwhile, or the node asked gave another one
