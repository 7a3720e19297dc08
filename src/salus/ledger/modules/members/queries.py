"""What others may read of the members."""

from __future__ import annotations

from salus.errors import LedgerRefused
from salus.ledger.modules.members.state import MEMBERS, Member, member_key
from salus.ledger.store import Reader, load


def member(reader: Reader, identity: bytes) -> Member:
    """The member; `LedgerRefused` ``no-such-member`` otherwise."""
    found = load(reader, member_key(identity), Member)
    if found is None:
        raise LedgerRefused("no-such-member", "not a member of this network")
    return found


def current_members(state: Reader) -> tuple[bytes, ...]:
    """The ids of those who are members now, in order."""
    return tuple(key[len(MEMBERS) :] for key in state.keys(MEMBERS, MEMBERS[:-1] + b"0"))
