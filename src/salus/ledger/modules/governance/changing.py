"""What a decision changes: checked in full where it has its effect, and before where it is proposed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from salus.codec import encode
from salus.crypto.signing import require_sound_key
from salus.errors import LedgerRefused
from salus.ledger.context import Context
from salus.ledger.genesis import member_id
from salus.ledger.modules.governance.messages import AdmitMember, Change, RemoveMember, SetPower, SetRights, UndoLicences, Upgrade
from salus.ledger.modules.governance.queries import planned_rules
from salus.ledger.modules.governance.state import RULES, Rules
from salus.ledger.modules.licences.undoing import undo_from
from salus.ledger.modules.members.queries import current_members, known_member, member, seats
from salus.ledger.modules.members.seating import give_seat, require_balanced, take_seat
from salus.ledger.modules.members.state import MAX_MEMBERS, ROSTER, Member, Roster, member_key
from salus.ledger.store import Overlay


def change(context: Context, wanted: Change) -> None:
    """Make the change, or raise the `LedgerRefused` that says why it is impossible."""
    _CHANGES[type(wanted)](context, wanted)


def _admit(context: Context, wanted: AdmitMember) -> None:
    require_sound_key(wanted.authority)
    require_sound_key(wanted.node)
    identity, standing = member_id(wanted.authority), current_members(context.state)
    if context.state.get(member_key(identity)) is not None:
        raise LedgerRefused("member-exists", "this member is or was one already")
    if any(known_member(context.state, other).node == wanted.node for other in standing):
        raise LedgerRefused("key-taken", "another member's node has this key")
    if len(standing) == MAX_MEMBERS:
        raise LedgerRefused("too-many-members", "the network has as many members as it can")
    made = Member(wanted.authority, wanted.node, wanted.rights, wanted.validator, wanted.peer)
    context.put(member_key(identity), made)
    context.put(ROSTER, Roster((*standing, identity)))


def _remove(context: Context, wanted: RemoveMember) -> None:
    found, standing = member(context.state, wanted.member), current_members(context.state)
    validating = [identity for identity, _ in seats(context.state)]
    if wanted.member in validating:
        _unseat(context.state, wanted.member)
    elif not validating and wanted.member == standing[0]:
        raise LedgerRefused("last-validator", "this member orders blocks alone")
    context.put(member_key(wanted.member), msgspec.structs.replace(found, removed=context.time))
    context.put(ROSTER, Roster(tuple(other for other in standing if other != wanted.member)))


def _rights(context: Context, wanted: SetRights) -> None:
    found = member(context.state, wanted.member)
    context.put(member_key(wanted.member), msgspec.structs.replace(found, rights=wanted.rights))


def _power(context: Context, wanted: SetPower) -> None:
    found = member(context.state, wanted.member)
    if not list(seats(context.state)):
        raise LedgerRefused("no-such-validator", "in this network one member orders blocks alone")
    if wanted.power == 0:
        _unseat(context.state, wanted.member)
        return
    give_seat(context.state, wanted.member, found.validator, wanted.power)
    require_balanced(context.state)


def _unseat(state: Overlay, identity: bytes) -> None:
    take_seat(state, identity)
    require_balanced(state)


def _undo(context: Context, wanted: UndoLicences) -> None:
    known_member(context.state, wanted.issuer)
    if wanted.height > context.height:
        raise LedgerRefused("height-to-come", "licences are undone from a block on that there is")
    undo_from(context, wanted.issuer, wanted.height)


def _upgrade(context: Context, wanted: Upgrade) -> None:
    if wanted.height <= context.height:
        raise LedgerRefused("height-passed", "the block from which new rules were to hold has passed")
    planned = planned_rules(context.state)
    if wanted.version != planned.version + 1 or planned.height > context.height:
        raise LedgerRefused("wrong-version", "upgrades go by one version after the other, each once the one before has begun")
    context.state.put(RULES, encode(Rules(wanted.height, wanted.version)))


_CHANGES: Mapping[type, Callable[[Context, Any], None]] = {
    AdmitMember: _admit,
    RemoveMember: _remove,
    SetRights: _rights,
    SetPower: _power,
    UndoLicences: _undo,
    Upgrade: _upgrade,
}
