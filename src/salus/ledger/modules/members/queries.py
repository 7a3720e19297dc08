"""What others may read of the members."""

from __future__ import annotations

from collections.abc import Iterator

from salus.errors import LedgerRefused
from salus.ledger.lightblock import Validator, ordered
from salus.ledger.modules.members.state import ROSTER, SEATS, Member, Roster, Seat, Voter, member_key, voter_key
from salus.ledger.store import Reader, load


def known_member(reader: Reader, identity: bytes) -> Member:
    """Whoever is or was a member; `LedgerRefused` ``no-such-member`` otherwise."""
    found = load(reader, member_key(identity), Member)
    if found is None:
        raise LedgerRefused("no-such-member", "not a member of this network")
    return found


def member(reader: Reader, identity: bytes) -> Member:
    """The member; `LedgerRefused` ``no-such-member``, or ``member-removed`` for one that was."""
    found = known_member(reader, identity)
    if found.removed:
        raise LedgerRefused("member-removed", "this member was removed from the network")
    return found


def current_members(reader: Reader) -> tuple[bytes, ...]:
    """The ids of those who are members now, the earliest first."""
    found = load(reader, ROSTER, Roster)
    return () if found is None else found.members


def seats(reader: Reader) -> Iterator[tuple[bytes, Seat]]:
    """(member, its seat) of everybody who validates, in the order of their ids."""
    for key in reader.keys(SEATS, SEATS[:-1] + b"0"):
        seat = load(reader, key, Seat)
        assert seat is not None
        yield key[len(SEATS) :], seat


def seated(reader: Reader) -> tuple[Validator, ...]:
    """The validators as the state has them, in CometBFT's order; the engine follows two blocks later."""
    return ordered([Validator(seat.key, seat.power) for _, seat in seats(reader)])


def voter_at(reader: Reader, where: bytes) -> bytes | None:
    """The member whose validator CometBFT knows, or once knew, by this address."""
    found = load(reader, voter_key(where), Voter)
    return None if found is None else found.member


def peer_is_member(reader: Reader, peer: bytes) -> bool:
    """Whether the engine of this id is a member's, as far as the state names it."""
    return any(known_member(reader, identity).peer == peer for identity in current_members(reader))
