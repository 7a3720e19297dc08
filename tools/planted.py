"""Plant one bug at a time, and demand that the simulator finds it; the table of what found it, and after how many seeds.

``python tools/planted.py [WORD]`` reads ``tests/planted.toml``; with WORD, only the entries whose text holds it. The source is
copied; nothing in the checkout changes. A bug counts as found where what is broken says one of its entry's ``by``, and
where the same seed breaks nothing without the bug. Exit 1 when a bug is not found within `SEEDS` seeds, or a patch does not fit.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SIMULATOR = (sys.executable, str(ROOT / "tests" / "simulator.py"))
SEEDS = 600
_FOUND = re.compile(r"^FOUND after (\d+) seeds?: (.*)$", re.MULTILINE)
_OTHERS = re.compile(r"^PASSED OVER, .*$", re.MULTILINE)


@dataclass(frozen=True)
class Found:
    """What became of a planted bug: ``trouble`` is "" when it was found; ``others``: seeds that broke something else before."""

    what: str
    by: str = ""
    seeds: int = 0
    trouble: str = ""
    others: int = 0


def plant(entry: dict[str, Any]) -> Found:
    """Simulate with one bug until it is found; then the seed that found it, without the bug."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder)
        shutil.copytree(ROOT / "src" / "salus", source / "salus", ignore=shutil.ignore_patterns("__pycache__"))
        path = source / entry["file"]
        text = path.read_text("utf-8")
        if text.count(entry["find"]) != 1:
            return Found(entry["what"], trouble=f"the patch does not fit {entry['file']} any more")
        path.write_text(text.replace(entry["find"], entry["put"]), "utf-8")
        environment = {**os.environ, "PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [*SIMULATOR, "--seeds", str(SEEDS), "--hunt", *entry["by"]]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    found, others = _FOUND.search(done.stdout), _OTHERS.findall(done.stdout)
    if found is None:
        told = "; ".join(others[:3]) or done.stderr[-500:]
        return Found(entry["what"], trouble=f"NOT FOUND in {SEEDS} seeds {told}", others=len(others))
    seed = str(int(found[1]) - 1)
    control = subprocess.run([*SIMULATOR, "--seed", seed], cwd=ROOT, capture_output=True, check=False)
    if control.returncode != 0:
        return Found(entry["what"], trouble=f"seed {seed} is broken without the bug as well: nothing is shown by it")
    return Found(entry["what"], found[2], int(found[1]), others=len(others))


def told(entry: dict[str, Any]) -> Found:
    """As `plant`, and say what came of it."""
    row = plant(entry)
    print(f"  {row.trouble or f'found after {row.seeds}'}  {row.what}: {row.by}", flush=True)
    return row


def table(rows: list[Found]) -> str:
    """The table in Markdown."""
    lines = ["## Planted bugs", "", "| Bug | Found by | After seeds | Seeds before that broke something else |"]
    lines.append("|---|---|---:|---:|")
    lines += [f"| {row.what} | {row.by or row.trouble} | {row.seeds or '-'} | {row.others} |" for row in rows]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Plant all bugs, two at a time; the table goes into today's report."""
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    entries = [
        entry for entry in tomllib.loads((ROOT / "tests" / "planted.toml").read_text("utf-8"))["planted"] if word in entry["what"]
    ]
    with ThreadPoolExecutor(2) as pool:
        rows = list(pool.map(told, entries))
    if not word:
        report = ROOT / "docs" / "reports" / f"simulate-{datetime.now(UTC):%Y-%m-%d}.md"
        report.parent.mkdir(exist_ok=True)
        before = report.read_text("utf-8").partition("## Planted bugs")[0].rstrip("\n") + "\n\n" if report.exists() else ""
        report.write_text(before + table(rows), "utf-8")
    missed = sum(1 for row in rows if row.trouble)
    print(f"{len(rows)} bugs planted, {len(rows) - missed} found")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
