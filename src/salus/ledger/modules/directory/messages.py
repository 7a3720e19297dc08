"""What may be asked of the directory: that a listing of this hash is the holder's. Signed by the holder's key."""

from __future__ import annotations

from salus.codec import Record
from salus.ids import Bytes32


class PublishListing(Record, frozen=True, tag="publish-listing"):
    """``listing`` is the hash of the listing that stands from this block on; 32 zero bytes withdraw what stood before."""

    holder: Bytes32
    listing: Bytes32
