"""Inviting, redeeming, and vouching: how a member's node knows a guest, and never more of it than a key."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from salus.codec import decode, encode
from salus.crypto.hashing import tagged
from salus.crypto.keys import derive
from salus.crypto.signing import SigningKey, require_signature
from salus.errors import AgentRefused, Malformed, NodeRefused
from salus.exchange.api import MAX_TRANSACTION, Submission
from salus.exchange.armour import from_line, to_line
from salus.exchange.envelopes import MailboxClaim
from salus.exchange.guests import GUEST_TAG, REDEMPTION_TAG, GuestProof, Invitation, Redemption
from salus.ids import Hash, VerifyKey
from salus.ledger.tx import Body, Transaction, body_hash

ARMOUR = "salus-invite-1:"
_UNSIGNED = bytes(64)
_MOST = 256  # bytes of an invitation

Asked = TypeVar("Asked", Submission, MailboxClaim)


class GuestKeys:
    """A home's guest keys: another one at each member, so that no two members know one home by the same key."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def at(self, member: bytes) -> SigningKey:
        """The key by which the member knows this home."""
        return SigningKey(derive(self._secret, "guest", member))

    def vouch(self, message: Asked, member: bytes) -> Asked:
        """The message with a proof for the node of ``member``."""
        key = self.at(member)
        proof = GuestProof(key.public, key.sign(GUEST_TAG, _asked(message, message_network(message), member)))
        return msgspec.structs.replace(message, guest=proof)


def vouch_as_member(node: SigningKey, claim: MailboxClaim) -> MailboxClaim:
    """A claim of one of its own people, or guests, that a member passes on to another member's node: it answers for it."""
    proof = GuestProof(node.public, node.sign(GUEST_TAG, _asked(claim, claim.network, claim.member)))
    return msgspec.structs.replace(claim, guest=proof)


def require_vouched(message: Submission | MailboxClaim, network: bytes, member: bytes) -> bytes:
    """The guest who vouches for the message at ``member``; `NodeRefused` ``not-invited`` where nobody does."""
    proof = message.guest
    if proof is None:
        raise NodeRefused("not-invited", "this node serves those whom its operator has invited; ask there for an invitation")
    require_signature(VerifyKey(proof.guest), GUEST_TAG, _asked(message, network, member), proof.signature)
    return proof.guest


def message_network(message: Submission | MailboxClaim) -> bytes:
    """The network that the message is for."""
    return message.network if isinstance(message, MailboxClaim) else body_of(message).network


def body_of(submission: Submission) -> Body:
    """The body of the submission's transaction; `Malformed` where it is none."""
    return decode(submission.transaction, Transaction, limit=MAX_TRANSACTION).body


def _asked(message: Submission | MailboxClaim, network: bytes, member: bytes) -> Hash:
    """What a guest signs: a transaction by its body, which names its blobs; a claim by its bytes."""
    if isinstance(message, Submission):
        return tagged("salus/guest-asks/1", network, member, b"transaction", body_hash(body_of(message)))
    return tagged("salus/guest-asks/1", network, member, b"mailbox", encode(msgspec.structs.replace(message, guest=None)))


def invitation_text(invitation: Invitation) -> str:
    """The invitation as a code that people pass on."""
    return to_line(ARMOUR, encode(invitation)).strip()


def read_invitation(text: str) -> Invitation:
    """What `invitation_text` wrote; `AgentRefused` ``bad-invitation`` for anything else."""
    try:
        return decode(from_line(ARMOUR, text.encode("utf-8"), _MOST), Invitation, limit=_MOST)
    except (Malformed, UnicodeEncodeError) as error:
        raise AgentRefused("bad-invitation", "this is no invitation, or it was cut off") from error


def invitation_key(secret: bytes) -> SigningKey:
    """The key pair that follows from an invitation's secret; a node keeps the public half alone."""
    return SigningKey(derive(secret, "invitation"))


def redeem(invitation: Invitation, guest: SigningKey) -> Redemption:
    """Use the invitation for the key ``guest``."""
    granting = invitation_key(invitation.secret)
    bare = Redemption(invitation.network, invitation.member, granting.public, guest.public, _UNSIGNED, _UNSIGNED)
    signed = (granting.sign(REDEMPTION_TAG, encode(bare)), guest.sign(REDEMPTION_TAG, encode(bare)))
    return msgspec.structs.replace(bare, granted=signed[0], signature=signed[1])


def require_redemption(redemption: Redemption, network: bytes, member: bytes) -> None:
    """Raise unless invitation and guest both signed this for the member: ``not-invited``, ``bad-signature``."""
    if (redemption.network, redemption.member) != (network, member):
        raise NodeRefused("not-invited", "the invitation is another member's")
    bare = encode(msgspec.structs.replace(redemption, granted=_UNSIGNED, signature=_UNSIGNED))
    require_signature(VerifyKey(redemption.invitation), REDEMPTION_TAG, bare, redemption.granted)
    require_signature(VerifyKey(redemption.guest), REDEMPTION_TAG, bare, redemption.signature)
