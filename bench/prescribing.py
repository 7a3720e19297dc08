"""A prescription's way through the ledger beside plain anchors: issued, accepted, dispensed, in durable blocks.

Three transactions of two, three and three signatures each; the other side has as many transactions of as many signatures, which
anchor one blob, two blobs, two blobs. Both sides do all that the embedded engine does (`bench.ledger_in_process`).
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from bench.ledger_in_process import Ledger
from bench.networks import BLOB, Owner, authority_key, founding, owners, signed
from bench.ratios import Effort, Row, compare, timed
from salus.codec import decode
from salus.crypto.hashing import tagged
from salus.crypto.keys import derive
from salus.crypto.signing import SigningKey
from salus.ids import Bytes32
from salus.ledger.genesis import Genesis, LicenceRight, member_id, network_id
from salus.ledger.modules.licences.messages import IssueLicence
from salus.ledger.modules.prescriptions.messages import (
    WHOLE,
    AcceptFill,
    DispenseFill,
    Identified,
    IssuePrescription,
    NewFill,
    Rest,
)
from salus.ledger.modules.prescriptions.state import DAY, prescription_id
from salus.ledger.tx import Transaction, body_hash, licence_id
from salus.node.ledger_store import LedgerStore

_SEED = tagged("bench/node")
_NUMBERS = itertools.count()
LICENSED = (("doctor", LicenceRight.PRESCRIBE), ("pharmacist", LicenceRight.DISPENSE))


@contextmanager
def licensed_ledger(
    licensed: Sequence[tuple[str, LicenceRight]],
) -> Iterator[tuple[Genesis, SigningKey, Ledger, list[Owner], list[Bytes32]]]:
    """A ledger on disk with twenty owners, and the licences of these people in it."""
    genesis, node = founding(_SEED), SigningKey(derive(_SEED, "node"))
    with tempfile.TemporaryDirectory() as folder, closing(LedgerStore(Path(folder))) as store:
        ledger = Ledger(genesis, store, node)
        people = owners(genesis, 20)
        ledger.block([signed(genesis, [one.creation(genesis.time) for one in people], [node, *(one.key for one in people)])])
        issued = [licence_for(genesis, node, authority_key(), name, right) for name, right in licensed]
        ledger.block([data for data, _ in issued])
        yield genesis, node, ledger, people, [licence for _, licence in issued]


def rows(effort: Effort) -> Iterator[Row]:
    """One row."""
    size = effort.of(150, 10)
    with licensed_ledger(LICENSED) as (genesis, node, ledger, people, licences):

        def ours() -> float:
            blocks = prescribed(genesis, ledger.time, node, licences, size)
            return timed(lambda: [ledger.block(block) for block in blocks]) / (3 * size)

        def theirs() -> float:
            blocks = anchored(genesis, node, people, size)
            return timed(lambda: [ledger.block(block) for block in blocks]) / (3 * size)

        yield compare(
            effort, "prescriptions on the ledger: a transition", "plain anchors, as many signatures", ">= 0.6", ours, theirs
        )


def _key(name: str) -> SigningKey:
    return SigningKey(tagged("bench/key", name.encode()))


def licence_for(
    genesis: Genesis, node: SigningKey, authority: SigningKey, name: str, right: LicenceRight
) -> tuple[bytes, Bytes32]:
    """What licenses somebody, and the licence's id."""
    holder = _key(name).public
    issue = IssueLicence(member_id(genesis.members[0].authority), tagged("bench/person", holder), holder, bytes(32), (right,), 0)
    data = signed(genesis, [issue], [authority, node])
    return data, licence_id(body_hash(decode(data, Transaction, limit=1 << 20).body), 0)


def prescribed(genesis: Genesis, now: int, node: SigningKey, licences: Sequence[Bytes32], size: int) -> list[list[bytes]]:
    """Three blocks: all are issued, all accepted, all dispensed. ``licences``: the doctor's and the pharmacist's."""
    doctor, pharmacist = _key("doctor"), _key("pharmacist")
    issued, accepted, dispensed = list[bytes](), list[bytes](), list[bytes]()
    for _ in range(size):
        number = str(next(_NUMBERS))
        control, bearer, holder = (_key(f"{what} {number}") for what in ("control", "bearer", "holder"))
        handle = prescription_id(network_id(genesis), control.public)
        fill = NewFill(bearer.public, 0, now + 90 * DAY)
        issue = IssuePrescription(licences[0], control.public, bytes(32), False, 0, (fill,))
        accept = AcceptFill(handle, 0, licences[1], holder.public, now + 7 * DAY)
        dispense = DispenseFill(handle, 0, licences[1], WHOLE, Rest.KEEP, Identified.NOT)
        issued.append(signed(genesis, [issue], [doctor, node]))
        accepted.append(signed(genesis, [accept], [bearer, pharmacist, node]))
        dispensed.append(signed(genesis, [dispense], [holder, pharmacist, node]))
    return [issued, accepted, dispensed]


def anchored(
    genesis: Genesis, node: SigningKey, people: Sequence[Owner], size: int, counts: Sequence[int] = (1, 2, 2)
) -> list[list[bytes]]:
    """As many transactions of as many signatures: a block for each of ``counts``, which are without the sponsor's."""
    blocks = [list[bytes]() for _ in counts]
    for _, (block, count) in itertools.product(range(size), list(zip(blocks, counts, strict=True))):
        taken = [people[(next(_NUMBERS)) % len(people)] for _ in range(count)]
        if len({one.section for one in taken}) < count:
            taken = list(people[:count])
        actions = [one.anchor(BLOB[:-8] + next(_NUMBERS).to_bytes(8, "big")) for one in taken]
        block.append(signed(genesis, actions, [*(one.key for one in taken), node]))
    return blocks
