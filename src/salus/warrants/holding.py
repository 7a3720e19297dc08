"""A holder's proof: the signed request, and what the ledger says of its licence and its links."""

from __future__ import annotations

from salus.codec import encode
from salus.crypto.hashing import tagged
from salus.crypto.signing import SigningKey, require_signature
from salus.errors import CryptoRefused, WarrantRefused
from salus.ids import Hash, VerifyKey
from salus.ledger.modules.licences.messages import LicenceStatus
from salus.ledger.modules.licences.state import Licence, status_at
from salus.warrants.checking import Effective, warrant_id
from salus.warrants.link import Warrant
from salus.warrants.requests import OWNER_TAG, REQUEST_TAG, OwnerRequest, ReadRequest, SignedOwner, SignedRead


def sign_read(key: SigningKey, request: ReadRequest, warrant: Warrant) -> SignedRead:
    """The request with the holder's signature and the warrant."""
    return SignedRead(request, key.sign(REQUEST_TAG, encode(request)), warrant)


def request_hash(signed: SignedRead) -> Hash:
    """What a promise names; and what a replay is found by."""
    return tagged("salus/signed-read/1", encode(signed))


def require_holder(signed: SignedRead, effective: Effective, network: bytes, vault: bytes) -> None:
    """Raise unless the warrant's last holder signed this request, for this vault, network, warrant and section."""
    request = signed.request
    if (request.network, request.vault) != (network, vault):
        raise WarrantRefused("wrong-vault", "the request is for another vault or network")
    if (request.warrant, request.section) != (warrant_id(signed.warrant), effective.section):
        raise WarrantRefused("wrong-section", "the request names another warrant or section")
    try:
        require_signature(effective.holder, REQUEST_TAG, encode(request), signed.signature)
    except CryptoRefused as error:
        raise WarrantRefused("not-the-holder", "the request is not signed by the warrant's holder") from error


def require_window(effective: Effective, now: int) -> None:
    """Raise ``not-yet`` or ``expired`` unless ``now`` (ms; the later of block time and own clock) lies in the window."""
    if now < effective.not_before:
        raise WarrantRefused("not-yet", "the warrant does not hold yet")
    if now >= effective.not_after:
        raise WarrantRefused("expired", "the warrant has expired")


def require_purpose(request: ReadRequest, effective: Effective) -> None:
    """Raise ``wrong-purpose`` unless the warrant allows the purpose of use."""
    if request.purpose not in effective.purposes:
        raise WarrantRefused("wrong-purpose", "the warrant does not allow this purpose of use")


def require_licence(effective: Effective, licence: Licence | None, now: int) -> None:
    """Raise unless the licence that the warrant asks for is active at ``now`` (ms), gives the right, and is the holder's."""
    if effective.licence is None:
        return
    if licence is None:
        raise WarrantRefused("licence-needed", "the warrant asks for a licence")
    if licence.holder != effective.holder or effective.licence not in licence.rights:
        raise WarrantRefused("licence-not-fitting", "the licence is another's, or does not give the right asked for")
    require_active(licence, now)


def require_active(licence: Licence, now: int) -> None:
    """Raise ``licence-not-active`` unless the licence was active at block time ``now`` (ms)."""
    if status_at(licence, now) is not LicenceStatus.ACTIVE:
        raise WarrantRefused("licence-not-active", "the licence was not active at that time")


def require_covered(effective: Effective, writers: dict[int, bytes]) -> None:
    """Raise ``not-covered`` unless the warrant covers each entry; ``writers`` is {number: writer's key on the ledger}."""
    for number, writer in writers.items():
        if not effective.covers(number, writer):
            raise WarrantRefused("not-covered", "the warrant does not cover this entry")


def sign_owner(key: SigningKey, request: OwnerRequest) -> SignedOwner:
    """The request, signed by the section's owner key."""
    return SignedOwner(request, key.sign(OWNER_TAG, encode(request)))


def require_owner(signed: SignedOwner, owner: VerifyKey, network: bytes, vault: bytes) -> None:
    """Raise unless the section's owner signed this request for this vault and network."""
    if (signed.request.network, signed.request.vault) != (network, vault):
        raise WarrantRefused("wrong-vault", "the request is for another vault or network")
    try:
        require_signature(owner, OWNER_TAG, encode(signed.request), signed.signature)
    except CryptoRefused as error:
        raise WarrantRefused("not-the-owner", "the request is not signed by the section's owner") from error
