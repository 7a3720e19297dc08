"""The one mechanism for whatever must happen at a block time: an ordered index of deadlines in the state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec

from salus.codec import Record, decode
from salus.ledger.store import Reader

_PREFIX = b"deadlines/"
_LIMIT = 512


class Deadline(Record, frozen=True, tag="deadline"):
    """``kind`` is "module/what"; ``subject`` the key that is due."""

    kind: Annotated[str, msgspec.Meta(max_length=64)]
    subject: Annotated[bytes, msgspec.Meta(max_length=256)]


def deadline_key(time: int, kind: str, subject: bytes) -> bytes:
    """Ordered by time, then kind, then subject."""
    return _PREFIX + time.to_bytes(8, "big") + kind.encode("ascii") + b"/" + subject


def due(reader: Reader, now: int) -> Iterator[tuple[bytes, Deadline]]:
    """(key, deadline) for each that is due at block time ``now``, oldest first."""
    for key in list(reader.keys(_PREFIX, _PREFIX + (now + 1).to_bytes(8, "big"))):
        yield key, decode(reader.get(key) or b"", Deadline, limit=_LIMIT)
