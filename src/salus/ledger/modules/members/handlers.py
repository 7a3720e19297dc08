"""The members of the first block, and what each may change of itself. Who comes and goes by votes: see ``governance``."""

from __future__ import annotations

import msgspec

from salus.codec import encode
from salus.crypto.signing import require_sound_key
from salus.ids import VerifyKey
from salus.ledger.context import Context
from salus.ledger.genesis import Genesis, ValidatingMember, member_id
from salus.ledger.module import Handler, Module
from salus.ledger.modules.members.messages import RenewValidator
from salus.ledger.modules.members.queries import member, seats, voter_at
from salus.ledger.modules.members.seating import give_seat, seat_of, take_seat
from salus.ledger.modules.members.state import ROSTER, Member, Misbehaviour, Roster, member_key, misbehaviour_key, seat_key
from salus.ledger.store import Overlay, Reader


def _found(state: Overlay, genesis: Genesis) -> None:
    for entry in genesis.members:
        require_sound_key(entry.authority)
        require_sound_key(entry.node)
        identity = member_id(entry.authority)
        engine = (entry.validator, entry.peer) if isinstance(entry, ValidatingMember) else ()
        state.put(member_key(identity), encode(Member(entry.authority, entry.node, entry.rights, *engine)))
        if isinstance(entry, ValidatingMember):
            give_seat(state, identity, entry.validator, 1)
    state.put(ROSTER, encode(Roster(tuple(member_id(entry.authority) for entry in genesis.members))))


def _own_authority(reader: Reader, message: RenewValidator) -> tuple[VerifyKey, ...]:
    return (VerifyKey(member(reader, message.member).authority),)


def _renew(context: Context, message: RenewValidator) -> None:
    found = member(context.state, message.member)
    require_sound_key(message.key)
    context.put(member_key(message.member), msgspec.structs.replace(found, validator=message.key))
    if context.state.get(seat_key(message.member)) is not None:
        give_seat(context.state, message.member, message.key, seat_of(context.state, message.member).power)


def _misbehaved(context: Context, where: bytes) -> None:
    """Take the seat of a validator that signed two blocks of one height; the last one keeps it, as nobody else could go on."""
    caught = voter_at(context.state, where)
    if caught is None or context.state.get(seat_key(caught)) is None:
        return
    context.put(misbehaviour_key(caught), Misbehaviour(seat_of(context.state, caught).key, context.time, context.height))
    if len(list(seats(context.state))) > 1:
        take_seat(context.state, caught)


MODULE = Module("members", {RenewValidator: Handler(_own_authority, _renew)}, found=_found, misbehaved=_misbehaved)
