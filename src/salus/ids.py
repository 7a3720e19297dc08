"""Value types for everything that is named by bytes: never a bare ``str`` or ``bytes`` in a signature.

All ids are 32 bytes, shown as lower-case hexadecimal. Times are integer milliseconds since 1970-01-01T00:00:00Z (`Millis`).
"""

from __future__ import annotations

from typing import Annotated, NewType

import msgspec

#: The largest integer that every implementation language represents exactly (2^53 - 1).
MAX_INT = 2**53 - 1

Bytes16 = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
Bytes20 = Annotated[bytes, msgspec.Meta(min_length=20, max_length=20)]
Bytes32 = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
Bytes64 = Annotated[bytes, msgspec.Meta(min_length=64, max_length=64)]
Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_INT)]

Hash = NewType("Hash", Bytes32)  # any tagged SHA-256
Millis = NewType("Millis", Count)  # milliseconds since the epoch, UTC
Height = NewType("Height", Count)  # 0 is genesis

NetworkId = NewType("NetworkId", Bytes32)  # hash of the genesis document
MemberId = NewType("MemberId", Bytes32)  # hash of a member's first authority key
PersonId = NewType("PersonId", Bytes32)  # hash of a principal's first hybrid verification key
LicenceId = NewType("LicenceId", Bytes32)  # hash of (transaction body, action index)
SectionId = NewType("SectionId", Bytes32)  # hash of network, first owner key, first next-owner commitment
BlobHash = NewType("BlobHash", Bytes32)  # plain SHA-256 of the blob
BodyHash = NewType("BodyHash", Bytes32)  # tagged hash of a transaction body: what is signed and what replays are found by
EntryId = NewType("EntryId", Bytes32)  # chosen by the author, inside the ciphertext
VersionId = NewType("VersionId", Bytes32)  # salted leaf hash of one resource in one entry
WarrantId = NewType("WarrantId", Bytes32)  # hash of the last link
RevocationId = NewType("RevocationId", Bytes32)  # hash of a link's secret preimage
GrantId = NewType("GrantId", Bytes32)
MailboxId = NewType("MailboxId", Bytes32)  # hash of the mailbox's owner key
VerifyKey = NewType("VerifyKey", Bytes32)  # Ed25519 public key


def show(value: bytes) -> str:
    """The id as people and JSON see it: lower-case hexadecimal."""
    return value.hex()
