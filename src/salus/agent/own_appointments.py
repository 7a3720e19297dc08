"""What a wallet keeps of its own appointments. What has become of them, the ledger says."""

from __future__ import annotations

from typing import Annotated

import msgspec

from salus.agent.home import Agent
from salus.agent.wallet import Wallet
from salus.charts.sections import SectionKind
from salus.codec import Record
from salus.exchange.appointing import BookingLetter
from salus.exchange.schedules import SignedAbout
from salus.ids import Bytes32, Count
from salus.ledger.modules.scheduling.messages import MOST_SLOTS, JoinWaiting, ShownSlot


class OwnAppointment(Record, frozen=True, tag="own-appointment"):
    """One that was asked for here, or that a desk has booked and given over; by its handle. ``begun`` in ms.

    ``patient`` is the seed of its key, which nobody else has; ``shown`` what is to be held, or ``wait`` what is waited for.
    ``letter`` is what the practices are told, and ``share`` what they may read, once it is booked; ``told``: that is done.
    ``grants``: what was given to share it, each ending with the visit. ``instead_of``: one's own appointment that is cancelled
    once this one is booked. ``seen``: what was last told of it.
    """

    patient: Bytes32
    practices: Annotated[tuple[SignedAbout, ...], msgspec.Meta(max_length=MOST_SLOTS)]
    shown: Annotated[tuple[ShownSlot, ...], msgspec.Meta(max_length=MOST_SLOTS)]
    begun: Count
    wait: JoinWaiting | None = None
    letter: BookingLetter | None = None
    share: Annotated[tuple[SectionKind, ...], msgspec.Meta(max_length=16)] = ()
    grants: Annotated[tuple[Bytes32, ...], msgspec.Meta(max_length=MOST_SLOTS)] = ()
    told: bool = False
    instead_of: Bytes32 | None = None
    seen: Annotated[str, msgspec.Meta(max_length=64)] = ""


def kept(agent: Agent, wallet: Wallet) -> dict[bytes, OwnAppointment]:
    """All of them by handle: also those from before a recovery, which go on under the keys that they have."""
    found = dict[bytes, OwnAppointment]()
    for person in reversed(wallet.ids):
        found |= dict(agent.store.all(OwnAppointment, person))
    return found
