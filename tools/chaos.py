"""Members that order together, under load, while power and wires are cut or they stand still, for minutes; then all is counted.

``PYTHONPATH=tests:. python tools/chaos.py [MINUTES] [SEED]``. Ends with a report; exit 1 for a fork, for something acknowledged
that a member lacks, for a reading without its receipt, or for half of the members that decide alone. Before, a minute with
members that make no copies and forget the blobs of what they have handed on when they are killed: if nothing is found to be lost
then, the harness is blind.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

import report
from chaotic import Came, Chaos, Judged

COPY = "if own:"  # and nobody else has a copy
FORGET = "elif time.time() - path.stat().st_mtime < undecided:"


def main() -> int:
    """Break, count, report."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    made_of = report.commit()
    blind = not forgetful(seed)
    with tempfile.TemporaryDirectory(prefix="salus-") as folder:
        chaos = Chaos(Path(folder), seed)
        try:
            came = chaos.run(minutes * 60, lambda text: print(f"  {text}", flush=True))
            found = chaos.judge()
        finally:
            chaos.net.stop()
    kept = report.write("chaos", "Chaos", made_of, lines(minutes, seed, came, found))
    held = not blind and clean(came, found)
    print("\n".join(lines(minutes, seed, came, found)))
    if blind:
        print("blind: members that forget were not found out")
    print(f"{'all held' if held else 'NOT HELD'}; {kept.name}")
    return 0 if held else 1


def forgetful(seed: int) -> bool:
    """Whether something is lost, as it should be, where members forget what they have handed on."""
    print("  a minute with members that forget", flush=True)
    with tempfile.TemporaryDirectory(prefix="salus-") as folder:
        source = Path(folder) / "source"
        shutil.copytree(report.ROOT / "src" / "salus", source / "salus", ignore=shutil.ignore_patterns("__pycache__"))
        path = source / "salus" / "node" / "vault" / "arriving.py"
        text = path.read_text("utf-8")
        if text.count(FORGET) != 1:
            raise SystemExit("what the control changes is not there any more")
        path.write_text(text.replace(FORGET, "elif undecided < 0:"), "utf-8")
        service = source / "salus" / "node" / "service.py"
        text = service.read_text("utf-8")
        if text.count(COPY) != 1:
            raise SystemExit("what the control changes is not there any more")
        service.write_text(text.replace("self.blobs.put(data)", "pass").replace(COPY, "if False:"), "utf-8")
        engine = os.environ.get("SALUS_ENGINE", str(report.ROOT / ".engine" / "cometbft"))
        chaos = Chaos(Path(folder) / "net", seed, {"PYTHONPATH": str(source), "SALUS_ENGINE": engine})
        try:
            chaos.run(60, lambda text: None)
            return bool(chaos.judge(10).lost)
        finally:
            chaos.net.stop()


def clean(came: Came, found: Judged) -> bool:
    """Whether all that was promised held."""
    return not (found.forks or found.lost or found.unreceipted or came.divided)


def lines(minutes: float, seed: int, came: Came, found: Judged) -> list[str]:
    """The report."""
    waits = sorted(came.waits) or [0.0]
    return [
        f"Four members on CometBFT, {minutes:g} minutes, seed {seed}; four clients write and two read, at members by chance.",
        "",
        "Members that forget what they have handed on when they are killed were found out before, by the same means.",
        "",
        f"- Forks: {len(found.forks)}, of {found.height:,} blocks at four members.",
        f"- Acknowledged: {len(came.acknowledged):,}; lost at any member, ledger or vault: {len(found.lost)}.",
        f"- Readings: {came.served.total():,}; without a receipt: {len(found.unreceipted)}.",
        f"- Decided by half of the members, or not after they were one again: {len(came.divided)}.",
        f"- Seconds from wires that are whole again to the next block everywhere: longest {max(came.resumed, default=0.0):.1f}.",
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
        *(["", *map(str, found.lost[:20]), *found.unreceipted[:20], *came.divided[:20]] if not clean(came, found) else []),
    ]


if __name__ == "__main__":
    sys.exit(main())
