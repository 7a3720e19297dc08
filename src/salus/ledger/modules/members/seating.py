"""Who may sit among the validators: each key once, never nobody, and nobody so heavy that the others could not go on without."""

from __future__ import annotations

from salus.codec import encode
from salus.crypto.signing import require_sound_key
from salus.errors import LedgerRefused
from salus.ledger.lightblock import address
from salus.ledger.modules.members.queries import seats, voter_at
from salus.ledger.modules.members.state import Seat, Voter, seat_key, voter_key
from salus.ledger.store import Overlay, Reader, load


def seat_of(reader: Reader, member: bytes) -> Seat:
    """The member's seat; `LedgerRefused` ``no-such-validator`` where it has none."""
    found = load(reader, seat_key(member), Seat)
    if found is None:
        raise LedgerRefused("no-such-validator", "this member does not validate")
    return found


def give_seat(state: Overlay, member: bytes, key: bytes, power: int) -> None:
    """Let the member validate with ``key``; `LedgerRefused` ``key-taken`` where another one does or did, and answers for it."""
    require_sound_key(key)
    if voter_at(state, address(key)) not in (None, member):
        raise LedgerRefused("key-taken", "another member's validator has or had this key")
    state.put(voter_key(address(key)), encode(Voter(member)))
    state.put(seat_key(member), encode(Seat(key, power)))


def take_seat(state: Overlay, member: bytes) -> None:
    """Let the member validate no longer; ``no-such-validator``, and ``last-validator`` where nobody else would."""
    seat_of(state, member)
    if len(list(seats(state))) == 1:
        raise LedgerRefused("last-validator", "nobody would be left to order blocks")
    state.remove(seat_key(member))


def require_balanced(reader: Reader) -> None:
    """Raise `LedgerRefused` ``too-much-power`` where one validator outweighs others and has a third of all power or more.

    Without it nothing could be decided, so that one member's failure would stop all: CometBFT needs more than two thirds. Where
    validators are fewer than four this cannot be had, and then all must weigh the same.
    """
    powers = [seat.power for _, seat in seats(reader)]
    if max(powers) > min(powers) and 3 * max(powers) >= sum(powers):
        raise LedgerRefused("too-much-power", "one validator would have a third of all power or more")
