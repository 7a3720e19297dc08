"""What a vault holds and others are to keep: it goes once each of those has said that it is durable and whole there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

from salus.errors import SalusError
from salus.exchange.peering import MAX_WANTED
from salus.node.peers import Peers
from salus.node.vault.blobs import Blobs
from salus.node.vault.sharing import Share

_PORTIONS = 16  # that one look asks for at most, and only while there is something to let go


class Surplus:
    """``alone`` keeps submissions that name a blob out while it is deleted."""

    def __init__(
        self, share: Share, blobs: Blobs, peers: Peers, alone: Callable[[set[bytes]], AbstractContextManager[None]]
    ) -> None:
        self._share, self._blobs, self._peers, self._alone = share, blobs, peers, alone
        self._lock, self._noted = threading.Lock(), dict[bytes, None]()

    def note(self, blobs: Iterable[bytes]) -> None:
        """The ledger anchors these, and others are to keep them."""
        with self._lock:
            self._noted |= dict.fromkeys(blobs)

    def count(self) -> int:
        """How many blobs may be here without need."""
        with self._lock:
            return len(self._noted)

    def look(self) -> None:
        """Ask those who are to keep what is noted, and delete what all of them have; the rest is asked for again later."""
        for _ in range(_PORTIONS):
            if not self._let_go(self._portion()):
                break

    def _portion(self) -> dict[bytes, tuple[bytes, ...]]:
        """The next few that are here and not to be kept here, with those who are to keep each; what is done is forgotten."""
        members, found = self._share.members(), dict[bytes, tuple[bytes, ...]]()
        with self._lock:
            noted = list(self._noted)
        for blob in noted:
            keepers = self._share.keepers(blob, members)
            if self._share.own in keepers or not self._blobs.has(blob):
                self._forget(blob)
            else:
                found[blob] = keepers
            if len(found) == MAX_WANTED:
                break
        return found

    def _let_go(self, portion: dict[bytes, tuple[bytes, ...]]) -> bool:
        """Delete what all its keepers have; whether there was any."""
        kept: dict[bytes, set[bytes]] = {blob: set() for blob in portion}
        for member in sorted({member for keepers in portion.values() for member in keepers}):
            for blob in self._kept_by(member, [blob for blob, keepers in portion.items() if member in keepers]):
                kept.setdefault(blob, set()).add(member)
        done = [blob for blob, keepers in portion.items() if kept[blob].issuperset(keepers)]
        for blob in done:
            with self._alone({blob}):
                if self._share.keepers(blob) == portion[blob]:
                    self._blobs.remove(blob)
            self._forget(blob)
        with self._lock:  # what could not go stands behind what was not asked for yet
            for blob in portion:
                if blob in self._noted:
                    del self._noted[blob]
                    self._noted[blob] = None
        return bool(done)

    def _kept_by(self, member: bytes, named: list[bytes]) -> tuple[bytes, ...]:
        try:
            return self._peers.push(member, named).kept
        except SalusError:
            return ()

    def _forget(self, blob: bytes) -> None:
        with self._lock:
            self._noted.pop(blob, None)
