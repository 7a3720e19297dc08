"""Revocation: publishing a link's secret preimage. No signature but the sponsor's; the preimage is the right."""

from __future__ import annotations

from salus.codec import Record
from salus.ids import Bytes32


class Revoke(Record, frozen=True, tag="revoke"):
    """``preimage`` hashes to the link's revocation id. Rights-protecting. Leaves the state after ``max_warrant_window``."""

    preimage: Bytes32
