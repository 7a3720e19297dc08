"""Which sealed blobs a member's vault keeps: its share of all that the ledger anchors, by the members of now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from salus.exchange.placing import responsible
from salus.ledger.genesis import Parameters
from salus.ledger.modules.members.queries import current_members
from salus.ledger.store import Reader


@dataclass(frozen=True)
class Share:
    """The share of the member ``own`` under the ``state``, which may move on."""

    own: bytes
    state: Reader
    rules: Parameters

    def members(self) -> tuple[bytes, ...]:
        """Who is a member now."""
        return current_members(self.state)

    def keepers(self, blob: bytes, members: Sequence[bytes] | None = None) -> tuple[bytes, ...]:
        """Which of the members (of now, by default) keep the blob, the one of the highest weight first."""
        return responsible(self.members() if members is None else members, blob, self.rules.copies)

    def has(self, blob: bytes) -> bool:
        """Whether this vault is to keep the blob."""
        return self.own in self.keepers(blob)
