"""Fuzz every decoder that bytes of strangers reach, by coverage, for some minutes in all; then report.

``PYTHONPATH=tests python tools/fuzz.py [MINUTES]``: the minutes (10 unless said) are shared by the targets, two of which run at a
time. Seeds come from the vectors; what the fuzzer found to be worth keeping stays in ``.fuzz/TARGET`` and is where the next run
begins. Findings lie in ``.fuzz/findings``. Exit 1 where there is one, or where the fuzzer does not find the bug that is planted.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import report
from fuzz_targets import TARGETS, Target

PLACE = report.ROOT / ".fuzz"
FINDINGS = PLACE / "findings"
ONE = Path(__file__).with_name("fuzz_one.py")
LIMITS = ("-timeout=60", "-rss_limit_mb=3072", "-max_len=65536", "-print_final_stats=1", "-verbosity=1")
FOUND = 77  # libFuzzer's exit code for a finding, as atheris passes it on
FOR_PLANTED = 120  # seconds


@dataclass(frozen=True)
class Result:
    """What became of a target: runs, places of the code that were reached, memory (MiB), and the findings' files."""

    name: str
    ended: int
    runs: int
    reached: int
    memory: int
    findings: tuple[str, ...]
    tail: str

    @property
    def trouble(self) -> str:
        """What to tell of it, or ""."""
        if self.findings:
            return ", ".join(self.findings)
        return "" if self.ended == 0 else f"ended with {self.ended}"


def main() -> int:
    """The planted bug first, then every target, then the report."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    began, made_of = time.monotonic(), report.commit()
    FINDINGS.mkdir(parents=True, exist_ok=True)
    control = fuzz("planted", None, FOR_PLANTED)
    for name in control.findings:
        (FINDINGS / name).unlink()
    if not control.findings:
        print(f"the fuzzer does not find the bug that is planted:\n{control.tail}", file=sys.stderr)
        return 1
    print(f"the planted bug was found after {control.runs:,} runs", flush=True)
    seconds = max(3, round(minutes * 60 * 2 / len(TARGETS)))
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda name: told(fuzz(name, TARGETS[name](), seconds)), TARGETS))
    kept = report.write("fuzz", "Fuzzing", made_of, summary(control, results, seconds, time.monotonic() - began))
    troubles = [result for result in results if result.trouble]
    for result in troubles:
        print(f"{result.name}: {result.trouble}\n{result.tail}", file=sys.stderr)
    runs = sum(result.runs for result in results)
    print(f"{len(results)} targets, {runs:,} runs, {len(troubles)} with findings; {kept.name}")
    return 1 if troubles else 0


def told(result: Result) -> Result:
    """The result, once it was told."""
    print(f"  {result.name}: {result.runs:,} runs, {result.reached:,} places reached {result.trouble}", flush=True)
    return result


def fuzz(name: str, target: Target | None, seconds: int) -> Result:
    """Run one target for so many seconds, or until it has a finding."""
    corpus = PLACE / name
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds if target else ():
        (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    before = set(FINDINGS.iterdir())
    command = [sys.executable, str(ONE), name, *LIMITS, f"-max_total_time={seconds}", f"-artifact_prefix={FINDINGS}/{name}-"]
    done = subprocess.run([*command, str(corpus)], capture_output=True, text=True, errors="replace", check=False)
    text = done.stderr + done.stdout
    return Result(
        name,
        done.returncode,
        last(text, r"stat::number_of_executed_units:\s+(\d+)") or last(text, r"^#(\d+)\s"),
        last(text, r"\bcov: (\d+)"),
        last(text, r"stat::peak_rss_mb:\s+(\d+)") or last(text, r"rss: (\d+)Mb"),
        tuple(sorted(path.name for path in set(FINDINGS.iterdir()) - before if path.name.startswith(f"{name}-"))),
        text[-4000:],
    )


def last(text: str, pattern: str) -> int:
    """The last number that the pattern finds; 0 without one."""
    found = re.findall(pattern, text, re.MULTILINE)
    return int(found[-1]) if found else 0


def summary(control: Result, results: list[Result], seconds: int, took: float) -> list[str]:
    """The report's lines."""
    runs, found = sum(result.runs for result in results), sum(bool(result.trouble) for result in results)
    return [
        f"{len(results)} targets for {seconds} seconds each, {runs:,} runs in {took:,.0f} seconds: {found} with findings.",
        f"A bug that was planted was found after {control.runs:,} runs.",
        "",
        "| Target | Runs | Places reached | Memory, MiB | Findings |",
        "|---|---|---|---|---|",
        *(f"| {one.name} | {one.runs:,} | {one.reached:,} | {one.memory} | {one.trouble or '-'} |" for one in results),
    ]


if __name__ == "__main__":
    sys.exit(main())
