"""One mailbox a principal, with a cursor that only rises, and two lanes: of contacts, who have the token, and of strangers."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from salus.codec import Record, decode, encode
from salus.errors import NodeRefused
from salus.exchange.envelopes import MAX_ENVELOPE, Delivered, Drop, MailboxClaim, MailboxCollect, Post
from salus.exchange.posting import mailbox_id, require_mailbox_owner
from salus.exchange.references import CardDeposit, SealedCard
from salus.ids import Bytes16, Count, MemberId, Millis, NetworkId
from salus.node.mailbox.cards import CARDS, HASHES, find_card, keep_card
from salus.node.mailbox.strangers import COUNTS, MOST_STRANGERS, count_stranger, require_fresh_stamp
from salus.node.tables import Tables, Write

TABLES = ("boxes", "letters", COUNTS, CARDS, HASHES)
RAISED = 1 << 32  # by how much a restore lets cursors jump: more letters than a mailbox ever gets
_PAGE = 64
_CLOCKS_APART = 300_000  # ms that the owner's clock and the node's may differ
_CONTACT, _STRANGER = b"\0", b"\1"  # the lane, before the envelope


class _Box(Record, frozen=True, tag="mailbox"):
    token: Bytes16
    serial: Count
    cursor: Count  # of the newest letter
    kept: Count  # letters of contacts
    strangers: Count  # letters of strangers


class Mailboxes:
    """``most``: letters of contacts that one mailbox may hold; ``node_key`` is the ledger's, of a member's node."""

    def __init__(
        self,
        folder: Path,
        network: NetworkId,
        member: MemberId,
        most: int,
        clock: Callable[[], Millis],
        node_key: Callable[[bytes], bytes],
    ) -> None:
        self._tables = Tables(folder, TABLES)
        self._network, self._member, self._most, self._clock, self._node_key = network, member, most, clock, node_key

    def open(self, claim: MailboxClaim) -> None:
        """Open the mailbox of the claim's owner, or change its token; an older serial is refused.

        The first cursor is the time: one that was lost and opened anew goes on above where its owner has read.
        """
        require_mailbox_owner(claim, self._network)
        identity = mailbox_id(claim.owner)
        with self._tables.writing() as write:
            box = _box(write.get("boxes", identity))
            if box is not None and claim.serial < box.serial:
                raise NodeRefused("old-claim", "a newer claim to this mailbox is known")
            box = box or _Box(claim.token, claim.serial, self._clock(), 0, 0)
            write.put("boxes", identity, encode(replace(box, token=claim.token, serial=claim.serial)))

    def drop(self, drop: Drop) -> None:
        """Keep a sealed envelope, durably. An unknown mailbox and a wrong token are refused alike: ``no-such-mailbox``.

        Without a token it needs a member's stamp, and room in the lane of strangers (`salus.node.mailbox.strangers`).
        """
        if len(drop.sealed) > MAX_ENVELOPE:
            raise NodeRefused("letter-too-large", "the envelope is too large")
        if drop.token is None:
            require_fresh_stamp(drop, self._network, self._clock(), self._node_key)
        with self._tables.writing() as write:
            box = _box(write.get("boxes", drop.mailbox))
            if box is None or not (drop.token is None or hmac.compare_digest(box.token, drop.token)):
                raise NodeRefused("no-such-mailbox", "no mailbox takes this letter")
            box = self._with_one_more(write, box, drop)
            lane = _STRANGER if drop.token is None else _CONTACT
            write.put("letters", drop.mailbox + box.cursor.to_bytes(8, "big"), lane + drop.sealed)
            write.put("boxes", drop.mailbox, encode(box))

    def _with_one_more(self, write: Write, box: _Box, drop: Drop) -> _Box:
        """The box with the letter counted in its lane; raises where there is no room."""
        if drop.token is None:
            count_stranger(write, box.strangers, drop, self._clock())
            return replace(box, cursor=box.cursor + 1, strangers=box.strangers + 1)
        if box.kept >= self._most:
            raise NodeRefused("mailbox-full", "the mailbox is full")
        return replace(box, cursor=box.cursor + 1, kept=box.kept + 1)

    def collect(self, request: MailboxCollect) -> Post:
        """What came after ``request.after``, oldest first; letters up to ``request.done`` are deleted.

        ``no-such-mailbox`` tells the owner, and nobody else, that the mailbox was never opened here, or was lost.
        """
        require_mailbox_owner(request, self._network)
        if request.member != self._member or abs(request.time - self._clock()) > _CLOCKS_APART:
            raise NodeRefused("stale-collect", "the request is for another node, or too old")
        identity = mailbox_id(request.owner)
        if self._tables.get("boxes", identity) is None:
            raise NodeRefused("no-such-mailbox", "this node has no mailbox of this owner")
        self._delete(identity, request.done)
        rows = self._tables.range("letters", identity + (request.after + 1).to_bytes(8, "big"), identity + b"\xff" * 8, _PAGE + 1)
        letters = tuple(Delivered(int.from_bytes(key[32:], "big"), kept[1:], kept[:1] == _STRANGER) for key, kept in rows[:_PAGE])
        return Post(letters, len(rows) > _PAGE)

    def put_card(self, deposit: CardDeposit) -> None:
        """Keep a sealed card for references, of the mailbox's owner alone."""
        require_mailbox_owner(deposit, self._network)
        mailbox = mailbox_id(deposit.owner)
        with self._tables.writing() as write:
            if write.get("boxes", mailbox) is None:
                raise NodeRefused("no-such-mailbox", "this node has no mailbox of this owner")
            keep_card(write, mailbox, deposit)

    def card(self, card: bytes) -> SealedCard:
        """The sealed card of this hash; ``no-such-card``."""
        return find_card(self._tables, card)

    def letters(self) -> int:
        """How many letters lie in all mailboxes together."""
        return self._tables.size("letters")

    def close(self) -> None:
        """Close the database."""
        self._tables.close()

    def _delete(self, mailbox: bytes, done: int) -> None:
        with self._tables.writing() as write:
            box = _box(write.get("boxes", mailbox))
            rows = self._tables.range("letters", mailbox, mailbox + (done + 1).to_bytes(8, "big"), self._most + MOST_STRANGERS)
            if box is None or not rows:
                return
            for key, _ in rows:
                write.drop("letters", key)
            strangers = sum(kept[:1] == _STRANGER for _, kept in rows)
            left = replace(box, kept=box.kept - len(rows) + strangers, strangers=box.strangers - strangers)
            write.put("boxes", mailbox, encode(left))


def raise_cursors(folder: Path) -> None:
    """Let every mailbox of the database in ``folder`` go on far above where it was: a restored mailbox must never give a new
    letter a cursor that its owner has passed already, or the owner would never ask for it."""
    tables = Tables(folder, TABLES)
    try:
        first = b""
        while rows := tables.range("boxes", first, b"\xff" * 40, 1024):
            with tables.writing() as write:
                for key, value in rows:
                    box = decode(value, _Box, limit=128)
                    write.put("boxes", key, encode(replace(box, cursor=box.cursor + RAISED)))
            first = rows[-1][0] + b"\0"
    finally:
        tables.close()


def _box(value: bytes | None) -> _Box | None:
    return None if value is None else decode(value, _Box, limit=128)
