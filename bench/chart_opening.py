"""How long a chart of 3,000 resources takes to open: cold, when everything is fetched and opened anew; and warm, with the index.

Cold is measured beside decrypting the same blobs and nothing else: the patient's half, the content, decompressed and decoded.
Warm is measured beside cold. Both verify what the ledger proves, and end with the folded chart. Warm, the content of an entry is
opened when it is shown, so that a third row, which is reported only, takes each chart as a Bundle of all its resources as well.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

from bench.homes import PATIENT, patient_home, take_in
from bench.ratios import Effort, Row, compare, repeated, timed
from bench.records import record
from salus.agent.asking import as_owner, entries_of, fetch_entries
from salus.agent.epoch_pairs import own_pairs
from salus.agent.home import Agent
from salus.agent.own_sections import own_sections
from salus.agent.services.charting import chart_bundle, open_chart
from salus.agent.store import Store
from salus.charts.sealing import decrypt, half_of
from salus.crypto.keys import new_seed


def rows(effort: Effort) -> Iterator[Row]:
    """Three rows."""
    size = effort.of(3000, 100)
    with tempfile.TemporaryDirectory() as folder, patient_home(Path(folder) / "home") as agent:
        take_in(agent, record(size))
        indexes = (Path(folder) / f"index-{number}.db" for number in count())

        def cold(show: bool = False) -> float:
            anew = replace(agent, index=Store(next(indexes), new_seed(), durable=False))
            try:
                return timed(lambda: _opened(anew, size, show))
            finally:
                anew.index.close()

        yield compare(effort, f"chart of {size} resources, cold", "decrypting its blobs", "<= 2", cold, _decrypting(agent))
        _opened(agent, size)
        warm = effort.of(3, 1)
        yield compare(
            effort,
            f"chart of {size} resources, warm",
            "the same, cold",
            "<= 0.1",
            repeated(lambda: _opened(agent, size), warm),
            cold,
        )
        yield compare(
            effort,
            f"chart of {size} resources, warm, all of it shown",
            "the same, cold",
            "",
            repeated(lambda: _opened(agent, size, True), warm),
            lambda: cold(True),
        )


def _opened(agent: Agent, size: int, show: bool = False) -> None:
    found = open_chart(agent, PATIENT, PATIENT)
    if show:
        chart_bundle(found)
    if len(found.shown) < size or found.unread:
        raise SystemExit("the chart is not whole")


def _decrypting(agent: Agent) -> Callable[[], float]:
    wallet, sealed = agent.wallet(PATIENT), []
    for section in own_sections(agent, wallet):
        entries = entries_of(agent, section.identity, range(section.count))
        pairs = own_pairs(agent, wallet, section, {entry.epoch for entry in entries})
        for page, blobs in fetch_entries(agent, as_owner(agent, wallet, section), entries):
            for entry, blob in zip(page, blobs, strict=True):
                sealed.append((blob, pairs[entry.epoch].seal_seed, section.identity, entry.epoch))

    def run() -> None:
        for blob, seed, section, epoch in sealed:
            decrypt(blob, half_of(blob, seed, agent.network_id, section, epoch), agent.network_id, section, epoch)

    return lambda: timed(run)
