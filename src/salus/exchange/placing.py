"""Which members' vaults keep a sealed blob: a pure function of the members and the blob, the same at every node and agent.

Rendezvous hashing (Thaler and Ravishankar, IEEE/ACM Transactions on Networking 6(1), 1998): each member has a weight for each
blob, and those of the highest weights keep it. A member that comes or goes moves only what is, or was, its own share.
"""

from __future__ import annotations

from collections.abc import Iterable

from salus.crypto.hashing import tagged

PLACE_TAG = "salus/place/1"


def responsible(members: Iterable[bytes], blob: bytes, copies: int) -> tuple[bytes, ...]:
    """The ``copies`` members (at least one, all where there are fewer) that keep the blob, the one of most weight first."""
    ranked = sorted(members, key=lambda member: tagged(PLACE_TAG, member, blob), reverse=True)
    return tuple(ranked[: max(1, copies)])
