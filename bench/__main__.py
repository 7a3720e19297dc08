"""Run the questions, print one table, and keep it with the machine and the commit that it is true of."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from bench import (
    access_growth,
    bucket,
    chart_opening,
    chart_type_growth,
    commit_latency,
    consensus,
    entry_sealing,
    evm_chain,
    finding,
    help_starting,
    importing,
    ledger_in_process,
    ledger_over_http,
    many_keys,
    orders,
    prescribing,
    prescribing_together,
    repairing,
    scheduling,
    state_syncing,
    validators_growing,
    vault_reading,
)
from bench.ratios import Effort, Row

ROOT = Path(__file__).parents[1]
QUESTIONS = (
    ledger_in_process,
    prescribing,
    scheduling,
    orders,
    ledger_over_http,
    evm_chain,
    entry_sealing,
    vault_reading,
    bucket,
    importing,
    chart_opening,
    access_growth,
    chart_type_growth,
    finding,
    help_starting,
)
NETWORK = (
    consensus,
    prescribing_together,
    validators_growing,
    commit_latency,
    many_keys,
    state_syncing,
    repairing,
)  # the first four need CometBFT
_HEAD = ("What", "Against", "Mark", "Ratio", "Range", "Ours", "Theirs", "")


def main() -> int:
    """0 when every question was asked, whatever the answers: a mark that is missed is said, not hidden and not an error."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only see that the harness works: small sizes, nothing kept")
    parser.add_argument("words", nargs="*", metavar="WORD", help="only the files whose name holds one of these; nothing kept")
    parser.add_argument("--network", action="store_true", help="members that order together; needs CometBFT")
    given = parser.parse_args()
    rows: list[Row] = []
    for question in NETWORK if given.network else QUESTIONS:
        name = question.__name__.rpartition(".")[2]
        if given.words and not any(word in name for word in given.words):
            continue
        begun = time.monotonic()
        for row in question.rows(Effort(given.quick)):
            rows.append(row)
            print(f"{row.what}: {shown(row)[3]} {row.verdict}", file=sys.stderr, flush=True)
        print(f"  ({name}: {time.monotonic() - begun:.0f} s)", file=sys.stderr, flush=True)
    text = f"{heading()}\n\n{table(rows)}"
    print(text)
    if not given.quick and not given.words:
        keep(text, "-network" if given.network else "")
    return 0


def heading() -> str:
    """What the table is true of: when, which commit, which machine."""
    return "\n".join(
        (
            f"# Speed, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            "",
            f"Commit {commit()}; {processor()}, {cores()} cores; Python {platform.python_version()}, {platform.system()}.",
            "Both sides of a row took turns in one run; the first round was dropped; the ratio is the median of the others.",
            'A mark with ">=" is of speeds (ours / theirs), one with "<=" of times (ours / theirs).',
        )
    )


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    cells = [_HEAD, *(shown(row) for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(_HEAD))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]]) + "\n"


def shown(row: Row) -> tuple[str, ...]:
    """The row's cells."""
    if not row.ratios:
        return (row.what, row.against, row.mark, "", "", "", "", row.verdict)
    extent = f"{min(row.ratios):.2f} to {max(row.ratios):.2f}"
    return (
        row.what,
        row.against,
        row.mark,
        f"{row.ratio:.2f}",
        extent,
        amount(row.ours, row.unit),
        amount(row.theirs, row.unit),
        row.verdict,
    )


_SIZES = {"s": (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)), "B": (("MB", 1e6), ("kB", 1e3), ("B", 1.0))}


def amount(value: float, unit: str) -> str:
    """Seconds of one unit of work, or bytes, in a unit that reads well."""
    name, size = next(((name, size) for name, size in _SIZES[unit] if value >= size), _SIZES[unit][-1])
    return f"{value / size:.3g} {name}"


def commit() -> str:
    """The commit that is checked out, and whether what is measured differs from it."""
    found = subprocess.run(["git", "describe", "--always", "--abbrev=12"], cwd=ROOT, capture_output=True, text=True, check=False)
    changed = subprocess.run(["git", "status", "--porcelain", "src"], cwd=ROOT, capture_output=True, text=True, check=False)
    name = found.stdout.strip() or "unknown"
    return f"{name} with changes" if changed.stdout.strip() else name


def processor() -> str:
    """The model of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def keep(text: str, kind: str) -> None:
    """Keep the table under its day, commit and kind."""
    folder = ROOT / "bench" / "results"
    folder.mkdir(exist_ok=True)
    path = folder / f"{datetime.now(UTC):%Y-%m-%d}-{commit().replace(' ', '-')}{kind}.md"
    path.write_text(text, "utf-8")
    print(f"kept in {path.relative_to(ROOT)}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
