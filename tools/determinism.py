"""Make one long history, replay it in many processes, and demand one application hash a block from all of them.

``PYTHONPATH=tests python tools/determinism.py [N] [SEED]``: N transactions (100,000 unless said). Ends with a report;
exit 1 where two processes part.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import report
from long_history import read, write
from many_replays import SETTINGS, Setting, parting, replays

PER_BLOCK = 100


def main() -> int:
    """Make, replay, compare, report."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    began, show, made_of = time.monotonic(), report.Progress(), report.commit()
    with tempfile.TemporaryDirectory() as folder:
        path, source = Path(folder) / "history", Path(folder) / "src"
        shutil.copytree(report.ROOT / "src" / "salus", source / "salus", ignore=shutil.ignore_patterns("__pycache__"))
        refusals = write(path, seed, count, PER_BLOCK, lambda left: show(f"making: {count - left:,} of {count:,} transactions"))
        _, *blocks = read(path)
        print(f"{count:,} transactions in {len(blocks):,} blocks, {refusals['']:,} applied", flush=True)
        outputs = replays(
            path, SETTINGS, source, lambda which, done: show(f"replay {which + 1}: block {done:,} of {len(blocks):,}")
        )
    written = [f"{height} {block.root.hex()}" for height, block in enumerate(blocks, 1)]
    parted = parting(outputs) or parting([written, [" ".join(line.split()[:2]) for line in outputs[0]]])
    kept = report.write("determinism", "Determinism", made_of, summary(seed, refusals, written, parted, time.monotonic() - began))
    print(f"{'THEY PART: ' + parted if parted else f'{len(SETTINGS)} processes, one application hash a block'}; {kept.name}")
    return 1 if parted else 0


def summary(seed: int, refusals: Counter[str], written: list[str], parted: str, seconds: float) -> list[str]:
    """The report's lines."""
    came = f"**part**: {parted}" if parted else "came to the same application hash and the same results at every block"
    return [
        f"One history from seed {seed}: {refusals.total():,} transactions in {len(written):,} blocks, {refusals['']:,} applied.",
        f"Replayed in {len(SETTINGS)} processes, they {came}",
        f"(the last: `{written[-1].split()[1]}`). {seconds:,.0f} seconds in all.",
        "",
        "| Hash seed | Zone | Locale | State | Order | Switches |",
        "|---|---|---|---|---|---|",
        *(row(setting) for setting in SETTINGS),
        "",
        "| Refusal | Times |",
        "|---|---|",
        *(f"| `{code}` | {times:,} |" for code, times in sorted(refusals.items()) if code),
    ]


def row(setting: Setting) -> str:
    """A setting as a row of the report."""
    switches = " ".join(setting.switches)
    return f"| {setting.hash_seed} | {setting.zone} | {setting.locale} | {setting.kind} | {setting.order} | {switches} |"


if __name__ == "__main__":
    sys.exit(main())
