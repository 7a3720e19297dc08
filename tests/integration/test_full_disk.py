"""A disk that is full, read-only or broken from some change on: one clear line, nothing lost, and the next command completes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from disk.shim import behind

SHARE = int(os.environ.get("DISK_SHARE", "199"))  # one change in so many is tried as the first that is refused
FULL = Path(__file__).parents[1] / "disk" / "full.py"


def test_every_command_ends_in_one_line_and_is_completed_when_there_is_room(tmp_path: Path) -> None:
    """API-45, CLI-7. The changes to the disk of each command, refused from the n-th on, for three reasons."""
    done = behind(tmp_path / "disk", FULL, tmp_path, SHARE)
    assert done.returncode == 0, done.stderr
    *troubles, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert troubles == []
    assert last["tried"] >= 25


@pytest.mark.parametrize("words", [["person", "list"], ["person", "list", "--json"]])
def test_output_that_nobody_can_take_is_one_line(tmp_path: Path, words: list[str]) -> None:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("SALUS")}
    environment = {**plain, "SALUS_HOME": str(tmp_path / "home")}
    subprocess.run([sys.executable, "-m", "salus", "init"], env=environment, check=True, capture_output=True)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "salus", *words], env=environment, stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1
    assert done.stderr.startswith("salus: node/storage-failed")
    assert len(done.stderr.splitlines()) == 1
