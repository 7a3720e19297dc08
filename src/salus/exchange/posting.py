"""Letters and mailboxes: sealing and opening, claiming and collecting, and stamping for strangers."""

from __future__ import annotations

import msgspec

from salus.codec import decode, encode
from salus.crypto import hpke
from salus.crypto.hashing import sha256, tagged
from salus.crypto.signing import HybridKey, SigningKey, require_hybrid, require_signature
from salus.errors import WarrantRefused
from salus.exchange.carding import require_card
from salus.exchange.envelopes import (
    LETTER_TAG,
    MAILBOX_TAG,
    MAX_ENVELOPE,
    STAMP_TAG,
    Drop,
    Letter,
    MailboxClaim,
    MailboxCollect,
    SignedLetter,
    Stamp,
)
from salus.exchange.references import CardDeposit
from salus.ids import MailboxId, VerifyKey

_UNSIGNED = bytes(64)


def mailbox_id(owner: bytes) -> MailboxId:
    """The id of the mailbox that the key ``owner`` owns."""
    return MailboxId(tagged("salus/mailbox-id/1", owner))


def seal_letter(sender: HybridKey, letter: Letter, recipient: bytes, mailbox: bytes) -> bytes:
    """The letter, signed by the sender, sealed to the ``recipient``'s sealing key for one mailbox."""
    signed = SignedLetter(letter, sender.sign(LETTER_TAG, encode(letter)))
    return hpke.seal(recipient, _info(letter.network, mailbox), encode(signed))


def open_letter(seed: bytes, sealed: bytes, mailbox: bytes, network: bytes, recipient: bytes) -> Letter:
    """The letter; raises unless it opens here, is for this network and recipient, and its sender's card signed it."""
    signed = decode(hpke.open(seed, _info(network, mailbox), sealed), SignedLetter, limit=MAX_ENVELOPE)
    letter = signed.letter
    if letter.network != network or letter.recipient != recipient:
        raise WarrantRefused("wrong-recipient", "the letter is for somebody else")
    require_hybrid(require_card(letter.sender, network).key, LETTER_TAG, encode(letter), signed.signature)
    return letter


def sign_claim(key: SigningKey, network: bytes, member: bytes, token: bytes, serial: int) -> MailboxClaim:
    """A claim to the mailbox of ``key`` at ``member``."""
    bare = MailboxClaim(network, key.public, member, token, serial, _UNSIGNED)
    return msgspec.structs.replace(bare, signature=key.sign(MAILBOX_TAG, encode(bare)))


def sign_collect(
    key: SigningKey, network: bytes, member: bytes, after: int, done: int, nonce: bytes, time: int
) -> MailboxCollect:
    """A request for what came after the cursor ``after``; what lies up to ``done`` may be deleted."""
    bare = MailboxCollect(network, key.public, member, after, done, nonce, time, _UNSIGNED)
    return msgspec.structs.replace(bare, signature=key.sign(MAILBOX_TAG, encode(bare)))


def require_mailbox_owner(message: MailboxClaim | MailboxCollect | CardDeposit, network: bytes) -> None:
    """Raise unless the mailbox's owner signed this message for this network."""
    if message.network != network:
        raise WarrantRefused("wrong-network", "the message is for another network")
    bare = msgspec.structs.replace(message, signature=_UNSIGNED)
    if isinstance(bare, MailboxClaim):
        bare = msgspec.structs.replace(bare, guest=None)
    require_signature(VerifyKey(message.owner), MAILBOX_TAG, encode(bare), message.signature)


def sign_stamp(key: SigningKey, network: bytes, sponsor: bytes, drop: Drop, time: int) -> Stamp:
    """The stamp of the member ``sponsor``, by its node ``key``, for just this letter to this mailbox at ``time`` (ms)."""
    bare = Stamp(network, sponsor, drop.member, drop.mailbox, sha256(drop.sealed), time, _UNSIGNED)
    return msgspec.structs.replace(bare, signature=key.sign(STAMP_TAG, encode(bare)))


def require_stamp(stamp: Stamp, network: bytes, drop: Drop, node: bytes) -> None:
    """Raise unless it is for this letter, mailbox, member and network (``wrong-stamp``), signed by the sponsor's ``node`` key."""
    meant = (network, drop.member, drop.mailbox, sha256(drop.sealed))
    if (stamp.network, stamp.member, stamp.mailbox, stamp.letter) != meant:
        raise WarrantRefused("wrong-stamp", "the stamp is for another letter or mailbox")
    bare = msgspec.structs.replace(stamp, signature=_UNSIGNED)
    require_signature(VerifyKey(node), STAMP_TAG, encode(bare), stamp.signature)


def _info(network: bytes, mailbox: bytes) -> bytes:
    return b"salus/letter/1" + network + mailbox
