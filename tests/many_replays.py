"""One history replayed in fresh processes that differ in whatever must not count; and where they part, if they do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

ROOT = Path(__file__).parents[1]
REPLAY = ROOT / "tests" / "replay_history.py"


@dataclass(frozen=True)
class Setting:
    """What one process is told: hash seed, zone, locale, how it keeps the state, in which order, and switches of Python's."""

    hash_seed: str
    zone: str
    locale: str
    kind: str
    order: int
    switches: tuple[str, ...] = ()


SETTINGS = (
    Setting("0", "UTC", "C", "memory", 0),
    Setting("1", "Asia/Kathmandu", "tr_TR.UTF-8", "shuffled", 1),
    Setting("4294967295", "Pacific/Kiritimati", "de_DE.UTF-8", "database", 2),
    Setting("random", "America/St_Johns", "C.UTF-8", "shuffled", 3, ("-O", "-X", "utf8=0")),
    Setting("random", "XYZ+11:37", "POSIX", "shuffled", 4, ("-X", "dev", "-W", "ignore")),
    Setting("12345", "Antarctica/Troll", "ar_EG.UTF-8", "memory", 5, ("-OO",)),
    Setting("2", "Europe/Dublin", "ja_JP.UTF-8", "database", 7, ("-X", "utf8=1")),
    Setting("random", "Australia/Lord_Howe", "en_US.UTF-8", "shuffled", 8),
)


def replays(
    path: Path,
    settings: Sequence[Setting],
    source: Path = ROOT / "src",
    told: Callable[[int, int], None] = lambda *_: None,
) -> list[list[str]]:
    """What each process printed, two processes at a time. ``told`` hears (which, lines so far); `RuntimeError` when one fails."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda numbered: _replay(path, *numbered, source, told), enumerate(settings)))


def parting(outputs: Sequence[Sequence[str]]) -> str:
    """Where the first two differ: "" when all say the same of every block."""
    for lines in zip_longest(*outputs, fillvalue="nothing"):
        if len(set(lines)) > 1:
            return " | ".join(lines)
    return ""


def _replay(path: Path, which: int, setting: Setting, source: Path, told: Callable[[int, int], None]) -> list[str]:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON", "TZ"))},
        "PYTHONHASHSEED": setting.hash_seed,
        "TZ": setting.zone,
        "LC_ALL": setting.locale,
        "PYTHONPATH": os.pathsep.join((str(source), str(ROOT / "tests"))),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, *setting.switches, str(REPLAY), str(path), setting.kind, str(setting.order)]
    lines = []
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            told(which, len(lines))
    if process.returncode:
        raise RuntimeError(f"replay {which} ended with {process.returncode} after {len(lines)} blocks")
    return lines
