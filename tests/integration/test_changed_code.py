"""Checks that are taken away, one at a time: what `make sabotage` does for all, and `make mutants` by chance, here for some."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_every_check_that_is_to_be_taken_away_is_there_once() -> None:
    rows = tomllib.loads((ROOT / "tests" / "sabotage.toml").read_text("utf-8"))["sabotage"]
    wrong = [row["what"] for row in rows if (ROOT / "src" / row["file"]).read_text("utf-8").count(row["find"]) != 1]
    assert len(rows) > 250
    assert not wrong


@pytest.mark.slow
def test_each_eightieth_check_that_is_taken_away_is_missed() -> None:
    """Other ones with every commit."""
    command = [sys.executable, "tools/sabotage.py", "--share", "80"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "checks taken away" in done.stdout
