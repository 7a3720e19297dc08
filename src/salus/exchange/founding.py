"""A member before there is a network: what it tells whoever founds one, as a line of text. No secret is in it."""

from __future__ import annotations

from typing import Any

from salus.codec import decode, encode
from salus.exchange.armour import from_line, to_line
from salus.ledger.genesis import GenesisMember, ValidatingMember

ARMOUR = "salus-member-1:"
MAX_MEMBER = 1024
_EITHER: Any = GenesisMember | ValidatingMember


def member_to_text(member: GenesisMember | ValidatingMember) -> str:
    """The member as one line of text."""
    return to_line(ARMOUR, encode(member))


def member_from_text(data: bytes) -> GenesisMember | ValidatingMember:
    """The member that `member_to_text` wrote; `Malformed` for anything else."""
    member: GenesisMember | ValidatingMember = decode(from_line(ARMOUR, data, MAX_MEMBER), _EITHER, limit=MAX_MEMBER)
    return member
