"""Take one check away at a time, and demand that the test which is named for it fails.

``python tools/sabotage.py [WORD]`` reads ``tests/sabotage.toml``; with WORD, only the entries whose text holds it; with
``--share N`` every N-th, beginning elsewhere with each commit, so that N commits see all. The source is copied; nothing in the
checkout changes. Exit 1 when a sabotage survives, when a patch no longer fits, or when a named test fails without it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: How pytest ends when a test noticed: some failed, or it read a page of a mapped database that a lost flush had cut off.
NOTICED = (1, -signal.SIGBUS)


def run(source: Path, tests: list[str]) -> tuple[int, str]:
    """pytest's exit code for ``tests`` over the package in ``source``, and the end of what it said."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--timeout=200", "-p", "no:cacheprovider", "-p", "no:cov", *tests]
    environment = {**os.environ, "PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout[-2000:]


def sabotage(entry: dict[str, str]) -> str:
    """What became of one entry: "" when its test noticed."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder)
        shutil.copytree(ROOT / "src" / "salus", source / "salus", ignore=shutil.ignore_patterns("__pycache__"))
        path = source / entry["file"]
        text = path.read_text("utf-8")
        if text.count(entry["find"]) != 1:
            return f"the patch does not fit {entry['file']} any more"
        path.write_text(text.replace(entry["find"], entry["put"]), "utf-8")
        code, _ = run(source, [entry["test"]])
    if code in NOTICED:
        return ""
    return f"SURVIVED: {entry['test']}" if code == 0 else f"pytest ended with {code} for {entry['test']}"


def commits() -> int:
    """How many commits the checkout has; 0 outside of one."""
    count = subprocess.run(["git", "rev-list", "--count", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return int(count.stdout) if count.returncode == 0 else 0


def main() -> int:
    """Run all entries, two at a time."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("word", nargs="?", default="")
    arguments.add_argument("--share", type=int, default=1)
    asked = arguments.parse_args()
    table = tomllib.loads((ROOT / "tests" / "sabotage.toml").read_text("utf-8"))["sabotage"]
    entries = [entry for entry in table if asked.word in entry["what"]][commits() % asked.share :: asked.share]
    if not entries:  # pytest without a test's name runs all there are
        print("sabotage: no row says that", file=sys.stderr)
        return 1
    tests = sorted({entry["test"] for entry in entries})
    code, said = run(ROOT / "src", tests)
    if code != 0:
        print(f"{said}\nsabotage: the named tests do not pass as it is", file=sys.stderr)
        return 1
    survivors = 0
    with ThreadPoolExecutor(2) as pool:
        for entry, trouble in zip(entries, pool.map(sabotage, entries), strict=True):
            print(f"  {'noticed ' if not trouble else 'TROUBLE '} {entry['what']}{'  ' + trouble if trouble else ''}", flush=True)
            survivors += bool(trouble)
    print(f"{len(entries)} checks taken away, {len(entries) - survivors} noticed")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
