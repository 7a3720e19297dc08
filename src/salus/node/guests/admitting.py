"""The door: what comes from outside and costs the member something is let in for guests, and for whoever leaves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from salus.codec import Record
from salus.exchange.api import Submission
from salus.exchange.envelopes import MailboxClaim
from salus.exchange.guests import Redemption
from salus.exchange.inviting import body_of, require_vouched
from salus.ids import MemberId, Millis, NetworkId
from salus.ledger.tx import body_hash, protects_rights
from salus.node.guests.book import GuestBook
from salus.node.guests.days import Days


class Door:
    """``applied`` tells whether a transaction's body is on the ledger already; ``everybody``: nobody needs an invitation.

    ``member_node`` tells a key that is of a member's node: a member answers for its own people's mailboxes here.
    """

    def __init__(
        self,
        folder: Path,
        network: NetworkId,
        member: MemberId,
        clock: Callable[[], Millis],
        applied: Callable[[bytes], bool],
        member_node: Callable[[bytes], bool],
        *,
        everybody: bool,
    ) -> None:
        self.book, self._days = GuestBook(folder, network, member, clock), Days(folder)
        self._network, self._member, self._clock = network, member, clock
        self._applied, self._member_node, self._everybody = applied, member_node, everybody
        self._own = b""

    def enrol_own(self, key: bytes) -> None:
        """The key by which this node's own home is known, when it comes by the port."""
        self._own = key

    def redeem(self, redemption: Redemption) -> None:
        """Make somebody a guest."""
        self.book.redeem(redemption)

    def require(self, message: Record) -> None:
        """Raise unless the message, which came from outside, may be acted on; count what it costs.

        Only submissions and claims to a mailbox cost the member something. Whoever only protects rights needs no invitation, as
        no node may keep a patient from leaving; what is on the ledger already is only told again; and what another member is to
        sponsor is that member's to let in.

        Raises `NodeRefused` ``not-invited``, ``invite-expired``, ``guest-allowance-spent``, and what is wrong with the proof.
        """
        cost = self._cost(message)
        if cost == 0 or self._everybody or not isinstance(message, Submission | MailboxClaim):
            return
        key = require_vouched(message, self._network, self._member)
        if key != self._own and not (isinstance(message, MailboxClaim) and self._member_node(key)):
            self._days.spend(key, cost, self.book.current(key).actions, self._clock())

    def _cost(self, message: Record) -> int:
        """How many actions of the member's the message asks for; 0 where it needs no invitation."""
        if isinstance(message, MailboxClaim):
            return 1
        if not isinstance(message, Submission):
            return 0
        body = body_of(message)
        free = body.sponsor != self._member or protects_rights(body) or self._applied(body_hash(body))
        return 0 if free else len(body.actions)

    def close(self) -> None:
        """Close the book."""
        self.book.close()
