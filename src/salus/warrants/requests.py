"""A holder's signed request to a vault: over network, vault, warrant, entries, nonce, a recent block, and the body's hash."""

from __future__ import annotations

from typing import Annotated

import msgspec

from salus.codec import Record
from salus.ids import Bytes16, Bytes32, Bytes64, Count
from salus.warrants.link import Purpose, Warrant

REQUEST_TAG = "salus/vault-request/1"
OWNER_TAG = "salus/owner-request/1"


class ReadRequest(Record, frozen=True, tag="read-1"):
    """Entries of one section, for one purpose. ``licence`` is the id that proves the asked right (32 zero bytes: none).

    ``on_behalf_of`` is the member for whom the holder acts (32 zero bytes: nobody). ``block`` is the hash of the header at
    ``height``, at most ``max_staleness`` old. ``packages`` asks for key packages by epoch number (standing holders, owners).
    """

    network: Bytes32
    vault: Bytes32
    warrant: Bytes32
    section: Bytes32
    entries: Annotated[tuple[Count, ...], msgspec.Meta(max_length=1024)]
    packages: Annotated[tuple[Count, ...], msgspec.Meta(max_length=64)]
    purpose: Purpose
    licence: Bytes32
    on_behalf_of: Bytes32
    nonce: Bytes16
    height: Count
    block: Bytes32


class SignedRead(Record, frozen=True, tag="signed-read"):
    """What is posted to the vault; the signature is by the warrant's last holder over the request's bytes."""

    request: ReadRequest
    signature: Bytes64
    warrant: Warrant


class OwnerRequest(Record, frozen=True, tag="owner-request"):
    """The owner asks a vault for the receipts of a section from index ``first`` on. Replays are harmless and bounded in time."""

    network: Bytes32
    vault: Bytes32
    section: Bytes32
    first: Count
    nonce: Bytes16
    height: Count
    block: Bytes32


class SignedOwner(Record, frozen=True, tag="signed-owner"):
    """Signed by the section's owner key."""

    request: OwnerRequest
    signature: Bytes64
