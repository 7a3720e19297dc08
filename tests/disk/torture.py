"""Power cuts at many points of one recorded piece of work: real code, a modelled disk, the real code again.

``torture.py --points N --report FILE`` records the work and tries N states; ``--log FILE --point P --kind K`` tries one again.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from disk.judging import acknowledged, judge
from disk.power import CREATED, KINDS, Disk, Entry, notes, read_log
from disk.shim import BUILT, behind
from salus import __version__
from salus.crypto.hashing import sha256

WORK = Path(__file__).with_name("workload.py")
#: Places where flushing is left out, one at a time: each time something that was acknowledged must be found lost.
CONTROLS = (
    "/node/ledger/data.mdb",
    "/node/mailbox/data.mdb",
    "/node/vault/receipts/data.mdb",
    "/node/vault/arriving/",
    "/node/vault/blobs/",
    "/agent/store.db-wal",
    "/cold",
)


@dataclass(frozen=True)
class Point:
    """A power cut after so many entries of the log."""

    number: int
    kind: str

    def chance(self) -> random.Random:
        """What decides on everything that is left to chance, the same each time."""
        return random.Random(f"{self.number} {self.kind}")


def record(folder: Path) -> Path:
    """Do the work; the log of it. ``folder`` is where, and becomes part of the log."""
    done = behind(folder / "disk", WORK, folder / "disk", log=folder / "log")
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return folder / "log"


def root_of(entries: list[Entry]) -> str:
    """The folder that the log is about."""
    home = next(entry.first.decode() for entry in entries if entry.kind == "M" and entry.first.endswith(b"/home"))
    return home.rpartition("/")[0]


def choose(entries: list[Entry], count: int, kinds: tuple[str, ...], seed: str) -> list[Point]:
    """``count`` points, all different, spread evenly and then shifted by chance; the kinds take turns."""
    chance, step = random.Random(seed), len(entries) / count
    numbers = [int(step * (at + chance.random())) for at in range(count)]
    return sorted(
        {Point(n, kinds[at % len(kinds)]) for at, n in enumerate(numbers)}, key=lambda point: (point.number, point.kind)
    )


def states(entries: list[Entry], points: list[Point], folder: Path, idle: str = "") -> Iterator[tuple[Point, Path]]:
    """The disk after each of the points, in turn, in a folder that is gone when the next one is asked for.

    In the second half of the log flushing does nothing at the place ``idle``.
    """
    disk, at = Disk(root_of(entries)), 0
    for point in points:
        for number in range(at, point.number):
            disk.idle = idle if number > len(entries) // 2 else ""
            disk.do(entries[number])
        at = max(at, point.number)
        disk.write(folder, point.kind, point.chance())
        yield point, folder
        shutil.rmtree(folder)


def trouble(entries: list[Entry], point: Point, folder: Path) -> str:
    """What is wrong with the state in ``folder``; "" when nothing is."""
    noted, later = notes(entries, point.number), notes(entries[point.number :], len(entries))
    (folder / "home").mkdir(exist_ok=True)
    try:
        judge(folder / "home", acknowledged(noted, later))
    except BaseException as error:  # whatever it is: it is what the next command would have died of
        if isinstance(error, KeyboardInterrupt):
            raise
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} {error} ({Path(where.filename).name}:{where.lineno})".splitlines()[0]
    return ""


def tried(entries: list[Entry], points: list[Point], idle: str = "") -> dict[Point, str]:
    """What was wrong at which point; "" where nothing was. A point that leaves what another one has left is left out."""
    done, found = set[bytes](), dict[Point, str]()
    with tempfile.TemporaryDirectory(dir=memory()) as folder:
        for point, state in states(entries, points, Path(folder) / "state", idle):
            known = sum(1 for entry in entries[: point.number] if entry.kind == "K").to_bytes(4, "big")
            content = (path.read_bytes() for path in sorted(state.rglob("*")) if path.is_file())
            names = "\n".join(str(path) for path in sorted(state.rglob("*")))
            digest = sha256(known + names.encode() + b"".join(content))
            if digest not in done:
                done.add(digest)
                found[point] = trouble(entries, point, state)
    return found


def control(entries: list[Entry], place: str) -> str:
    """The first loss found near the end when flushing ``place`` does nothing; "" when none is: the harness is blind there."""
    for point in choose(entries, 30, ("dropped",), place)[::-1]:
        for what in tried(entries, [point], place).values():
            if what:
                return f"{point.kind} at {point.number}: {what}"
    return ""


def memory() -> str | None:
    """Where files are not written to any disk, if there is such a place: flushing is modelled, not done."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def kept(log: Path, name: str) -> Path:
    """The log where it stays, for a point that is to be tried again."""
    BUILT.mkdir(exist_ok=True)
    return Path(shutil.copyfile(log, BUILT / f"{name}.log"))


def again(log: Path, point: Point, what: str) -> str:
    """A line that says what was wrong, and how to try it alone."""
    return f"{point.kind} at {point.number}: {what}\n  make torture ARGS='--log {log} --point {point.number} --kind {point.kind}'"


def report(entries: list[Entry], found: dict[Point, str], controls: dict[str, str]) -> str:
    """What was tried and what came of it, for people."""
    bad = Counter(point.kind for point, what in found.items() if what)
    counts, counted = Counter(point.kind for point in found), Counter(entry.kind for entry in entries)
    made = sum(1 for entry in entries if entry.kind == "O" and entry.flags & CREATED)
    changes = made + sum(counted[kind] for kind in "WTMURLX")
    flushes = counted["S"] + counted["D"]
    blocks = sum(1 for one in notes(entries, len(entries)) if "block" in one)
    models = [line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    machine = f"{os.cpu_count()} cores ({(models or ['unknown'])[0]}), Python {platform.python_version()}"
    head = f"""# Power cuts, {datetime.now(UTC).date()}

`make torture` on {machine}, version {__version__}.

One process with a node and an agent made {blocks} blocks by {changes} changes of its disk and {flushes} flushes, and acknowledged
{counted["K"]} times. Each state of the disk was opened by the real code. Looked for: every commit of the agent's store, and every
block, application hash, result, letter, receipt and blob that was acknowledged. Then the chain was replayed, what was left was
completed, and the patient's record verified.

| Of what was not flushed | states, all different | failures |
|---|---:|---:|
"""
    rows = "".join(f"| {kind} | {counts[kind]} | {bad[kind]} |\n" for kind in KINDS)
    total = f"| **all** | **{sum(counts.values())}** | **{sum(bad.values())}** |\n"
    tail = "\nControls: from the middle on, flushing is left out at one place, and what is lost there must be found.\n\n"
    lines = "".join(f"| `{place}` | {what or 'NOTHING'} |\n" for place, what in controls.items())
    return head + rows + total + tail + "| No flushing of | found |\n|---|---|\n" + lines


def _lines(path: str) -> list[str]:
    return Path(path).read_text("utf-8").splitlines() if Path(path).exists() else []


def main() -> int:
    """Record, cut, judge, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=3_000)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--point", type=int)
    parser.add_argument("--kind", choices=KINDS)
    said = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=memory()) as folder:
        log = said.log or record(Path(folder))
        entries = list(read_log(log))
        if said.point is not None:
            print(tried(entries, [Point(said.point, said.kind)]))
            return 0
        found = tried(entries, choose(entries, said.points, KINDS, "torture"))
        bad = {point: what for point, what in found.items() if what}
        saved = kept(log, "torture") if bad else log
    for point, what in bad.items():
        print(again(saved, point, what))
    text = report(entries, found, {place: control(entries, place) for place in CONTROLS})
    print(text)
    if said.report is not None:
        said.report.write_text(text, "utf-8")
    return 1 if bad or "NOTHING" in text else 0


if __name__ == "__main__":
    sys.exit(main())
