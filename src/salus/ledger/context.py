"""What a handler may know and do while one transaction is applied."""

from __future__ import annotations

from dataclasses import dataclass

from salus.codec import Record, encode
from salus.ids import BodyHash, Height, MemberId, Millis, NetworkId
from salus.ledger.deadlines import Deadline, deadline_key
from salus.ledger.genesis import Parameters
from salus.ledger.store import Overlay

_NOBODY = MemberId(bytes(32))


@dataclass(frozen=True)
class Context:
    """``index`` is the action's place in the body, ``sponsor`` the member who answers for it; 0 where time acts, and nobody does.

    Time is the block's, in ms.
    """

    state: Overlay
    network: NetworkId
    parameters: Parameters
    height: Height
    time: Millis
    body: BodyHash
    index: int = 0
    sponsor: MemberId = _NOBODY

    def put(self, key: bytes, record: Record) -> None:
        """Set a leaf."""
        self.state.put(key, encode(record))

    def at(self, time: int, kind: str, subject: bytes) -> None:
        """Ask to be called at block time ``time`` (ms) or at the first block after it."""
        self.state.put(deadline_key(time, kind, subject), encode(Deadline(kind, subject)))
