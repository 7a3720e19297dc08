"""The benchmarks work: every question is asked in small. What they measure is asserted nowhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.__main__ import QUESTIONS

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_every_question_has_its_rows_and_no_ratio_is_made_up() -> None:
    command = [sys.executable, "-m", "bench", "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines() if line.startswith("| ")][
        1:
    ]
    assert len(rows) >= len(QUESTIONS)
    for row in rows:
        measured, verdict = row[3], row[-1]
        assert bool(measured) == (verdict in ("hit", "missed", "reported")), row
        assert measured or verdict.startswith("not measured: "), row
