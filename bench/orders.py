"""An order's way through the ledger beside plain anchors: placed, accepted, collected, reported, acknowledged, in durable blocks.

Five transactions of two, three, two, three and two signatures; the other side has as many transactions of as many signatures,
which anchor as many blobs as they have signatures besides the sponsor's. Both sides do all that the embedded engine does
(`bench.ledger_in_process`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from bench.networks import signed
from bench.prescribing import anchored, licensed_ledger
from bench.ratios import Effort, Row, compare, timed
from salus.crypto.hashing import tagged
from salus.crypto.signing import SigningKey
from salus.ids import Bytes32
from salus.ledger.genesis import Genesis, LicenceRight, network_id
from salus.ledger.modules.orders.messages import (
    AcceptOrder,
    AcknowledgeReport,
    CollectSpecimen,
    PlaceOrder,
    ReportResult,
    ReportStatus,
)
from salus.ledger.modules.orders.state import DAY, order_id

_NUMBERS = itertools.count()
LICENSED = (("orderer", LicenceRight.ORDER), ("laboratory", LicenceRight.REPORT))
SIGNATURES = (1, 2, 1, 2, 1)  # besides the sponsor's


def rows(effort: Effort) -> Iterator[Row]:
    """One row."""
    size = effort.of(150, 10)
    with licensed_ledger(LICENSED) as (genesis, node, ledger, people, licences):
        each = len(SIGNATURES) * size

        def ours() -> float:
            blocks = _ordered(genesis, ledger.time, node, licences, size)
            return timed(lambda: [ledger.block(block) for block in blocks]) / each

        def theirs() -> float:
            blocks = anchored(genesis, node, people, size, SIGNATURES)
            return timed(lambda: [ledger.block(block) for block in blocks]) / each

        yield compare(effort, "orders on the ledger: a transition", "plain anchors, as many signatures", ">= 0.6", ours, theirs)


def _key(name: str) -> SigningKey:
    return SigningKey(tagged("bench/key", name.encode()))


def _ordered(genesis: Genesis, now: int, node: SigningKey, licences: Sequence[Bytes32], size: int) -> list[list[bytes]]:
    """Five blocks, one for each step of all orders. ``licences``: the orderer's and the laboratory's."""
    doctor, laboratory = _key("orderer"), _key("laboratory")
    blocks = [list[bytes]() for _ in SIGNATURES]
    for _ in range(size):
        number = str(next(_NUMBERS))
        bearer, holder, content = (
            _key(f"bearer of {number}"),
            _key(f"holder of {number}"),
            tagged("bench/content", number.encode()),
        )
        handle = order_id(network_id(genesis), bearer.public)
        order = PlaceOrder(licences[0], bearer.public, bytes(32), licences[0], licences[0], content, now + 9 * DAY)
        report = ReportResult(handle, licences[1], content, ReportStatus.FINAL, 0, now + 2 * DAY)
        for block, action, keys in zip(
            blocks,
            (
                order,
                AcceptOrder(handle, licences[1], holder.public),
                CollectSpecimen(handle, content),
                report,
                AcknowledgeReport(handle, 0, licences[0]),
            ),
            ([doctor], [bearer, laboratory], [holder], [holder, laboratory], [doctor]),
            strict=True,
        ):
            block.append(signed(genesis, [action], [*keys, node]))
    return blocks
