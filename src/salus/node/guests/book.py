"""The guest book: who may become a guest, and who is one. Keys and dates alone; several processes may have it open."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from salus.codec import Record, decode, encode
from salus.crypto.keys import new_seed
from salus.errors import NodeRefused
from salus.exchange.guests import Invitation, Redemption
from salus.exchange.inviting import invitation_key, require_redemption
from salus.ids import Bytes32, Count, MemberId, Millis, NetworkId
from salus.ledger.header import AnyHeader, header_hash
from salus.node.tables import Tables

OPEN_FOR = 30 * 86_400_000  # ms in which an invitation can be redeemed
INVITED, GUESTS = BOOK = ("invited", "guests")
_LAST = b"\xff" * 33
_MOST = 1_000_000


class Invited(Record, frozen=True, tag="invited"):
    """An invitation, by its public key: until when and how often it can be redeemed, and what its guests get."""

    redeemable: Count  # ms
    left: Count
    until: Count
    actions: Count


class Guest(Record, frozen=True, tag="guest"):
    """A guest, by its key: since and until when (ms), and how many actions a UTC day."""

    invitation: Bytes32
    since: Count
    until: Count
    actions: Count


class GuestBook:
    """The book in ``folder``. Close it with `close`."""

    def __init__(self, folder: Path, network: NetworkId, member: MemberId, clock: Callable[[], Millis]) -> None:
        self._tables = Tables(folder, BOOK)
        self._network, self._member, self._clock = network, member, clock

    def invite(self, span: int, uses: int, actions: int, newest: AnyHeader | None = None) -> Invitation:
        """An invitation for ``uses`` guests, who are served for ``span`` (ms) from now, with ``actions`` a day each.

        It says that ``newest`` is on the ledger, where it is given.
        """
        secret, now = new_seed(), self._clock()
        invited = Invited(now + min(OPEN_FOR, span), uses, now + span, actions)
        with self._tables.writing() as write:
            write.put(INVITED, invitation_key(secret).public, encode(invited))
        seen = (newest.height, header_hash(newest)) if newest else ()
        return Invitation(self._network, self._member, secret, *seen)

    def redeem(self, redemption: Redemption) -> None:
        """Make the redemption's key a guest, durably; the same again changes nothing.

        Raises ``not-invited``, ``invite-used``, ``invite-expired``.
        """
        require_redemption(redemption, self._network, self._member)
        now = self._clock()
        with self._tables.writing() as write:
            found = write.get(INVITED, redemption.invitation)
            if found is None:
                raise NodeRefused("not-invited", "no such invitation is known here")
            invited = decode(found, Invited, limit=128)
            known = _guest(write.get(GUESTS, redemption.guest))
            if known is not None and known.invitation == redemption.invitation:
                require_current(known, now)
                return
            if now >= invited.redeemable:
                raise NodeRefused("invite-expired", "the invitation was not redeemed in time")
            if invited.left == 0:
                raise NodeRefused("invite-used", "the invitation was redeemed by others")
            left = Invited(invited.redeemable, invited.left - 1, invited.until, invited.actions)
            write.put(INVITED, redemption.invitation, encode(left))
            write.put(GUESTS, redemption.guest, encode(Guest(redemption.invitation, now, invited.until, invited.actions)))

    def current(self, key: bytes) -> Guest:
        """The guest of that key; ``not-invited``, ``invite-expired``."""
        found = _guest(self._tables.get(GUESTS, key))
        if found is None:
            raise NodeRefused("not-invited", "this node does not know you as a guest; ask its operator for an invitation")
        require_current(found, self._clock())
        return found

    def guests(self) -> list[tuple[bytes, Guest]]:
        """Everybody who is or was a guest, by key."""
        return [(key, decode(value, Guest, limit=128)) for key, value in self._tables.range(GUESTS, b"", _LAST, _MOST)]

    def invitations(self) -> list[tuple[bytes, Invited]]:
        """The invitations that can still be redeemed, by public key."""
        rows = [(key, decode(value, Invited, limit=128)) for key, value in self._tables.range(INVITED, b"", _LAST, _MOST)]
        return [(key, invited) for key, invited in rows if invited.left and invited.redeemable > self._clock()]

    def end(self, prefix: str) -> bytes:
        """End the guest, or the open invitation, whose id begins with ``prefix`` (8 digits or more); its key.

        Raises ``no-such-guest``, also where several begin like that.
        """
        now = self._clock()
        found = [key for key, _ in (*self.guests(), *self.invitations()) if len(prefix) >= 8 and key.hex().startswith(prefix)]
        if len(found) != 1:
            raise NodeRefused("no-such-guest", "no guest, or more than one, has an id that begins like that")
        with self._tables.writing() as write:
            guest = _guest(write.get(GUESTS, found[0]))
            if guest is None:
                write.drop(INVITED, found[0])
            else:
                write.put(GUESTS, found[0], encode(Guest(guest.invitation, guest.since, min(guest.until, now), guest.actions)))
        return found[0]

    def close(self) -> None:
        """Close the database."""
        self._tables.close()


def require_current(guest: Guest, now: int) -> None:
    """Raise `NodeRefused` ``invite-expired`` for a guest whose time is over, or was ended."""
    if now >= guest.until:
        raise NodeRefused("invite-expired", "your time as this node's guest is over; ask its operator for another invitation")


def close_invitations(folder: Path) -> None:
    """Let nobody redeem what is open in the book in ``folder``: after a restore, it may have been redeemed before."""
    tables = Tables(folder, BOOK)
    try:
        with tables.writing() as write:
            for key, _ in tables.range(INVITED, b"", _LAST, _MOST):
                write.drop(INVITED, key)
    finally:
        tables.close()


def _guest(value: bytes | None) -> Guest | None:
    return None if value is None else decode(value, Guest, limit=128)
