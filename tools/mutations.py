"""Change bytes of every format that strangers hand over, many times: each must be refused, and nothing else must happen.

``PYTHONPATH=tests python tools/mutations.py [N] [SEED]``: N mutants (100,000 unless said), shared by the formats. Ends with a
report; exit 1 where one was accepted, was not caught, or took too much or for ever. Such mutants are kept in ``.mutations/``.
"""

from __future__ import annotations

import resource
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import report
from byte_mutants import Outcome, run
from mutation_samples import formats

KEPT = report.ROOT / ".mutations"
PORTION = 500
PATIENCE = 300  # seconds that a portion may take before it counts as stuck: some ten times what it takes on a slow machine


def main() -> int:
    """Mutate, count, report."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    began, show, made_of, found = time.monotonic(), report.Progress(), report.commit(), dict[str, Outcome]()
    with tempfile.TemporaryDirectory() as folder, formats(Path(folder) / "home") as forms:
        for form in forms:
            share = -(-count // len(forms))
            found[form.name] = total = Outcome()
            for start in range(0, share, PORTION):
                show(f"{form.name}: {start:,} of {share:,}")
                with patience():
                    add(total, run(form, seed + start, min(PORTION, share - start)))
    failures = [failure for outcome in found.values() for failure in outcome.failures]
    for failure in failures:
        KEPT.mkdir(exist_ok=True)
        (KEPT / f"{failure.format}-{failure.number}-{failure.kind}").write_bytes(failure.mutant)
        print(f"FAILED {failure.format} {failure.number} ({failure.kind}): {failure.text}", file=sys.stderr)
    kept = report.write("mutations", "Mutations", made_of, summary(seed, found, time.monotonic() - began))
    print(f"{sum(outcome.tried for outcome in found.values()):,} mutants, {len(failures)} failures; {kept.name}")
    return 1 if failures else 0


@contextmanager
def patience() -> Iterator[None]:
    """Inside, what gets stuck ends with an exception, which is a failure of the mutant."""

    def stuck(number: int, frame: object) -> None:
        raise TimeoutError("a mutant is stuck")

    before = signal.signal(signal.SIGALRM, stuck)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def add(total: Outcome, more: Outcome) -> None:
    """Count ``more`` into ``total``."""
    total.tried, total.kept = total.tried + more.tried, total.kept + more.kept
    total.refused.update(more.refused)
    total.kinds.update(more.kinds)
    total.failures += more.failures
    total.most_bytes, total.most_calls = max(total.most_bytes, more.most_bytes), max(total.most_calls, more.most_calls)


def summary(seed: int, found: dict[str, Outcome], seconds: float) -> list[str]:
    """The report's lines."""
    tried, failures = sum(outcome.tried for outcome in found.values()), sum(len(outcome.failures) for outcome in found.values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return [
        f"{tried:,} changed samples of {len(found)} formats from seed {seed}:",
        f"{failures} accepted, uncaught or beyond their bounds. {seconds:,.0f} seconds; at most {peak} MiB in memory.",
        "FHIR is nobody's signed word: there, what was not refused was read as written, checked, routed and shown.",
        "",
        "| Format | Tried | Refused | Read as written | Failures | Most bytes | Most calls | Refusals |",
        "|---|---|---|---|---|---|---|---|",
        *(row(name, outcome) for name, outcome in found.items()),
    ]


def row(name: str, found: Outcome) -> str:
    """A format as a row of the report; bytes and calls are of the mutants that were measured."""
    refusals = ", ".join(f"`{code}` {times:,}" for code, times in found.refused.most_common())
    figures = (found.tried, found.refused.total(), found.kept, len(found.failures), found.most_bytes, found.most_calls)
    return f"| {name} | {' | '.join(f'{figure:,}' for figure in figures)} | {refusals} |"


if __name__ == "__main__":
    sys.exit(main())
