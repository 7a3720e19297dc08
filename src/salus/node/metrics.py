"""What a node counts, as Prometheus reads it. No id, name or section is a label, and nothing is registered process-wide."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from salus.errors import NodeRefused
from salus.node.comet.engine import CometEngine
from salus.node.comet.runtime import LocalRuntime
from salus.node.service import NodeService
from salus.node.tally import BOUNDS, Tally

MEDIA = "text/plain; version=0.0.4; charset=utf-8"


class Figures(Collector):
    """A node's figures at the moment of asking."""

    def __init__(self, node: NodeService) -> None:
        self._node = node

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        newest = self._node.engine.newest_header().header
        replicas = self._node.replicating  # none where there is one member
        lacking, surplus = (replicas.lacking(), replicas.surplus.count()) if replicas else (0, 0)
        blobs, size = self._node.blobs.totals()
        for name, text, value in (
            ("salus_height", "Height of the newest block", newest.height),
            ("salus_block_time_seconds", "Time of the newest block, seconds since the epoch", newest.time / 1000),
            ("salus_queue", "Transactions that wait for their block", self._node.engine.waiting),
            ("salus_blobs", "Sealed blobs on disk", blobs),
            ("salus_blob_bytes", "Bytes of sealed blobs on disk", size),
            (
                "salus_blobs_lacking",
                "Sealed blobs that the ledger anchors and this vault lacks",
                lacking,
            ),
            (
                "salus_blobs_surplus",
                "Sealed blobs here that others are to keep and may not have yet",
                surplus,
            ),
            ("salus_blobs_pushed", "Blobs that others have pushed here and nothing anchors yet", self._node.pushed.waiting()[0]),
            ("salus_blobs_waiting", "Sealed blobs that wait on this disk for the bucket", self._node.blobs.waiting()[0]),
            ("salus_letters", "Letters in all mailboxes", self._node.letters()),
            ("salus_disk_free_bytes", "Bytes that are free on the node's disk", self._node.disk_free()),
        ):
            yield GaugeMetricFamily(name, text, value=value)
        age = self._node.anchor_age()
        if age is not None:
            yield GaugeMetricFamily("salus_anchor_age_seconds", "Since the last anchor of this start", value=age / 1000)
        if isinstance(self._node.engine, CometEngine):
            yield from _engine(self._node.engine.runtime)
        yield from _counted(self._node.tally)


def _engine(runtime: LocalRuntime) -> Iterator[Metric]:
    """CometBFT, as it is and as it says; of one that does not answer that alone."""
    yield from ProcessCollector(namespace="salus_engine", pid=lambda: runtime.pid or "none", registry=None).collect()
    try:
        found = runtime.figures()
    except NodeRefused:
        found = None
    yield GaugeMetricFamily("salus_engine_up", "1 while the engine answers", value=int(found is not None))
    for name, text, value in (
        (
            ("salus_engine_height", "Height of the newest block that the engine has", found.height),
            ("salus_engine_catching_up", "1 while the engine fetches blocks that others have", int(found.catching_up)),
            ("salus_engine_power", "What the vote of this node's validator weighs", found.power),
            ("salus_engine_peers", "Members' engines that are connected", found.peers),
            ("salus_engine_waiting", "Transactions that wait in the engine for a block", found.waiting),
            ("salus_engine_waiting_bytes", "Bytes of the transactions that wait in the engine", found.waiting_bytes),
        )
        if found
        else ()
    ):
        yield GaugeMetricFamily(name, text, value=value)


def _counted(tally: Tally) -> Iterator[Metric]:
    for name, text, value in (
        ("salus_restarts", "How often the node has begun again with its engine, since it is served", tally.restarts),
        ("salus_blocks", "Blocks made since the start", tally.blocks),
        ("salus_receipts", "Receipts written since the start", tally.receipts),
        ("salus_anchors", "Anchors made since the start", tally.anchors),
    ):
        yield CounterMetricFamily(name, text, value=value)
    transactions = CounterMetricFamily("salus_transactions", "Transactions in blocks, by result", labels=["result"])
    for result, number in sorted(tally.transactions.items()):
        transactions.add_metric([result], number)
    refusals = CounterMetricFamily("salus_refusals", "Requests that were refused, by code", labels=["code"])
    for code, number in sorted(tally.refusals.items()):
        refusals.add_metric([code], number)
    requests = CounterMetricFamily("salus_requests", "Requests", labels=["method", "route", "status"])
    for labels, number in sorted(tally.requests.items()):
        requests.add_metric(list(labels), number)
    seconds = HistogramMetricFamily("salus_request_seconds", "Time to answer", labels=["route"])
    bounds = [*map(str, BOUNDS), "+Inf"]
    for route, times in sorted(tally.times.items()):
        seconds.add_metric([route], list(zip(bounds, map(float, accumulate(times.buckets)), strict=True)), times.total)
    yield from (transactions, refusals, requests, seconds)


def render(node: NodeService) -> bytes:
    """The figures in the text format."""
    registry = CollectorRegistry()
    registry.register(Figures(node))
    registry.register(ProcessCollector(namespace="salus", registry=None))
    return generate_latest(registry)
