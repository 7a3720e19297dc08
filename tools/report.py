"""Short dated reports under ``docs/reports/``: what was run, on what kind of machine, and what came of it."""

from __future__ import annotations

import datetime as dt
import os
import platform
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
REPORTS = ROOT / "docs" / "reports"


def machine() -> str:
    """Cores, processor and Python: nothing that names a machine."""
    return f"{os.cpu_count()} cores, {_processor()}, {platform.python_implementation()} {platform.python_version()}"


def commit() -> str:
    """The commit of the checkout, short; with a plus behind it where something is changed; "unknown" outside of git."""
    head = _git("rev-parse", "--short=12", "HEAD")
    return f"{head}+" if head and _git("status", "--porcelain", "--untracked-files=no") else head or "unknown"


def write(name: str, title: str, made_of: str, lines: Iterable[str]) -> Path:
    """``docs/reports/<name>-<today>.md``, of the `commit` that it began with; another one of the day is replaced."""
    today = dt.datetime.now(tz=dt.UTC).date().isoformat()
    path = REPORTS / f"{name}-{today}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    head = (f"# {title}, {today}", "", f"Machine: {machine()}. Commit: {made_of}.", "")
    path.write_text("\n".join((*head, *lines)).rstrip("\n") + "\n", "utf-8")
    return path


class Progress:
    """Tells how far something is, in a line of its own, at most every ``seconds``."""

    def __init__(self, seconds: float = 5) -> None:
        self._seconds, self._told = seconds, time.monotonic()

    def __call__(self, text: str) -> None:
        """Say ``text``, unless something was said just now."""
        now = time.monotonic()
        if now - self._told >= self._seconds:
            print(f"  {text}", flush=True)
            self._told = now


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return platform.machine()
    return next(
        (line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")), platform.machine()
    )


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
