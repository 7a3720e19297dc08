"""Copies before order: what a transaction anchors is durable at enough members' vaults before the transaction is handed on."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed

from salus.errors import NodeRefused, SalusError
from salus.exchange.peering import MAX_ANSWER, MAX_WANTED
from salus.node.peers import Peers
from salus.node.vault.sharing import Share

COPY_SECONDS = 8.0  # that copies are waited for
_AT_ONCE = 4  # pushes to one member at a time; what waits behind them is not made where enough copies came without it


class Copying:
    """Pushes to all that are to keep a blob, at once; with ``background`` in threads, a few for each member. `stop` ends them.

    The copy of this node, which is durable already, counts as one, whether or not this member is to keep the blob.
    """

    def __init__(self, share: Share, peers: Peers, *, background: bool) -> None:
        self._share, self._peers, self._background = share, peers, background
        self._lock, self._pools = threading.Lock(), dict[bytes, ThreadPoolExecutor]()

    def spread(self, blobs: Mapping[bytes, bytes], *, insist: bool) -> None:
        """Returns once each blob is durable often enough, or, where nobody need ``insist`` on it, as often as it can be.

        `NodeRefused` ``too-few-copies`` where too few of the members that are to keep a blob have it within the time. A network
        that has lost one member goes on: there is no insisting on a copy at the last one.
        """
        members, durable = self._share.members(), self._share.rules.durable_copies
        others = {blob: [m for m in self._share.keepers(blob, members) if m != self._share.own] for blob in blobs}
        lacking = +Counter({blob: min(durable - 1, len(keepers)) for blob, keepers in others.items()})
        pushes = {m: [blob for blob in lacking if m in others[blob]] for m in members}
        pending = [self._begin(m, [(blob, blobs[blob]) for blob in named]) for m, named in pushes.items() if named]
        try:
            for future in as_completed(pending, COPY_SECONDS):
                lacking = lacking - Counter(future.result())
                if not lacking:
                    return
        except TimeoutError:
            pass
        finally:
            for future in pending:
                future.cancel()
        if insist and max(lacking.values(), default=0) > durable - promised(durable, len(members)):
            raise NodeRefused("too-few-copies", "too few members' vaults have taken a copy of what is to be sealed; try again")

    def stop(self) -> None:
        """Wait for the pushes that are under way, and make no more."""
        with self._lock:
            for pool in self._pools.values():
                pool.shutdown(cancel_futures=True)

    def _begin(self, member: bytes, given: Sequence[tuple[bytes, bytes]]) -> Future[set[bytes]]:
        if self._background:
            with self._lock:
                if member not in self._pools:
                    self._pools[member] = ThreadPoolExecutor(_AT_ONCE, "copying")
                return self._pools[member].submit(self._push, member, given)
        done: Future[set[bytes]] = Future()
        done.set_result(self._push(member, given))
        return done

    def _push(self, member: bytes, given: Sequence[tuple[bytes, bytes]]) -> set[bytes]:
        """Which of the blobs the member's node holds now; none where it does not answer."""
        held = set[bytes]()
        try:
            for part in portions(given):
                held |= set(self._peers.push(member, [blob for blob, _ in part], [data for _, data in part]).held)
        except SalusError:
            pass  # what counts is who has it
        return held & {blob for blob, _ in given}


def promised(durable: int, members: int) -> int:
    """How many copies there are at least before a writer is told: ``durable``, or all but one where there are too few members."""
    return min(durable, max(1, members - 1))


def portions(given: Sequence[tuple[bytes, bytes]]) -> list[list[tuple[bytes, bytes]]]:
    """The blobs in as few pushes as their size and number allow."""
    found: list[list[tuple[bytes, bytes]]] = []
    size = MAX_ANSWER
    for blob, data in given:
        size += len(data)
        if not found or len(found[-1]) == MAX_WANTED or size > MAX_ANSWER:
            found.append([])
            size = len(data)
        found[-1].append((blob, data))
    return found
