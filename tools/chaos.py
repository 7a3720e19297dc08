"""Members that order together, under load, while their power is cut or they stand still, for minutes; then all is counted.

``PYTHONPATH=tests:. python tools/chaos.py [MINUTES] [SEED]``. Ends with a report; exit 1 for a fork, for something acknowledged
that a member lacks, or for a reading without its receipt.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

import report
from chaotic import Came, Chaos, Judged


def main() -> int:
    """Break, count, report."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    made_of = report.commit()
    with tempfile.TemporaryDirectory(prefix="salus-") as folder:
        chaos = Chaos(Path(folder), seed)
        try:
            came = chaos.run(minutes * 60, lambda text: print(f"  {text}", flush=True))
            found = chaos.judge()
        finally:
            chaos.net.stop()
    kept = report.write("chaos", "Chaos", made_of, lines(minutes, seed, came, found))
    held = not (found.forks or found.lost or found.unreceipted)
    print("\n".join(lines(minutes, seed, came, found)))
    print(f"{'all held' if held else 'NOT HELD'}; {kept.name}")
    return 0 if held else 1


def lines(minutes: float, seed: int, came: Came, found: Judged) -> list[str]:
    """The report."""
    waits = sorted(came.waits) or [0.0]
    return [
        f"Four members on CometBFT, {minutes:g} minutes, seed {seed}; four clients write and two read, at members by chance.",
        "",
        f"- Forks: {len(found.forks)}, of {found.height:,} blocks at four members.",
        f"- Acknowledged: {len(came.acknowledged):,}; lost at any member, ledger or vault: {len(found.lost)}.",
        f"- Readings: {came.served.total():,}; without a receipt: {len(found.unreceipted)}.",
        f"- Seconds to an acknowledgement: median {statistics.median(waits):.2f}, 95 of 100 {waits[int(len(waits) * 0.95)]:.2f},",
        f"  longest {waits[-1]:.1f}.",
        "",
        "| Fault | Times |",
        "|---|---:|",
        *(f"| {kind} | {times} |" for kind, times in sorted(came.faults.items())),
        "",
        "| Refusal | Times |",
        "|---|---:|",
        *(f"| {code} | {times} |" for code, times in sorted(came.refusals.items())),
        *(["", *map(str, found.lost[:20]), *found.unreceipted[:20]] if found.lost or found.unreceipted else []),
    ]


if __name__ == "__main__":
    sys.exit(main())
