"""An appointment's way through the ledger beside plain anchors: held, booked, cancelled, in durable blocks.

Three transactions of two signatures each, the first of which shows its slot on a page of 2,048; the other side has as many
transactions of as many signatures, which anchor one blob each. Both sides do all that the embedded engine does
(`bench.ledger_in_process`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from bench.ledger_in_process import Ledger
from bench.networks import BLOB, Owner, signed
from bench.prescribing import licensed_ledger
from bench.ratios import Effort, Row, compare, timed
from salus.crypto.hashing import tagged
from salus.crypto.signing import SigningKey
from salus.ids import Bytes32
from salus.ledger.genesis import Genesis, LicenceRight, network_id
from salus.ledger.modules.scheduling.messages import (
    DAY,
    HOUR,
    MINUTE,
    BookAppointment,
    CancelAppointment,
    HoldSlots,
    Kind,
    OpenSchedule,
    PublishSlots,
    Slot,
)
from salus.ledger.modules.scheduling.state import appointment_id, page_root, schedule_id, shown

_NUMBERS = itertools.count()
LICENSED = (("doctor", LicenceRight.TREAT),)
PAGE = 2_048
EACH = 15  # appointments of one schedule at once: a sponsor has no more open at one


def rows(effort: Effort) -> Iterator[Row]:
    """One row."""
    size = effort.of(150, 15)
    with licensed_ledger(LICENSED) as (genesis, node, ledger, people, (licence,)):

        def ours() -> float:
            blocks = _booked(genesis, ledger, node, licence, size)
            return timed(lambda: [ledger.block(block) for block in blocks]) / (3 * size)

        def theirs() -> float:
            blocks = _anchored(genesis, node, people, size)
            return timed(lambda: [ledger.block(block) for block in blocks]) / (3 * size)

        yield compare(
            effort, "appointments on the ledger: a transition", "plain anchors, as many signatures", ">= 0.6", ours, theirs
        )


def _key(name: str) -> SigningKey:
    return SigningKey(tagged("bench/key", name.encode()))


def _booked(genesis: Genesis, ledger: Ledger, node: SigningKey, licence: Bytes32, size: int) -> list[list[bytes]]:
    """Three blocks: all are held, all booked, all cancelled; schedules and pages are published before."""
    network, begins = network_id(genesis), ledger.time + DAY
    page = [Slot(begins + n * MINUTE, begins + (n + 1) * MINUTE, 1, Kind.VISIT) for n in range(PAGE)]
    root, schedules, opened = page_root(page), list[bytes](), list[bytes]()
    for _ in range(-(-size // EACH)):
        desk = _key(f"desk {next(_NUMBERS)}")
        schedules.append(schedule_id(network, desk.public))
        opened.append(signed(genesis, [OpenSchedule(licence, desk.public, 0, 90 * DAY, HOUR)], [_key("doctor"), node]))
        opened.append(signed(genesis, [PublishSlots(schedules[-1], begins, begins + 2 * DAY, root, PAGE)], [desk, node]))
    ledger.block(opened[::2])
    ledger.block(opened[1::2])
    places = [shown(schedules[0], begins, page, n) for n in range(EACH)]
    held, booked, cancelled = list[bytes](), list[bytes](), list[bytes]()
    for number in range(size):
        patient, one = _key(f"patient {next(_NUMBERS)}"), places[number % EACH]
        handle = appointment_id(network, patient.public)
        wanted = type(one)(schedules[number // EACH], one.begins, one.index, one.path, one.slot)
        held.append(signed(genesis, [HoldSlots(patient.public, (wanted,))], [patient, node]))
        booked.append(signed(genesis, [BookAppointment(handle)], [patient, node]))
        cancelled.append(signed(genesis, [CancelAppointment(handle)], [patient, node]))
    return [held, booked, cancelled]


def _anchored(genesis: Genesis, node: SigningKey, people: Sequence[Owner], size: int) -> list[list[bytes]]:
    """As many transactions of as many signatures."""
    blocks: list[list[bytes]] = [[], [], []]
    for block in blocks:
        for number in range(size):
            one = people[number % len(people)]
            block.append(signed(genesis, [one.anchor(BLOB[:-8] + next(_NUMBERS).to_bytes(8, "big"))], [one.key, node]))
    return blocks
