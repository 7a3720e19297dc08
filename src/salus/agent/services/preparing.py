"""A member's wallet before there is a network: kept until it is founded, and its cold seed with it, no longer."""

from __future__ import annotations

from salus.agent.store import Store
from salus.agent.wallet import PrincipalRecord
from salus.codec import Record
from salus.ids import Bytes32


class Prepared(Record, frozen=True, tag="prepared"):
    """A member's wallet that waits for its network to be founded, and the cold seed, which is written out then."""

    record: PrincipalRecord
    cold: Bytes32


def keep_prepared(store: Store, record: PrincipalRecord, cold: bytes) -> None:
    """Keep both."""
    with store.writing():
        store.put(b"", b"", Prepared(record, cold))


def find_prepared(store: Store) -> Prepared | None:
    """What waits, if anything does."""
    return store.find(Prepared, b"", b"")


def forget_prepared(store: Store) -> None:
    """The network is there: a cold seed does not stay where its wallet is."""
    if find_prepared(store) is not None:
        with store.writing():
            store.drop(Prepared, b"", b"")
