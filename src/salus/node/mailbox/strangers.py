"""The lane of strangers: who has no token writes by a stamp of a member, into little room, which a flood does not leave."""

from __future__ import annotations

from collections.abc import Callable

from salus.codec import Record, decode, encode
from salus.errors import NodeRefused, WarrantRefused
from salus.exchange.envelopes import Drop
from salus.exchange.posting import require_stamp
from salus.ids import Count
from salus.node.tables import Write

COUNTS = "stamped"  # the table that counts stamps
MOST_STRANGERS = 100  # letters of strangers that one mailbox holds
DAILY = 20  # of them, a sponsoring member and UTC day
STAMP_AGE = 300_000  # ms
_DAY = 86_400_000  # ms


class _Stamped(Record, frozen=True, tag="stamped"):
    day: Count
    letters: Count


def require_fresh_stamp(drop: Drop, network: bytes, now: int, node_key: Callable[[bytes], bytes]) -> None:
    """Raise ``wrong-stamp`` or ``stale-stamp`` unless a member has stamped just this letter within the last minutes."""
    if drop.stamp is None:
        raise WarrantRefused("wrong-stamp", "the letter has neither token nor stamp")
    require_stamp(drop.stamp, network, drop, node_key(drop.stamp.sponsor))
    if abs(drop.stamp.time - now) > STAMP_AGE:
        raise NodeRefused("stale-stamp", "the stamp is too old, or a node's clock is off")


def count_stranger(write: Write, held: int, drop: Drop, now: int) -> None:
    """Count one more letter by its sponsor; ``strangers-full`` or ``stranger-quota`` where there is no room for it."""
    if drop.stamp is None or held >= MOST_STRANGERS:
        raise NodeRefused("strangers-full", "the mailbox holds as many letters of strangers as it may")
    at, day = drop.mailbox + drop.stamp.sponsor, now // _DAY
    value = write.get(COUNTS, at)
    before = _Stamped(day, 0) if value is None else decode(value, _Stamped, limit=64)
    letters = before.letters if before.day == day else 0
    if letters >= DAILY:
        raise NodeRefused("stranger-quota", "this mailbox has had as many letters by that member's stamp today as it takes")
    write.put(COUNTS, at, encode(_Stamped(day, letters + 1)))
