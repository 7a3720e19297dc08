"""What others may read of the directory."""

from __future__ import annotations

from collections.abc import Iterator

from salus.ledger.modules.directory.state import DIRECTORY, WITHDRAWN, Listed, listing_key
from salus.ledger.store import Reader, load


def listed(reader: Reader, holder: bytes) -> bytes:
    """The hash of the holder's listing; 32 zero bytes where none stands."""
    found = load(reader, listing_key(holder), Listed)
    return WITHDRAWN if found is None else found.listing


def holders(reader: Reader) -> Iterator[bytes]:
    """Everybody who ever published a listing, in order."""
    return (key[len(DIRECTORY) :] for key in reader.keys(DIRECTORY, DIRECTORY[:-1] + b"0"))
