"""Work that a node does not take in now: it stays kept, and a later command goes on with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from salus.errors import SalusError

#: The home is no guest of the node, or has used what it may today; or the member has; or the network does not decide.
NOT_NOW = ("node/not-invited", "node/invite-expired", "node/guest-allowance-spent", "ledger/quota-spent", "agent/undecided")


@contextmanager
def may_wait() -> Iterator[None]:
    """What is kept and is refused inside by `NOT_NOW` waits: it must not keep anybody from reading, taking back or leaving."""
    try:
        yield
    except SalusError as error:
        if error.full_code not in NOT_NOW:
            raise
