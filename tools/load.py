"""Ask a node for three times what it can do, for minutes; then let one sponsor be greedy beside another; then cut its power.

``PYTHONPATH=tests:. python tools/load.py [SECONDS]`` (120 unless said, for each of the two). Ends with a report; exit 1 where
goodput broke down, memory grew beyond its bound, an answer was none of 200, 429 and 503, or something acknowledged is gone.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import report
from heavy_load import ALLOWED, Came, closed_loop, lasting, loaded, open_loop

CLIENTS = 16
TIMES = 3.0  # saturation
HELD = 0.7  # of the goodput at saturation that must stay
MODEST = 0.9  # of what a modest sponsor asks for that it must get beside a greedy one
MEMORY = 512 * 1024 * 1024  # bytes


def main() -> int:
    """Load, count, report."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 120.0
    made_of, lost = report.commit(), 0
    with tempfile.TemporaryDirectory() as folder, loaded(Path(folder)) as served:
        asyncio.run(closed_loop(served.url, served.mixed, CLIENTS, lasting(5)))  # what is warm is measured
        print(f"  saturation: {CLIENTS} clients, 20 s", flush=True)
        full = asyncio.run(closed_loop(served.url, served.mixed, CLIENTS, lasting(20)))
        rate = TIMES * full.goodput
        with peaking(served.memory) as peak:
            print(f"  {rate:,.0f} requests a second, open loop, {seconds:.0f} s", flush=True)
            flood = asyncio.run(open_loop(served.url, served.mixed, rate, seconds))
            print(f"  a greedy sponsor beside a modest one, {seconds:.0f} s", flush=True)

            async def both() -> list[Came]:
                greedy = open_loop(served.url, lambda: served.transaction(0), rate, seconds)
                modest = open_loop(served.url, lambda: served.transaction(1), full.goodput / 10, seconds)
                return await asyncio.gather(greedy, modest)

            greedy, modest = asyncio.run(both())
        served.kill()
        lost = sum(served.lost(came) for came in (full, flood, greedy, modest))
    share = modest.statuses[200] / modest.statuses.total()
    strange = {status for came in (full, flood, greedy, modest) for status in set(came.statuses) - ALLOWED}
    held, acknowledged = flood.goodput / full.goodput, sum(len(came.kept) for came in (full, flood, greedy, modest))
    rows = [
        "| What | Offered a second | Answered 200 a second | 429 | 503 | Median, s | 99 of 100, s |",
        "|---|---:|---:|---:|---:|---:|---:|",
        row(f"{CLIENTS} clients, as fast as they are answered", full),
        row(f"three times that, {seconds:.0f} s", flood),
        row("a greedy sponsor", greedy),
        row("a modest one beside it", modest),
        "",
        "Of ten requests seven are transactions with a blob, two read proven state, one a header; in the last two rows all are",
        "transactions.",
        "",
        f"- Goodput at three times saturation: {held:.2f} of saturation's (at least {HELD}).",
        f"- The modest sponsor got {share:.1%} of what it asked for (at least {MODEST:.0%}).",
        f"- Memory of the node's process for itself: at most {max(peak) / 2**20:,.0f} MiB (at most {MEMORY / 2**20:,.0f}).",
        f"- Answers that are none of 200, 429 and 503, or broken connections: {sorted(strange) or 'none'}.",
        f"- Transactions acknowledged before SIGKILL: {acknowledged:,}; lost: {lost}.",
    ]
    kept = report.write("load", "Load", made_of, rows)
    print("\n".join(rows))
    good = held >= HELD and share >= MODEST and max(peak) <= MEMORY and not strange and not lost
    print(f"{'all held' if good else 'NOT HELD'}; {kept.name}")
    return 0 if good else 1


def row(what: str, came: Came) -> str:
    """A row of the table."""
    median, late = statistics.median(came.seconds), statistics.quantiles(came.seconds, n=100)[98]
    offered = came.statuses.total() / came.lasted
    refused = f"{came.statuses[429]:,} | {came.statuses[503]:,}"
    return f"| {what} | {offered:,.0f} | {came.goodput:,.0f} | {refused} | {median:.2f} | {late:.2f} |"


@contextmanager
def peaking(measure: Callable[[], int]) -> Iterator[list[int]]:
    """Inside, ``measure`` is called every half second; the list has what it gave."""
    found, over = [measure()], threading.Event()

    def look() -> None:
        while not over.wait(0.5):
            found.append(measure())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


if __name__ == "__main__":
    sys.exit(main())
