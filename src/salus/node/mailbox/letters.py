"""One mailbox a principal, with a cursor that only rises."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from pathlib import Path

from salus.codec import Record, decode, encode
from salus.errors import NodeRefused
from salus.exchange.envelopes import MAX_ENVELOPE, Delivered, MailboxClaim, MailboxCollect, Post
from salus.exchange.posting import mailbox_id, require_mailbox_owner
from salus.ids import Bytes16, Count, MemberId, Millis, NetworkId
from salus.node.tables import Tables

RAISED = 1 << 32  # by how much a restore lets cursors jump: more letters than a mailbox ever gets
_PAGE = 64
_CLOCKS_APART = 300_000  # ms that the owner's clock and the node's may differ


class _Box(Record, frozen=True, tag="mailbox"):
    token: Bytes16
    serial: Count
    cursor: Count  # of the newest letter
    kept: Count


class Mailboxes:
    """``most``: letters that one mailbox may hold."""

    def __init__(self, folder: Path, network: NetworkId, member: MemberId, most: int, clock: Callable[[], Millis]) -> None:
        self._tables = Tables(folder, ("boxes", "letters"))
        self._network, self._member, self._most, self._clock = network, member, most, clock

    def open(self, claim: MailboxClaim) -> None:
        """Open the mailbox of the claim's owner, or change its token; an older serial is refused."""
        require_mailbox_owner(claim, self._network)
        identity = mailbox_id(claim.owner)
        with self._tables.writing() as write:
            box = _box(write.get("boxes", identity))
            if box is not None and claim.serial < box.serial:
                raise NodeRefused("old-claim", "a newer claim to this mailbox is known")
            cursor, kept = (0, 0) if box is None else (box.cursor, box.kept)
            write.put("boxes", identity, encode(_Box(claim.token, claim.serial, cursor, kept)))

    def drop(self, mailbox: bytes, token: bytes, sealed: bytes) -> None:
        """Keep a sealed envelope, durably. An unknown mailbox and a wrong token are refused alike: ``no-such-mailbox``."""
        if len(sealed) > MAX_ENVELOPE:
            raise NodeRefused("letter-too-large", "the envelope is too large")
        with self._tables.writing() as write:
            box = _box(write.get("boxes", mailbox))
            if box is None or not hmac.compare_digest(box.token, token):
                raise NodeRefused("no-such-mailbox", "no mailbox takes this letter")
            if box.kept >= self._most:
                raise NodeRefused("mailbox-full", "the mailbox is full")
            cursor = box.cursor + 1
            write.put("letters", mailbox + cursor.to_bytes(8, "big"), sealed)
            write.put("boxes", mailbox, encode(_Box(box.token, box.serial, cursor, box.kept + 1)))

    def collect(self, request: MailboxCollect) -> Post:
        """What came after ``request.after``, oldest first; letters up to ``request.done`` are deleted."""
        require_mailbox_owner(request, self._network)
        if request.member != self._member or abs(request.time - self._clock()) > _CLOCKS_APART:
            raise NodeRefused("stale-collect", "the request is for another node, or too old")
        identity = mailbox_id(request.owner)
        self._delete(identity, request.done)
        rows = self._tables.range("letters", identity + (request.after + 1).to_bytes(8, "big"), identity + b"\xff" * 8, _PAGE + 1)
        letters = tuple(Delivered(int.from_bytes(key[32:], "big"), sealed) for key, sealed in rows[:_PAGE])
        return Post(letters, len(rows) > _PAGE)

    def letters(self) -> int:
        """How many letters lie in all mailboxes together."""
        return self._tables.size("letters")

    def close(self) -> None:
        """Close the database."""
        self._tables.close()

    def _delete(self, mailbox: bytes, done: int) -> None:
        with self._tables.writing() as write:
            box = _box(write.get("boxes", mailbox))
            rows = self._tables.range("letters", mailbox, mailbox + (done + 1).to_bytes(8, "big"), self._most)
            if box is None or not rows:
                return
            for key, _ in rows:
                write.drop("letters", key)
            write.put("boxes", mailbox, encode(_Box(box.token, box.serial, box.cursor, box.kept - len(rows))))


def raise_cursors(folder: Path) -> None:
    """Let every mailbox of the database in ``folder`` go on far above where it was: a restored mailbox must never give a new
    letter a cursor that its owner has passed already, or the owner would never ask for it."""
    tables = Tables(folder, ("boxes", "letters"))
    try:
        first = b""
        while rows := tables.range("boxes", first, b"\xff" * 40, 1024):
            with tables.writing() as write:
                for key, value in rows:
                    box = decode(value, _Box, limit=128)
                    write.put("boxes", key, encode(_Box(box.token, box.serial, box.cursor + RAISED, box.kept)))
            first = rows[-1][0] + b"\0"
    finally:
        tables.close()


def _box(value: bytes | None) -> _Box | None:
    return None if value is None else decode(value, _Box, limit=128)
